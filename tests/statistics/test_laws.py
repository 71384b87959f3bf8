"""Published p-values against R, scipy, statsmodels, pingouin, simulation and quadrature."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from dmtest.catalogue.registry import TESTS
from dmtest.catalogue.slices import ROWS
from dmtest.catalogue.spec import SliceTest
from dmtest.engines.slices import SliceView
from dmtest.statistics.laws import quadratic, slice_laws
from dmtest.statistics.laws.joint_laws import lognormal
from tests.support import twins
from tests.support.calls import refused
from tests.support.references import table, univariate

# (source, stat) of a reference row -> our function, and the absolute error of the
# reference itself: a 1 - cdf rounds at 1e-16, and the W^2 series of goftest and scipy lose up
# to 3e-9 beyond W^2 = 2.
FORMULAS: dict[tuple[str, str], tuple[Any, float]] = {
    ("nortest", "ad.test"): (slice_laws.anderson_darling_fitted, 0.0),
    ("nortest", "cvm.test"): (slice_laws.cramer_von_mises_fitted, 0.0),
    ("nortest", "lillie.test"): (slice_laws.kolmogorov_smirnov_fitted, 0.0),
    ("nortest", "sf.test"): (slice_laws.shapiro_francia, 0.0),
    ("stats", "shapiro.test"): (slice_laws.shapiro_wilk, 0.0),
    ("tseries", "jarque.bera.test"): (slice_laws.chi_squared_2, 1e-15),
    ("moments", "jarque.test"): (slice_laws.chi_squared_2, 1e-15),
    ("goftest", "ad.test"): (slice_laws.anderson_darling_known, 1e-15),
    ("goftest", "ad.test_shifted"): (slice_laws.anderson_darling_known, 1e-15),
    ("goftest", "pAD"): (slice_laws.anderson_darling_known, 1e-15),
    ("goftest", "cvm.test"): (quadratic.cramer_von_mises_known, 5e-9),
    ("goftest", "cvm.test_shifted"): (quadratic.cramer_von_mises_known, 5e-9),
    ("goftest", "pCvM"): (quadratic.cramer_von_mises_known, 1e-15),
    ("stats", "ks.test exact"): (slice_laws.kolmogorov_smirnov_known, 1e-13),
    ("scipy", "normaltest"): (slice_laws.dagostino_pearson, 0.0),
    ("scipy", "jarque_bera"): (slice_laws.chi_squared_2, 0.0),
    ("scipy", "shapiro"): (slice_laws.shapiro_wilk, 0.0),
    ("scipy", "cramervonmises"): (quadratic.cramer_von_mises_known, 5e-9),
    ("statsmodels", "normal_ad"): (slice_laws.anderson_darling_fitted, 0.0),
}


PUBLISHED = {
    (row.name, parameters): law for row in ROWS for parameters, law in row.published.items()
}
SAMPLES = univariate()
SIZES = {"iris_setosa": 50, "syn_normal": 200, "trees": 31}
NORMAL = np.random.default_rng(20).standard_normal((4000, 50))


@pytest.mark.parametrize(("source", "stat"), FORMULAS)
def test_agrees_with_reference(source: str, stat: str) -> None:
    """Every p-value of R, scipy and statsmodels follows from its own statistic."""
    formula, error = FORMULAS[source, stat]
    found = 0
    for row in (*table("univariate.csv"), *table("values.csv")):
        if (row["source"], row["stat"]) != (source, stat):
            continue
        n = float(row["n"]) if "n" in row else SIZES[row["dataset"]]
        # scipy leaves the exact formula at n = 141 for one good to 2e-6
        slack = 2e-6 if stat == "ks.test exact" and n > 140 else error
        expected = min(float(row["p_value"]), 1.0)  # pAD exceeds 1 at n = 3
        p = formula(float(row["statistic"]), n if n == np.inf else int(n))
        assert_allclose(p, expected, rtol=1e-8, atol=slack, err_msg=str(row))
        found += 1
    assert found >= 12


@pytest.mark.parametrize("name", SAMPLES)
def test_agrees_with_scipy(name: str) -> None:
    """From a sample, not only from a printed statistic."""
    x = SAMPLES[name]
    z, n = 1.1 * twins.standardised(x) + 0.05, len(x)
    cvm = stats.cramervonmises(z, "norm")
    p = quadratic.cramer_von_mises_known(cvm.statistic, n)
    assert_allclose(p, cvm.pvalue, rtol=1e-8, atol=1e-14 if cvm.statistic < 1 else 5e-9)
    ks = stats.kstest(z, "norm")
    assert_allclose(slice_laws.kolmogorov_smirnov_known(ks.statistic, n), ks.pvalue, rtol=1e-12)
    if n <= 5000:
        w = stats.shapiro(x)
        assert_allclose(slice_laws.shapiro_wilk(w.statistic, n), w.pvalue, rtol=1e-8)
    if n >= 8:
        k2 = stats.normaltest(x)
        assert_allclose(slice_laws.dagostino_pearson(k2.statistic, n), k2.pvalue, rtol=1e-12)


@pytest.mark.parametrize("n", [3, 4, 5, 7, 11, 12, 13, 50])
def test_shapiro_wilk_branches(n: int) -> None:
    """The formula changes after n = 3 and after n = 11."""
    for x in np.random.default_rng(n).exponential(size=(20, n)):
        w = stats.shapiro(x)
        assert_allclose(slice_laws.shapiro_wilk(w.statistic, n), w.pvalue, rtol=1e-8, atol=1e-14)


@pytest.mark.parametrize("name", ["precip", "normal_100", "t5_100", "gamma_11", "uniform_51"])
def test_agrees_with_statsmodels(name: str) -> None:
    """Lilliefors agrees below p = .1, where statsmodels has the same formula."""
    diagnostic = pytest.importorskip("statsmodels.stats.diagnostic")
    x = SAMPLES[name]
    statistic, expected = diagnostic.normal_ad(x)
    assert_allclose(slice_laws.anderson_darling_fitted(statistic, len(x)), expected, rtol=1e-12)
    statistic, expected = diagnostic.lilliefors(x, pvalmethod="approx")
    if expected < 0.1:
        p = slice_laws.kolmogorov_smirnov_fitted(statistic, len(x))
        assert_allclose(p, expected, rtol=1e-12)


def test_henze_zirkler_agrees_with_mvn() -> None:
    """MVN and pingouin give the same lognormal p-values."""
    sizes = {"iris_setosa": (50, 4), "syn_normal": (200, 5), "trees": (31, 3)}
    rows = [r for r in table("values.csv") if r["column"] == "joint" and r["p_value"]]
    rows = [r for r in rows if r["stat"] == "hz" or r["source"] == "pingouin"]
    assert len(rows) == 9
    for row in rows:
        p = lognormal(float(row["statistic"]), *sizes[row["dataset"]])
        assert_allclose(p, float(row["p_value"]), rtol=1e-8)


@pytest.mark.parametrize(("n", "d"), [(20, 2), (100, 3), (200, 8), (300, 20)])
def test_henze_zirkler_agrees_with_pingouin(n: int, d: int) -> None:
    """The same on new data, until rounding takes over in high dimension."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what its dependencies warn of on import
        pingouin = pytest.importorskip("pingouin")
    hz = pingouin.multivariate_normality(np.random.default_rng(d).standard_normal((n, d)))
    p = lognormal(hz.hz, n, d)
    assert_allclose(p, hz.pval, rtol=1e-8)
    b = ((2 * d + 1) * n / 4) ** (1 / (d + 4)) / np.sqrt(2)
    assert_allclose(lognormal(hz.hz, n, d, beta=b), p, rtol=1e-9)


