"""Vectors of neighbour benchmarks and words: headers, line numbers, and files of great length."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dmtest.data.load import load
from dmtest.data.readers.kinds import vectors
from tests.data.test_kinds import refusal
from tests.support.file_kinds import X, save_vecs, save_word2vec
from tests.support.references import FILES

KNOWN = np.load(FILES / "x.npy")
LINES = [f"w{j} {j}.5 -1e-3 2" for j in range(9)]
NUMBERS = np.array([[j + 0.5, -1e-3, 2] for j in range(9)])


def write(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_bytes((end.join(lines) + end).encode())
    return path


@pytest.mark.parametrize("row", [1, 17, 39])
def test_every_length_is_checked(tmp_path: Path, row: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors, "ROWS", 8)
    path = tmp_path / "a.fvecs"
    save_vecs(path, {"x": X})
    raw = bytearray(path.read_bytes())
    raw[row * 16] = 4
    path.write_bytes(raw)
    assert f"row {row} says that it has 4 values but row 0 has 3" in refusal(path)


def test_vecs_of_no_or_negative_length(tmp_path: Path) -> None:
    path = tmp_path / "a.fvecs"
    for d in (0, -1):
        path.write_bytes(np.full(9, d, "<i4").tobytes())
        assert f"row 0 has {d} values" in refusal(path)
    path.write_bytes(np.int32(5).tobytes() + b"ab")
    assert "truncated" in refusal(path)


def test_bin_header_is_held_against_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.u8bin"
    for n, d, size in ((4, 4, 15), (4, 4, 17), (2**31, 2**31, 16), (0, 4, 0)):
        path.write_bytes(np.array([n, d], "<u4").tobytes() + bytes(size))
        assert f"says {n} x {d} values" in refusal(path)


def test_a_file_larger_than_the_memory_is_mapped(tmp_path: Path) -> None:
    path, n = tmp_path / "a.fbin", 2**31
    with path.open("wb") as file:
        file.write(np.array([n, 16], "<u4").tobytes())
        file.truncate(8 + n * 16 * 4)  # 128 GiB of holes
    values = load(path)
    assert values.shape == (n, 16)
    assert_array_equal(values[-1], np.zeros(16))


# Words


@pytest.mark.parametrize("name", ["words.vec", "words.txt", "words.bin"])
def test_words_as_gensim_writes_them(name: str) -> None:
    assert_array_equal(load(FILES / name).astype(np.float32), KNOWN)


@pytest.mark.parametrize(
    "lines",
    [
        LINES,
        ["9 3", *LINES],
        [line + " " for line in LINES],
        ["9 3", *(line + " " for line in LINES)],
        [line.replace(" ", "\t") for line in LINES],
        [line.replace("w3", ". . name@domain.com") for line in LINES],
        [line.replace("w3", '"') for line in LINES],
        [line.replace("w3", "été\u00a0\u0085") for line in LINES],
        [line.replace("w3", "12") for line in LINES],
        [line.replace("w0", "12") for line in LINES],
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_words_in_all_their_spellings(tmp_path: Path, lines: list[str], end: str) -> None:
    assert_array_equal(load(write(tmp_path / "a.txt", lines, end)), NUMBERS)


def test_words_of_one_number(tmp_path: Path) -> None:
    lines = [f"w{j} {j}" for j in range(9)]
    expected = np.arange(9.0)[:, None]
    assert_array_equal(load(write(tmp_path / "a.vec", lines)), expected)
    assert_array_equal(load(write(tmp_path / "a.vec", ["9 1", *lines])), expected)


def test_words_in_latin_1_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\n".join(LINES).replace("w4", "caf\xe9").encode("latin-1"))
    assert_array_equal(load(path), NUMBERS)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([*LINES, "w 1 2"], "line 10 has 3 cells, not a word and 3 numbers"),
        ([*LINES, "w 1 2 3 4"], "line 10 has 5 cells"),
        ([*LINES, "w 1 x 3"], "line 10 holds 'x'"),
        ([*LINES, "w 1 1_0 3"], "line 10 holds '1_0'"),
        ([*LINES, "", "w 1 2 3"], "line 10 has 0 cells"),
        (["10 3", *LINES], "line 1 says 10 words of 3 numbers but 9 follow"),
        (["9 4", *LINES], "line 2 has 4 cells, not a word and 4 numbers"),
        (["9 3", *LINES[:4], "w 1 2", *LINES[5:]], "line 6 has 3 cells"),
        (["", *LINES], "line 1 is blank"),
        (["1.5 2.5 3.5"] * 9, "lines begin with numbers"),
        (["some text here"] * 9, "line 1 is neither a word and its numbers"),
    ],
)
@pytest.mark.parametrize("suffix", [".txt", ".txt.gz"])
def test_words_malformed(tmp_path: Path, lines: list[str], words: str, suffix: str) -> None:
    path = write(tmp_path / f"a{suffix}", lines)
    if suffix.endswith(".gz"):
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert words in refusal(path)


def test_binary_words_with_line_ends_and_blanks(tmp_path: Path) -> None:
    """The C program ends every vector with a line feed; a word may hold anything but a blank."""
    path = tmp_path / "a.bin"
    rows = (f"\nw{j}\u00e9 ".encode() + row.tobytes() for j, row in enumerate(X))
    path.write_bytes(b"40 3\n" + b"".join(rows) + b"\n")
    assert_array_equal(load(path), X)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda raw: raw + b"more", "4 bytes follow"),
        (lambda raw: raw.replace(b"40 3\n", b"41 3\n"), "word 40 of 41 does not fit"),
        (lambda raw: raw.replace(b"40 3\n", b"99999999999 3\n"), "cannot hold"),
        (lambda raw: raw.replace(b"40 3\n", b"0 3\n"), "cannot hold"),
        (lambda raw: b"\xba\x16\x4f\x2f" + raw, "two counts"),  # how fastText's models begin
        (lambda raw: b"40 3 " + raw, "two counts"),
    ],
)
def test_binary_words_malformed(tmp_path: Path, change: object, words: str) -> None:
    path = tmp_path / "a.bin"
    save_word2vec(path, {"x": X})
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    assert words in refusal(path)
