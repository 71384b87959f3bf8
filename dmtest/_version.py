"""The version, alone in a module, so that records can name it without importing the package."""

__version__ = "0.1.0"
