"""Directions of largest departure, of one sample and of two.

Imports only `runtime`, `results`, `kernels`, `data`, `targets`, `engines`, `statistics`,
`catalogue`, `calibration`, `effects.coordinates`.
"""
