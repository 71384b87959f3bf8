"""Columns one by one: moments, histograms, and the divergence of columns, slices and directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.effects.profile import yardsticks
from dmtest.engines.slices import SliceView
from dmtest.information.columns import smoothed_column_bounds
from dmtest.results import effect_table as table
from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.slices.edf import kolmogorov_smirnov
from dmtest.targets.canonical import Canonical

# Most rows behind the summaries, evenly spaced: enough for KS distances of 0.01.
ROWS = 20_000
COLUMNS_IN_A_TASK = 16
BINS = 60
# Noise of the divergence of single columns and directions; principal directions among these, and
# most columns of which they are computed.
MARGIN_NOISE, PRINCIPAL, PRINCIPAL_COLUMNS = 0.3, 8, 1024
# Nats from which rows lie so far out that bounds from below hardly grow with the distance.
BEYOND = 36.0


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


def column_names(names: Sequence[str] | None, d: int) -> tuple[str, ...]:
    """Return the names of d columns."""
    return tuple(column_name(names, j) for j in range(d))


def histogram(values: NDArray[Any], low: float, high: float) -> tuple[Vector, Vector]:
    """Edges and density of a histogram; values outside `low` to `high` go to the end bins."""
    bins = int(np.clip(np.sqrt(len(values)), 8, BINS))
    edges = np.linspace(low, high, bins + 1)
    counts, _ = np.histogram(np.clip(values, low, high), edges)
    return edges, counts / (len(values) * np.diff(edges))


@dataclass(frozen=True, slots=True)
class Margins:
    """Divergences from N(0, 1) of columns, slices and directions after noise, in nats.

    Attributes
    ----------
    labels : tuple of str
        The column, slice or direction of each.
    lower, estimate, upper : ndarray, shape (margins,)
        Estimates, and one-sided confidence bounds that hold for all margins together.
    above : ndarray, shape (margins,)
        Estimates from above, bias included.
    rows : ndarray of int, shape (margins,)
        Rows behind each: directions have one half.
    noise : float
        Standard deviation of the noise.
    """

    labels: tuple[str, ...]
    lower: Vector
    estimate: Vector
    upper: Vector
    above: Vector
    rows: NDArray[np.intp]
    noise: float

    @property
    def largest(self) -> int:
        """Index of the margin with the largest lower bound; of equal ones, largest estimate.

        Lower bounds of margins with rows far beyond the normal's are nearly equal, whatever the
        distance: then the one with the largest estimate from above.
        """
        if self.lower.max() > BEYOND:
            return int(np.where(self.lower > BEYOND, self.above, -np.inf).argmax())
        return int(np.lexsort((self.estimate, self.lower))[-1])


def margins_of(
    canonical: Canonical,
    names: Sequence[str] | None,
    slices: Vector | None,
    searched: Vector | None,
    *,
    alpha: float,
    seed: int,
    noise: float = MARGIN_NOISE,
    most: int | None = None,
) -> Margins:
    """Bound the divergence of every column, slice and leading direction after noise.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    names : sequence of str or None
        Names of the columns.
    slices : ndarray, shape (k, d), or None
        Directions that do not depend on the rows.
    searched : ndarray, shape (m, d), or None
        Directions that the search chose on one half of the rows; the principal directions of that
        half are added. Both are evaluated on the other half.
    alpha : float
        The lower bounds hold together with probability 1 - alpha, and so do the upper ones.
    seed : int
        Seed of the halves.
    noise : float
    most : int, optional
        Most rows, evenly spaced.
    """
    rows, (n, d) = canonical.rows, canonical.rows.shape
    step = 1 if most is None else -(-n // most)
    after = " after whitening" if canonical.fitted else ""
    labels = [f"column {column_name(names, int(j))}{after}" for j in canonical.columns]
    views = [rows[::step]]
    if d > 1:
        if slices is not None:
            views.append(np.asarray(rows[::step] @ slices.T.astype(rows.dtype)))
            labels += [f"slice {j}" for j in range(len(slices))]
        first, second = halves(n)
        chosen = np.zeros((0, d)) if searched is None else searched
        labels += [f"worst direction {j + 1}" for j in range(len(chosen))]
        if d <= PRINCIPAL_COLUMNS:
            principal = _principal_directions(rows[first])
            chosen = np.concatenate([chosen, principal])
            labels += [f"principal direction {j + 1}" for j in range(len(principal))]
        views.append(np.asarray(rows[second[::step]]) @ chosen.T.astype(rows.dtype))
    each = alpha / len(labels)
    bounds = [smoothed_column_bounds(view, noise, each) for view in views]
    lower, estimate, upper, above = (
        np.concatenate([getattr(one, part) for one in bounds])
        for part in ("lower", "estimate", "upper", "above")
    )
    counts = np.concatenate([np.full(view.shape[1], len(view)) for view in views])
    return Margins(tuple(labels), lower, estimate, upper, above, counts, noise)


def _principal_directions(rows: NDArray[Any]) -> Vector:
    """Return the principal directions whose second moments are farthest from 1."""
    train = np.asarray(rows, dtype=np.float64)
    values, vectors = np.linalg.eigh(train.T @ train / len(train))
    values = np.maximum(values, 1e-300)
    order = np.argsort(-(values - 1.0 - np.log(values)), kind="stable")
    return np.asarray(vectors.T[order[:PRINCIPAL]])


def margins_effect(margins: Margins, confidence: float) -> Effect:
    """Return the largest divergence of a margin as an effect, with limits of this confidence."""
    j = margins.largest
    row = table.WORST_MARGIN.filled(
        where=margins.labels[j], noise=margins.noise, count=len(margins.labels)
    )
    high = float(margins.upper.max())
    effect = row.within_limits(
        float(margins.estimate[j]),
        float(margins.lower.max()),
        high if np.isfinite(high) else None,
        confidence,
        row.note if np.isfinite(high) else f"{row.note}; {table.NO_UPPER}",
    )
    return replace(effect, yardsticks=yardsticks(margins.noise, 1))


def halves(n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the rows on which directions are chosen, and those on which they are tested.

    The split is the same for all seeds: a verdict must not depend on a seed.
    """
    order = stream(0, "directions/split").permutation(n)
    return np.sort(order[: n // 2]), np.sort(order[n // 2 :])
