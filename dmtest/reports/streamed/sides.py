"""The two samples of a comparison: of many rows some that are drawn at random, and all moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dmtest.data.sample import Sample, as_sample
from dmtest.effects.two_sample import Moments
from dmtest.errors import InputError
from dmtest.reports.streamed.choice import bytes_at_once, mapped_rows, parquet_file, read_once
from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import Progress
from dmtest.summaries.sources import rows_in_parquet
from dmtest.summaries.summary import ChunkError, Summary

# Bytes of both samples up to which a comparison uses all rows.
ALL_ROWS = 1 << 28


@dataclass(frozen=True, slots=True)
class Side:
    """One sample of a comparison.

    Attributes
    ----------
    sample : Sample
        Its rows, or a random sample of these.
    n : int
        Number of its rows.
    moments : Moments or None
        Mean and covariance of all its rows; None where `sample` has all of them.
    """

    sample: Sample
    n: int
    moments: Moments | None = None


def many_bytes(data: Any) -> int:
    """Return the bytes of an array or a file that is read in parts; 0 for other data."""
    rows = mapped_rows(data)
    if rows is not None:
        numeric = rows.ndim == 2 and rows.dtype.kind in "biuf"
        return int(rows.nbytes) if numeric else 0
    place = parquet_file(data)
    return place.stat().st_size if place is not None and rows_in_parquet(place) else 0


def takes_parts(data: Any, reference: Any, memory: int | None) -> bool:
    """Whether a comparison reads its samples in parts: what they take is too much at once."""
    if read_once(data) or read_once(reference):
        return True
    size = many_bytes(data) + many_bytes(reference)
    if memory is not None:
        return size > 0 and bytes_at_once(size) > memory
    return size > ALL_ROWS


def check_pair(memory: int | None, data: Sample, reference: Sample) -> None:
    """Refuse samples that were read at once and take more bytes than allowed."""
    needed = bytes_at_once(data.x.nbytes + reference.x.nbytes)
    if memory is not None and needed > memory:
        raise InputError(
            f"memory: got {memory:,} bytes; samples that are read at once take about {needed:,}; "
            f"allow that many, or pass arrays or .npy or Parquet files, which are read in parts."
        )


def side_of(
    data: Any,
    name: str,
    *,
    seed: int,
    key: str | None,
    columns: Any,
    memory: int | None,
    progress: Progress | None,
) -> Side:
    """Read a sample once, and keep some of its rows where they are many.

    Both samples keep rows of the same numbers, so that copies of rows in the same places are seen.

    Parameters
    ----------
    data : Any
        As `data` of `report`.
    name : str
        Name of the argument.
    seed : int
        Of the choice of rows.
    key, columns : optional
        Array or columns of a file.
    memory : int or None
        Bytes.
    progress : callable or None
    """
    if isinstance(data, Summary):
        summary = data
        if summary.target != "normal":
            raise InputError(
                f"{name}: is a summary for target {summary.target!r}; make it without a target, "
                f"dmtest.Summary(), to compare it."
            )
    elif read_once(data) or many_bytes(data):
        try:
            summary = Summary.of(
                data, memory=memory, rng=seed, key=key, columns=columns, progress=progress
            )
        except ChunkError as problem:
            raise InputError(f"{name}: {problem}") from None
    else:
        sample = as_sample(data, key=key, columns=columns)
        return Side(sample, sample.n)
    _, rows = summary.sample()
    kept = as_sample(rows)
    assert summary.kind is not None
    kept = replace(
        kept,
        names=summary.names,
        dtype=summary.kind[1],
        source=summary.source,
        findings=(*summary.changes, *kept.findings),
    )
    if summary.exact:
        return Side(kept, summary.n)
    return Side(kept, summary.n, Moments(summary.n, summary.mean, summary.covariance))


def streamed_finding(data: Side, reference: Side) -> tuple[Finding, ...]:
    """Return a finding that says what was computed from all rows, and what from some."""
    parts = [one for one in (data, reference) if one.moments is not None]
    if not parts:
        return ()
    text = (
        f"The {data.n:,} rows of the data and the {reference.n:,} of the reference were read once: "
        f"means and covariances are of all of them, everything else is of {data.sample.n:,} and "
        f"{reference.sample.n:,} drawn at random."
    )
    return (Finding("streamed", text, sum(one.sample.n for one in parts)),)
