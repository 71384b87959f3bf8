"""Two samples along slices: the sorted slices of the pool, and a distance per labelling."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.directions import random_directions
from dmtest.engines.labelled_gram import Form
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

# Numbers of random frequencies and of slices for a large pool.
FREQUENCIES, SLICES = 512, 64


@dataclass(frozen=True, slots=True)
class SortedSlices:
    """The slices of a pool of N rows along k directions, each sorted.

    Attributes
    ----------
    directions : ndarray, shape (k, d)
    values : ndarray, shape (k, N)
        Slices in ascending order.
    order : ndarray of int, shape (k, N)
        Pooled row of each value.
    spread : ndarray, shape (k,)
        Variances of the slices.
    """

    directions: Vector
    values: Vector
    order: NDArray[np.int32]
    spread: Vector


@dataclass(frozen=True, slots=True)
class SliceRequest:
    """Request for the pool along `slices` random directions; the answer is `SortedSlices`."""

    slices: int


@dataclass(frozen=True, slots=True)
class LabelledStatistic:
    """A statistic under every labelling.

    Attributes
    ----------
    statistic : float
        Value of the observed labelling.
    badness : ndarray, shape (1 + replicates, c)
        Values to calibrate, larger is worse; the observed labelling first.
    facts : dict
        Further fields of the outcome.
    rounding : float
        Largest rounding error of a value, from terms that cancel.
    params : dict
        Tuning parameters chosen from the pool.
    form : Form, optional
        Sums over pairs, for the size of the effect.
    distances : ndarray, shape (k, 1 + replicates), optional
        Squared distance along every slice.
    slices : SortedSlices, optional
        The slices of `distances`.
    """

    statistic: float
    badness: Vector
    facts: dict[str, Any] = field(default_factory=dict)
    rounding: float = 0.0
    params: dict[str, Any] = field(default_factory=dict)
    form: Form | None = None
    distances: Vector | None = None
    slices: SortedSlices | None = None


def sort_slices(pool: Pool, directions: Vector) -> SortedSlices:
    """Project the pool on directions (k, d), and sort every slice."""
    slices = np.empty((len(directions), pool.total))
    for part, rows in pool.tiles():
        slices[:, part] = directions @ rows.T

    def one(k: int) -> tuple[Vector, NDArray[np.int32], float]:
        order = np.argsort(slices[k], kind="stable")
        return slices[k][order], order.astype(np.int32), float(slices[k].var())

    values = np.empty_like(slices)
    order = np.empty(slices.shape, np.int32)
    spread = np.empty(len(slices))
    for k, (sorted_, places, variance) in enumerate(run_tasks(one, range(len(slices)))):
        values[k], order[k], spread[k] = sorted_, places, variance
    return SortedSlices(directions, values, order, spread)


def directions_of(pool: Pool, slices: int) -> Vector:
    """Return the random directions of slices, shape (k, d); a single one if d = 1."""
    k = 1 if pool.d == 1 else slices
    return random_directions(k, pool.d, stream(pool.seed, "directions"))


def slice_distances(slices: SortedSlices, labels: Labels, kernel: Callable[..., None]) -> Vector:
    """Evaluate a distance of two samples along every slice, under every labelling.

    Parameters
    ----------
    slices : SortedSlices
    labels : Labels
    kernel : callable
        A distance of :mod:`dmtest.kernels.transport`.

    Returns
    -------
    ndarray, shape (k, 1 + replicates)
        The observed labelling first.
    """
    distances = np.empty((len(slices.values), labels.replicates + 1))
    for batch in labels.batches():
        marks = labels.marks(batch)

        def one(k: int, marks: Any = marks) -> Vector:
            out = np.empty(len(marks))
            kernel(slices.values[k], slices.order[k], marks, labels.n, out)
            return out

        for k, values in enumerate(run_tasks(one, range(len(slices.values)))):
            distances[k, batch] = values
    return distances
