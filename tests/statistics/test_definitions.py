"""Statistics and constants of nulls against their definitions, spelled out."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.engines.rows import evaluate
from dmtest.engines.slices import SliceView
from dmtest.statistics import influence
from dmtest.statistics.counts import (
    Cells,
    rank_anderson_darling,
    rank_chi_squared,
    rank_mean,
    rank_spread,
)
from dmtest.statistics.laws import joint_laws, quadratic, slice_laws
from dmtest.statistics.laws.probit import probit_fit
from dmtest.statistics.pools.drawn import _mean_and_variance
from dmtest.statistics.rows import directions, features, marginal, pairs, weighted
from dmtest.statistics.rows.distances import mean_distance
from dmtest.statistics.slices.wasserstein import null_mean, squared_wasserstein
from tests.support import twins
from tests.support.calls import refused
from tests.support.samples import unit, view_of

pytestmark = pytest.mark.usefixtures("no_cache")


@pytest.mark.parametrize(("draws", "n"), [(9, 60), (9, 1000), (300, 500)])
def test_statistics_of_counts(draws: int, n: int) -> None:
    ranks = np.random.default_rng(draws).binomial(draws, 0.47, (n, 2))
    cells = Cells.of(draws, n)
    counts = cells.counts(ranks)
    ends = np.append(cells.first, draws + 1)
    for column in range(2):
        inside = [(ranks[:, column] >= a) & (ranks[:, column] < b) for a, b in pairwise(ends)]
        assert_allclose(counts[column], np.sum(inside, axis=1))
    p = np.diff(ends) / (draws + 1.0)
    gap = np.cumsum(counts - n * p, axis=1)[:, :-1]
    below = np.cumsum(p)[:-1]
    squared = (gap**2 * p[:-1] / (below * (1.0 - below))).sum(axis=1) / n
    assert_allclose(rank_anderson_darling(counts, cells), squared, rtol=1e-9)
    groups = np.append(cells.groups, len(p))
    observed = np.array([counts[:, a:b].sum(axis=1) for a, b in pairwise(groups)]).T
    expected = n * np.array([p[a:b].sum() for a, b in pairwise(groups)])
    assert 2 <= len(expected) <= 20
    assert expected.min() > 4.0
    chi = [stats.chisquare(row, expected).statistic for row in observed]
    assert_allclose(rank_chi_squared(counts, cells), chi, rtol=1e-9)
    for function, score in (
        (rank_mean, lambda z: z),
        (rank_spread, lambda z: z**2 - 1.0),
    ):
        means = np.array(
            [
                stats.norm.expect(score, lb=stats.norm.ppf(a), ub=stats.norm.ppf(b)) / (b - a)
                for a, b in pairwise(ends / (draws + 1.0))
            ]
        )
        scores = means / np.sqrt(p @ means**2)
        assert_allclose(function(counts, cells), counts @ scores / math.sqrt(n), rtol=1e-6)


def test_errors_of_means_from_influences() -> None:
    values = np.random.default_rng(0).gamma(2.0, size=200)
    assert influence.mean_error(values) == pytest.approx(stats.sem(values))
    skewness = stats.skew(values) / math.sqrt(200)
    assert influence.mean_skewness(values) == pytest.approx(skewness)
    assert influence.mean_skewness(np.ones(9)) == 0.0


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.4])
def test_the_shape_of_a_tail_is_found_whatever_its_place(shape: float) -> None:
    values = stats.genpareto.ppf((np.arange(100_000) + 0.5) / 100_000, shape)
    found = influence.heaviest_tail(values, 0.0)
    assert found == pytest.approx(shape, abs=0.02)
    assert influence.heaviest_tail(3.0 * values + 50.0, 0.0) == pytest.approx(found, abs=1e-9)
    # Hosking & Wallis (1987), section 4: the variance of the estimate times the exceedances.
    k = -found
    variance = (1 + k) * (2 + k) ** 2 * (1 + k + 2 * k * k) / (1 + 2 * k) / (3 + 2 * k)
    error = influence.heaviest_tail(values, 1.0) - found
    assert error == pytest.approx(math.sqrt(variance / 10_000), rel=1e-6)


def test_tails_that_cannot_be_known() -> None:
    assert influence.heaviest_tail(np.arange(199.0)) == np.inf
    assert np.isfinite(influence.heaviest_tail(np.arange(200.0)))
    assert influence.heaviest_tail(np.repeat([0.0, 1.0], 100)) == -np.inf


@pytest.mark.parametrize("d", [1, 2, 7])
def test_moments_of_mardias_tests(d: int) -> None:
    n = 40.0
    degrees = d * (d + 1) * (d + 2) / 6
    scale = joint_laws.mardia_skewness_scale(n, d)
    assert scale == pytest.approx(stats.chi2.std(degrees) * 6.0 / n)
    assert joint_laws.mardia_kurtosis_scale(n, d) == pytest.approx(math.sqrt(8 * d * (d + 2) / n))
    if d == 1:  # Fisher's exact means
        mean = 6.0 * (n - 2.0) / ((n + 1.0) * (n + 3.0))
        assert joint_laws.mardia_skewness_mean(n, d) == pytest.approx(mean)
        assert joint_laws.mardia_kurtosis_mean(n, d) == pytest.approx(3.0 * (n - 1.0) / (n + 1.0))
    varying = np.array([-0.5, -0.1, 0.3])
    whole = joint_laws.lognormal(1.0 + varying, 40, d)
    assert_allclose(joint_laws.lognormal_of_varying(varying, 40, d), whole)


def test_the_law_of_cramer_and_von_mises_ends_where_the_statistic_does() -> None:
    n = 5.0
    least, most = 1.0 / (12.0 * n), n / 3.0
    p = np.asarray(quadratic.cramer_von_mises_known(np.array([0.99 * least, 2.0 * least, most]), n))
    assert (p[0], p[2]) == (1.0, 0.0)
    assert 0.9 < p[1] < 1.0


def test_distances_from_the_normal() -> None:
    """Of one dimension by the folded normal law, of two by Rice's; near and far rows mixed."""
    y = np.array([0.0, 0.3, 2.0, 9.0, 40.0, 300.0])
    folded = math.sqrt(2 / math.pi) * np.exp(-0.5 * y**2) + y * (1.0 - 2.0 * stats.norm.cdf(-y))
    for part in (slice(None), slice(0, 3), slice(4, 6)):
        assert_allclose(mean_distance(y[part] ** 2, 1), folded[part], rtol=1e-9)
    rice = stats.rice.mean(y[:4])
    assert_allclose(mean_distance(y[:4] ** 2, 2), rice, rtol=1e-9)


