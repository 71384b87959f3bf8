"""The pair engine and its statistics: twins, definitions, precision, memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pingouin
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import dmtest
from dmtest.calibration.nulls import SINGLE_SPHERE, RowNull, whiten_columns
from dmtest.catalogue.registry import ROWS, TESTS
from dmtest.catalogue.spec import Spec
from dmtest.engines import gram as engine
from dmtest.engines.rows import RowView, evaluate, evaluate_all
from dmtest.kernels import pairs as kernels
from dmtest.runtime.parallel import blocks
from dmtest.statistics.rows.distances import mean_distance, normal_distance
from dmtest.statistics.rows.pairs import henze_zirkler, henze_zirkler_beta
from dmtest.targets.transforms import unit_rows
from tests.support import twins
from tests.support.samples import mixing, whitened

pytestmark = pytest.mark.usefixtures("no_cache")


def residuals(n: int, d: int, seed: int, dtype: type = np.float64) -> np.ndarray:
    """Draw N(0, I) and whiten it."""
    columns = np.random.default_rng(seed).standard_normal((d, n))
    return np.ascontiguousarray(whiten_columns(columns).T.astype(dtype))


def statistic(x: np.ndarray, **options: object) -> float:
    """Run the test for its statistic."""
    out = dmtest.run_test(x, "henze-zirkler", replicates=19, rng=0, **options)
    return float(out.statistic)


def test_equals_pingouin_on_fresh_data() -> None:
    """Also in six dimensions, far from normal."""
    x = np.random.default_rng(1).standard_exponential((120, 6))
    assert_allclose(statistic(x), pingouin.multivariate_normality(x).hz, rtol=1e-8)


@settings(max_examples=40)
@given(st.integers(8, 90), st.integers(1, 6), st.integers(0, 2**32), st.floats(0.05, 5.0))
def test_equals_twin(n: int, d: int, seed: int, beta: float) -> None:
    """Default and given bandwidths, residuals of any shape."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, (n + d, d)) @ mixing(rng, d)
    y = whitened(x)
    for b in (None, beta):
        value, varying = evaluate(henze_zirkler, RowView(y), beta=b)
        assert_allclose(value, twins.henze_zirkler(x, b), rtol=1e-8, atol=1e-9)
        assert_allclose(1.0 + varying, value, rtol=1e-15)


def test_beta() -> None:
    """The bandwidth of the 1990 paper, and a tuning parameter through the API."""
    assert_allclose(henze_zirkler_beta(50, 2), (5 * 50 / 4) ** (1 / 6) / np.sqrt(2))
    x = np.random.default_rng(2).standard_normal((60, 3))
    given_beta = statistic(x, params={"beta": 0.7})
    assert_allclose(given_beta, twins.henze_zirkler(x, 0.7), rtol=1e-8)


def mass(y: np.ndarray, beta: float, **options: object) -> float:
    """Sum exp(-beta^2 D / 2) over pairs by the engine."""
    request = engine.PairSum(kernels.mass, near=0.5 * beta**2)
    return engine.pair_sums(y, [request], **options)[request]


@pytest.mark.parametrize("n", [1, 2, 511, 512, 513, 1024, 1300])
@pytest.mark.parametrize("threads", [True, False])
def test_tiles_cover_every_pair_once(n: int, threads: bool) -> None:
    """At, below and above multiples of the tile."""
    y = np.random.default_rng(n).standard_normal((n, 3))
    squares = np.square(y).sum(axis=1)
    exact = np.triu(np.exp(-0.32 * (squares[:, None] + squares - 2 * y @ y.T)), 1).sum()
    assert_allclose(mass(y, 0.8, threads=threads), exact, rtol=1e-12)


