"""Word vectors: text files of word2vec, fastText and GloVe, and binary files of word2vec.

A line of text is a word and d numbers. word2vec and fastText begin with a line "n d", GloVe does
not. The words are labels and are not read as data.
"""

from __future__ import annotations

import reprlib
from array import array as packed
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import Columns, Loaded, pick, side_by_side
from dmtest.data.readers.guard import DamagedError, Metered, admit
from dmtest.data.readers.kinds.text import (
    CELL,
    ENDS,
    LONGEST_LINE,
    WIDE,
    last_byte,
    open_end,
    open_text,
)
from dmtest.errors import InputError

LONGEST = 4096  # largest size of a word in a binary file, in bytes


class _Layout(NamedTuple):
    """Layout of a file, from its first two lines."""

    skip: int  # lines of header
    n: int | None  # None without a header
    d: int
    trailing: bool  # lines end with a blank, as the C program of word2vec writes them


def _is_number(cell: bytes) -> bool:
    with suppress(ValueError):
        float(cell)
        return b"_" not in cell
    return False


def read_word_text(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read the vectors of a text file; columns are positions after the word."""
    at = _layout(path)
    values, ended = _parse(path, at)
    if at.n is not None and len(values) != at.n:
        raise InputError(
            f"{path}: line 1 says {at.n} words of {at.d} numbers but {len(values)} follow, so it "
            "is truncated or no such file; copy it again"
        )
    if at.n is not None and not ended:
        raise InputError(
            f"{path}: its last line has no end, so its last number may be cut; copy it again, or "
            "end that line"
        )
    return Loaded(pick(values, columns), None, open_end(ended, values), str(path))


def _layout(path: Path) -> _Layout:
    with open_text(path) as stream:
        lines = [stream.readline(LONGEST_LINE).rstrip(b"\r\n") for _ in range(2)]
    if max(map(len, lines)) >= LONGEST_LINE:
        raise DamagedError(f"a line of it has {LONGEST_LINE:,} characters or more")
    first, second = (line.split() for line in lines)
    if not first:
        raise InputError(f"{path}: line 1 is blank; begin with a word and its numbers")
    # "12 5" may be a header or the word "12" with one number: the next line decides.
    counts = len(first) == 2 and all(cell.isdigit() and len(cell) < 19 for cell in first)
    if counts and (len(second) == 1 + int(first[1]) or len(second) != 2):
        if len(second) != 1 + int(first[1]):
            raise _malformed(path, 2, len(second), int(first[1]))
        return _Layout(1, int(first[0]), int(first[1]), lines[1].endswith(b" "))
    if len(first) < 2 or not all(map(_is_number, first[1:])):
        raise InputError(
            f"{path}: line 1 is neither a word and its numbers nor 'n d'; save other tables as .csv"
        )
    if _is_number(first[0]) and (not second or _is_number(second[0])):
        raise InputError(
            f"{path}: lines begin with numbers, not with words; save a table of numbers as .csv"
        )
    return _Layout(0, None, len(first) - 1, lines[0].endswith(b" "))


def _malformed(path: Path, line: int, cells: int, d: int) -> InputError:
    return InputError(
        f"{path}: line {line} has {cells} cells, not a word and {d} numbers, so it is truncated or "
        "malformed; write it again"
    )


def _parse(path: Path, at: _Layout) -> tuple[NDArray[np.float64], bool]:
    """Read the numbers with Arrow, or in Python if Arrow refuses the file.

    Returns
    -------
    values : ndarray, shape (n, d)
    ended : bool
        Whether the last line has an end.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    if at.d > WIDE:
        return _parse_slowly(path, at)
    numbers = [str(j) for j in range(at.d)]
    labels = ["word", *numbers] + ["rest"] * at.trailing
    gz = path.name.lower().endswith(".gz")
    convert = arrow_csv.ConvertOptions(
        column_types=dict.fromkeys(numbers, pa.float64()),
        null_values=[],
        include_columns=numbers,
    )
    plain = arrow_csv.ParseOptions(delimiter=" ", quote_char=False, ignore_empty_lines=False)
    read = arrow_csv.ReadOptions(column_names=labels, skip_rows=at.skip)
    try:
        with open_text(path) as raw:
            stream = Metered(raw, path, packed=gz, line=CELL * at.d)
            table = arrow_csv.read_csv(stream, read, plain, convert)
    except pa.ArrowInvalid:
        return _parse_slowly(path, at)
    return side_by_side([column.to_numpy() for column in table.columns]), stream.last in ENDS


def _parse_slowly(path: Path, at: _Layout) -> tuple[NDArray[np.float64], bool]:
    """Read a file that Arrow refused: accept words with blanks and tabs, or name the bad line.

    A word may hold blanks, as some words of GloVe do, but no cell that is a number: a line with
    too many numbers is malformed.
    """
    values, gz, line = packed("d"), path.name.lower().endswith(".gz"), 0
    with open_text(path) as stream:
        while text := stream.readline(LONGEST_LINE):
            line += 1
            if len(text) >= LONGEST_LINE:
                raise DamagedError(f"line {line} has {LONGEST_LINE:,} characters or more")
            if line <= at.skip:
                continue
            if line % 100 == 0 or at.d > WIDE:
                admit(path, needs=2 * values.itemsize * len(values), packed=gz, growing=True)
            cells = text.split()
            word, numbers = cells[: -at.d], cells[-at.d :]
            if len(cells) <= at.d or (len(word) > 1 and any(map(_is_number, word))):
                raise _malformed(path, line, len(cells), at.d)
            for cell in numbers:
                if not _is_number(cell):
                    content = reprlib.repr(cell.decode(errors="replace"))
                    raise InputError(
                        f"{path}: line {line} holds {content} where a number should be; correct "
                        "that line"
                    )
            values.extend(map(float, numbers))
    return np.frombuffer(values, np.float64).reshape(-1, at.d), last_byte(path) in ENDS


def read_words_binary(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read a binary file of word2vec: 'n d', then n times a word, a blank and d float32."""
    raw = np.memmap(path, np.uint8, "r")
    with open_text(path) as stream:
        first = stream.readline(64)
    counts = first.split()
    if len(counts) != 2 or not all(c.isdigit() for c in counts) or first[-1:] != b"\n":
        raise InputError(
            f"{path}: does not begin with the two counts of word2vec's binary files; save vectors "
            "of other programs as .npy"
        )
    n, d = map(int, counts)
    if not n * d or n * (4 * d + 1) > raw.size:
        raise InputError(
            f"{path}: its first line says {n} words of {d} numbers, which {raw.size} bytes cannot "
            "hold, so it is truncated or corrupt; copy it again"
        )
    admit(path, needs=4 * n * d)
    values = _vectors(raw.data, len(first), n, d, path)
    return Loaded(pick(values, columns), source=str(path))


def _vectors(raw: memoryview, start: int, n: int, d: int, path: Path) -> NDArray[np.float32]:
    values, size = np.empty((n, d), np.float32), 4 * d
    for j in range(n):
        blank = bytes(raw[start : start + LONGEST]).find(b" ")
        start += blank + 1
        if blank < 0 or start + size > len(raw):
            raise InputError(
                f"{path}: word {j} of {n} does not fit, so it is truncated or corrupt; copy it "
                "again"
            )
        values[j] = np.frombuffer(raw, "<f4", d, start)
        start += size
    if bytes(raw[start:]).strip(b"\n"):
        raise InputError(
            f"{path}: {len(raw) - start} bytes follow the last of its {n} words; copy it again"
        )
    return values
