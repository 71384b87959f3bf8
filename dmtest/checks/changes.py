"""Departures of columns, of pairs of columns and of rows, under every labelling of two samples.

A departure is at least 0, and linear in the moment near the target: the size of a mean, of the
logarithm of a variance, of Fisher's transform of a correlation, of the distance of a column's shape
from the normal. (A divergence is quadratic there: half the squared mean.) The largest departure of
one sample is compared with the largest of the other, the second with the second, and so on: an
encoder whose columns come in another order is no worse.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.effects.coordinates import column_names
from dmtest.engines.labelled_slices import sort_slices
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.typing import Vector

# Most columns whose pairs are compared, labellings of one task, and departures that are compared
# in the order of their size.
MOST_COLUMNS, GROUP, RANKED = 512, 32, 32
# Bounds of what is logged: a variance in units of the pooled one, a correlation.
LEAST_VARIANCE, MOST_CORRELATION = 1e-12, 1.0 - 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """How much further one sample departs than the other, in one kind of entry.

    Attributes
    ----------
    name : str
        Name of the row of the check.
    badness : ndarray, shape (1 + replicates, c)
        Largest excess of a departure over that of the same rank, and excess of all together, under
        every labelling; the observed one first.
    ours, theirs : ndarray, shape (k,)
        Departures of the entries of the data and of the reference.
    spread : ndarray, shape (k,)
        Standard deviations of their differences if both samples have one distribution.
    signed : tuple of ndarray, shape (k,)
        What is shown for each entry of the data and of the reference: the moments themselves.
    places : tuple of str
        Names of the entries.
    """

    name: str
    badness: Vector
    ours: Vector
    theirs: Vector
    spread: Vector
    signed: tuple[Vector, Vector]
    places: tuple[str, ...]

    @property
    def worst(self) -> int:
        """The entry that moved most, among those at least as far as the rank that stands out."""
        ours, theirs = self.ours / self.spread, self.theirs / self.spread
        rank = int((_largest(ours) - _largest(theirs)).argmax())
        far = ours >= _largest(ours)[rank]
        return int(np.where(far, ours - theirs, -np.inf).argmax())


def _largest(departures: Vector) -> Vector:
    """Return the largest departures, in descending order."""
    if len(departures) > 4 * RANKED:
        departures = np.partition(departures, len(departures) - RANKED)[-RANKED:]
    return np.sort(departures)[::-1][:RANKED]


def _excess(ours: Vector, theirs: Vector) -> float:
    """Largest excess of a departure over that of the same rank, both in standard deviations."""
    return float((_largest(ours) - _largest(theirs)).max())


def normal_means(n: int) -> Vector:
    """Means of N(0, 1) between its quantiles of order i/n: shape (n,)."""
    ends = ndtri(np.arange(n + 1) / n)
    density = np.exp(-0.5 * ends**2) / np.sqrt(2.0 * np.pi)
    return np.asarray(n * (density[:-1] - density[1:]))


def moment_changes(pool: Pool, labels: Labels, names: Sequence[str] | None) -> list[Change]:
    """Compare means, variances and correlations with those of N(0, I), entry by entry.

    Parameters
    ----------
    pool : Pool
        Both samples on normal scale.
    labels : Labels
    names : sequence of str, optional
        Names of the columns.
    """
    d, places = pool.d, column_names(names, pool.d)
    centre, scale = pool.mean, np.sqrt(np.where(pool.variance > 0.0, pool.variance, 1.0))
    rows = pool.rows(slice(0, pool.total)) / scale
    pairs = np.triu_indices(d, 1) if d <= MOST_COLUMNS else np.triu_indices(0)
    n, m = labels.n, labels.m

    def squares_of(part: Vector) -> Vector:
        return part.T @ part if len(pairs[0]) else np.square(part).sum(axis=0)

    def of_sums(sums: Vector, squares: Vector, count: int) -> tuple[Vector, Vector, Vector]:
        mean, r = sums / count, np.empty(0)
        diagonal = np.diagonal(squares) if len(pairs[0]) else squares
        variance = np.maximum(diagonal / count - mean**2, LEAST_VARIANCE)
        if len(pairs[0]):
            root = np.sqrt(variance)
            covariance = squares[pairs] / count - mean[pairs[0]] * mean[pairs[1]]
            r = covariance / (root[pairs[0]] * root[pairs[1]])
        transformed = np.arctanh(np.clip(r, -MOST_CORRELATION, MOST_CORRELATION))
        return centre + scale * mean, np.log(variance * scale**2), transformed

    first, second = rows.sum(axis=0), squares_of(rows)

    def both(mark: NDArray[np.uint8]) -> list[tuple[Vector, Vector]]:
        part = rows[np.flatnonzero(mark)]
        sums, squares = part.sum(axis=0), squares_of(part)
        ours, theirs = of_sums(sums, squares, n), of_sums(first - sums, second - squares, m)
        return list(zip(ours, theirs, strict=True))

    spread = [one * np.sqrt(1.0 / n + 1.0 / m) for one in _spreads(rows, scale, pairs)]
    observed = both(labels.marks(slice(0, 1))[0])
    worst = np.empty((labels.replicates + 1, 3))
    whole = np.empty_like(worst)
    for batch in labels.batches():
        marks = labels.marks(batch)

        def task(part: slice, marks: NDArray[np.uint8] = marks) -> Vector:
            out = np.zeros((part.stop - part.start, 2, 3))
            for row, mark in zip(out, marks[part], strict=True):
                for k, (ours, theirs) in enumerate(both(mark)):
                    if len(ours):
                        row[0, k] = _excess(np.abs(ours) / spread[k], np.abs(theirs) / spread[k])
                        row[1, k] = _size(ours) - _size(theirs)
            return out

        tasks = blocks(len(marks), GROUP)
        for part, values in zip(tasks, run_tasks(task, tasks), strict=True):
            where = slice(batch.start + part.start, batch.start + part.stop)
            worst[where], whole[where] = values[:, 0], values[:, 1]
    kinds = ("mean", places), ("variance", places), ("correlation", _pair_names(places, pairs))
    return [
        Change(
            name=name,
            badness=np.stack([worst[:, k], whole[:, k]], axis=1),
            ours=np.abs(observed[k][0]),
            theirs=np.abs(observed[k][1]),
            spread=spread[k],
            signed=(_SHOWN[name](observed[k][0]), _SHOWN[name](observed[k][1])),
            places=entries,
        )
        for k, (name, entries) in enumerate(kinds)
        if len(entries)
    ]


_SHOWN: dict[str, Callable[[Vector], Vector]] = {
    "mean": np.asarray,
    "variance": np.exp,
    "correlation": np.tanh,
}


def _size(departures: Vector) -> float:
    return float(np.sqrt(np.square(departures).mean()))


def _spreads(
    rows: Vector, scale: Vector, pairs: tuple[NDArray[np.intp], ...]
) -> tuple[Vector, Vector, Vector]:
    """Standard deviations, times root n, of means, log variances and transformed correlations.

    They are those of the pool, whatever the labels, so that p-values stay exact.
    """
    total = len(rows)
    square = rows * rows
    kurtosis = np.square(square).mean(axis=0)
    variances = np.sqrt(np.maximum(kurtosis - 1.0, 1e-12))
    i, j = pairs
    if not len(i):
        return scale, variances, np.empty(0)
    fourth, third = square.T @ square / total, (square * rows).T @ rows / total
    r = np.clip((rows.T @ rows / total)[i, j], -MOST_CORRELATION, MOST_CORRELATION)
    # Of z_i z_j - r (z_i^2 + z_j^2) / 2, the influence of a row on a correlation.
    variance = fourth[i, j] * (1.0 + 0.5 * r**2) - r * (third[i, j] + third[j, i])
    variance += 0.25 * r**2 * (kurtosis[i] + kurtosis[j])
    return scale, variances, np.sqrt(np.maximum(variance, 1e-12)) / (1.0 - r**2)


def shape_change(pool: Pool, labels: Labels, names: Sequence[str] | None) -> Change:
    """Compare the shape of every column, whatever its mean and variance, with the normal's.

    The departure is sqrt(1 - W), where W is the squared correlation of the sorted values with the
    means of a normal sample (after Shapiro & Francia 1972); 0 for a constant column.
    """
    ours, theirs = shapes(pool, labels, np.eye(pool.d))[:2]
    spread = np.maximum((ours - theirs).std(axis=0), 1e-12)
    pairs = zip(ours / spread, theirs / spread, strict=True)
    worst = np.array([_excess(mine, other) for mine, other in pairs])
    whole = np.sqrt(np.square(ours).mean(axis=1)) - np.sqrt(np.square(theirs).mean(axis=1))
    return Change(
        name="shape",
        badness=np.stack([worst, whole], axis=1),
        ours=ours[0],
        theirs=theirs[0],
        spread=spread,
        signed=(ours[0], theirs[0]),
        places=column_names(names, pool.d),
    )


def shapes(pool: Pool, labels: Labels, directions: Vector) -> tuple[Vector, Vector, Vector, Vector]:
    """Departures of slices from the normal, of data and reference, under every labelling.

    Parameters
    ----------
    pool : Pool
    labels : Labels
    directions : ndarray, shape (k, d)

    Returns
    -------
    tuple of four ndarray, shape (1 + replicates, k)
        Those of the shape, sqrt(1 - W), of the data and of the reference; then Wasserstein-2
        distances from N(0, 1), of both.
    """
    from dmtest.kernels.transport import score_sums

    n, m = labels.n, labels.m
    scores = normal_means(n), normal_means(m)
    lines = sort_slices(pool, directions)
    shift = directions @ pool.mean
    out = np.empty((4, labels.replicates + 1, len(directions)))
    for batch in labels.batches():
        marks = labels.marks(batch)

        def one(k: int, marks: NDArray[np.uint8] = marks) -> Vector:
            values, order = lines.values[k], lines.order[k]
            filled = np.empty((len(marks), 4))
            score_sums(values, order, marks, *scores, filled)
            sums = filled[:, 2:]
            rest = np.array([values.sum(), np.square(values).sum()]) - sums
            data = _departures(sums, filled[:, 0], n, scores[0], shift[k])
            reference = _departures(rest, filled[:, 1], m, scores[1], shift[k])
            return np.stack([data[0], reference[0], data[1], reference[1]])

        for k, four in enumerate(run_tasks(one, range(len(directions)))):
            out[:, batch, k] = four
    return out[0], out[1], out[2], out[3]


def _departures(
    sums: Vector, products: Vector, count: int, scores: Vector, shift: float
) -> tuple[Vector, Vector]:
    """Return sqrt(1 - W), and the Wasserstein-2 distance from N(0, 1), from sums over a sample."""
    mean = sums[:, 0] / count
    variance = np.maximum(sums[:, 1] / count - mean**2, 0.0)
    size = float(np.square(scores).sum()) * count * variance
    fit = products**2 / np.where(size > 0.0, size, 1.0)
    shape = np.where(size > 0.0, np.sqrt(np.clip(1.0 - fit, 0.0, 1.0)), 0.0)
    squared = (mean + shift) ** 2 + variance + 1.0 - 2.0 * products / count
    return shape, np.sqrt(np.maximum(squared, 0.0))


def repeat_change(pool: Pool, labels: Labels) -> Change | None:
    """Compare the shares of rows that repeat an earlier row; None where no row does."""
    kept = np.concatenate([pool.x, pool.y]) + 0.0
    code = np.unique(kept, axis=0, return_inverse=True)[1].ravel()
    counts = np.bincount(code)
    repeated = counts[code] > 1
    if not repeated.any():
        return None
    code = np.unique(code[repeated], return_inverse=True)[1]
    kinds = int(code.max()) + 1
    shares = np.empty((labels.replicates + 1, 2))
    for batch in labels.batches():
        for b, mark in enumerate(labels.marks(batch)[:, repeated], batch.start):
            for k, (chosen, total) in enumerate(((mark == 1, labels.n), (mark == 0, labels.m))):
                copies = np.bincount(code[chosen], minlength=kinds)
                shares[b, k] = (copies.sum() - np.count_nonzero(copies)) / total
    excess = shares[:, 0] - shares[:, 1]
    return Change(
        name="repeats",
        badness=excess[:, None],
        ours=shares[:1, 0],
        theirs=shares[:1, 1],
        spread=np.maximum(excess.std(), 1e-12)[None],
        signed=(shares[:1, 0], shares[:1, 1]),
        places=("rows",),
    )


def _pair_names(places: tuple[str, ...], pairs: tuple[NDArray[np.intp], ...]) -> tuple[str, ...]:
    return tuple(f"{places[i]} and {places[j]}" for i, j in zip(*pairs, strict=True))
