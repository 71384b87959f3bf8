"""Directions along which two samples differ most: searched on halves, tested on the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.multiplicity import holm, rank_pvalues
from dmtest.effects.directions.one_sample import Direction, describe_direction
from dmtest.engines.labelled_slices import SortedSlices, slice_distances, sort_slices
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.pools.classifier import shrinkage
from dmtest.targets.transforms import unit_rows

# Fewest and most rows of half a sample for a search; most columns.
FEWEST, ROWS, MOST_COLUMNS = 50, 10_000, 1024
# Candidates: eigenvectors at each end of a spectrum, and columns; directions to return.
ENDS, COORDINATES, COUNT = 4, 128, 3


def divergent_directions(pool: Pool, replicates: int) -> list[Direction]:
    """Search one half of either sample for directions, test these on the other halves.

    Candidates are the difference of the means, the extreme eigenvectors of the difference of the
    covariances (both also after whitening with the shrunk pooled covariance), and single columns.
    The energy distance along a direction, in pooled standard deviations, ranks them.

    Parameters
    ----------
    pool : Pool
        Rows of both samples.
    replicates : int
        Permutations of the labels.

    Returns
    -------
    list of Direction
        At most COUNT, orthogonal; none where there are too few rows or too many columns.
    """
    d = pool.d
    if d < 2 or d > MOST_COLUMNS or min(pool.n, pool.m) < 2 * FEWEST:
        return []
    halves = [_halves(pool, name, n) for name, n in (("data", pool.n), ("reference", pool.m))]
    x, y = (
        np.asarray(rows[half[0]], dtype=np.float64)
        for rows, half in zip((pool.x, pool.y), halves, strict=True)
    )
    held_out = Pool(pool.x[halves[0][1]], pool.y[halves[1][1]], pool.seed)
    directions = _search(Pool(x, y, pool.seed), _candidates(x, y))
    lines = sort_slices(held_out, directions)
    values = _energies(held_out, lines, Labels(held_out.n, held_out.m, replicates, pool.seed))
    pvalues = [float(rank_pvalues(row[0], row[1:])) for row in np.round(values, 10)]
    adjusted = holm(pvalues)
    return [
        describe_direction(
            u,
            np.asarray(held_out.x, dtype=np.float64) @ u,
            halves[0][1],
            statistic=float(row[0]),
            pvalue=p,
            adjusted=float(q),
            reference=np.asarray(held_out.y, dtype=np.float64) @ u,
        )
        for u, row, p, q in zip(directions, values, pvalues, adjusted, strict=True)
    ]


def _halves(pool: Pool, name: str, n: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    order = stream(pool.seed, f"divergent/{name}").permutation(n)
    return np.sort(order[: n // 2][:ROWS]), np.sort(order[n // 2 :][:ROWS])


def _candidates(x: Vector, y: Vector) -> Vector:
    d = x.shape[1]
    difference = x.mean(axis=0) - y.mean(axis=0)
    centred = np.concatenate([x - x.mean(axis=0), y - y.mean(axis=0)])
    covariance = centred.T @ centred / len(centred)
    weight = shrinkage(centred, covariance)
    level = float(np.trace(covariance)) / d
    values, vectors = np.linalg.eigh((1.0 - weight) * covariance + weight * level * np.eye(d))
    root = vectors / np.sqrt(np.maximum(values, 1e-12 * max(float(values[-1]), 1e-200)))
    change = np.cov(x.T, ddof=0) - np.cov(y.T, ddof=0)
    raw = np.linalg.eigh(change)[1].T
    white = np.linalg.eigh(root.T @ change @ root)[1].T @ root.T
    spread = np.sqrt(np.maximum(np.diagonal(covariance), 1e-300))
    shift = np.argsort(-np.abs(difference) / spread, kind="stable")[:COORDINATES]
    parts = [
        difference[None],
        (root @ (root.T @ difference))[None],
        *(ends for axes in (raw, white) for ends in (axes[:ENDS], axes[-ENDS:])),
        np.eye(d)[shift],
    ]
    rows = np.concatenate(parts)
    return unit_rows(rows[np.square(rows).sum(axis=1) > 0.0])


def _search(pool: Pool, candidates: Vector) -> Vector:
    """Return the best candidates, each made orthogonal to the previous ones."""
    labels = Labels(pool.n, pool.m, 0, pool.seed)
    previous: list[Vector] = []
    for _ in range(min(COUNT, pool.d)):
        rest = candidates
        if previous:
            basis = np.stack(previous)
            rest = candidates - candidates @ basis.T @ basis
            # The rest of a candidate that is close to a previous direction is noise.
            rest = rest[np.square(rest).sum(axis=1) > 0.1]
        if not len(rest):
            break
        rest = unit_rows(rest)
        lines = sort_slices(pool, rest)
        previous.append(rest[_energies(pool, lines, labels)[:, 0].argmax()])
    return np.stack(previous)


def _energies(pool: Pool, lines: SortedSlices, labels: Labels) -> Vector:
    from dmtest.kernels.transport import energy_distances

    spread = np.sqrt(np.where(lines.spread > 0.0, lines.spread, 1.0))
    return np.asarray(
        pool.scale * slice_distances(lines, labels, energy_distances) / spread[:, None]
    )
