"""Test a stream batch by batch by betting.

Imports only `errors`, `arguments`, `runtime`, `results`, `data`, `targets`, `engines`.
"""
