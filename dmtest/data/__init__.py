"""Read a file, and validate a sample.

Imports only `errors`, `results`.
"""
