"""Parts of the model: augmentations, encoders, heads, noise, critics, objectives.

Imports only `errors`, `arguments`, `bounds`, `train.losses`.
"""
