"""Bounds of statistics from counts in cells, by brute force against the statistics themselves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from numpy.typing import NDArray
from scipy import integrate

from dmtest.kernels.bins import CELLS, PER_UNIT, PLACES
from dmtest.summaries import histogram
from tests.support import twins

Vector = NDArray[np.float64]
RNG = np.random.default_rng(4)
WIDTH = 1.0 / PER_UNIT


def one_cell_ends(n: int, share: float) -> Vector:
    """Values of a few cells, all at their ends: what the bounds have to allow for."""
    cells = RNG.integers(-3, 3, n) * WIDTH
    return cells + np.where(RNG.random(n) < share, 0.0, WIDTH * (1.0 - 1e-9))


SAMPLES: dict[str, Callable[[], Vector]] = {
    "normal": lambda: RNG.standard_normal(20_000),
    "few": lambda: RNG.standard_normal(8),
    "float32": lambda: RNG.standard_normal(5_000).astype(np.float32).astype(np.float64),
    "shifted": lambda: RNG.standard_normal(4_000) + 0.7,
    "wide": lambda: 10.0 * RNG.standard_normal(4_000),
    "cauchy": lambda: RNG.standard_cauchy(4_000),
    "far": lambda: np.append(RNG.standard_normal(999), [-1e17, 8.0, -8.0, 1e9]),
    "zeros": lambda: np.zeros(1_000),
    "edges": lambda: np.repeat(np.arange(-40, 40) * WIDTH, 50),
    "left ends": lambda: one_cell_ends(20_000, 1.0),
    "right ends": lambda: one_cell_ends(20_000, 0.0),
    "both ends": lambda: one_cell_ends(20_000, 0.5),
    "one side far": lambda: one_cell_ends(20_000, 0.03),
}


def anderson_darling(z: Vector) -> float:
    return float(-len(z) - twins.edf_sums(z, 0.0, 1.0)[4])


def kolmogorov_smirnov(z: Vector) -> float:
    return float(twins.edf_sums(z, 0.0, 1.0)[:2].max())


def epps_pulley(z: Vector) -> float:
    """Closed form, a block of pairs at a time (Epps & Pulley 1983)."""
    pairs = sum(np.exp(-0.5 * (z[i : i + 500, None] - z) ** 2).sum() for i in range(0, len(z), 500))
    n = len(z)
    return float(pairs / n - np.sqrt(2.0) * np.exp(-(z**2) / 4.0).sum() + n / np.sqrt(3.0))


def counts_of(z: Vector) -> NDArray[np.int64]:
    tally = histogram.Tally(1)
    tally.add(z[None])
    return tally.counts


@pytest.mark.parametrize("name", SAMPLES)
def test_values_are_counted_in_their_cells(name: str) -> None:
    z = SAMPLES[name]()
    counts = counts_of(z)[0]
    edges = histogram.edges()
    cells = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, CELLS - 1)
    assert_array_equal(counts[:, 0], np.bincount(cells, minlength=CELLS))
    cell = histogram.cells(counts)
    means = np.bincount(cells, z, CELLS)[counts[:, 0] > 0] / cell.number
    assert np.all(np.abs(cell.mean - means) <= cell.slack * (1.0 + 1e-6) + 1e-15)


@pytest.mark.parametrize("name", SAMPLES)
def test_bounds_hold(name: str) -> None:
    z = SAMPLES[name]()
    for function, exact in (
        (histogram.anderson_darling, anderson_darling(z)),
        (histogram.kolmogorov_smirnov, kolmogorov_smirnov(z)),
        (histogram.epps_pulley, epps_pulley(z)),
    ):
        low, middle, high = (float(part[0]) for part in function(counts_of(z)))
        rounding = 1e-9 * (1.0 + abs(exact))
        assert low - rounding <= exact <= high + rounding, function.__name__
        assert low <= middle <= high, function.__name__


def test_bounds_hold_for_every_arrangement_within_cells() -> None:
    """The same counts and means of cells, however values lie in them: brute force."""
    base = np.repeat(RNG.integers(-4, 4, 60) * WIDTH, 2 * RNG.integers(1, 400, 60))
    half = len(base) // 2
    for spread in (0.0, 0.2, 0.499):
        sign = np.resize([1.0, -1.0], len(base))  # pairs about the middle keep the mean
        z = base + WIDTH * (0.5 + spread * sign)
        counts = counts_of(z)
        low, _, high = histogram.anderson_darling(counts)
        assert low[0] <= anderson_darling(z) <= high[0]
        assert (high - low)[0] < 2.0 * half * WIDTH  # and they are not vacuous


def test_bounds_attain_extremes() -> None:
    """Values at both ends of one cell nearly attain one bound, equal values the other."""
    ends = np.repeat([0.0, WIDTH * (1.0 - 1e-9)], 20_000)
    middle = np.full(40_000, 0.5 * WIDTH)
    spread, tight = anderson_darling(ends), anderson_darling(middle)
    low, _, high = histogram.anderson_darling(counts_of(ends))
    again = histogram.anderson_darling(counts_of(middle))
    width = float((high - low)[0])
    assert low[0] <= spread
    assert tight <= again.high[0]
    assert min(spread, tight) - low[0] < 0.75 * width
    assert abs(spread - tight) > 0.2 * width


def test_bounds_are_narrow_where_the_null_is() -> None:
    z = RNG.standard_normal(200_000)
    counts = counts_of(z)
    for function, most in (
        (histogram.anderson_darling, 0.01),
        (histogram.kolmogorov_smirnov, 2e-4),
        (histogram.epps_pulley, 1e-3),
    ):
        low, _, high = function(counts)
        assert (high - low)[0] < most, function.__name__


def test_product_with_quantiles() -> None:
    """W2^2 is mean z^2 - 2 product + 1, by the integral of products of quantile functions."""
    z = np.sort(RNG.standard_normal(300) * 1.5)
    n = len(z)
    from scipy.special import ndtri

    exact = sum(z[i] * integrate.quad(ndtri, i / n, (i + 1) / n, epsabs=1e-12)[0] for i in range(n))
    assert histogram.products_with_quantiles(counts_of(z))[0] == pytest.approx(exact, abs=1e-5)


def test_places_are_below_their_number() -> None:
    counts = counts_of(RNG.standard_cauchy(10_000))[0]
    assert (counts[:, 1] <= counts[:, 0] * (PLACES - 1)).all()
