"""Builds and checks the null tables that come with the package."""
