"""The smoothed divergence of single columns: the smoothed sample itself, on a grid.

In one dimension the density of the rows after noise, p = mean of the noise's density around every
row, is a sum on a grid. KL(p || q) of it exceeds that of the law in expectation (the divergence is
convex), by about the bias that a second-order expansion gives, and its error is that of the mean of
the influence log(p / q), smoothed, over rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, log_ndtr, ndtri

from dmtest.engines.channel import Noise
from dmtest.results.estimate import hall_quantile
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.typing import Vector
from dmtest.statistics.influence import heaviest_tail, mean_skewness

# Shape of the tail of squared values from which on no upper bound is given: a few rows would decide
# it. Their variance is infinite from 1/2 on, but exponential tails look like that in thousands of
# rows.
HEAVIEST = 0.6
# Fewest rows of a bound.
FEWEST = 32
# Normal noise: steps of the grid in a standard deviation of the noise, standard deviations that
# its density reaches, and the largest value on the grid. Uniform noise: points of the grid.
STEPS, REACH, SPAN = 4, 7, 12.0
POINTS = 4096


@dataclass(frozen=True, slots=True)
class ColumnBounds:
    """Bounds of the divergence of columns after noise, in nats.

    Attributes
    ----------
    lower, upper : ndarray, shape (columns,)
        One-sided confidence bounds, each alone. `upper` is infinite where the tails are so heavy
        that a few rows decide the divergence.
    below, above : ndarray, shape (columns,)
        The divergence, at least 0: with its bias removed, and of the smoothed sample itself, which
        is too large on average.
    """

    lower: Vector
    upper: Vector
    below: Vector
    above: Vector

    @property
    def estimate(self) -> Vector:
        """The divergence with its bias removed: shape (columns,)."""
        return self.below


@dataclass(frozen=True, slots=True)
class Part:
    """An estimate of a divergence, bias not removed, and its errors.

    Attributes
    ----------
    value, bias : float
    influence : ndarray, shape (n,)
        The error to first order is the mean of it.
    spread, skewness : float
        Standard deviation and skewness of the error of second order.
    influence_below : ndarray, shape (n,), or None
        Influence on `value` less `bias`, where rows beyond the grid count by their share alone.
    """

    value: float
    bias: float
    influence: Vector
    spread: float
    skewness: float
    influence_below: Vector | None = None


def smoothed_column_bounds(
    columns: NDArray[Any], noise: float, alpha: float, *, kind: Noise = "gaussian"
) -> ColumnBounds:
    """Bound the smoothed divergence of every column from N(0, 1) (uniform: from U(0, 1)).

    Parameters
    ----------
    columns : ndarray, shape (n, columns)
        Columns or slices, on normal scale (uniform: in the unit interval).
    noise : float
        Standard deviation (uniform: half width) of the noise.
    alpha : float
        Each bound holds with probability 1 - alpha. Divide by the number of bounds that have to
        hold together.
    kind : {"gaussian", "uniform"}

    Returns
    -------
    ColumnBounds
    """

    def one(j: int) -> tuple[float, float, float, float]:
        values = np.ascontiguousarray(columns[:, j], dtype=np.float64)
        part = column_part(values, noise, kind)
        tail = heaviest_tail(np.square(values)) if kind == "gaussian" else 0.0
        ends = max(0.0, part.value - part.bias), max(0.0, part.value)
        return *limits(part, alpha, tail), *ends

    return ColumnBounds(*np.array(list(run_tasks(one, range(columns.shape[1])))).T)


def limits(part: Part, alpha: float, tail: float) -> tuple[float, float]:
    """Return the lower and the upper confidence bound of a part, each at 1 - `alpha`.

    `tail` is the heaviest shape that the tail of the squared lengths of the rows may have.
    """
    n = len(part.influence)
    if n < FEWEST:
        return 0.0, np.inf
    influence = part.influence if part.influence_below is None else part.influence_below
    below = np.hypot(
        first_order(influence, alpha, below=True),
        gamma_quantile(alpha, part.skewness) * part.spread,
    )
    above = np.hypot(first_order(part.influence, alpha), ndtri(alpha) * part.spread)
    lower = max(0.0, part.value - part.bias - float(below))
    return lower, max(0.0, part.value + float(above) + unseen(part.influence, tail))


def unseen(influence: Vector, tail: float) -> float:
    """Return how much of a mean the rows beyond the largest of the sample may carry.

    A sample that lacks them has a mean and an error that are too small together. One row in n is
    beyond the largest, and at a tail of shape t it is 1 / (1 - t) times as large on average. The
    share is infinite from the shape `HEAVIEST` on: no bound is given there.
    """
    if tail >= HEAVIEST:
        return np.inf
    excess = float(influence.max() - influence.mean())
    return max(0.0, excess) / (1.0 - max(0.0, tail)) / len(influence)


def first_order(influence: Vector, alpha: float, below: bool = False) -> float:
    """Return how far the mean of these influences is from the truth, above or `below`, at most."""
    error = float(influence.std(ddof=1)) / float(np.sqrt(len(influence)))
    z = float(ndtri(alpha))
    quantile = hall_quantile(-z if below else z, mean_skewness(influence))
    return max(0.0, quantile if below else -quantile) * error


def gamma_quantile(alpha: float, skewness: float) -> float:
    """Upper quantile of a standardised gamma law (Pearson's type III) of this skewness."""
    if skewness < 1e-3:
        return float(-ndtri(alpha))
    shape = 4.0 / skewness**2
    return float((gammaincinv(shape, 1.0 - alpha) - shape) / np.sqrt(shape))


def column_part(values: Vector, noise: float, kind: Noise) -> Part:
    """Return the divergence of one smoothed column from its smoothed target: values (n,)."""
    return _normal_part(values, noise) if kind == "gaussian" else _uniform_part(values, noise)


def _normal_part(values: Vector, s: float) -> Part:
    from dmtest.kernels.chi2 import add_to_grid, mean_on_grid

    n, v = len(values), 1.0 + s * s
    inside = np.abs(values) <= SPAN
    near = np.ascontiguousarray(values[inside])
    step, reach = s / STEPS, STEPS * REACH
    most = SPAN + (reach + 2) * step
    count = 2 * int(np.ceil(most / step)) + 1
    start = -0.5 * (count - 1) * step
    grid = start + step * np.arange(count)
    sums, squares = np.zeros(count), np.zeros(count)
    add_to_grid(near, start, step, s, reach, sums, squares)
    height = 1.0 / (s * np.sqrt(2.0 * np.pi))
    p = sums * height / n
    log_q = -0.5 * np.square(grid) / v - 0.5 * np.log(2.0 * np.pi * v)
    ratio = np.where(p > 0.0, np.log(np.maximum(p, 1e-300)) - log_q, 0.0)
    influence = np.empty(n)
    out = np.empty(len(near))
    mean_on_grid(near, start, step, s, reach, ratio * (height * step), out)
    influence[inside] = out
    # Rows beyond the grid: with f their share, KL >= f log(f / Q(beyond)) there. At most it is the
    # mean divergence of the noise around them, and so is their influence.
    far = values[~inside]
    influence[~inside] = 0.5 * (np.log(v / s**2) - 1.0 + (np.square(far) + s * s) / v)
    used = p > 1e-290
    effective = step * height**2 / n * float(np.sum(squares[used] / p[used]))
    bias, spread, skewness = second_order(effective, 1.0 / v, n)
    value = float(influence.mean())
    below = None
    if len(far):
        share = len(far) / n
        each = np.log(share) - np.log(2.0) - float(log_ndtr(-SPAN / np.sqrt(v)))
        bias += float(influence[~inside].sum()) / n - share * each
        below = np.where(inside, influence, each)
    return Part(value, bias, influence, spread, skewness, below)


def second_order(effective: float, ratio: float, n: int) -> tuple[float, float, float]:
    """Return the bias of KL of a smoothed sample, and spread and skewness of that part.

    It is a sum of squares of normals with weights w / (2 n). Their sum is `effective` - 1; taken
    to be geometric, as they are for the target (w_k = `ratio`^k), this gives their squares.
    """
    total = max(effective - 1.0, ratio / (1.0 - ratio))
    w = total / (1.0 + total)
    second, third = w**2 / (1.0 - w**2), w**3 / (1.0 - w**3)
    spread = float(np.sqrt(0.5 * second)) / n
    return 0.5 * (effective - 1.0) / n, spread, float(third / n**3) / spread**3


def _uniform_part(values: Vector, e: float) -> Part:
    n = len(values)
    edges = np.linspace(-e, 1.0 + e, POINTS + 1)
    step = edges[1] - edges[0]
    y = 0.5 * (edges[1:] + edges[:-1])
    ordered = np.sort(np.clip(values, 0.0, 1.0))
    inside = np.searchsorted(ordered, y + e, "right") - np.searchsorted(ordered, y - e, "left")
    q = (np.minimum(y + e, 1.0) - np.maximum(y - e, 0.0)) / (2.0 * e)
    p = inside / (2.0 * e * n)
    ratio = np.where(p > 0.0, np.log(np.maximum(p, 1e-300) / q), 0.0)
    total = np.concatenate([[0.0], np.cumsum(ratio) * step])
    clipped = np.clip(values, 0.0, 1.0)
    influence = np.interp(clipped + e, edges, total) - np.interp(clipped - e, edges, total)
    influence /= 2.0 * e
    # Var of the density at y is p (1 / (2 e) - p) / n.
    effective = float(np.sum(p > 0.0) * step / (2.0 * e))
    w = effective / (1.0 + effective)
    bias, spread, skewness = second_order(effective, w, n)
    return Part(float(np.sum(p * ratio) * step), bias, influence, spread, skewness)
