"""Files that are read in parts: the rows, names and findings of a file that is read at once."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import csv, feather, ipc, parquet

import dmtest
from dmtest.data.load import read, read_in_parts
from dmtest.data.readers import parts
from dmtest.data.readers.columns import Loaded
from dmtest.data.readers.kinds import text
from dmtest.data.readers.parts import PartsError
from dmtest.errors import InputError

N = 20_000
X = np.random.default_rng(5).standard_normal((N, 3))
NAMES = ["x", "y", "z"]
TABLE = pa.table({name: X[:, j] for j, name in enumerate(NAMES)})


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few thousand rows, so that every file has several."""
    monkeypatch.setattr(parts, "CHUNK", 1 << 17)
    monkeypatch.setattr(parts, "TILE", 1024)
    monkeypatch.setattr(parts.chunk_rows, "__defaults__", (1024,))
    monkeypatch.setattr(text, "BLOCK", 1 << 17)


def save_npz(path: Path) -> None:
    np.savez(path, embeddings=X, other=X[:9])


def save_csv(path: Path) -> None:
    csv.write_csv(TABLE, path)


def save_gz(path: Path) -> None:
    save_csv(path.with_suffix(""))
    path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))


def save_parquet(path: Path) -> None:
    parquet.write_table(TABLE, path, row_group_size=3000)


def save_lists(path: Path) -> None:
    rows = pa.FixedSizeListArray.from_arrays(pa.array(X.astype(np.float32).ravel()), 3)
    parquet.write_table(pa.table({"id": np.arange(N), "rows": rows}), path, row_group_size=3000)


def save_feather(path: Path) -> None:
    feather.write_feather(TABLE, path, chunksize=3000, compression="zstd")


def save_stream(path: Path) -> None:
    with ipc.new_stream(path, TABLE.schema) as sink:
        sink.write_table(TABLE, max_chunksize=3000)


def save_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X.astype(np.float32), chunks=(1000, 2), compression="gzip")


