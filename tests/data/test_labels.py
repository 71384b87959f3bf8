"""Classes of rows: names, their order, and what is refused as no class."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_array_equal
from pyarrow import parquet

from dmtest.data.labels import as_labels
from dmtest.data.sample import as_sample, rows_of_class
from tests.support.calls import refused

RNG = np.random.default_rng(18)
X = RNG.normal(size=(30, 2))
WORDS = np.array(["b", "a", "c"] * 10)
FRAME = pd.DataFrame({"x": X[:, 0], "kind": WORDS, "y": X[:, 1]})


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (WORDS, ("a", "b", "c")),
        (pd.Series(WORDS).astype("category"), ("a", "b", "c")),
        (np.repeat([10, 9, 2], 10), ("2", "9", "10")),
        (np.repeat(["10", "9", "2"], 10), ("2", "9", "10")),  # as text in a file
        (np.repeat([1.0, 2.0], 15), ("1", "2")),
        (np.repeat([0.5, 1.5], 15), ("0.5", "1.5")),
        (np.repeat([True, False], 15), ("False", "True")),
        ([1] * 15 + ["a"] * 15, ("1", "a")),  # of two types
        (np.repeat(np.datetime64("2026-01-01") + np.arange(2), 15), ("2026-01-01", "2026-01-02")),
    ],
    ids=str,
)
def test_names_and_their_order(labels: Any, names: tuple[str, ...]) -> None:
    found = as_labels(labels, 30, "by")
    assert found.names == names
    assert_array_equal([names[code] for code in found.codes], [_plain(one) for one in labels])
    assert found.counts.sum() == 30
    shares = found.counts / 30
    assert found.entropy == pytest.approx(-(shares * np.log(shares)).sum())


def _plain(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (WORDS[:-1], r"by: has shape \(29,\) for data of 30 rows; pass one label for each row"),
        (["a"] * 30, "by: all 30 rows have the label 'a'"),
        (RNG.normal(size=30), "by: has 30 distinct values in 30 rows, which are continuous"),
        (np.arange(30) // 4, "by: class '7' has 2 rows"),
        (np.floor(np.arange(30) / 2.0) + 0.5, "by: has 15 distinct values in 30 rows, which are c"),
        (np.arange(30), "by: has 30 distinct values in 30 rows, which are names of rows"),
        (["a"] * 23 + ["few"] * 7, "by: class 'few' has 7 rows, and a report takes 8; join"),
        (["a"] * 29 + ["one"], "by: class 'one' has 1 row, and"),
        (["a"] * 29 + [None], r"by: 1 of 30 labels is missing \(first: row 29\)"),
        ([[1, 2]] * 30, r"by: has shape \(30, 2\)"),
    ],
    ids=str,
)
def test_what_is_no_class(labels: Any, said: str) -> None:
    text = refused(said, as_sample, X, labels=labels, by="by")
    assert text.count(". ") == 0


def test_too_many_classes() -> None:
    labels = np.repeat(np.arange(1001), 8)
    assert "1,001 classes" in refused(None, as_labels, labels, len(labels), "labels")


@pytest.mark.parametrize("frame", [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME)])
def test_a_column_of_a_frame(frame: Any) -> None:
    sample = as_sample(frame, labels="kind")
    assert sample.labels is not None
    assert (sample.names, sample.labels.names, sample.labels.name) == (
        ("x", "y"),
        ("a", "b", "c"),
        "kind",
    )
    assert_array_equal(sample.x, X)


def test_a_column_or_an_array_of_a_file(tmp_path: Path) -> None:
    FRAME.to_csv(tmp_path / "x.csv", index=False)
    parquet.write_table(pa.Table.from_pandas(FRAME), tmp_path / "x.parquet")
    np.savez(tmp_path / "x.npz", embeddings=X, kind=WORDS)
    np.savez(tmp_path / "kinds.npz", kind=WORDS)
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["embeddings"], file["kind"] = X, np.repeat([0, 1, 2], 10)
    for name in ("x.csv", "x.parquet", "x.npz", "x.h5"):
        sample = as_sample(tmp_path / name, labels="kind")
        assert sample.labels is not None
        assert len(sample.labels.names) == 3
        np.testing.assert_allclose(sample.x, X)
    assert "no column 'thing'" in refused(
        "^by: ", as_sample, tmp_path / "x.csv", labels="thing", by="by"
    )
    other = as_sample(X, labels=str(tmp_path / "kinds.npz"))
    assert other.labels is not None
    assert other.labels.names == ("a", "b", "c")


def test_groups_and_labels_of_one_table(tmp_path: Path) -> None:
    frame = FRAME.assign(item=np.repeat(np.arange(15), 2))
    frame.to_csv(tmp_path / "x.csv", index=False)
    for data in (frame, tmp_path / "x.csv"):
        sample = as_sample(data, groups="item", labels="kind")
        assert sample.names == ("x", "y")
        assert sample.groups is not None
        assert sample.groups.count == 15


def test_rows_that_are_dropped_lose_their_label() -> None:
    x = X.copy()
    x[[3, 9]] = np.nan
    sample = as_sample(x, labels=WORDS, nonfinite="drop")
    assert sample.labels is not None
    kept = np.delete(np.arange(30), [3, 9])
    assert_array_equal([sample.labels.names[code] for code in sample.labels.codes], WORDS[kept])
    part = rows_of_class(sample, 1)
    chosen = kept[WORDS[kept] == "b"]
    assert part.places is not None
    assert_array_equal(part.places, chosen)
    assert_array_equal(part.x, x[chosen])
    assert part.labels is None


def test_a_class_has_findings_of_its_own() -> None:
    x = X.copy()
    x[WORDS == "a"] = x[1]
    sample = as_sample(x, labels=WORDS)
    codes = [{one.code for one in rows_of_class(sample, code).findings} for code in (0, 1)]
    assert "constant-columns" in codes[0] or "duplicate-rows" in codes[0]
    assert "duplicate-rows" not in codes[1]
