"""Largest values over directions, and over frequencies: start points, then ascent.

Start points are random directions, the same for every sample, and the directions of the
sample's farthest rows. The best of them climb by gradient steps that are accepted only if
they gain. The search is the same for a replicate and for the sample, so the p-value is valid
even if a search misses the maximum.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.rows import RowView, Values
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.targets.transforms import unit_rows

Matrix: TypeAlias = NDArray[np.float64]
# From points (s, d) to values (s,) and gradients (s, d).
Objective: TypeAlias = Callable[[Matrix], tuple[Matrix, Matrix]]

RANDOM, FARTHEST, CLIMBERS, STEPS = 400, 100, 10, 80
# Steps in which a climb has to gain something, where it stops otherwise.
PATIENCE = 8
STEEP = 1e150  # slopes beyond are divided by their largest part before they are squared


def _moments(view: RowView, u: Matrix, slopes: bool) -> tuple[Matrix, ...]:
    """Means of p^3 and p^4 for p = u.Y, and of Y p^2 and Y p^3: (s,), (s,), (s, d), (s, d)."""
    total: list[Matrix] = [np.zeros(len(u)), np.zeros(len(u)), np.zeros(u.shape), np.zeros(u.shape)]
    for part in blocks(view.n, ROW_TILE):
        y = view.rows[part].astype(np.float64, copy=False)
        p = y @ u.T
        squares = p * p
        cubes = squares * p
        total[0] += cubes.sum(axis=0)
        total[1] += (squares * squares).sum(axis=0)
        if slopes:
            total[2] += squares.T @ y
            total[3] += cubes.T @ y
    return tuple(part / view.n for part in total)


def malkovich_afifi_skewness(view: RowView) -> Values:
    """Largest squared skewness over directions. Malkovich & Afifi (1973).

    At least mnt's MASkew, which uses a fixed set of directions.
    """

    def objective(u: Matrix) -> tuple[Matrix, Matrix]:
        third, _, slope, _ = _moments(view, u, True)
        return third**2, 6.0 * third[:, None] * slope

    value = _largest(view, lambda u: _moments(view, u, False)[0] ** 2, objective)
    return value, value


def malkovich_afifi_kurtosis(view: RowView) -> Values:
    """Largest kurtosis over directions. Malkovich & Afifi (1973); at least mnt's MAKurt."""

    def objective(u: Matrix) -> tuple[Matrix, Matrix]:
        _, fourth, _, slope = _moments(view, u, True)
        return fourth, 4.0 * slope

    value = _largest(view, lambda u: _moments(view, u, False)[1], objective)
    return value, value


def cox_small(view: RowView) -> Values:
    """Largest squared regression of Y on (u.Y)^2 beyond u.Y, over directions u.

    max of (|a|^2 - c3^2) / (c4 - 1 - c3^2), a = mean Y (u.Y)^2, c_k = mean (u.Y)^k. Cox &
    Small (1978); at least mnt's CS.
    """

    def objective(u: Matrix) -> tuple[Matrix, Matrix]:
        third, fourth, a, cubes = _moments(view, u, True)
        above = np.square(a).sum(axis=1) - third**2
        below = np.maximum(fourth - 1.0 - third**2, 1e-12)
        cross = np.zeros(u.shape)
        for part in blocks(view.n, ROW_TILE):
            y = view.rows[part].astype(np.float64, copy=False)
            cross += ((y @ u.T) * (y @ a.T)).T @ y
        up = 4.0 * cross / view.n - 6.0 * third[:, None] * a
        down = 4.0 * cubes - 6.0 * third[:, None] * a
        value = above / below
        return value, (up - value[:, None] * down) / below[:, None]

    if view.d == 1:
        return 0.0, 0.0  # there is no other direction
    value = _largest(view, lambda u: objective(u)[0], objective)
    return value, value


