"""Differentiable statistics, and the losses made of them.

Imports only `errors`, `arguments`, `runtime`, `statistics`, `train.fitting`.
"""
