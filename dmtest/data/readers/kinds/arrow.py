"""Arrow tables, and the Parquet files and data frames that become Arrow tables.

All of them pass through `from_arrow`, the only place that decides what counts as a number.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
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
from dmtest.data.readers.guard import admit
from dmtest.data.readers.parts import Parts
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

ARROW_NAMES = {"double": "float64", "float": "float32", "halffloat": "float16"}


def from_arrow(
    schema: Any,
    fetch: Callable[[list[int]], Any],
    key: str | None = None,
    columns: Columns | None = None,
    source: str = "",
    labels: str | None = None,
) -> Loaded:
    """Return the numbers of an Arrow table, or one column of any type.

    A cell of a column of lists is one row of the result; names then select columns of the
    table, and positions select elements of the lists.

    Parameters
    ----------
    schema : pyarrow.Schema
    fetch : callable
        From positions of columns to the table of these columns.
    key : str, optional
        Name of the column that holds the rows.
    columns : str, int or iterable of them, optional
    source : str
        Name of the file, for messages.
    labels : str, optional
        Name of a column to read instead, of any type.

    Returns
    -------
    Loaded, array of shape (n, d); with `labels` of shape (n,), and the other columns of numbers.
    """
    where = source or "data"
    names, findings = unique_names(schema.names)
    if labels is not None:
        return _column_of_labels(schema, fetch, names, labels, where)
    indices, columns, more = _choose(schema, names, key, columns, where)
    table = fetch(indices)
    if not table.num_rows:
        raise InputError(f"{where}: the table has columns but no rows; pass at least 8 rows")
    kinds = {str(kind.value_type if _is_list(kind) else kind) for kind in table.schema.types}
    dtype = ", ".join(sorted(ARROW_NAMES.get(kind, kind) for kind in kinds))
    if any(map(_is_list, table.schema.types)):
        values = _stack(table.column(0), names[indices[0]], where)
        return Loaded(pick(values, columns), None, findings + more, source, dtype)
    vectors = []
    numeric = [name for name, kind in zip(names, schema.types, strict=True) if _is_number(kind)]
    for j, column in zip(indices, table.columns, strict=True):
        vectors.append(_numbers(column, names[j], where, numeric))
        if str(column.type).endswith("int64"):
            more += rounding(vectors[-1], f"Column {names[j]!r}")
    kept = tuple(names[j] for j in indices)
    return Loaded(pick(side_by_side(vectors), columns), kept, findings + more, source, dtype)


def _column_of_labels(
    schema: Any,
    fetch: Callable[[list[int]], Any],
    names: tuple[str, ...],
    name: str,
    where: str,
) -> Loaded:
    """Return one column of any type, and the names of the columns that the data then have."""
    import pyarrow as pa

    if name not in names:
        raise InputError(f"{where} has no column {name!r}; choose from {listing(map(repr, names))}")
    column = fetch([names.index(name)]).column(0)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    others = tuple(one for one in names if one != name and one not in index)
    lists = any(map(_is_list, schema.types))  # rows are the lists of a column
    return Loaded(np.asarray(column.to_numpy()), None if lists else others, (), where)


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
    """Return the table columns to read, the columns to pick afterwards, and findings."""
    width = len(names)
    lists = [j for j, kind in enumerate(schema.types) if _is_list(kind)]
    requested = None if columns is None else as_list(columns)
    if key is not None:
        if key not in names:
            known = listing(map(repr, names))
            raise InputError(f"key: {where} has no column {key!r}; choose from {known}")
        return [names.index(key)], requested, ()
    if requested is not None and (not lists or any(isinstance(one, str) for one in requested)):
        indices = positions(requested, names, width)
        if len(indices) > 1 and (mixed := set(indices) & set(lists)):
            labels = listing(repr(names[j]) for j in sorted(mixed))
            raise InputError(f"columns: {labels} holds lists and goes with no other; name it alone")
        return indices, None, ()
    if len(lists) == 1:
        message = f"Rows are the lists in column {names[lists[0]]!r}; other columns were left out."
        findings = (Finding("embedding-column", message, width - 1),) if width > 1 else ()
        return lists, requested, findings
    if lists:
        labels = listing(repr(names[j]) for j in lists)
        raise InputError(f"{where}: columns {labels} all hold lists; name one of them with key=")
    index = (schema.pandas_metadata or {}).get("index_columns", ())
    indices = [j for j, name in enumerate(schema.names) if name not in index]
    if not indices:
        raise InputError(f"{where}: the table has no columns; pass at least one column of numbers")
    return indices, None, index_finding(width - len(indices))


def _numbers(column: Any, name: str, where: str, numeric: Sequence[str]) -> NDArray[Any]:
    """Return one Arrow column as a float vector, nulls as NaN."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind):
        return np.asarray(column.to_numpy())
    if _is_number(kind):
        return np.asarray(column.cast(pa.float64(), safe=False).to_numpy())
    content = "values that are not numbers"
    if pa.types.is_dictionary(kind):
        content = "categories"
    elif pa.types.is_temporal(kind):
        content = "dates or times"
    elif any(word in str(kind) for word in ("string", "utf8")):
        content = "text"
    row = column.is_valid().index(True).as_py()
    first = f", first {reprlib.repr(column[row].as_py())} in row {row}" if row >= 0 else ""
    cure = "pass a table with a column of numbers"
    if numeric:
        cure = f"leave it out by passing columns={list(numeric)}, the columns that hold numbers"
        if len(numeric) > 8:
            cure = f"leave it out by passing columns= with columns of numbers ({listing(numeric)})"
    raise InputError(f"{where}: column {name!r} holds {content}{first}; {cure}")


