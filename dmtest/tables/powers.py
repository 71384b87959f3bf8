"""Power transformations: the exponent that makes a column most like a normal.

Box & Cox (1964) for values above 0, Yeo & Johnson (2000) for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from dmtest.runtime.typing import Vector

# Exponents that are tried, and the most rows that they are tried on.
LARGEST, STEP, ROWS = 5.0, 0.1, 5000
# Exponents nearer to 0 are the logarithm.
NEAR_LOG = 1e-6
# The first of these inside the 95% interval, nearest to the estimate, is suggested instead of it.
ROUND = (-2.0, -1.0, -0.5, -1.0 / 3.0, 0.0, 1.0 / 3.0, 0.5, 2.0)
# Half of the .95 quantile of chi-squared with one degree of freedom.
DROP = 1.9207


class Power(NamedTuple):
    """A power transformation, with the 95% interval of its exponent by the profile likelihood."""

    family: str
    power: float
    low: float
    high: float

    def apply(self, x: Vector) -> Vector:
        """Return the transformed values."""
        from scipy import stats

        function = stats.boxcox if self.family == "box-cox" else stats.yeojohnson
        return np.asarray(function(x, self.power))


def suggest_power(x: Vector) -> Power | None:
    """Return the suggested transformation of one column; None if the interval holds 1.

    None also where the likelihood has its maximum at an end of the range -5 to 5.
    """
    from scipy import optimize, stats

    positive = bool(x.min() > 0.0)
    family = "box-cox" if positive else "yeo-johnson"
    likelihood = stats.boxcox_llf if positive else stats.yeojohnson_llf
    some = x[:: -(-len(x) // ROWS)]
    if positive:
        some = some / np.exp(np.log(some).mean())  # the likelihood does not depend on the unit
    grid = np.arange(-LARGEST, LARGEST + 0.5 * STEP, STEP)

    def height(power: float) -> float:
        with np.errstate(all="ignore"):
            # Differences of x^power with powers this small are rounding.
            value = float(likelihood(0.0 if abs(power) < NEAR_LOG else power, some))
        return value if np.isfinite(value) else -1e300

    heights = np.array([height(one) for one in grid.tolist()])
    top = int(heights.argmax())
    if top in (0, len(grid) - 1) or heights[top] == -1e300:
        return None
    ends = (float(grid[top - 1]), float(grid[top + 1]))
    best = float(
        optimize.minimize_scalar(lambda one: -height(one), bounds=ends, method="bounded").x
    )
    cut = height(best) - DROP
    low = _crossing(height, cut, best, grid[grid < best][::-1].tolist())
    high = _crossing(height, cut, best, grid[grid > best].tolist())
    if low <= 1.0 <= high:
        return None
    near = [one for one in ROUND if low <= one <= high]
    power = min(near, key=lambda one: abs(one - best)) if near else round(best, 2)
    return Power(family, power, low, high)


def _crossing(
    height: Callable[[float], float], cut: float, best: float, outwards: Sequence[float]
) -> float:
    """Place where the likelihood falls to `cut`, outwards from its maximum; the end if nowhere."""
    from scipy import optimize

    inside = best
    for one in outwards:
        if height(one) < cut:
            return float(optimize.brentq(lambda at: height(at) - cut, inside, one))
        inside = one
    return inside
