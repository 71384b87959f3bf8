"""The experiments of arXiv 2410.06993, and beyond; see ``python -m benchmarks.paper``."""
