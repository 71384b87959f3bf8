"""HDF5, AnnData, Zarr, safetensors and torch: what is particular to each of them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import zarr
from numpy.testing import assert_array_equal

from dmtest.data.load import load, read
from dmtest.data.readers import guard
from dmtest.data.sample import as_sample
from tests.data.test_kinds import refusal
from tests.support.file_kinds import X, save_safetensors
from tests.support.references import FILES

KNOWN = np.load(FILES / "x.npy")


# HDF5


def test_hdf5_maps_what_lies_in_one_piece(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w", userblock_size=1024) as file:
        file["plain"] = X
        file["big"] = X.astype(">f8")
        file["flags"] = X > 0
        file.create_dataset("chunked", data=X, chunks=(7, 2), shuffle=True, compression="gzip")
        file.create_dataset("odd", X.shape, dtype=np.int32)[:] = np.rint(X)
    for key, mapped in {"plain": True, "big": True, "flags": True, "chunked": False}.items():
        values = load(path, key=key)
        assert isinstance(values, np.memmap) == mapped
        assert_array_equal(values, X > 0 if key == "flags" else X)
    assert_array_equal(load(path, key="/odd"), np.rint(X))


def test_hdf5_names_of_levels(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["one/features"], file["two/features"], file["two/rest"] = X, X + 1, X + 2
    assert_array_equal(load(path, key="rest"), X + 2)
    assert_array_equal(load(path, key="one/features"), X)
    assert "'one/features', 'two/features'" in refusal(path, key="features")


def test_hdf5_what_was_never_written_is_no_zero(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("none", (40, 3), "f4")
        file.create_dataset("part", (40, 3), "f4", chunks=(10, 3))[:20] = X[:20]
    assert "1 of 1 chunks were never written" in refusal(path, key="none")
    assert "2 of 4 chunks were never written" in refusal(path, key="part")


def test_hdf5_follows_nothing_into_other_files(tmp_path: Path) -> None:
    other, path = tmp_path / "other.h5", tmp_path / "a.h5"
    (tmp_path / "raw").write_bytes(X.tobytes())
    with h5py.File(other, "w") as file:
        file["x"] = X
    with h5py.File(path, "w") as file:
        file["linked"] = h5py.ExternalLink(str(other), "/x")
        file["soft"] = h5py.SoftLink("/virtual")
        external = [(str(tmp_path / "raw"), 0, X.nbytes)]
        file.create_dataset("external", X.shape, X.dtype, external=external)
        layout = h5py.VirtualLayout(X.shape, X.dtype)
        layout[:] = h5py.VirtualSource(str(other), "x", X.shape)
        file.create_virtual_dataset("virtual", layout)
    assert "not followed" in refusal(path, key="external")
    assert "not followed" in refusal(path, key="virtual")
    for name in ("linked", "soft"):
        assert f"has no {name!r}" in refusal(path, key=name)


def test_hdf5_text_records_and_unknown_compression(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["words"] = ["a", "b"]
        file["pairs"] = np.zeros(9, [("a", "f4"), ("b", "f4")])
        file["raw"] = np.zeros(9, "V7")
        file["empty"] = h5py.Empty("f4")
        plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plan.set_chunk((10, 3))
        plan.set_filter(32_015, h5py.h5z.FLAG_OPTIONAL, ())  # Zstandard's number: a plugin
        space, kind = h5py.h5s.create_simple(X.shape), h5py.h5t.IEEE_F32LE
        h5py.Dataset(h5py.h5d.create(file.id, b"packed", kind, space, plan))[:] = X
    assert "objects or text" in refusal(path, key="words")
    assert "no numbers" in refusal(path, key="pairs")
    assert "no numbers" in refusal(path, key="raw")
    assert "filter 32015" in refusal(path, key="packed")
    assert "is empty" in refusal(path, key="empty")


def test_larger_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A header can claim anything; a little file may also be a very large array of zeros."""
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        held = file.create_dataset("x", (10**7, 10**6), "f4", chunks=(10**4, 10**4))
        held[0, 0] = 1
    assert "were never written" in refusal(path)
    monkeypatch.setattr(guard, "free_memory", lambda: 100)
    with h5py.File(path, "w") as file:
        file.create_dataset("x", data=X, compression="gzip")
    sentence = refusal(path)
    assert all(word in sentence for word in ("480 bytes", "100 bytes", "memory")), sentence
    np.savez(tmp_path / "a.npz", x=X)
    assert "memory" in refusal(tmp_path / "a.npz")


