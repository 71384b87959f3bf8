"""Statistics of whole rows: a `RowView` in, the statistic and the part of it that varies out.

Imports only `errors`, `runtime`, `kernels`, `targets`, `engines`, `statistics.laws`,
`statistics.slices`.
"""
