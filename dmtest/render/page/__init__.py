"""The HTML page and the fragment that notebooks show.

Imports only `results`, `render.citations`, `render.figures`, `render.table_rows`,
`render.tables`, `render.wording`.
"""
