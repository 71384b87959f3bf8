"""A metric and a callback for other training loops.

Imports only `errors`, `arguments`, `runtime`, `targets`, `engines`, `statistics`, `effects`,
`reports`, `train.losses`.
"""
