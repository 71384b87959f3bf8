"""Statistics of third and fourth moments: D'Agostino-Pearson's K^2 and Jarque-Bera."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmtest.runtime.typing import Vector

if TYPE_CHECKING:
    from dmtest.engines.slices import SliceView


def dagostino_pearson(view: SliceView) -> Vector:
    """K^2 of D'Agostino & Pearson (1973): squared scores of skewness and kurtosis, added.

    Fitted: equals ``scipy.stats.normaltest`` (skewness score of D'Agostino 1970, kurtosis
    score of Anscombe & Glynn 1983), except that exactly symmetric data score 0 where scipy
    substitutes 1 for a zero. Known parameters: the same two normalising transformations
    applied to the mean of z^3 and of z^4, whose exact moments under N(0, 1) replace those
    of the sample skewness and kurtosis, which detects shifts and scales too.

    Returns
    -------
    ndarray, shape (k,); about chi-squared with 2 degrees of freedom; larger is worse.
    """
    n = view.n
    if view.known:
        third, fourth = raw_moments(view.central)
        skew = johnson_score(third / np.sqrt(15.0 / n), 3.0 + 43.2 / n)
        kurt = hilferty_score((fourth - 3.0) / np.sqrt(96.0 / n), 9504.0 / 96.0**1.5 / np.sqrt(n))
    else:
        _, c2, c3, c4 = view.central.T
        skew = skewness_score(c3 / c2**1.5, n)
        kurt = kurtosis_score(c4 / c2**2, n)
    return skew**2 + kurt**2


def jarque_bera(view: SliceView) -> Vector:
    """Statistic n (S^2 / 6 + (K - 3)^2 / 24) of Jarque & Bera (1980), with 1/n moments.

    Fitted: equals ``scipy.stats.jarque_bera``. Known parameters: S and K are the means of
    z^3 and z^4, whose null variances are 15/n and 96/n instead of 6/n and 24/n.

    Returns
    -------
    ndarray, shape (k,); asymptotically chi-squared with 2 degrees of freedom.
    """
    n = view.n
    if view.known:
        third, fourth = raw_moments(view.central)
        return np.asarray(n * (third**2 / 15.0 + (fourth - 3.0) ** 2 / 96.0))
    _, c2, c3, c4 = view.central.T
    return np.asarray(n * ((c3 / c2**1.5) ** 2 / 6.0 + (c4 / c2**2 - 3.0) ** 2 / 24.0))


def raw_moments(central: Vector) -> tuple[Vector, Vector]:
    """Means of z^3 and z^4 from the mean and the central moments."""
    m, c2, c3, c4 = central.T
    return c3 + 3.0 * m * c2 + m**3, c4 + 4.0 * m * c3 + 6.0 * m**2 * c2 + m**4


def skewness_score(skewness: Vector, n: int) -> Vector:
    """Normal score of the sample skewness (D'Agostino 1970), n >= 8."""
    y = skewness * np.sqrt((n + 1) * (n + 3) / (6.0 * (n - 2)))
    beta2 = (
        3.0
        * (n * n + 27.0 * n - 70.0)
        * ((n + 1.0) * (n + 3.0))
        / ((n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0))
    )
    return johnson_score(y, beta2)


def kurtosis_score(kurtosis: Vector, n: int) -> Vector:
    """Normal score of the sample kurtosis (Anscombe & Glynn 1983), n >= 8."""
    mean = 3.0 * (n - 1) / (n + 1)
    variance = 24.0 * n * (n - 2) * (n - 3) / ((n + 1.0) ** 2 * (n + 3) * (n + 5))
    skewness = (
        6.0
        * (n * n - 5.0 * n + 2.0)
        / ((n + 7.0) * (n + 9.0))
        * np.sqrt(6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0)))
    )
    return hilferty_score((kurtosis - mean) / np.sqrt(variance), skewness)


def johnson_score(y: Vector, kurtosis: float) -> Vector:
    """Map a symmetric, standardised variable of given kurtosis to a normal score.

    Johnson's S_U transformation.
    """
    w2 = np.sqrt(2.0 * (kurtosis - 1.0)) - 1.0
    delta = 1.0 / np.sqrt(0.5 * np.log(w2))
    return np.asarray(delta * np.arcsinh(y / np.sqrt(2.0 / (w2 - 1.0))))


def hilferty_score(x: Vector, skewness: float) -> Vector:
    """Map a standardised variable of given positive skewness to a normal score.

    Anscombe & Glynn's use of Wilson & Hilferty's cube root.
    """
    a = 6.0 + 8.0 / skewness * (2.0 / skewness + np.sqrt(1.0 + 4.0 / skewness**2))
    denominator = 1.0 + x * np.sqrt(2.0 / (a - 4.0))
    root = np.cbrt((1.0 - 2.0 / a) / denominator)
    return np.asarray((1.0 - 2.0 / (9.0 * a) - root) / np.sqrt(2.0 / (9.0 * a)))
