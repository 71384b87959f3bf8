"""Results as text: terminal, continuous integration, a training run, several files.

Imports only `results`, `render.page`, `render.table_rows`, `render.tables`, `render.wording`.
"""
