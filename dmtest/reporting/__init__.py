"""What a reader sees: the `Report` record and its pages, plots, tables and JSON.

This package only reads results: it imports `dmtest.errors`, `dmtest.outcome`
and, inside the functions that need them, matplotlib, jinja2, rich and pandas.
"""

from dmtest.reporting.model import SCHEMA, Report, schema

__all__ = ["SCHEMA", "Report", "schema"]
