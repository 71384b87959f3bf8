"""Quadratic forms w'Kw of pairwise functions of pooled rows, for many labellings at once."""

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
# Pooled rows from which on labellings are multiplied with tiles in float32, at half the time. The
# error is far below what p-values resolve (tests), in standard deviations of the null.
SINGLE_ROWS, SINGLE_ERROR = 4096, 1e-4
# Labellings that are multiplied at a time: their weights stay in the second-level cache.
GROUP = 256


@dataclass(frozen=True, slots=True)
class PairForm:
    """Asks for w'Kw of a function of the distance of two rows.

    K is exp(-rate D) of the squared distance D; the distance itself where `rate` is None.
    """

    rate: float | None


DISTANCE = PairForm(None)


@dataclass(frozen=True, slots=True)
class Form:
    """One pairwise function, all labellings.

    Attributes
    ----------
    values : ndarray, shape (1 + replicates,)
        w'Kw with w = 1/n on the data and -1/m on the reference, the observed labelling first.
    potential : ndarray, shape (n + m,)
        Kw of the observed labelling, but for a constant: what every row has to do with the
        difference.
    rounding : float
        Rounding error of `values`, in their own standard deviations under permutation.
    """

    values: Vector
    potential: Vector
    rounding: float


def quadratic_forms(
    pool: Pool, labels: Labels, kinds: Sequence[PairForm], progress: Progress | None = None
) -> list[Form]:
    """Evaluate w'Kw for every labelling in one pass over half of the pairs.

    A tile of pairs is made once and multiplied with the weights of all labellings, so that no
    matrix of all pairs is ever held and a labelling costs one multiply-add a pair.

    Parameters
    ----------
    pool : Pool
    labels : Labels
    kinds : sequence of PairForm
        Which functions of the distance.

    Returns
    -------
    list of Form, in the order of `kinds`
    """
    rows = pool.rows(slice(0, pool.total))
    squared = np.einsum("ij,ij->i", rows, rows)
    parts = blocks(pool.total, TILE)
    marks = labels.marks(slice(0, labels.replicates + 1))
    kind = np.dtype(np.float32 if pool.total >= SINGLE_ROWS else np.float64)
    # Longest rows of tiles first, so that the threads end together; the order of sums is fixed.
    job = _Job(rows, squared, marks, labels, tuple(kinds), parts, kind)
    total = np.zeros((len(kinds), len(marks)))
    potential = np.zeros((len(kinds), pool.total))
    done, tiles = 0, len(parts) * (len(parts) + 1) // 2
    for index, (values, towards) in enumerate(run_tasks(job.row_of_tiles, range(len(parts)))):
        total += values
        potential += towards
        done += len(parts) - index
        if progress is not None:
            progress("pairs of rows", done, tiles)
    # The reported value is in float64 always.
    total[:, 0] = potential @ job.first
    rounding = SINGLE_ERROR if kind == np.float32 else 0.0
    return [Form(total[k], potential[k], rounding) for k in range(len(kinds))]


class _Job:
    """What one pass over the tiles computes."""

    def __init__(
        self,
        rows: Vector,
        squared: Vector,
        marks: NDArray[np.uint8],
        labels: Labels,
        kinds: tuple[PairForm, ...],
        parts: list[slice],
        dtype: np.dtype[Any],
    ) -> None:
        self.rows, self.squared, self.marks, self.labels = rows, squared, marks, labels
        self.kinds, self.parts, self.dtype = kinds, parts, dtype
        self.first = labels.weights(marks[0])
        self.centres = [0.0] * len(kinds)
        # Weights sum to 0, so a constant taken off K changes nothing but rounding.
        self.centres = [float(tile.mean()) for tile in self.tiles(parts[0], parts[-1])]

    def row_of_tiles(self, index: int) -> tuple[Vector, Vector]:
        here = self.parts[index]
        values = np.zeros((len(self.kinds), len(self.marks)))
        towards = np.zeros((len(self.kinds), len(self.rows)))
        for there in self.parts[index:]:
            diagonal = here == there
            for k, tile in enumerate(self.tiles(here, there)):
                towards[k, here] += tile @ self.first[there]
                if not diagonal:
                    towards[k, there] += self.first[here] @ tile
                share = self.folded(tile.astype(self.dtype, copy=False), here, there)
                values[k] += share if diagonal else 2.0 * share
        return values, towards

    def folded(self, tile: NDArray[Any], here: slice, there: slice) -> Vector:
        """Sum w_j w_k tile_jk for every labelling: a product with zeros and ones does it.

        w = a L - c with labels L: of L'K the sum of all rows is taken off first, so that
        nothing large cancels.
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
        made: list[Vector] = []
        for kind, centre in zip(self.kinds, self.centres, strict=True):
            out: NDArray[Any] = np.empty_like(gram)
            fill = kernels.distance if kind.rate is None else kernels.near
            fill(gram, left, right, False, kind.rate or 0.0, 0.0, True, out)
            if here == there:
                np.fill_diagonal(out, 0.0 if kind.rate is None else 1.0)
            made.append(out - centre)
        return made
