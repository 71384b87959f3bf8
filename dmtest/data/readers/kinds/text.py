"""Delimited text, read by Arrow, or in Python where Arrow refuses it."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
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
    keeping,
    listing,
    positions,
    side_by_side,
    unique_names,
)
from dmtest.data.readers.guard import DamagedError, Metered, admit
from dmtest.data.readers.parts import Parts, PartsError
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

DELIMITERS = (",", ";", "\t", "|", " ")
SNIFFED, CELLS = 100, 100_000  # lines and cells that tell how a file is written
LONGEST_LINE = 1 << 24  # characters of a line
WIDE = 10_000  # columns that Arrow reads well
# Bytes of memory that a cell takes: the table of Arrow, the array, and what is not parsed yet.
CELL = 24
BLOCK = 1 << 24  # bytes of text, or of numbers, that are read at a time in parts
ENDS = (b"\n", b"\r")  # bytes that end a line
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars", " ": "spaces"}
# A number with a decimal comma; points may group its thousands.
COMMA = re.compile(r"[+-]?(\d*|\d{1,3}(\.\d{3})+),\d+([eE][+-]?\d+)?")
MISSING = ("", "NA", "N/A", "#N/A", "n/a", "NaN", "nan", "-nan", "NULL", "null", "None")


def _number(cell: str, decimal: str = ".") -> float:
    cell = cell.strip()
    if cell in MISSING:
        return np.nan
    if decimal == ",":
        # A point is no decimal sign here, and without a comma it is ambiguous.
        if "." in cell and not COMMA.fullmatch(cell):
            raise ValueError(cell)
        cell = cell.replace(".", "").replace(",", ".")
    if "_" in cell:  # only Python reads 1_000 as a number
        raise ValueError(cell)
    return float(cell)


def _is_number(cell: str, decimal: str = ".") -> bool:
    try:
        _number(cell, decimal)
    except ValueError:
        return False
    return True


def _numeric(cells: Iterable[str], decimal: str = ".") -> bool:
    return all(_is_number(cell, decimal) for cell in cells)


class _Style(NamedTuple):
    """How the numbers of a text file are written."""

    delimiter: str
    decimal: str = "."


def _decimal(lines: list[list[str]], delimiter: str) -> str:
    """Return the decimal sign of cells: a comma only where it separates no cells."""
    cells = (cell.strip() for line in lines for cell in line)
    return "," if delimiter != "," and any(map(COMMA.fullmatch, cells)) else "."


def _style(path: Path, usual: str, delimiter: str | None) -> _Style:
    """Return how a file is written, by its first lines.

    Where no delimiter is given, that one separates the cells which cuts all lines into equally
    many cells of which most are numbers; the usual one of the kind wins a tie.
    """
    if delimiter is not None:
        return _Style(delimiter, _decimal(_head(path, delimiter), delimiter))
    best, share = _Style(usual), -1.0
    for one in dict.fromkeys((usual, *DELIMITERS)):
        try:
            lines = _head(path, one)
        except csv.Error:  # a line is longer than a cell may be, so this separates no cells
            continue
        style = _Style(one, _decimal(lines, one))
        if len({len(line) for line in lines}) != 1 or len(lines[0]) == 1:
            continue
        body = [cell for line in lines[1:] or lines for cell in line]
        numbers = sum(_is_number(cell, style.decimal) for cell in body) / len(body)
        if numbers > share + 1e-9 and (one != " " or numbers == 1.0):
            best, share = style, numbers
    return best


def _head(path: Path, delimiter: str) -> list[list[str]]:
    """Return the cells of the first lines: of two at least."""
    head: list[list[str]] = []
    for _, cells in islice(_lines(path, delimiter), SNIFFED):
        head.append(cells)
        if len(head) > 1 and len(head) * len(cells) > CELLS:
            break
    return head


def _is_header(first: list[str], second: list[str], decimal: str) -> bool:
    """Whether the first line names the columns.

    pandas writes the header ``0,1,2`` for a frame without names. If fractions follow, that line
    is a header and no row of the data.
    """
    if not _numeric(first, decimal):
        return True
    counted = [str(j) for j in range(len(first))]
    fractions = any(decimal in cell for cell in second)
    return len(first) > 1 and fractions and first in (counted, ["", *counted[:-1]])


def open_text(path: Path) -> Any:
    """Open a file of text as bytes, unpacked."""
    return (gzip.open if path.name.lower().endswith(".gz") else open)(path, "rb")


def _lines(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line number and cells of every line that is not blank."""
    with open_text(path) as raw:
        text = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")
        reader = csv.reader(_capped(text), delimiter=delimiter)
        yield from ((reader.line_num, cells) for cells in reader if cells)


