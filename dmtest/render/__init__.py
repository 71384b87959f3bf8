"""What a reader sees of a result: the page, figures, text, tables, citations.

Imports only `errors`, `results`.
"""
