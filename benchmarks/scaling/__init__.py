"""Costs of a report of many rows: in rows, columns and workers, with a projection to more."""
