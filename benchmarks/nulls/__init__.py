"""Builds the null tables that come with the package."""
