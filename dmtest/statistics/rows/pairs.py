"""Weighted distances between characteristic functions, and energy: sums over pairs of rows.

Every statistic is given as its formula over all n^2 pairs, D_jk = |Y_j - Y_k|^2 and
r_j^2 = |Y_j|^2. The n pairs j = k are constants: the second value, which is
calibrated, leaves them out if they are much larger than the part that varies.
"""

from __future__ import annotations

import numpy as np

from dmtest.engines.gram import PairSum
from dmtest.engines.rows import Asks, RowView
from dmtest.statistics.rows.distances import mean_distance, normal_distance


def henze_zirkler_beta(n: int, d: int) -> float:
    """Henze & Zirkler's (1990) bandwidth ((2d+1) n / 4)^(1/(d+4)) / sqrt 2."""
    return float(((2 * d + 1) * n / 4.0) ** (1.0 / (d + 4.0)) / np.sqrt(2.0))


def mmd_beta(d: int) -> float:
    """Bandwidth min(1, sqrt(5/d)): typical pairs then have exponents of at most 5.

    With a fixed bandwidth exp(-beta^2 D / 2) is negligible between any two points in high
    dimension, and the statistic detects nothing.
    """
    return float(min(1.0, np.sqrt(5.0 / d)))


def henze_zirkler(view: RowView, beta: float | None = None) -> Asks:
    """BHEP with the bandwidth of Henze & Zirkler (1990), which shrinks as n grows.

    Equals R's MVN (1/n covariance) and mnt, and pingouin. In high dimension the statistic is
    1 + 1e-9 and the published p-values are noise; the part that varies is calibrated here.
    """
    return (yield from bhep(view, henze_zirkler_beta(view.n, view.d) if beta is None else beta))


def bhep(view: RowView, beta: float = 1.0) -> Asks:
    """(1/n) sum exp(-b^2 D/2) - 2 (1+b^2)^(-d/2) sum exp(-b^2 r^2/(2(1+b^2))) + n (1+2b^2)^(-d/2).

    The squared distance, times n, between the empirical characteristic function and
    exp(-|t|^2/2), weighted with the density of N(0, b^2 I). Henze & Wagner (1997); equals
    mnt's BHEP, and for b = 1 MVN's Henze-Wagner.
    """
    from dmtest.kernels import pairs as kernels

    n, d, b2 = view.n, view.d, beta**2
    mass = yield PairSum(kernels.mass, near=0.5 * b2)
    single = np.exp(-0.5 * b2 / (1.0 + b2) * view.squared).sum()
    varying = (
        2.0 * mass / n
        - 2.0 * (1.0 + b2) ** (-d / 2.0) * single
        + n * (1.0 + 2.0 * b2) ** (-d / 2.0)
    )
    return float(1.0 + varying), float(varying)


def mmd(view: RowView, beta: float | None = None) -> Asks:
    """Squared maximum mean discrepancy from N(0, I) times n, kernel exp(-b^2 |x-y|^2 / 2).

    The formula of BHEP on the rows as they are; Gretton et al. (2012), in closed form.
    `beta` is :func:`mmd_beta` by default: 1 up to d = 5.
    """
    return (yield from bhep(view, mmd_beta(view.d) if beta is None else beta))


def energy_fitted(view: RowView) -> Asks:
    """Energy distance of the residuals times n, scaled with the 1/(n-1) covariance.

    2 sum E|Y_j - Z| - n E|Z - Z'| - (1/n) sum |Y_j - Y_k|. Szekely & Rizzo (2005); equals
    energy's mvnorm.e (mnt's series fails in high dimension).
    """
    return (yield from _energy(view, np.sqrt((view.n - 1.0) / view.n)))


def energy_known(view: RowView) -> Asks:
    """Energy distance of the rows from N(0, I), times n: as :func:`energy_fitted`, unscaled."""
    return (yield from _energy(view, 1.0))


def energy_known_mean(n: float, d: int) -> float:
    """Exact mean under N(0, I), whatever n: E|Z - Z'|."""
    return float(normal_distance(d))


def _energy(view: RowView, scale: float) -> Asks:
    from dmtest.kernels import pairs as kernels

    n, d = view.n, view.d
    distances = yield PairSum(kernels.mass, distance=True)
    towards = mean_distance(scale**2 * view.squared, d).sum()
    value = float(2.0 * towards - n * normal_distance(d) - 2.0 * scale * distances / n)
    return value, value


def stein(view: RowView, length: float | None = None) -> Asks:
    """Squared kernel Stein discrepancy from N(0, I), times n.

    (1/n) sum of u_jk = g phi + 2 phi' (D - d) - 4 D phi'' for the inverse multiquadric
    phi(D) = (1 + D/l^2)^(-1/2), l = sqrt d by default. Liu, Lee & Jordan (2016); Gorham &
    Mackey (2017). A V-statistic: it includes the pairs j = k, which depend on the lengths of rows.
    """
    from dmtest.kernels import pairs as kernels

    n, d = view.n, view.d
    scale = 1.0 / (float(d) if length is None else length**2)
    pairs = yield PairSum(kernels.stein, constants=(scale, float(d)))
    value = float((2.0 * pairs + view.squared.sum()) / n + d * scale)
    return value, value
