"""Fit an encoder: settings, training step, loop, embeddings, export.

Imports only `errors`, `arguments`, `runtime`, `results`, `render`, `targets`, `reports`,
`train.data`, `train.evaluate`, `train.losses`, `train.model`.
"""
