"""Quadratic forms w'Kw of pairwise functions of pooled rows, for all labellings in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import Progress, blocks, run_tasks
from dmtest.runtime.typing import Vector

TILE = 512
# Pooled rows from which labellings are multiplied with tiles in float32, in half the time. The
# error, in standard deviations of the null, is far below the resolution of p-values (tests).
SINGLE_ROWS, SINGLE_ERROR = 4096, 1e-4
# Labellings multiplied at a time: their weights stay in the second-level cache.
GROUP = 256


@dataclass(frozen=True, slots=True)
class PairForm:
    """Request for w'Kw of a function of the distance of two rows; the answer is a `Form`.

    K is exp(-rate D) of the squared distance D, or the distance if `rate` is None.
    """

    rate: float | None


DISTANCE = PairForm(None)


@dataclass(frozen=True, slots=True)
class Form:
    """Quadratic forms of one pairwise function for all labellings.

    Attributes
    ----------
    values : ndarray, shape (1 + replicates,)
        w'Kw with w = 1/n on the data and -1/m on the reference; the observed labelling first.
    potential : ndarray, shape (n + m,)
        Kw of the observed labelling, up to a constant: the contribution of every row to the
        difference.
    rounding : float
        Rounding error of `values`, in units of their standard deviation under permutation.
    """

    values: Vector
    potential: Vector
    rounding: float


def quadratic_forms(
    pool: Pool, labels: Labels, requests: Sequence[PairForm], progress: Progress | None = None
) -> list[Form]:
    """Evaluate w'Kw for every labelling in one pass over half of the pairs.

    A tile of pairs is computed once and multiplied with the weights of all labellings. The
    matrix of all pairs is never stored, and a labelling costs one multiply-add per pair.

    Parameters
    ----------
    pool : Pool
    labels : Labels
    requests : sequence of PairForm
        Functions of the distance.
    progress : callable, optional
        Called with (what, tiles done, tiles in total) after every row of tiles.

    Returns
    -------
    list of Form, in the order of `requests`
    """
    rows = pool.rows(slice(0, pool.total))
    squared = np.einsum("ij,ij->i", rows, rows)
    parts = blocks(pool.total, TILE)
    marks = labels.marks(slice(0, labels.replicates + 1))
    dtype = np.dtype(np.float32 if pool.total >= SINGLE_ROWS else np.float64)
    # Longest rows first, so that the threads end at the same time. The order of sums is fixed.
    job = _Job(rows, squared, marks, labels, tuple(requests), parts, dtype)
    total = np.zeros((len(requests), len(marks)))
    potential = np.zeros((len(requests), pool.total))
    done, tiles = 0, len(parts) * (len(parts) + 1) // 2
    for index, (values, potential_part) in enumerate(
        run_tasks(job.row_of_tiles, range(len(parts)))
    ):
        total += values
        potential += potential_part
        done += len(parts) - index
        if progress is not None:
            progress("pairs of rows", done, tiles)
    # The reported value is always computed in float64.
    total[:, 0] = potential @ job.observed
    rounding = SINGLE_ERROR if dtype == np.float32 else 0.0
    return [Form(total[k], potential[k], rounding) for k in range(len(requests))]


class _Job:
    """The requests of one pass over the tiles, and the folds of a row of tiles."""

    def __init__(
        self,
        rows: Vector,
        squared: Vector,
        marks: NDArray[np.uint8],
        labels: Labels,
        requests: tuple[PairForm, ...],
        parts: list[slice],
        dtype: np.dtype[Any],
    ) -> None:
        self.rows, self.squared, self.marks, self.labels = rows, squared, marks, labels
        self.requests, self.parts, self.dtype = requests, parts, dtype
        self.observed = labels.weights(marks[0])
        self.centres = [0.0] * len(requests)
        # Weights sum to 0, so a constant subtracted from K changes only rounding.
        self.centres = [float(tile.mean()) for tile in self.tiles(parts[0], parts[-1])]

    def row_of_tiles(self, index: int) -> tuple[Vector, Vector]:
        here = self.parts[index]
        values = np.zeros((len(self.requests), len(self.marks)))
        potential_part = np.zeros((len(self.requests), len(self.rows)))
        for there in self.parts[index:]:
            diagonal = here == there
            for k, tile in enumerate(self.tiles(here, there)):
                potential_part[k, here] += tile @ self.observed[there]
                if not diagonal:
                    potential_part[k, there] += self.observed[here] @ tile
                share = self.fold(tile.astype(self.dtype, copy=False), here, there)
                values[k] += share if diagonal else 2.0 * share
        return values, potential_part

    def fold(self, tile: NDArray[Any], here: slice, there: slice) -> Vector:
        """Sum of w_j w_k tile_jk for every labelling, by a product with labels of 0 and 1.

        w = a L - c with labels L. The sum of all rows is subtracted from L'K first, so that no
        large terms cancel.
        """
        out = np.empty(len(self.marks))
        c = 1.0 / self.labels.m
        a = 1.0 / self.labels.n + c
        column = (c / a) * tile.sum(axis=0)
        for group in blocks(len(self.marks), GROUP):
            left = self.marks[group, here].astype(self.dtype) @ tile
            left -= column
            right = self.marks[group, there].astype(self.dtype)
            within = np.einsum("ij,ij->i", left, right).astype(np.float64)
            out[group] = a * (a * within - c * left.sum(axis=1, dtype=np.float64))
        return out

    def tiles(self, here: slice, there: slice) -> list[Vector]:
        from dmtest.kernels import pairs as kernels

        gram = self.rows[here] @ self.rows[there].T
        left, right = self.squared[here], self.squared[there]
        tiles: list[Vector] = []
        for request, centre in zip(self.requests, self.centres, strict=True):
            out: NDArray[Any] = np.empty_like(gram)
            fill = kernels.distance if request.rate is None else kernels.near
            fill(gram, left, right, False, request.rate or 0.0, 0.0, True, out)
            if here == there:
                np.fill_diagonal(out, 0.0 if request.rate is None else 1.0)
            tiles.append(out - centre)
        return tiles
