"""Which test sees what."""
