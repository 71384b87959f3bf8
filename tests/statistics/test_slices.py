"""Statistics of slices: against their twins, and their nulls when none is fitted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.catalogue.registry import TESTS
from dmtest.engines.slices import SliceView, slice_statistics
from dmtest.errors import InputError
from dmtest.statistics.slices import moments, regression, scales
from dmtest.targets.transforms import mean_and_covariance, whiten
from tests.support import twins
from tests.support.calls import refused
from tests.support.samples import mixing

pytestmark = pytest.mark.usefixtures("no_cache")
SLICED = [name for name, spec in TESTS.items() if spec.space == "lines"]
NORMAL = np.random.default_rng(29).standard_normal((4000, 100))


def evaluate(name: str, rows: Any, parameters: Any, **params: Any) -> np.ndarray:
    """Evaluate a registered statistic on rows."""
    rows = np.atleast_2d(rows)
    return np.asarray(TESTS[name].statistic(SliceView(rows, parameters), **params))


# Twins


@st.composite
def slices(draw: st.DrawFn) -> np.ndarray:
    """Draw slices of many shapes, with ties, offsets and outliers, in either precision."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.sampled_from([8, 9, 12, 31, 100, 257, 1025, 1500])))
    kind = draw(st.sampled_from(["normal", "cauchy", "ties", "offset", "uniform", "skew", "wide"]))
    x = {
        "normal": rng.standard_normal(shape),
        "cauchy": rng.standard_cauchy(shape),
        "ties": np.round(2.0 * rng.standard_normal(shape)),
        "offset": rng.standard_normal(shape) + 5.0,
        "uniform": rng.random(shape),
        "skew": rng.exponential(size=shape),
        "wide": 30.0 * rng.standard_normal(shape),
    }[kind]
    return x.astype(draw(st.sampled_from([np.float64, np.float32])))


@pytest.mark.parametrize("parameters", ["fitted", "known"])
@pytest.mark.parametrize("name", SLICED)
@settings(max_examples=25)
@given(block=slices())
def test_equals_twin(name: str, parameters: str, block: np.ndarray) -> None:
    """All slice statistics, both parameter cases, against definitions, scipy and statsmodels."""
    # Two values only, or fewer, are another matter: see test_two_values.
    block = block[[len(np.unique(row)) > 4 for row in block]]
    if not len(block):
        return
    twin = twins.STATISTICS[name, parameters]
    exact = [twin(row.astype(np.float64)) for row in block]
    size = 1e-9 if name == "epps-pulley" else 1e-11
    # A^2 and W^2 subtract a number of the size of n.
    absolute = size * block.shape[1]
    assert_allclose(evaluate(name, block, parameters), exact, rtol=1e-8, atol=absolute)


@pytest.mark.parametrize("name", SLICED)
def test_two_values(name: str) -> None:
    """A sample of two values is no error, and far from normal to every test that sees it."""
    y = np.where(np.arange(60) < 24, -1.0, 1.0)
    value = evaluate(name, y, "fitted")
    null = evaluate(name, NORMAL[:500, :60], "fitted")
    assert np.isfinite(value).all()
    worse = value > null if TESTS[name].tail == "upper" else value < null
    assert worse.mean() > 0.95


@pytest.mark.parametrize("window", [1, 3, 20])
@pytest.mark.parametrize("parameters", ["fitted", "known"])
def test_vasicek_window(window: int, parameters: str) -> None:
    """The window is passed on."""
    exact = [twins.STATISTICS["vasicek", parameters](y, window=window) for y in NORMAL[:5, :41]]
    assert_allclose(evaluate("vasicek", NORMAL[:5, :41], parameters, window=window), exact)


@pytest.mark.parametrize("window", [0, -1, 20, 100])
def test_vasicek_refuses(window: int) -> None:
    """A window must leave room on both sides."""
    refused("window", evaluate, "vasicek", NORMAL[:2, :40], "known", window=window)


def test_vasicek_ties_give_zero() -> None:
    """Equal values over a whole window have entropy minus infinity."""
    y = np.repeat(np.arange(10.0), 12)
    assert evaluate("vasicek", y, "fitted")[0] == 0.0
    assert evaluate("vasicek", y, "known")[0] == 0.0


@pytest.mark.parametrize("n", [8, 9, 50, 4999, 5000, 20001])
def test_royston_weights(n: int) -> None:
    """Of unit length, antisymmetric, as the algorithm states them, also beyond n = 5000."""
    weights = regression.royston_weights(n)
    assert_allclose(weights, twins.royston(n), rtol=1e-10, atol=1e-15)
    assert_allclose(weights, -weights[::-1], atol=1e-17)
    assert_allclose(weights @ weights, 1.0, rtol=1e-12)


