"""Compare a sample of an encoder with its baseline."""
