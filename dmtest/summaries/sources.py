"""Sources of rows as iterators of chunks: arrays, memory maps, files, data loaders, iterators."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dmtest.data.load import read, read_in_parts, refusals
from dmtest.data.readers.columns import pick, positions
from dmtest.data.readers.kinds.arrow import groups_of
from dmtest.data.readers.kinds.numpy_files import stream_parts
from dmtest.data.readers.objects import from_object
from dmtest.data.readers.parts import chunk_rows
from dmtest.engines.device import on_device
from dmtest.errors import InputError

# First bytes of open files.
NPY, PARQUET = b"\x93NUMPY", b"PAR1"


def chunks_of(source: Any, key: str | None, columns: Any) -> tuple[Iterator[Any], int]:
    """Return the chunks of a source, and the number of its rows (0 if it is not known)."""
    if isinstance(source, (str, os.PathLike)):
        return _of_path(source, key, columns)
    if is_open_file(source):
        return _of_open_file(source, key, columns)
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
    """Whether a source is read once: an iterator of chunks, a torch DataLoader, an open file."""
    loader = isinstance(source, Iterable) and any(
        base.__name__ == "DataLoader" and base.__module__.startswith("torch.utils.data")
        for base in type(source).__mro__
    )
    return isinstance(source, Iterator) or loader or is_open_file(source)


def rows_of(batch: Any) -> Any:
    """Return the rows of a batch: its first element where it is a tuple or list of arrays."""
    if isinstance(batch, (tuple, list)) and len(batch) and hasattr(batch[0], "shape"):
        return batch[0]
    return batch


def picked(rows: Any, columns: Any) -> Any:
    """Return some columns of rows; all where `columns` is None."""
    if columns is None:
        return rows
    if on_device(rows):
        return rows[:, positions(columns, None, int(rows.shape[1]))]
    return pick(np.asarray(rows), columns)


def _of_array(array: Any, columns: Any) -> Iterator[Any]:
    shape = array.shape
    if len(shape) not in (1, 2):
        raise InputError(f"source: got shape {tuple(shape)}; pass rows of numbers, shape (n, d).")
    width = shape[1] if len(shape) == 2 else 1
    size = chunk_rows(width * getattr(getattr(array, "dtype", None), "itemsize", 8))
    for start in range(0, shape[0], size):
        yield picked(array[start : start + size], columns)


def _of_path(
    path: str | os.PathLike[str], key: str | None, columns: Any
) -> tuple[Iterator[Any], int]:
    parts = read_in_parts(path, key, columns)
    if parts is not None:
        return parts.chunks, parts.rows
    loaded = read(path, key, columns)
    chunks = (replace(loaded, array=one) for one in _of_array(loaded.array, None))
    return chunks, len(loaded.array)


def is_open_file(source: Any) -> bool:
    """Whether a source is an open binary file, such as one of fsspec."""
    return hasattr(source, "read") and hasattr(source, "seek") and not hasattr(source, "shape")


def _of_open_file(source: Any, key: str | None, columns: Any) -> tuple[Iterator[Any], int]:
    """Return the chunks of an open ``.npy`` or Parquet file, by its first bytes."""
    name = str(getattr(source, "path", None) or getattr(source, "name", None) or "source")
    place = source.tell()
    start = source.read(len(NPY))
    if not isinstance(start, bytes):
        raise InputError(f"source: {name} is open as text; open it with mode 'rb'.")
    source.seek(place)
    if start == NPY:
        if key is not None:
            raise InputError("key: a .npy file has one array; leave key out.")
        stream = source if hasattr(source, "peek") else io.BufferedReader(source)
        with refusals(Path(name), "a NumPy array"):
            parts = stream_parts(stream, columns, name)
        return _detached(parts.chunks, stream, source, name), parts.rows
    if start[:4] == PARQUET:
        import pyarrow.parquet as pq

        with refusals(Path(name), "a Parquet table"):
            file = pq.ParquetFile(source)
        return groups_of(file, None, key, columns), int(file.metadata.num_rows)
    raise InputError(
        f"source: {name} is neither an open .npy nor an open Parquet file; pass its path or URL."
    )


def _detached(chunks: Iterator[Any], stream: Any, source: Any, name: str) -> Iterator[Any]:
    """Yield the chunks of a buffered stream, and leave the file below it open."""
    try:
        with refusals(Path(name), "a NumPy array"):
            yield from chunks
    finally:
        if stream is not source:
            stream.detach()
