"""Compare a sample of an encoder with its baseline.

Imports only `errors`, `_version`, `arguments`, `runtime`, `results`, `render`, `kernels`,
`data`, `targets`, `engines`, `summaries`, `catalogue`, `calibration`, `battery`, `effects`,
`reports`.
"""
