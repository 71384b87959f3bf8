"""A metric and a callback for other training loops.

Imports only `errors`, `arguments`, `runtime`, `results`, `engines`, `statistics`, `effects`,
`reports`, `train.losses`.
"""
