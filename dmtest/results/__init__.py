"""Records of what was computed: outcomes, effects, findings, reports, checks; and their JSON.

Imports only `errors`, `render`.
"""
