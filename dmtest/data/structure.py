"""How rows and columns hang together: copies of columns, rows that repeat in part, transposes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import listing
from dmtest.results.outcome import Finding
from dmtest.words import of_many

# Values that are looked at together for constant and repeated columns.
BLOCK = 2**19
CELLS = 2**21  # values that are sorted
FEWEST_COLUMNS = 8  # columns that are looked at, however many rows there are
WIDE = 4  # columns for each row from which a transpose is suspected
FEWEST_REPEATS = 3
# A column whose values tie in more pairs than this for each row is a lattice, not a repeat.
COARSE = 16
# Repeats are reported if there are this many times the number that chance would give.
BEYOND_CHANCE = 100.0
# Columns are joined that have this share of the ties of the column with most.
SHARES = (0.9, 0.5)


def constant_columns(x: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the columns with one value in all rows."""
    columns = np.arange(x.shape[1])
    for rows in _row_blocks(x):
        columns = columns[(x[rows][:, columns] == x[0, columns]).all(axis=0)]
        if not len(columns):
            break
    return columns


def repeated_columns(x: NDArray[np.floating[Any]], among: NDArray[np.intp]) -> dict[int, int]:
    """Return the columns that equal an earlier one in every row, and which one that is.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    among : ndarray of int
        Columns to compare with each other, in ascending order.
    """
    # Columns whose first values all differ are all different: so are nearly all that are drawn.
    first = np.sort(np.asarray(x[0])[among])
    if not (first[1:] == first[:-1]).any():
        return {}
    alike = [[int(j) for j in among]]
    for rows in _row_blocks(x):
        part = np.asarray(x[rows]) + 0.0  # -0 equals 0
        parts: list[list[int]] = []
        for columns in alike:
            same: dict[bytes, list[int]] = {}
            for j in columns:
                same.setdefault(np.ascontiguousarray(part[:, j]).tobytes(), []).append(j)
            parts += [group for group in same.values() if len(group) > 1]
        alike = parts
        if not alike:
            break
    return {j: group[0] for group in alike for j in group[1:]}


def live_columns(x: NDArray[np.floating[Any]]) -> NDArray[np.intp]:
    """Return the columns that are neither constant nor equal to an earlier one."""
    varying = np.setdiff1d(np.arange(x.shape[1]), constant_columns(x))
    return np.setdiff1d(varying, list(repeated_columns(x, varying)))


def _row_blocks(x: NDArray[np.floating[Any]]) -> Iterator[slice]:
    """Blocks of rows, the first of them small: it tells most columns apart."""
    n, d = x.shape
    step = max(64, BLOCK // d)
    yield slice(0, min(64, n))
    yield from (slice(start, start + step) for start in range(64, n, step))


def structural_findings(
    x: NDArray[np.floating[Any]], names: tuple[str, ...] | None, whole_repeats: int
) -> list[Finding]:
    """Return findings about rows that repeat in some columns, and about the orientation.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Finite rows.
    names : tuple of str or None
        Names of the columns.
    whole_repeats : int
        Rows that repeat an earlier row in every column, which have a finding of their own.
    """
    n, d = x.shape
    findings = [*_repeated(x, names)]
    if names is None and d >= WIDE * n:
        message = (
            f"There are {d} columns and only {n} rows: if the columns are the observations, pass "
            f"the transpose (x.T)."
        )
        findings.append(Finding("transposed", message, d))
    columns, repeats = partial_repeats(x)
    if repeats - whole_repeats >= FEWEST_REPEATS:
        count = repeats - whole_repeats
        labels = listing([repr(names[j]) if names else int(j) for j in columns])
        message = (
            f"{count} of {n} rows repeat an earlier row in some columns, but not in all (at least "
            f"in {labels}): rows that share values are not independent."
        )
        findings.append(Finding("partial-repeats", message, count))
    return findings


def _repeated(x: NDArray[np.floating[Any]], names: tuple[str, ...] | None) -> Iterator[Finding]:
    """Columns that equal another one."""
    d = x.shape[1]
    varying = np.setdiff1d(np.arange(d), constant_columns(x))
    copies = repeated_columns(x, varying)
    if copies:
        pairs = [f"{_label(names, j)} is {_label(names, i)}" for j, i in copies.items()]
        verb = of_many(len(copies), d, "column", "repeats another one", "repeat another one")
        text = f"{verb} in every row: {listing(pairs, 5)}."
        yield Finding("duplicate-columns", text, len(copies))


def _label(names: tuple[str, ...] | None, j: int) -> str:
    return f"x{j}" if names is None else repr(names[j])


def partial_repeats(x: NDArray[np.floating[Any]]) -> tuple[NDArray[np.intp], int]:
    """Return columns in which rows repeat together, and the number of rows that do.

    Of at most `CELLS` values, columns with many ties are joined: a row repeats if it has the
    values of an earlier row in all of them. Chance, on a lattice say, gives about N p1 p2 ... such
    pairs if p is the share of the N pairs of rows that tie in a column; no row is reported where
    that explains them.

    Parameters
    ----------
    x : ndarray, shape (n, d)

    Returns
    -------
    columns : ndarray of int
        Empty if no rows repeat.
    repeats : int
        Rows that repeat an earlier row in these columns, those that repeat it in all included.
    """
    n = min(len(x), CELLS // FEWEST_COLUMNS)
    width = min(x.shape[1], max(FEWEST_COLUMNS, CELLS // n))
    columns = np.unique(np.linspace(0, x.shape[1] - 1, width).astype(np.intp))
    found = {int(j): ties for j in columns if (ties := _ties_of(np.asarray(x[:n, j]))) is not None}
    found = {j: ties for j, ties in found.items() if ties.pairs <= COARSE * n}
    most = max((ties.repeats for ties in found.values()), default=0)
    best = columns[:0], 0
    for share in SHARES:
        joined = {j: ties for j, ties in found.items() if ties.repeats >= share * most}
        repeats = _joint_repeats(x[:n], joined) if len(joined) > 1 else 0
        if repeats > best[1]:
            best = np.array(list(joined), dtype=np.intp), repeats
    return best


class _Ties(NamedTuple):
    """The values of a column that occur more than once."""

    values: NDArray[np.floating[Any]]  # in ascending order
    repeats: int  # values that repeat another
    pairs: float  # pairs of rows that tie


def _ties_of(column: NDArray[np.floating[Any]]) -> _Ties | None:
    ordered = np.sort(column)
    same = ordered[1:] == ordered[:-1]
    count = int(np.count_nonzero(same))
    if not count:
        return None
    sizes = np.diff(np.flatnonzero(np.concatenate(([True], ~same, [True]))))
    return _Ties(ordered[1:][same], count, float((sizes * (sizes - 1.0)).sum() / 2.0))


def _joint_repeats(x: NDArray[np.floating[Any]], joined: Mapping[int, _Ties]) -> int:
    """Count the rows that repeat an earlier one in all these columns; 0 if chance explains them."""
    rows = np.arange(len(x))
    for j, ties in joined.items():
        rows = rows[np.isin(x[rows, j], ties.values)]
        if len(rows) < FEWEST_REPEATS:
            return 0
    counts = np.unique(np.asarray(x[rows][:, list(joined)]), axis=0, return_counts=True)[1]
    pairs = len(x) * (len(x) - 1.0) / 2.0
    by_chance = pairs * float(np.prod([ties.pairs / pairs for ties in joined.values()]))
    together = float((counts * (counts - 1.0)).sum() / 2.0)
    return int((counts - 1).sum()) if together > BEYOND_CHANCE * by_chance else 0
