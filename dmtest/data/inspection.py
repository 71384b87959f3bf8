"""One look over the data, in chunks of rows: what is finite, what is constant, what repeats."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import listing
from dmtest.results.outcome import Finding

CELLS = 2**19  # per chunk: 4 MiB of float64
DISTINCT = 1000  # distinct values are counted up to this
LOOKUP = 2**16  # integers that span less than this are counted by looking them up
TINY = 1e-300


class Scan(NamedTuple):
    """What one pass over the rows came to."""

    low: NDArray[np.floating[Any]]
    high: NDArray[np.floating[Any]]
    finite: NDArray[np.bool_]  # per row
    keys: NDArray[np.float64]  # equal for equal rows
    whole: bool  # every value is an integer


def _chunks(n: int, d: int) -> Iterator[slice]:
    step = max(1, CELLS // d)
    return (slice(start, start + step) for start in range(0, n, step))


def scan(x: NDArray[np.floating[Any]]) -> Scan:
    """Go over the rows once.

    A row's key is a weighted sum of it. Rows are laid out in the same way in every chunk, so
    that equal rows are summed in the same order and their keys are equal to the last bit.
    """
    n, d = x.shape
    low, high = np.full(d, np.inf, x.dtype), np.full(d, -np.inf, x.dtype)
    finite, keys = np.ones(n, np.bool_), np.empty(n, np.float64)
    whole = True
    weights = np.random.default_rng(0).uniform(0.5, 1.0, d) / _scale(x)  # no randomness wanted
    for rows in _chunks(n, d):
        chunk = np.ascontiguousarray(x[rows])
        least, most = chunk.min(axis=0), chunk.max(axis=0)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            finite[rows] = np.isfinite(chunk).all(axis=1)
        np.minimum(low, least, out=low)
        np.maximum(high, most, out=high)
        with np.errstate(all="ignore"):
            keys[rows] = np.multiply(chunk, weights, dtype=np.float64).sum(axis=1)
        whole = whole and bool((chunk == np.floor(chunk)).all())
    return Scan(low, high, finite, keys, whole)


def _scale(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rough size of each column, so that no column drowns the others in a key."""
    head = np.abs(x[:64].astype(np.float64))
    size = np.where(np.isfinite(head), head, 0.0).max(axis=0)
    return np.where(size > TINY, size, 1.0)


def look(x: NDArray[np.floating[Any]], seen: Scan, names: tuple[str, ...] | None) -> list[Finding]:
    """Say what looks wrong with the data, whatever the target."""
    n, d = x.shape
    findings = []
    constant = np.flatnonzero(seen.low == seen.high)
    if constant.size:
        held = listing([repr(names[j]) if names else int(j) for j in constant])
        message = f"{constant.size} of {d} columns are constant: {held}."
        findings.append(Finding("constant-columns", message, int(constant.size)))
    if repeats := _repeats(x, seen.keys):
        message = f"{repeats} of {n} rows repeat an earlier row exactly."
        findings.append(Finding("duplicate-rows", message, repeats))
    if n <= d:
        message = (
            f"{n} rows in {d} dimensions: the sample covariance is singular, so nothing that "
            f"needs its inverse can be estimated with fewer than {d + 1} rows."
        )
        findings.append(Finding("few-rows", message, n))
    if seen.whole:
        count = _distinct(x, float(seen.low.min()), float(seen.high.max()))
        number = f"{count} or more" if count == DISTINCT else str(count)
        message = f"All values are integers ({number} distinct), which no continuous target has."
        findings.append(Finding("integer-data", message, count))
    return findings


def _repeats(x: NDArray[np.floating[Any]], keys: NDArray[np.float64]) -> int:
    """Rows equal to the row before them in the order of the keys."""
    ordered = np.sort(keys)
    if not np.any(ordered[1:] == ordered[:-1]):
        return 0
    order = np.argsort(keys, kind="stable")
    tied = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    count = 0
    for part in _chunks(len(tied), x.shape[1]):
        here = tied[part]
        count += int((x[order[here]] == x[order[here + 1]]).all(axis=1).sum())
    return count


def _distinct(x: NDArray[np.floating[Any]], low: float, high: float) -> int:
    """Count the distinct integers, up to `DISTINCT`."""
    n, d = x.shape
    if high - low < LOOKUP:
        seen = np.zeros(int(high - low) + 1, np.bool_)
        for rows in _chunks(n, d):
            seen[(x[rows] - low).astype(np.intp)] = True
        return min(int(seen.sum()), DISTINCT)
    found = np.empty(0, x.dtype)
    for rows in _chunks(n, d):
        found = np.union1d(found, x[rows])
        if len(found) >= DISTINCT:
            return DISTINCT
    return len(found)
