"""Assembly of reports: tests, effects, diagnosis, figures, verdict.

Imports only `errors`, `words`, `_version`, `arguments`, `runtime`, `results`, `render`, `data`,
`targets`, `engines`, `summaries`, `statistics`, `catalogue`, `calibration`, `battery`, `bounds`,
`information`, `effects`, `tables`.
"""
