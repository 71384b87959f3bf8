"""The result of every reader, and names and choice of columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.results.outcome import Finding

Columns = str | int | Iterable[str | int]

EXACT = 2**53  # float64 holds every integer below this
BLOCK = 4096  # rows copied at a time: a block of a wide table stays in the cache


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """An array with its origin; `dtype` is set only where the array has another one."""

    array: NDArray[Any]
    names: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()
    source: str = ""
    dtype: str = ""


def listing(items: Iterable[object], most: int = 8) -> str:
    """Items joined for a message, at most `most` of them."""
    texts = [item if isinstance(item, str) else repr(item) for item in items]
    more = f", ... ({len(texts)} in all)" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _is_position(value: object, width: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return bool(0 <= value < width)


def as_list(columns: Columns) -> list[Any]:
    """Return one or several names or positions as a list."""
    if isinstance(columns, (str, int)):
        return [columns]
    if not isinstance(columns, Iterable):
        raise InputError(f"columns: got {columns!r}; pass names or 0-based positions")
    return list(columns)


def positions(columns: Columns, names: Sequence[str] | None, width: int) -> list[int]:
    """Return the 0-based positions of columns that are given by name or position."""
    indices = []
    for column in as_list(columns):
        if isinstance(column, str):
            if names is None:
                raise InputError(
                    f"columns: got the name {column!r}, but the data has no column names; "
                    f"pass 0-based positions below {width}"
                )
            if column not in names:
                known = listing(map(repr, names))
                raise InputError(f"columns: there is no {column!r}; choose from {known}")
            indices.append(names.index(column))
        elif _is_position(column, width):
            indices.append(int(column))
        else:
            raise InputError(f"columns: there is no {column!r}; pass 0-based positions < {width}")
    if not indices or len(set(indices)) < len(indices):
        problem = "one is repeated" if indices else "none is named"
        raise InputError(f"columns: {problem}; name at least one column, each once")
    return indices


def pick(array: NDArray[Any], columns: Columns | None) -> NDArray[Any]:
    """Return columns of a 2-D array by position: a view where they are adjacent."""
    if columns is None:
        return array
    if array.ndim != 2:
        raise InputError(f"columns: needs data of shape (n, d); got shape {array.shape}")
    indices = positions(columns, None, array.shape[1])
    first, stop = indices[0], indices[-1] + 1
    return array[:, first:stop] if indices == list(range(first, stop)) else array[:, indices]


def keeping(indices: Sequence[int]) -> str:
    """Return the argument that keeps these columns, such as "columns=range(0, 4)"."""
    first, stop = indices[0], indices[-1] + 1
    if len(indices) > 2 and list(indices) == list(range(first, stop)):
        return f"columns=range({first}, {stop})"
    return f"columns={list(indices)}"


def unique_names(raw: Sequence[str]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Replace missing and repeated column names; return the names and a finding if any changed."""
    names: dict[str, None] = {}
    for j, name in enumerate(raw):
        base = label = name.strip() or f"column_{j}"
        repeat = 1
        while label in names:
            repeat += 1
            label = f"{base}_{repeat}"
        names[label] = None
    changed = [new for new, old in zip(names, raw, strict=True) if new != old.strip()]
    if not changed:
        return tuple(names), ()
    message = f"Column names that were missing or repeated became {listing(changed)}."
    return tuple(names), (Finding("column-names", message, len(changed)),)


def rounding(values: NDArray[np.float64], what: str) -> tuple[Finding, ...]:
    """Return a finding if integers are too large for float64."""
    if not values.size or max(np.nanmax(values), -np.nanmin(values)) < EXACT:
        return ()
    count = int(np.count_nonzero(np.abs(values) >= EXACT))
    message = f"{what}: {count} integers are 2**53 or larger in size and were rounded to float64."
    return (Finding("rounded-integers", message, count),)


def side_by_side(vectors: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Join vectors as columns, by blocks of rows: column by column misses the cache."""
    n = len(vectors[0])
    table = np.empty((n, len(vectors)), np.result_type(*{vector.dtype for vector in vectors}))
    for start in range(0, n, BLOCK):
        for j, vector in enumerate(vectors):
            table[start : start + BLOCK, j] = vector[start : start + BLOCK]
    return table


def index_finding(count: int) -> tuple[Finding, ...]:
    """Return a finding if a saved row index was left out."""
    message = "A row index that pandas saved beside the data was left out."
    return (Finding("index-column", message, count),) if count else ()
