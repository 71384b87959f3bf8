"""Published null distributions: a statistic in, its p-value out.

Imports only `errors`, `runtime`, `engines`.
"""
