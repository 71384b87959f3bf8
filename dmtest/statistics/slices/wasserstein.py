"""The squared Wasserstein-2 distance of slices to N(0, 1), and its mean under the null."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import gammaln, log_ndtr, ndtri

from dmtest.engines.slices import SliceView
from dmtest.runtime.typing import Vector

# Rows at which the null of n W2^2 has settled, except its mean, which grows as log log n.
NULL_ROWS = 2000
# That mean for N(0, 1), by quadrature over order statistics (twin: tests/support/twins.py).
MEANS = {
    2_000: 3.41468,
    20_000: 3.64333,
    100_000: 3.77797,
    1_000_000: 3.94455,
    10_000_000: 4.08795,
    100_000_000: 4.21376,
}


@lru_cache(maxsize=8)
def quantile_cells(n: int) -> Vector:
    """Integrals of Phi^-1 over the cells ((i-1)/n, i/n): shape (n,)."""
    edges = ndtri(np.arange(1, n) / n)
    density: Vector = np.concatenate([[0.0], np.exp(-0.5 * edges**2) / np.sqrt(2.0 * np.pi), [0.0]])
    cells: Vector = density[:-1] - density[1:]
    cells.flags.writeable = False
    return cells


def squared_wasserstein(view: SliceView) -> Vector:
    """W2^2 of each slice's empirical law to N(0, 1), exactly: shape (k,).

    ``mean z^2 - 2 sum c_i z_(i) + 1`` with c_i the integral of Phi^-1 over the i-th cell
    (the quantile coupling). Fitted slices have mean 0 and variance 1 (1/n).
    """
    product = view.weighted(quantile_cells(view.n))
    if view.known:
        second = view.central[:, 1] + view.central[:, 0] ** 2
        return np.maximum(second - 2.0 * product + 1.0, 0.0)
    return np.maximum(2.0 - 2.0 * product / np.sqrt(view.central[:, 1]), 0.0)


def growth(n: int) -> float:
    """Growth of the null mean of n W2^2 from NULL_ROWS rows to n; 0 at fewer."""
    places = [np.log(np.log(m)) for m in MEANS]
    means = list(MEANS.values())
    return float(np.interp(np.log(np.log(n)), places, means) - means[0])


@lru_cache(maxsize=64)
def null_mean(n: int) -> float:
    """Mean of W2^2 between n rows of N(0, 1) and N(0, 1), the effect of sampling alone.

    2 - 2 sum c_i E z_(i), with c_i the integral of Phi^-1 over the i-th cell: order statistics by
    quadrature of sum c_i times their densities. From NULL_ROWS rows on by MEANS.
    """
    if n >= NULL_ROWS:
        return (MEANS[NULL_ROWS] + growth(n)) / n
    z = np.linspace(0.0, 9.0, 1201)
    before = np.arange(n)
    ways = gammaln(n) - gammaln(before + 1.0) - gammaln(n - before)
    weights = np.exp(
        ways + np.outer(log_ndtr(z), before) + np.outer(log_ndtr(-z), n - 1.0 - before)
    )
    density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
    # z times an odd function: twice the integral over the positive half.
    values = z * n * density * (weights @ quantile_cells(n))
    total = 2.0 * float((np.diff(z) * (values[1:] + values[:-1]) / 2.0).sum())
    return 2.0 - 2.0 * total
