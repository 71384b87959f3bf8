"""Arrow tables, and the Parquet files and data frames that become one.

All of them go through `from_arrow`, so that one place decides what counts as a number.
"""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import (
    Columns,
    Loaded,
    as_list,
    index_finding,
    listing,
    pick,
    positions,
    rounding,
    side_by_side,
    unique_names,
)
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

ARROW_NAMES = {"double": "float64", "float": "float32", "halffloat": "float16"}


def from_arrow(
    schema: Any,
    fetch: Callable[[list[int]], Any],
    key: str | None = None,
    columns: Columns | None = None,
    source: str = "",
) -> Loaded:
    """Numbers of an Arrow table, of which `fetch` returns the columns at some positions.

    A column of lists holds one row of the result per cell; names then select columns of the
    table, and positions select coordinates of the lists.
    """
    where = source or "data"
    names, findings = unique_names(schema.names)
    chosen, columns, more = _choose(schema, names, key, columns, where)
    table = fetch(chosen)
    if not table.num_rows:
        raise InputError(f"{where}: the table has columns but no rows; pass at least 8 rows")
    kinds = {str(kind.value_type if _is_list(kind) else kind) for kind in table.schema.types}
    dtype = ", ".join(sorted(ARROW_NAMES.get(kind, kind) for kind in kinds))
    if any(map(_is_list, table.schema.types)):
        values = _stack(table.column(0), names[chosen[0]], where)
        return Loaded(pick(values, columns), None, findings + more, source, dtype)
    vectors = []
    numeric = [name for name, kind in zip(names, schema.types, strict=True) if _is_number(kind)]
    for j, column in zip(chosen, table.columns, strict=True):
        vectors.append(_numbers(column, names[j], where, numeric))
        if str(column.type).endswith("int64"):
            more += rounding(vectors[-1], f"Column {names[j]!r}")
    kept = tuple(names[j] for j in chosen)
    return Loaded(pick(side_by_side(vectors), columns), kept, findings + more, source, dtype)


def _is_list(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    tests = (types.is_floating, types.is_integer, types.is_boolean, types.is_decimal, types.is_null)
    return any(test(kind) for test in tests)


def _choose(
    schema: Any, names: tuple[str, ...], key: str | None, columns: Columns | None, where: str
) -> tuple[list[int], Columns | None, tuple[Finding, ...]]:
    """Which table columns to read, what `columns` still has to pick afterwards, and findings."""
    width = len(names)
    lists = [j for j, kind in enumerate(schema.types) if _is_list(kind)]
    wanted = None if columns is None else as_list(columns)
    if key is not None:
        if key not in names:
            known = listing(map(repr, names))
            raise InputError(f"key: {where} has no column {key!r}; choose from {known}")
        return [names.index(key)], wanted, ()
    if wanted is not None and (not lists or any(isinstance(column, str) for column in wanted)):
        chosen = positions(wanted, names, width)
        if len(chosen) > 1 and (mixed := set(chosen) & set(lists)):
            held = listing(repr(names[j]) for j in sorted(mixed))
            raise InputError(f"columns: {held} holds lists and goes with no other; name it alone")
        return chosen, None, ()
    if len(lists) == 1:
        message = f"Rows are the lists in column {names[lists[0]]!r}; other columns were left out."
        found = (Finding("embedding-column", message, width - 1),) if width > 1 else ()
        return lists, wanted, found
    if lists:
        held = listing(repr(names[j]) for j in lists)
        raise InputError(f"{where}: columns {held} all hold lists; name one of them with key=")
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    chosen = [j for j, name in enumerate(schema.names) if name not in index]
    if not chosen:
        raise InputError(f"{where}: the table has no columns; pass at least one column of numbers")
    return chosen, None, index_finding(width - len(chosen))


def _numbers(column: Any, name: str, where: str, numeric: Sequence[str]) -> NDArray[Any]:
    """Values of one Arrow column as a float vector, nulls as NaN."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind):
        return np.asarray(column.to_numpy())
    if _is_number(kind):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())
    held = "values that are not numbers"
    if pa.types.is_dictionary(kind):
        held = "categories"
    elif pa.types.is_temporal(kind):
        held = "dates or times"
    elif any(word in str(kind) for word in ("string", "utf8")):
        held = "text"
    row = column.is_valid().index(True).as_py()
    first = f", first {reprlib.repr(column[row].as_py())} in row {row}" if row >= 0 else ""
    cure = f" ({listing(numeric)})" if numeric else ""
    raise InputError(
        f"{where}: column {name!r} holds {held}{first}; leave it out by passing columns= with "
        f"columns that hold numbers{cure}"
    )


def _stack(column: Any, name: str, where: str) -> NDArray[Any]:
    """One row per list; a null list is a row of NaN."""
    from pyarrow import compute

    lengths = np.asarray(compute.list_value_length(column).to_numpy(), np.float64)
    present = np.flatnonzero(~np.isnan(lengths))
    width = int(lengths[present[0]]) if present.size else 0
    if not width:
        raise InputError(f"{where}: the lists in column {name!r} are empty; pass lists of numbers")
    ragged = present[lengths[present] != width]
    if ragged.size:
        raise InputError(
            f"{where}: row {ragged[0]} of column {name!r} has {int(lengths[ragged[0]])} values but "
            f"row {present[0]} has {width}; make all rows equally long"
        )
    values = _numbers(compute.list_flatten(column), name, where, ()).reshape(-1, width)
    if len(present) == len(lengths):
        return values
    rows = np.full((len(lengths), width), np.nan, values.dtype)
    rows[present] = values
    return rows


def read_parquet(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read a Parquet file, only the columns that are wanted where it can."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names

        def fetch(chosen: list[int]) -> Any:
            if len(set(names)) < len(names):
                return file.read().select(chosen)
            return file.read(columns=[names[j] for j in chosen])

        return from_arrow(file.schema_arrow, fetch, key, columns, str(path))
