"""Moments of scaled residuals: skewness and kurtosis of several columns at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.gram import PairSum
from dmtest.engines.rows import Asks, RowView, Values
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.typing import Vector
from dmtest.statistics.rows.distances import normal_distance


def mardia_skewness(view: RowView) -> Asks:
    """(1/n^2) sum g_jk^3. Mardia (1970); equals mnt's MSkew, and MVN's after n/6."""
    from dmtest.kernels import pairs as kernels

    cubes = yield PairSum(kernels.quartic, constants=(0.0, 1.0, 0.0, 0.0, 0.0))
    value = float((2.0 * cubes + (view.squared**3).sum()) / view.n**2)
    return value, value


def mardia_kurtosis(view: RowView) -> Values:
    """(1/n) sum r^4; d (d + 2) for a normal. Mardia (1970); equals mnt's MKurt.

    MVN reports its standardised form.
    """
    value = float(np.square(view.squared).mean())
    return value, value


def koziol_kurtosis(view: RowView) -> Asks:
    """(1/n^2) sum g_jk^4. Koziol (1989); equals mnt's KKurt."""
    from dmtest.kernels import pairs as kernels

    fourths = yield PairSum(kernels.quartic, constants=(1.0, 0.0, 0.0, 0.0, 0.0))
    value = float((2.0 * fourths + (view.squared**4).sum()) / view.n**2)
    return value, value


def mori_rohatgi_szekely(view: RowView) -> Values:
    """|(1/n) sum r_j^2 Y_j|^2, which is (1/n^2) sum r_j^2 r_k^2 g_jk.

    Mori, Rohatgi & Szekely (1993); equals mnt's MRSSkew.
    """
    mean = _weighted_mean(view, view.squared)
    value = float(mean @ mean)
    return value, value


def manzotti_quiroz_1(view: RowView) -> Asks:
    """Sum of squared means of spherical harmonics of degree 1 to 4 of Y/|Y|, times n.

    The harmonics are orthonormal on the unit sphere; the addition theorem makes it a sum over
    pairs of Gegenbauer polynomials of the cosine. Manzotti & Quiroz (2001); equals mnt's MQ1. The n
    pairs j = k add the number of harmonics, which does not vary.
    """
    from dmtest.kernels import pairs as kernels

    n, d = view.n, view.d
    one, two = float(d), 0.5 * (d + 2.0)
    three, four = d * (d + 4.0) / 6.0, d * (d + 6.0) / 24.0
    coefficients = (
        four * (d + 2.0) * (d + 4.0),
        three * (d + 2.0),
        two * d - 6.0 * four * (d + 2.0),
        one - 3.0 * three,
        3.0 * four - two,
    )
    pairs = yield PairSum(kernels.cosine_quartic, constants=coefficients)
    varying = 2.0 * float(pairs) / n
    return varying + sum(coefficients), varying


def manzotti_quiroz_2(view: RowView) -> Values:
    """Form n f' V^-1 f of the means f of |Y|^3 times harmonics of degree 1 and 2, |Y| and |Y|^3.

    The last two less their means under N(0, I); V is the covariance of the functions there.
    Manzotti & Quiroz (2001); equals mnt's MQ2.
    """
    n, d = view.n, view.d
    length = np.sqrt(view.squared)
    first = _weighted_mean(view, view.squared)
    second = _weighted_square(view, length)
    centred = np.square(second).sum() - np.trace(second) ** 2 / d
    sixth = d * (d + 2.0) * (d + 4.0)
    angular = (d * (first @ first) + 0.5 * d * (d + 2.0) * centred) / sixth
    fourth, mean = d * (d + 2.0), normal_distance(d) / np.sqrt(2.0)  # E|Z|^4, E|Z|
    gap = np.array([length.mean() - mean, (length**3).mean() - mean * (d + 1.0)])
    cross = fourth - mean**2 * (d + 1.0)
    spread = np.array([[d - mean**2, cross], [cross, sixth - (mean * (d + 1.0)) ** 2]])
    value = float(n * (angular + gap @ np.linalg.solve(spread, gap)))
    return value, value


def _weighted_mean(view: RowView, weights: Vector) -> Vector:
    total = np.zeros(view.d)
    for part in blocks(view.n, ROW_TILE):
        total += weights[part] @ view.rows[part].astype(np.float64)
    return total / view.n


def _weighted_square(view: RowView, weights: Vector) -> NDArray[Any]:
    total = np.zeros((view.d, view.d))
    for part in blocks(view.n, ROW_TILE):
        tile = view.rows[part].astype(np.float64)
        total += (tile * weights[part, None]).T @ tile
    return total / view.n
