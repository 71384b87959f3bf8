"""How dmtest runs: threads, random streams, memory, progress, the cache on disk.

Imports only `errors`.
"""
