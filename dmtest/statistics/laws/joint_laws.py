"""Published null distributions of joint statistics: their p-values.

A law that the catalogue refers to takes the statistic, the view of the sample and the test's
parameters; an exact mean takes n and d.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import chdtrc, ndtr

from dmtest.engines.rows import RowView
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws.quadratic import as_array


def lognormal(statistic: ArrayLike, n: int, d: int, beta: float | None = None) -> Vector:
    """Henze & Zirkler (1990): BHEP is lognormal, with the limit's exact mean and variance.

    `beta` is Henze and Zirkler's bandwidth by default. An approximation even in the limit:
    the true 1% point of n = 20, d = 2 gets .0149. Above d = 32 the statistic and these
    moments round to 1 and the p-value is noise: use Monte Carlo. Equals pingouin and MVN.
    """
    b2 = 0.5 * ((2 * d + 1) * n / 4.0) ** (2.0 / (d + 4)) if beta is None else beta**2
    a, w = 1.0 + 2.0 * b2, (1.0 + b2) * (1.0 + 3.0 * b2)
    dd = d * (d + 2)
    deficit = a ** (-0.5 * d) * (1.0 + d * b2 / a + dd * b2**2 / (2.0 * a**2))
    variance = (
        2.0 * (1.0 + 4.0 * b2) ** (-0.5 * d)
        + 2.0 * a**-d * (1.0 + 2.0 * d * b2**2 / a**2 + 3.0 * dd * b2**4 / (4.0 * a**4))
        - 4.0 * w ** (-0.5 * d) * (1.0 + 3.0 * d * b2**2 / (2.0 * w) + dd * b2**4 / (2.0 * w**2))
    )
    x = np.maximum(as_array(statistic), 1e-300)
    spread = np.log1p(variance / (1.0 - deficit) ** 2)
    centre = np.log1p(-deficit) - 0.5 * spread
    return as_array(ndtr((centre - np.log(x)) / np.sqrt(spread)))


def lognormal_of_varying(varying: ArrayLike, n: int, d: int) -> Vector:
    """:func:`lognormal` of Henze-Zirkler statistics by their varying part, which is 1 less."""
    return lognormal(1.0 + as_array(varying), n, d)


def henze_zirkler(statistic: float, view: RowView, beta: float | None = None) -> float:
    """P-value by :func:`lognormal`, at Henze and Zirkler's bandwidth by default."""
    return float(lognormal(statistic, view.n, view.d, beta))


def bhep(statistic: float, view: RowView, beta: float = 1.0) -> float:
    """P-value by :func:`lognormal` at bandwidth `beta`; Henze & Wagner (1997) for beta = 1."""
    return float(lognormal(statistic, view.n, view.d, beta))


def mardia_skewness(statistic: float, view: RowView) -> float:
    """Mardia (1970): n/6 times the statistic is chi-squared with d(d+1)(d+2)/6 degrees.

    Rejects far too rarely at small n. Equals MVN for n >= 20; below, MVN has another factor.
    """
    d = view.d
    return float(chdtrc(d * (d + 1.0) * (d + 2.0) / 6.0, view.n * statistic / 6.0))


def mardia_skewness_scale(n: float, d: int) -> float:
    """Standard deviation in the limit, that of 6/n times a chi-squared variable."""
    return float(6.0 / n * np.sqrt(d * (d + 1.0) * (d + 2.0) / 3.0))


def mardia_skewness_mean(n: float, d: int) -> float:
    """Exact mean under normality (Mardia 1970, 1974): many standard deviations from 0."""
    return d * (d + 2.0) * ((n + 1.0) * (d + 1.0) - 6.0) / ((n + 1.0) * (n + 3.0))


def mardia_kurtosis(statistic: float, view: RowView) -> float:
    """Mardia (1970): normal with mean d(d+2) and variance 8d(d+2)/n, two-sided; as MVN."""
    mean = view.d * (view.d + 2.0)
    return float(2.0 * ndtr(-abs(statistic - mean) / np.sqrt(8.0 * mean / view.n)))


def mardia_kurtosis_scale(n: float, d: int) -> float:
    """Standard deviation in the limit (Mardia 1970)."""
    return float(np.sqrt(8.0 * d * (d + 2.0) / n))


def mardia_kurtosis_mean(n: float, d: int) -> float:
    """Exact mean under normality (Mardia 1970, 1974): many standard deviations from 0."""
    return d * (d + 2.0) * (n - 1.0) / (n + 1.0)
