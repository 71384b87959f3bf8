"""Two samples along slices: the pool's sorted lines, and a distance under every labelling."""

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

# Random frequencies of a large pool, and its slices.
FREQUENCIES, SLICES = 512, 64


@dataclass(frozen=True, slots=True)
class Lines:
    """The pool along every direction, sorted: shapes (k, N); `spread` are variances, (k,)."""

    directions: Vector
    values: Vector
    order: NDArray[np.int32]
    spread: Vector


@dataclass(frozen=True, slots=True)
class SlicedLines:
    """Asks for the pool along so many random directions."""

    slices: int


@dataclass(frozen=True, slots=True)
class Drawn:
    """A statistic under every labelling.

    Attributes
    ----------
    statistic : float
        Of the observed labelling.
    badness : ndarray, shape (1 + replicates, c)
        What is calibrated, larger is worse, the observed labelling first.
    facts : dict
        Further fields of the outcome.
    rounding : float
        What the order of summation may add to a value, of terms that cancel.
    params : dict
        Tuning parameters that were chosen from the pool.
    form : Form, optional
        Of sums over pairs, for the size of the effect.
    per_line : ndarray, shape (k, 1 + replicates), optional
        Squared distance along every line, and the `lines`.
    """

    statistic: float
    badness: Vector
    facts: dict[str, Any] = field(default_factory=dict)
    rounding: float = 0.0
    params: dict[str, Any] = field(default_factory=dict)
    form: Form | None = None
    per_line: Vector | None = None
    lines: Lines | None = None


def sorted_lines(pool: Pool, directions: Vector) -> Lines:
    """Project the pool on directions, and sort every line."""
    lines = np.empty((len(directions), pool.total))
    for part, rows in pool.tiles():
        lines[:, part] = directions @ rows.T

    def one(k: int) -> tuple[Vector, NDArray[np.int32], float]:
        order = np.argsort(lines[k], kind="stable")
        return lines[k][order], order.astype(np.int32), float(lines[k].var())

    values = np.empty_like(lines)
    order = np.empty(lines.shape, np.int32)
    spread = np.empty(len(lines))
    for k, (sorted_, places, variance) in enumerate(run_tasks(one, range(len(lines)))):
        values[k], order[k], spread[k] = sorted_, places, variance
    return Lines(directions, values, order, spread)


def directions_of(pool: Pool, slices: int) -> Vector:
    """Draw the directions of slices; one for a single column."""
    k = 1 if pool.d == 1 else slices
    return random_directions(k, pool.d, stream(pool.seed, "directions"))


def per_line(lines: Lines, labels: Labels, kernel: Callable[..., None]) -> Vector:
    """Evaluate a distance of two samples along every line, under every labelling."""
    found = np.empty((len(lines.values), labels.replicates + 1))
    for batch in labels.batches():
        marks = labels.marks(batch)

        def one(k: int, marks: Any = marks) -> Vector:
            out = np.empty(len(marks))
            kernel(lines.values[k], lines.order[k], marks, labels.n, out)
            return out

        for k, values in enumerate(run_tasks(one, range(len(lines.values)))):
            found[k, batch] = values
    return found
