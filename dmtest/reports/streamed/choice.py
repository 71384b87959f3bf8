"""Which data a report reads as a summary: many rows that a target brings to scale one by one."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from dmtest.battery.summarised import follows_from_summary
from dmtest.data.readers.columns import Columns, as_list
from dmtest.data.readers.parts import Parts, PartsError
from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress
from dmtest.summaries import summary as summaries
from dmtest.summaries.sides import bytes_at_once, file_parts, mapped_rows
from dmtest.summaries.summary import ChunkError, Summary, kept_rows
from dmtest.targets.targets import Normal, Target, Uniform

# Blocks of rows of a tolerance in rows that a summary keeps.
BLOCKS = 16


def summarises(target: Target, tests: str | Iterable[str] | None) -> bool:
    """Whether a summary has what a report with these tests needs."""
    known = isinstance(target, (Normal, Uniform)) and target.name in ("normal", "uniform")
    return known and follows_from_summary(tests, target.name)


def needs_all_rows(
    target: Target, tests: str | Iterable[str] | None, options: Mapping[str, Any]
) -> str:
    """Return the argument that makes a report need all rows at once; empty without any."""
    given = [name for name, value in options.items() if value is not None]
    if not summarises(target, tests):
        given.append("tests" if summarises(target, None) else "target")
    return given[0] if given else ""


def check_memory(memory: int | None, rows: Any, reason: str) -> None:
    """Refuse a report on all rows at once that takes more bytes than allowed.

    Parameters
    ----------
    memory : int or None
        Bytes.
    rows : ndarray, shape (n, d)
    reason : str
        The argument that needs all rows at once; empty where they are few.
    """
    if memory is None:
        return
    needed = bytes_at_once(rows.nbytes)
    if needed > memory:
        why, cure = f"a report of {len(rows):,} rows takes", "allow that many"
        if reason:
            why = f"{reason}= needs all rows at once, which takes"
            cure += f", or leave {reason} out"
        raise InputError(f"memory: got {memory:,} bytes; {why} about {needed:,}; {cure}.")


def rows_to_keep(blocks: int | None) -> int | None:
    """Return the rows to keep where power on blocks of so many rows is asked for."""
    if blocks is None or BLOCKS * blocks <= summaries.FEWEST:
        return None
    return max(summaries.ROWS, BLOCKS * blocks)


def summary_of_data(
    data: Any,
    target: str,
    *,
    seed: int,
    key: str | None,
    columns: Columns | None,
    blocks: int | None,
    memory: int | None,
    progress: Progress | None,
) -> Summary | None:
    """Summarise an array or a file of many rows; None where they are few, or need other steps.

    Parameters
    ----------
    data : Any
        As in `report`.
    target : {"normal", "uniform"}
    seed : int
    key, columns : optional
        Array or columns of a file.
    blocks : int or None
        Rows of the blocks of `tolerance_rows`.
    memory : int or None
        Bytes.
    progress : callable or None
    """
    if not _many(data, key, columns):
        return None
    try:
        return Summary.of(
            data,
            target,
            rows=rows_to_keep(blocks),
            memory=memory,
            rng=seed,
            key=key,
            columns=columns,
            progress=progress,
        )
    except (ChunkError, PartsError):
        # Values that are not finite or too large: the steps for a whole array say more.
        return None


def summary_of_sample(
    sample: Sample,
    target: str,
    *,
    seed: int,
    blocks: int | None,
    memory: int | None,
    progress: Progress | None,
) -> Summary | None:
    """Summarise validated rows; None where they are few."""
    if not _many(sample.x, None, None):
        return None
    rows = rows_to_keep(blocks)
    summary = Summary.of(sample.x, target, rows=rows, memory=memory, rng=seed, progress=progress)
    summary.names, summary.source = sample.names, sample.source
    summary.kind = (sample.x.dtype.name, sample.dtype)
    summary.findings = sample.findings
    return summary


def _many(data: Any, key: str | None, columns: Columns | None) -> bool:
    """Whether there are more rows than a summary keeps, in a form that is read in parts."""
    if isinstance(data, (str, os.PathLike)):
        parts = file_parts(data, key, columns)
        if parts is None:
            return False
        most = kept_rows(parts.width, _kept_size(parts)) if parts.width else summaries.FEWEST
        return max(parts.rows, parts.guess) > most
    rows = mapped_rows(data)
    if rows is None:
        return False
    if key is not None or rows.ndim not in (1, 2) or rows.dtype.kind not in "biuf":
        return False
    width = rows.shape[1] if rows.ndim == 2 else 1
    if columns is not None:
        width = len(as_list(columns))
    small = rows.dtype.kind == "f" and rows.dtype.itemsize <= 4
    return width > 0 and len(rows) > kept_rows(width, 4 if small else 8)


def _kept_size(parts: Parts) -> int:
    """Return the bytes of a value as it is kept: float32 or float64."""
    return 4 if parts.itemsize < 8 else 8
