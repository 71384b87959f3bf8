"""Reading of a file into one array; nothing in a file is ever executed.

:mod:`dmtest.data.readers.formats` lists the kinds of files, one row each.
"""

from __future__ import annotations

import csv
import json
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from dmtest.data.readers.columns import Columns, Loaded
from dmtest.data.readers.extras import require
from dmtest.data.readers.formats import Format, by_suffix, identify
from dmtest.data.readers.guard import DamagedError, within
from dmtest.data.readers.kinds.numpy_files import stream_parts
from dmtest.data.readers.parts import Parts, PartsError
from dmtest.data.readers.remote import is_url, local_path, public_url, remote_file
from dmtest.errors import InputError

UNREADABLE = (  # what the libraries raise for damaged or misnamed files
    *(OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, AttributeError),
    *(RuntimeError, AssertionError, csv.Error, zipfile.BadZipFile, zlib.error, struct.error),
)
# What they mean: their own words name internals. The first that fits is said.
MEANINGS: tuple[tuple[tuple[type[Exception], ...], str], ...] = (
    ((zipfile.BadZipFile, zlib.error), "its compression or its checksum is damaged"),
    ((EOFError,), "it ends early"),
    ((UnicodeError,), "it is no text in UTF-8"),
    ((json.JSONDecodeError,), "its description is no JSON"),
    ((RecursionError,), "it is nested too deeply"),
    ((csv.Error,), "its quotes or the ends of its lines are damaged"),
)


# Rows of a file in a remote store, before it is fetched: many, as far as anyone knows.
UNKNOWN = 1 << 62


class TextPath(str):
    """Path of a text file whose cells a given character separates."""

    delimiter: str

    def __new__(cls, path: str, delimiter: str) -> TextPath:
        """Keep the delimiter beside the path."""
        made = super().__new__(cls, path)
        made.delimiter = separator(delimiter)
        return made


def separator(delimiter: str) -> str:
    r"""Return one character; ``tab`` and ``\t`` stand for that of the keyboard."""
    one = {"tab": "\t", "\\t": "\t"}.get(delimiter, delimiter)
    if not isinstance(one, str) or len(one) != 1 or one.isalnum() or one in '."\r\n+-':
        raise InputError(
            f"delimiter: got {delimiter!r}; give one character that separates cells, such as ';', "
            f"or 'tab'"
        )
    return one


def load(
    path: str | os.PathLike[str],
    *,
    key: str | None = None,
    columns: Columns | None = None,
    delimiter: str | None = None,
    memory: int | None = None,
) -> NDArray[Any]:
    """Read an array from a file; nothing in the file is ever executed.

    Parameters
    ----------
    path : str or path-like
        A file or folder of a kind listed in ``docs/files.md``. The suffix of a file (``.npy .npz
        .csv .tsv .parquet .arrow .feather .h5 .h5ad .zarr .safetensors .pt .fvecs .fbin .vec
        .txt .bin`` and others) or the content of a folder tells its kind. A URL, such as
        ``s3://bucket/file.npy``, is fetched with fsspec. Missing cells become NaN. The first
        line of a ``.csv`` or ``.tsv`` is a header unless all of its cells are numeric.
    key : str, optional
        Name of one array in a file that holds several (levels are joined by ``/``; the last part
        of a name is enough if no other name has it), or of the column of a table that holds the
        rows. Default: the only array, or the one called ``embeddings``; the only column of
        lists.
    columns : str, int or iterable of them, optional
        Names or 0-based positions of the columns to keep.
    delimiter : str, optional
        Character between the cells of a text file. By default the first lines tell it: a comma, a
        semicolon, a tab, a bar or a space. They also tell whether decimals have commas.
    memory : int, optional
        Bytes that reading may take; a file that needs more is refused before it is read. By
        default what is free, and for a compressed file 1 GiB and 10 times its size.

    Returns
    -------
    ndarray
        The array as stored, mapped from the file where its kind permits. A table becomes an
        array of shape (n, d), float32 or float64; bfloat16 becomes float32.

    Raises
    ------
    InputError
        If the file cannot be read as an array of numbers, or an optional library is missing.
    """
    if delimiter is not None:
        path = TextPath(os.fspath(path), delimiter)
    if memory is not None and (isinstance(memory, bool) or not isinstance(memory, int)):
        raise InputError(f"memory: got {memory!r}; give a whole number of bytes")
    with within(memory):
        return read(path, key, columns).array


