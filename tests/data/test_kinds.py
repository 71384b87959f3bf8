"""Every kind of file in the registry passes the same tests: a kind without them fails here."""

from __future__ import annotations

import re
import runpy
import sys
import tomllib
import urllib.parse
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dmtest.cli.console import as_options
from dmtest.cli.main import main
from dmtest.cli.options import FILE_HELP
from dmtest.data.load import load, read
from dmtest.data.readers.columns import Columns
from dmtest.data.readers.formats import FORMATS, Format
from dmtest.data.sample import as_sample
from dmtest.errors import InputError
from tests.support import file_kinds
from tests.support.calls import refused
from tests.support.file_kinds import KINDS, X

ROOT = Path(__file__).parents[2]
OTHER = X[::-1].copy()


def rows(wanted: Any = lambda row: True) -> list[Any]:
    """Return the kinds, without those whose library is not part of the tests' own."""
    found = []
    for row in filter(wanted, FORMATS):
        missing = row.name == "torch" and find_spec("torch") is None
        marks = [pytest.mark.skip(reason="torch is not installed")] if missing else []
        found.append(pytest.param(row, id=row.name, marks=marks))
    return found


def suffixes(wanted: Any = lambda row: True) -> list[Any]:
    return [
        pytest.param(row.values[0], suffix, id=row.values[0].name + suffix, marks=row.marks)
        for row in rows(wanted)
        for suffix in row.values[0].suffixes or ("",)
    ]


def whole(suffix: str) -> np.ndarray:
    """Return what a file of this suffix can hold: some hold integers alone."""
    if suffix in (".ivecs", ".ibin", ".i8bin"):
        return np.rint(20 * X)
    return np.abs(np.rint(20 * X)) if suffix in (".bvecs", ".u8bin") else X


def several(row: Format) -> dict[str, np.ndarray]:
    return {"first": X, "second": OTHER} if row.key else {"first": X}


def refusal(path: Path | str, key: str | None = None, columns: Columns | None = None) -> str:
    """Return the sentence that refuses a file; check what all such sentences have in common."""
    sentence = refused(None, as_sample, path, key=key, columns=columns)
    assert "\n" not in sentence
    assert len(sentence) < 600
    assert not sentence.endswith(".")
    assert "; " in sentence or "with key=" in sentence, "no cure"
    return sentence


def test_every_kind_has_its_row_here() -> None:
    assert list(KINDS) == [row.name for row in FORMATS]


def test_suffixes_are_unique_and_lower() -> None:
    known = [suffix for row in FORMATS for suffix in row.suffixes]
    assert len(set(known)) == len(known)
    assert all(re.fullmatch(r"(\.[a-z0-9]+)+", suffix) for suffix in known)
    for suffix in known:  # no suffix hides another: the first that fits is taken
        assert [other for other in known if f"a{suffix}".endswith(other)] == [suffix]


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize(("row", "suffix"), suffixes())
def test_values_survive(tmp_path: Path, row: Format, suffix: str, upper: bool) -> None:
    path = tmp_path / (f"DATA{suffix.upper()}" if upper else f"data{suffix}")
    values = whole(suffix)
    KINDS[row.name].save(path, {"embeddings": values})
    loaded = read(path)
    assert_array_equal(loaded.array.astype(np.float32), values)
    assert (loaded.source, loaded.findings) == (str(path), ())
    assert loaded.names == (("x", "y", "z") if row.columns.startswith("names") else None)
    assert_array_equal(load(str(path)), loaded.array)
    assert as_sample(path).x.shape == X.shape
    assert not as_sample(path).x.flags.writeable


@pytest.mark.parametrize(("row", "suffix"), suffixes())
def test_columns_pick_in_the_order_given(tmp_path: Path, row: Format, suffix: str) -> None:
    path, values = tmp_path / f"data{suffix}", whole(suffix)
    KINDS[row.name].save(path, {"embeddings": values})
    for columns in ([2, 0], [1], range(1, 3), 2):
        chosen = list(columns) if isinstance(columns, (list, range)) else [columns]
        assert_array_equal(load(path, columns=columns).astype(np.float32), values[:, chosen])
    sentence = refusal(path, columns=[7])
    assert sentence.startswith("columns: ")
    if row.columns.startswith("names"):
        assert_array_equal(load(path, columns=["z", "x"]).astype(np.float32), values[:, [2, 0]])
        assert_array_equal(load(path, columns="y").astype(np.float32), values[:, [1]])
        assert read(path, columns=["z", 0]).names == ("z", "x")
        assert "'x', 'y', 'z'" in refusal(path, columns=["w"])
    else:
        assert "no column names" in refusal(path, columns=["x"])


