"""Mean distances to a standard normal point, for energy statistics."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.polynomial.chebyshev import chebinterpolate
from scipy.special import gammaln, pdtr

from dmtest.runtime.typing import Vector

DEGREE = 80
# |y|^2 / d above which the asymptotic series is used, and its terms: the last is below 1e-19.
FAR, TERMS = 1e4, 6


def normal_distance(d: int) -> float:
    """E|Z - Z'| = 2 Gamma((d+1)/2) / Gamma(d/2) of two N(0, I) points in d dimensions."""
    return float(2.0 * np.exp(gammaln(0.5 * (d + 1)) - gammaln(0.5 * d)))


def mean_distance(squared: Vector, d: int) -> Vector:
    """E|y - Z| for Z from N(0, I) in d dimensions, as a function of |y|^2.

    sqrt 2 Gamma((d+1)/2) / Gamma(d/2) 1F1(-1/2; d/2; -|y|^2 / 2), from an interpolant of
    relative error below 1e-11 (scipy's hyp1f1 is infinite at d = 384, |y|^2 = 384), and far out
    from the asymptotic series of 1F1 (DLMF 13.7.2).

    Parameters
    ----------
    squared : ndarray
        |y|^2.
    d : int
    """
    from dmtest.kernels.special import chebyshev

    far = squared > FAR * d
    if far.any():
        found = np.empty(squared.shape)
        found[far] = _far_distance(np.asarray(squared[far], dtype=np.float64), d)
        if not far.all():
            found[~far] = mean_distance(squared[~far], d)
        return found
    coefficients, scale = interpolant(float(squared.max(initial=0.0)), d)
    v = np.log1p(squared / d) * (2.0 / scale) - 1.0
    series = np.empty_like(v)
    chebyshev(v, coefficients, series)
    return np.asarray(np.sqrt(squared + d) * series)


def _far_distance(squared: Vector, d: int) -> Vector:
    """|y| times the sum of (-1/2)_s ((1 - d)/2)_s / s! (2 / |y|^2)^s."""
    term, total = np.ones(squared.shape), np.ones(squared.shape)
    for s in range(TERMS):
        term = term * ((s - 0.5) * (s + 0.5 * (1 - d)) / (s + 1.0) * 2.0 / squared)
        total += term
    return np.asarray(np.sqrt(squared) * total)


def interpolant(top: float, d: int) -> tuple[Vector, float]:
    """Chebyshev coefficients of E|y - Z| / sqrt(|y|^2 + d), for |y|^2 up to `top`, and a scale.

    The variable is 2 log(1 + |y|^2 / d) / scale - 1.
    """
    # Domains double, so that samples share interpolants.
    reach = int(np.ceil(np.log2(max(1.0, np.log1p(top / d)))))
    return _interpolant(d, reach), 2.0**reach


@lru_cache(maxsize=64)
def _interpolant(d: int, reach: int) -> Vector:
    scale = 2.0**reach

    def ratio(v: Any) -> Any:
        squared = d * np.expm1(0.5 * scale * (v + 1.0))
        near = [_far_distance(s, d) if s > FAR * d else _mean_distance(0.5 * s, d) for s in squared]
        exact = np.array(near, dtype=np.float64)
        return exact / np.sqrt(squared + d)

    return np.asarray(chebinterpolate(ratio, DEGREE))


def _mean_distance(x: float, d: int) -> float:
    """E|y - Z|, |y|^2 = 2x: sqrt 2 E[Gamma((d+1)/2 + K) / Gamma(d/2 + K)], K from Poisson(x)."""
    reach = 12.0 * np.sqrt(x) + 40.0
    k = np.arange(max(0.0, np.floor(x - reach)), np.ceil(x + reach))
    weight = (
        np.diff(pdtr(k, x), prepend=0.0)
        if x < 20.0
        else np.exp(k * np.log(x) - x - gammaln(k + 1.0))
    )
    weight /= weight.sum()
    ratio = np.exp(gammaln(0.5 * (d + 1) + k) - gammaln(0.5 * d + k))
    return float(np.sqrt(2.0) * (weight @ ratio))