def test_largest_takes_the_largest_of_the_tiles() -> None:
    """Parts of a request marked so are not added up."""
    y = np.random.default_rng(0).standard_normal((1300, 3))
    request = engine.PairSum(kernels.mass, near=0.3, largest=True)
    parts = blocks(len(y), engine.TILES[y.dtype])
    squares = np.square(y).sum(axis=1)
    near = np.exp(-0.3 * (squares[:, None] + squares - 2 * y @ y.T))
    # Kernels that have no largest of their own give sums: of each tile of the half.
    tiles = [np.triu(near, 1)[a, b].sum() for i, a in enumerate(parts) for b in parts[i:]]
    assert_allclose(engine.pair_sums(y, [request])[request], max(tiles), rtol=1e-12)


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The order of summation is fixed."""
    for dtype in (np.float32, np.float64):
        y = residuals(1300, 8, 0, dtype)
        values = []
        for count in ("1", "2", "5"):
            monkeypatch.setenv("DMTEST_THREADS", count)
            values.append(mass(y, 1.1))
        values.append(mass(y, 1.1, threads=False))
        assert len(set(values)) == 1


ROWED = [
    row
    for row in ROWS
    if row.family == "pairs" and row.space in ("residuals", "normal") and row.most is None
]


@pytest.mark.parametrize("d", [32, 64, 256])
def test_float32_error_is_far_below_the_null_deviation(
    monkeypatch: pytest.MonkeyPatch, d: int
) -> None:
    """Judged against the null's deviation: 1e-9 for Henze-Zirkler at d = 64."""
    monkeypatch.setattr(engine, "SINGLE_ROWS", 2)
    n, runs = 1000, 12
    values = np.empty((2, runs, len(ROWED)))
    for run in range(runs):
        raw = np.random.default_rng(run).standard_normal((n, d))
        white = np.ascontiguousarray(whiten_columns(raw.T).T)
        for j, row in enumerate(ROWED):
            rows = white if row.space == "residuals" else raw
            for i, precision in enumerate(("double", "auto")):
                values[i, run, j] = evaluate(row.statistic, RowView(rows, precision=precision))[1]
    deviation = values[0].std(axis=0, ddof=1)
    error = np.abs(values[1] - values[0]).max(axis=0)
    bad = {
        row.name: e / s for row, e, s in zip(ROWED, error, deviation, strict=True) if e > 1e-2 * s
    }
    assert not bad


SPHERE = [row for row in ROWS if row.space == "sphere"]


@pytest.mark.parametrize(("n", "d"), [(60, SINGLE_SPHERE), (800, SINGLE_SPHERE), (500, 300)])
def test_replicates_on_the_sphere_lose_nothing_in_float32(n: int, d: int) -> None:
    """Against the same rows in float64: below 1e-4 of the null's deviation for every test."""
    runs, null = 12, RowNull("sphere", n, d)
    functions, options = [row.statistic for row in SPHERE], [{} for _ in SPHERE]
    single, double = np.empty((2, runs, len(SPHERE)))
    for run in range(runs):
        columns = null.draw(np.random.default_rng(run))
        assert columns.dtype == np.float32
        single[run] = null.evaluate(SPHERE, {}, columns[None])[0, :, 0]
        rows = unit_rows(columns.T.astype(np.float64))
        view = RowView(rows, precision="double", threads=False)
        double[run] = [varying for _, varying in evaluate_all(view, functions, options)]
    error = np.abs(single - double).max(axis=0) / double.std(axis=0, ddof=1)
    bad = {row.name: e for row, e in zip(SPHERE, error, strict=True) if e > 1e-4}
    assert not bad


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
    value, varying = evaluate(henze_zirkler, RowView(y))
    assert abs(varying) < 1e-6
    assert value == 1.0 + varying
    assert_allclose(varying, float(exact), rtol=1e-9)


def test_memory_is_not_quadratic() -> None:
    """The Gram matrix is never held: 6000 rows take less than a tenth of it."""
    y = residuals(6000, 4, 0, np.float32)
    evaluate(henze_zirkler, RowView(y[:600]))
    tracemalloc.start()
    evaluate(henze_zirkler, RowView(y))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.1 * 6000 * 6000 * 4


