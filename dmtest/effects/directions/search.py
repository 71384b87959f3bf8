"""The search for the directions along which rows depart most from normal."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.catalogue.slices import ANDERSON_DARLING
from dmtest.effects.directions.forms import extreme_forms
from dmtest.engines.slices import Parameters, slice_statistics
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.rows.directions import climb
from dmtest.targets.transforms import (
    cholesky,
    mean_and_covariance,
    unit_rows,
)

# Starts of each kind.
STARTS = 24
# Values of the rows from which on the search is in float32; share of its value that an ascent has
# to gain in a few steps.
SINGLE, GAIN = 1 << 17, 1e-3
# 1% points of A^2 (Stephens 1974): they bring both versions to one scale.
CRITICAL: dict[Parameters, float] = {"known": 3.857, "fitted": 1.035}


def search_directions(rows: NDArray[Any], count: int, seed: int, *, fitted: bool) -> Vector:
    """Return the orthogonal directions, at most `count`, along which rows depart most.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Rows on normal scale, of columns that vary (if fitted, of independent ones). They choose
        the directions, so only other rows can test these.
    count, seed : int
    fitted : bool
        Whether only the shape counts, after whitening; the directions are those of the rows.
    """
    train = np.asarray(rows, dtype=np.float64)
    back: Vector = np.eye(train.shape[1])
    if fitted:
        mean, covariance = mean_and_covariance(train)
        back = np.asarray(np.linalg.inv(cholesky(covariance)).T)
        train = (train - mean) @ back
    starts = _starts(train, stream(seed, "directions/starts"))
    # Other rows test the directions, in double: float32 is enough to find them.
    found = train.astype(np.float32) if train.size >= SINGLE else train
    directions: list[Vector] = []
    for _ in range(min(count, train.shape[1])):
        directions.append(_search(found, fitted, directions, starts))
    return unit_rows(np.stack(directions) @ back.T)


def versions_of(fitted: bool) -> tuple[Parameters, ...]:
    """Return the versions of a test: for a specified target also the fitted one, of shape alone."""
    return ("fitted",) if fitted else ("known", "fitted")


def _search(x: NDArray[Any], fitted: bool, previous: list[Vector], starts: Vector) -> Vector:
    """Return the best direction among those orthogonal to the previous ones."""
    d = x.shape[1]
    past = np.stack(previous) if previous else np.zeros((0, d))
    if d - len(past) == 1:
        return np.asarray(np.linalg.svd(past, full_matrices=True)[2][-1] if len(past) else [1.0])

    def rest(u: Vector) -> Vector:
        return np.asarray(u - (u @ past.T) @ past)

    def objective(u: Vector) -> tuple[Vector, Vector]:
        value, slope = _departure(x, u, fitted)
        return value, rest(slope)

    def distance(u: Vector) -> Vector:
        parts = [anderson_darling(x, u, one) / CRITICAL[one] for one in versions_of(fitted)]
        return np.asarray(np.max(parts, axis=0))

    def onto(u: Vector) -> Vector:
        return unit_rows(rest(u))

    points = rest(starts)
    # The rest of a start that is close to a previous direction is noise.
    points = onto(points[np.square(points).sum(axis=1) > 0.1])
    tops = climb(points, objective, onto, 0.5, distance, sphere=True, gain=GAIN)[1]
    # A single far row has a large fourth moment along its own direction. So moments guide the
    # ascent, and the distance between distributions, which one row hardly changes, decides.
    return np.asarray(tops[distance(tops).argmax()])


def anderson_darling(y: Vector, u: Vector, parameters: Parameters) -> Vector:
    """Return A^2 of the rows y (n, d) along every direction of u (k, d): shape (k,)."""
    functions = {ANDERSON_DARLING.name: ANDERSON_DARLING.statistic}
    return slice_statistics(y, u, parameters, functions)[:, 0]


def _starts(y: Vector, rng: np.random.Generator) -> Vector:
    """Return unit vectors that point at likely departures, and random ones.

    They are eigenvectors of the covariance and of quadratic forms of fourth moments, the mean, the
    mean of y |y|^2, the farthest rows, and columns. In many dimensions only the forms lead to a
    single bad direction: the objective is flat except within a few degrees of it, and random
    starts end at the direction of some far row.
    """
    d = y.shape[1]
    length = np.square(y).sum(axis=1)
    centred = y - y.mean(axis=0)
    count = min(d, STARTS // 2)
    vectors = np.linalg.eigh(centred.T @ centred / len(y))[1].T
    far = y[np.argsort(-length, kind="stable")[:STARTS]]
    parts = [
        vectors[:count],
        vectors[-count:],
        *extreme_forms(centred, rng, single=SINGLE),
        (centred.T @ (length - length.mean()))[None],
        y.mean(axis=0)[None],
        far,
        np.eye(d)[: 4 * STARTS],
        rng.standard_normal((STARTS, d)),
    ]
    starts = np.concatenate(parts)
    return unit_rows(starts[np.square(starts).sum(axis=1) > 1e-20])


def _departure(y: NDArray[Any], u: Vector, fitted: bool) -> tuple[Vector, Vector]:
    """Sum of squared means of Hermite polynomials over k!, and its gradient.

    Products with the rows have their precision.
    """
    u = u.astype(y.dtype, copy=False)
    weights = (0.0, 0.0, 1.0, 1.0) if fitted else (1.0, 1.0, 1.0, 1.0)

    def tile(part: slice) -> tuple[NDArray[Any], Vector]:
        p = u @ y[part].T
        p2 = p * p
        cube = p2 * p
        powers = [p, p2, cube, p2 * p2]
        return p, np.stack([power.sum(axis=1, dtype=np.float64) for power in powers])

    slices, sums = [], np.zeros((4, len(u)))
    parts = blocks(len(y), ROW_TILE)
    for p, powers in run_tasks(tile, parts):
        slices.append(p)
        sums += powers
    first, second, third, fourth = sums / len(y)
    means = [first, second - 1.0, third - 3.0 * first, fourth - 6.0 * second + 3.0]
    factorials = (1.0, 2.0, 6.0, 24.0)
    value = np.zeros(len(u))
    factors = []
    for weight, mean, factorial in zip(weights, means, factorials, strict=True):
        value += weight * mean**2 / factorial
        factors.append((weight * (2.0 / factorial) * mean)[:, None])
    # The slope of a Hermite polynomial is k times the one before: one product with the rows.
    a, b, c, e = (k * factor for k, factor in enumerate(factors, 1))
    cubic = [part.astype(y.dtype) for part in (a - c, b - 3.0 * e, c, e)]

    def slope_of(job: tuple[NDArray[Any], slice]) -> NDArray[Any]:
        p, part = job
        constant, linear, square, cube = cubic
        return np.asarray((((cube * p + square) * p + linear) * p + constant) @ y[part])

    slope = np.zeros(u.shape)
    for one in run_tasks(slope_of, list(zip(slices, parts, strict=True))):
        slope += one
    return value, slope / len(y)
