"""Size under the null, by simulation: tests, the shipped nulls, bounds on the divergence."""
