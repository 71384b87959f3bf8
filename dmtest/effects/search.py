"""The directions of largest departure: found on one half of the rows, tested on the other."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.canonical import Canonical
from dmtest.multiplicity import holm
from dmtest.parallel import ROW_TILE, blocks, run_tasks
from dmtest.statistics.directions import climb
from dmtest.streams import stream
from dmtest.transforms import cholesky, mean_and_covariance, unit_rows

__all__ = ["Direction", "directions_of"]

Vector = NDArray[np.float64]

# Rows that the search looks at, start points of each kind, coordinates and rows that are named.
ROWS, STARTS, NAMED = 50_000, 24, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Direction:
    """One direction along which the rows depart from the target.

    Attributes
    ----------
    direction : tuple of float
        Unit vector in the coordinates of the (canonical) rows.
    statistic : float
        Anderson-Darling statistic of the held-out half along it.
    pvalue : float
        Its p-value there: honest, for those rows had no part in the choice.
    adjusted : float
        The same, adjusted by Holm's method for the number of directions.
    mean, variance, skewness, kurtosis : float
        Moments of the held-out half along it; kurtosis is the excess.
    coordinates, weights : tuple
        The columns it loads on most, and its entries there.
    rows : tuple of int
        The rows that stand out most along it, by index into the data.
    """

    direction: tuple[float, ...]
    statistic: float
    pvalue: float
    adjusted: float
    mean: float
    variance: float
    skewness: float
    kurtosis: float
    coordinates: tuple[int, ...]
    weights: tuple[float, ...]
    rows: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


def directions_of(canonical: Canonical, count: int, replicates: int, seed: int) -> list[Direction]:
    """Search one half of the rows, test on the other.

    Along u the departure is n sum_k (mean He_k(u.x))^2 / k! over the Hermite polynomials of
    degree 1 to 4 (3 and 4 where mean and covariance are fitted): location, scale, skewness and
    kurtosis, each with variance about 1 under the target. Ascent starts from random directions,
    from the eigenvectors of the covariance and of the matrices of third and fourth moments,
    which point at single directions that are not normal, and from the farthest rows.
    """
    n, d = canonical.rows.shape
    order = stream(seed, "directions/split").permutation(n)
    first, second = np.sort(order[: n // 2]), np.sort(order[n // 2 :])
    train = np.asarray(canonical.rows[first[:ROWS]], dtype=np.float64)
    held = np.asarray(canonical.rows[second], dtype=np.float64)
    back = np.eye(d)
    if canonical.fitted:
        mean, covariance = mean_and_covariance(train)
        back = np.linalg.inv(cholesky(covariance)).T
        train = (train - mean) @ back
    found: list[Vector] = []
    for place in range(min(count, d)):
        u = _search(train, canonical.fitted, found, seed, place)
        found.append(u)
    original = unit_rows(np.stack(found) @ back.T)
    lines = held @ original.T
    pvalues, statistics = _tested(lines, canonical.fitted, replicates, seed)
    adjusted = holm(list(pvalues))
    return [
        _described(u, line, statistic, p, q, second)
        for u, line, statistic, p, q in zip(
            original, lines.T, statistics, pvalues, adjusted, strict=True
        )
    ]


def _tested(
    lines: Vector, fitted: bool, replicates: int, seed: int
) -> tuple[list[float], list[float]]:
    """Anderson-Darling of every line by itself, as run_test would of one column."""
    from dmtest.calibration import monte_carlo_slices
    from dmtest.engines.slices import slice_statistics
    from dmtest.nulls import SliceNull
    from dmtest.registry import TESTS

    spec = TESTS["anderson-darling"]
    parameters = "fitted" if fitted else "known"
    pvalues, statistics = [], []
    for line in lines.T:
        rows = np.ascontiguousarray(line)[:, None]
        functions = {spec.name: spec.statistic}
        values = slice_statistics(rows, np.ones((1, 1)), parameters, functions)
        null = SliceNull.of(parameters, len(rows), 1, 1, None)
        (result,) = monte_carlo_slices(
            values, null, [spec], {}, replicates=replicates, seed=seed, thrifty=True
        )
        pvalues.append(result.pvalue)
        statistics.append(float(values[0, 0]))
    return pvalues, statistics


def _described(
    u: Vector, line: Vector, statistic: float, pvalue: float, adjusted: float, rows: Vector
) -> Direction:
    mean, variance = float(line.mean()), float(line.var())
    z = (line - mean) / np.sqrt(variance or 1.0)
    columns = np.argsort(-np.abs(u), kind="stable")[:NAMED]
    far = np.argsort(-np.abs(z), kind="stable")[:NAMED]
    return Direction(
        direction=tuple(float(v) for v in u),
        statistic=statistic,
        pvalue=pvalue,
        adjusted=float(adjusted),
        mean=mean,
        variance=variance,
        skewness=float((z**3).mean()),
        kurtosis=float((z**4).mean() - 3.0),
        coordinates=tuple(int(j) for j in columns),
        weights=tuple(float(u[j]) for j in columns),
        rows=tuple(int(rows[i]) for i in far),
    )


def _search(x: Vector, fitted: bool, taken: list[Vector], seed: int, place: int) -> Vector:
    """Climb within the directions orthogonal to those taken."""
    d = x.shape[1]
    basis = np.eye(d)
    if taken:
        basis = np.linalg.svd(np.stack(taken))[2][len(taken) :]
    y = x @ basis.T
    if y.shape[1] == 1:
        return basis[0]
    starts = _starts(y, stream(seed, "directions/starts", place))

    def objective(u: Vector) -> tuple[Vector, Vector]:
        return _departure(y, u, fitted)

    point = climb(starts, objective, unit_rows, 0.5)[1]
    return np.asarray(point @ basis)


def _starts(y: Vector, rng: np.random.Generator) -> Vector:
    d = y.shape[1]
    length = np.square(y).sum(axis=1)
    centred = y - y.mean(axis=0)
    count = min(d, STARTS // 2)

    def ends(matrix: Vector) -> Vector:
        vectors = np.linalg.eigh(matrix)[1].T
        return np.concatenate([vectors[:count], vectors[-count:]])

    covariance = centred.T @ centred / len(y)
    fourth = (centred * (length - length.mean())[:, None]).T @ centred / len(y)
    third = centred.T @ (length - length.mean())
    far = y[np.argsort(-length, kind="stable")[:STARTS]]
    parts = [
        ends(covariance),
        ends(fourth),
        third[None],
        y.mean(axis=0)[None],
        far,
        np.eye(d)[: 4 * STARTS],
        rng.standard_normal((STARTS, d)),
    ]
    starts = np.concatenate(parts)
    return unit_rows(starts[np.square(starts).sum(axis=1) > 1e-20])


def _departure(y: Vector, u: Vector, fitted: bool) -> tuple[Vector, Vector]:
    """Sum of squared means of Hermite polynomials over k!, and its gradient."""
    weights = (0.0, 0.0, 1.0, 1.0) if fitted else (1.0, 1.0, 1.0, 1.0)

    def tile(part: slice) -> list[Vector]:
        x = y[part]
        p = x @ u.T
        p2 = p * p
        h3 = p2 * p - 3.0 * p
        h4 = p2 * p2 - 6.0 * p2 + 3.0
        sums = [p, p2 - 1.0, h3, h4]
        slopes = [np.ones_like(p), 2.0 * p, 3.0 * p2 - 3.0, 4.0 * h3]
        return [s.sum(axis=0) for s in sums] + [s.T @ x for s in slopes]

    total: list[Any] = [0.0] * 8
    for values in run_tasks(tile, blocks(len(y), ROW_TILE)):
        total = [a + b for a, b in zip(total, values, strict=True)]
    value, slope = np.zeros(len(u)), np.zeros(u.shape)
    for k, weight in enumerate(weights):
        factorial = (1.0, 2.0, 6.0, 24.0)[k]
        mean, gradient = total[k] / len(y), total[4 + k] / len(y)
        value += weight * mean**2 / factorial
        slope += weight * (2.0 / factorial) * mean[:, None] * gradient
    return value, slope
