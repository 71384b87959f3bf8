"""Summaries of the parts of a source, made and merged by the tasks of Dask.

A task summarises the rows of one part and returns bytes; a tree of tasks merges them. Parts are
the blocks of a dask array, the partitions of a dask data frame, or ranges of rows of a file or an
array. A summary does not depend on how rows are divided, nor on who adds them when: a task that is
run again, on another worker, changes no bit.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from dmtest.data.load import load
from dmtest.data.readers.objects import from_object
from dmtest.data.readers.remote import is_url
from dmtest.errors import InputError
from dmtest.runtime.parallel import in_one_thread, workers
from dmtest.summaries.sources import chunks_of, is_dask
from dmtest.summaries.summary import Summary
from dmtest.summaries.totals import TILE

# Most rows of a part of an array or a file, fewest parts a thread, and summaries merged by a task.
PART_ROWS, PARTS, MERGED = 32 * TILE, 4, 4
# How often a task is run again that fails with its worker; seconds to wait for a scheduler.
RETRIES, TIMEOUT = 3, 10


def summarise(
    source: Any,
    options: dict[str, Any],
    *,
    engine: Any = None,
    key: str | None = None,
    columns: Any = None,
) -> Summary:
    """Summarise a source with the tasks of Dask.

    Parameters
    ----------
    source : dask array, dask data frame, ndarray or path
        Workers read the parts of a ``.npy`` or ``.parquet`` file by its path, which has to be the
        same for all of them.
    options : dict
        Arguments of `Summary`.
    engine : optional
        ``"dask"`` (the current client, or else the scheduler that dask is set to), the address of a
        scheduler, a ``distributed.Client`` or a cluster.
    key, columns : optional
        Column of lists, and columns.

    Returns
    -------
    Summary
    """
    delayed = _dask().delayed
    with _scheduler(engine) as compute:
        parts = _parts_of(source, key, compute)
        if parts is None:
            # Files that workers cannot read in parts are read here.
            rows = load(source, key=key, columns=columns)
            key = columns = None
            parts = _of_array(rows)
        if not parts:
            return Summary(**options)
        # Rows of incomplete tiles, at both ends, are kept apart until all tiles are there.
        total = max(1, sum(count for _, _, count in parts) - 2 * TILE)
        for among in (total, None):
            first = options.get("first", 0)
            tasks = []
            for make, arguments, count in parts:
                own = options | {"first": first}
                tasks.append(delayed(_part)(make, arguments, own, key, columns, among))
                first += count
            while len(tasks) > 1:
                groups = [tasks[i : i + MERGED] for i in range(0, len(tasks), MERGED)]
                tasks = [one[0] if len(one) == 1 else delayed(_merged)(one) for one in groups]
            (data,) = compute(tasks)
            summary = Summary.from_bytes(data)
            # That the parts kept too few rows together happens once in 1e15 summaries.
            if not summary.lacks_rows:
                break
    return summary


# Rows of a part: a function and its arguments, which a worker calls, and how many there are.
Part = tuple[Callable[..., Any], tuple[Any, ...], int]


def _part(
    make: Callable[..., Any],
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    key: str | None,
    columns: Any,
    among: int | None = None,
) -> bytes:
    """Summarise one part, in one thread: the tasks are the parallelism.

    Of the rows that a summary keeps, a part has those that may be among the kept ones of `among`
    rows.
    """
    with in_one_thread():
        rows = make(*arguments)
        summary = Summary(**options)
        summary.among = among
        chunks: Iterable[Any] = [from_object(rows, key, columns)]
        if isinstance(rows, np.ndarray):
            chunks, _ = chunks_of(rows, None, columns)
        for chunk in chunks:
            summary.update(chunk)
        return summary.to_bytes(compress=False)


def _merged(parts: Iterable[bytes]) -> bytes:
    with in_one_thread():
        first, *others = parts
        summary = Summary.from_bytes(first)
        for other in others:
            summary.merge(Summary.from_bytes(other))
        return summary.to_bytes(compress=False)


def _parts_of(source: Any, key: str | None, compute: Any) -> list[Part] | None:
    """Return the parts of a source; None for a file that has none."""
    if is_dask(source):
        if key is not None:
            raise InputError("key: is for files; pass the array itself.")
        if hasattr(source, "columns"):
            return _of_frame(source, compute)
        return _of_blocks(source)
    if isinstance(source, (str, os.PathLike)) and not is_url(source):
        place = Path(os.path.expanduser(os.fspath(source))).absolute()
        if place.suffix.lower() == ".npy" and place.is_file() and key is None:
            shape = load(place).shape
            return [
                (_rows_of_npy, (str(place), start, stop), stop - start)
                for start, stop in _ranges(shape[0])
            ]
        if place.suffix.lower() == ".parquet" and place.is_file():
            return _of_parquet(place)
    return _of_array(source) if isinstance(source, np.ndarray) else None


def _of_array(rows: Any) -> list[Part]:
    return [(_itself, (rows[a:b],), b - a) for a, b in _ranges(len(rows))]


def _ranges(n: int) -> list[tuple[int, int]]:
    """Divide rows into parts of whole tiles."""
    size = min(PART_ROWS, -(-n // (PARTS * workers())))
    size = -(-size // TILE) * TILE
    return [(start, min(start + size, n)) for start in range(0, n, size)]


def _itself(rows: Any) -> Any:
    return rows


def _rows_of_npy(place: str, start: int, stop: int) -> Any:
    return np.load(place, mmap_mode="r")[start:stop]


def _of_parquet(place: Path) -> list[Part]:
    import pyarrow.parquet as pq

    groups = pq.read_metadata(place)
    return [
        (_rows_of_group, (str(place), i), groups.row_group(i).num_rows)
        for i in range(groups.num_row_groups)
    ]


def _rows_of_group(place: str, group: int) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(place) as file:
        return file.read_row_group(group)


def _of_blocks(array: Any) -> list[Part]:
    """Return the blocks of rows of a dask array."""
    if array.ndim not in (1, 2):
        raise InputError(f"data: got shape {array.shape}; pass rows of numbers, shape (n, d).")
    if np.isnan(array.shape[0]):
        array = array.compute_chunk_sizes()
    if array.ndim == 2 and array.numblocks[1] > 1:
        array = array.rechunk({1: -1})
    blocks = array.to_delayed().ravel()
    return [(_itself, (one,), int(n)) for one, n in zip(blocks, array.chunks[0], strict=True)]


def _of_frame(frame: Any, compute: Any) -> list[Part]:
    """Return the partitions of a dask data frame, whose rows are counted first."""
    parts = frame.to_delayed()
    counts = compute([_dask().delayed(len)(one) for one in parts])
    return [(_itself, (one,), int(n)) for one, n in zip(parts, counts, strict=True)]


def _dask() -> Any:
    try:
        import dask
    except ImportError:
        raise InputError(
            "engine: 'dask' needs the package dask; pip install 'dmtest[dask]'."
        ) from None
    return dask


def _scheduler(engine: Any) -> AbstractContextManager[Callable[[list[Any]], Any]]:
    """Return a context with the function that computes tasks."""
    dask = _dask()
    if engine is None or engine == "dask":
        client = _current_client()
        if client is not None:
            return nullcontext(_by_client(client))
        return nullcontext(lambda tasks: dask.compute(*tasks))
    is_address = isinstance(engine, str) and "://" in engine
    if (
        not is_address
        and not hasattr(engine, "scheduler_address")
        and not hasattr(engine, "gather")
    ):
        raise InputError(
            f"engine: got {engine!r}; give 'dask', the address of a scheduler ('tcp://host:8786'), "
            f"a distributed.Client or a cluster."
        )
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            "engine: a scheduler needs the package distributed; pip install 'dmtest[dask]'."
        ) from None
    if isinstance(engine, Client):
        return nullcontext(_by_client(engine))
    return _Connected(Client, engine)


class _Connected(AbstractContextManager[Callable[[list[Any]], Any]]):
    """A client of a scheduler, closed at the end."""

    def __init__(self, client: Any, engine: Any) -> None:
        try:
            self.client = client(engine, set_as_default=False, timeout=TIMEOUT)
        except OSError as problem:
            raise InputError(
                f"engine: no scheduler answers at {engine!r} ({problem}); give the address of one "
                f"that runs."
            ) from None

    def __enter__(self) -> Callable[[list[Any]], Any]:
        return _by_client(self.client)

    def __exit__(self, *_: object) -> None:
        self.client.close()


def _current_client() -> Any:
    """Return the current client of distributed, if there is one."""
    try:
        from distributed import get_client
    except ImportError:
        return None
    try:
        return get_client()
    except ValueError:
        return None


def _by_client(client: Any) -> Callable[[list[Any]], Any]:
    def compute(tasks: list[Any]) -> Any:
        return client.gather(client.compute(tasks, retries=RETRIES))

    return compute
