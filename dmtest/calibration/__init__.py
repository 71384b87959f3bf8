"""Nulls and p-values: draw or load replicates, compare, permute, combine, keep to a budget.

Imports only `errors`, `runtime`, `engines`, `statistics`, `catalogue`.
"""
