"""Parts of the model: augmentations, encoders, heads, noise, critics, objectives."""
