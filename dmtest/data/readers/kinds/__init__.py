"""One module for each kind of file: a path, a key and columns in, a `Loaded` out.

Imports only `errors`, `results`.
"""
