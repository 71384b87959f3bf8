"""Moments of rows and of slices as sums over tiles that are added in one fixed tree.

Tile j holds rows j T to (j + 1) T - 1 of the data, whatever the chunks they came in. Two
neighbours of one level are combined as soon as both are there, so that every sum is the same bits
in whatever order tiles arrive and parts are merged, and its error grows with the logarithm of n.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.moments import central_moments
from dmtest.runtime.memory import scratch
from dmtest.runtime.typing import Vector

# Rows whose products are summed in the precision of the rows.
RUN = 1024


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of rows on normal scale, about their means.

    Attributes
    ----------
    n : int
    mean : ndarray, shape (d,)
    square : ndarray, shape (d, d)
        Sum of products of deviations from the mean.
    slices : ndarray, shape (k, 4)
        Mean, and sums of powers 2, 3, 4 of deviations from it, of every slice.
    """

    n: int
    mean: Vector
    square: Vector
    slices: Vector

    @property
    def covariance(self) -> Vector:
        """Covariance (1/n): shape (d, d)."""
        return self.square / self.n

    @property
    def central(self) -> Vector:
        """Mean and central moments 2, 3, 4 (divided by n) of the slices: shape (k, 4)."""
        out = self.slices / self.n
        out[:, 0] = self.slices[:, 0]
        return out


def moments_of(rows: NDArray[Any], slices: NDArray[Any]) -> Moments:
    """Return the moments of a tile of rows (n, d) and of its slices (k, n)."""
    from dmtest.kernels.slices import power_sums

    n, d = rows.shape
    # The pivot has the precision of the rows, so that differences from it are exact near it.
    pivots = rows.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    mean = pivots.astype(np.float64)
    products, sums_of_rows = np.zeros((d, d)), np.zeros(d)
    ones = np.ones(RUN, dtype=rows.dtype)
    with scratch(min(n, RUN) * d, rows.dtype) as space:
        # Sums of few rows in their own precision, then in double: the error of a product of float32
        # is RUN 2^-24 at most, and unbiased.
        for start in range(0, n, RUN):
            part = rows[start : start + RUN]
            y = np.subtract(part, pivots, out=space[: part.size].reshape(part.shape))
            products += y.T @ y
            sums_of_rows += ones[: len(part)] @ y
    pivot = slices.mean(axis=1, dtype=np.float64)
    sums = np.zeros((len(slices), 4))
    power_sums(np.ascontiguousarray(slices), pivot, sums)
    return moments_from(n, mean, sums_of_rows, products, pivot, sums)


def moments_from(
    n: int, mean: Vector, rows: Vector, products: Vector, pivot: Vector, sums: Vector
) -> Moments:
    """Return the moments of a tile of n rows from sums about pivots.

    Parameters
    ----------
    n : int
    mean, rows : ndarray, shape (d,)
        Pivots of the columns, and the sums of the differences from them.
    products : ndarray, shape (d, d)
        Sums of products of these differences.
    pivot : ndarray, shape (k,)
        Pivots of the slices.
    sums : ndarray, shape (k, 4)
        Sums of powers 1 to 4 of the differences of the slices from them.
    """
    shift = rows / n
    square = products - n * np.outer(shift, shift)
    central = central_moments(sums, pivot, 1.0, n)
    central[:, 1:] *= n
    return Moments(n, mean + shift, 0.5 * (square + square.T), central)


def combined(a: Moments, b: Moments) -> Moments:
    """Return the moments of the rows of both (Chan, Golub & LeVeque 1979; Pebay 2008)."""
    n, m = float(a.n), float(b.n)
    total = n + m
    step = b.mean - a.mean
    square = a.square + b.square + np.outer(step, step) * (n * m / total)
    (a1, a2, a3, a4), (b1, b2, b3, b4) = a.slices.T, b.slices.T
    d = b1 - a1
    share = d / total
    second = a2 + b2 + d * share * n * m
    third = a3 + b3 + d * share**2 * n * m * (n - m) + 3.0 * share * (n * b2 - m * a2)
    fourth = a4 + b4 + d * share**3 * n * m * (n * n - n * m + m * m)
    fourth += 6.0 * share**2 * (n * n * b2 + m * m * a2) + 4.0 * share * (n * b3 - m * a3)
    slices = np.stack([a1 + share * m, second, third, fourth], axis=1)
    return Moments(a.n + b.n, a.mean + step * (m / total), square, slices)


@dataclass(slots=True)
class Tree:
    """Moments of complete tiles, by level and position."""

    nodes: dict[tuple[int, int], Moments] = field(default_factory=dict)

    def add(self, level: int, index: int, moments: Moments) -> None:
        """Add a node, and combine neighbours."""
        while (level, index ^ 1) in self.nodes:
            other = self.nodes.pop((level, index ^ 1))
            pair = (other, moments) if index & 1 else (moments, other)
            moments, level, index = combined(*pair), level + 1, index >> 1
        self.nodes[level, index] = moments

    def merge(self, other: Tree) -> None:
        """Add the nodes of another tree, of other tiles."""
        for (level, index), moments in sorted(other.nodes.items()):
            self.add(level, index, moments)

    def copy(self) -> Tree:
        """Return a tree with the same nodes, which are never changed."""
        return Tree(dict(self.nodes))

    def total(self) -> Moments | None:
        """Return the moments of all tiles, combined from left to right; None without any."""
        ordered = sorted(self.nodes, key=lambda key: key[1] << key[0])
        result = None
        for key in ordered:
            node = self.nodes[key]
            result = node if result is None else combined(result, node)
        return result
