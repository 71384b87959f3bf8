"""What dmtest raises and warns with."""


class DmtestError(Exception):
    """Base of every error that dmtest raises on purpose."""


class InputError(DmtestError, ValueError):
    """An argument or a file that cannot be used.

    The message is one sentence that names the argument, the value that was
    found and the cure.
    """


class MissingExtraError(DmtestError, ImportError):
    """A library that is optional and not there; the message says how to install it."""


class DataWarning(UserWarning):
    """Something about the data that a reader of the result has to know."""
