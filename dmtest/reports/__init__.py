"""Assembly of reports: tests, effects, diagnosis, figures, verdict.

Imports only `errors`, `_version`, `arguments`, `runtime`, `results`, `data`, `targets`, `engines`,
`summaries`, `statistics`, `catalogue`, `calibration`, `battery`, `effects`, `tables`.
"""
