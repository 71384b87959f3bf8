"""Samples that are read once where they are many: which they are, and the rows that are kept."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.load import TextPath, load, read_in_parts
from dmtest.data.readers.columns import Columns
from dmtest.data.readers.guard import stored_size
from dmtest.data.readers.parts import Parts, PartsError
from dmtest.data.readers.remote import is_url
from dmtest.data.sample import Sample, as_sample
from dmtest.engines.device import float_type, on_device
from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress
from dmtest.summaries import summary as summaries
from dmtest.summaries.sources import is_dask, is_stream
from dmtest.summaries.summary import ChunkError, Summary

# Bytes of samples up to which all rows are used; copies of all rows, the first one included, that
# what uses all rows at once takes at the same time.
ALL_ROWS, WHOLE = 1 << 28, 4


@dataclass(frozen=True, slots=True)
class Side:
    """A sample that may have been read in parts.

    Attributes
    ----------
    sample : Sample
        Its rows, or a random sample of these.
    n : int
        Number of its rows.
    summary : Summary or None
        What is known of all its rows; None where `sample` has all of them.
    """

    sample: Sample
    n: int
    summary: Summary | None = None

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Numbers of the rows of `sample` among all rows."""
        return np.arange(self.n) if self.summary is None else self.summary.sample()[0]


def read_once(data: Any) -> bool:
    """Whether data can only be read once, or is a summary."""
    return isinstance(data, Summary) or is_stream(data) or is_dask(data)


def bytes_at_once(size: int) -> int:
    """Return the bytes that a report takes on so many bytes of rows, all at once."""
    return summaries.FIXED + WHOLE * size


def mapped_rows(data: Any) -> Any:
    """Return an array, or that of a .npy file without reading it; None for other data."""
    if isinstance(data, np.ndarray):
        return data
    if on_device(data):
        # Its shape and type, without its values.
        return np.broadcast_to(np.zeros((), float_type(data)), tuple(data.shape))
    if isinstance(data, TextPath) or not isinstance(data, (str, os.PathLike)) or is_url(data):
        return None
    place = Path(os.path.expanduser(data))
    return load(place) if place.suffix.lower() == ".npy" and place.is_file() else None


def file_parts(data: Any, key: str | None, columns: Columns | None) -> Parts | None:
    """Return the parts of a file or a URL; None for other data, and kinds that have none."""
    if not isinstance(data, (str, os.PathLike)):
        return None
    if not is_url(data) and not os.path.exists(os.path.expanduser(data)):
        return None
    return read_in_parts(data, key, columns)


def many_bytes(data: Any, key: str | None = None, columns: Columns | None = None) -> int:
    """Return the bytes of an array or a file that is read in parts; 0 for other data."""
    if isinstance(data, (str, os.PathLike)):
        parts = file_parts(data, key, columns)
        if parts is None:
            return 0
        if not parts.width:
            return parts.guess if is_url(data) else stored_size(Path(os.path.expanduser(data)))
        return max(parts.rows, parts.guess) * parts.width * parts.itemsize
    rows = mapped_rows(data)
    if rows is not None:
        numeric = rows.ndim == 2 and rows.dtype.kind in "biuf"
        return int(rows.nbytes) if numeric else 0
    return 0


def takes_parts(
    samples: Sequence[Any],
    memory: int | None,
    *,
    keys: Sequence[str | None] | None = None,
    columns: Columns | None = None,
) -> bool:
    """Whether samples are read in parts: what they take is too much at once.

    Parameters
    ----------
    samples : sequence
        As `data` of `report`.
    memory : int or None
        Bytes.
    keys : sequence of (str or None), optional
        Arrays of files that hold several.
    columns : optional
        Columns of all samples.
    """
    if any(map(read_once, samples)):
        return True
    keys = keys or [None] * len(samples)
    size = sum(many_bytes(one, key, columns) for one, key in zip(samples, keys, strict=True))
    if memory is not None:
        return size > 0 and bytes_at_once(size) > memory
    return size > ALL_ROWS


def side_of(
    data: Any,
    name: str,
    *,
    seed: int,
    target: str = "normal",
    key: str | None = None,
    columns: Any = None,
    memory: int | None = None,
    progress: Progress | None = None,
) -> Side:
    """Read a sample once, and keep some of its rows where they are many.

    Samples that are read with one seed keep rows of the same numbers.

    Parameters
    ----------
    data : Any
        As `data` of `report`.
    name : str
        Name of the argument.
    seed : int
        Of the choice of rows.
    target : {"normal", "uniform"}
        Of the summary.
    key, columns : optional
        Array or columns of a file.
    memory : int or None
        Bytes.
    progress : callable or None
    """
    if isinstance(data, Summary):
        summary = data
        if summary.target != target:
            raise InputError(
                f"{name}: is a summary for target {summary.target!r}; make it for this one, "
                f"dmtest.Summary({target!r})."
            )
    elif read_once(data) or many_bytes(data, key, columns):
        try:
            summary = Summary.of(
                data, target, memory=memory, rng=seed, key=key, columns=columns, progress=progress
            )
        except ChunkError as problem:
            raise InputError(f"{name}: {problem}") from None
        except PartsError:
            return _at_once(data, key, columns, memory)
    else:
        return _at_once(data, key, columns, memory)
    kept = kept_sample(summary, summary.sample()[1])
    return Side(kept, summary.n, None if summary.exact else summary)


def kept_sample(summary: Summary, rows: NDArray[Any]) -> Sample:
    """Return rows that a summary keeps as a sample, with what is known of all rows."""
    kept = as_sample(rows)
    assert summary.kind is not None
    return replace(
        kept,
        names=summary.names,
        dtype=summary.kind[1],
        source=summary.source,
        findings=(*summary.changes, *kept.findings),
    )


def _at_once(data: Any, key: str | None, columns: Any, memory: int | None) -> Side:
    sample = as_sample(data, key=key, columns=columns)
    check_at_once(memory, sample)
    return Side(sample, sample.n)


def check_at_once(memory: int | None, *samples: Sample) -> None:
    """Refuse samples that were read at once and take more bytes than allowed."""
    needed = bytes_at_once(sum(one.x.nbytes for one in samples))
    if memory is not None and needed > memory:
        raise InputError(
            f"memory: got {memory:,} bytes; samples that are read at once take about {needed:,}; "
            f"allow that many, or pass arrays or files that are read in parts."
        )
