"""Size of every test under its null, by simulation."""
