"""Rendering of results: the page, figures, text, tables, citations.

Imports only `errors`, `words`, `_version`, `runtime`, `results`.
"""
