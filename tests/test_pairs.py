"""Henze-Zirkler and the pair engine: references, twins, precision, memory, invariance."""

from __future__ import annotations

import csv
import tracemalloc
from pathlib import Path

import numpy as np
import pingouin
import pytest
import twins
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import dmtest
from dmtest.engines import pairs as engine
from dmtest.nulls import whiten_columns
from dmtest.statistics import pairs
from dmtest.statistics.pairs import henze_zirkler, henze_zirkler_beta
from dmtest.transforms import mean_and_covariance, whiten

FOLDER = Path(__file__).parent / "references"
DATASETS = ("iris_setosa", "syn_normal", "trees")


@pytest.fixture(autouse=True)
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep null replicates out of the user's cache."""
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")


def table(path: str) -> list[dict[str, str]]:
    """Read a table of references."""
    with (FOLDER / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def dataset(name: str) -> np.ndarray:
    """Read a data set of the references."""
    return np.array([[float(v) for v in row.values()] for row in table(f"data/{name}.csv")])


def residuals(n: int, d: int, seed: int, dtype: type = np.float64) -> np.ndarray:
    """Draw N(0, I) and whiten it."""
    columns = np.random.default_rng(seed).standard_normal((d, n))
    return np.ascontiguousarray(whiten_columns(columns).T.astype(dtype))


def statistic(x: np.ndarray, **options: object) -> float:
    """Run the test for its statistic."""
    out = dmtest.run_test(x, "henze-zirkler", replicates=19, rng=0, **options)
    return float(out.statistic)


@pytest.mark.parametrize("name", DATASETS)
def test_equals_references(name: str) -> None:
    """R's MVN with the 1/n covariance, mnt on whitened data, and pingouin: to 1e-8."""
    wanted = {"MVN": "use_population=TRUE", "mnt_prewhitened": "", "pingouin": "HZ"}
    here = statistic(dataset(name))
    found = set()
    for row in table("values.csv"):
        source = row["source"]
        joint = (row["dataset"], row["column"]) == (name, "joint") and source in wanted
        if joint and row["params"] == wanted[source]:
            assert_allclose(here, float(row["statistic"]), rtol=1e-8, err_msg=source)
            found.add(source)
    assert found == set(wanted)


def test_equals_references_in_one_dimension() -> None:
    """The HZ of R's mnt, of single columns: to 1e-8."""
    count = 0
    for row in table("values.csv"):
        if (row["source"], row["stat"]) == ("mnt_1d", "HZ"):
            column = list(table(f"data/{row['dataset']}.csv")[0]).index(row["column"])
            value = statistic(dataset(row["dataset"])[:, column])
            assert_allclose(value, float(row["statistic"]), rtol=1e-8)
            count += 1
    assert count == 12


def test_equals_pingouin_on_fresh_data() -> None:
    """Also in six dimensions, far from normal."""
    x = np.random.default_rng(1).standard_exponential((120, 6))
    assert_allclose(statistic(x), pingouin.multivariate_normality(x).hz, rtol=1e-8)


@settings(deadline=None, max_examples=40)
@given(st.integers(8, 90), st.integers(1, 6), st.integers(0, 2**32), st.floats(0.05, 5.0))
def test_equals_twin(n: int, d: int, seed: int, beta: float) -> None:
    """Default and given bandwidths, residuals of any shape."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, (n + d, d)) @ rng.standard_normal((d, d))
    y = whiten(x, *mean_and_covariance(x))
    for b in (None, beta):
        value, varying = henze_zirkler(y, b)
        assert_allclose(value, twins.henze_zirkler(x, b), rtol=1e-8, atol=1e-9)
        assert_allclose(1.0 + varying, value, rtol=1e-15)


def test_beta() -> None:
    """The bandwidth of the 1990 paper, and a tuning parameter through the API."""
    assert_allclose(henze_zirkler_beta(50, 2), (5 * 50 / 4) ** (1 / 6) / np.sqrt(2))
    x = np.random.default_rng(2).standard_normal((60, 3))
    given_beta = statistic(x, params={"beta": 0.7})
    assert_allclose(given_beta, twins.henze_zirkler(x, 0.7), rtol=1e-8)


@pytest.mark.parametrize("n", [1, 2, 511, 512, 513, 1024, 1300])
@pytest.mark.parametrize("threads", [True, False])
def test_tiles_cover_every_pair_once(n: int, threads: bool) -> None:
    """At, below and above multiples of the tile, in both precisions."""
    y = np.random.default_rng(n).standard_normal((n, 3))
    exact = twins.gauss_pair_sum(y, 0.8)
    assert_allclose(engine.gauss_pair_sum(y, 0.8, threads=threads), exact, rtol=1e-12)
    small = engine.gauss_pair_sum(y.astype(np.float32), 0.8, threads=threads)
    assert_allclose(small, exact, rtol=2e-6)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of summation is fixed."""
    for dtype in (np.float32, np.float64):
        y = residuals(1300, 8, 0, dtype)
        values = []
        for count in ("1", "2", "5"):
            monkeypatch.setenv("DMTEST_THREADS", count)
            values.append(engine.gauss_pair_sum(y, 1.1))
        values.append(engine.gauss_pair_sum(y, 1.1, threads=False))
        assert len(set(values)) == 1


@pytest.mark.parametrize(
    ("n", "d", "runs"), [(200, 2, 40), (513, 8, 30), (1000, 16, 20), (2000, 64, 12)]
)
def test_float32_error_is_far_below_the_null_deviation(n: int, d: int, runs: int) -> None:
    """Judged against the null's deviation: 1e-9 at d = 64, where the value reads 1.000000000."""
    wide = [residuals(n, d, seed) for seed in range(runs)]
    exact = np.array([henze_zirkler(y)[1] for y in wide])
    small = np.array([henze_zirkler(y.astype(np.float32))[1] for y in wide])
    deviation = exact.std(ddof=1)
    assert np.abs(small - exact).max() < 1e-3 * deviation  # measured: 2e-5


def test_varying_part_survives_the_constant() -> None:
    """At d = 64 what varies is 1e-9 of the statistic; it is summed apart and keeps its digits."""
    y = residuals(400, 64, 5)
    n, d = y.shape
    b2 = henze_zirkler_beta(n, d) ** 2
    wide = y.astype(np.longdouble)
    squares = (wide**2).sum(axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * (wide @ wide.T), 0)
    np.fill_diagonal(distances, np.inf)
    exact = (
        np.exp(-b2 * distances / 2).sum() / n
        - 2 * (1 + np.longdouble(b2)) ** (-d / 2) * np.exp(-b2 / (1 + b2) * squares / 2).sum()
        + n * (1 + 2 * np.longdouble(b2)) ** (-d / 2)
    )
    value, varying = henze_zirkler(y)
    assert abs(varying) < 1e-6
    assert value == 1.0 + varying
    assert_allclose(varying, float(exact), rtol=1e-9)


def test_memory_is_not_quadratic() -> None:
    """The Gram matrix is never held: 6000 rows take less than a tenth of it."""
    y = residuals(6000, 4, 0, np.float32)
    henze_zirkler(y[:600])
    tracemalloc.start()
    henze_zirkler(y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.1 * 6000 * 6000 * 4


def test_any_affine_map_changes_nothing() -> None:
    """Any invertible matrix, also rotations and reflections, unlike slices in fixed directions."""
    rng = np.random.default_rng(4)
    x = rng.standard_exponential((150, 4))
    value = statistic(x)
    for _ in range(3):
        a = rng.standard_normal((4, 4)) * [0.1, 1.0, 3.0, 10.0]
        assert_allclose(statistic(x @ a.T + rng.standard_normal(4) * 100), value, rtol=1e-8)
    assert_allclose(statistic(x[rng.permutation(150)]), value, rtol=1e-10)


def test_pvalue_is_that_of_the_varying_part() -> None:
    """Where normal samples give 1.00000, a mixture of scales is still told from them."""
    rng = np.random.default_rng(6)
    normal = rng.standard_normal((300, 40))
    assert abs(statistic(normal) - 1.0) < 5e-6
    mixed = normal * np.where(rng.random(300) < 0.3, 1.5, 0.8)[:, None]
    for x, low, high in ((mixed, 0.0, 0.0101), (normal, 0.02, 1.0)):
        out = dmtest.run_test(x, "henze-zirkler", replicates=99, rng=0)
        assert low <= out.pvalue <= high


def test_single_precision_tiles_are_exact_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large float64 samples are tiled in float32: to 1e-8 of the statistic."""
    rows = np.random.default_rng(4).standard_normal((pairs.SINGLE_ROWS, pairs.SINGLE_COLUMNS))
    residuals = whiten(rows, *mean_and_covariance(rows))
    quick = pairs.henze_zirkler(residuals)
    monkeypatch.setattr(pairs, "SINGLE_ROWS", len(rows) + 1)
    exact = pairs.henze_zirkler(residuals)
    assert quick[1] != exact[1]
    assert quick[0] == pytest.approx(exact[0], rel=1e-8)
    assert quick[1] == pytest.approx(exact[1], rel=1e-4)
