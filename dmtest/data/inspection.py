"""Scan of the data in chunks of rows: finite values, constant columns, zeros, repeated rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import listing
from dmtest.errors import InputError
from dmtest.results.outcome import Finding
from dmtest.words import counted, of_many

CELLS = 2**19  # per chunk: 4 MiB of float64
DISTINCT = 1000  # largest number of distinct values that is counted
LOOKUP = 2**16  # integers of a smaller range are counted in a look-up array
TINY = 1e-300
# Sizes of values: those of float32, whose sixth powers and their sums float64 holds.
HUGE, MINUTE = 1e39, 1e-46
# Share of zeros in a column that is looked at, rows of the look, and zeros to the next value.
ZEROS, HEAD, FREQUENT = 0.03, 4096, 5


class Scan(NamedTuple):
    """Result of one pass over the rows."""

    low: NDArray[np.floating[Any]]
    high: NDArray[np.floating[Any]]
    finite: NDArray[np.bool_]  # per row
    keys: NDArray[np.float64]  # equal for equal rows
    whole: bool  # every value is an integer
    zeros: NDArray[np.intp]  # per column


def _chunks(n: int, d: int) -> Iterator[slice]:
    step = max(1, CELLS // d)
    return (slice(start, start + step) for start in range(0, n, step))


def scan(x: NDArray[np.floating[Any]]) -> Scan:
    """Scan the rows once.

    The key of a row is a weighted sum of its values. All chunks have the same memory layout, so
    equal rows are summed in the same order and their keys are equal to the last bit.
    """
    n, d = x.shape
    low, high = np.full(d, np.inf, x.dtype), np.full(d, -np.inf, x.dtype)
    finite, keys = np.ones(n, np.bool_), np.empty(n, np.float64)
    whole, zeros = True, np.zeros(d, np.intp)
    weights = np.random.default_rng(0).uniform(0.5, 1.0, d) / _scale(x)  # fixed weights
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
        zeros += np.count_nonzero(chunk == 0.0, axis=0)
    return Scan(low, high, finite, keys, whole, zeros)


def _scale(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rough size of each column, so that no column dominates the keys."""
    head = np.abs(x[:64].astype(np.float64))
    size = np.where(np.isfinite(head), head, 0.0).max(axis=0)
    return np.where(size > TINY, size, 1.0)


def findings_in(
    x: NDArray[np.floating[Any]], summary: Scan, names: tuple[str, ...] | None
) -> list[Finding]:
    """Return the findings that do not depend on the target."""
    n, d = x.shape
    findings = []
    constant = np.flatnonzero(summary.low == summary.high)
    if constant.size:
        values = [f"{_label(names, int(j))} = {float(summary.low[j]):.4g}" for j in constant]
        verb = of_many(int(constant.size), d, "column", "is", "are")
        message = f"{verb} constant: {listing(values, 5)}."
        findings.append(Finding("constant-columns", message, int(constant.size)))
    if repeats := _repeats(x, summary.keys):
        verb = of_many(repeats, n, "row", "repeats", "repeat")
        message = f"{verb} an earlier row exactly."
        findings.append(Finding("duplicate-rows", message, repeats))
    findings += _zeros(x, summary, names)
    if n <= d:
        message = (
            f"{counted(n, 'row')} in {counted(d, 'dimension')}: the sample covariance is "
            f"singular, so nothing that needs its inverse can be estimated with fewer than "
            f"{d + 1} rows."
        )
        findings.append(Finding("few-rows", message, n))
    if summary.whole:
        count = _distinct(x, float(summary.low.min()), float(summary.high.max()))
        number = f"{count} or more" if count == DISTINCT else str(count)
        message = f"All values are integers ({number} distinct), which no continuous target has."
        findings.append(Finding("integer-data", message, count))
    return findings


def check_range(
    low: NDArray[Any], high: NDArray[Any], what: str, names: tuple[str, ...] | None = None
) -> None:
    """Refuse columns whose values are too large or too small to compute with their powers.

    float32 holds nothing beyond these limits, so only float64 is ever refused.

    Parameters
    ----------
    low, high : ndarray, shape (d,)
        Smallest and largest finite value of every column.
    what : str
        The argument, for the message.
    names : tuple of str, optional
        Names of the columns.
    """
    size = np.maximum(np.abs(high.astype(np.float64)), np.abs(low.astype(np.float64)))
    for j in np.flatnonzero((size > HUGE) | ((size > 0.0) & (size < MINUTE)))[:1]:
        power = int(np.floor(np.log10(size[j])))
        change, where = ("divide", "beyond") if size[j] > HUGE else ("multiply", "within")
        raise InputError(
            f"{what}: column {_label(names, int(j))} has values up to {size[j]:.3g} in size, "
            f"{where} {HUGE if size[j] > HUGE else MINUTE:g}, whose powers float64 does not hold; "
            f"{change} it by 1e{abs(power)}"
        )


def _label(names: tuple[str, ...] | None, j: int) -> str:
    return f"x{j}" if names is None else repr(names[j])


def _zeros(
    x: NDArray[np.floating[Any]], summary: Scan, names: tuple[str, ...] | None
) -> list[Finding]:
    """Columns with more exact zeros than a law with a density, or a lattice, gives."""
    n, d = x.shape
    if summary.whole:
        return []
    live = summary.low < summary.high
    many = np.flatnonzero(live & (summary.zeros >= max(3.0, ZEROS * n)))
    step = -(-n // HEAD)
    found = [int(j) for j in many if _stands_out(np.asarray(x[::step, j]))]
    if not found:
        return []
    share = summary.zeros[found].sum() / (n * len(found))
    where = "the column" if d == 1 else listing([_label(names, j) for j in found], 5)
    verb = of_many(len(found), d, "column", "is", "are")
    message = f"{verb} exactly 0 in {share:.0%} of the rows, as after a ReLU: {where}."
    return [Finding("zeros", message, len(found))]


def _stands_out(column: NDArray[np.floating[Any]]) -> bool:
    """Whether 0 is much more frequent than any other value."""
    values, counts = np.unique(column, return_counts=True)
    rest = counts[values != 0.0].max(initial=0)
    return bool(counts[values == 0.0].sum() >= FREQUENT * rest)


def _repeats(x: NDArray[np.floating[Any]], keys: NDArray[np.float64]) -> int:
    """Number of rows that equal the row before them in the order of the keys."""
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
        present = np.zeros(int(high - low) + 1, np.bool_)
        for rows in _chunks(n, d):
            present[(x[rows] - low).astype(np.intp)] = True
        return min(int(present.sum()), DISTINCT)
    values = np.empty(0, x.dtype)
    for rows in _chunks(n, d):
        values = np.union1d(values, x[rows])
        if len(values) >= DISTINCT:
            return DISTINCT
    return len(values)
