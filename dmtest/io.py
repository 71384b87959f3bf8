"""Files and tables in, one array out; nothing found in a file is ever executed.

A format is one row of `FORMATS`. Parquet files, data frames and Arrow tables all go through
`from_arrow`, so that one place decides what counts as a number.
"""

from __future__ import annotations

import csv
import gzip
import os
import reprlib
import zipfile
import zlib
from array import array as packed
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.lib import format as npy_format
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.outcome import Finding

__all__ = ["load"]

Columns = str | int | Iterable[str | int]

MISSING = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None")
ARROW_NAMES = {"double": "float64", "float": "float32", "halffloat": "float16"}
EXACT = 2**53  # float64 holds every integer below this
BLOCK = 4096  # rows copied at a time, so that a block of a wide table stays in the cache
UNREADABLE = (  # RuntimeError is what zipfile raises for passwords and unknown compressions
    *(OSError, EOFError, ValueError, TypeError, KeyError, RuntimeError),
    *(csv.Error, zipfile.BadZipFile, zlib.error),
)


@dataclass(frozen=True, slots=True, eq=False)
class Loaded:
    """An array with what is known about where it came from; `dtype` only where it was lost."""

    array: NDArray[Any]
    names: tuple[str, ...] | None = None
    findings: tuple[Finding, ...] = ()
    source: str = ""
    dtype: str = ""


class Format(NamedTuple):
    """A row of the registry: which files, how to read them, whether `key` means something."""

    suffixes: tuple[str, ...]
    load: Callable[[Path, str | None, Columns | None], Loaded]
    note: str
    keyed: bool = False


def load(
    path: str | os.PathLike[str], *, key: str | None = None, columns: Columns | None = None
) -> NDArray[Any]:
    """Read an array from a file without ever executing anything in it.

    Parameters
    ----------
    path : str or path-like
        A ``.npy`` (mapped, not read), ``.npz``, ``.csv``, ``.tsv`` (either may end in ``.gz``)
        or ``.parquet`` file. Missing cells become NaN. The first line of a text file is a
        header unless all of it is numeric.
    key : str, optional
        Which array of an ``.npz``, or which column of a ``.parquet`` file holds the rows.
        Default: the only array, or the one called ``embeddings``; the only column of lists.
    columns : str, int or iterable of them, optional
        Names or 0-based positions of the columns to keep.

    Returns
    -------
    ndarray
        The array as stored; a table becomes (n, d) of float32 or float64.

    Raises
    ------
    InputError
        If the file cannot be read as an array of numbers.
    """
    return read(path, key, columns).array


def read(
    path: str | os.PathLike[str], key: str | None = None, columns: Columns | None = None
) -> Loaded:
    """Read a file with the loader that its suffix names."""
    path = Path(os.path.expanduser(path))  # Path's own raises for unknown users
    row = next((row for row in FORMATS if path.name.lower().endswith(row.suffixes)), None)
    if not os.path.exists(path):  # Path's own raises for long names
        raise InputError(f"{str(path)[:300]!r}: there is no such file; check the path")
    if path.is_dir():
        raise InputError(f"{path}: this is a directory; pass one file")
    if row is None:
        known = ", ".join(suffix for row in FORMATS for suffix in row.suffixes)
        raise InputError(f"{path}: unknown kind of file; save it as one of {known}")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty (0 bytes); write it again")
    if key is not None and not row.keyed:
        raise InputError(f"key: {path} is {row.note} and has no keys; leave out key={key!r}")
    try:
        return row.load(path, key, columns)
    except InputError:
        raise
    except PermissionError as problem:
        raise InputError(f"{path}: may not be read by this user; change its mode") from problem
    except UNREADABLE as problem:
        reason = str(problem).strip().partition("\n")[0]
        raise InputError(
            f"{path}: cannot be read as {row.note}, so it is truncated, corrupt or misnamed "
            f"({reason}); write it again"
        ) from problem


def listing(items: Iterable[object], most: int = 8) -> str:
    """Items for a message, cut after `most`."""
    texts = [item if isinstance(item, str) else repr(item) for item in items]
    more = f", ... ({len(texts)} in all)" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


def _is_position(value: object, width: int) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        return False
    return bool(0 <= value < width)


def _as_list(columns: Columns) -> list[Any]:
    if isinstance(columns, (str, int)):
        return [columns]
    if not isinstance(columns, Iterable):
        raise InputError(f"columns: got {columns!r}; pass names or 0-based positions")
    return list(columns)


