"""Records of what was computed, their JSON, and the names of targets that they carry.

Imports only `errors`, `runtime`, `render`.
"""