@pytest.mark.parametrize("row", rows(lambda row: row.key))
def test_a_key_chooses_and_a_wrong_one_lists_what_there_is(tmp_path: Path, row: Format) -> None:
    path = tmp_path / f"data{(*row.suffixes, '')[0]}"
    KINDS[row.name].save(path, several(row))
    assert_array_equal(load(path, key="first"), X)
    assert_array_equal(load(path, key="second"), OTHER)
    assert_array_equal(load(path, key="second", columns=[1]), OTHER[:, [1]])
    for key in ("third", None):
        sentence = refusal(path, key=key)
        assert all(word in sentence for word in ("key", "first'", "second'")), sentence
    assert "'third'" in refusal(path, key="third")


@pytest.mark.parametrize("row", rows(lambda row: not row.key))
def test_a_key_is_refused_where_it_means_nothing(tmp_path: Path, row: Format) -> None:
    path = tmp_path / f"data{row.suffixes[0]}"
    KINDS[row.name].save(path, several(row))
    assert refusal(path, key="first").startswith("key: ")


def test_embeddings_are_preferred_and_it_is_said(tmp_path: Path) -> None:
    held = {"labels": np.arange(40.0), "embeddings": X}
    for name in ("npz", "hdf5", "h5ad", "zarr", "safetensors", "torch"):
        row = next(row for row in FORMATS if row.name == name)
        if name == "torch":
            pytest.importorskip("torch")
        path = tmp_path / f"data{row.suffixes[0]}"
        kept = held if name != "zarr" else {"labels": OTHER, "embeddings": X}
        KINDS[name].save(path, kept)
        loaded = read(path)
        assert_array_equal(loaded.array, X)
        assert [finding.code for finding in loaded.findings] == ["archive-key"]
        assert "embeddings' was read" in loaded.findings[0].message
        assert read(path, key="embeddings").findings == ()


def damaged(row: Format, path: Path, how: str, trap: Path) -> None:
    """Write a file of a kind and do something to it."""
    kind = KINDS[row.name]
    if how == "hostile":
        kind.hostile(path, trap)
        return
    kind.save(path, {"embeddings": whole(path.suffix)})
    {"truncated": kind.cut, "corrupt": kind.break_}[how](path)


