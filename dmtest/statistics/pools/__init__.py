"""Statistics of two samples: a `Pool` and its labellings in, one value for each labelling out.

Imports only `runtime`, `kernels`, `engines`.
"""
