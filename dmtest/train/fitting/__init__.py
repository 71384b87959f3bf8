"""Fit an encoder: settings, training step, loop, embeddings, export.

Imports only `errors`, `arguments`, `runtime`, `results`, `render`, `targets`, `information`,
`reports`, `train.data`, `train.evaluate`, `train.losses`, `train.model`.
"""
