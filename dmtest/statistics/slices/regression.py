"""Statistics of the normal Q-Q plot: Shapiro-Wilk and Shapiro-Francia; smaller is worse."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from dmtest.runtime.typing import Vector

if TYPE_CHECKING:
    from dmtest.engines.slices import SliceView


def shapiro_wilk(view: SliceView) -> Vector:
    """W with the weights of Royston's AS R94 (1995).

    Fitted: equals ``scipy.stats.shapiro`` and R's ``shapiro.test``; beyond n = 5000, where
    those stop, the same formula goes on (its weights tend to Shapiro-Francia's) and the
    p-value is calibrated by Monte Carlo. Known parameters: the share of sum z^2 that the
    line y = b_i explains, ``1 - sum (z_(i) - b_i)^2 / sum z^2`` with ``b = sqrt(n-1) a``,
    so that departures of location and scale lower it too.

    Returns
    -------
    ndarray, shape (k,); 1 is perfect, smaller is worse.
    """
    weights = royston_weights(view.n)
    return explained_share(view, np.sqrt(view.n - 1.0) * weights if view.known else weights)


def shapiro_francia(view: SliceView) -> Vector:
    """W' = squared correlation of sorted values and Blom's scores (Shapiro & Francia 1972).

    Fitted: equals R's ``nortest::sf.test``. Known parameters: as for Shapiro-Wilk with
    ``b`` the scores themselves.

    Returns
    -------
    ndarray, shape (k,); 1 is perfect, smaller is worse.
    """
    return explained_share(view, blom_scores(view.n))


def explained_share(view: SliceView, weights: Vector) -> Vector:
    """Share of a slice's sum of squares that its Q-Q line explains."""
    product = view.weighted(weights)
    length = float(weights @ weights)
    if view.known:
        total = view.n * (view.central[:, 1] + view.central[:, 0] ** 2)
        return np.asarray((2.0 * product - length) / total)
    return np.asarray(product**2 / (length * view.n * view.central[:, 1]))


@lru_cache(maxsize=16)
def blom_scores(n: int) -> Vector:
    """Approximate expected normal order statistics Phi^-1((i - 3/8) / (n + 1/4))."""
    half = np.asarray(ndtri((np.arange(1, n // 2 + 1) - 0.375) / (n + 0.25)))
    scores = np.concatenate([half, np.zeros(n % 2), -half[::-1]])
    scores.flags.writeable = False
    return scores


@lru_cache(maxsize=16)
def royston_weights(n: int) -> Vector:
    """Shapiro-Wilk weights a_i of Royston (1992, AS R94 1995), n >= 6, of unit length."""
    m = blom_scores(n).copy()
    length = float(m @ m)
    x = 1.0 / np.sqrt(n)
    last = np.polyval([-2.706056, 4.434685, -2.071190, -0.147981, 0.221157, 0.0], x)
    next_last = np.polyval([-3.582633, 5.682633, -1.752461, -0.293762, 0.042981, 0.0], x)
    last += m[-1] / np.sqrt(length)
    next_last += m[-2] / np.sqrt(length)
    rest = (length - 2.0 * m[-1] ** 2 - 2.0 * m[-2] ** 2) / (
        1.0 - 2.0 * last**2 - 2.0 * next_last**2
    )
    weights: Vector = m / np.sqrt(rest)
    weights[[-1, -2]] = last, next_last
    weights[[0, 1]] = -last, -next_last
    weights.flags.writeable = False
    return weights
