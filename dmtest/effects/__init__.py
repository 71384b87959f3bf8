"""Sizes of departures, with intervals, on scales that do not grow with n.

Imports only `errors`, `arguments`, `runtime`, `results`, `kernels`, `data`, `targets`,
`engines`, `statistics`, `catalogue`, `calibration`, `battery`, `bounds`, `information`.
"""
