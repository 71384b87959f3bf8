"""Files as they are named on the command line: standard input, and the delimiter of a text."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from dmtest.errors import InputError

STANDARD_INPUT = "-"
SPOKEN = "standard input"
# First bytes of files that standard input may hold; anything else is read as text.
STARTS = (
    (b"\x93NUMPY", ".npy"),
    (b"PK\x03\x04", ".npz"),
    (b"PAR1", ".parquet"),
    (b"ARROW1", ".arrow"),
    (b"\x89HDF\r\n\x1a\n", ".h5"),
    (b"\x1f\x8b", ".csv.gz"),
)


@contextmanager
def readable(file: str, delimiter: str | None = None) -> Iterator[str]:
    """Yield the path of a file, for ``-`` of a temporary copy of standard input.

    Messages about the copy speak of standard input.
    """
    from dmtest.data.load import TextPath

    if file != STANDARD_INPUT:
        yield file if delimiter is None else TextPath(file, delimiter)
        return
    with tempfile.TemporaryDirectory(prefix="dmtest-") as folder:
        path = _copied(folder)
        try:
            yield path if delimiter is None else TextPath(path, delimiter)
        except InputError as error:
            raise InputError(str(error).replace(path, SPOKEN)) from None


def _copied(folder: str) -> str:
    """Copy standard input to a file whose suffix says what it holds; return its path."""
    stream = sys.stdin
    if stream is None or stream.isatty():
        raise InputError("-: standard input is a terminal; pipe a file into it, or name a file")
    start = stream.buffer.read(8)
    if not start:
        raise InputError("-: standard input is empty; check the command before the pipe")
    suffix = next((suffix for magic, suffix in STARTS if start.startswith(magic)), ".csv")
    path = os.path.join(folder, f"stdin{suffix}")
    with open(path, "wb") as file:
        file.write(start)
        shutil.copyfileobj(stream.buffer, file)
    return path


def spoken(file: str) -> str:
    """Return the name of a file for readers."""
    return SPOKEN if file == STANDARD_INPUT else file