def _capped(text: io.TextIOWrapper) -> Iterator[str]:
    """Yield lines, none of which fills the memory."""
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise DamagedError(f"a line of it has more than {LONGEST_LINE:,} characters")
        yield line


def _one_mark(path: Path) -> None:
    """Refuse a second byte-order mark: it would be part of the first cell."""
    with open_text(path) as raw:
        if raw.read(6) == 2 * codecs.BOM_UTF8:
            raise InputError(f"{path}: begins with two byte-order marks; save it again with one")


class _Layout(NamedTuple):
    """Position of the numbers in a text file."""

    path: Path
    style: _Style
    skip: int  # lines up to the end of the header
    width: int
    keep: list[int]
    names: tuple[str, ...] | None

    @property
    def kept(self) -> tuple[str, ...] | None:
        """Names of the columns that are kept."""
        return None if self.names is None else tuple(self.names[j] for j in self.keep)


def read_text(
    path: Path,
    key: str | None,
    columns: Columns | None,
    *,
    usual: str = ",",
    delimiter: str | None = None,
    labels: str | None = None,
) -> Loaded:
    """Read a table of numbers, with or without a header; or with `labels` one column as text.

    `usual` separates the cells of such files unless their first lines show another character;
    `delimiter` does whatever they show.
    """
    at, header = _layout(path, columns, usual, delimiter, labels is None)
    if labels is not None:
        unnamed = header.there and not header.first[0].strip()
        return _column_of_labels(path, at.style.delimiter, at.names, labels, unnamed)
    values, ended = _parse(at)
    if header.may_index and np.array_equal(values[:, 0], np.arange(len(values))):
        values, at, header = values[:, 1:], *_without_index(at, header)
    return Loaded(values, at.kept, header.findings + open_end(ended, values), str(path))


def text_parts(
    path: Path,
    key: str | None,
    columns: Columns | None,
    *,
    usual: str = ",",
    delimiter: str | None = None,
) -> Parts:
    """Read the rows of a table of numbers in parts; arguments as for :func:`read_text`."""
    at, header = _layout(path, columns, usual, delimiter, True)
    line = sum(len(cell) + 1 for cell in header.second)
    guess = path.stat().st_size * (10 if path.name.lower().endswith(".gz") else 1) // max(1, line)
    return Parts(_chunks(at, header), 0, len(at.keep), 8, guess)


def _chunks(at: _Layout, header: _Header) -> Iterator[Loaded]:
    """Yield rows, and at last none with what is known at the end."""
    indexed, n = None if header.may_index else False, 0
    for values, ended in _blocks(at):
        if indexed is not False and len(values):
            counted = np.array_equal(values[:, 0], np.arange(n, n + len(values)))
            if indexed and not counted:
                raise PartsError(
                    f"{at.path}: its first column counts the rows up to row {n:,} and not beyond, "
                    f"so it is no index; pass columns=, or dmtest.load(path)"
                )
            if counted and not indexed:
                at, header = _without_index(at, header)
            indexed = counted
        rows = values[:, 1:] if indexed else values
        n += len(rows)
        whole = np.broadcast_to(0.0, (n, rows.shape[1]))
        findings = () if ended is None else open_end(ended, whole)
        yield Loaded(rows, at.kept, header.findings + findings, str(at.path))


class _Header(NamedTuple):
    """The first lines of a text file, and what they tell.

    `may_index` is whether the first column is an index that pandas saved, if it counts the rows.
    """

    there: bool
    first: list[str]
    second: list[str]
    may_index: bool
    findings: tuple[Finding, ...]


def _layout(
    path: Path, columns: Columns | None, usual: str, delimiter: str | None, numbers: bool
) -> tuple[_Layout, _Header]:
    """Return where the numbers of a file are, by its first lines; `numbers` or else labels."""
    _one_mark(path)
    style = _style(path, usual, delimiter)
    lines = _lines(path, style.delimiter)
    (line, first), (_, second) = next(lines, (0, [])), next(lines, (0, []))
    header = _is_header(first, second, style.decimal)
    if header and not second:
        raise InputError(f"{path}: there are no rows below the header; pass at least 8 rows")
    _one_cell_each(path, second, style.delimiter)
    _no_row_as_header(path, first, header, style)
    if not header and len(first) == 2 and delimiter is None and style.delimiter == ",":
        _no_decimals_as_cells(path)
    names, findings = unique_names(first) if header else (None, ())
    width = len(first)
    keep = list(range(width))
    if numbers and columns is not None:
        keep = positions(columns, names, width)
    if delimiter is None and style != _Style(usual):
        findings = (_style_finding(style), *findings)
    may_index = columns is None and header and not first[0].strip() and width > 1
    at = _Layout(path, style, line if header else 0, width, keep, names)
    return at, _Header(header, first, second, may_index, findings)