@pytest.mark.parametrize("length", [0.2, 3.0, 150.0, 174.0, 1e4])
def test_distances_in_three_dimensions_far_and_near(length: float) -> None:
    """E|y - Z| = sqrt(2/pi) exp(-r^2/2) + (r + 1/r) erf(r / sqrt 2); a series from r = 173 on."""
    exact = math.sqrt(2 / math.pi) * math.exp(-0.5 * length**2)
    exact += (length + 1.0 / length) * math.erf(length / math.sqrt(2.0))
    assert_allclose(mean_distance(np.array([length**2]), 3), exact, rtol=1e-10)


@pytest.mark.parametrize("n", [20_000, 100_000])
def test_the_mean_of_the_wasserstein_distance_of_many_rows(n: int) -> None:
    """It grows as log log n, by another quadrature."""
    assert n * null_mean(n) == pytest.approx(twins.wasserstein_mean(n, 400), rel=2e-3)
    assert n * null_mean(n) > 2000 * null_mean(2000) + 0.1


def test_the_mean_of_the_wasserstein_distance_of_one_and_two_rows() -> None:
    """One row: E z^2 + 1. Two: the cells' integrals are -phi(0) and phi(0), E z_(2) 1/sqrt pi."""
    assert null_mean(1) == pytest.approx(2.0, abs=1e-9)
    assert null_mean(2) == pytest.approx(2.0 - 2.0 * math.sqrt(2.0) / math.pi, abs=1e-9)
    assert null_mean(2000) == pytest.approx(null_mean(1999), rel=1e-3)


