"""Fit an encoder: settings, training step, loop, embeddings, export."""
