"""What a summary knows of the rows that it has seen, tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, ndtri

from dmtest.engines import device
from dmtest.engines.directions import default_directions
from dmtest.engines.slices import project
from dmtest.runtime.memory import scratch
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.typing import Vector
from dmtest.summaries import histogram
from dmtest.summaries.reservoir import Reservoir
from dmtest.summaries.tree import Moments, Tree, moments_from, moments_of
from dmtest.targets.canonical import cube_edges
from dmtest.targets.transforms import normal_scores

# Rows of a tile; slices, of more than one column.
TILE, SLICES = 8192, 64
# Tiles whose slices are counted together.
TOGETHER = 4

# Position of a tile, number of its first row, and its rows as they came.
Job: TypeAlias = tuple[int, int, NDArray[Any] | device.Rows]


class Tile(NamedTuple):
    """The numbers of one tile: its position, its rows, and counts of odd values."""

    position: int
    first: int
    rows: NDArray[Any] | device.Rows
    radius: Vector
    moments: Moments
    outside: int
    saturated: int


class Totals:
    """Sums, counts and kept rows of tiles.

    Parameters
    ----------
    target : {"normal", "uniform"}
    d : int
        Columns.
    rows : int
        Most rows that are kept.
    seed : int
        Seed of the choice of kept rows.
    """

    def __init__(self, target: str, d: int, rows: int, seed: int) -> None:
        self.target, self.d = target, d
        self.directions = default_directions(SLICES if d > 1 else 1, d)
        self.tree = Tree()
        # The values of the slices, and the normal scores of the lengths of the rows.
        self.tally = histogram.Tally(len(self.directions))
        self.lengths = histogram.Tally(1)
        self.reservoir = Reservoir(rows, seed)
        self.head: NDArray[Any] | None = None
        self.outside = self.saturated = 0

    def add(self, tiles: Iterable[Job]) -> None:
        """Add tiles: position, number of the first row, and rows as they came."""
        todo = list(tiles)
        for start in range(0, len(todo), TOGETHER):
            self._add(todo[start : start + TOGETHER])

    def _add(self, jobs: list[Job]) -> None:
        """Add tiles of equally many rows."""
        shape = (len(jobs), len(self.directions), len(jobs[0][2]))
        with scratch(math.prod(shape), jobs[0][2].dtype) as space:
            slices = space.reshape(shape)
            for tile in run_tasks(self._measured, list(zip(jobs, slices, strict=True))):
                self.tree.add(0, tile.position, tile.moments)
                self.lengths.add(tile.radius[None])
                self.reservoir.add(tile.first, tile.rows)
                self.outside += tile.outside
                self.saturated += tile.saturated
                if tile.position == 0 and tile.first == 0:
                    self.head = np.array(tile.rows)
            self.tally.add(slices)

    def _measured(self, task: tuple[Job, NDArray[Any]]) -> Tile:
        (index, first, rows), slices = task
        if isinstance(rows, device.Rows):
            if self.target == "normal":
                return self._measured_on_device(index, first, rows, slices)
            rows = np.asarray(rows)
        outside = saturated = 0
        scores = rows
        if self.target == "uniform":
            scores, outside, saturated = scores_of(rows)
        project(scores, self.directions, out=slices)
        squared = np.einsum("ij,ij->i", scores, scores, dtype=np.float64)
        radius = radius_scores(squared, self.d)
        moments = moments_of(scores, slices)
        return Tile(index, first, rows, radius, moments, outside, saturated)

    def _measured_on_device(
        self, index: int, first: int, rows: device.Rows, slices: NDArray[Any]
    ) -> Tile:
        """Measure rows where they are; slices and sums come to the host."""
        found = device.tile_sums(rows.array, self.directions, slices)
        radius = radius_scores(found.squared, self.d)
        sums = (found.rows, found.products, found.slice_pivots, found.slices)
        moments = moments_from(len(rows), found.pivots, *sums)
        return Tile(index, first, rows, radius, moments, 0, 0)

    def merge(self, other: Totals) -> None:
        """Add the totals of other tiles."""
        self.tree.merge(other.tree)
        self.tally.merge(other.tally.counts)
        self.lengths.merge(other.lengths.counts)
        self.reservoir.put(*other.reservoir.settle())
        self.outside += other.outside
        self.saturated += other.saturated
        if other.head is not None:
            self.head = other.head

    def copy(self) -> Totals:
        """Return totals that can be added to, apart from these."""
        other = Totals(self.target, self.d, self.reservoir.size, self.reservoir.seed)
        other.tree, other.reservoir = self.tree.copy(), self.reservoir.copy()
        other.tally, other.lengths = self.tally.copy(), self.lengths.copy()
        other.head = self.head
        other.outside, other.saturated = self.outside, self.saturated
        return other


def scores_of(rows: NDArray[Any]) -> tuple[Vector, int, int]:
    """Return normal scores of rows in the unit cube, rows outside it, and values at 0 or 1."""
    resolution = float(np.finfo(rows.dtype).epsneg)
    outside, saturated = cube_edges(rows, resolution)
    return normal_scores(rows, resolution), outside, saturated


def radius_scores(squared: Vector, d: int) -> Vector:
    """Normal scores of squared lengths by the chi-squared law of N(0, I): shape (n,)."""
    # The tail that is at most about 1/2 keeps its digits; the median is near d - 2/3.
    lower = squared < d - 2.0 / 3.0
    tail = np.empty(len(squared))
    tail[lower] = gammainc(0.5 * d, 0.5 * squared[lower])
    tail[~lower] = gammaincc(0.5 * d, 0.5 * squared[~lower])
    score = ndtri(np.maximum(tail, np.finfo(np.float64).tiny))
    return np.where(lower, score, -score)
