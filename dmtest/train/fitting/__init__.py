"""Fit an encoder: settings, training step, loop, embeddings, export.

Imports only `errors`, `arguments`, `runtime`, `results`, `render`, `reports`, `train.data`,
`train.evaluate`, `train.losses`, `train.model`.
"""
