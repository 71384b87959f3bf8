"""Files in, a validated sample out.

Imports only `errors`, `words`, `runtime`, `results`.
"""