def _without_index(at: _Layout, header: _Header) -> tuple[_Layout, _Header]:
    """Return layout and header without the first column, an index."""
    style = tuple(one for one in header.findings if one.code == "delimiter")
    findings = style + index_finding(1) + unique_names(header.first[1:])[1]
    return at._replace(keep=at.keep[1:]), header._replace(findings=findings)


def open_end(ended: bool, values: NDArray[Any]) -> tuple[Finding, ...]:
    """Return a finding if the last line has no end: the last number may then be cut."""
    n, d = values.shape
    text = (
        f"The last line has no end, as if the file were cut; {n:,} rows of {d:,} columns are read."
    )
    return () if ended else (Finding("open-end", text, n),)


def _style_finding(style: _Style) -> Finding:
    commas = ", and commas are decimal signs" if style.decimal == "," else ""
    text = f"Cells were read as separated by {NAMES[style.delimiter]}{commas}."
    return Finding("delimiter", text)


def _no_row_as_header(path: Path, first: list[str], header: bool, style: _Style) -> None:
    """Refuse a first line of names and fractions: it may be a row with a damaged cell.

    Fractions that rise or fall, such as wavelengths, are names, and so are whole numbers.
    """
    cells = [cell.strip() for cell in first]
    known = [cell for cell in cells if _is_number(cell, style.decimal)]
    found = [cell for cell in known if np.isfinite(_number(cell, style.decimal))]
    values = [_number(cell, style.decimal) for cell in found]
    if not header or all(cell.isdigit() for cell in found) or len(found) == len(cells):
        return
    steps = np.diff(values)
    if len(values) >= 4 and ((steps > 0.0).all() or (steps < 0.0).all()):
        return
    text = next(cell for cell in cells if not _is_number(cell, style.decimal))
    raise InputError(
        f"{path}: line 1 holds the text {reprlib.repr(text)} and the number {found[0][:40]}, so it "
        "is neither a header nor a row; correct it, or put a line of names in front"
    )


def _no_decimals_as_cells(path: Path) -> None:
    """Refuse numbers with decimal commas in one column, which read as two columns."""
    rows = [cells for cells in _head(path, ",") if len(cells) == 2]
    whole = [re.fullmatch(r"\s*[+-]?\d+", a) and re.fullmatch(r"\d+\s*", b) for a, b in rows]
    if rows and all(whole):
        signs = any(a.strip() in ("-0", "+0") for a, _ in rows)
        if signs or any(len(b) > 1 and (b[0] == "0" or len(b) > 15) for _, b in rows):
            raise InputError(
                f"{path}: its lines, such as {','.join(rows[0])[:40]!r}, are one number with a "
                "decimal comma or two whole numbers; write decimals with points, or pass "
                "delimiter=',' (on the command line --delimiter ,)"
            )


def _one_cell_each(path: Path, cells: list[str], delimiter: str) -> None:
    """Refuse lines that read as one cell of several numbers."""
    for other in DELIMITERS:
        if len(cells) == 1 and other in cells[0].strip():
            parts = [part for part in cells[0].split(other) if part.strip()]
            if len(parts) > 1 and all(_is_number(p) or _is_number(p, ",") for p in parts):
                raise InputError(
                    f"{path}: the cells seem to be separated by {other!r} and were read as "
                    f"separated by {delimiter!r}; save them with one {other!r} between two cells, "
                    f"the same number in every line"
                )


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


def _parse(at: _Layout) -> tuple[NDArray[np.float64], bool]:
    """Read the numbers with Arrow, or in Python if Arrow refuses the file.

    Returns
    -------
    values : ndarray, shape (n, d)
    ended : bool
        Whether the last line has an end.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if at.width > WIDE:
        return _parse_slowly(at)
    packed = at.path.name.lower().endswith(".gz")
    try:
        with open_text(at.path) as raw:
            stream = Metered(raw, at.path, packed=packed, line=CELL * len(at.keep))
            table = arrow_csv.read_csv(stream, *_options(at))
    except pa.ArrowInvalid:
        return _parse_slowly(at)
    return side_by_side([column.to_numpy() for column in table.columns]), stream.last in ENDS


def _options(at: _Layout, block: int | None = None) -> tuple[Any, Any, Any]:
    """Return how Arrow reads, cuts and converts a file."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    labels = [str(j) for j in range(at.width)]
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(labels, pa.float64()),
        null_values=MISSING,
        decimal_point=at.style.decimal,
        include_columns=[labels[j] for j in at.keep],
    )
    read = arrow_csv.ReadOptions(column_names=labels, skip_rows=at.skip, block_size=block)
    cut = arrow_csv.ParseOptions(delimiter=at.style.delimiter, newlines_in_values=True)
    return read, cut, convert