def positions(columns: Columns, names: Sequence[str] | None, width: int) -> list[int]:
    """Turn names and 0-based positions into positions."""
    found = []
    for column in _as_list(columns):
        if isinstance(column, str):
            if names is None:
                raise InputError(
                    f"columns: got the name {column!r}, but the data has no column names; "
                    f"pass 0-based positions below {width}"
                )
            if column not in names:
                known = listing(map(repr, names))
                raise InputError(f"columns: there is no {column!r}; choose from {known}")
            found.append(names.index(column))
        elif _is_position(column, width):
            found.append(int(column))
        else:
            raise InputError(f"columns: there is no {column!r}; pass 0-based positions < {width}")
    if not found or len(set(found)) < len(found):
        problem = "one is repeated" if found else "none is named"
        raise InputError(f"columns: {problem}; name at least one column, each once")
    return found


def pick(array: NDArray[Any], columns: Columns | None) -> NDArray[Any]:
    """Columns of a 2-D array by position; a view when they are neighbours."""
    if columns is None:
        return array
    if array.ndim != 2:
        raise InputError(f"columns: needs data of shape (n, d); got shape {array.shape}")
    chosen = positions(columns, None, array.shape[1])
    first, stop = chosen[0], chosen[-1] + 1
    return array[:, first:stop] if chosen == list(range(first, stop)) else array[:, chosen]


# Arrays


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype of an npy stream; a bare pickle counts as an array of objects."""
    if stream.peek(1)[:1] == b"\x80":
        return (), np.dtype(object)
    version = npy_format.read_magic(stream)
    if version == (1, 0):
        shape, _, dtype = npy_format.read_array_header_1_0(stream)
    else:
        shape, _, dtype = npy_format.read_array_header_2_0(stream)
    return shape, dtype


def _refuse_pickle(dtype: np.dtype[Any], what: str) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{what}: holds pickled Python objects, which are not read because unpickling can run "
            "any code; save the numbers again with np.save and a numeric dtype"
        )


def _npy(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    with path.open("rb") as stream:
        _refuse_pickle(_header(stream)[1], str(path))
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return Loaded(pick(mapped, columns), source=str(path))


def _npz(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    with zipfile.ZipFile(path) as archive:
        headers = {}
        for member in archive.namelist():
            with archive.open(member) as stream:
                headers[member.removesuffix(".npy")] = _header(stream)
        kept = listing(f"{name!r} {shape}" for name, (shape, _) in headers.items())
        chosen = key if key is not None else "embeddings"
        if key is None and len(headers) == 1:
            chosen = next(iter(headers))
        if chosen not in headers:
            if key is not None:
                raise InputError(f"key: {path} has no {key!r}; it holds {kept or 'nothing'}")
            raise InputError(f"{path}: name one of its arrays with key=: {kept or 'it has none'}")
        _refuse_pickle(headers[chosen][1], f"{path}[{chosen!r}]")
        with archive.open(f"{chosen}.npy") as stream:
            values = npy_format.read_array(stream, allow_pickle=False)
    findings: tuple[Finding, ...] = ()
    if key is None and len(headers) > 1:
        message = f"The file holds {len(headers)} arrays ({kept}) and {chosen!r} was read."
        findings = (Finding("archive-key", message, len(headers)),)
    return Loaded(pick(values, columns), None, findings, str(path))


# Tables


def unique_names(raw: Sequence[str]) -> tuple[tuple[str, ...], tuple[Finding, ...]]:
    """Column names with the missing and the repeated ones replaced, and a finding if any was."""
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
    """Say whether integers were too large for float64."""
    if not values.size or max(np.nanmax(values), -np.nanmin(values)) < EXACT:
        return ()
    count = int(np.count_nonzero(np.abs(values) >= EXACT))
    message = f"{what}: {count} integers are 2**53 or larger in size and were rounded to float64."
    return (Finding("rounded-integers", message, count),)


def _matrix(vectors: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """Put vectors side by side, in blocks of rows because column by column misses the cache."""
    n = len(vectors[0])
    table = np.empty((n, len(vectors)), np.result_type(*{vector.dtype for vector in vectors}))
    for start in range(0, n, BLOCK):
        for j, vector in enumerate(vectors):
            table[start : start + BLOCK, j] = vector[start : start + BLOCK]
    return table


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
    return Loaded(pick(_matrix(vectors), columns), kept, findings + more, source, dtype)


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
    wanted = None if columns is None else _as_list(columns)
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
    return chosen, None, _index_finding(width - len(chosen))


def _index_finding(count: int) -> tuple[Finding, ...]:
    message = "A row index that pandas saved beside the data was left out."
    return (Finding("index-column", message, count),) if count else ()


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


def _parquet(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        names = file.schema_arrow.names

        def fetch(chosen: list[int]) -> Any:
            if len(set(names)) < len(names):
                return file.read().select(chosen)
            return file.read(columns=[names[j] for j in chosen])

        return from_arrow(file.schema_arrow, fetch, key, columns, str(path))


# Text


def _number(cell: str) -> float:
    cell = cell.strip()
    if cell in MISSING:
        return np.nan
    if "_" in cell:  # Python alone reads 1_000 as a number
        raise ValueError(cell)
    return float(cell)


def _numeric(cells: Iterable[str]) -> bool:
    try:
        return bool([_number(cell) for cell in cells])
    except ValueError:
        return False


def _is_header(first: list[str], second: list[str]) -> bool:
    """Whether the first line names the columns.

    pandas saves an unnamed frame under the header ``0,1,2``: that is no row of the data when
    fractions follow it.
    """
    if not _numeric(first):
        return True
    counted = [str(j) for j in range(len(first))]
    fractions = any("." in cell for cell in second)
    return len(first) > 1 and fractions and first in (counted, ["", *counted[:-1]])


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Line number and cells of every line that is not blank."""
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        yield from ((reader.line_num, cells) for cells in reader if cells)