def test_pvalue_is_that_of_the_varying_part() -> None:
    """Where normal samples give 1.00000, a mixture of scales is still told from them."""
    rng = np.random.default_rng(6)
    normal = rng.standard_normal((300, 40))
    assert abs(statistic(normal) - 1.0) < 5e-6
    mixed = normal * np.where(rng.random(300) < 0.3, 1.5, 0.8)[:, None]
    for x, low, high in ((mixed, 0.0, 0.0101), (normal, 0.02, 1.0)):
        out = dmtest.run_test(x, "henze-zirkler", replicates=99, rng=0)
        assert low <= out.pvalue <= high


def definition(name: str, y: np.ndarray, a: float) -> float:
    """Compute a statistic of residuals from the formulas over all n^2 pairs."""
    n, d = y.shape
    g, r2 = y @ y.T, np.square(y).sum(axis=1)
    both = r2[:, None] + r2
    apart, joined, product = both - 2 * g, both + 2 * g, np.outer(r2, r2)
    if name == "bhep":
        return twins.bhep(y, a**2)
    if name == "mardia-skewness":
        return float((g**3).sum() / n**2)
    if name == "mardia-kurtosis":
        return float((r2**2).mean())
    if name == "koziol-kurtosis":
        return float((g**4).sum() / n**2)
    if name == "mori-rohatgi-szekely":
        return float((product * g).sum() / n**2)
    if name == "henze-jimenez-gamero":
        pairs = a ** (-d / 2) / n * np.exp(joined / (4 * a)).sum()
        alone = (a - 0.5) ** (-d / 2) * np.exp(r2 / (4 * a - 2)).sum()
        return float(pairs + n * (a - 1) ** (-d / 2) - 2 * alone)
    if name == "henze-visagie":
        inside = g - joined / (2 * a) + d / (2 * a) + joined / (4 * a**2)
        return float(16 * a**2 / n * (np.exp(joined / (4 * a)) * inside).sum())
    if name == "ebner-henze-strieder":
        alone = (r2 * np.exp(-r2 / (4 * a + 2))).sum()
        return float(
            (np.pi / a) ** (d / 2) / n * (g * np.exp(-apart / (4 * a))).sum()
            - 2 * (2 * np.pi / (2 * a + 1)) ** (d / 2) / (2 * a + 1) * alone
            + n * (np.pi / (a + 1)) ** (d / 2) * d / (2 * (a + 1))
        )
    if name == "doerr-ebner-henze-t":
        pairs = (np.pi / a) ** (d / 2) / n * (product * np.exp(-apart / (4 * a))).sum()
        alone = (r2 * (r2 + 2 * d * a * (2 * a + 1)) * np.exp(-r2 / (2 * (1 + 2 * a)))).sum()
        constant = a * (a + 1) * d**2 + d * (d + 2) / 4
        total = (
            pairs
            - 2 * (2 * np.pi) ** (d / 2) * (2 * a + 1) ** (-2 - d / 2) * alone
            + n * np.pi ** (d / 2) * (a + 1) ** (-2 - d / 2) * constant
        )
        return float((a / np.pi) ** (d / 2) * total / d**2)
    assert name == "doerr-ebner-henze-u"
    inside = (
        product
        - both * (apart + 2 * d * a * (2 * a - 1)) / (4 * a**2)
        + (
            16 * d**2 * a**3 * (a - 1)
            + 4 * d * (d + 2) * a**2
            + (8 * d * a**2 - (8 + 4 * d) * a) * apart
            + apart**2
        )
        / (16 * a**4)
    )
    return float((inside * np.exp(-apart / (4 * a))).sum() / n / d**2)


TUNED = {"bhep": 1.0, "henze-jimenez-gamero": 5.0, "henze-visagie": 5.0}
TUNED |= {"ebner-henze-strieder": 1.0, "doerr-ebner-henze-t": 1.0, "doerr-ebner-henze-u": 0.5}
DEFINED = (*TUNED, "mardia-skewness", "mardia-kurtosis", "koziol-kurtosis", "mori-rohatgi-szekely")


