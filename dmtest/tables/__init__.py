"""Tables of columns, rows and classes: univariate tests, outliers, shares between classes.

Imports only `errors`, `arguments`, `runtime`, `results`, `data`, `targets`, `engines`,
`statistics`, `catalogue`, `calibration`, `battery`, `effects`.
"""
