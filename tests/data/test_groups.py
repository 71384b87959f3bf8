"""Labels of groups from every source, draws of one row of each, and signs of dependence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from pyarrow import feather, parquet
from scipy.spatial import cKDTree

from dmtest.cli.demo import trained_digits
from dmtest.data.dependence import (
    _neighbour_distances,
    bunches_of,
    dependence_findings,
    serial_of,
)
from dmtest.data.groups import Groups, as_groups
from dmtest.data.sample import Sample, as_sample, one_row_each
from tests.support.calls import refused

RNG = np.random.default_rng(16)
X = RNG.normal(size=(24, 2))
ITEMS = np.repeat([f"item {j}" for j in range(12)], 2)
CODES = np.repeat(np.arange(12), 2)
FRAME = pd.DataFrame({"x": X[:, 0], "item": ITEMS, "y": X[:, 1]})


def same_groups(sample: Sample, codes: np.ndarray = CODES) -> bool:
    """Whether the rows are grouped as by the codes, whatever the numbers of the groups."""
    assert sample.groups is not None
    pairs = set(zip(sample.groups.codes.tolist(), codes.tolist(), strict=True))
    return len(pairs) == sample.groups.count == len(set(codes.tolist()))


# Labels


@pytest.mark.parametrize(
    "labels",
    [
        CODES,
        CODES.tolist(),
        CODES.astype(float),
        CODES[:, None],
        ITEMS,
        ITEMS.astype(object),
        pd.Series(ITEMS),
        pd.Series(ITEMS).astype("category"),
        pl.Series(ITEMS),
        [j if j % 2 else str(j) for j in CODES.tolist()],  # of two types
        np.datetime64("2026-01-01") + CODES,
    ],
    ids=lambda labels: f"{type(labels).__name__} {getattr(labels, 'dtype', '')}",
)
def test_labels_of_any_kind(labels: Any) -> None:
    assert same_groups(as_sample(X, groups=labels))


def test_labels_of_torch() -> None:
    torch = pytest.importorskip("torch")
    assert same_groups(as_sample(X, groups=torch.from_numpy(CODES)))


@pytest.mark.parametrize("frame", [FRAME, pl.from_pandas(FRAME), pa.Table.from_pandas(FRAME)])
def test_a_column_of_a_frame_is_no_data(frame: Any) -> None:
    sample = as_sample(frame, groups="item")
    assert same_groups(sample)
    assert sample.names == ("x", "y")
    assert_array_equal(sample.x, X)


def written(folder: Path, suffix: str) -> Path:
    path = folder / f"views{suffix}"
    if suffix == ".csv":
        FRAME.to_csv(path, index=False)
    elif suffix == ".tsv.gz":
        FRAME.to_csv(path, index=True, sep="\t")  # with an index, which is no data
    elif suffix == ".parquet":
        parquet.write_table(pa.Table.from_pandas(FRAME.set_index(FRAME.index + 3)), path)
    else:
        feather.write_feather(FRAME.astype({"item": "category"}), path)
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv.gz", ".parquet", ".feather"])
def test_a_column_of_a_file_is_no_data(tmp_path: Path, suffix: str) -> None:
    path = written(tmp_path, suffix)
    sample = as_sample(path, groups="item")
    assert same_groups(sample)
    assert sample.names == ("x", "y")
    assert_allclose(sample.x, X)
    assert as_sample(path, groups="item", columns=["y"]).names == ("y",)
    assert "no column 'thing'" in refused(None, as_sample, path, groups="thing")


def test_rows_that_are_lists_keep_their_column(tmp_path: Path) -> None:
    table = pa.table({"z": X.tolist(), "item": ITEMS, "k": CODES})
    parquet.write_table(table, tmp_path / "z.parquet")
    for name in ("item", "k"):
        sample = as_sample(tmp_path / "z.parquet", groups=name)
        assert_array_equal(sample.x, X)
        assert same_groups(sample)


def test_an_array_of_an_archive_or_another_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", embeddings=X, item=ITEMS)
    assert same_groups(as_sample(tmp_path / "z.npz", groups="item"))
    with h5py.File(tmp_path / "z.h5", "w") as file:
        file["embeddings"], file["ids/item"] = X, CODES
    assert same_groups(as_sample(tmp_path / "z.h5", groups="item"))
    np.save(tmp_path / "ids.npy", CODES)
    np.save(tmp_path / "x.npy", X)
    sample = as_sample(tmp_path / "x.npy", groups=str(tmp_path / "ids.npy"))
    assert same_groups(sample)
    assert sample.groups is not None
    assert sample.groups.name == str(tmp_path / "ids.npy")


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (CODES[:-1], "has shape (23,) for data of 24 rows; pass one label"),
        (np.stack([CODES, CODES], axis=1), "has shape (24, 2)"),
        (np.where(CODES == 3, np.nan, CODES), "2 of 24 labels are missing (first: row 6)"),
        (np.where(CODES == 3, None, ITEMS), "2 of 24 labels are missing"),
        (pd.array([None, *CODES[1:]], dtype="Int64"), "1 of 24 labels is missing"),
        (np.zeros(24), "all 24 rows are in one group"),
        ("item", "but the data has no names; pass an array"),
        ([[1], [2, 3]], "cannot become an array"),
    ],
)
def test_labels_that_are_refused(labels: Any, words: str) -> None:
    sentence = refused(None, as_sample, X, groups=labels)
    assert sentence.startswith("groups: ")
    assert words in sentence


def test_files_without_names_say_so(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    sentence = refused(None, as_sample, tmp_path / "x.npy", groups="item")
    assert sentence.startswith("groups: ")
    assert "has no names; pass another file of labels" in sentence
    assert "no column 'k'; choose from 'x'" in refused(None, as_sample, FRAME, groups="k")


def test_rows_with_a_group_of_their_own_have_no_groups() -> None:
    assert as_sample(X, groups=np.arange(24)).groups is None


def test_dropped_rows_lose_their_labels() -> None:
    x = X.copy()
    x[[0, 1, 5], 0] = np.nan
    sample = as_sample(x, groups=ITEMS, nonfinite="drop")
    assert same_groups(sample, np.delete(CODES, [0, 1, 5]))


def test_too_few_groups_are_refused() -> None:
    sample = as_sample(X, groups=np.arange(24) % 7)
    assert "at least 8 groups are needed" in refused(None, one_row_each, sample, 0)


# Draws


def test_draws_take_the_rows_of_each_group_in_turn() -> None:
    sizes = RNG.integers(1, 5, 50)
    groups = as_groups(RNG.permutation(np.repeat(np.arange(50), sizes)), int(sizes.sum()))
    assert groups is not None
    draws = [groups.draw(3, number) for number in range(12)]
    for rows in draws:
        assert_array_equal(np.sort(groups.codes[rows]), np.arange(50))
        assert (np.diff(rows) > 0).all()
    counts = np.bincount(np.concatenate(draws), minlength=len(groups.codes))
    assert_array_equal(counts, 12 // sizes[groups.codes])  # 12 is a multiple of all sizes
    assert_array_equal(groups.draw(3), draws[0])
    assert not np.array_equal(groups.draw(4), draws[0])


def test_a_draw_is_uniform_within_groups() -> None:
    groups = Groups(CODES.astype(np.intp), 12)
    first = np.mean([np.isin(np.arange(0, 24, 2), groups.draw(s)) for s in range(400)], axis=0)
    assert_allclose(first, 0.5, atol=4.0 * 0.5 / np.sqrt(400.0))


def test_one_row_each_says_what_it_did() -> None:
    sample = one_row_each(as_sample(X, groups=ITEMS), 0)
    assert (sample.n, sample.groups) == (12, None)
    assert sample.findings[0].code == "groups"
    assert sample.findings[0].count == 12
    assert "24 rows in 12 groups" in sample.findings[0].message
    plain = as_sample(X)
    assert one_row_each(plain, 0) is plain


# Bunches


def views(seed: int, noise: float = 0.1, items: int = 500, each: int = 8, d: int = 8) -> np.ndarray:
    """Views of items, in random order (field case A9)."""
    rng = np.random.default_rng(seed)
    x = np.repeat(rng.standard_normal((items, d)), each, axis=0)
    return rng.permutation(x + noise * rng.standard_normal(x.shape))


def test_nearest_neighbours_equal_those_of_a_tree() -> None:
    x = np.random.default_rng(1).standard_normal((70_000, 3))  # three blocks of rows
    wanted = np.array([0, 7, 32_767, 32_768, 69_999])
    expected = cKDTree(x).query(x[wanted], k=21)[0][:, 1:]
    assert_allclose(_neighbour_distances(x, wanted, 20), expected, rtol=1e-12)


@pytest.mark.parametrize("seed", range(10))
def test_views_are_found_with_their_number(seed: int) -> None:
    found = dependence_findings(views(seed), seed)
    assert [one.code for one in found] == ["grouped-rows"]
    assert found[0].count is not None
    assert 450 < found[0].count < 550
    assert "groups of about 8" in found[0].message
    assert "groups=" in found[0].message


@pytest.mark.parametrize(
    ("noise", "items", "each", "d"),
    [(0.1, 500, 2, 8), (0.3, 400, 4, 64), (0.3, 60, 20, 16), (1e-9, 300, 3, 2), (0.5, 500, 8, 64)],
)
def test_bunches_of_other_sizes(noise: float, items: int, each: int, d: int) -> None:
    size = bunches_of(views(5, noise, items, each, d), 0)
    assert size == pytest.approx(each, rel=0.1)


def test_bunches_of_several_sizes() -> None:
    rng = np.random.default_rng(2)
    sizes = rng.integers(2, 13, 400)
    x = np.repeat(rng.standard_normal((400, 8)), sizes, axis=0)
    x += 0.05 * rng.standard_normal(x.shape)
    size = bunches_of(rng.permutation(x), 0)
    assert size == pytest.approx(sizes.mean(), rel=0.15)


def laws(rng: np.random.Generator, n: int, d: int) -> dict[str, np.ndarray]:
    """Independent rows."""
    z, c = rng.standard_normal((n, d)), rng.standard_normal((10, d))
    return {
        "normal": z,
        "uniform": rng.random((n, d)),
        "sphere": z / np.linalg.norm(z, axis=1, keepdims=True),
        "t, 2 df": rng.standard_t(2, (n, d)),
        "Cauchy": z / np.abs(rng.standard_normal((n, 1))),
        "two clusters": z + 6.0 * rng.integers(2, size=(n, 1)),
        "tight clusters": 3.0 * c[rng.integers(10, size=n)] + 0.05 * z,
        "contaminated": z * np.where(rng.random((n, 1)) < 0.1, 100.0, 1.0),
        "near a plane": z[:, :2] @ rng.standard_normal((min(d, 2), d)) + 0.01 * z,
        "rectified": np.maximum(z, 0.0),
        "integers": np.rint(2.0 * z),
        "k/250": rng.integers(0, 251, (n, d)) / 250.0,
        "repeated": z[rng.integers(n, size=n)],
        "constant": np.ones((n, d)),
    }


@pytest.mark.parametrize("d", [1, 2, 8, 64])
@pytest.mark.parametrize("n", [8, 50, 300, 3000])
def test_independent_rows_have_no_finding(n: int, d: int) -> None:
    for name, x in laws(np.random.default_rng(100 * n + d), n, d).items():
        assert dependence_findings(x, 0) == (), name


def test_digits_have_no_finding() -> None:
    assert dependence_findings(trained_digits()["embeddings"], 0) == ()


# Correlation along the file


def chain(n: int, r: float, seed: int) -> np.ndarray:
    """First-order autoregression of variance 1."""
    e = np.random.default_rng(seed).standard_normal(n)
    x = e.copy()
    for t in range(1, n):
        x[t] = r * x[t - 1] + np.sqrt(1.0 - r * r) * e[t]
    return x


@pytest.mark.parametrize("r", [0.3, 0.6, 0.9])
def test_a_chain_has_its_autocorrelation_time(r: float) -> None:
    x = np.stack([chain(20_000, r, seed) for seed in (1, 2, 3)], axis=1)
    x = np.sinh(x)  # ranks do not see the tails
    serial = serial_of(x, 0)
    assert serial is not None
    assert serial.correlation == pytest.approx(r, abs=0.05)
    assert serial.time == pytest.approx((1.0 + r) / (1.0 - r), rel=0.3)
    (found,) = dependence_findings(x, 0)
    assert found.code == "serial-correlation"
    assert "groups=" in found.message


def test_one_column_of_many_is_enough() -> None:
    x = np.random.default_rng(3).standard_normal((4000, 12))
    x[:, 7] = chain(4000, 0.8, 4)
    serial = serial_of(x, 0)
    assert serial is not None
    assert serial.where == "column 7"


def test_views_in_order_are_seen_where_neighbours_are_not_near() -> None:
    rng = np.random.default_rng(6)
    x = np.repeat(rng.standard_normal((500, 1)), 8, axis=0) + 0.5 * rng.standard_normal((4000, 1))
    assert bunches_of(x, 0) is None
    (found,) = dependence_findings(x, 0)
    assert found.code == "grouped-rows"
    assert "consecutive groups of 8" in found.message
    assert "// 8" in found.advice
    assert found.count is not None
    assert 300 < found.count < 1200
    assert dependence_findings(rng.permutation(x), 0) == ()


def test_ties_are_no_correlation() -> None:
    rng = np.random.default_rng(8)
    assert serial_of(rng.integers(0, 2, (20_000, 4)).astype(float), 0) is None
