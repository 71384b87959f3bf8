"""Statistics of slices: a `SliceView` in, one value for each slice out.

Imports only `errors`, `runtime`, `kernels`, `engines`.
"""
