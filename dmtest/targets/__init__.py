"""Targets: the laws that a sample should follow, and its transform to normal scale.

Imports only `errors`, `words`, `arguments`, `runtime`, `results`, `data`.
"""
