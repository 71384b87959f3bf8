"""Figures of a report, drawn with matplotlib.

Imports only `errors`, `results`, `render.page`, `render.table_rows`, `render.wording`.
"""