def _grid(view_rows: np.ndarray) -> np.ndarray:
    angle = np.linspace(0.0, np.pi, 20_001)
    return view_rows @ np.array([np.cos(angle), np.sin(angle)])


def test_maxima_over_directions_are_those_of_a_fine_grid() -> None:
    rng = np.random.default_rng(5)
    view = view_of(np.column_stack([rng.gamma(1.0, size=60), rng.standard_t(4, 60)]))
    p = _grid(view.rows)
    third, fourth = (p**3).mean(axis=0), (p**4).mean(axis=0)
    a = (p * p).T @ view.rows / view.n
    regression = (np.square(a).sum(axis=1) - third**2) / (fourth - 1.0 - third**2)
    for function, values in (
        (directions.malkovich_afifi_skewness, third**2),
        (directions.malkovich_afifi_kurtosis, fourth),
        (directions.cox_small, regression),
    ):
        assert evaluate(function, view)[0] == pytest.approx(values.max(), rel=1e-6)


@pytest.mark.parametrize(
    "function",
    [
        directions.malkovich_afifi_skewness,
        directions.malkovich_afifi_kurtosis,
        directions.cox_small,
        directions.pudelko,
    ],
)
def test_climbs_follow_the_gradient(function: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a search climbs by is the slope of what it climbs, by central differences."""
    found: list[Any] = []

    def keep(starts: np.ndarray, objective: Any, *rest: Any) -> tuple[np.ndarray, np.ndarray]:
        found.append((starts, objective))
        return np.zeros(1), starts[:1]

    monkeypatch.setattr(directions, "climb", keep)
    evaluate(function, view_of(np.random.default_rng(6).gamma(1.0, size=(50, 3))))
    ((starts, objective),) = found
    points = starts[:: len(starts) // 20]
    _, slopes = objective(points)
    for j, step in enumerate(1e-5 * np.eye(3)):
        above, below = objective(points + step)[0], objective(points - step)[0]
        assert_allclose(slopes[:, j], (above - below) / 2e-5, rtol=1e-5, atol=1e-6)


def test_pudelkos_supremum_is_that_of_a_fine_grid() -> None:
    rng = np.random.default_rng(5)
    view = view_of(rng.gamma(1.0, size=(40, 2)))
    best = 0.0
    for length in np.linspace(0.005, 2.0, 400):
        angle = np.linspace(0.0, np.pi, 361)
        t = length * np.column_stack([np.cos(angle), np.sin(angle)])
        phi = np.exp(1j * (view.rows @ t.T)).mean(axis=0)
        best = max(best, float(np.abs(phi - math.exp(-0.5 * length**2)).max()) / length)
    value = evaluate(directions.pudelko, view)[0]
    assert value == pytest.approx(math.sqrt(view.n) * best, rel=1e-3)


def test_means_and_variances_by_tiles() -> None:
    rows = np.random.default_rng(0).standard_normal((97, 3)) + 2.0
    for tile in (1, 10, 97, 200):
        mean, variance = _mean_and_variance(rows, lambda x: x.astype(np.float32), tile)
        assert_allclose(mean, rows.mean(axis=0), rtol=1e-6)
        assert_allclose(variance, rows.var(axis=0), rtol=1e-5)


@pytest.mark.parametrize("d", [3, 6])
def test_projected_statistics_of_the_sphere_are_means_over_directions(d: int) -> None:
    """Cramer-von Mises and Anderson-Darling of projections, for 20,000 directions."""
    rng = np.random.default_rng(d)
    x = unit(rng.standard_normal((30, d)) + 0.3)
    n, slices = len(x), np.sort(unit(rng.standard_normal((20_000, d))) @ x.T, axis=1)
    # The law of a coordinate: (t + 1) / 2 is beta((d - 1) / 2, (d - 1) / 2).
    u = stats.beta.cdf(0.5 * (slices + 1.0), 0.5 * (d - 1.0), 0.5 * (d - 1.0))
    odd = 2.0 * np.arange(1, n + 1) - 1.0
    anderson = -n - (odd * (np.log(u) + np.log1p(-u[:, ::-1]))).mean(axis=1)
    cramer = 1.0 / (12.0 * n) + np.square(u - 0.5 * odd / n).sum(axis=1)
    for name, values in (("pcvm", cramer), ("pad", anderson)):
        found = dmtest.run_test(x, name, "sphere", replicates=99, rng=0).statistic
        error = values.std() / np.sqrt(len(values))
        assert abs(found - values.mean()) < 4.0 * error
        assert error < 0.02 * values.mean()


@pytest.mark.parametrize("ratio", [0.7, 1.0, 1.4])
def test_bias_and_width_of_ranks(ratio: float) -> None:
    """Counts that are exactly those of a normal score with this bias and ratio."""
    cells = Cells.of(19, 100_000)
    z = stats.norm.ppf(cells.edges)
    counts = np.rint(1e5 * np.diff(stats.norm.cdf((z - 0.3) / ratio)))
    fit = probit_fit(counts, cells.edges)
    assert (fit.bias, fit.ratio) == (pytest.approx(0.3, abs=0.003), pytest.approx(ratio, rel=0.005))
    assert fit.bias_pvalue < 1e-100
    if ratio == 1.0:
        assert fit.ratio_pvalue > 0.5
        none = probit_fit(np.full(20, 50), cells.edges)
        assert (none.bias_pvalue, none.ratio_pvalue) == (pytest.approx(1.0, abs=1e-3),) * 2
        # The likelihood ratio of a bias alone, by its sum over cells.
        few = np.rint(200 * np.diff(stats.norm.cdf(z - 0.1)))
        grid = np.linspace(-0.5, 0.5, 2001)
        inside = [np.log(np.diff(stats.norm.cdf(z - b))) @ few for b in grid]
        gain = 2.0 * (max(inside) - inside[1000])
        assert probit_fit(few, cells.edges).bias_pvalue == pytest.approx(
            stats.chi2.sf(gain, 1), rel=0.05
        )


@pytest.mark.parametrize("parameters", ["known", "fitted"])
def test_the_wasserstein_distance_of_a_slice(parameters: str) -> None:
    """The integral of the squared gap of the quantile functions, on a fine grid."""
    rng = np.random.default_rng(0)
    rows = np.stack([rng.gamma(2.0, size=12), 0.1 + rng.standard_normal(12)])
    p = (np.arange(1_200_000) + 0.5) / 1_200_000
    quantiles = stats.norm.ppf(p)
    for row, value in zip(rows, squared_wasserstein(SliceView(rows, parameters)), strict=True):
        z = row if parameters == "known" else (row - row.mean()) / row.std()
        gap = np.repeat(np.sort(z), 100_000) - quantiles
        assert value == pytest.approx(np.square(gap).mean(), rel=1e-4)


def test_watsons_law_is_that_of_kolmogorov_at_the_modified_statistic() -> None:
    n, value = 9, 0.16
    modified = (value - 0.1 / n + 0.1 / n**2) * (1.0 + 0.8 / n)
    p = float(np.asarray(slice_laws.watson_known(value, n)))
    assert p == pytest.approx(stats.kstwobign.sf(np.pi * np.sqrt(modified)), rel=1e-9)
    k = np.arange(1, 20)
    series = 2.0 * float(((-1.0) ** (k - 1) * np.exp(-2.0 * (k * np.pi) ** 2 * modified)).sum())
    assert p == pytest.approx(series, rel=1e-9)


# The forms of random frequencies: their definitions, and what the exact statistics say.


def _frequencies(view: Any, variance: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Frequencies t, their squared lengths, and exp(i t.Y) of all rows."""
    t = view.rng("features").standard_normal((features.FEATURES, view.d)) * math.sqrt(variance)
    return t, np.square(t).sum(axis=1), np.exp(1j * (view.rows @ t.T))


def _over(values: np.ndarray, exact: float, n: int) -> float:
    """Mean of squared sizes at the frequencies, in range of the integral over all of them."""
    squared = n * np.square(np.abs(values))
    error = squared.std(ddof=1) / math.sqrt(len(squared))
    assert abs(squared.mean() - exact) < 4.0 * error
    assert error < 0.1 * exact
    return float(squared.mean())


def test_random_frequencies_of_the_empirical_characteristic_function() -> None:
    view = view_of(np.random.default_rng(0).gamma(2.0, size=(300, 3)))
    n, b = view.n, ((2 * 3 + 1) * 300 / 4) ** (1 / 7) / math.sqrt(2)
    exact = evaluate(pairs.henze_zirkler, view)[0]
    for value, beta, whole in (
        (features.bhep(view, 0.7), 0.7, evaluate(pairs.bhep, view, beta=0.7)[0]),
        (features.henze_zirkler(view, n=300), b, exact),
        (features.henze_zirkler(view, 0.7, n=9), 0.7, evaluate(pairs.bhep, view, beta=0.7)[0]),
        (features.mmd(view), pairs.mmd_beta(3), evaluate(pairs.mmd, view)[0]),
        (features.mmd(view, 0.4), 0.4, evaluate(pairs.mmd, view, beta=0.4)[0]),
    ):
        _, squared, waves = _frequencies(view, beta**2)
        gap = waves.mean(axis=0) - np.exp(-0.5 * squared)
        assert value[0] == value[1] == pytest.approx(_over(gap, whole, n))


@pytest.mark.parametrize("a", [0.7, 2.0])
def test_random_frequencies_of_gradients_and_laplacians(a: float) -> None:
    view = view_of(np.random.default_rng(1).gamma(3.0, size=(400, 3)))
    n, d = view.n, view.d
    t, squared, waves = _frequencies(view, 0.5 / a)
    normal = np.exp(-0.5 * squared)
    slope = 1j * waves.T @ view.rows / n + t * normal[:, None]
    value, varying = features.ebner_henze_strieder(view, a)
    scale = (math.pi / a) ** (d / 2)
    exact = evaluate(weighted.ebner_henze_strieder, view, a=a)[0]
    assert varying == pytest.approx(_over(np.linalg.norm(slope, axis=1), exact / scale, n))
    assert value == pytest.approx(scale * varying)
    curve = -(np.square(view.rows).sum(axis=1) @ waves) / n
    for name, gap in (
        ("doerr_ebner_henze_t", curve - (squared - d) * normal),
        ("doerr_ebner_henze_u", curve - (squared - d) * waves.mean(axis=0)),
    ):
        exact = evaluate(getattr(weighted, name), view, a=a)[0]
        value, varying = getattr(features, name)(view, a)
        assert value == varying == pytest.approx(_over(gap / d, exact, n))


# Columns of whitened rows


def test_columns_that_are_nearly_one_are_turned_by_the_symmetric_root() -> None:
    """L'S^(-1/2) is a rotation, near singular or not; with S = LL' known, by scipy's root."""
    from scipy.linalg import sqrtm

    for r in (0.5, 1.0 - 1e-9, 1.0 - 1e-15):
        factor = np.linalg.cholesky(np.array([[1.0, r], [r, 1.0]]))
        turn = marginal._turn(factor)
        assert_allclose(turn @ turn.T, np.eye(2), atol=1e-7)
        # L turn is the symmetric root of LL'.
        assert_allclose(factor @ turn, sqrtm(factor @ factor.T).real, atol=1e-7)


def test_rows_that_tests_of_columns_refuse() -> None:
    rng = np.random.default_rng(0)
    few = view_of(rng.standard_normal((7, 2)))
    refused("doornik-hansen takes at least 8 rows; got n = 7", marginal.doornik_hansen, few)
    many = view_of(rng.standard_normal((5001, 1)))
    refused("4 to 5000 rows; got n = 5001", marginal.royston, many)
    for value, test in ((1.0, weighted.henze_visagie), (0.9, weighted.henze_jimenez_gamero)):
        refused("must be above 1", evaluate, test, few, a=value)
