"""Moments in one pass: float32 against float64, and lines that the leading values misrepresent."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

from dmtest.engines import moments
from dmtest.engines.directions import random_directions
from dmtest.engines.slices import evaluate_slices, slice_statistics
from dmtest.statistics.slices.moments import dagostino_pearson


def exact(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean and central moments from their definitions, in long double."""
    wide = rows.astype(np.longdouble)
    mean = wide.mean(axis=1)
    apart = wide - mean[:, None]
    return np.stack([mean, *((apart**j).mean(axis=1) for j in (2, 3, 4))], axis=1).astype(float)


def assert_close_to_null(found: NDArray[np.float64], rows: NDArray[np.floating]) -> None:
    """Mean, variance, skewness, kurtosis: within 1e-4 of their null standard deviations."""
    n = rows.shape[1]
    mean, c2, c3, c4 = exact(rows).T
    scale = np.sqrt(c2)
    assert np.all(np.abs(found[:, 0] - mean) <= 1e-5 * scale / np.sqrt(n) + 1e-15 * np.abs(mean))
    assert_allclose(found[:, 1], c2, rtol=1e-4 / np.sqrt(n))
    skewness, kurtosis = found[:, 2] / found[:, 1] ** 1.5, found[:, 3] / found[:, 1] ** 2
    large = 1.0 + np.abs(kurtosis)
    assert np.all(np.abs(skewness - c3 / scale**3) <= 1e-4 * np.sqrt(6.0 / n) * large)
    assert np.all(np.abs(kurtosis - c4 / c2**2) <= 1e-4 * np.sqrt(24.0 / n) * large)


@settings(max_examples=40)
@given(
    st.sampled_from(["normal", "offset", "far", "tiny", "huge", "uniform", "skew", "t3"]),
    st.sampled_from([8, 300, 4095, 4096, 5001, 20000]),
    st.integers(0, 2**32),
)
def test_slice_moments(kind: str, n: int, seed: int) -> None:
    """Long float32 lines are within 1e-4 of the null's standard deviation, whatever their scale."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((3, n))
    x = {
        "offset": x + 100.0,
        "far": 1e3 * x - 3e4,
        "tiny": 1e-25 * x,
        "huge": 1e25 * x,
        "uniform": rng.random((3, n)),
        "skew": rng.exponential(size=(3, n)),
        "t3": rng.standard_t(3, (3, n)),
    }.get(kind, x)
    rows = x.astype(np.float32)
    assert_close_to_null(moments.slice_moments(rows), rows)


@pytest.mark.parametrize("kind", ["sorted", "outlier", "quiet start", "equal start", "loud start"])
def test_misleading_start(kind: str) -> None:
    """A line that its first values misrepresent is added up again in float64."""
    x = np.random.default_rng(5).standard_normal((2, 9000))
    if kind == "sorted":
        x.sort(axis=1)
    elif kind == "outlier":
        x[:, 5000] = 1e12
    elif kind == "quiet start":
        x[:, :600] *= 1e-15
    elif kind == "equal start":
        x[:, :600] = 0.25
        x *= 1e-13
    else:
        x[:, :600] *= 1e9
    rows = x.astype(np.float32)
    found = moments.slice_moments(rows)
    assert_allclose(found[:, 1:], exact(rows)[:, 1:], rtol=2e-5)
    if kind in ("sorted", "outlier"):
        assert_allclose(found, exact(rows), rtol=1e-12, atol=1e-12)
    assert_allclose(moments.projected_moments(rows.T.copy(), np.eye(2)), found, rtol=2e-5)


def test_constant_lines() -> None:
    """A constant line has no spread at all, so that it is refused."""
    rows = np.full((2, 5000), 0.1, dtype=np.float32)
    rows[1, 4500] = 0.2
    found = moments.slice_moments(rows)
    assert_array_equal(found[0], [np.float32(0.1), 0.0, 0.0, 0.0])
    assert found[1, 1] > 0.0


@pytest.mark.parametrize("n", [500, 4096, 10_001])
def test_projections_equal_lines(n: int) -> None:
    """K^2 of projections that are never kept equals that of the lines, in both precisions."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal((n, 12)) + 3.0
    u = random_directions(40, 12, rng)
    one = {"k2": dagostino_pearson}
    for dtype, atol in ((np.float64, 1e-10), (np.float32, 2e-3)):
        rows = x.astype(dtype)
        fused = slice_statistics(rows, u, "fitted", one, moments_only=True)
        wide = evaluate_slices(u @ rows.T.astype(np.float64), "fitted", one)
        assert_allclose(fused, wide, rtol=1e-3 if dtype == np.float32 else 1e-10, atol=atol)
