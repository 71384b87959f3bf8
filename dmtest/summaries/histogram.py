"""Statistics of slices of N(0, 1) from counts in fine cells, each with proven bounds.

A cell [a, b) knows the number c of its values and their mean up to a fraction of the cell, and the
ranks of its values follow from the counts below it. What is unknown, the places of the values about
their mean, changes a statistic by terms of second order in the width of the cells.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr, ndtr, ndtri

from dmtest.kernels.bins import (
    BITS,
    CELLS,
    MIDDLE,
    MOST_PACKED,
    PER_OCTAVE,
    PER_UNIT,
    PLACES,
    REACH,
    TAIL,
    cell_counts,
)
from dmtest.runtime.typing import Vector

Counts = NDArray[np.int64]

# Step and nodes of the trapezoidal rule of Epps-Pulley: its period, 64, is more than twice the
# reach of the cells away from every value in them, and exp(-t^2/2) is below 1e-16 at the last node.
STEP, NODES = 2.0 * np.pi / 64.0, 90
# Rounding of a value to a place, and of the sums of logarithms, relative to the rows.
PLACE_ROUNDING, SUM_ROUNDING = 1e-14, 1e-13
# Cells in a block of the sums of waves.
WAVES = 8192


class Bounds(NamedTuple):
    """A statistic of slices: an estimate and what it lies between, shape (k,) each."""

    low: Vector
    middle: Vector
    high: Vector


@lru_cache(maxsize=1)
def edges() -> Vector:
    """Edges of the cells, in ascending order: shape (CELLS + 1,)."""
    middle = -REACH + np.arange(MIDDLE + 1) / PER_UNIT
    far = REACH * np.exp2(np.arange(1, TAIL + 1) / PER_OCTAVE)
    out: Vector = np.concatenate([-far[::-1], middle, far])
    out.flags.writeable = False
    return out


class Tally:
    """Counts of k slices: packed cells, which are unpacked before they overflow.

    Parameters
    ----------
    k : int
    """

    def __init__(self, k: int) -> None:
        self.packed = np.zeros((k, CELLS), dtype=np.int64)
        self.rows = 0
        self.before: Counts | None = None

    def add(self, slices: NDArray[np.floating]) -> None:
        """Add the values of slices, shape (k, n) or (tiles, k, n)."""
        block = np.ascontiguousarray(slices if slices.ndim == 3 else slices[None])
        rows = block.shape[0] * block.shape[2]
        if self.rows + rows > MOST_PACKED:
            self.before = self.counts
            self.packed[:] = 0
            self.rows = 0
        cell_counts(block, edges(), self.packed)
        self.rows += rows

    @property
    def counts(self) -> Counts:
        """Number of values of every cell, and the sum of their places: shape (k, CELLS, 2).

        They may be those that were merged, and are never changed.
        """
        if not self.rows and self.before is not None:
            return self.before
        out = np.empty((*self.packed.shape, 2), dtype=np.int64)
        np.right_shift(self.packed, BITS, out=out[..., 0])
        np.bitwise_and(self.packed, (1 << BITS) - 1, out=out[..., 1])
        if self.before is not None:
            out += self.before
        return out

    def merge(self, counts: Counts) -> None:
        """Add counts."""
        self.before = counts if self.before is None else self.before + counts

    def copy(self) -> Tally:
        """Return counts that can be added to, apart from these."""
        other = Tally(0)
        other.packed, other.rows, other.before = self.packed.copy(), self.rows, self.before
        return other


class Cells(NamedTuple):
    """The occupied cells of one slice, an array each."""

    left: Vector
    right: Vector
    number: Vector
    below: Vector
    mean: Vector
    slack: Vector


def cells(counts: Counts) -> Cells:
    """Return the occupied cells of the counts of one slice, shape (CELLS, 2).

    `mean` is the mean of the values of a cell up to `slack`; `below` the values in cells before.
    """
    used = np.flatnonzero(counts[:, 0])
    left, right = edges()[used], edges()[used + 1]
    count = counts[used, 0].astype(np.float64)
    share = (counts[used, 1] / count + 0.5) / PLACES
    width = right - left
    slack = width * (0.5 / PLACES) + PLACE_ROUNDING * np.maximum(1.0, np.abs(left))
    return Cells(left, right, count, np.cumsum(count) - count, left + width * share, slack)


def anderson_darling(counts: Counts) -> Bounds:
    """A^2 = -n - (1/n) sum [w log Phi(z) + v log Phi(-z)] of every slice.

    A value z of rank i has w = 2i - 1 and v = 2(n - i) + 1. With their means W and V over a
    cell, the sum over the cell is that of F(z) = W log Phi(z) + V log Phi(-z), plus that of
    (w - W) logit Phi(z). F is concave: its sum lies between those of its chord and of its value
    at the mean (Jensen). Ranks and logit rise together, so the second sum is at least 0
    (Chebyshev), and at most c^2/4 times the rise of the logit over the cell.

    Parameters
    ----------
    counts : ndarray, shape (k, CELLS, 2)
    """
    return _stacked([_anderson_darling(one) for one in counts])


def _anderson_darling(counts: Counts) -> tuple[float, float, float]:
    cell = cells(counts)
    n = float(cell.number.sum())
    lower = 2.0 * cell.below + cell.number
    upper = 2.0 * n - lower
    logs = {place: _logs(getattr(cell, place)) for place in ("left", "right", "mean")}
    left, right, centre = (lower * logs[p][0] + upper * logs[p][1] for p in logs)
    slope = (right - left) / (cell.right - cell.left)
    chord = left + slope * (cell.mean - cell.left)
    first = lower * _hazard(-cell.mean) - upper * _hazard(cell.mean)
    rise = (logs["right"][0] - logs["right"][1]) - (logs["left"][0] - logs["left"][1])
    most = cell.number * (centre + np.abs(first) * cell.slack) + 0.25 * cell.number**2 * rise
    least = cell.number * (chord - np.abs(slope) * cell.slack)
    # Values spread evenly over the cells.
    even = cell.number * (centre - (centre - chord) / 3.0)
    even += cell.number * (cell.number - 1.0) * rise / 6.0
    low, middle, high = (-n - float(part.sum()) / n for part in (most, even, least))
    low, high = low - SUM_ROUNDING * n, high + SUM_ROUNDING * n
    return max(low, 0.0), min(max(middle, low), high), high


def _hazard(z: Vector) -> Vector:
    """Density of N(0, 1) over its upper tail: the derivative of -log Phi(-z)."""
    return np.asarray(np.sqrt(2.0 / np.pi) / erfcx(z / np.sqrt(2.0)))


def _logs(z: Vector) -> tuple[Vector, Vector]:
    return log_ndtr(z), log_ndtr(-z)


def kolmogorov_smirnov(counts: Counts) -> Bounds:
    """D of every slice: at least the gap at the edges, at most that between corners of cells."""
    return _stacked([_kolmogorov_smirnov(one) for one in counts])


def _kolmogorov_smirnov(counts: Counts) -> tuple[float, float, float]:
    cell = cells(counts)
    n = float(cell.number.sum())
    before, after = cell.below / n, (cell.below + cell.number) / n
    left, right = ndtr(cell.left), ndtr(cell.right)
    low = float(np.max([np.abs(before - left), np.abs(after - right)]))
    high = max(low, float(np.max([after - left, right - before])))
    return low, 0.5 * (low + high), high


def epps_pulley(counts: Counts) -> Bounds:
    """Integral of n |phi_n(t) - exp(-t^2/2)|^2 against the N(0, 1) density, for every slice.

    With y the distance of a value from the middle of its cell, |exp(ity) - 1 - ity| <= t^2 y^2 / 2,
    so phi_n is known up to t^2 h^2 / 8 and the rounding of places. Values beyond the reach change
    phi_n by at most their share. By the triangle inequality in L2 the root of the integral changes
    by at most the norm of these errors.
    """
    n = counts[0, :, 0].sum()
    t = STEP * np.arange(NODES)
    middle = counts[:, TAIL : TAIL + MIDDLE]
    start = edges()[TAIL : TAIL + MIDDLE] + 0.5 / PER_UNIT
    width = 1.0 / PER_UNIT
    waves = np.zeros((len(counts), NODES), dtype=np.complex128)
    for at in range(0, MIDDLE, WAVES):
        part = middle[:, at : at + WAVES]
        if not part[:, :, 0].any():
            continue
        number = part[:, :, 0].astype(np.float64)
        place = (part[:, :, 1] + 0.5 * number) * (width / PLACES) - 0.5 * width * number
        angle = np.outer(start[at : at + WAVES], t)
        cosine, sine = np.cos(angle), np.sin(angle)
        waves += number @ cosine - t * (place @ sine)
        waves += 1j * (number @ sine + t * (place @ cosine))
    gap = np.abs(waves / n - np.exp(-0.5 * t * t)) ** 2
    weights = STEP * np.exp(-0.5 * t * t) / np.sqrt(2.0 * np.pi)
    weights[1:] *= 2.0
    root = np.sqrt(gap @ weights)
    outside = 1.0 - middle[:, :, 0].sum(axis=1) / n
    # E t^4 = 3 and E t^2 = 1 under the weight.
    error = width**2 / 8.0 * np.sqrt(3.0) + width * 0.5 / PLACES + PLACE_ROUNDING + outside
    low, high = np.maximum(root - error, 0.0), root + error
    return Bounds(n * low**2, n * root**2, n * high**2)


def products_with_quantiles(counts: Counts) -> Vector:
    """Estimate the mean of z times the normal quantile of its rank, for every slice: shape (k,).

    It is the integral of the product of both quantile functions, as in the W2 distance.
    """
    return np.array([_product(one) for one in counts])


def _product(counts: Counts) -> float:
    cell = cells(counts)
    n = float(cell.number.sum())
    quantiles = ndtri(np.append(cell.below, n) / n)
    density = np.exp(-0.5 * quantiles**2) / np.sqrt(2.0 * np.pi)
    total = float(((density[:-1] - density[1:]) * cell.mean).sum())
    # Values and quantiles spread evenly over a cell.
    inner = slice(1, -1)
    rise = np.diff(quantiles)[inner]
    return (
        total + float((cell.number[inner] / n * rise * (cell.right - cell.left)[inner]).sum()) / 12
    )


def _stacked(rows: list[tuple[float, float, float]]) -> Bounds:
    return Bounds(*np.array(rows).T)
