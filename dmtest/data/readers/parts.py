"""Files that are read in parts: rows in chunks, one after the other, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dmtest.data.readers.columns import Columns, Loaded, pick, positions
from dmtest.data.readers.guard import DamagedError, admit
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

# Bytes of a chunk; its rows are a multiple of TILE where they can be.
CHUNK, TILE = 1 << 25, 8192


class PartsError(InputError):
    """Rows that turn out to need all others to be read; :func:`dmtest.load` reads them."""


class Parts(NamedTuple):
    """Rows of a file in chunks.

    Attributes
    ----------
    chunks : iterator of Loaded
        The last one may have no rows, and findings that only the end of the file gives.
    rows : int
        Number of all rows; 0 where the file does not say.
    width : int
        Columns; 0 where they are known only from the first chunk.
    itemsize : int
        Bytes of a value.
    guess : int
        Roughly how many rows there are, where the file does not say.
    """

    chunks: Iterator[Loaded]
    rows: int
    width: int = 0
    itemsize: int = 8
    guess: int = 0


def chunk_rows(bytes_a_row: int, step: int = TILE) -> int:
    """Return the rows of a chunk, a multiple of `step`: as many as CHUNK bytes hold, or `step`."""
    return max(1, CHUNK // max(1, bytes_a_row * step)) * step


def blocks_of(
    source: Any,
    columns: Columns | None,
    names: tuple[str, ...] | None,
    path: Path,
    findings: tuple[Finding, ...],
) -> Iterator[Loaded]:
    """Read an array that stays on disk, in blocks of whole chunks of its own.

    Parameters
    ----------
    source : h5py.Dataset or zarr.Array, shape (n, d)
    columns : optional
        Names or positions.
    names : tuple of str or None
        Names of all columns.
    path : Path
    findings : tuple of Finding
        What is known of the array beforehand.
    """
    shape, itemsize = source.shape, source.dtype.itemsize
    indices = None if columns is None else positions(columns, names, shape[1])
    first, stop = (0, shape[1]) if indices is None else (min(indices), max(indices) + 1)
    kept = names if indices is None or names is None else tuple(names[j] for j in indices)
    step = _own_rows(source, shape[0])
    size = chunk_rows(itemsize * (stop - first), step)
    # A block of compressed chunks is unpacked whole, whatever columns are read of it.
    admit(path, needs=min(size, shape[0]) * shape[1] * itemsize)
    for start in range(0, shape[0], size):
        rows = np.asarray(source[start : start + size, first:stop])
        if indices is not None:
            rows = pick(rows, [j - first for j in indices])
        yield Loaded(rows, kept, findings, str(path))


def _own_rows(source: Any, rows: int) -> int:
    """Return the rows of a chunk or shard of an array, or a tile where it has none."""
    own = getattr(source, "shards", None) or getattr(source, "chunks", None)
    return min(int(own[0]), rows) if own else TILE


def fill(stream: Any, rows: Any) -> None:
    """Read as many bytes of a stream as an array has."""
    view, place = memoryview(rows).cast("B"), 0
    while place < len(view):
        count = stream.readinto(view[place:])
        if not count:
            raise DamagedError("its values end early")
        place += count


def stacked(shape: Sequence[int]) -> bool:
    """Whether an array of this shape has rows of numbers: two dimensions, none of them 0."""
    return len(shape) == 2 and shape[0] > 0 and shape[1] > 0
