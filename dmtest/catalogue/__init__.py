"""The tests: one row a test, and the look-up over the rows.

Imports only `errors`, `runtime`, `results`, `engines`, `statistics`.
"""
