"""Exceptions and warnings of dmtest."""


class DmtestError(Exception):
    """Base of every error that dmtest raises on purpose."""


class InputError(DmtestError, ValueError):
    """An argument or a file that cannot be used.

    The message is one sentence that names the argument, its value and the cure.
    """


class MissingExtraError(DmtestError, ImportError):
    """A missing optional library; the message says how to install it."""


class DataWarning(UserWarning):
    """A fact about the data that matters for the result."""
