"""Statistics as pure functions: arrays in, array out; no random numbers, no p-value.

Imports only `errors`, `runtime`, `kernels`, `targets`, `engines`.
"""
