"""Published null distributions that are quadratic forms in normals, inverted numerically.

The limits of Cramer-von Mises and Epps-Pulley are sums of weighted chi-squares; their tails
come from the moment generating function, to about ten digits of p.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln

from dmtest.runtime.typing import Vector

Complex: TypeAlias = NDArray[np.complex128]


def as_array(values: ArrayLike) -> Vector:
    """Return `values` as float64."""
    return np.asarray(values, dtype=np.float64)


def as_probability(values: ArrayLike) -> Vector:
    """Return `values` cut off at 0 and 1."""
    return as_array(np.clip(as_array(values), 0.0, 1.0))


def _tail(mgf: Callable[[Complex], Complex], statistic: ArrayLike, edge: float) -> Vector:
    """P(Q > x) from ``mgf(z) = E exp(zQ)``, which is analytic off the cut [edge, inf).

    The inversion integral on a parabola around the cut (Weideman & Trefethen 2007): 16
    nodes give 1e-11 relative to p, down to p = 1e-260, where it stops.
    """
    nodes = 16
    x = np.clip(as_array(statistic), 1e-12, 600.0 / edge)[..., None]
    path = np.asarray(1.0 + 3.0j / nodes * (np.arange(nodes) + 0.5), dtype=np.complex128)
    scale = np.pi * nodes / (12.0 * x)
    z = np.asarray(edge - scale * path**2, dtype=np.complex128)
    with np.errstate(invalid="ignore"):
        # (mgf - 1)/z rather than mgf/z: without the pole at 0 every x has one contour
        terms = (mgf(z) - 1.0) / z * np.exp(-z * x) * scale * path
    return as_probability(6.0 / (np.pi * nodes) * terms.real.sum(axis=-1))


def cramer_von_mises_known(statistic: ArrayLike, n: float) -> Vector:
    """W^2 known: limit and 1/n term of Csorgo & Faraway (1996); n = inf is the limit.

    Equals scipy.stats.cramervonmises and goftest's pCvM to 1e-12 up to W^2 = 1, and is
    better beyond, where their series lose the tail (off by 2e-10 at 4). Neglects 1/n^2:
    size at .05: .050, .049, .051.
    """

    def mgf(z: Complex) -> Complex:
        a = np.sqrt(-2.0 * z)
        q = np.exp(-2.0 * a)
        ratio = 2.0 * a * np.exp(-a) / (1.0 - q)  # a / sinh a
        correction = a**2 / 144 + ratio**2 / 32 + 7 * a * (1 + q) / (1 - q) / 288 + ratio / 36
        root = np.sqrt(2.0 * a) * np.exp(-0.5 * a) / np.sqrt(1.0 - q)
        return np.asarray(root * (1.0 + (1.0 / 12.0 - correction) / n))

    x = as_array(statistic)
    p = _tail(mgf, x, 0.5 * np.pi**2)
    return np.where(x <= 1.0 / (12.0 * n), 1.0, np.where(x >= n / 3.0, 0.0, p))


@lru_cache(maxsize=2)
def _epps_pulley_eigenvalues(first: int) -> Vector:
    """Eigenvalues of the limiting covariance in L2 of N(0, 1), largest first.

    The covariance is ``exp(-(s^2+t^2)/2) sum_{k >= first} (st)^k / k!``: known parameters
    remove k = 0, fitted ones k = 0, 1, 2 (Baringhaus & Henze 1988). So the eigenvalues are
    those of the Gram matrix of ``t^k exp(-t^2/2) / sqrt(k!)``.
    """
    k = np.arange(first, first + 100)
    m = k[:, None] + k
    moment = gammaln(m + 1.0) - gammaln(0.5 * m + 1.0) - 0.5 * (m * np.log(2.0))
    half = 0.5 * gammaln(k + 1.0)
    log_gram = moment - 0.5 * np.log(3.0) * (m + 1.0) - half[:, None] - half
    values = np.linalg.eigvalsh(np.where(m % 2 == 0, np.exp(log_gram), 0.0))[::-1]
    return np.asarray(values[values > 1e-16 * values[0]])


def _epps_pulley(statistic: ArrayLike, first: int) -> Vector:
    eigenvalues = _epps_pulley_eigenvalues(first)

    def mgf(z: Complex) -> Complex:
        product = np.ones_like(z)
        for value in eigenvalues:
            product /= np.sqrt(1.0 - 2.0 * value * z)
        return product

    return _tail(mgf, statistic, 0.5 / float(eigenvalues[0]))


def epps_pulley_known(statistic: ArrayLike, n: int) -> Vector:
    """Epps-Pulley known: its limit, a sum of weighted chi-squares (Epps & Pulley 1983).

    The limit is computed to 1e-8. Size at .05: .049, .049, .050; at .001 and n = 10: .0007.
    """
    return _epps_pulley(statistic, 1)


def epps_pulley_fitted(statistic: ArrayLike, n: int) -> Vector:
    """Epps-Pulley fitted: its limit, a sum of weighted chi-squares (Baringhaus & Henze 1988).

    The limit is computed to 1e-8; conservative at small n. Size at .05: .041, .045, .050 for
    residuals with the n - 1 standard deviation (n = 10: .032), .045, .047, .050 with 1/n.
    """
    return _epps_pulley(statistic, 3)
