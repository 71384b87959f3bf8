"""Errors of estimates that are means over rows, from the influence of every row."""

from __future__ import annotations

import math

import numpy as np

from dmtest.runtime.typing import Vector

# Share of the rows that show the tail of a variable; fewest of them.
TAIL, FEWEST = 0.1, 20
# One-sided 95% quantile: the heaviest tail that the rows do not exclude.
QUANTILE = 1.645


def mean_error(influence: Vector) -> float:
    """Standard error of a mean whose rows have these influences, shape (n,)."""
    spread = float(influence.std(ddof=1))
    return spread / math.sqrt(len(influence))


def mean_skewness(influence: Vector) -> float:
    """Skewness of a mean whose rows have these influences, shape (n,); 0 if they are equal."""
    centred = influence - influence.mean()
    squares = centred * centred
    variance = float(np.mean(squares))
    if not variance > 0.0:
        return 0.0
    return float(np.mean(squares * centred)) / math.pow(variance, 1.5) / math.sqrt(len(influence))


def heaviest_tail(values: Vector, errors: float = QUANTILE) -> float:
    """Upper confidence limit of the shape of the upper tail, so many standard errors up.

    The exceedances of the largest tenth of the rows are taken to follow a generalised Pareto law,
    whose shape is estimated from probability-weighted moments (Hosking & Wallis 1987). Moments of
    order 1 / shape and above are infinite. The shape is 0 for exponential tails, negative for
    bounded ones; where there are too few rows it is taken to be infinite.
    """
    count = int(TAIL * len(values))
    if count < FEWEST:
        return float("inf")
    top = np.sort(np.partition(values, -count - 1)[-count - 1 :])
    excess = top[1:] - top[0]
    first = float(excess.mean())
    if not first > 0.0:
        return -float("inf")
    share = 1.0 - (np.arange(count) + 0.65) / count
    second = float(np.mean(excess * share))
    shape = 2.0 - first / (first - 2.0 * second)
    # Asymptotic variance of the estimate; it holds below 1/2, and the largest is taken above.
    at = min(max(shape, -0.5), 0.45)
    variance = (1.0 - at) * (2.0 - at) ** 2 * (1.0 - at + 2.0 * at * at)
    variance /= (1.0 - 2.0 * at) * (3.0 - 2.0 * at)
    return shape + errors * math.sqrt(variance / count)
