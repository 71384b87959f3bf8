"""The HTML page and the fragment that notebooks show.

Imports only `_version`, `runtime`, `results`, `render.bounds_rows`, `render.citations`,
`render.figures`, `render.table_rows`, `render.tables`, `render.text`, `render.training_rows`,
`render.wording`.
"""
