"""Moments, whitening, rank and normal scores: exactness, precision and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.special import log_ndtr, ndtr, ndtri

from dmtest.data.sample import as_sample
from dmtest.targets import transforms
from dmtest.targets.targets import as_target
from dmtest.targets.transforms import mean_and_covariance, normal_scores, whiten
from tests.support.calls import refused
from tests.support.samples import mixing

# Moments


@settings(max_examples=60)
@given(st.integers(1, 300), st.integers(1, 6), st.integers(0, 2**32), st.booleans())
def test_mean_and_covariance(n: int, d: int, seed: int, single: bool) -> None:
    """Numpy's, with the 1/n divisor, of the same values in float64."""
    rng = np.random.default_rng(seed)
    x = rng.standard_t(3, (n, d)) * rng.uniform(0.1, 10, d) + rng.uniform(-5, 5, d)
    x = x.astype(np.float32) if single else x
    mean, covariance = mean_and_covariance(x)
    wide = x.astype(np.float64)
    assert_allclose(mean, wide.mean(axis=0), rtol=1e-12, atol=1e-13)
    size = float(wide.var(axis=0).max()) + 1e-300
    assert_allclose(covariance, np.cov(wide.T, ddof=0).reshape(d, d), atol=1e-12 * size)
    assert_array_equal(covariance, covariance.T)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("offset", [1e4, -1e6])
def test_large_offset(offset: float, dtype: type) -> None:
    """An offset of 1e4 or 1e6 standard deviations costs no digits beyond the data's own."""
    rng = np.random.default_rng(3)
    x = (rng.standard_normal((20_000, 5)) @ mixing(rng, 5) + offset).astype(dtype)
    mean, covariance = mean_and_covariance(x)
    wide = x.astype(np.longdouble)
    centred = wide - wide.mean(axis=0)
    exact = (centred.T @ centred / len(x)).astype(np.float64)
    assert_allclose(mean, wide.mean(axis=0).astype(np.float64), rtol=1e-14)
    assert_allclose(covariance, exact, rtol=1e-9, atol=1e-10 * exact.max())


def test_first_rows_unlike_the_rest() -> None:
    """The pivot comes from the first 256 rows: where they are far off, digits are still kept."""
    x = np.random.default_rng(4).standard_normal((100_000, 2))
    x[:256] += 1e3
    mean, covariance = mean_and_covariance(x)
    assert_allclose(mean, x.mean(axis=0), rtol=1e-11)
    assert_allclose(covariance, np.cov(x.T, ddof=0), rtol=1e-10)


