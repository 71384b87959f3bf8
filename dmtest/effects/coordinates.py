"""Summaries of each column: moments, distance from the normal, histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.slices import SliceView
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.typing import Vector
from dmtest.statistics.slices.edf import kolmogorov_smirnov

# Most rows behind the summaries, evenly spaced: enough for KS distances of 0.01.
ROWS = 20_000
COLUMNS_IN_A_TASK = 16
BINS = 60


@dataclass(frozen=True, slots=True)
class Coordinates:
    """Summaries of the columns, each an array of shape (d,).

    Attributes
    ----------
    values : ndarray, shape (m, d)
        The rows that they were computed from.
    fitted : bool
        Whether `ks` is the distance after standardising.
    mean, sd, skewness, kurtosis : ndarray
        Moments; kurtosis is the excess. Skewness and kurtosis of a constant column are 0.
    ks : ndarray
        Kolmogorov-Smirnov distance from N(0, 1); 1 for a constant column.
    """

    values: NDArray[Any]
    fitted: bool
    mean: Vector
    sd: Vector
    skewness: Vector
    kurtosis: Vector
    ks: Vector

    @property
    def m(self) -> int:
        """Rows behind the summaries."""
        return len(self.values)


def describe_coordinates(x: NDArray[Any], fitted: bool) -> Coordinates:
    """Summarise every column of x, shape (n, d), from at most ROWS evenly spaced rows."""
    step = -(-len(x) // ROWS)
    values = np.asarray(x[::step])

    def task(part: slice) -> Vector:
        columns = np.ascontiguousarray(values[:, part].T)
        central = SliceView(columns, "known").central
        alive = central[:, 1] > 0.0
        ks = np.ones(len(columns))
        if alive.any():
            view = SliceView(columns[alive], "fitted" if fitted else "known")
            ks[alive] = kolmogorov_smirnov(view)
        spread = np.where(alive, central[:, 1], 1.0)
        skewness = np.where(alive, central[:, 2] / spread**1.5, 0.0)
        kurtosis = np.where(alive, central[:, 3] / spread**2 - 3.0, 0.0)
        return np.stack([central[:, 0], np.sqrt(central[:, 1]), skewness, kurtosis, ks])

    parts = run_tasks(task, blocks(values.shape[1], COLUMNS_IN_A_TASK))
    mean, sd, skewness, kurtosis, ks = np.concatenate(list(parts), axis=1)
    return Coordinates(values, fitted, mean, sd, skewness, kurtosis, ks)


def column_name(names: Sequence[str] | None, j: int) -> str:
    """Return the name of column j, or "x" and its position."""
    return f"x{j}" if names is None else str(names[j])


def histogram(values: NDArray[Any], low: float, high: float) -> tuple[Vector, Vector]:
    """Edges and density of a histogram; values outside `low` to `high` go to the end bins."""
    bins = int(np.clip(np.sqrt(len(values)), 8, BINS))
    edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    return edges, counts / (len(values) * np.diff(edges))
