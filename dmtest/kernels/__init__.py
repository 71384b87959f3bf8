"""Numba kernels, and nothing else: plain loops that have an independent twin in tests/.

Import a kernel module only where it is run: numba takes a third of a second to import.

Imports only `runtime`.
"""
