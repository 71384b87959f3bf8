"""Estimators of information where the truth is known, and a bottleneck that is certified."""