class _Layout(NamedTuple):
    """Where the numbers of a text file are."""

    path: Path
    delimiter: str
    skip: int  # lines up to the end of the header
    width: int
    keep: list[int]
    names: tuple[str, ...] | None


def _text(path: Path, key: str | None, columns: Columns | None, *, delimiter: str = ",") -> Loaded:
    lines = _lines(path, delimiter)
    (line, first), (_, second) = next(lines, (0, [])), next(lines, (0, []))
    header = _is_header(first, second)
    if header and not second:
        raise InputError(f"{path}: there are no rows below the header; pass at least 8 rows")
    for other in ",;\t| ":
        if len(second) == 1 and other in second[0].strip() and _numeric(second[0].split(other)):
            raise InputError(
                f"{path}: the cells seem to be separated by {other!r}; save them with {delimiter!r}"
            )
    names, findings = unique_names(first) if header else (None, ())
    width = len(first)
    keep = list(range(width)) if columns is None else positions(columns, names, width)
    values = _parse(_Layout(path, delimiter, line if header else 0, width, keep, names))
    indexed = columns is None and header and not first[0].strip() and width > 1
    if indexed and np.array_equal(values[:, 0], np.arange(len(values))):
        values, keep = values[:, 1:], keep[1:]
        findings = _index_finding(1) + unique_names(first[1:])[1]
    kept = None if names is None else tuple(names[j] for j in keep)
    return Loaded(values, kept, findings, str(path))


def _parse(at: _Layout) -> NDArray[np.float64]:
    """Read the numbers with Arrow; what it refuses, in Python."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    labels = [str(j) for j in range(at.width)]
    squeezed = "gzip" if at.path.name.lower().endswith(".gz") else None
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(labels, pa.float64()),
        null_values=MISSING,
        include_columns=[labels[j] for j in at.keep],
    )
    try:
        with pa.input_stream(str(at.path), compression=squeezed) as stream:
            table = arrow_csv.read_csv(
                stream,
                arrow_csv.ReadOptions(column_names=labels, skip_rows=at.skip),
                arrow_csv.ParseOptions(delimiter=at.delimiter, newlines_in_values=True),
                convert,
            )
    except pa.ArrowInvalid:
        return _parse_slowly(at)
    return _matrix([column.to_numpy() for column in table.columns])


def _parse_slowly(at: _Layout) -> NDArray[np.float64]:
    """Read what Arrow refused: some spellings are fine, or else this finds the line at fault."""
    values = packed("d")
    for line, cells in _lines(at.path, at.delimiter):
        if line <= at.skip:
            continue
        if len(cells) != at.width:
            raise InputError(
                f"{at.path}: line {line} has {len(cells)} cells but the first line has "
                f"{at.width}; give every line the same number of cells"
            )
        for j in at.keep:
            try:
                values.append(_number(cells[j]))
            except ValueError:
                name = repr(at.names[j]) if at.names else j
                raise InputError(
                    f"{at.path}: column {name} holds text, first {reprlib.repr(cells[j])} in line "
                    f"{line}; leave it out by passing columns= with the columns that hold numbers"
                ) from None
    return np.frombuffer(values, np.float64).reshape(-1, len(at.keep))


FORMATS = (
    Format((".npy",), _npy, "a NumPy array"),
    Format((".npz",), _npz, "a NumPy archive", keyed=True),
    Format((".csv", ".csv.gz"), _text, "comma-separated text"),
    Format((".tsv", ".tsv.gz"), partial(_text, delimiter="\t"), "tab-separated text"),
    Format((".parquet",), _parquet, "a Parquet table", keyed=True),
)
