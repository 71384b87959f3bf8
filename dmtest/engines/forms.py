"""Quadratic forms w'Kw of pairwise functions of pooled rows, for many labellings at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.pool import Labels, Pool
from dmtest.parallel import Progress, blocks, run_tasks

__all__ = ["DISTANCE", "Form", "PairForm", "quadratic_forms"]

Vector = NDArray[np.float64]
TILE = 512
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
        Kw of the observed labelling: what every row has to do with the difference.
    """

    values: Vector
    potential: Vector


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
    # Longest rows of tiles first, so that the threads end together; the order of sums is fixed.
    job = _Job(rows, squared, marks, labels, tuple(kinds), parts)
    total = np.zeros((len(kinds), len(marks)))
    potential = np.zeros((len(kinds), pool.total))
    done, tiles = 0, len(parts) * (len(parts) + 1) // 2
    for index, (values, towards) in enumerate(run_tasks(job.row_of_tiles, range(len(parts)))):
        total += values
        potential += towards
        done += len(parts) - index
        if progress is not None:
            progress("pairs of rows", done, tiles)
    return [Form(total[k], potential[k]) for k in range(len(kinds))]


@dataclass(frozen=True, slots=True, eq=False)
class _Job:
    rows: Vector
    squared: Vector
    marks: NDArray[np.uint8]
    labels: Labels
    kinds: tuple[PairForm, ...]
    parts: list[slice]

    def row_of_tiles(self, index: int) -> tuple[Vector, Vector]:
        here = self.parts[index]
        values = np.zeros((len(self.kinds), len(self.marks)))
        towards = np.zeros((len(self.kinds), len(self.rows)))
        for there in self.parts[index:]:
            diagonal = here == there
            for k, tile in enumerate(self.tiles(here, there, diagonal)):
                first = self.labels.weights(self.marks[0, there])
                towards[k, here] += tile @ first
                if not diagonal:
                    towards[k, there] += self.labels.weights(self.marks[0, here]) @ tile
                values[k] += (1.0 if diagonal else 2.0) * self.folded(tile, here, there)
        return values, towards

    def folded(self, tile: Vector, here: slice, there: slice) -> Vector:
        out = np.empty(len(self.marks))
        for group in blocks(len(self.marks), GROUP):
            left = self.labels.weights(self.marks[group, here])
            right = self.labels.weights(self.marks[group, there])
            out[group] = np.einsum("ij,ij->i", left @ tile, right)
        return out

    def tiles(self, here: slice, there: slice, diagonal: bool) -> list[Vector]:
        from dmtest.kernels import pairs as kernels

        gram = self.rows[here] @ self.rows[there].T
        left, right = self.squared[here], self.squared[there]
        made: list[Vector] = []
        for kind in self.kinds:
            out: NDArray[Any] = np.empty_like(gram)
            fill = kernels.distance if kind.rate is None else kernels.near
            fill(gram, left, right, False, kind.rate or 0.0, 0.0, out)
            if diagonal:
                np.fill_diagonal(out, 0.0 if kind.rate is None else 1.0)
            made.append(out)
        return made