# AnnData


def test_anndata_as_anndata_writes_it() -> None:
    path = FILES / "cells.h5ad"
    loaded = read(path, "X")
    assert_array_equal(loaded.array, KNOWN)
    assert loaded.names == ("CD4", "CD8A", "GAPDH")
    assert_array_equal(load(path, key="X_pca"), KNOWN[:, :2])
    assert_array_equal(load(path, key="obsm/X_pca", columns=[1]), KNOWN[:, [1]])
    chosen = read(path, "X", ["GAPDH", 0])
    assert_array_equal(chosen.array, KNOWN[:, [2, 0]])
    assert chosen.names == ("GAPDH", "CD4")
    assert "'CD4', 'CD8A', 'GAPDH'" in refusal(path, key="X", columns=["CD9"])
    sentence = refusal(path)
    assert all(f"'{name}'" in sentence for name in ("X", "obsm/X_pca", "layers/counts"))


def test_anndata_sparse_and_frames() -> None:
    sparse = refusal(FILES / "cells.h5ad", key="counts")
    assert all(word in sparse for word in ("sparse matrix (csr_matrix)", "toarray()")), sparse
    assert "dataframe" in refusal(FILES / "cells.h5ad", key="scores")


def test_anndata_links_and_genes_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.h5ad"
    with h5py.File(path, "w") as file:
        file["obsm/a"] = X
        file["obsm/b"] = h5py.ExternalLink("other.h5", "/x")
        file["layers"] = h5py.ExternalLink("other.h5", "/x")
    assert_array_equal(load(path), X)
    with h5py.File(path, "w") as file:
        file["X"] = X
        file["var/_index"] = ["same", "same", "same"]
    assert read(path).names is None


# Zarr


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("packed", [False, True])
def test_zarr_versions_and_a_bare_array(tmp_path: Path, version: int, packed: bool) -> None:
    path = tmp_path / "a.zarr"
    values = zarr.create_array(path, data=X, chunks=(10, 2), zarr_format=version)
    assert values.nchunks == 8
    if packed:
        shutil.make_archive(str(path), "zip", path)
        path = tmp_path / "a.zarr.zip"
    assert_array_equal(load(path), X)
    assert_array_equal(load(path, columns=[2]), X[:, [2]])
    assert "has no 'b'" in refusal(path, key="b")


def test_zarr_folder_of_any_name_and_levels(tmp_path: Path) -> None:
    group = zarr.open_group(tmp_path / "plain", mode="w")
    group.create_group("deep").create_array("x", data=X)
    group.create_array("other", data=X + 1)
    assert_array_equal(load(tmp_path / "plain", key="deep/x"), X)
    assert_array_equal(load(tmp_path / "plain", key="x"), X)
    assert_array_equal(load(tmp_path / "plain", key="other"), X + 1)


def test_zarr_chunks_that_got_lost_are_no_zeros(tmp_path: Path) -> None:
    for shards in (None, (20, 3)):
        path = tmp_path / f"{shards}.zarr"
        zarr.create_array(path, data=X, chunks=(10, 3), shards=shards)
        os.remove(path / "c" / "1" / "0")
        assert f"1 of {2 if shards else 4} chunks are not there" in refusal(path)