@pytest.mark.parametrize("name", DEFINED)
@settings(max_examples=15)
@given(st.integers(8, 60), st.integers(1, 6), st.integers(0, 2**32), st.floats(0.3, 2.0))
def test_equals_its_definition(name: str, n: int, d: int, seed: int, tuning: float) -> None:
    """At default and other tuning parameters, far from normal, also in one dimension."""
    rng = np.random.default_rng(seed)
    y = whitened(rng.standard_exponential((n + d, d)) @ mixing(rng, d))
    settings_of: list[dict[str, float]] = [{}]
    if name in TUNED:
        parameter = "beta" if name == "bhep" else "a"
        settings_of.append({parameter: TUNED[name] * (1 + tuning)})
    for params in settings_of:
        value, _ = evaluate(TESTS[name].statistic, RowView(y), **params)
        exact = definition(name, y, next(iter(params.values()), TUNED.get(name, 0.0)))
        scale = n * np.pi ** (d / 2) * d if name == "ebner-henze-strieder" else n
        assert_allclose(value, exact, rtol=1e-8, atol=1e-11 * scale)


@pytest.mark.parametrize("row", ROWED, ids=lambda row: f"{row.name}-{row.space}")
def test_high_dimension_stays_finite_and_varies(row: Spec) -> None:
    """No statistic loses what varies at d = 300, where weights under- and overflow."""
    values = []
    for seed in range(3):
        raw = np.random.default_rng(seed).standard_normal((400, 300))
        rows = np.ascontiguousarray(whiten_columns(raw.T).T) if row.space == "residuals" else raw
        values.append(evaluate(row.statistic, RowView(rows))[1])
    assert np.isfinite(values).all()
    assert len(set(values)) == 3


@pytest.mark.parametrize(("d", "scale"), [(1, 0.5), (3, 1.0), (64, 1.0), (384, 1.0), (2048, 1.3)])
def test_mean_distance_to_a_normal_point(d: int, scale: float) -> None:
    """Against a Monte Carlo mean, and exactly at 0."""
    rng = np.random.default_rng(d)
    y = scale * rng.standard_normal(d)
    draws = np.linalg.norm(rng.standard_normal((4000, d)) - y, axis=1)
    error = draws.std() / np.sqrt(4000)
    made = mean_distance(np.array([y @ y, 0.0]), d)
    assert abs(made[0] - draws.mean()) < 4.5 * error
    assert_allclose(made[1], normal_distance(d) / np.sqrt(2.0), rtol=1e-11)


def test_a_budget_is_kept_and_said() -> None:
    """Random features where there are any, a subsample elsewhere, and nothing when asked."""
    x = np.random.default_rng(0).standard_normal((8000, 3))
    tests = ["bhep", "energy", "mardia-kurtosis"]
    cheap = dmtest.run_tests(x, tests, replicates=99, budget=1e9, rng=0)
    assert "512 random frequencies" in cheap[0].method
    assert "of 8000 rows drawn at random" in cheap[1].method
    assert cheap[2].method == "monte carlo, 99 replicates"
    assert all(out.pvalue > 0.01 for out in cheap)
    bad = dmtest.run_tests(x**3, tests, replicates=99, budget=1e9, rng=0)
    assert all(out.pvalue <= 0.02 for out in bad)


@pytest.mark.parametrize("name", ["bhep", "doerr-ebner-henze-t", "ebner-henze-strieder"])
def test_random_frequencies_estimate_the_statistic(name: str) -> None:
    """For a sample far from normal the two agree but for the error of 512 frequencies."""
    x = np.random.default_rng(0).standard_exponential((3000, 2))
    view = RowView(whitened(x))
    row = TESTS[name]
    exact = evaluate(row.statistic, view)[0]
    assert row.features is not None
    assert row.features(view, n=3000)[0] == pytest.approx(exact, rel=0.35)
