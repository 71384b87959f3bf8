"""Test a stream batch by batch by betting."""
