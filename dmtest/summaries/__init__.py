"""Mergeable summaries of rows that need not fit into memory: one pass, the same bits in any order.

Imports only `errors`, `arguments`, `runtime`, `results`, `kernels`, `data`, `targets`,
`engines`.
"""
