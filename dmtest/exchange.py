"""Whether two samples follow one distribution: the energy distance, by permutation of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.streams import stream

__all__ = ["Exchange", "energy_permutation"]

Matrix = NDArray[np.float64]

# Rows that either sample is thinned to, and permutations in a block of work.
ROWS, BLOCK = 2000, 500


@dataclass(frozen=True, slots=True)
class Exchange:
    """A permutation test of two samples.

    Attributes
    ----------
    distance : float
        Energy distance (V-statistic), columns divided by their pooled standard deviations.
    pvalue : float
    replicates : int
    rows : tuple of int
        Rows of both samples that were used.
    """

    distance: float
    pvalue: float
    replicates: int
    rows: tuple[int, int]


def energy_permutation(
    first: NDArray[Any], second: NDArray[Any], *, replicates: int, seed: int
) -> Exchange:
    """Test that two samples of independent rows follow one distribution.

    The energy distance 2 E|X - Y| - E|X - X'| - E|Y - Y'| (Szekely & Rizzo 2004) is compared with
    its values when rows are dealt out anew between the samples: under the hypothesis all deals are
    equally likely, so the level is exact at any n. It is consistent against every departure.

    Parameters
    ----------
    first, second : ndarray, shapes (n, d) and (m, d)
        Thinned to 2,000 random rows each where there are more.
    replicates : int
        Deals.
    seed : int
    """
    rng = stream(seed, "exchange/energy")
    parts = [np.asarray(_thinned(x, rng), dtype=np.float64) for x in (first, second)]
    n, m = len(parts[0]), len(parts[1])
    pooled = np.concatenate(parts)
    spread = pooled.std(axis=0)
    pooled = (pooled - pooled.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    distances = _distances(pooled)
    weights = np.concatenate([np.full(n, 1.0 / n), np.full(m, -1.0 / m)])
    observed = float(-weights @ distances @ weights)
    limit = observed - 1e-10 * float(distances.mean())  # a tie but for rounding counts as one
    reached = 0
    for start in range(0, replicates, BLOCK):
        count = min(BLOCK, replicates - start)
        deals = np.stack([rng.permutation(weights) for _ in range(count)], axis=1)
        drawn = -np.einsum("ij,ij->j", deals, distances @ deals)
        reached += int(np.count_nonzero(drawn >= limit))
    return Exchange(max(0.0, observed), (1 + reached) / (replicates + 1), replicates, (n, m))


def _thinned(x: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    return x if len(x) <= ROWS else x[np.sort(rng.permutation(len(x))[:ROWS])]


def _distances(x: Matrix) -> Matrix:
    square = np.einsum("ij,ij->i", x, x)
    gram = x @ x.T
    return np.asarray(np.sqrt(np.maximum(square[:, None] + square[None, :] - 2.0 * gram, 0.0)))
