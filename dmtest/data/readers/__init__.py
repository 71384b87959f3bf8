"""Readers of files, URLs and objects in memory; each returns a `Loaded` (see `columns`).

Imports only `errors`, `results`.
"""