@pytest.mark.parametrize("fitted", [False, True])
def test_epps_pulley_limit_agrees_with_imhof(fitted: bool) -> None:
    """Eigenvalues by Nystrom, the tail by Imhof's integral (1961) and Davies' sum (1973)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    s, t = nodes[:, None], nodes
    removed = 1 + fitted * (s * t + (s * t) ** 2 / 2)
    kernel = np.exp(-((s - t) ** 2) / 2) - removed * np.exp(-(s**2 + t**2) / 2)
    root = np.sqrt(weights / weights.sum())
    values = np.linalg.eigvalsh(root[:, None] * kernel * root)
    values = values[values > 1e-13]

    half = np.arange(200_000) + 0.5
    u = 0.2 * half
    angle = sum(0.5 * np.arctan(v * u) for v in values)
    size = half * np.exp(sum(0.25 * np.log1p((v * u) ** 2) for v in values))
    formula = quadratic.epps_pulley_fitted if fitted else quadratic.epps_pulley_known
    for x in (0.03, 0.1, 0.3, 0.9):
        area = (np.sin(angle - 0.5 * x * u) / size).sum()
        assert_allclose(formula(x, 50), 0.5 + area / np.pi, atol=1e-8)


def test_tail_inversion_is_exact_far_out() -> None:
    """Relative accuracy, against chi-squared and against the sum of two exponentials."""
    x = np.array([1e-6, 0.1, 1.0, 7.0, 60.0, 500.0])
    p = quadratic._tail(lambda z: 1 / (1 - 2 * z), x, 0.5)
    assert_allclose(p, np.exp(-x / 2), rtol=1e-11)
    p = quadratic._tail(lambda z: 1 / ((1 - z) * (1 - z / 3)), x, 1.0)
    assert_allclose(p, (3 * np.exp(-x) - np.exp(-3 * x)) / 2, rtol=1e-11)


def test_limits_are_continuous() -> None:
    """Series and fits that are joined from pieces do not jump."""
    join = np.array([0.9 - 1e-9, 0.9 + 1e-9])  # Kuiper's two series, exact on both sides
    kuiper = slice_laws.kuiper_known(join / (np.sqrt(50) + 0.155 + 0.24 / np.sqrt(50)), 50)
    assert np.ptp(kuiper) < 1e-7
    for edge in (0.0262, 0.048, 0.094):
        watson = np.array([edge - 1e-9, edge + 1e-9]) / (1 + 0.5 / 50)
        assert np.ptp(slice_laws.watson_fitted(watson, 50)) < 5e-3


@pytest.mark.parametrize(("test", "parameters"), PUBLISHED)
def test_probabilities_fall(test: str, parameters: str) -> None:
    """In [0, 1] and monotone, apart from the small jumps of Stephens' pieces."""
    grid = np.linspace(0.001, 3, 2000)
    p = PUBLISHED[test, parameters](grid, 50)
    assert np.all((p >= 0) & (p <= 1))
    assert np.all(np.diff(p) * (1 if test.startswith("shapiro") else -1) >= -0.02)


