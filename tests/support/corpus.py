"""Damaged and hostile files for every reader, and what may come of reading them.

A case is a sound file of ``tests.support.file_kinds``, or a JSON file of this package, with one
thing changed. Reading it has to end in a refusal of one clean sentence or in an array; `expect`
says which:

``refuse``
    The format can tell that something is wrong.
``same``
    Refused, or read as the numbers of the sound file.
``any``
    Refused or read: the format cannot tell.

``tests/data/test_corpus.py`` tries some hundred cases, ``benchmarks/trust/files.py`` thousands.
"""

from __future__ import annotations

import gzip
import itertools
import json
import re
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import dmtest
from dmtest.data.load import load
from dmtest.data.readers.formats import FORMATS
from dmtest.data.sample import as_sample
from dmtest.errors import DmtestError, InputError
from tests.support.edges import is_sentence
from tests.support.file_kinds import KINDS, X

Files = bytes | dict[str, bytes]
JSON = ("report", "baseline", "monitor", "summary")
TEXT = ("csv", "tsv", "words")
# A file of these kinds that is appended to itself is a sound file of twice the rows.
CHAINED = ("vecs",)
LEAVES: tuple[Any, ...] = (
    None,
    True,
    0,
    -1,
    1.5,
    1e308,
    2**63,
    10**400,
    "",
    "\ud800",
    "NaN",
    [],
    {},
)
LEAVES = (*LEAVES, "<script>alert(1)</script>", "\x1b[31m", [[]], [1, "a"], {"a": 1}, "9" * 5000)
READERS = str(Path(dmtest.__file__).parent / "data")


