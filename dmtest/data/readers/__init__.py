"""Readers, one module a kind of source; each returns a `Loaded` (see `columns`).

Imports only `errors`, `results`.
"""
