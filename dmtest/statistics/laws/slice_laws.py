"""Published null distributions of the univariate statistics: their p-values.

Each function takes the statistic (an array or a number, scaled as in
``dmtest.statistics``) and the number of rows n, and returns p-values of the statistic's
shape. *fitted*: mean and variance are estimated from the sample; *known*: N(0, 1) is
given. NaN maps to NaN. An n outside the published range raises InputError.

"Size at .05" below is the measured rejection rate at p <= .05 of normal samples with
n = 20, 50, 200 (100,000, 60,000 and 20,000 samples; standard errors .0007, .0009, .0015).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import ArrayLike
from scipy.special import kolmogorov, ndtr

from dmtest.errors import InputError
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws.quadratic import as_array, as_probability


def _check(test: str, n: float, low: int, high: float = np.inf) -> None:
    if not low <= n <= high:
        bounds = f"n >= {low}" if high == np.inf else f"{low} <= n <= {high}"
        raise InputError(
            f"n: got {n} rows; the null distribution of {test} is published for {bounds}; "
            f"use calibration='monte-carlo'."
        )


def chi_squared_2(statistic: ArrayLike, n: int) -> Vector:
    """Chi-squared with 2 degrees of freedom: Jarque-Bera, and both moment tests when known.

    Jarque & Bera (1980). Converges slowly. Size at .05: fitted .024, .036, .045; known .063,
    .059, .053; at .01: fitted .011, .017, .019; known .037, .031, .019. Known
    D'Agostino-Pearson: .052, .051, .049; at .01: .019, .016, .012.
    """
    return as_array(np.exp(-0.5 * np.maximum(as_array(statistic), 0.0)))


def dagostino_pearson(statistic: ArrayLike, n: int) -> Vector:
    """K^2 fitted: chi-squared with 2 degrees of freedom, n >= 8 (as scipy's normaltest).

    D'Agostino & Pearson (1973). The two scores are uncorrelated, not independent. Size at
    .05: .057, .055, .055; at .01: .020, .018, .015.
    """
    _check("dagostino-pearson", n, 8)
    return chi_squared_2(statistic, n)


def shapiro_wilk(statistic: ArrayLike, n: int) -> Vector:
    """Lower tail of W fitted, 3 <= n <= 5000: Royston (1995), AS R94.

    Exact for n = 3, else a normal approximation to a transform of 1 - W: size at .05
    .049, .048, .049. Equals scipy.stats.shapiro and R's shapiro.test.
    """
    _check("shapiro-wilk", n, 3, 5000)
    w = as_array(statistic)
    if n == 3:
        angle = np.arcsin(np.sqrt(np.clip(w, 0.75, 1.0)))
        return as_probability(6.0 / np.pi * (angle - np.pi / 3.0))
    with np.errstate(divide="ignore"):
        y = np.log1p(-np.minimum(w, 1.0))
        if n <= 11:
            y = -np.log(np.maximum(-2.273 + 0.459 * n - y, 0.0))
            mean = polyval(n, [0.5440, -0.39978, 0.025054, -6.714e-4])
            sd = np.exp(polyval(n, [1.3822, -0.77857, 0.062767, -0.0020322]))
        else:
            mean = polyval(np.log(n), [-1.5861, -0.31082, -0.083751, 0.0038915])
            sd = np.exp(polyval(np.log(n), [-0.4803, -0.082676, 0.0030302]))
    return as_array(ndtr((mean - y) / sd))


def shapiro_francia(statistic: ArrayLike, n: int) -> Vector:
    """Lower tail of W' fitted, 5 <= n <= 5000: Royston (1993), as nortest's sf.test.

    log(1 - W') is taken as normal: size at .05: .052, .051, .051.
    """
    _check("shapiro-francia", n, 5, 5000)
    u = np.log(n)
    v = np.log(u)
    mean, sd = -1.2725 + 1.0521 * (v - u), 1.0308 - 0.26758 * (v + 2.0 / u)
    with np.errstate(divide="ignore"):
        return as_array(ndtr((mean - np.log1p(-np.minimum(as_array(statistic), 1.0))) / sd))


def _stephens(
    z: Vector, edges: Sequence[float], rows: Sequence[Sequence[float]], top: float, least: float
) -> Vector:
    """D'Agostino & Stephens (1986), table 4.9: exp of parabolas, 1 - exp on the first two."""
    piece = np.searchsorted(edges, z, side="right")
    a, b, c = np.moveaxis(np.asarray(rows)[piece], -1, 0)
    inside = np.minimum(z, top)
    exponent = a + b * inside + c * inside**2
    p = np.where(piece < 2, -np.expm1(exponent), np.exp(exponent))
    return as_probability(np.where(z >= top, least, p))


def anderson_darling_fitted(statistic: ArrayLike, n: int) -> Vector:
    """A^2 fitted, n >= 8: D'Agostino & Stephens (1986), as nortest's ad.test.

    Formula for A^2 (1 + .75/n + 2.25/n^2); from 10 on its smallest value, 3.7e-24
    (statsmodels' normal_ad goes on to 13, then returns 0). Size at .05: .050, .049, .050.
    """
    _check("anderson-darling", n, 8)
    z = as_array(statistic) * (1.0 + 0.75 / n + 2.25 / n**2)
    rows = (
        (-13.436, 101.14, -223.73),
        (-8.318, 42.796, -59.938),
        (0.9177, -4.279, -1.38),
        (1.2937, -5.709, 0.0186),
    )
    return _stephens(z, (0.2, 0.34, 0.6), rows, 10.0, 3.7e-24)


def cramer_von_mises_fitted(statistic: ArrayLike, n: int) -> Vector:
    """W^2 fitted, n >= 8: D'Agostino & Stephens (1986), as nortest's cvm.test.

    Formula for W^2 (1 + .5/n); from 1.1 on its smallest value, 7.37e-10. Size at .05: .050,
    .050, .051.
    """
    _check("cramer-von-mises", n, 8)
    rows = (
        (-13.953, 775.5, -12542.61),
        (-5.903, 179.546, -1515.29),
        (0.886, -31.62, 10.897),
        (1.111, -34.242, 12.832),
    )
    z = as_array(statistic) * (1.0 + 0.5 / n)
    return _stephens(z, (0.0275, 0.051, 0.092), rows, 1.1, 7.37e-10)


def watson_fitted(statistic: ArrayLike, n: int) -> Vector:
    """U^2 fitted, n >= 8: D'Agostino & Stephens (1986), table 4.9.

    Formula for U^2 (1 + .5/n), constant from its minimum at 1.18 on. Size at .05: .050, .050, .050.
    """
    _check("watson", n, 8)
    rows = (
        (-13.642, 766.31, -12432.74),
        (-6.3328, 214.57, -2022.28),
        (0.8510, -32.006, -3.45),
        (1.325, -38.918, 16.45),
    )
    z = as_array(statistic) * (1.0 + 0.5 / n)
    top = 38.918 / (2.0 * 16.45)
    return _stephens(z, (0.0262, 0.048, 0.094), rows, top, np.exp(1.325 - 38.918 * top / 2.0))


def anderson_darling_known(statistic: ArrayLike, n: float) -> Vector:
    """A^2 known: Marsaglia & Marsaglia (2004), as goftest's pAD; n = inf is the limit.

    Two fits to the limit (error below 2e-6) and one to the 1/n correction, clipped to
    [0, 1]; p never falls below .0006/n (2e-6 in the limit): read it as "at most" there.
    Size at .05: .050, .049, .051.
    """
    z = np.clip(as_array(statistic), 1e-3, 100.0)
    low = [2.00012, 0.247105, -0.0649821, 0.0347962, -0.0116720, 0.00168691]
    high = [1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146]
    limit = np.where(
        z < 2.0,
        np.exp(-1.2337141 / z) / np.sqrt(z) * polyval(np.minimum(z, 2.0), low),
        np.exp(-np.exp(polyval(np.maximum(z, 2.0), high))),
    )
    return as_probability(1.0 - limit - _anderson_darling_correction(limit, n))


def _anderson_darling_correction(x: Vector, n: float) -> Vector:
    """Correction of the limiting cdf x for finite n (Marsaglia & Marsaglia 2004)."""
    c = 0.01265 + 0.1757 / n
    left = np.clip(x / c, 0.0, 1.0)
    first = np.sqrt(left) * (1.0 - left) * (49.0 * left - 102.0)
    first = first * (0.0037 / n**3 + 0.00078 / n**2 + 0.00006 / n)
    middle = [-0.00022633, 6.54034, -14.6538, 14.458, -8.259, 1.91864]
    second = polyval((x - c) / (0.8 - c), middle) * (0.04213 / n + 0.01365 / n**2)
    right = [-130.2137, 745.2337, -1705.091, 1950.646, -1116.360, 255.7844]
    third = polyval(x, right) / n
    return np.where(x > 0.8, third, np.where(x < c, first, second))


def kolmogorov_smirnov_fitted(statistic: ArrayLike, n: int) -> Vector:
    """D fitted (Lilliefors), n >= 5: Dallal & Wilkinson (1986), as nortest's lillie.test.

    Where that p exceeds .1, Stephens' (1974) modified D and polynomials; the two join with
    a small jump. Size at .05: .048, .050, .052.
    """
    _check("kolmogorov-smirnov", n, 5)
    d = np.clip(as_array(statistic), 0.0, 1.0)
    m = min(n, 100)
    scaled = d * (n / m) ** 0.49
    p = -7.01256 * scaled**2 * (m + 2.78019) + 2.99587 * scaled * np.sqrt(m + 2.78019)
    p = np.exp(p - 0.122119 + 0.974598 / np.sqrt(m) + 1.67997 / m)
    k = d * (np.sqrt(n) - 0.01 + 0.85 / np.sqrt(n))
    inside = np.clip(k, 0.302, 1.31)
    pieces = (
        (2.76773, -19.828315, 80.709644, -138.55152, 81.218052),
        (-4.901232, 40.662806, -97.490286, 94.029866, -32.355711),
        (6.198765, -19.558097, 23.186922, -12.234627, 2.423045),
    )
    low, middle, high = (polyval(inside, piece) for piece in pieces)
    loose = np.where(k <= 0.302, 1.0, np.where(k <= 0.5, low, np.where(k <= 0.9, middle, high)))
    return as_probability(np.where(p > 0.1, np.where(k > 1.31, 0.0, loose), p))


def kolmogorov_smirnov_known(statistic: ArrayLike, n: int) -> Vector:
    """D known, two-sided, at finite n: scipy.stats.kstwo (Simard & L'Ecuyer 2011).

    Exact to 1e-12 for n <= 140; for larger n partly Pelz and Good's (1976) expansion,
    within 2e-6. Equals scipy's kstest by default.
    """
    from scipy.stats import kstwo

    return as_array(kstwo.sf(as_array(statistic), n))


def kuiper_known(statistic: ArrayLike, n: int) -> Vector:
    """V known, n >= 8: Kuiper's (1960) series at Stephens' (1970) modified V.

    The modification is fitted to the upper tail. Size at .05: .049, .048, .048.
    """
    _check("kuiper", n, 8)
    x = as_array(statistic) * (np.sqrt(n) + 0.155 + 0.24 / np.sqrt(n))
    k = np.arange(1.0, 7.0)
    # the series converges for large x; its theta-transformed twin for small x
    far = 2.0 * (k * np.clip(x, 0.9, 30.0)[..., None]) ** 2
    near = 0.5 * (np.pi * k / np.clip(x, 0.1, 0.9)[..., None]) ** 2
    tail = 2.0 * ((2.0 * far - 1.0) * np.exp(-far)).sum(axis=-1)
    cdf = (2.0 * near * np.exp(-near)).sum(axis=-1) * np.sqrt(2.0 * np.pi) / np.clip(x, 0.1, 0.9)
    return as_probability(np.where(x > 0.9, tail, 1.0 - cdf))


def watson_known(statistic: ArrayLike, n: int) -> Vector:
    """U^2 known, n >= 8: Watson's (1961) limit at Stephens' (1970) modified U^2.

    The limit is Kolmogorov's at pi U. Size at .05: .051, .050, .048.
    """
    _check("watson", n, 8)
    modified = (as_array(statistic) - 0.1 / n + 0.1 / n**2) * (1.0 + 0.8 / n)
    return as_array(kolmogorov(np.pi * np.sqrt(np.maximum(modified, 0.0))))
