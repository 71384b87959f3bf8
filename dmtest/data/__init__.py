"""Read a file, and validate a sample."""