def _stack(column: Any, name: str, where: str) -> NDArray[Any]:
    """Return one row per list; a null list is a row of NaN."""
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


@contextmanager
def parquet_file(path: Path) -> Iterator[Any]:
    """Open a Parquet file whose bytes are accounted for."""
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        _account(path, file.metadata)
        yield file


def _account(path: Path, about: Any) -> None:
    """Compare what the footer says with the size of the file."""
    groups = [about.row_group(i) for i in range(about.num_row_groups)]
    said = sum(group.num_rows for group in groups)
    admit(path, said=about.num_rows, there=said, what="rows")
    found = re.search(r"parquet-cpp-arrow version (\d+)", about.created_by or "")
    if found is None:
        return  # other writers put indexes and filters of unknown sizes into the file
    parts = [group.column(j) for group in groups for j in range(about.num_columns)]
    indexed = any(part.has_offset_index or part.has_column_index for part in parts)
    ends = 4 + about.serialized_size + 8  # mark, footer, its length and mark
    said = sum(part.total_compressed_size for part in parts) + ends
    there = path.stat().st_size
    # Versions before 18 repeat what the footer says of a column behind it, those after 21 may
    # write Bloom filters: a second file in this one is larger than either.
    exact = 18 <= int(found[1]) <= 21 and not indexed
    if said > there or (exact and said != there) or there >= 2 * said:
        admit(path, said=said, there=there)


def parquet_memory(about: Any, names: Sequence[str], groups: Sequence[int] | None = None) -> int:
    """Bytes of memory that the table of these columns and the array from it take."""
    chosen = set(names)
    total = 0
    for i in range(about.num_row_groups) if groups is None else groups:
        group = about.row_group(i)
        for j in range(about.num_columns):
            part = group.column(j)
            if part.path_in_schema.partition(".")[0] in chosen:
                total += 2 * 8 * max(part.num_values, group.num_rows) + part.total_uncompressed_size
    return total


def read_parquet(
    path: Path, key: str | None, columns: Columns | None, labels: str | None = None
) -> Loaded:
    """Read a Parquet file, only the requested columns where their names are unique."""
    with parquet_file(path) as file:
        names = file.schema_arrow.names

        def fetch(indices: list[int]) -> Any:
            chosen = [names[j] for j in indices]
            admit(path, needs=parquet_memory(file.metadata, chosen), packed=True)
            if len(set(names)) < len(names):
                return file.read().select(indices)
            return file.read(columns=chosen)

        return from_arrow(file.schema_arrow, fetch, key, columns, str(path), labels)


def parquet_parts(path: Path, key: str | None, columns: Columns | None) -> Parts:
    """Read the rows of a Parquet file by its row groups; of its memory, one group counts."""
    with parquet_file(path) as file:
        rows = int(file.metadata.num_rows)

    def chunks() -> Iterator[Loaded]:
        with parquet_file(path) as file:
            yield from groups_of(file, path, key, columns)

    return Parts(chunks(), rows)


def groups_of(
    file: Any, path: Path | None, key: str | None, columns: Columns | None
) -> Iterator[Loaded]:
    """Read the row groups of an open Parquet file; without a path their memory is not bounded."""
    schema, names, where = file.schema_arrow, file.schema_arrow.names, str(path or "data")
    for group in range(file.num_row_groups):
        if not file.metadata.row_group(group).num_rows:
            continue

        def fetch(indices: list[int], group: int = group) -> Any:
            chosen = [names[j] for j in indices]
            if path is not None:
                needs = parquet_memory(file.metadata, chosen, [group])
                admit(path, needs=needs, packed=True)
            if len(set(names)) < len(names):
                return file.read_row_group(group).select(indices)
            return file.read_row_group(group, columns=chosen)

        yield from_arrow(schema, fetch, key, columns, where)
