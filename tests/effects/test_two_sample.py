"""Effects between two samples, and the directions along which they differ, by their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import cdist

import dmtest
from dmtest.effects import two_sample
from dmtest.effects.directions import two_sample as searched
from dmtest.engines.pool import Pool

RNG = np.random.default_rng(8)
X = RNG.standard_normal((70, 3)) * [1.0, 1.5, 1.0] + [0.8, 0.0, 0.0]
Y = RNG.standard_normal((50, 3))


def energy(x: np.ndarray, y: np.ndarray) -> float:
    """Energy distance: 2 E|x - y| - E|x - x'| - E|y - y'|, with all pairs."""
    return float(2.0 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean())


def test_means_and_covariances_without_the_bias_of_sampling() -> None:
    effects = dmtest.compare(X, Y, tests=["energy"], replicates=99, rng=0).effects
    gap = X.mean(axis=0) - Y.mean(axis=0)
    noise = np.cov(X.T, ddof=0) / 70 + np.cov(Y.T, ddof=0) / 50
    pooled = (70 * X.var(axis=0) + 50 * Y.var(axis=0)).mean() / 120
    squared = (gap @ gap - np.trace(noise)) / pooled
    found = effects["mean-difference"]
    assert found.value == pytest.approx(np.sqrt(squared))
    assert found.low < found.value < found.high
    change = np.cov(X.T, ddof=0) - np.cov(Y.T, ddof=0)
    norm = np.square(np.cov(Y.T, ddof=0)).sum()
    plain = np.sqrt(np.square(change).sum() / norm)
    assert 0.5 * plain < effects["covariance-difference"].value < plain


@pytest.mark.parametrize("test", ["energy", "mmd"])
def test_squared_distances_lose_their_mean_under_permutations(test: str) -> None:
    name = {"energy": "energy-distance", "mmd": "mmd"}[test]
    params = {"mmd": {"bandwidth": 2.0}} if test == "mmd" else {}
    report = dmtest.compare(X, Y, tests=[test], replicates=199, params=params, rng=1)
    gaussian = [np.exp(-cdist(a, b, "sqeuclidean") / 8.0) for a, b in ((X, X), (Y, Y), (X, Y))]
    plain = {
        "energy": energy(X, Y),
        "mmd": gaussian[0].mean() + gaussian[1].mean() - 2.0 * gaussian[2].mean(),
    }[test]
    z, rng = np.concatenate([X, Y]), np.random.default_rng(0)
    null = []
    for _ in range(60):
        order = rng.permutation(120)
        a, b = z[order[:70]], z[order[70:]]
        if test == "energy":
            null.append(energy(a, b))
        else:
            k = np.exp(-cdist(z[order], z[order], "sqeuclidean") / 8.0)
            null.append(k[:70, :70].mean() + k[70:, 70:].mean() - 2.0 * k[:70, 70:].mean())
    effect = report.effects[name]
    error = np.std(null) / np.sqrt(60) + np.std(null) / np.sqrt(199)
    assert effect.value**2 == pytest.approx(plain - np.mean(null), abs=4.0 * error)
    assert 0.0 < effect.low < effect.value < effect.high
    assert ("bandwidth 2" in effect.note) == (test == "mmd")


def test_the_sliced_distance_of_a_shift() -> None:
    """W2^2 of slices of two normals that differ by m is (m.u)^2: |m|^2 / d on average."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((150, 2)) + 1.5 * np.eye(2)[0], rng.standard_normal((120, 2))
    effects = dmtest.compare(x, y, tests=["sliced-wasserstein"], replicates=99, rng=2).effects
    found = effects["sliced-wasserstein-2"]
    assert found.low < np.sqrt(1.5**2 / 2.0) < found.high
    assert found.value == pytest.approx(np.sqrt(1.5**2 / 2.0), rel=0.15)


def test_potentials_are_integrals_of_the_transport() -> None:
    """From one point to the next, 2 (x - T x) dx by trapezoids; equal samples need none."""
    x = np.sort(RNG.standard_normal(40))
    assert_allclose(two_sample._potential(x, x), 0.0, atol=1e-12)
    shifted = two_sample._potential(x, x - 3.0)
    assert_allclose(shifted, 6.0 * (x - x[0]))
    scaled = two_sample._potential(x, 2.0 * x)
    slope = -2.0 * x
    assert_allclose(np.diff(scaled), 0.5 * (slope[1:] + slope[:-1]) * np.diff(x))


def test_what_no_rotation_changes() -> None:
    rng = np.random.default_rng(6)
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    y = rng.standard_normal((64, 3)) + 0.2
    plain, turned = (
        dmtest.compare(x, y, rotation=True, tests=["energy"], replicates=99, rng=0).effects
        for x in (X, X @ turn)
    )
    sds = [np.sqrt(np.linalg.eigvalsh(np.cov(z.T, ddof=0))) for z in (X, y)]
    assert plain["spectrum-difference"].value == pytest.approx(np.linalg.norm(sds[0] - sds[1]))
    lengths = np.linalg.norm(X.mean(axis=0)) - np.linalg.norm(y.mean(axis=0))
    assert plain["mean-lengths"].value == pytest.approx(lengths)
    for name, one in plain.items():
        other = turned[name]
        assert_allclose([one.value, one.low or 0.0], [other.value, other.low or 0.0], atol=1e-6)


# Directions


def test_the_direction_of_a_shift_and_of_a_spread() -> None:
    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((200, 4)), rng.standard_normal((160, 4))
    x[:, 1] += 1.0
    x[:, 3] *= 2.5
    pool = Pool(x, y, 5)
    found = searched.divergent_directions(pool, 99)
    assert len(found) == 3
    turns = np.array([one.direction for one in found])
    assert_allclose(turns @ turns.T, np.eye(3), atol=1e-6)
    assert {one.coordinates[0] for one in found[:2]} == {1, 3}
    assert all(one.pvalue <= 0.02 for one in found[:2])
    halves = [searched._halves(pool, name, n)[1] for name, n in (("data", 200), ("reference", 160))]
    a, b = x[halves[0]], y[halves[1]]
    for one in found:
        u = np.array(one.direction)
        p, q = a @ u, b @ u
        both = np.concatenate([p, q])
        scale = len(p) * len(q) / len(both)
        exact = scale * energy(p[:, None], q[:, None]) / both.std()
        assert one.statistic == pytest.approx(exact, rel=1e-6)
        assert one.mean == pytest.approx((p.mean() - q.mean()) / q.std())
        assert one.variance == pytest.approx(p.var() / q.var())
        assert set(one.rows) <= set(halves[0])
        assert one.adjusted >= one.pvalue


def test_searches_that_cannot_be() -> None:
    """Of one column, of few rows, of very many columns; two columns have two directions."""
    rng = np.random.default_rng(5)
    for n, m, d in ((200, 200, 1), (99, 200, 3), (200, 99, 3), (100, 100, 1025)):
        pool = Pool(rng.standard_normal((n, d)), rng.standard_normal((m, d)), 0)
        assert searched.divergent_directions(pool, 9) == []
    two = Pool(rng.standard_normal((100, 2)), rng.standard_normal((100, 2)) + 1.0, 0)
    assert len(searched.divergent_directions(two, 9)) == 2
    # All candidates on one line: there is no second direction.
    line = searched._search(Pool(X[:, :2], Y[:, :2], 0), np.array([[1.0, 0.0], [1.0, 1e-3]]))
    assert len(line) == 1