def test_perfect_line() -> None:
    """The share is 1 exactly where the sorted values are the line, and below 1 elsewhere."""
    for n in (20, 301):
        for name, line in (
            ("shapiro-wilk", np.sqrt(n - 1) * twins.royston(n)),
            ("shapiro-francia", twins.scores(n)),
        ):
            assert_allclose(evaluate(name, line[::-1].copy(), "known"), 1.0, rtol=1e-12)
            assert evaluate(name, line + 0.1, "known")[0] < 0.999
            assert_allclose(evaluate(name, line + 0.1, "fitted"), 1.0, rtol=1e-12)


# Nulls of known parameters


EXACT_MEANS = {
    "jarque-bera": 2.0,
    "anderson-darling": 1.0,
    "cramer-von-mises": 1.0 / 6.0,
    "watson": 1.0 / 12.0,
    "epps-pulley": 1.0 - 1.0 / np.sqrt(3.0),
}


@pytest.mark.parametrize("name", EXACT_MEANS)
def test_null_mean(name: str) -> None:
    """The null means are exact at any n: within 4 Monte Carlo standard errors."""
    values = evaluate(name, NORMAL, "known")
    assert abs(values.mean() - EXACT_MEANS[name]) < 4.0 * values.std() / np.sqrt(len(values))


def test_known_moment_constants() -> None:
    """Variances and higher moments that the docstrings quote, from those of N(0, 1)."""
    m = {j: stats.norm.moment(j) for j in range(2, 17, 2)}
    assert m[6] == pytest.approx(15.0)
    assert m[12] / m[6] ** 2 - 3.0 == pytest.approx(43.2)
    assert m[8] - m[4] ** 2 == pytest.approx(96.0)
    assert m[12] - 3 * m[4] * m[8] + 2 * m[4] ** 3 == pytest.approx(9504.0)


def test_known_scores_are_normal() -> None:
    """Both scores of the known-parameter K^2 are near N(0, 1), and K^2 near chi-squared."""
    n = NORMAL.shape[1]
    third, fourth = np.mean(NORMAL**3, axis=1), np.mean(NORMAL**4, axis=1)
    first = moments.johnson_score(third / np.sqrt(15 / n), 3.0 + 43.2 / n)
    skewness = 9504 / 96**1.5 / np.sqrt(n)
    second = moments.hilferty_score((fourth - 3.0) * np.sqrt(n / 96.0), skewness)
    for score in (first, second):
        assert abs(score.mean()) < 0.1  # 6 standard errors, of which 4 for the approximation
        assert abs(score.std() - 1.0) < 0.1
    square = evaluate("dagostino-pearson", NORMAL, "known")
    assert_allclose(square, first**2 + second**2, rtol=1e-9)
    assert abs(np.mean(square > stats.chi2(2).ppf(0.95)) - 0.05) < 0.02


def test_vasicek_is_a_divergence() -> None:
    """With known parameters K = sqrt(2 pi e) exp(-KL(N(m, s^2) || N(0, 1))) for large n."""
    y = np.random.default_rng(2).standard_normal(200_000)
    for m, s in ((0.0, 1.0), (0.5, 1.0), (0.0, 0.5), (-0.3, 1.5)):
        divergence = 0.5 * (m * m + s * s - 1.0) - np.log(s)
        expected = np.sqrt(2.0 * np.pi * np.e) * np.exp(-divergence)
        assert_allclose(evaluate("vasicek", m + s * y, "known"), expected, rtol=0.02)


@pytest.mark.parametrize("name", SLICED)
def test_known_sees_location_and_scale(name: str) -> None:
    """A shift by 0.4 and scales of 1.4 and 0.7 are seen at n = 200; fitted statistics see none."""
    rng = np.random.default_rng(31)
    sign = 1.0 if TESTS[name].tail == "upper" else -1.0
    critical = np.quantile(sign * evaluate(name, rng.standard_normal((400, 200)), "known"), 0.95)
    x = rng.standard_normal((100, 200))
    for moved in (x + 0.4, 1.4 * x, 0.7 * x):
        assert np.mean(sign * evaluate(name, moved, "known") > critical) > 0.8
        still = evaluate(name, moved, "fitted")
        assert_allclose(still, evaluate(name, x, "fitted"), rtol=1e-7, atol=1e-9)


def test_cap_scales() -> None:
    """Stephens's multiples bring D and V to another n; at the same n they change nothing."""
    d = np.array([0.03, 0.05])
    for scale, a, b in (
        (scales.kolmogorov_scale, (0.12, 0.11), (-0.01, 0.85)),
        (scales.kuiper_scale, (0.155, 0.24), (0.05, 0.82)),
    ):
        for known, (p, q) in ((True, a), (False, b)):
            assert_allclose(scale(d, 700, 700, known), d)
            there = d * (100.0 + p + q / 100.0) / (50.0 + p + q / 50.0)
            assert_allclose(scale(d, 10_000, 2_500, known), there)


