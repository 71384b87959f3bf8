"""Files in, a validated sample out.

Imports only `errors`, `runtime`, `results`.
"""
