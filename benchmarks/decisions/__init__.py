"""Errors and power of what decides beside a report: two samples, checks, a monitor."""
