"""Statistics against a large draw of the law: their definitions, and their means under it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmtest.runtime.streams import stream
from dmtest.statistics.pools import drawn


def law(n: int, seed: int, r: int = 3) -> np.ndarray:
    """Draw rows of gamma columns, of which the first two are correlated."""
    x = np.random.default_rng(seed).gamma(2.0, size=(n, r)) - 2.0
    x[:, 1] += 0.5 * x[:, 0]
    return x


@pytest.mark.parametrize("bandwidth", [None, 0.8])
def test_the_discrepancy_is_that_of_the_characteristic_functions(bandwidth: float | None) -> None:
    """Means over frequencies of n |phi_n(t) - phi(t)|^2, over those of 1 - |phi(t)|^2."""
    draw, rows = law(9000, 0), law(60, 1) * 1.3
    gaps = draw[:1000, None] - draw[None, :1000]
    median = np.median(np.linalg.norm(gaps, axis=2)[np.triu_indices(1000, 1)])
    widths = np.array([0.25, 0.5, 1.0]) * median if bandwidth is None else [bandwidth]
    rng = stream(7, "sampled/frequencies")
    found = drawn.mmd(draw, 7, bandwidth)(rows)
    assert found.shape == (len(widths),)
    for value, width in zip(found, widths, strict=True):
        t = rng.standard_normal((3, drawn.FREQUENCIES)) / width
        ours, theirs = (np.exp(1j * (x @ t)).mean(axis=0) for x in (rows, draw))
        exact = 60 * (np.abs(ours - theirs) ** 2).mean() / (1.0 - np.abs(theirs) ** 2).mean()
        assert value == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("r", [3, 300])
def test_moments_are_squared_differences_over_variances(r: int) -> None:
    draw, rows = law(4000, 2, r), law(50, 3, r) + 0.1
    means, squares, lengths, largest = drawn.moments(draw, 0)(rows)
    gaps = 50 * (rows.mean(axis=0) - draw.mean(axis=0)) ** 2 / draw.var(axis=0)
    first, second = np.triu_indices(r) if r <= 256 else (np.arange(r),) * 2
    ours, theirs = (x[:, first] * x[:, second] for x in (rows, draw))
    products = 50 * (ours.mean(axis=0) - theirs.mean(axis=0)) ** 2 / theirs.var(axis=0)
    far, usual = (np.linalg.norm(x, axis=1) for x in (rows, draw))
    length = 50 * (far.mean() - usual.mean()) ** 2 / usual.var()
    assert_allclose(means, gaps.mean(), rtol=1e-6)
    assert_allclose(squares, products.mean(), rtol=1e-6)
    assert_allclose(lengths, length, rtol=1e-6)
    assert largest == pytest.approx(max(gaps.max(), products.max(), length))


def test_samples_of_the_law_have_values_near_one() -> None:
    """Their means over 300 samples are 1, but for the largest; a column that is fixed adds 0."""
    draw = np.column_stack([law(30_000, 4), np.full(30_000, 2.0)])
    distance, moment = drawn.mmd(draw, 0), drawn.moments(draw, 0)
    values = []
    for seed in range(300):
        rows = np.column_stack([law(80, 100 + seed), np.full(80, 2.0)])
        values.append([*distance(rows), *moment(rows)])
    values = np.array(values)
    error = values.std(axis=0, ddof=1) / np.sqrt(300)
    expected = np.array([1.0, 1.0, 1.0, 3 / 4, 9 / 10, 1.0])
    assert (np.abs(values.mean(axis=0)[:6] - expected) < 4.0 * error[:6] + 0.01).all()
    assert (values[:, 6] > 1.0).mean() > 0.9
