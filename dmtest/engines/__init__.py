"""The ways to compute: slices and pairs. An engine knows data and tiles, not p-values.

Imports only `errors`, `runtime`, `kernels`, `targets`.
"""
