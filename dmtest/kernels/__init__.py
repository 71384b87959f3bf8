"""Numba kernels only: plain loops, each with an independent twin in tests/.

Import a kernel module inside the function that runs it: importing numba takes a third of a second.

Imports only `runtime`.
"""
