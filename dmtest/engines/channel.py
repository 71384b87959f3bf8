"""Rows with added noise of known density: log densities of the noisy rows, tile by tile.

The density of f(X) + Z at y_i = x_i + Z is estimated by the mixture of the noise density over the
rows of a batch. With row i the estimate is too high and without it too low, both in expectation of
the logarithm (Poole et al. 2019). The products of a tile serve all noise levels.
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
    """Log densities of the noisy rows of all batches, in nats.

    Attributes
    ----------
    noise : ndarray, shape (n, d)
        Noise of unit scale: standard normal, or uniform on [-1, 1].
    conditional, leave_one_out : ndarray, shape (levels, n)
        log p(y_i | x_i), and log of the mean of p(y_i | x_j) over the batch's other rows.
    batch : int
        Rows in a batch.
    """

    noise: Vector
    conditional: Vector
    leave_one_out: Vector
    batch: int

    @property
    def mixture(self) -> Vector:
        """Log of the mean of p(y_i | x_j) over the whole batch, row i included: (levels, n)."""
        both = np.logaddexp(self.conditional, self.leave_one_out + np.log(self.batch - 1.0))
        return np.asarray(both - np.log(self.batch))


def channel_densities(
    rows: NDArray[Any],
    noise: Noise,
    levels: Vector,
    batch: int,
    seed: int,
    progress: Progress | None = None,
) -> Densities:
    """Add noise of every level to the rows of whole batches, and evaluate the log densities.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Rows in random order: batches are consecutive. Rows after the last whole batch are
        left out.
    noise : {"gaussian", "uniform"}
    levels : ndarray, shape (levels,)
        Standard deviations of normal noise, or half widths of uniform noise.
    batch : int
        Rows in a batch.
    seed : int
    progress : callable, optional
        Called with (what, done, total) after every tile of rows.

    Returns
    -------
    Densities
    """
    n, d = (len(rows) // batch) * batch, rows.shape[1]
    rng = stream(seed, f"channel/{noise}")
    draws = rng.standard_normal((n, d)) if noise == "gaussian" else rng.uniform(-1.0, 1.0, (n, d))
    parts = [
        (start, part) for start in range(0, n, batch) for part in blocks(batch, min(TILE, batch))
    ]
    if noise == "gaussian":
        job: Any = _NormalNoise(rows[:n], draws, levels, batch)
    else:
        job = _UniformNoise(rows[:n], draws, levels, batch)
    others = np.empty((len(levels), n))
    for done, values in enumerate(run_tasks(job, parts)):
        start, part = parts[done]
        others[:, start + part.start : start + part.stop] = values
        if progress is not None:
            progress("noise channel", done + 1, len(parts))
    return Densities(draws, job.conditional(), others - np.log(batch - 1.0), batch)


class _NormalNoise:
    """Log sums of the normal density over a batch."""

    def __init__(self, rows: NDArray[Any], draws: Vector, levels: Vector, batch: int) -> None:
        kind = tile_dtype(len(rows), rows.shape[1])
        # Only differences of rows matter; centred rows have smaller rounding errors.
        centred = rows - rows.mean(axis=0, dtype=np.float64)
        self.x, self.g = centred.astype(kind), draws.astype(kind)
        self.squared = np.einsum("ij,ij->i", self.x, self.x)
        self.own = np.stack(
            [np.einsum("ij,ij->i", self.g, self.x), np.einsum("ij,ij->i", self.g, self.g)]
        )
        self.draws, self.levels, self.batch = draws, levels, batch
        self.constant = -rows.shape[1] * (np.log(levels) + 0.5 * np.log(2.0 * np.pi))

    def conditional(self) -> Vector:
        lengths = np.square(self.draws).sum(axis=1)
        return np.asarray(self.constant[:, None] - 0.5 * lengths)

    def __call__(self, where: tuple[int, slice]) -> Vector:
        from dmtest.kernels.channel import add_normal_terms

        start, part = where
        own_rows = slice(start + part.start, start + part.stop)
        x, g = self.x[own_rows], self.g[own_rows]
        top = np.full((len(self.levels), len(x)), -1e30)
        total = np.zeros_like(top)
        for columns in blocks(self.batch, min(TILE, self.batch)):
            other = slice(start + columns.start, start + columns.stop)
            across = self.x[other].T
            add_normal_terms(
                x @ across,
                g @ across,
                self.squared[own_rows],
                self.squared[other],
                np.ascontiguousarray(self.own[:, own_rows]),
                part.start - columns.start,
                self.levels,
                np.empty(columns.stop - columns.start, dtype=self.x.dtype),
                top,
                total,
            )
        return np.asarray(np.log(total) + top + self.constant[:, None])


class _UniformNoise:
    """Log sums of the uniform density over a batch."""

    def __init__(self, rows: NDArray[Any], draws: Vector, levels: Vector, batch: int) -> None:
        self.x = np.ascontiguousarray(rows, dtype=np.float64)
        self.draws, self.levels, self.batch = draws, levels, batch
        self.constant = -rows.shape[1] * np.log(2.0 * levels)

    def conditional(self) -> Vector:
        return np.asarray(np.repeat(self.constant[:, None], len(self.x), axis=1))

    def __call__(self, where: tuple[int, slice]) -> Vector:
        from dmtest.kernels.channel import count_neighbours

        start, part = where
        own_rows = slice(start + part.start, start + part.stop)
        counts = np.zeros((len(self.levels), own_rows.stop - own_rows.start), dtype=np.int64)
        other = self.x[start : start + self.batch]
        count_neighbours(
            self.x[own_rows], self.draws[own_rows], other, part.start, self.levels, counts
        )
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(counts) + self.constant[:, None])
