"""Judge a trained encoder: verification against the theory, downstream scores.

Imports only `errors`, `arguments`, `runtime`, `results`, `battery`, `bounds`, `information`,
`effects`, `train.model`.
"""
