"""Causes of a mismatch: what is wrong with columns, rows, groups of rows, or the choice of target.

Imports only `words`, `runtime`, `results`, `render`, `data`, `targets`, `engines`, `statistics`,
`catalogue`, `calibration`, `battery`, `effects`, `reports.verdict`.
"""
