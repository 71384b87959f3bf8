"""Statistics of counts of ranks: every row of counts is one column of a sample.

Ranks 0..draws fall into cells of one or several neighbouring ranks. `Cells` holds what does not
depend on the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.runtime.typing import Vector

# Most cells, and most groups of cells of the chi-squared statistic, with the least mean count.
MOST_CELLS, MOST_GROUPS, LEAST_COUNT = 128, 20, 5


@dataclass(frozen=True, slots=True)
class Cells:
    """Cells of ranks and the scores of each cell.

    Attributes
    ----------
    first : ndarray of int, shape (cells,)
        First rank of each cell.
    probability : ndarray, shape (cells,)
    edges : ndarray, shape (cells + 1,)
        Ends of the cells in the unit interval.
    location, spread : ndarray, shape (cells,)
        Means of z and z^2 - 1 over the cell for z of N(0, 1), divided by their standard deviation:
        the scores of a shift and of a change of scale of normal scores.
    groups : ndarray of int, shape (groups,)
        First cell of each group of the chi-squared statistic.
    """

    first: NDArray[np.intp]
    probability: Vector
    edges: Vector
    location: Vector
    spread: Vector
    groups: NDArray[np.intp]

    @classmethod
    def of(cls, draws: int, n: int) -> Cells:
        """Return the cells of ranks 0..draws for n rows."""
        count = min(draws + 1, MOST_CELLS)
        ends = _even(draws + 1, count)
        edges = ends / (draws + 1.0)
        probability = np.diff(edges)
        z = ndtri(edges)
        density = np.exp(-0.5 * z**2) / np.sqrt(2.0 * np.pi)
        moment = np.where(np.isfinite(z), z, 0.0) * density
        groups = _even(count, max(2, min(count, MOST_GROUPS, n // LEAST_COUNT)))[:-1]
        return cls(
            ends[:-1],
            probability,
            edges,
            _standardised(-np.diff(density), probability),
            _standardised(-np.diff(moment), probability),
            groups,
        )

    def counts(self, ranks: NDArray[np.intp]) -> NDArray[np.intp]:
        """Count the ranks (n, d) in the cells: shape (d, cells)."""
        cell = np.searchsorted(self.first, ranks, side="right") - 1
        size, d = len(self.first), ranks.shape[1]
        flat = (cell + size * np.arange(d)).ravel()
        return np.bincount(flat, minlength=size * d).reshape(d, size)


def _even(total: int, parts: int) -> NDArray[np.intp]:
    """Ends of parts of nearly equal size of 0..total."""
    return np.asarray((np.arange(parts + 1) * total) // parts, dtype=np.intp)


def _standardised(sums: Vector, probability: Vector) -> Vector:
    """Return scores (sums over cells / probability) with variance 1; zeros if they are constant."""
    scores = sums / probability
    variance = float((probability * scores**2).sum())
    return scores / np.sqrt(variance) if variance > 1e-12 else np.zeros_like(scores)


def rank_mean(counts: NDArray[Any], cells: Cells) -> Vector:
    """Mean normal score of the ranks, in standard errors: (m, cells) -> (m,)."""
    return np.asarray(counts @ cells.location / np.sqrt(counts.sum(axis=1)))


def rank_spread(counts: NDArray[Any], cells: Cells) -> Vector:
    """Mean of z^2 - 1 over normal scores z of the ranks, in standard errors: above 0 for a U."""
    return np.asarray(counts @ cells.spread / np.sqrt(counts.sum(axis=1)))


def rank_anderson_darling(counts: NDArray[Any], cells: Cells) -> Vector:
    """A^2 of counts in ordered cells (Choulakian, Lockhart & Stephens 1994)."""
    n = counts.sum(axis=1, keepdims=True)
    gap = np.cumsum(counts - n * cells.probability, axis=1)[:, :-1]
    below = cells.edges[1:-1]
    weight = cells.probability[:-1] / (below * (1.0 - below))
    return np.asarray(gap**2 @ weight / n[:, 0])


def rank_chi_squared(counts: NDArray[Any], cells: Cells) -> Vector:
    """Pearson's statistic of counts in at most 20 groups of ranks."""
    observed = np.add.reduceat(counts, cells.groups, axis=1)
    expected = counts.sum(axis=1, keepdims=True) * np.add.reduceat(cells.probability, cells.groups)
    return np.asarray((np.square(observed - expected) / expected).sum(axis=1))
