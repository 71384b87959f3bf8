"""The command line: options in, text and exit codes out.

Imports only `errors`, `_version`, `arguments`, `results`, `render`, `data`, `targets`,
`catalogue`, `calibration`, `information`, `reports`, `checks`, `monitoring`, `train`,
`__init__`.
"""
