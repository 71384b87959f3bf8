"""Where a search over directions starts, and what is left of columns that do not vary."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmtest.effects.coordinates import halves
from dmtest.effects.directions import one_sample, search
from dmtest.effects.directions.forms import extreme_forms
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.targets.canonical import known

SINGLE = 10**9  # all in double


@pytest.fixture(autouse=True)
def one_blas_thread() -> Iterator[None]:
    """Look BLAS up once a test."""
    with single_threaded_blas():
        yield


def spiked(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw normal rows but for one rotated direction with three values; return that, too."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    x = rng.standard_normal((n, d))
    x[:, 0] = rng.choice([-5.0, 0.0, 5.0], n, p=[0.02, 0.96, 0.02])
    return (x - x.mean(axis=0)) @ basis, basis[0]


def operator(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and forms of A -> mean (y'Ay - tr A) (yy' - I) / 2, among all d x d matrices."""
    n, d = rows.shape
    v = (rows[:, :, None] * rows[:, None] - np.eye(d)).reshape(n, d * d)
    values, vectors = np.linalg.eigh(v.T @ v / (2 * n))
    return values, vectors.T.reshape(-1, d, d)


# Rows and columns: 21 unknowns, 300 rows (dense); 78 unknowns, 60 rows (inner products of rows).
@pytest.mark.parametrize(("n", "d"), [(300, 6), (60, 12)])
def test_forms_are_eigenvectors_of_the_fourth_moments(n: int, d: int) -> None:
    rows, planted = spiked(n, d, 3)
    values, forms = operator(rows)
    found = extreme_forms(rows, np.random.default_rng(0), single=SINGLE)
    assert all(part.shape == (3, d) for part in found)
    # The last form that is found belongs to the largest eigenvalue.
    within, vectors = np.linalg.eigh(forms[-1])
    order = np.argsort(-np.abs(within))
    for mine, j in zip(found[-1], order, strict=False):
        gaps = np.abs(np.abs(within[j]) - np.delete(np.abs(within), j))
        if gaps.min() > 0.02:
            assert abs(mine @ vectors[:, j]) == pytest.approx(1.0, abs=1e-3)
    assert abs(found[-1][0] @ planted) > 0.9
    assert values[-1] > 1.5 * values[-2]


def test_a_spike_is_found_among_many_unknowns() -> None:
    """820 and 3,240 unknowns: by Lanczos, and by a block Krylov space."""
    for n, d in ((2000, 40), (2000, 80)):
        rows, planted = spiked(n, d, 4)
        found = np.concatenate(extreme_forms(rows, np.random.default_rng(1), single=SINGLE))
        assert np.abs(found @ planted).max() > 0.9
        (best,) = search.search_directions(rows, 1, 0, fitted=False)
        assert abs(best @ planted) > 0.9


def test_forms_take_two_columns_and_enough_rows() -> None:
    rng = np.random.default_rng(0)
    assert extreme_forms(rng.standard_normal((50, 1)), rng, single=SINGLE) == []
    # 820 unknowns for 80 rows are too many.
    assert extreme_forms(rng.standard_normal((80, 40)), rng, single=SINGLE) == []
    assert len(extreme_forms(rng.standard_normal((90, 40)), rng, single=SINGLE)) == 6


def test_the_gradient_of_the_departure() -> None:
    rng = np.random.default_rng(2)
    y, u = rng.gamma(2.0, size=(200, 4)) - 2.0, rng.standard_normal((5, 4))
    for fitted in (False, True):
        slopes = search._departure(y, u, fitted)[1]
        for j, step in enumerate(1e-5 * np.eye(4)):
            ends = [search._departure(y, u + sign * step, fitted)[0] for sign in (1.0, -1.0)]
            assert_allclose(slopes[:, j], (ends[0] - ends[1]) / 2e-5, rtol=1e-5, atol=1e-5)
    # The departure by its definition: squared means of Hermite polynomials over k!.
    p = y @ u[0]
    means = [p.mean(), (p**2 - 1).mean(), (p**3 - 3 * p).mean(), (p**4 - 6 * p**2 + 3).mean()]
    terms = np.square(means) / [1.0, 2.0, 6.0, 24.0]
    assert search._departure(y, u[:1], False)[0][0] == pytest.approx(terms.sum())
    assert search._departure(y, u[:1], True)[0][0] == pytest.approx(terms[2:].sum())


def test_columns_that_do_not_vary_have_no_weight() -> None:
    """Constant in one half or in both, or repeated where the covariance is fitted."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((400, 4))
    x[:, 1] = 0.5
    first, _ = halves(400)
    x[first, 2] = -1.0
    for one in one_sample.directions_of(known(x), 4, 99, 0):
        assert one.direction[1] == one.direction[2] == 0.0
        assert np.linalg.norm(one.direction) == pytest.approx(1.0)
        assert one.to_dict()["direction"] == one.direction
        z = x[halves(400)[1]] @ np.array(one.direction)
        assert one.mean == pytest.approx(z.mean())
        assert one.variance == pytest.approx(z.var())
    assert one_sample.directions_of(known(np.ones((100, 2))), 2, 99, 0) == []


def test_a_constant_slice_is_tested_with_known_parameters_alone() -> None:
    """It has no spread to fit; its p-value is the one of a slice that is far off."""
    rng = np.random.default_rng(6)
    slices = np.stack([np.full(50, 0.3), rng.standard_normal(50)], axis=1)
    pvalues, statistics = one_sample._test_slices(slices, False, 999, 0)
    assert pvalues[0] <= 0.001 < 0.05 < pvalues[1]
    # A^2 of 50 equal values at u = Phi(0.3).
    u = 0.6179114221889526
    assert statistics[0] == pytest.approx(50 * (-1 - np.log(u * (1 - u))), rel=1e-9)
    # Where the parameters are fitted there is no test, and no finding.
    assert one_sample._test_slices(slices[:, :1], True, 99, 0) == ([1.0], [0.0])
