"""The commands: one module for each family, with its options, examples and exit codes.

Imports only `errors`, `results`, `render`, `data`, `targets`, `catalogue`, `information`,
`reports`, `train`, `__init__`, `cli.catalogue`, `cli.check`, `cli.console`, `cli.defaults`,
`cli.demo`, `cli.inputs`, `cli.monitor`, `cli.options`, `cli.outputs`, `cli.several`.
"""
