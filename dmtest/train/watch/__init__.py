"""A metric and a callback for other training loops."""
