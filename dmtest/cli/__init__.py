"""The command line: options in, text and exit codes out.

Imports only `errors`, `_version`, `results`, `render`, `data`, `targets`, `catalogue`,
`information`, `reports`, `checks`, `train`, `__init__`.
"""