@pytest.mark.parametrize("how", ["truncated", "corrupt", "hostile"])
@pytest.mark.parametrize(("row", "suffix"), suffixes())
def test_damage_is_one_sentence(
    tmp_path: Path, row: Format, suffix: str, how: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path, trap = tmp_path / f"data{suffix}", tmp_path / "executed"
    damaged(row, path, how, trap)
    sentence = refusal(path)
    assert str(path) in sentence
    if how == "hostile":
        assert KINDS[row.name].words in sentence
    assert not trap.exists()
    capfd.readouterr()
    assert main(["report", str(path), "--quiet"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert as_options(sentence) in err


@pytest.mark.parametrize(("row", "suffix"), suffixes(lambda row: row.suffixes))
def test_files_of_no_bytes_and_of_other_things(tmp_path: Path, row: Format, suffix: str) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_bytes(b"")
    assert refusal(path).startswith(f"{path}: the file is empty (0 bytes)")
    path.write_bytes(bytes(range(256)) * 9)
    assert str(path) in refusal(path)
    path.unlink()
    path.mkdir()
    assert str(path) in refusal(path)


@pytest.mark.parametrize("row", rows(lambda row: row.needs))
def test_a_missing_library_is_named_with_its_command(
    tmp_path: Path, row: Format, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"data{row.suffixes[0]}"
    KINDS[row.name].save(path, {"embeddings": X})
    assert row.needs is not None
    module = sys.modules[row.needs.module]
    monkeypatch.setitem(sys.modules, row.needs.module, None)
    sentence = refusal(path)
    assert "not installed" in sentence
    oldest = ".".join(map(str, row.needs.oldest))
    assert sentence.endswith(f"run: pip install '{row.needs.module}>={oldest}'")
    assert main(["report", str(path)]) == 2
    assert capfd.readouterr().err.count("\n") == 1
    monkeypatch.setitem(sys.modules, row.needs.module, module)
    monkeypatch.setattr(module, "__version__", "0.0.9")
    assert "0.0.9, which is too old; run: pip install" in refusal(path)


@pytest.mark.parametrize("row", rows(lambda row: row.memory.startswith("mapped")))
def test_what_is_said_to_be_mapped_owns_no_memory(tmp_path: Path, row: Format) -> None:
    path = tmp_path / f"data{(*row.suffixes, '')[0]}"
    if row.name == "dataset":
        file_kinds.save_dataset(path, several(row), shards=1)
    else:
        KINDS[row.name].save(path, several(row))
    values = load(path, key="first" if row.key else None)
    base: Any = values
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    assert not isinstance(base, np.ndarray), "the memory is NumPy's own"
    assert_array_equal(values, X)


@pytest.mark.parametrize(("row", "suffix"), suffixes())
def test_urls(tmp_path: Path, row: Format, suffix: str) -> None:
    import fsspec

    path, values = tmp_path / f"data{suffix}", whole(suffix)
    KINDS[row.name].save(path, {"embeddings": values})
    local = read(f"file://{urllib.parse.quote(str(path))}")
    assert_array_equal(local.array.astype(np.float32), values)
    memory = fsspec.filesystem("memory")
    place = f"/{tmp_path.name}-{row.name}/data{suffix}"
    memory.put(str(path), place, recursive=path.is_dir())
    try:
        loaded = read(f"memory:/{place}")
    finally:
        memory.rm(place, recursive=True)
    assert_array_equal(loaded.array.astype(np.float32), values)
    assert loaded.source == f"memory:/{place}"


@pytest.mark.parametrize("row", rows())
def test_random_damage_is_refused_or_read_but_never_crashes(tmp_path: Path, row: Format) -> None:
    """Whatever is damaged: an array or an InputError, and no code is run."""
    path = tmp_path / f"data{(*row.suffixes, '')[0]}"
    KINDS[row.name].save(path, several(row))
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(60):
        file = files[rng.integers(len(files))]
        raw = file.read_bytes()
        new = bytearray(raw)
        for place in rng.integers(0, min(len(raw), int(rng.choice([32, 400, 10**6]))), 3):
            new[place] = rng.integers(256)
        file.write_bytes(new if rng.random() < 0.8 else new[: rng.integers(1, len(new))])
        try:
            load(path, key="first" if row.key else None)
            outcomes.add("read")
        except InputError:
            outcomes.add("refused")
        finally:
            file.write_bytes(raw)
    assert "refused" in outcomes
    assert load(path, key="first" if row.key else None).shape == X.shape


# What is written about the kinds


def test_the_table_in_the_documentation_is_current() -> None:
    made = runpy.run_path(str(ROOT / "docs" / "make_files.py"))["text"]()
    assert made == (ROOT / "docs" / "files.md").read_text(encoding="utf-8")
    for row in FORMATS:
        assert all(f"`{suffix}`" in made for suffix in row.suffixes)
        assert row.note in made


def test_the_command_line_names_every_kind() -> None:
    for row in FORMATS:
        for suffix in row.suffixes:
            assert suffix.removesuffix(".gz").removesuffix(".zip") in FILE_HELP


def test_extras_hold_the_libraries() -> None:
    """``files`` installs what reads files; torch, which is large, stays where training needs it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras, core = project["optional-dependencies"], " ".join(project["dependencies"])
    for row in FORMATS:
        if row.needs:
            spec = row.needs.command.removeprefix("pip install ").strip("'")
            assert row.needs.module not in core
            assert spec in extras["train" if row.name == "torch" else "files"], spec
