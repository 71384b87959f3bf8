"""Judge a trained encoder: verification against the theory, downstream scores."""