def test_zarr_text_and_pickles_beside_the_array_do_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    group = zarr.open_group(path, mode="w", zarr_format=2)
    group.create_array("x", data=X)
    group.create_array("words", shape=(3,), dtype="U4")[:] = ["a", "b", "c"]
    about = {"zarr_format": 2, "shape": [9], "chunks": [9], "dtype": "|O", "fill_value": None}
    about |= {"order": "C", "compressor": None, "filters": [{"id": "pickle", "protocol": 5}]}
    (path / "objects").mkdir()
    (path / "objects" / ".zarray").write_text(json.dumps(about))
    assert_array_equal(load(path, key="x"), X)
    assert "'pickle'" in refusal(path, key="objects")
    assert "no numbers" in refusal(path, key="words")


def test_zarr_codecs_inside_of_shards_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.zarr"
    zarr.create_array(path, data=X, chunks=(10, 3), shards=(20, 3))
    about = json.loads((path / "zarr.json").read_text())
    inner = about["codecs"][0]["configuration"]["codecs"]
    inner.append({"name": "numcodecs.pickle", "configuration": {}})
    (path / "zarr.json").write_text(json.dumps(about))
    assert "codec 'pickle'" in refusal(path)


# Safetensors and torch


def test_safetensors_half_precision_is_exact_and_said(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file

    path = tmp_path / "a.safetensors"
    x = torch.from_numpy(X)
    held = {"b": x.bfloat16(), "h": x.half(), "f8": x.to(torch.float8_e4m3fn), "i": x.int()}
    held["none"] = torch.zeros(0, 3)
    save_file(held, path)
    assert_array_equal(load(path, key="b"), x.bfloat16().float().numpy())
    assert load(path, key="b", columns=[1]).dtype == np.float32
    assert_array_equal(load(path, key="h"), X.astype(np.float16))
    assert_array_equal(load(path, key="i"), X.astype(np.int32))
    for key, name in {"b": "bfloat16", "h": "float16"}.items():
        sample = as_sample(path, key=key)
        assert sample.dtype == name
        assert "low-precision" in [finding.code for finding in sample.findings]
    assert "F8_E4M3" in refusal(path, key="f8")
    assert "empty" in refusal(path, key="none")


def test_safetensors_header_that_lies(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_safetensors(path, {"x": X})
    raw = path.read_bytes()
    for old, new in ((b"[40,3]", b"[90,3]"), (b"[0,480]", b"[0,479]"), (b'"F32"', b'"F99"')):
        assert raw.count(old) == 1
        path.write_bytes(raw.replace(old, new))
        assert "cannot be read as a safetensors file" in refusal(path)
    path.write_bytes((2**63).to_bytes(8, "little") + raw[8:])
    assert "cannot be read as a safetensors file" in refusal(path)


def test_torch_tensors_alone_nested_and_half(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path, x = tmp_path / "a.pt", torch.from_numpy(X)
    torch.save(x, path)
    assert_array_equal(load(path), X)
    assert "without a name" in refusal(path, key="x")
    torch.save({"epoch": 3, "layers": [x, {"out": x.T.contiguous().T + 1}]}, path)
    assert_array_equal(load(path, key="layers/0"), X)
    assert_array_equal(load(path, key="out"), X + 1)
    torch.save({"b": torch.nn.Parameter(x.bfloat16()), "s": x.to_sparse()}, path)
    assert_array_equal(load(path, key="b"), x.bfloat16().float().numpy())
    assert as_sample(path, key="b").dtype == "bfloat16"
    assert "to_dense()" in refusal(path, key="s")
    torch.save({"epoch": 3}, path)
    assert "it has none" in refusal(path)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_torch_old_files_and_programs(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "a.pt"
    torch.save({"x": torch.from_numpy(X)}, path, _use_new_zipfile_serialization=False)
    assert_array_equal(load(path), X)
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), path)
    assert "TorchScript" in refusal(path)


def test_torch_files_that_are_tar_are_not_unpacked(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    (tmp_path / "pickle").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    made = shutil.make_archive(str(tmp_path / "a"), "tar", tmp_path, "pickle")
    path = Path(made).rename(tmp_path / "a.pt")
    assert "neither a zip file nor a pickle" in refusal(path)
