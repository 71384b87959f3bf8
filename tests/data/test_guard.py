"""The guard of the readers: memory that a file needs, and bytes that nothing accounts for."""

from __future__ import annotations

import gzip
import json
import struct
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

import dmtest
from dmtest.data.load import load, read
from dmtest.data.readers import guard
from tests.data.test_kinds import refusal
from tests.support.file_kinds import X

MB = 1 << 20


@pytest.fixture
def little_spare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let files unpack to 10 times their size and 1 MiB, so that small ones are bombs."""
    monkeypatch.setattr(guard, "SPARE", MB)


def save_csv(path: Path) -> None:
    path.write_bytes(gzip.compress(b"a,b\n" + b"1.5,2.5\n" * 500_000))


def save_words(path: Path) -> None:
    path.write_bytes(gzip.compress(b"w 1.5 2.5\n" * 500_000))


def save_npz(path: Path) -> None:
    np.savez_compressed(path.with_suffix(""), x=np.zeros((500_000, 2)))


def save_parquet(path: Path) -> None:
    parquet.write_table(pa.table({"a": np.zeros(1_000_000)}), path)


def save_feather(path: Path) -> None:
    feather.write_feather(pa.table({"a": np.zeros(1_000_000)}), path, compression="zstd")


def save_hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=np.zeros((500_000, 2)), compression="gzip")


def save_zarr(path: Path) -> None:
    import zarr

    zarr.save_array(path, np.ones((500_000, 2)))


BOMBS = {
    ".csv.gz": save_csv,
    ".txt.gz": save_words,
    ".npz": save_npz,
    ".parquet": save_parquet,
    ".feather": save_feather,
    ".h5": save_hdf5,
    ".zarr": save_zarr,
}


@pytest.mark.usefixtures("little_spare")
@pytest.mark.parametrize("suffix", BOMBS)
def test_what_unpacks_to_too_much_is_refused(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"bomb{suffix}"
    BOMBS[suffix](path)
    sentence = refusal(path)
    assert "unpack to" in sentence
    said = sentence.partition("memory=")[2].rstrip(")")
    needed = int(said) if said.isdigit() else 64 * MB
    assert len(load(path, memory=needed)) >= 500_000  # the cure works
    assert "memory= allows 1.0 MiB" in refusal_of(path, memory=MB)


def refusal_of(path: Path, **options: Any) -> str:
    with pytest.raises(dmtest.InputError) as caught:
        load(path, **options)
    return str(caught.value)


def test_memory_is_a_number_of_bytes(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    assert len(load(tmp_path / "x.npy", memory=1)) == 40  # mapped
    for wrong in (True, 1.5, "1 GB"):
        assert refusal_of(tmp_path / "x.npy", memory=wrong).startswith("memory: got ")


def test_memory_of_a_report_and_of_a_summary(tmp_path: Path) -> None:
    save_csv(tmp_path / "x.csv.gz")
    with pytest.raises(dmtest.InputError, match=r"reading takes .* and memory= allows 1.0 MiB"):
        dmtest.report(tmp_path / "x.csv.gz", memory=MB)
    with h5py.File(tmp_path / "x.h5", "w") as file:  # 480 MB of zeros in one chunk
        held = file.create_dataset("x", (10 * MB, 6), "f8", chunks=(10 * MB, 6), compression="gzip")
        held.id.write_direct_chunk((0, 0), zlib.compress(bytes(480 * MB), 1))
    with pytest.raises(
        dmtest.InputError, match=r"takes 480\.0 MiB of memory and memory= allows 350"
    ):
        dmtest.Summary.of(tmp_path / "x.h5", memory=350 * MB)
    assert guard.free_memory() > MB


@pytest.mark.usefixtures("little_spare")
def test_the_path_that_reads_in_parts_has_the_same_guard(tmp_path: Path) -> None:
    save_parquet(tmp_path / "x.parquet")
    with pytest.raises(dmtest.InputError, match="unpack to"):
        dmtest.Summary.of(tmp_path / "x.parquet")
    (tmp_path / "y.parquet").write_bytes((tmp_path / "x.parquet").read_bytes()[:-9])
    with pytest.raises(dmtest.InputError, match="cannot be read as a Parquet table"):
        dmtest.Summary.of(tmp_path / "y.parquet")


def test_a_last_line_without_an_end_is_a_finding(tmp_path: Path) -> None:
    lines = "\n".join(",".join(map(str, row)) for row in X.tolist())
    for name, text in (("a.csv", lines), ("a.csv.gz", lines), ("a.txt", lines)):
        body = text if "csv" in name else "\n".join(f"w {x}" for x in text.split("\n"))
        body = body if "csv" in name else body.replace(",", " ")
        raw = [one.encode() for one in (body, body + "\n")]
        cut, whole = (gzip.compress(one) if name.endswith("gz") else one for one in raw)
        (tmp_path / name).write_bytes(cut)
        (finding,) = read(tmp_path / name).findings
        assert finding.code == "open-end"
        assert "40 rows of 3 columns" in finding.message
        (tmp_path / name).write_bytes(whole)
        assert read(tmp_path / name).findings == ()
    (tmp_path / "a.vec").write_text("9 3\n" + "\n".join(["w 1.5 2.5 3.5"] * 9))
    assert "last line has no end" in refusal(tmp_path / "a.vec")


def test_headers_of_text(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    body = "\n".join(f"{a},{b},{c}" for a, b, c in X.tolist()) + "\n"
    path.write_text("x,0.5,z\n" + body)
    assert "neither a header nor a row" in refusal(path)
    path.write_text("x,0,1\n" + body)  # whole numbers are names
    assert read(path).names == ("x", "0", "1")
    wide = "\n".join(",".join("123456") for _ in range(9)) + "\n"
    path.write_text("id,400.5,401.5,402.5,403.5,404.5\n" + wide)  # wavelengths are names
    assert load(path).shape == (9, 6)
    path.write_text("\n".join(f"{v:.4f}".replace(".", ",") for v in X[:, 0]) + "\n")
    assert "decimal comma" in refusal(path)
    assert load(path, delimiter=",").shape == (40, 2)  # the cure works
    path.write_text("\n".join(f"{j},{j * j}" for j in range(9)) + "\n")
    assert load(path).shape == (9, 2)


def test_wide_text(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    x = np.arange(8 * 20_000).reshape(8, -1) / 4.0
    path.write_text("\n".join(",".join(map(str, row)) for row in x.tolist()) + "\n")
    np.testing.assert_array_equal(load(path), x)


def test_bytes_in_a_zip_file_belong_to_a_member(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=X)
    raw = path.read_bytes()
    path.write_bytes(b"#!run\n" + raw)
    assert "belong to no member" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive, archive.open("x.npy", "w") as stream:
        np.lib.format.write_array(stream, X)  # with the sizes behind the member
    np.testing.assert_array_equal(load(path), X)
    with (
        path.open("wb") as stream,
        zipfile.ZipFile(Unseekable(stream), "w") as archive,
        archive.open("x.npy", "w", force_zip64=True) as member,
    ):
        np.lib.format.write_array(member, X)
    np.testing.assert_array_equal(load(path), X)


class Unseekable:
    """A stream as of a pipe: zipfile puts the sizes behind each member."""

    def __init__(self, stream: Any) -> None:
        self.write, self.flush = stream.write, stream.flush


def test_files_of_other_writers_are_accounted_for_as_well(tmp_path: Path) -> None:
    frame = pl.DataFrame(X, schema=["a", "b", "c"])
    for packed in ("uncompressed", "lz4", "zstd"):
        frame.write_ipc(tmp_path / "a.arrow", compression=packed)
        frame.write_ipc_stream(tmp_path / "a.ipc", compression=packed)
        for name in ("a.arrow", "a.ipc"):
            np.testing.assert_array_equal(load(tmp_path / name), X)
            raw = (tmp_path / name).read_bytes()
            (tmp_path / f"two-{name}").write_bytes(raw * 2)
            assert "corrupt" in refusal(tmp_path / f"two-{name}")
    table = frame.to_arrow()
    for more in ({"write_page_index": True}, {"row_group_size": 9}, {"write_statistics": False}):
        parquet.write_table(table, tmp_path / "a.parquet", **more)
        np.testing.assert_array_equal(load(tmp_path / "a.parquet"), X)
        raw = (tmp_path / "a.parquet").read_bytes()
        (tmp_path / "b.parquet").write_bytes(raw * 2)
        assert "two files in one" in refusal(tmp_path / "b.parquet")
    frame.write_parquet(tmp_path / "a.parquet")
    np.testing.assert_array_equal(load(tmp_path / "a.parquet"), X)


def test_torch_files(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, x = tmp_path / "a.pt", torch.from_numpy(X.copy())
    dag: Any = x
    for _ in range(9):
        dag = [dag] * 10
    deep: Any = x
    for _ in range(200):
        deep = [deep]
    cyclic: Any = [x]
    cyclic.append(cyclic)
    limit = sys.getrecursionlimit()
    for value, said in (
        (torch.zeros(1).expand(10**9, 3), "its values repeat"),
        ({1: x, "1": -x}, "the name '1' twice"),
        ({"a/b": x, "a": {"b": -x}}, "the name 'a/b' twice"),
        (dag, "more than 100,000 names"),
        (deep, "more than 64 levels"),
        (cyclic, "holds itself"),
    ):
        for new in (True, False):
            sys.setrecursionlimit(50_000)
            try:
                torch.save(value, path, _use_new_zipfile_serialization=new)
            finally:
                sys.setrecursionlimit(limit)
            assert said in refusal(path)
    torch.save({"embeddings": x, "other": x}, path)
    np.testing.assert_array_equal(load(path), X)  # two names of one tensor
    with zipfile.ZipFile(path) as archive:
        members = {one: archive.read(one) for one in archive.namelist()}
    (data,) = (one for one in members if "/data/" in one)
    for change in (members[data][:-4], members[data] * 2, b""):
        with zipfile.ZipFile(path, "w") as archive:
            for one, body in (members | {data: change}).items():
                archive.writestr(one, body)
        assert "its header says 480 bytes" in refusal(path)


def test_shards_of_zarr(tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=X, chunks=(10, 3), shards=(20, 3))
    (shard, *_) = sorted(path.glob("c/*/*"))
    raw = shard.read_bytes()
    np.testing.assert_array_equal(load(path), X)
    hole = struct.pack("<QQ", 2**64 - 1, 2**64 - 1)
    shard.write_bytes(raw[:-36] + raw[-36:-20] + hole + raw[-4:])
    assert "its header says 2 chunks and 1 are there" in refusal(path)
    shard.write_bytes(raw[:-36] + 2 * raw[-36:-20] + raw[-4:])
    assert "overlap, or leave bytes unused" in refusal(path)


@pytest.mark.parametrize("codec", ["zstd", "gzip", "blosc"])
def test_chunks_of_zarr(codec: str, tmp_path: Path) -> None:
    import zarr

    path = tmp_path / "a.zarr"
    packer = {
        "zstd": zarr.codecs.ZstdCodec,
        "gzip": zarr.codecs.GzipCodec,
        "blosc": zarr.codecs.BloscCodec,
    }[codec]
    zarr.create_array(path, data=X, chunks=(10, 3), compressors=packer())
    np.testing.assert_array_equal(load(path), X)
    (chunk, *_) = sorted(path.glob("c/*/*"))
    raw = chunk.read_bytes()
    for damaged in (raw[:-3], raw + b"abc") if codec != "gzip" else (raw[:-3],):
        chunk.write_bytes(damaged)
        assert "cannot be read as a Zarr store" in refusal(path)
    about = path / "zarr.json"
    chunk.write_bytes(raw)
    about.write_text(json.dumps(json.loads(about.read_text()) | {"shape": [30, 3]}))
    assert "its header says 3 chunks and 4 are there" in refusal(path)


def test_control_characters_do_not_get_into_messages(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\n\u202eb.npy"
    path.write_bytes(b"no array")
    sentence = refusal(path)
    assert "a\\x1b[31m\\n\\u202eb.npy: cannot be read" in sentence
    error = dmtest.InputError("one\ntwo \u200d\u0085")
    assert str(error) == "one\\ntwo \u200d\\x85"
