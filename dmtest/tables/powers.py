"""Power transformations: the exponent that makes a column most like a normal.

Box & Cox (1964) for values above 0, Yeo & Johnson (2000) for all others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dmtest.runtime.typing import Vector

# Exponents that are tried, and the most rows that they are tried on.
LARGEST, STEP, ROWS = 5.0, 0.05, 5000
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
    from scipy import stats

    positive = bool(x.min() > 0.0)
    family = "box-cox" if positive else "yeo-johnson"
    likelihood = stats.boxcox_llf if positive else stats.yeojohnson_llf
    some = x[:: -(-len(x) // ROWS)]
    if positive:
        some = some / np.exp(np.log(some).mean())  # the likelihood does not depend on the unit
    grid = np.arange(-LARGEST, LARGEST + 0.5 * STEP, STEP)
    with np.errstate(all="ignore"):
        heights = np.array([float(likelihood(one, some)) for one in grid])
    heights = np.where(np.isfinite(heights), heights, -np.inf)
    top = int(heights.argmax())
    if top in (0, len(grid) - 1) or not np.isfinite(heights[top]):
        return None
    best, height = _vertex(grid[top - 1 : top + 2], heights[top - 1 : top + 2])
    # Fewer rows than the column has make the interval that of the rows that were used.
    inside = heights >= height - DROP
    low = _crossing(grid, heights, height - DROP, int(inside.argmax()), -1)
    high = _crossing(grid, heights, height - DROP, len(grid) - 1 - int(inside[::-1].argmax()), 1)
    if low <= 1.0 <= high:
        return None
    near = [one for one in ROUND if low <= one <= high]
    power = min(near, key=lambda one: abs(one - best)) if near else round(best, 2)
    return Power(family, power, low, high)


def _vertex(x: Vector, y: Vector) -> tuple[float, float]:
    """Place and height of the vertex of the parabola through three points of one distance."""
    step, bend = x[1] - x[0], y[0] - 2.0 * y[1] + y[2]
    if not np.isfinite(bend) or bend >= 0.0:
        return float(x[1]), float(y[1])
    shift = 0.5 * (y[0] - y[2]) / bend
    return float(x[1] + shift * step), float(y[1] - 0.25 * (y[0] - y[2]) * shift)


def _crossing(x: Vector, y: Vector, height: float, last: int, side: int) -> float:
    """Place where a curve falls below a height, beyond the last point above it."""
    out = last + side
    if not 0 <= out < len(x) or not np.isfinite(y[out]):
        return float(x[last])
    share = (y[last] - height) / (y[last] - y[out])
    return float(x[last] + share * (x[out] - x[last]))