@pytest.mark.parametrize(
    ("test", "parameters"),
    [
        *(("kuiper", "known"), ("watson", "known"), ("watson", "fitted")),
        *(("epps-pulley", "known"), ("epps-pulley", "fitted")),
    ],
)
def test_level_where_no_peer_exists(test: str, parameters: Any) -> None:
    """Simulated rejection rates at .2 and .05, n = 50: binomial bounds."""
    row = TESTS[test]
    assert isinstance(row, SliceTest)
    p = row.published[parameters](row.statistic(SliceView(NORMAL, parameters)), 50)
    for alpha in (0.2, 0.05):
        assert stats.binomtest(int((p <= alpha).sum()), len(p), alpha).pvalue > 1e-4


@pytest.mark.parametrize(
    ("test", "parameters"), [key for key in PUBLISHED if key[0] != "jarque-bera"]
)
def test_pvalues_of_normal_slices_are_uniform(test: str, parameters: Any) -> None:
    """The law of 4,000 p-values at n = 50; Kolmogorov's distance of uniform ones is below 0.031.

    The formulas are approximations, the worst one (Stephens' A^2) is off by 0.02 near p = 0.6.
    That of Jarque & Bera is the limit, which is far off at any such n.
    """
    row = TESTS[test]
    assert isinstance(row, SliceTest)
    p = row.published[parameters](row.statistic(SliceView(NORMAL, parameters)), 50)
    assert stats.kstest(np.asarray(p), "uniform").statistic < 0.04


@pytest.mark.parametrize(("test", "parameters"), PUBLISHED)
def test_shapes_and_nan(test: str, parameters: str) -> None:
    """Arrays keep their shape, NaN stays NaN, and nothing warns."""
    formula = PUBLISHED[test, parameters]
    values = np.array([[0.05, 0.3, np.nan], [0.9, np.inf, 0.0]])
    p = formula(values, 40)
    assert p.shape == values.shape
    assert np.isnan(p[0, 2])
    assert (np.isnan(p).sum(), np.ndim(formula(0.3, 40))) == (1, 0)
    assert_allclose(formula(0.3, 40), p[0, 1], rtol=1e-12)


def test_outside_the_published_range() -> None:
    """The message names the range and the cure."""
    for formula, n in ((slice_laws.shapiro_wilk, 5001), (slice_laws.shapiro_francia, 4)):
        refused(r"n: got \d+ rows.*monte-carlo", formula, 0.9, n)
    for row in ROWS:
        assert row.published.keys().isdisjoint(row.unpublished)
        for parameters in ("known", "fitted"):
            if parameters not in row.published:
                assert row.why_unpublished(parameters)