@dataclass(frozen=True)
class Case:
    """A file, and what may come of reading it."""

    kind: str
    label: str
    suffix: str
    files: Files
    expect: str
    want: np.ndarray | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a case: refused, same, other, read, crashed or misread."""

    what: str
    said: str = ""


def sound_array(suffix: str) -> np.ndarray:
    """Return numbers that a file of this suffix can hold."""
    if suffix in (".ivecs", ".ibin", ".i8bin"):
        return np.rint(20 * X)
    return np.abs(np.rint(20 * X)) if suffix in (".bvecs", ".u8bin") else X


def sound(kind: str) -> Iterator[tuple[str, Files, np.ndarray | None]]:
    """Yield suffix, content and numbers of the sound files of a kind."""
    if kind in JSON:
        yield from _sound_json(kind)
        return
    row = next(row for row in FORMATS if row.name == kind)
    for suffix in row.suffixes or ("",):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, f"sound{suffix}")
            values = sound_array(suffix)
            KINDS[kind].save(path, {"embeddings": values})
            yield suffix, content(path), values


def _sound_json(kind: str) -> Iterator[tuple[str, Files, None]]:
    x = np.random.default_rng(1).standard_normal((64, 2))
    if kind == "summary":
        yield ".bin", dmtest.Summary.of(x).to_bytes(), None
    elif kind == "report":
        yield ".json", dmtest.report(x, rng=0).to_json().encode(), None
    elif kind == "baseline":
        yield ".json", dmtest.write_baseline(x, tests="anderson-darling").to_json().encode(), None
    else:
        for target in ("normal", dmtest.Uniform(-9.0, 9.0)):
            monitor = dmtest.Monitor(target)
            monitor.update(x)
            yield ".json", monitor.to_json().encode(), None


def content(path: Path) -> Files:
    """Return the bytes of a file, or of all files of a folder."""
    if path.is_file():
        return path.read_bytes()
    files = sorted(one for one in path.rglob("*") if one.is_file())
    return {one.relative_to(path).as_posix(): one.read_bytes() for one in files}


def place(case: Case, folder: Path) -> Path:
    """Write a case to disk; return its path."""
    path = folder / f"case{case.suffix}"
    if isinstance(case.files, bytes):
        path.write_bytes(case.files)
        return path
    for name, raw in case.files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(raw)
    return path


def cases(kind: str, rng: np.random.Generator, count: int) -> Iterator[Case]:
    """Yield the cases of a kind: those of structure, cuts, and `count` of random damage."""
    found = list(sound(kind))
    for suffix, files, want in found:
        yield Case(kind, "sound", suffix, files, "same", want)
        yield from structure(kind, suffix, files, want)
    if kind in JSON and kind != "summary":
        for label, raw in (("lists", b"["), ("objects", b'{"a":')):
            yield Case(kind, f"deep {label}", ".json", raw * 100_000, "refuse")
        yield from _replaced_values(kind, found[0][1], rng, count // 2)
    each = max(1, count // len(found))
    for suffix, files, want in found:
        names = [""] if isinstance(files, bytes) else sorted(files)
        for _ in range(each):
            name = names[int(rng.integers(len(names)))]
            raw = files if isinstance(files, bytes) else files[name]
            how, new = damage(raw, rng)
            yield Case(kind, f"{name} {how}", suffix, _with(files, name, new), "any", want)


def _with(files: Files, name: str, raw: bytes) -> Files:
    return raw if isinstance(files, bytes) else files | {name: raw}


# Damage to bytes

FLIP, BYTE, RUN, CUT, DROP, INSERT, DOUBLE, SWAP, LIE, REPEAT, ZEROS = range(11)


def damage(raw: bytes, rng: np.random.Generator) -> tuple[str, bytes]:
    """Return random damage to bytes, with its name."""
    new, how = bytearray(raw), int(rng.integers(11))
    ends = int(rng.integers(3))  # headers and directories are at the ends
    at = int(rng.integers(max(1, len(raw))))
    at = min(at, at % 256) if ends == 1 else max(0, len(raw) - 1 - at % 256) if ends == 2 else at
    length = int(rng.integers(1, 33))
    if not raw:
        return "insert", bytes(rng.bytes(length))
    if how == FLIP:
        new[at] ^= 1 << int(rng.integers(8))
    elif how == BYTE:
        new[at] = int(rng.integers(256))
    elif how == RUN:
        new[at : at + length] = bytes([int(rng.choice([0, 255, 128, 127]))]) * len(
            new[at : at + length]
        )
    elif how == CUT:
        del new[at:]
    elif how == DROP:
        del new[at : at + length]
    elif how == INSERT:
        new[at:at] = rng.bytes(length)
    elif how == DOUBLE:
        new += raw
    elif how == SWAP:
        other = int(rng.integers(len(raw)))
        a, b = bytes(new[at : at + length]), bytes(new[other : other + length])
        if len(a) == len(b) and abs(at - other) >= length:
            new[at : at + length], new[other : other + length] = b, a
    elif how == LIE:  # a number of 2, 4 or 8 bytes becomes an extreme one
        width = int(rng.choice([2, 4, 8]))
        extreme = (0, 1, 2**width, 2 ** (8 * width) - 1, 2 ** (8 * width - 1))
        new[at : at + width] = extreme[int(rng.integers(5))].to_bytes(width, "little")
    elif how == REPEAT:
        new[at:at] = raw[at : at + 4 * length]
    else:
        new[at:] = bytes(len(raw) - at)
    return f"damage {how} at {at}", bytes(new)


# Damage of structure


def structure(kind: str, suffix: str, files: Files, want: np.ndarray | None) -> Iterator[Case]:
    """Yield cases of which it is known what may come of them."""

    def case(label: str, new: Files, expect: str = "refuse") -> Case:
        return Case(kind, label, suffix, new, expect, want)

    if isinstance(files, dict):
        for name in sorted(files):
            raw = files[name]
            data = not name.endswith(".json")
            rest = {other: one for other, one in files.items() if other != name}
            needed = data or name in ("state.json", "embeddings/zarr.json")
            yield case(f"{name} is not there", rest, "refuse" if needed else "any")
            yield case(f"{name} is empty", files | {name: b""}, "refuse" if needed else "any")
            for cut in (len(raw) // 2, len(raw) - 1):
                yield case(f"{name} cut", files | {name: raw[:cut]}, "refuse" if data else "any")
            if data:
                yield case(f"{name} twice as long", files | {name: raw * 2})
        yield from _of_folder(kind, case, files)
        return
    packed, text = suffix.endswith(".gz"), kind in TEXT
    whole = gzip.decompress(files) if packed else files
    for cut in sorted({1, 7, len(files) // 3, len(files) // 2, len(files) - 9, len(files) - 1}):
        undetected = (text and not packed) or not files[cut:].strip()
        if kind == "vecs" or undetected:
            yield case(f"cut at {cut}", files[:cut], "any")
        else:
            yield case(f"cut at {cut}", files[:cut])
    if packed:
        yield case("not packed", whole)
        yield case("packed twice", gzip.compress(files))
        yield case("bytes behind", files + b"behind")
        yield case("another checksum", files[:-8] + bytes(4) + files[-4:])
    elif not text:
        yield case("one byte behind", files + b"\0")
        yield case("twice", files * 2, "any" if kind in CHAINED else "refuse")
        yield case("one byte in front", b"\0" + files)
    yield case("zeros", bytes(len(files)))
    yield case("a page", b"<html><body>404 Not Found</body></html>\n" * 9)
    yield from _of_kind(kind, suffix, case, whole, want)


Made = Callable[..., Case]


def _of_folder(kind: str, case: Made, files: dict[str, bytes]) -> Iterator[Case]:
    if kind == "dataset":
        names = sorted(name for name in files if name.endswith(".arrow"))
        for label, listed in (
            ("a shard twice", [names[0], names[0]]),
            ("a shard left out", names[:1]),
            ("a name that leads out", ["../sound.arrow"]),
            ("a name that is a number", [3]),
            ("no shards", []),
            ("control characters", ["\x1b[31m\n"]),
        ):
            state = json.dumps({"_data_files": [{"filename": name} for name in listed]})
            yield case(label, files | {"state.json": state.encode()})
        yield case("deep", files | {"state.json": b"[" * 100_000})
    if kind == "zarr":
        place_ = "embeddings/zarr.json"
        about = json.loads(files[place_])
        for shape in (
            [30, 3],
            [400, 3],
            [10**12, 3],
            [-40, 3],
            [40],
            ["40"],
            [40.5, 3],
            [10**6] * 2,
        ):
            changed = json.dumps(about | {"shape": shape}).encode()
            # A shard may hold chunks beyond the shape.
            yield case(
                f"shape {shape}", files | {place_: changed}, "any" if shape[0] == 30 else "refuse"
            )
        tiny = {"name": "regular", "configuration": {"chunk_shape": [1, 1]}}
        changed = json.dumps(about | {"shape": [10**6] * 2, "chunk_grid": tiny}).encode()
        yield case("10**12 chunks", files | {place_: changed})
        twice = files[place_].replace(b"{", b'{"shape": [20, 3],', 1)
        yield case("one name twice in its description", files | {place_: twice})
        extra = next(name for name in sorted(files) if "/c/" in name)
        more = files | {"embeddings/c/9/0": files[extra]}
        yield case("a chunk beyond the shape", more)


def _of_kind(
    kind: str, suffix: str, case: Made, raw: bytes, want: np.ndarray | None
) -> Iterator[Case]:
    def packed(text: bytes) -> bytes:
        return gzip.compress(text) if suffix.endswith(".gz") else text

    if kind == "npy":
        for shape in ("39, 3", "41, 3", "40, 2", "3, 40, 2", "-40, 3", "9999999999999, 3"):
            new = raw.replace(b"(40, 3)", f"({shape})".encode())
            yield case(f"shape ({shape})", new)
    elif kind in ("npz", "torch", "zarr") and raw[:2] == b"PK":
        yield from _of_zip(kind, case, raw)
    elif kind in ("csv", "tsv"):
        end = raw.decode().splitlines()
        separator = "\t" if kind == "tsv" else ","
        for label, text, expect in (
            ("two marks", b"\xef\xbb\xbf" * 2 + raw, "refuse"),
            ("one mark", b"\xef\xbb\xbf" + raw, "same"),
            ("a short line", raw + b"1.5\n", "refuse"),
            ("a number in the header", raw.replace(b"x", b"0.25", 1), "refuse"),
            ("text in the first row", "\n".join(["", *end[1:]]).strip().encode(), "any"),
            ("a damaged first row", "\n".join(["1.5" + separator + "a1.5" + separator + "2.5",
                                               *end[1:], ""]).encode(), "refuse"),
            ("control characters", raw.replace(b"x", b"\x1b[31mx\x07", 1), "same"),
            ("an open quote", raw + b'"1.5', "refuse"),
            ("zeros behind", raw + bytes(99), "refuse"),
            ("a long line", raw + b"1" * (1 << 25), "refuse"),
            ("decimal commas", b"\n".join(f"{v:.3f}".replace(".", ",").encode() for v in X[:, 0]),
             "refuse" if kind == "csv" else "any"),
            ("no end of the last line", raw.rstrip(b"\r\n"), "same"),
        ):  # fmt: skip
            yield case(label, packed(text), expect)
    elif kind == "words":
        for label, text, expect in (
            ("a header of other counts", b"9 3\n" + raw, "refuse"),
            ("a number that is text", raw + b"word 1.5 a 2.5\n", "refuse"),
            ("a long line", b"1" * (1 << 25), "refuse"),
            ("300,000 columns", b"w " + b"1.5 " * 300_000 + b"\nv " + b"1.5 " * 300_000, "any"),
        ):
            yield case(label, packed(text), expect)
    elif kind == "safetensors":
        for old, new in ((b"[40,3]", b"[39,3]"), (b"[40,3]", b"[9e9,3]"), (b"F32", b"F64")):
            yield case(f"{old!r} becomes {new!r}", raw.replace(old, new, 1))
    elif kind in ("hdf5", "h5ad"):
        rows = (40).to_bytes(8, "little") + (3).to_bytes(8, "little")
        for n, d in ((39, 3), (41, 3), (3, 40), (2**62, 3), (0, 3), (40, 2)):
            new = n.to_bytes(8, "little") + d.to_bytes(8, "little")
            yield case(f"shape ({n}, {d})", raw.replace(rows, new))
    elif kind in ("bin", "word2vec", "vecs"):
        yield case("another number of rows", bytes([raw[0] ^ 1]) + raw[1:])


def _of_zip(kind: str, case: Made, raw: bytes) -> Iterator[Case]:
    folder = Path(tempfile.mkdtemp())
    source = folder / "source.zip"
    source.write_bytes(raw)
    with zipfile.ZipFile(source) as archive:
        members = [(one.filename, archive.read(one)) for one in archive.infolist()]
    largest = max(
        range(len(members)), key=lambda j: len(members[j][1]) * ("json" not in members[j][0])
    )
    name, inner = members[largest]

    def made(parts: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> bytes:
        target = folder / "made.zip"
        target.unlink(missing_ok=True)
        import warnings

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with zipfile.ZipFile(target, "w", compression) as archive:
                for label, body in parts:
                    archive.writestr(zipfile.ZipInfo(label), body)
        return target.read_bytes()

    rest = members[:largest] + members[largest + 1 :]
    for label, parts in (
        ("a member twice", [*members, (name, inner)]),
        ("a member twice with other bytes", [*members, (name, inner[:-4] + b"abcd")]),
        ("a member cut", [*rest, (name, inner[:-4])]),
        ("a member with bytes behind", [*rest, (name, inner + b"abcd")]),
        ("a member twice as long", [*rest, (name, inner * 2)]),
        ("a member that is empty", [*rest, (name, b"")]),
        ("a member that is not there", rest),
    ):
        yield case(label, made(parts))
    yield case("bytes between members", raw[:40] + b"hello" + raw[40:])
    for at in (8, 10, 16, 20, 24, 42):  # fields of the directory
        place_ = raw.find(b"PK\x01\x02") + at
        new = raw[:place_] + bytes([raw[place_] ^ 1]) + raw[place_ + 1 :]
        yield case(f"directory, byte {at}", new, "same")
    if kind == "npz":
        yield case("with and without .npy", made([*members, ("embeddings", inner)]))
    shutil.rmtree(folder)


# JSON


def _places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    items = data.items() if isinstance(data, dict) else enumerate(data[:4])
    for key, value in items:
        yield (*at, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*at, key))


def _replaced_values(
    kind: str, files: Files, rng: np.random.Generator, count: int
) -> Iterator[Case]:
    """Yield a JSON file with one value replaced, or left out."""
    assert isinstance(files, bytes)
    places = list(_places(json.loads(files)))
    for _ in range(count):
        data = json.loads(files)
        at = places[int(rng.integers(len(places)))]
        inner = data
        for key in at[:-1]:
            inner = inner[key]
        which = int(rng.integers(len(LEAVES) + 1))
        if which == len(LEAVES):
            del inner[at[-1]]
        else:
            inner[at[-1]] = LEAVES[which]
        label = f"{'/'.join(map(str, at))} becomes {which}"
        yield Case(kind, label, ".json", json.dumps(data).encode(), "any")


# Reading and judging


def read(kind: str, path: Path) -> np.ndarray | None:
    """Read a case as a user would, and use what was read."""
    if kind == "summary":
        summary = dmtest.Summary.from_bytes(path.read_bytes())
        repr(summary), summary.to_bytes(), summary.mean
    elif kind == "report":
        report = dmtest.Report.from_json(path)
        str(report), report.to_json(), report.to_html(), report.to_frame()
    elif kind == "monitor":
        monitor = dmtest.Monitor.from_json(path)
        str(monitor.state), monitor.to_json()
    elif kind == "baseline":
        str(dmtest.Baseline.from_json(path).to_json())
    else:
        loaded = load(path)
        return np.asarray(as_sample(loaded).x)
    return None


def judge(case: Case, folder: Path) -> Verdict:
    """Read a case; say what came of it, and whether that may be."""
    path = place(case, folder)
    try:
        found = read(case.kind, path)
    except InputError as problem:
        text = str(problem).replace(str(path), "PATH")
        clean = is_sentence(text) and not re.search(r"object at 0x|<class '|\.cc|::", text)
        if case.label == "sound":
            return Verdict("misread", f"a sound file is refused: {text}")
        return Verdict("refused", text) if clean else Verdict("crashed", f"unclean: {text!r}")
    except DmtestError as problem:
        return Verdict("crashed", f"{type(problem).__name__}: {problem}")
    except Exception as problem:
        return Verdict("crashed", f"{type(problem).__name__}: {str(problem)[:200]}")
    finally:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    if case.expect == "refuse":
        return Verdict("misread", "what the format can tell was read")
    if case.want is None or found is None:
        return Verdict("read")
    same = found.shape == case.want.shape and np.allclose(
        found, case.want, rtol=1e-6, atol=0.0, equal_nan=True
    )
    if not same and case.expect == "same":
        return Verdict("misread", "other numbers")
    return Verdict("same" if same else "other")


# Coverage-guided search


class Coverage:
    """Lines of the readers that run, for a search that keeps what reaches new ones."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self.fresh = 0

    def _trace(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(READERS):
            return None
        if event == "line":
            line = (frame.f_code.co_filename, frame.f_lineno)
            if line not in self.seen:
                self.seen.add(line)
                self.fresh += 1
        return self._trace

    def run(self, function: Callable[[], Verdict]) -> tuple[Verdict, int]:
        """Run a function; return its result, and how many lines ran for the first time."""
        self.fresh = 0
        before = sys.gettrace()
        sys.settrace(self._trace)
        try:
            return function(), self.fresh
        finally:
            sys.settrace(before)


def search(
    kind: str, rng: np.random.Generator, count: int, folder: Path
) -> Iterator[tuple[Case, Verdict]]:
    """Damage files again and again, and keep those whose reading reaches new lines."""
    coverage = Coverage()
    pool = [Case(kind, "sound", suffix, files, "any", want) for suffix, files, want in sound(kind)]
    for case in pool:
        coverage.run(lambda case=case: judge(case, folder))
    for number in itertools.count():
        if number == count:
            return
        parent = pool[int(rng.integers(len(pool)))]
        files = parent.files
        name = "" if isinstance(files, bytes) else sorted(files)[int(rng.integers(len(files)))]
        how, new = damage(files if isinstance(files, bytes) else files[name], rng)
        label = f"{parent.label}; {name} {how}"
        case = Case(kind, label, parent.suffix, _with(files, name, new), "any", parent.want)
        verdict, fresh = coverage.run(lambda case=case: judge(case, folder))
        if fresh and len(label) < 1000:
            pool.append(case)
        yield case, verdict