def read(
    path: str | os.PathLike[str],
    key: str | None = None,
    columns: Columns | None = None,
    *,
    labels: str | None = None,
) -> Loaded:
    """Read a file or a URL with the loader of its kind.

    With `labels`, the name of a column of a table: read that column, of any type, and the names of
    the columns of numbers beside it.
    """
    more = {} if labels is None else {"labels": labels}
    if isinstance(path, TextPath):
        more["delimiter"] = path.delimiter
    if not is_url(path):  # Path.expanduser may raise
        return _read(Path(os.path.expanduser(path)), key, columns, more)
    url = str(path)
    with local_path(url) as local:
        try:
            return replace(_read(local, key, columns, more), source=public_url(url))
        except InputError as problem:
            raise InputError(str(problem).replace(str(local), public_url(url))) from problem


def _read(path: Path, key: str | None, columns: Columns | None, more: dict[str, str]) -> Loaded:
    return _load(_kind_of(path, key, more), path, key, columns, more)


def _kind_of(path: Path, key: str | None, more: Mapping[str, str]) -> Format:
    """Return the kind of a file; refuse what is none, or does not fit the arguments."""
    if not os.path.exists(path):  # Path.exists raises for long names
        raise InputError(f"{str(path)[:300]!r}: there is no such file; check the path")
    members = set(os.listdir(path)) if path.is_dir() else None
    row = identify(path.name, members, str(path))
    if not path.is_dir() and not path.is_file():
        raise InputError(f"{path}: is a device, a pipe or a socket; pass a file")
    if path.is_file() and path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); write it again")
    if key is not None and not row.key:
        raise InputError(f"key: {path} is {row.note} and has no keys; leave out key={key!r}")
    if "delimiter" in more and not row.delimited:
        raise InputError(f"delimiter: {path} is {row.note} and has none; leave it out")
    if row.needs:
        require(row.needs, f"{path}: {row.note}")
    return row


def _load(
    row: Format, path: Path, key: str | None, columns: Columns | None, more: dict[str, str]
) -> Loaded:
    with refusals(path, row.note):
        return row.load(path, key, columns, **more)


def read_in_parts(
    path: str | os.PathLike[str], key: str | None = None, columns: Columns | None = None
) -> Parts | None:
    """Return the rows of a file or a URL in chunks; None for what is read at once.

    A file passes the same guard as one that is read at once; of its memory, one chunk counts. A URL
    of an ``.npy`` file is read as it arrives; others are fetched to a temporary folder first, which
    is removed when the chunks end.
    """
    if is_url(path):
        return _remote_parts(str(path), key, columns)
    more = {"delimiter": path.delimiter} if isinstance(path, TextPath) else {}
    place = Path(os.path.expanduser(path))
    row = _kind_of(place, key, more)
    if row.parts is None:
        return None
    with refusals(place, row.note):
        parts = row.parts(place, key, columns, **more)
    return None if parts is None else parts._replace(chunks=_refused(place, row, parts.chunks))


def _refused(path: Path, row: Format, chunks: Iterator[Loaded]) -> Iterator[Loaded]:
    with refusals(path, row.note):
        yield from chunks


def _remote_parts(url: str, key: str | None, columns: Columns | None) -> Parts | None:
    row = by_suffix(url.partition("?")[0])
    if row is None or row.parts is None:
        return None
    name = public_url(url)

    def chunks() -> Iterator[Loaded]:
        if row.name == "npy":
            with remote_file(url) as stream, refusals(Path(name), row.note):
                yield from stream_parts(stream, columns, name).chunks
            return
        with local_path(url) as local:
            try:
                parts = read_in_parts(local, key, columns)
                if parts is None:
                    raise PartsError(f"{name}: cannot be read in parts; pass dmtest.load(path)")
                for one in parts.chunks:
                    yield replace(one, source=name)
            except PartsError as problem:
                raise PartsError(str(problem).replace(str(local), name)) from problem
            except InputError as problem:
                raise InputError(str(problem).replace(str(local), name)) from problem

    return Parts(chunks(), 0, guess=UNKNOWN)


@contextmanager
def refusals(path: Path, note: str) -> Iterator[None]:
    """Turn whatever a library raises while it reads a file into an `InputError`.

    Parameters
    ----------
    path : Path
    note : str
        What the file should be, such as "a NumPy array".
    """
    try:
        yield
    except InputError:
        raise
    except PermissionError as problem:
        raise InputError(f"{path}: may not be read by this user; change its mode") from problem
    except MemoryError as problem:
        raise InputError(f"{path}: does not fit into memory; save it as .npy or in parts") from (
            problem
        )
    except UNREADABLE as problem:
        reason = _meaning(problem)
        raise InputError(
            f"{path}: cannot be read as {note}, so it is truncated, corrupt or misnamed"
            f"{f' ({reason})' if reason else ''}; write it again"
        ) from problem


def _meaning(problem: Exception) -> str:
    """Return what an error means, in words of our own."""
    if isinstance(problem, DamagedError):
        return str(problem)
    if isinstance(problem, OSError) and problem.errno:
        return os.strerror(problem.errno).lower()
    return next((words for kinds, words in MEANINGS if isinstance(problem, kinds)), "")
