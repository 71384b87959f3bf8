"""Run tests on one or two samples: plan, compute, calibrate, return outcomes.

Imports only `errors`, `arguments`, `runtime`, `results`, `data`, `targets`, `engines`,
`summaries`, `statistics`, `catalogue`, `calibration`.
"""
