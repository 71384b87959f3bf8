"""Bias and width of a posterior from its ranks: a normal law of normal scores, by cells.

If posterior and true value are normal, the normal score of the true value in its posterior follows
N(bias, ratio^2): `bias` is the mean of (truth - posterior mean) in posterior standard deviations,
and the right standard deviation is `ratio` times that of the posterior. The ranks show the score
up to cells; the likelihood of their counts gives both numbers, apart from each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc, log_ndtr, ndtri

from dmtest.runtime.typing import Vector

# Bounds of the fit, in posterior standard deviations and in logarithms of the ratio.
FARTHEST, WIDEST = 10.0, 4.0


@dataclass(frozen=True, slots=True)
class ProbitFit:
    """A fit, with p-values of likelihood ratios.

    Attributes
    ----------
    bias, ratio : float
        Maximum-likelihood estimates.
    bias_pvalue, ratio_pvalue : float
        Of bias = 0 whatever the ratio, and of ratio = 1 whatever the bias.
    """

    bias: float
    ratio: float
    bias_pvalue: float
    ratio_pvalue: float


def probit_fit(counts: NDArray[Any], edges: Vector) -> ProbitFit:
    """Fit one column.

    Parameters
    ----------
    counts : ndarray of int, shape (cells,)
    edges : ndarray, shape (cells + 1,)
        Ends of the cells in the unit interval.
    """
    from scipy.optimize import minimize, minimize_scalar

    z, n = ndtri(edges), float(counts.sum())
    seen = np.flatnonzero(counts)
    low, high, weights = z[seen], z[seen + 1], counts[seen] / n

    def loss(bias: float, log_ratio: float) -> float:
        scale = np.exp(-log_ratio)
        a, b = (low - bias) * scale, (high - bias) * scale
        # Both ends in the same tail, where differences of the cdf keep their digits.
        flip = a > 0.0
        a, b = np.where(flip, -b, a), np.where(flip, -a, b)
        upper = log_ndtr(b)
        with np.errstate(divide="ignore"):
            inside = np.log(-np.expm1(np.minimum(log_ndtr(a) - upper, -1e-300)))
        return -float(weights @ np.maximum(upper + inside, -1e6))

    shift, width = (-FARTHEST, FARTHEST), (-WIDEST, WIDEST)
    no_bias = minimize_scalar(lambda v: loss(0.0, v), bounds=width, method="bounded")
    no_width = minimize_scalar(lambda v: loss(v, 0.0), bounds=shift, method="bounded")

    def joint_loss(v: Vector) -> np.float64:
        return np.float64(loss(float(v[0]), float(v[1])))

    starts = np.array([[float(no_width.x), 0.0], [0.0, float(no_bias.x)]])
    fits = [
        minimize(joint_loss, start, method="L-BFGS-B", bounds=[shift, width]) for start in starts
    ]
    best = min(fits, key=lambda one: float(one.fun))
    bias, log_ratio = (float(v) for v in best.x)
    gains = [2.0 * n * max(0.0, float(o.fun) - float(best.fun)) for o in (no_bias, no_width)]
    bias_pvalue, ratio_pvalue = (float(chdtrc(1.0, gain)) for gain in gains)
    return ProbitFit(bias, float(np.exp(log_ratio)), bias_pvalue, ratio_pvalue)
