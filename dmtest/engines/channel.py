"""Rows through a known noise channel: log densities of the noisy rows, tile by tile.

For y_i = x_i + Z the density of f(X) + Z is estimated by the mixture of the noise density over
the rows of a batch: with row i itself it is too high, without it too low, both in expectation
of the logarithm (Poole et al. 2019). A tile's products serve all noise levels at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.gram import tile_dtype
from dmtest.runtime.parallel import Progress, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

Noise: TypeAlias = Literal["gaussian", "uniform"]
TILE = 512


@dataclass(frozen=True, slots=True)
class Densities:
    """What the channel made of the rows of all batches.

    Attributes
    ----------
    noise : ndarray, shape (n, d)
        Noise of unit scale: standard normal, or uniform on [-1, 1].
    alone, others : ndarray, shape (levels, n)
        log p(y_i | x_i), and log of the mean of p(y_i | x_j) over the batch's other rows.
    batch : int
        Rows of a batch.
    """

    noise: Vector
    alone: Vector
    others: Vector
    batch: int

    @property
    def together(self) -> Vector:
        """Log of the mean of p(y_i | x_j) over the whole batch: shape (levels, n)."""
        both = np.logaddexp(self.alone, self.others + np.log(self.batch - 1.0))
        return np.asarray(both - np.log(self.batch))


def channel_densities(
    rows: NDArray[Any],
    noise: Noise,
    levels: Vector,
    batch: int,
    seed: int,
    progress: Progress | None = None,
) -> Densities:
    """Send rows through the channel at every level; rows beyond the last whole batch stay out.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        In random order: batches are consecutive.
    noise : {"gaussian", "uniform"}
    levels : ndarray
        Standard deviations, or half widths.
    batch : int
    seed : int
    """
    n, d = (len(rows) // batch) * batch, rows.shape[1]
    rng = stream(seed, f"channel/{noise}")
    draws = rng.standard_normal((n, d)) if noise == "gaussian" else rng.uniform(-1.0, 1.0, (n, d))
    parts = [
        (start, part) for start in range(0, n, batch) for part in blocks(batch, min(TILE, batch))
    ]
    if noise == "gaussian":
        job: Any = _Gaussian(rows[:n], draws, levels, batch)
    else:
        job = _Uniform(rows[:n], draws, levels, batch)
    others = np.empty((len(levels), n))
    for done, values in enumerate(run_tasks(job, parts)):
        start, part = parts[done]
        others[:, start + part.start : start + part.stop] = values
        if progress is not None:
            progress("noise channel", done + 1, len(parts))
    return Densities(draws, job.alone(), others - np.log(batch - 1.0), batch)


class _Gaussian:
    """Log sums of the normal density over a batch."""

    def __init__(self, rows: NDArray[Any], draws: Vector, levels: Vector, batch: int) -> None:
        kind = tile_dtype(len(rows), rows.shape[1])
        # Only differences of rows count; small numbers round less.
        centred = rows - rows.mean(axis=0, dtype=np.float64)
        self.x, self.g = centred.astype(kind), draws.astype(kind)
        self.squared = np.einsum("ij,ij->i", self.x, self.x)
        self.own = np.stack(
            [np.einsum("ij,ij->i", self.g, self.x), np.einsum("ij,ij->i", self.g, self.g)]
        )
        self.draws, self.levels, self.batch = draws, levels, batch
        self.constant = -rows.shape[1] * (np.log(levels) + 0.5 * np.log(2.0 * np.pi))

    def alone(self) -> Vector:
        lengths = np.square(self.draws).sum(axis=1)
        return np.asarray(self.constant[:, None] - 0.5 * lengths)

    def __call__(self, where: tuple[int, slice]) -> Vector:
        from dmtest.kernels.channel import add_normal_terms

        start, part = where
        mine = slice(start + part.start, start + part.stop)
        x, g = self.x[mine], self.g[mine]
        top = np.full((len(self.levels), len(x)), -1e30)
        total = np.zeros_like(top)
        for columns in blocks(self.batch, min(TILE, self.batch)):
            other = slice(start + columns.start, start + columns.stop)
            across = self.x[other].T
            add_normal_terms(
                x @ across,
                g @ across,
                self.squared[mine],
                self.squared[other],
                np.ascontiguousarray(self.own[:, mine]),
                part.start - columns.start,
                self.levels,
                np.empty(columns.stop - columns.start, dtype=self.x.dtype),
                top,
                total,
            )
        return np.asarray(np.log(total) + top + self.constant[:, None])


class _Uniform:
    """Log sums of the uniform density over a batch."""

    def __init__(self, rows: NDArray[Any], draws: Vector, levels: Vector, batch: int) -> None:
        self.x = np.ascontiguousarray(rows, dtype=np.float64)
        self.draws, self.levels, self.batch = draws, levels, batch
        self.constant = -rows.shape[1] * np.log(2.0 * levels)

    def alone(self) -> Vector:
        return np.asarray(np.repeat(self.constant[:, None], len(self.x), axis=1))

    def __call__(self, where: tuple[int, slice]) -> Vector:
        from dmtest.kernels.channel import count_neighbours

        start, part = where
        mine = slice(start + part.start, start + part.stop)
        counts = np.zeros((len(self.levels), mine.stop - mine.start), dtype=np.int64)
        other = self.x[start : start + self.batch]
        count_neighbours(self.x[mine], self.draws[mine], other, part.start, self.levels, counts)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(counts) + self.constant[:, None])
