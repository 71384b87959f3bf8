"""The laws that a sample may have to follow, and how a sample is brought to normal scale.

Imports only `errors`, `runtime`, `results`, `data`.
"""
