"""Sources of rows as iterators of chunks: arrays, memory maps, files, data loaders, iterators."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.load import load, read_in_parts
from dmtest.data.readers.columns import pick
from dmtest.data.readers.objects import from_object
from dmtest.data.readers.remote import is_url
from dmtest.errors import InputError
from dmtest.summaries.totals import TILE

# Bytes of a chunk that is read from an array or a file.
CHUNK = 1 << 25


def chunks_of(source: Any, key: str | None, columns: Any) -> tuple[Iterator[Any], int]:
    """Return the chunks of a source, and the number of its rows (0 if it is not known)."""
    if isinstance(source, (str, os.PathLike)):
        return _of_path(source, key, columns)
    if key is not None:
        raise InputError("key: is for files; pass the array itself.")
    shape = getattr(source, "shape", None)
    if shape is not None and hasattr(source, "__getitem__") and not hasattr(source, "iloc"):
        return _of_array(source, columns), int(shape[0])
    if hasattr(source, "iloc") or hasattr(source, "__dataframe__"):
        return iter([source]), len(source)
    if is_stream(source):
        return (picked(rows_of(one), columns) for one in source), 0
    array = from_object(source, None, None).array
    return _of_array(array, columns), len(array)


def is_dask(data: Any) -> bool:
    """Whether data is a collection of dask, which is not imported for that."""
    return type(data).__module__.partition(".")[0] == "dask" and hasattr(data, "__dask_graph__")


def is_stream(source: Any) -> bool:
    """Whether a source gives chunks one after the other: an iterator or a torch DataLoader."""
    return isinstance(source, Iterator) or (
        isinstance(source, Iterable)
        and any(
            base.__name__ == "DataLoader" and base.__module__.startswith("torch.utils.data")
            for base in type(source).__mro__
        )
    )


def rows_of(batch: Any) -> Any:
    """Return the rows of a batch: its first element where it is a tuple or list of arrays."""
    if isinstance(batch, (tuple, list)) and len(batch) and hasattr(batch[0], "shape"):
        return batch[0]
    return batch


def picked(rows: Any, columns: Any) -> Any:
    """Return some columns of rows; all where `columns` is None."""
    return rows if columns is None else pick(np.asarray(rows), columns)


def _of_array(array: Any, columns: Any) -> Iterator[Any]:
    shape = array.shape
    if len(shape) not in (1, 2):
        raise InputError(f"source: got shape {tuple(shape)}; pass rows of numbers, shape (n, d).")
    width = shape[1] if len(shape) == 2 else 1
    size = _chunk_rows(width * getattr(getattr(array, "dtype", None), "itemsize", 8))
    for start in range(0, shape[0], size):
        yield picked(array[start : start + size], columns)


def _chunk_rows(bytes_a_row: int) -> int:
    return max(1, CHUNK // max(1, bytes_a_row * TILE)) * TILE


def _of_path(
    path: str | os.PathLike[str], key: str | None, columns: Any
) -> tuple[Iterator[Any], int]:
    name = os.fspath(path)
    if not is_url(path):
        place = Path(os.path.expanduser(name))
        if place.is_file() and place.suffix.lower() == ".parquet":
            return read_in_parts(place, key, columns)
        if place.is_file() and place.suffix.lower() == ".npy":
            found = _of_npy(place, columns)
            if found is not None:
                return found
    array = load(path, key=key, columns=columns)
    return _of_array(array, None), len(array)


def _of_npy(place: Path, columns: Any) -> tuple[Iterator[Any], int] | None:
    """Read rows of a file with plain reads: mapped pages would count as memory of the process."""
    array = load(place)
    if not isinstance(array, np.memmap) or array.ndim != 2 or not array.flags.c_contiguous:
        return None
    shape, dtype, offset = array.shape, array.dtype, array.offset
    del array

    def chunks() -> Iterator[NDArray[Any]]:
        size = _chunk_rows(shape[1] * dtype.itemsize)
        with open(place, "rb") as file:
            file.seek(offset)
            # One piece of memory for all chunks: new pages cost as much as the reading.
            space = np.empty((min(size, shape[0]), shape[1]), dtype)
            for start in range(0, shape[0], size):
                rows = space[: min(size, shape[0] - start)]
                if file.readinto(rows.data.cast("B")) != rows.nbytes:
                    raise InputError(f"source: {place} ends early; write it again.")
                yield picked(rows, columns)

    return chunks(), shape[0]


def rows_in_parquet(place: Path) -> int:
    """Return the number of rows of a Parquet file; 0 where it cannot be read as one."""
    import pyarrow.parquet as pq

    try:
        return int(pq.read_metadata(place).num_rows)
    except (OSError, ValueError):
        return 0
