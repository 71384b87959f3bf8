"""One module for each kind of file: from a path, a key and columns to a `Loaded`.

Imports only `errors`, `results`.
"""