def _blocks(at: _Layout) -> Iterator[tuple[NDArray[np.float64], bool | None]]:
    """Yield blocks of rows, and at last none with whether the last line has an end."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    empty, done = np.empty((0, len(at.keep))), 0
    if at.width <= WIDE:
        try:
            with open_text(at.path) as raw:
                stream = Metered(raw, at.path, packed=False, line=0)
                for batch in arrow_csv.open_csv(stream, *_options(at, BLOCK)):
                    if batch.num_rows:
                        yield side_by_side([one.to_numpy() for one in batch.columns]), None
                    done += batch.num_rows
            yield empty, stream.last in ENDS
            return
        except pa.ArrowInvalid:
            pass
    # What Arrow refuses, Python reads, or refuses with the line; rows that are read are skipped.
    values = packed("d")
    try:
        for cells in islice(_slow_rows(at), done, None):
            values.extend(cells)
            if len(values) * values.itemsize >= BLOCK:
                yield np.frombuffer(values, np.float64).reshape(-1, len(at.keep)), None
                values = packed("d")
    except _CommaError:
        raise PartsError(
            f"{at.path}: the first decimal comma is below its first {SNIFFED} lines, so it cannot "
            f"be read once; pass dmtest.load(path)"
        ) from None
    yield np.frombuffer(values, np.float64).reshape(-1, len(at.keep)), None
    yield empty, last_byte(at.path) in ENDS


class _CommaError(Exception):
    """The first decimal comma is below the lines that the style was read from."""


def _slow_rows(at: _Layout) -> Iterator[list[float]]:
    """Yield the numbers of every row of a file that Arrow refused, or name the line at fault."""
    for line, cells in _lines(at.path, at.style.delimiter):
        if line <= at.skip:
            continue
        if len(cells) != at.width:
            raise InputError(
                f"{at.path}: line {line} has {len(cells)} cells but the first line has "
                f"{at.width}; give every line the same number of cells"
            )
        row = []
        for j in at.keep:
            try:
                row.append(_number(cells[j], at.style.decimal))
            except ValueError:
                comma = COMMA.fullmatch(cells[j].strip())
                if comma and at.style == (at.style.delimiter, ".") and at.style.delimiter != ",":
                    raise _CommaError from None
                raise InputError(_text_in(at, j, cells[j], line)) from None
        yield row


def _parse_slowly(at: _Layout) -> tuple[NDArray[np.float64], bool]:
    """Read a file that Arrow refused: accept other spellings, or name the line at fault."""
    values, gz = packed("d"), at.path.name.lower().endswith(".gz")
    try:
        for i, row in enumerate(_slow_rows(at)):
            if i % SNIFFED == 0 or at.width > WIDE:
                admit(at.path, needs=2 * values.itemsize * len(values), packed=gz, growing=True)
            values.extend(row)
    except _CommaError:
        return _parse(at._replace(style=_Style(at.style.delimiter, ",")))
    return np.frombuffer(values, np.float64).reshape(-1, len(at.keep)), last_byte(at.path) in ENDS


def last_byte(path: Path) -> bytes:
    """Return the last byte of a file of text, unpacked."""
    with open_text(path) as raw:
        if path.name.lower().endswith(".gz"):
            last = b""
            while part := raw.read(1 << 20):
                last = part[-1:]
            return last
        raw.seek(-1, 2)
        return bytes(raw.read(1))


def _text_in(at: _Layout, j: int, cell: str, line: int) -> str:
    """Return the refusal of a cell that is no number, with the columns that hold numbers."""
    name = repr(at.names[j]) if at.names else j
    said = f"{at.path}: column {name} holds text, first {reprlib.repr(cell)} in line {line}"
    if at.style.decimal == "," and _is_number(cell):
        return f"{said}, and other cells have decimal commas; write all decimals one way"
    body = _lines(at.path, at.style.delimiter)
    rows = [cells for at_line, cells in islice(body, 10 * SNIFFED) if at_line > at.skip]
    rows = [cells for cells in rows if len(cells) == at.width]
    numeric = [
        k
        for k in at.keep
        if k != j and all(_is_number(cells[k], at.style.decimal) for cells in rows)
    ]
    if not numeric:
        return f"{said}; pass a file with a column of numbers"
    return f"{said}; leave it out by passing {keeping(numeric)}, the columns that hold numbers"
