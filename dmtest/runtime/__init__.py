"""Threads, random streams, memory, progress and the cache on disk.

Imports only `errors`.
"""
