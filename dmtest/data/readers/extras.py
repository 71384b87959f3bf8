"""Optional libraries, and the error with the command that installs a missing one."""

from __future__ import annotations

import importlib
import re
from typing import NamedTuple

from dmtest.errors import InputError


class Extra(NamedTuple):
    """A library that reads one kind of file, and the oldest version that is supported."""

    module: str
    oldest: tuple[int, ...]

    @property
    def command(self) -> str:
        """Command that installs the library."""
        return f"pip install '{self.module}>={'.'.join(map(str, self.oldest))}'"


def require(extra: Extra, what: str) -> None:
    """Import a library; if it is missing or too old, raise with the command that installs it."""
    try:
        module = importlib.import_module(extra.module)
    except ImportError as problem:
        raise InputError(
            f"{what} is read with {extra.module}, which is not installed; run: {extra.command}"
        ) from problem
    version = re.match(r"\d+(\.\d+)+", str(getattr(module, "__version__", "")))
    if version and tuple(map(int, version[0].split("."))) < extra.oldest:
        raise InputError(
            f"{what} is not read with {extra.module} {module.__version__}, which is too old; "
            f"run: {extra.command}"
        )