def pudelko(view: RowView, r: float = 2.0) -> Values:
    """Sqrt n sup over 0 < |t| <= r of |phi_n(t) - exp(-|t|^2/2)| / |t|. Pudelko (2005).

    At least mnt's PU, which climbs from one random point.
    """

    def objective(t: Matrix) -> tuple[Matrix, Matrix]:
        squared = np.square(t).sum(axis=1)
        real, imaginary = np.zeros(len(t)), np.zeros(len(t))
        real_slope, imaginary_slope = np.zeros(t.shape), np.zeros(t.shape)
        for part in blocks(view.n, ROW_TILE):
            y = view.rows[part].astype(np.float64, copy=False)
            p = y @ t.T
            cos, sin = np.cos(p), np.sin(p)
            # 1 - cos without cancellation, for short t.
            real += (2.0 * np.square(np.sin(0.5 * p))).sum(axis=0)
            imaginary += sin.sum(axis=0)
            real_slope -= sin.T @ y
            imaginary_slope += cos.T @ y
        n, normal = view.n, np.exp(-0.5 * squared)
        a, b = -real / n - np.expm1(-0.5 * squared), imaginary / n
        a_slope = real_slope / n + normal[:, None] * t
        gap = np.maximum(a**2 + b**2, 1e-300)
        value = np.sqrt(gap / squared)
        slope = (a[:, None] * a_slope + b[:, None] * imaginary_slope / n) / gap[:, None]
        return value, value[:, None] * (slope - t / squared[:, None])

    def into_ball(t: Matrix) -> Matrix:
        length = np.maximum(np.sqrt(np.square(t).sum(axis=1))[:, None], 1e-12)
        return np.asarray(t * np.clip(1.0, 1e-4 / length, r / length))

    rng = view.rng("pudelko")
    unit = unit_rows(rng.standard_normal((RANDOM, view.d)))
    starts = into_ball(unit * (r * rng.uniform(0.05, 1.0, RANDOM) ** (1.0 / view.d))[:, None])
    inner = into_ball(unit * rng.uniform(0.05, r, RANDOM)[:, None])
    far = _farthest(view)
    starts = np.concatenate([starts, inner, into_ball(r * far), into_ball(0.5 * r * far)])
    value = float(np.sqrt(view.n) * climb(starts, objective, into_ball, 0.2 * r)[0][0])
    return value, value


def _farthest(view: RowView) -> Matrix:
    """Return the directions of the farthest rows."""
    count = min(FARTHEST, view.n)
    order = np.argpartition(view.squared, view.n - count)[view.n - count :]
    rows = view.rows[np.sort(order)].astype(np.float64)
    return unit_rows(rows[np.square(rows).sum(axis=1) > 1e-12])


def _largest(view: RowView, screen: Callable[[Matrix], Matrix], objective: Objective) -> float:
    """Return the largest value over the sphere."""
    if view.d == 1:
        return float(screen(np.ones((1, 1)))[0])
    rng = view.rng("directions")
    starts = np.concatenate([unit_rows(rng.standard_normal((RANDOM, view.d))), _farthest(view)])
    return float(climb(starts, objective, unit_rows, 0.3, screen)[0][0])


def climb(
    starts: Matrix,
    objective: Objective,
    project: Callable[[Matrix], Matrix],
    step: float,
    screen: Callable[[Matrix], Matrix] | None = None,
    *,
    sphere: bool | None = None,
    gain: float = 0.0,
) -> tuple[Matrix, Matrix]:
    """Climb from the best starts; a step that gains grows the next, another is undone.

    Parameters
    ----------
    starts : ndarray, shape (s, d)
    objective, project, screen : callable
        Values and gradients at points; the projection on the domain; values alone, if cheaper.
    step : float
        Length of the first step.
    sphere : bool, optional
        Whether the points are unit vectors, so that only the tangential part of a gradient counts;
        by default where `project` is `unit_rows`.
    gain : float
        A point stops whose value has gained less than this share of it in `PATIENCE` steps.

    Returns
    -------
    values : ndarray, shape (at most CLIMBERS,)
        Largest first.
    points : ndarray, shape (len(values), d)
    """
    sphere = project is unit_rows if sphere is None else sphere
    values = objective(starts)[0] if screen is None else screen(starts)
    best = np.argsort(values)[::-1][:CLIMBERS]
    points = starts[best]
    values, slopes = objective(points)
    steps = np.full(len(points), step)
    active, past = np.arange(len(points)), values.copy()
    for turn in range(STEPS):
        at, slope = points[active], slopes[active]
        if sphere:
            slope = slope - (slope * at).sum(axis=1)[:, None] * at
        top = np.abs(slope).max(axis=1)[:, None]
        slope = slope / np.where(top > STEEP, top, 1.0)  # squares would overflow
        size = np.sqrt(np.square(slope).sum(axis=1))[:, None]
        proposals = project(at + steps[active, None] * slope / np.maximum(size, 1e-300))
        new, new_slopes = objective(proposals)
        better = new > values[active]
        moved = active[better]
        points[moved], slopes[moved], values[moved] = (
            proposals[better],
            new_slopes[better],
            new[better],
        )
        steps[active] *= np.where(better, 1.3, 0.4)
        if steps[active].max() < 1e-7:
            break
        if gain and (turn + 1) % PATIENCE == 0:
            active = active[values[active] - past[active] > gain * np.abs(values[active])]
            past = values.copy()
            if not len(active):
                break
    order = np.argsort(-values, kind="stable")
    return values[order], points[order]
