"""The numbers behind the figures of a report.

Imports only `runtime`, `results`, `targets`, `engines`, `catalogue`, `battery`, `effects`.
"""
