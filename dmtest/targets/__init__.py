"""Targets: the laws that a sample should follow, and its transform to normal scale.

Imports only `errors`, `arguments`, `runtime`, `results`, `data`.
"""