def test_memory_mapped(tmp_path: Path) -> None:
    """A file on disk gives the bits that the array gives, moments and whitening alike."""
    x = np.random.default_rng(5).standard_normal((9000, 4)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    moments = mean_and_covariance(x)
    for here, there in zip(moments, mean_and_covariance(mapped), strict=True):
        assert_array_equal(here, there)
    assert_array_equal(whiten(x, *moments), whiten(mapped, *moments))


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiles are the same whatever the number of workers."""
    x = np.random.default_rng(6).standard_normal((30_000, 7))
    results = []
    for count in ("1", "2", "3"):
        monkeypatch.setenv("DMTEST_THREADS", count)
        mean, covariance = mean_and_covariance(x)
        results.append((mean, covariance, whiten(x, mean, covariance)))
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert_array_equal(one, two)


# Whitening


@settings(max_examples=40)
@given(st.integers(1, 8), st.integers(20, 200), st.integers(0, 2**32))
def test_whitened_rows_have_identity_covariance(d: int, n: int, seed: int) -> None:
    """Mean 0 and covariance I with the 1/n divisor, through the lower Cholesky factor."""
    rng = np.random.default_rng(seed)
    x = rng.standard_exponential((n, d)) @ mixing(rng, d) + 5.0
    mean, covariance = mean_and_covariance(x)
    y = whiten(x, mean, covariance)
    factor = np.linalg.cholesky(covariance)
    # Subtracting the mean costs digits where it is large beside the narrowest direction.
    offset = np.abs(mean).max() / np.sqrt(np.linalg.eigvalsh(covariance)[0])
    slack = 1e-13 * np.linalg.cond(covariance) * (1.0 + offset)
    assert_allclose(y, np.linalg.solve(factor, (x - mean).T).T, atol=slack)
    assert_allclose(y.mean(axis=0), 0.0, atol=slack)
    assert_allclose(y.T @ y / n, np.eye(d), atol=slack)


def test_whitening_undoes_a_triangular_map() -> None:
    """Whitened L g + m equals whitened g for lower triangular L: the docstring's statement."""
    rng = np.random.default_rng(7)
    g = rng.standard_normal((300, 6))
    factor = np.tril(rng.standard_normal((6, 6)), -1) + np.diag([0.1, 1, 2, 0.5, 10, 3])
    x = g @ factor.T + rng.standard_normal(6) * 100
    one, two = (whiten(z, *mean_and_covariance(z)) for z in (g, x))
    assert_allclose(two, one, atol=1e-9)
    # A full matrix only rotates: lengths agree, rows do not.
    z = g @ mixing(rng, 6)
    three = whiten(z, *mean_and_covariance(z))
    assert np.abs(three - one).max() > 0.1
    assert_allclose((three**2).sum(axis=1), (one**2).sum(axis=1), rtol=1e-8)


def test_whitening_with_given_moments() -> None:
    """A fully specified N(m, S) is standardised by m and S, not by the sample's own."""
    rng = np.random.default_rng(8)
    covariance = np.array([[4.0, 1.0], [1.0, 2.0]])
    g = rng.standard_normal((50, 2))
    x = g @ np.linalg.cholesky(covariance).T + [3.0, -1.0]
    assert_allclose(whiten(x, np.array([3.0, -1.0]), covariance), g, atol=1e-13)


def test_float32_whitening() -> None:
    """The dtype is kept, and an offset of 1e4 is subtracted before rounding."""
    rng = np.random.default_rng(9)
    x = (rng.standard_normal((5000, 4)) + 1e4).astype(np.float32)
    y = whiten(x, *mean_and_covariance(x))
    assert y.dtype == np.float32
    wide = whiten(x.astype(np.float64), *mean_and_covariance(x))
    assert np.abs(y - wide).max() < 1e-6
    assert_allclose(np.cov(y.T.astype(float), ddof=0), np.eye(4), atol=1e-6)


# Rank


def columns_of(x: np.ndarray) -> list[int]:
    """Find the columns that are not combinations of others."""
    mean, covariance = mean_and_covariance(x)
    noise = transforms.rounding_noise(mean, covariance, x.dtype)
    return [int(j) for j in transforms.independent_columns(covariance, len(x), noise)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [50, 5000, 200_000])
def test_rank(n: int, dtype: type) -> None:
    """Constant, repeated, rescaled and summed columns are left out, whatever their scale."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 4)).astype(dtype)
    assert columns_of(x) == [0, 1, 2, 3]
    assert columns_of(x * np.array([1e-6, 1.0, 1e3, 1e6], dtype)) == [0, 1, 2, 3]
    constant = np.concatenate([x, np.full((n, 1), 3.0, dtype)], axis=1)
    assert columns_of(constant) == [0, 1, 2, 3]
    for extra in (x[:, :1], -2.0 * x[:, 1:2], x[:, :1] + x[:, 1:2] - 0.5 * x[:, 2:3] + 7.0):
        found = columns_of(np.concatenate([x, extra.astype(dtype)], axis=1))
        assert len(found) == 4
        assert set(found) <= set(range(5))


def test_rank_of_nearly_dependent_columns() -> None:
    """What differs by 1e-3 of a standard deviation is data, not rounding, in both precisions."""
    rng = np.random.default_rng(10)
    x = rng.standard_normal((3000, 2))
    near = np.stack([x[:, 0], x[:, 0] + 1e-3 * x[:, 1]], axis=1)
    assert (columns_of(near), columns_of(near.astype(np.float32))) == ([0, 1], [0, 1])


def test_rank_of_softmax_rows() -> None:
    """Rows that sum to 1 up to float32 rounding have one column less."""
    rng = np.random.default_rng(11)
    logits = rng.standard_normal((4000, 10)).astype(np.float32)
    weights = np.exp(logits)
    assert len(columns_of(weights / weights.sum(axis=1, keepdims=True))) == 9


def test_rank_with_few_rows() -> None:
    """Six rows have a covariance of rank 5."""
    x = np.random.default_rng(12).standard_normal((6, 10))
    assert len(columns_of(x)) == 5


def test_whiten_independent() -> None:
    """What is left out is determined by the rest; nothing left is an error."""
    rng = np.random.default_rng(13)
    x = rng.standard_normal((400, 3))
    x = np.stack([x[:, 0], np.full(400, 2.0), x[:, 1], x[:, 0] - x[:, 1], x[:, 2]], axis=1)
    rows, columns = transforms.whiten_independent(x, *mean_and_covariance(x))
    assert rows.shape == (400, 3)
    assert 1 not in columns
    assert 4 in columns
    assert_allclose(rows.T @ rows / 400, np.eye(3), atol=1e-9)
    moments = np.ones(2), np.zeros((2, 2))
    refused("constant", transforms.whiten_independent, np.ones((9, 2)), *moments)


# Normal scores


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_normal_scores_at_the_ends(dtype: type) -> None:
    """0 and 1 become finite and opposite; what can be told from 1 stays apart."""
    resolution = float(np.finfo(dtype).epsneg)
    inside = dtype(1.0) - dtype(resolution)
    u = np.array([[0.0, 1.0, np.finfo(dtype).tiny, inside, 0.5, -0.1, 1.1]], dtype=dtype)
    zero, one, tiny, below_one, half, under, over = normal_scores(u, resolution)[0]
    assert zero == tiny == under == ndtri(0.5 * resolution)
    assert one == over == -zero
    assert below_one == -ndtri(resolution)
    assert 0.0 < below_one < one
    assert half == 0.0


def test_normal_scores_inside() -> None:
    """Both tails keep their relative accuracy as far as the input tells them from 0 and 1."""
    u = np.concatenate([10.0 ** np.linspace(-15.9, -0.31, 400), [0.5, 0.7, 1 - 2.0**-40]])
    z = normal_scores(u[:, None], float(np.finfo(np.float64).epsneg))[:, 0]
    assert_allclose(log_ndtr(z), np.log(u), rtol=1e-13, atol=1e-15)
    mirrored = normal_scores(1.0 - u[u > 1e-12][:, None], 2.0**-53)[:, 0]
    assert_allclose(mirrored, -z[u > 1e-12], rtol=1e-5)


def test_uniform_target_takes_normal_scores() -> None:
    """Through the target: values of the cube, and a box, come out as scores of their place."""
    rng = np.random.default_rng(14)
    u = rng.random((5000, 2))
    rows = as_target("uniform").canonical(as_sample(u)).rows
    assert_allclose(ndtr(rows), u, atol=1e-12)
    assert stats.kstest(rows.ravel(), "norm").pvalue > 1e-3