def save_contiguous(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["x"] = X


def save_h5ad(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["X"] = X
        file.create_group("var").attrs["_index"] = "genes"
        file["var/genes"] = NAMES


def save_zarr(path: Path) -> None:
    import zarr

    made = zarr.create_array(path, shape=X.shape, dtype="f8", chunks=(700, 2))
    made[:] = X


def save_shards(path: Path) -> None:
    import zarr

    made = zarr.create_array(path, shape=X.shape, dtype="f4", chunks=(500, 3), shards=(2000, 3))
    made[:] = X


KINDS: dict[str, Callable[[Path], None]] = {
    "a.npy": lambda path: np.save(path, X),
    "a.npz": save_npz,
    "a.csv": save_csv,
    "a.csv.gz": save_gz,
    "a.parquet": save_parquet,
    "lists.parquet": save_lists,
    "a.feather": save_feather,
    "a.arrow": save_stream,
    "a.h5": save_hdf5,
    "contiguous.h5": save_contiguous,
    "a.h5ad": save_h5ad,
    "a.zarr": save_zarr,
    "shards.zarr": save_shards,
}


def joined(path: Any, columns: Any = None) -> tuple[Loaded, int]:
    """Return the parts of a file as one, and how many there are."""
    found = read_in_parts(path, None, columns)
    assert found is not None
    chunks = [(np.array(one.array), one) for one in found.chunks]
    rows = np.concatenate([rows for rows, _ in chunks])
    assert found.rows in (0, len(rows))
    first, last = chunks[0][1], chunks[-1][1]
    findings = (*first.findings, *(one for one in last.findings if one not in first.findings))
    return Loaded(rows, first.names, findings, first.source, first.dtype), len(chunks)


@pytest.mark.parametrize("name", KINDS)
def test_parts_are_the_file(name: str, tmp_path: Path) -> None:
    KINDS[name](tmp_path / name)
    for columns in (None, [0, 2]):
        if name == "lists.parquet" and columns:
            continue
        whole = read(tmp_path / name, None, columns)
        found, count = joined(tmp_path / name, columns)
        assert count > 1
        assert_array_equal(found.array, whole.array)
        assert found.array.dtype == whole.array.dtype
        assert (found.names, found.findings) == (whole.names, whole.findings)
        assert (found.source, found.dtype) == (whole.source, whole.dtype)


@pytest.mark.parametrize("name", KINDS)
def test_a_report_reads_parts_with_the_same_numbers(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dmtest.summaries import summary

    monkeypatch.setattr(summary, "ROWS", 600)
    monkeypatch.setattr(summary, "FEWEST", 600)
    KINDS[name](tmp_path / name)
    options: dict[str, Any] = {"rng": 4, "replicates": 99, "effects": False}
    whole = dmtest.report(np.array(dmtest.load(tmp_path / name)), **options)
    seen: list[tuple[str, int, int]] = []
    made = dmtest.report(tmp_path / name, progress=lambda *step: seen.append(step), **options)
    assert (made.n, made.pvalue, made.adjusted) == (N, whole.pvalue, whole.adjusted)
    assert [one.statistic for one in made.outcomes] == [one.statistic for one in whole.outcomes]
    assert "streamed" in {one.code for one in made.warnings}
    rows = [done for what, done, _ in seen if what == "rows"]
    assert len(rows) > 1
    assert rows[-1] == N


def test_memory_of_a_file_in_parts_does_not_grow(tmp_path: Path) -> None:
    save_gz(tmp_path / "a.csv.gz")
    with pytest.raises(InputError, match="memory= allows 195"):
        dmtest.load(tmp_path / "a.csv.gz", memory=200_000)
    summary = dmtest.Summary.of(tmp_path / "a.csv.gz", rows=100)
    assert (summary.n, summary.names) == (N, ("x", "y", "z"))


def write(path: Path, lines: list[str], end: str = "\n") -> Path:
    path.write_text("\n".join(lines) + end)
    return path


def test_an_index_of_pandas(tmp_path: Path) -> None:
    lines = [f"{i},{row[0]},{row[1]}" for i, row in enumerate(X.tolist())]
    path = write(tmp_path / "a.csv", [",u,v", *lines])
    whole, (found, _) = read(path), joined(path)
    assert found.names == whole.names == ("u", "v")
    assert found.findings == whole.findings
    assert_array_equal(found.array, whole.array)
    # A first column that counts only at first is a column: the report then reads all rows at once.
    write(path, [",u,v", *lines[:-1], f"7,{lines[-1].partition(',')[2]}"])
    with pytest.raises(PartsError, match="its first column counts the rows up to row"):
        joined(path)
    assert dmtest.report(path, rng=0, replicates=99, effects=False).d == 3


def test_what_arrow_refuses_is_read_or_refused_with_its_line(tmp_path: Path) -> None:
    lines = [f"{a},{b}" for a, b in X[:, :2].tolist()]
    lines[15_000] = " 1.5 , +2"  # a spelling that only Python reads
    path = write(tmp_path / "a.csv", lines, end="")
    whole, (found, _) = read(path), joined(path)
    assert_array_equal(found.array, whole.array)
    assert found.findings == whole.findings
    assert "open-end" in {one.code for one in found.findings}
    lines[15_000] = "1.5,two"
    with pytest.raises(InputError, match="column 1 holds text, first 'two' in line 15001"):
        joined(write(path, lines))


def test_decimal_commas_below_the_first_lines(tmp_path: Path) -> None:
    lines = [f"{i};{i + 1}" for i in range(5000)] + ["1,5;2,25"]
    path = write(tmp_path / "a.csv", lines)
    with pytest.raises(PartsError, match="first decimal comma"):
        joined(path)
    assert dmtest.load(path)[-1].tolist() == [1.5, 2.25]


def test_open_files(tmp_path: Path) -> None:
    options: dict[str, Any] = {"rng": 4, "replicates": 99, "effects": False}
    expected = dmtest.report(X[:900].astype(np.float32), **options).pvalue
    np.save(tmp_path / "a.npy", X[:900].astype(np.float32))
    save = pa.table({name: X[:900, j].astype(np.float32) for j, name in enumerate(NAMES)})
    parquet.write_table(save, tmp_path / "a.parquet", row_group_size=250)
    for name in ("a.npy", "a.parquet"):
        with (tmp_path / name).open("rb") as file:
            assert dmtest.report(file, **options).pvalue == expected
            assert not file.closed
    raw = io.BytesIO((tmp_path / "a.npy").read_bytes())
    assert dmtest.report(raw, **options).pvalue == expected
    assert not raw.closed
    raw.seek(0)
    assert dmtest.Summary.of(raw, columns=[0, 2]).d == 2
    with pytest.raises(InputError, match="its values end early"):
        dmtest.Summary.of(io.BytesIO((tmp_path / "a.npy").read_bytes()[:-7]))
    with pytest.raises(InputError, match=r"neither an open \.npy nor an open Parquet file"):
        dmtest.report(io.BytesIO(b"1,2\n3,4\n"))
    with (
        (tmp_path / "a.npy").open(encoding="latin1") as lines,
        pytest.raises(InputError, match="open it with mode 'rb'"),
    ):
        dmtest.report(lines)
    np.save(tmp_path / "f.npy", np.asfortranarray(X))
    with (
        (tmp_path / "f.npy").open("rb") as file,
        pytest.raises(InputError, match="no rows of numbers in C order"),
    ):
        dmtest.report(file)


@pytest.mark.parametrize("name", ["a.npy", "a.csv.gz", "a.parquet", "a.h5", "f.npy", "a.txt"])
def test_remote_files_and_open_remote_files(name: str, tmp_path: Path) -> None:
    import fsspec

    if name == "f.npy":
        np.save(tmp_path / name, np.asfortranarray(X))
    elif name == "a.txt":
        write(tmp_path / name, [f"w{i} {a} {b}" for i, (a, b) in enumerate(X[:500, :2].tolist())])
    else:
        KINDS[name](tmp_path / name)
    store = fsspec.filesystem("memory")
    store.pipe(f"/bucket/{name}", (tmp_path / name).read_bytes())
    options: dict[str, Any] = {"rng": 4, "replicates": 99, "effects": False}
    whole = dmtest.report(tmp_path / name, **options)
    made = dmtest.report(f"memory://bucket/{name}", **options)
    assert (made.n, made.pvalue) == (whole.n, whole.pvalue)
    assert made.provenance.source == f"memory://bucket/{name}"
    if name in ("a.npy", "a.parquet"):
        with fsspec.open(f"memory://bucket/{name}", "rb") as file:
            assert dmtest.report(file, **options).pvalue == whole.pvalue


def test_damaged_parts_are_refused(tmp_path: Path) -> None:
    for name in ("a.npy", "a.npz", "a.csv.gz", "a.parquet", "a.arrow", "a.h5"):
        path = tmp_path / name
        KINDS[name](path)
        path.write_bytes(path.read_bytes()[:-1000])
        with pytest.raises(InputError, match="write it again"):
            joined(path)


def test_a_data_loader() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.data import DataLoader, TensorDataset

    x = torch.from_numpy(X[:5000].astype(np.float32))
    loader = DataLoader(TensorDataset(x, torch.zeros(len(x))), batch_size=333)
    options: dict[str, Any] = {"rng": 4, "replicates": 99, "effects": False}
    assert dmtest.report(loader, **options).pvalue == dmtest.report(x, **options).pvalue
