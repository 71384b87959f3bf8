"""From merged sums to effect sizes: plain numpy, the formulas of dmtest's reports."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, log_ndtr

__all__ = ["of_moments", "sampling"]

Vector = NDArray[np.float64]


def of_moments(mean: Vector, covariance: Vector, n: int) -> dict[str, float]:
    """Effects that mean and 1/n covariance determine; NaN where the covariance is singular."""
    from dmtest.effects.gaussian import unbiased_parts
    from dmtest.targets.transforms import independent_columns

    d = len(mean)
    eigenvalues = np.maximum(np.linalg.eigvalsh(covariance), 0.0)
    trace = float(eigenvalues.sum())
    square = float(np.square(eigenvalues).sum())
    found = {"effective-rank": trace**2 / square if square > 0.0 else math.nan}
    full = n > d + 1 and len(independent_columns(covariance, n)) == d
    if full:
        parts = unbiased_parts(mean, covariance, n)
        names = ("kl-mean", "kl-scale", "kl-correlation", "kl-fitted-normal")
        # No part can be negative; an unbiased estimate of 0 is, half of the time.
        found |= {name: max(0.0, float(part)) for name, part in zip(names, parts, strict=True)}
        found["isotropy"] = math.exp(float(np.log(eigenvalues).mean())) / (trace / d)
    elif n > d + 1:
        found["isotropy"] = 0.0
    return found


@lru_cache(maxsize=64)
def sampling(n: int) -> float:
    """Mean of W2^2 between n rows of N(0, 1) and N(0, 1): what sampling alone gives.

    2 - 2 sum c_i E z_(i), with c_i the integral of Phi^-1 over the i-th cell: order statistics by
    quadrature of sum c_i times their densities. From 2,000 rows on by the table of
    :mod:`dmtest.effects.wasserstein`.
    """
    from dmtest.statistics.slices.wasserstein import MEANS, NULL_ROWS, growth, quantile_cells

    if n >= NULL_ROWS:
        return (MEANS[NULL_ROWS] + growth(n)) / n
    z = np.linspace(0.0, 9.0, 1201)
    before = np.arange(n)
    ways = gammaln(n) - gammaln(before + 1.0) - gammaln(n - before)
    weights = np.exp(
        ways + np.outer(log_ndtr(z), before) + np.outer(log_ndtr(-z), n - 1.0 - before)
    )
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    # z times an odd function: twice the integral over the positive half.
    total = 2.0 * np.trapezoid(z * n * density * (weights @ quantile_cells(n)), z)
    return float(2.0 - 2.0 * total)
