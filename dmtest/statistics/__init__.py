"""Statistics as pure functions of samples or slices, and their published nulls."""