def test_cap_scales_match_quantiles() -> None:
    """The null's 95 % point at n = 2000 is that at n = 200, rescaled: to 2 %."""
    rng = np.random.default_rng(41)
    for name, scale in (
        ("kolmogorov-smirnov", scales.kolmogorov_scale),
        ("kuiper", scales.kuiper_scale),
    ):
        for parameters in ("known", "fitted"):
            at = {
                n: np.quantile(evaluate(name, rng.standard_normal((2000, n)), parameters), 0.95)
                for n in (200, 2000)
            }
            assert_allclose(scale(at[2000], 2000, 200, parameters == "known"), at[200], rtol=0.025)


# Through the public API


def run(x: np.ndarray, name: str, target: str, **options: Any) -> dmtest.Outcome:
    """Run one test with few replicates: it is the statistic that is looked at."""
    return dmtest.run_test(x, name, target, replicates=19, rng=0, **options)


@pytest.mark.parametrize(("target", "parameters"), [("any-normal", "fitted"), ("normal", "known")])
@pytest.mark.parametrize("name", SLICED)
def test_one_column_is_the_univariate_test(name: str, target: str, parameters: str) -> None:
    """A vector, a column, float32: the statistic is the twin's."""
    y = np.random.default_rng(5).standard_t(6, 60) * 1.2 + 0.2
    exact = twins.STATISTICS[name, parameters](y)
    assert_allclose(run(y, name, target).statistic, exact, rtol=1e-8)
    out = run(y[:, None], name, target)
    assert_allclose([out.statistic, out.worst_statistic], exact, rtol=1e-8)
    assert (out.slices, out.worst_slice, out.d) == (1, 0, 1)
    assert_allclose(run(y.astype(np.float32), name, target).statistic, exact, rtol=2e-4)


@pytest.mark.parametrize("target", ["any-normal", "normal"])
@pytest.mark.parametrize("name", SLICED)
def test_mean_over_slices(name: str, target: str) -> None:
    """Over given directions: the mean, and the worst, of the slices' own statistics."""
    rng = np.random.default_rng(6)
    x = rng.standard_t(5, (90, 3)) @ mixing(rng, 3) + 0.3
    u = rng.standard_normal((7, 3))
    u /= np.linalg.norm(u, axis=1)[:, None]
    rows = x
    if target == "any-normal":
        factor = np.linalg.cholesky(np.cov(x.T, ddof=0))
        rows = np.linalg.solve(factor, (x - x.mean(axis=0)).T).T
    twin = twins.STATISTICS[name, "known" if target == "normal" else "fitted"]
    exact = np.array([twin(line) for line in u @ rows.T])
    out = run(x, name, target, directions=u)
    worst = int(exact.argmax() if TESTS[name].tail == "upper" else exact.argmin())
    assert_allclose(out.statistic, exact.mean(), rtol=1e-8)
    assert_allclose(out.worst_statistic, exact[worst], rtol=1e-8)
    assert (out.worst_slice, out.slices) == (worst, 7)


def test_moments_alone_equal_the_lines() -> None:
    """The pass that keeps no lines gives what the lines give, in both precisions."""
    rng = np.random.default_rng(9)
    u = dmtest.engines.directions.random_directions(70, 6, rng)
    functions = {name: TESTS[name].statistic for name in ("dagostino-pearson", "jarque-bera")}
    for parameters in ("known", "fitted"):
        for dtype in (np.float64, np.float32):
            x = (rng.standard_normal((9000, 6)) + 3.0).astype(dtype)
            fast, slow = (
                slice_statistics(x, u, parameters, functions, moments_only=only)
                for only in (True, False)
            )
            assert_allclose(fast, slow, rtol=1e-9 if dtype == np.float64 else 1e-3)


def test_float32_slices_keep_the_statistic() -> None:
    """Whitened float32 rows give every statistic to a part in 1e4 of its null deviation."""
    rng = np.random.default_rng(10)
    x = rng.standard_normal((2000, 8)) + 1e3
    u = dmtest.engines.directions.random_directions(16, 8, rng)
    functions = {name: TESTS[name].statistic for name in SLICED}
    results = []
    for dtype in (np.float64, np.float32):
        rows = x.astype(np.float32).astype(dtype)
        rows = whiten(rows, *mean_and_covariance(rows))
        results.append(slice_statistics(rows, u, "fitted", functions))
    difference = np.abs(results[1] - results[0]).max(axis=0) / results[0].std(axis=0)
    assert difference.max() < 1e-3
    assert np.median(difference) < 1e-4


def test_constant_slices_are_refused() -> None:
    """No normal can be fitted to a constant, whichever way it is computed."""
    x = np.full((40, 2), 0.1)
    x[:, 1] = np.arange(40.0)
    for only in (True, False):
        with pytest.raises(InputError, match="constant"):
            slice_statistics(x, np.eye(2), "fitted", {"jb": moments.jarque_bera}, moments_only=only)
