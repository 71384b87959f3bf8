"""Delimited text, read by Arrow, or in Python where Arrow refuses it."""

from __future__ import annotations

import csv
import gzip
import reprlib
from array import array as packed
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import (
    Columns,
    Loaded,
    index_finding,
    listing,
    positions,
    side_by_side,
    unique_names,
)
from dmtest.errors import InputError

MISSING = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None")


def _number(cell: str) -> float:
    cell = cell.strip()
    if cell in MISSING:
        return np.nan
    if "_" in cell:  # only Python reads 1_000 as a number
        raise ValueError(cell)
    return float(cell)


def _numeric(cells: Iterable[str]) -> bool:
    try:
        return bool([_number(cell) for cell in cells])
    except ValueError:
        return False


def _is_header(first: list[str], second: list[str]) -> bool:
    """Whether the first line names the columns.

    pandas writes the header ``0,1,2`` for a frame without names. If fractions follow, that line
    is a header and no row of the data.
    """
    if not _numeric(first):
        return True
    counted = [str(j) for j in range(len(first))]
    fractions = any("." in cell for cell in second)
    return len(first) > 1 and fractions and first in (counted, ["", *counted[:-1]])


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every line that is not blank."""
    opener: Any = gzip.open if path.name.lower().endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8-sig", errors="replace", newline="") as text:
        reader = csv.reader(text, delimiter=delimiter)
        yield from ((reader.line_num, cells) for cells in reader if cells)


class _Layout(NamedTuple):
    """Position of the numbers in a text file."""

    path: Path
    delimiter: str
    skip: int  # lines up to the end of the header
    width: int
    keep: list[int]
    names: tuple[str, ...] | None


def read_text(
    path: Path,
    key: str | None,
    columns: Columns | None,
    *,
    delimiter: str = ",",
    labels: str | None = None,
) -> Loaded:
    """Read a table of numbers, with or without a header; or with `labels` one column as text."""
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
    if labels is not None:
        unnamed = header and not first[0].strip()
        return _column_of_labels(path, delimiter, names, labels, unnamed)
    keep = list(range(width)) if columns is None else positions(columns, names, width)
    values = _parse(_Layout(path, delimiter, line if header else 0, width, keep, names))
    indexed = columns is None and header and not first[0].strip() and width > 1
    if indexed and np.array_equal(values[:, 0], np.arange(len(values))):
        values, keep = values[:, 1:], keep[1:]
        findings = index_finding(1) + unique_names(first[1:])[1]
    kept = None if names is None else tuple(names[j] for j in keep)
    return Loaded(values, kept, findings, str(path))


def _column_of_labels(
    path: Path, delimiter: str, names: tuple[str, ...] | None, name: str, unnamed: bool
) -> Loaded:
    """Return one column as text, None where it is missing, and the names of the others."""
    if names is None or name not in names:
        known = "it has no header" if names is None else f"choose from {listing(map(repr, names))}"
        raise InputError(f"{path} has no column {name!r}; {known}")
    j = names.index(name)
    values: list[str | None] = []
    indexed = unnamed  # the first column is the index that pandas saves
    for i, (_, cells) in enumerate(islice(_lines(path, delimiter), 1, None)):
        value = cells[j].strip() if j < len(cells) else ""
        values.append(None if value in MISSING else value)
        indexed = indexed and cells[0].strip() == str(i)
    others = tuple(one for one in names[1 if indexed else 0 :] if one != name)
    return Loaded(np.array(values, dtype=object), others, (), str(path))


def _parse(at: _Layout) -> NDArray[np.float64]:
    """Read the numbers with Arrow, or in Python if Arrow refuses the file."""
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
    return side_by_side([column.to_numpy() for column in table.columns])


def _parse_slowly(at: _Layout) -> NDArray[np.float64]:
    """Read a file that Arrow refused: accept other spellings, or name the line at fault."""
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
