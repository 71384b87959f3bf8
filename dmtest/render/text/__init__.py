"""Results as text: terminal, continuous integration, a training run, several files.

Imports only `results`, `render.bounds_rows`, `render.page`, `render.table_rows`,
`render.tables`, `render.training_rows`, `render.wording`.
"""
