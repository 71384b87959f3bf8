"""Arrow files and the folders of Hugging Face's datasets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import feather, ipc

from dmtest.data.load import load, read
from tests.data.test_kinds import refusal
from tests.support.file_kinds import X, save_dataset
from tests.support.references import FILES

KNOWN = np.load(FILES / "x.npy")
TABLE = pa.table({"word": ["w"] * 40, "e": list(X), "size": np.arange(40.0), "note": ["n"] * 40})


@pytest.mark.parametrize("compression", ["uncompressed", "lz4", "zstd"])
def test_arrow_reads_the_columns_wanted(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.feather"
    feather.write_feather(TABLE, path, compression=compression, chunksize=7)
    assert_array_equal(load(path), X)
    assert_array_equal(load(path, key="e", columns=[2, 0]), X[:, [2, 0]])
    assert_array_equal(load(path, columns=["size"]), np.arange(40.0)[:, None])
    assert "'word', 'e', 'size', 'note'" in refusal(path, key="f")
    assert "holds text" in refusal(path, columns=["word"])


def test_arrow_offsets_that_point_outside_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    with ipc.new_file(path, TABLE.select(["e"]).schema) as writer:
        writer.write_table(TABLE.select(["e"]))
    raw = path.read_bytes()
    offsets = np.arange(0, 123, 3, dtype="<i4").tobytes()
    assert raw.count(offsets) == 1
    wrong = np.arange(0, 123 * 10**6, 3 * 10**6, dtype="<i4").tobytes()
    path.write_bytes(raw.replace(offsets, wrong))
    assert "cannot be read as an Arrow table" in refusal(path)


def test_arrow_stream_without_its_end(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    with ipc.new_stream(path, TABLE.schema) as writer:
        writer.write_table(TABLE, max_chunksize=10)
    assert_array_equal(load(path), X)
    path.write_bytes(path.read_bytes()[:-8])  # all batches are there, for all that anyone knows
    assert "end of the stream" in refusal(path)


def test_feather_version_1(tmp_path: Path) -> None:
    path = tmp_path / "a.feather"
    path.write_bytes(b"FEA1" + bytes(60))
    assert "version 1" in refusal(path)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Unpack what `datasets` wrote."""
    shutil.unpack_archive(FILES / "datasets.zip", tmp_path)
    return tmp_path


def test_datasets_as_datasets_writes_them(saved: Path) -> None:
    loaded = read(saved / "dataset")
    assert_array_equal(loaded.array, KNOWN)
    assert [finding.code for finding in loaded.findings] == ["embedding-column"]
    assert_array_equal(load(saved / "splits", key="train/embedding"), KNOWN)
    assert_array_equal(load(saved / "splits", key="test"), KNOWN[:9])
    assert "'train', 'test'" in refusal(saved / "splits")
    assert "'train', 'test'" in refusal(saved / "splits", key="embedding")
    assert "'text', 'embedding'" in refusal(saved / "splits", key="test/label")
    assert_array_equal(load(saved / "half"), KNOWN.astype(np.float16))
    assert load(saved / "half").dtype == np.float16


def test_a_single_split_needs_no_name(saved: Path) -> None:
    (saved / "splits" / "dataset_dict.json").write_text('{"splits": ["test"]}')
    assert_array_equal(load(saved / "splits"), KNOWN[:9])
    assert_array_equal(load(saved / "splits", key="embedding"), KNOWN[:9])


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"_data_files": [{"filename": "../secret.arrow"}]}, "no name of a file in this folder"),
        ({"_data_files": [{"filename": "/etc/passwd"}]}, "no name of a file in this folder"),
        ({"_data_files": [{"filename": "lost.arrow"}]}, "'lost.arrow' is not there"),
        ({"_data_files": [{"filename": 3}]}, "holds no names"),
        ({"_data_files": []}, "lists no files"),
        ({"_data_files": [], "_indices_files": [{"filename": "i"}]}, "flatten_indices()"),
        ({}, "cannot be read"),
        ([], "cannot be read"),
    ],
)
def test_datasets_whose_state_is_wrong(tmp_path: Path, state: object, words: str) -> None:
    path = tmp_path / "data"
    save_dataset(path, {"x": X})
    shutil.copy(path / "data-00000-of-00002.arrow", tmp_path / "secret.arrow")
    (path / "state.json").write_text(json.dumps(state))
    assert words in refusal(path)


def test_splits_that_lead_out_of_the_folder(tmp_path: Path) -> None:
    save_dataset(tmp_path / "secret", {"x": X})
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "dataset_dict.json").write_text('{"splits": [".."]}')
    sentence = refusal(tmp_path / "data", key="../secret")
    assert "cannot be read" in sentence
