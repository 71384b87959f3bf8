"""Samples on the scale of a law that is known by large draws from it.

Columns become normal scores by the empirical cdf of a first draw and are whitened with its
covariance; slices of these become normal scores by the empirical cdf of a second draw. Under the
law a slice of fresh rows then follows N(0, 1), whatever the law: tails, clusters and ties do not
matter, and a departure shows as one from N(0, 1).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.runtime.typing import Vector

# Columns up to which every column is a slice, too.
COLUMNS = 64
# Smallest eigenvalue, as a share of the largest, with which columns are whitened.
FLOOR = 1e-6


class Cdf:
    """The empirical cdfs of the columns of a large draw.

    Parameters
    ----------
    draw : ndarray, shape (m, k)
    """

    def __init__(self, draw: NDArray[Any]) -> None:
        self.sorted: Vector = np.sort(np.asarray(draw, dtype=np.float64).T, axis=1)
        self.ties = (np.diff(self.sorted, axis=1) == 0.0).any(axis=1)
        self.m = self.sorted.shape[1]

    def scores(self, values: Vector, rng: np.random.Generator) -> Vector:
        """Return normal scores of values: (k, n), a row for each column of the draw.

        The rank among the m drawn values, plus 1/2, over m + 1. A value that was drawn several
        times gets a random place among these ranks, so that the scores of discrete columns are
        normal, too.
        """
        order = np.argsort(values, axis=1)
        out = np.empty(values.shape)
        in_order = self._in_order(np.take_along_axis(values, order, axis=1), rng)
        np.put_along_axis(out, order, in_order, axis=1)
        return out

    def sorted_scores(self, values: Vector, rng: np.random.Generator) -> Vector:
        """Return normal scores of values, in ascending order of the values: (k, n)."""
        return self._in_order(np.sort(values, axis=1), rng)

    def _in_order(self, values: Vector, rng: np.random.Generator) -> Vector:
        from dmtest.kernels.transport import places

        below, equal = np.empty((2, *values.shape), np.int32)
        places(self.sorted, values, below, equal)
        ranks = below + 0.5
        for j in np.flatnonzero(self.ties):
            ranks[j] += rng.random(values.shape[1]) * equal[j]
        return np.asarray(ndtri(ranks / (self.m + 1.0)))


class DrawnScale:
    """The map from rows to whitened scores, and from these to slices, that two draws fix.

    Parameters
    ----------
    scale, centre : ndarray, shape (m, d)
        Independent draws of the law.
    directions : ndarray, shape (k, d)
        Unit vectors on the scale of whitened scores; unused for d = 1.
    rng : numpy Generator
        Places of ties in the draws.

    Attributes
    ----------
    white : ndarray, shape (m, d)
        The second draw as whitened scores, which statistics compare with.
    """

    def __init__(
        self, scale: Vector, centre: Vector, directions: Vector, rng: np.random.Generator
    ) -> None:
        self.columns = Cdf(scale)
        own = self.columns.scores(scale.T, rng)
        self.mean = own.mean(axis=1)
        values, vectors = np.linalg.eigh(np.atleast_2d(np.cov(own, bias=True)))
        # The symmetric root: columns that are uncorrelated already stay what they are.
        self.root = vectors / np.sqrt(np.maximum(values, FLOOR * values[-1])) @ vectors.T
        self.directions = directions
        self.white = self.whitened(self.columns.scores(centre.T, rng))
        self.slices = None if len(own) == 1 else Cdf(self.white @ directions.T)

    def whitened(self, scores: Vector) -> Vector:
        """Return whitened rows (n, d) of normal scores of columns (d, n)."""
        return np.asarray((scores.T - self.mean) @ self.root)

    def of(self, rows: Vector, rng: np.random.Generator) -> tuple[Vector, Vector]:
        """Return whitened scores (n, d) of rows, and slices of them as normal scores (k, n)."""
        scores = self.columns.scores(np.asarray(rows, dtype=np.float64).T, rng)
        white = self.whitened(scores)
        if self.slices is None:
            return white, scores
        slices = self.slices.sorted_scores(self.directions @ white.T, rng)
        if len(scores) <= COLUMNS:
            slices = np.concatenate([scores, slices])
        return white, slices
