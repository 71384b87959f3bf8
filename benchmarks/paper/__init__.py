"""The experiments of arXiv 2410.06993 and what goes beyond them; see ``python -m benchmarks.paper``."""
