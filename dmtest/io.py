"""Files in, one array out; nothing found in a file is ever executed.

A format is one row of `FORMATS`; what reads it is a module of :mod:`dmtest.readers`.
"""

from __future__ import annotations

import csv
import os
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.readers.arrow import read_parquet
from dmtest.readers.columns import Columns, Loaded
from dmtest.readers.numpy_files import read_npy, read_npz
from dmtest.readers.text import read_text

__all__ = ["load", "read"]

UNREADABLE = (  # RuntimeError is what zipfile raises for passwords and unknown compressions
    *(OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError),
    *(csv.Error, zipfile.BadZipFile, zlib.error),
)


class Format(NamedTuple):
    """A row of the registry: which files, how to read them, whether `key` means something."""

    suffixes: tuple[str, ...]
    load: Callable[[Path, str | None, Columns | None], Loaded]
    note: str
    keyed: bool = False


FORMATS = (
    Format((".npy",), read_npy, "a NumPy array"),
    Format((".npz",), read_npz, "a NumPy archive", keyed=True),
    Format((".csv", ".csv.gz"), read_text, "comma-separated text"),
    Format((".tsv", ".tsv.gz"), partial(read_text, delimiter="\t"), "tab-separated text"),
    Format((".parquet",), read_parquet, "a Parquet table", keyed=True),
)


def load(
    path: str | os.PathLike[str], *, key: str | None = None, columns: Columns | None = None
) -> NDArray[Any]:
    """Read an array from a file without ever executing anything in it.

    Parameters
    ----------
    path : str or path-like
        A ``.npy`` (mapped, not read), ``.npz``, ``.csv``, ``.tsv`` (either may end in ``.gz``)
        or ``.parquet`` file. Missing cells become NaN. The first line of a text file is a
        header unless all of it is numeric.
    key : str, optional
        Which array of an ``.npz``, or which column of a ``.parquet`` file holds the rows.
        Default: the only array, or the one called ``embeddings``; the only column of lists.
    columns : str, int or iterable of them, optional
        Names or 0-based positions of the columns to keep.

    Returns
    -------
    ndarray
        The array as stored; a table becomes (n, d) of float32 or float64.

    Raises
    ------
    InputError
        If the file cannot be read as an array of numbers.
    """
    return read(path, key, columns).array


def read(
    path: str | os.PathLike[str], key: str | None = None, columns: Columns | None = None
) -> Loaded:
    """Read a file with the loader that its suffix names."""
    path = Path(os.path.expanduser(path))  # Path's own raises for unknown users
    row = next((row for row in FORMATS if path.name.lower().endswith(row.suffixes)), None)
    if not os.path.exists(path):  # Path's own raises for long names
        raise InputError(f"{str(path)[:300]!r}: there is no such file; check the path")
    if path.is_dir():
        raise InputError(f"{path}: this is a directory; pass one file")
    if row is None:
        known = ", ".join(suffix for row in FORMATS for suffix in row.suffixes)
        raise InputError(f"{path}: unknown kind of file; save it as one of {known}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); write it again")
    if key is not None and not row.keyed:
        raise InputError(f"key: {path} is {row.note} and has no keys; leave out key={key!r}")
    try:
        return row.load(path, key, columns)
    except InputError:
        raise
    except PermissionError as problem:
        raise InputError(f"{path}: may not be read by this user; change its mode") from problem
    except UNREADABLE as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise InputError(
            f"{path}: cannot be read as {row.note}, so it is truncated, corrupt or misnamed "
            f"({reason}); write it again"
        ) from problem
