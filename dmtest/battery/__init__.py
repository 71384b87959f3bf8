"""Run tests on one or two samples: plan, compute, calibrate, return outcomes."""
