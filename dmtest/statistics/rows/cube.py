"""Uniformity of rows in the unit cube."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from dmtest.engines.gram import PairSum
from dmtest.engines.rows import Asks, RowView, Values
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws.quadratic import as_array

COLUMNS = 16  # columns sorted at a time
PAIRED = 2048  # rows that a block of rows is paired with at a time
ROWS = 256  # rows of a block


def axis_kolmogorov_smirnov(view: RowView) -> Values:
    """Largest sqrt(n) D of the columns: a mean would hide a single bad one."""

    def gap(u: Vector) -> Vector:
        n = len(u)
        i = np.arange(1, n + 1)[:, None] / n
        return np.asarray(np.maximum(i - u, u - i + 1.0 / n).max(axis=0))

    value = float(np.sqrt(view.n) * _by_column(view, gap).max())
    return value, value


def axis_kolmogorov_smirnov_law(statistic: float, view: RowView) -> float:
    """1 - (1 - p)^d for the exact p-value of the worst column: columns are independent."""
    from scipy.stats import kstwo

    return _familywise(float(kstwo.sf(statistic / np.sqrt(view.n), view.n)), view.d)


def axis_anderson_darling(view: RowView) -> Values:
    """Largest A^2 of the columns."""
    tiny = np.finfo(np.float64).tiny

    def quadratic(u: Vector) -> Vector:
        n = len(u)
        weights = (2.0 * np.arange(1, n + 1)[:, None] - 1.0) / n
        below = np.log(np.maximum(u, tiny))
        above = np.log(np.maximum(1.0 - u[::-1], 0.5 * np.finfo(np.float64).eps))
        return np.asarray(-n - (weights * (below + above)).sum(axis=0))

    value = float(_by_column(view, quadratic).max())
    return value, value


def axis_anderson_darling_law(statistic: float, view: RowView) -> float:
    """1 - (1 - p)^d for the p-value of the worst column (Marsaglia & Marsaglia 2004)."""
    from dmtest.statistics.laws.slice_laws import anderson_darling_known

    return _familywise(float(as_array(anderson_darling_known(statistic, view.n))), view.d)


def _familywise(pvalue: float, columns: int) -> float:
    return float(-np.expm1(columns * np.log1p(-min(pvalue, 1.0)))) if pvalue < 1.0 else 1.0


def _by_column(view: RowView, function: Callable[[Vector], Vector]) -> Vector:
    def task(part: slice) -> Vector:
        return np.asarray(function(np.sort(view.rows[:, part], axis=0).astype(np.float64)))

    parts = blocks(view.d, COLUMNS)
    return np.concatenate(list(run_tasks(task, parts) if view.threads else map(task, parts)))


def centred_discrepancy(view: RowView) -> Values:
    """Hickernell's (1998) centred L2 discrepancy, squared; as scipy.stats.qmc's "CD".

    (13/12)^d - (2/n) sum_j prod_i (1 + |z|/2 - z^2/2) + (1/n^2) sum_jk prod_i (1 + |z_j|/2 +
    |z_k|/2 - |z_j - z_k|/2) for z = u - 1/2.
    """
    from dmtest.kernels.cube import centred

    n, d = view.n, view.d
    columns = np.ascontiguousarray(view.rows.T, dtype=np.float64) - 0.5
    size = np.abs(columns)
    once = np.exp(np.log1p(0.5 * size - 0.5 * size**2).sum(axis=0)).sum()
    alone = np.exp(np.log1p(size).sum(axis=0)).sum()
    parts = np.concatenate([np.maximum(columns, 0.0), np.maximum(-columns, 0.0)])

    def task(rows: slice) -> float:
        total = 0.0
        for others in blocks(n, PAIRED):
            if others.stop > rows.start:
                left, right = columns[:, rows], parts[:, others]
                first = rows.start - others.start
                total += centred(np.ascontiguousarray(left), np.ascontiguousarray(right), first)
        return total

    tasks = blocks(n, ROWS)
    pairs = sum(run_tasks(task, tasks) if view.threads else map(task, tasks))
    value = float((13.0 / 12.0) ** d - 2.0 * once / n + (alone + 2.0 * pairs) / n**2)
    return value, value


def mmd_beta(d: int) -> float:
    """Bandwidth sqrt(12/d): a typical pair, with D = d/6, has exponent -1."""
    return float(np.sqrt(12.0 / d))


def mmd(view: RowView, beta: float | None = None) -> Asks:
    """Squared maximum mean discrepancy times n, kernel exp(-b^2 |x-y|^2 / 2), b^2 = 12/d.

    The closed form has products of error functions. Gretton et al. (2012).
    """
    from dmtest.kernels import pairs as kernels

    n, d = view.n, view.d
    b = (mmd_beta(d) if beta is None else beta) / np.sqrt(2.0)
    mass = yield PairSum(kernels.mass, near=b * b)
    u = view.rows.astype(np.float64)
    inside = 0.5 * np.sqrt(np.pi) / b * (erf(b * u) + erf(b * (1.0 - u)))
    once = np.exp(np.log(inside).sum(axis=1)).sum()
    both = (np.expm1(-b * b) + np.sqrt(np.pi) * b * erf(b)) / b**2
    varying = float(2.0 * mass / n - 2.0 * once + n * both**d)
    return 1.0 + varying, varying


def energy(view: RowView) -> Asks:
    """Energy distance n (2 mean E|x - U| - E|U - U'| - mean |x_j - x_k|). Szekely & Rizzo (2005).

    |z| = pi^(-1/2) int (1 - exp(-s^2 z^2)) s^(-2) ds over s > 0 makes the means products of
    error functions inside one integral.
    """
    from dmtest.kernels import pairs as kernels

    n, d = view.n, view.d
    total = yield PairSum(kernels.mass, distance=True)
    value = float(2.0 * mean_distances(view.rows).sum() - n * _unit_distance(d) - 2.0 * total / n)
    return value, value


@lru_cache(maxsize=32)
def _nodes(d: int) -> tuple[Vector, Vector, float]:
    """Nodes s and weights for int f(s) s^(-2) ds from a short start to where f is 1."""
    start = 1e-5 / d
    # Products of d factors below sqrt(pi)/s are negligible beyond the end.
    end = np.log(np.sqrt(np.pi)) + 28.0 / (d + 1.0)
    low = np.log(start)
    x, w = np.polynomial.legendre.leggauss(64 if d > 4 else 320)
    at = np.exp(low + 0.5 * (end - low) * (x + 1.0))
    return at, 0.5 * (end - low) * w / at, float(np.exp(end))


def mean_distances(rows: NDArray[np.floating]) -> Vector:
    """E|x - U| of rows x in the unit cube, to 1e-9."""
    n, d = rows.shape
    s, weights, end = _nodes(d)
    start = 1e-5 / d
    out = np.empty(n)
    for part in blocks(n, max(1, 200_000 // (d * 4))):
        u = rows[part].astype(np.float64)
        second = (u**2 - u + 1.0 / 3.0).sum(axis=1)
        total = start * second + 1.0 / end
        for node, weight in zip(s, weights, strict=True):
            inside = 0.5 * np.sqrt(np.pi) / node * (erf(node * u) + erf(node * (1.0 - u)))
            total -= weight * np.expm1(np.log(inside).sum(axis=1))
        out[part] = total / np.sqrt(np.pi)
    return out


@lru_cache(maxsize=32)
def _unit_distance(d: int) -> float:
    s, weights, end = _nodes(d)
    start = 1e-5 / d
    both = (np.expm1(-(s**2)) + np.sqrt(np.pi) * s * erf(s)) / s**2
    # For short s the closed form cancels: 1 - s^2/6 + s^4/30.
    short = s < 1e-2
    both = np.where(short, 1.0 - s**2 / 6.0 + s**4 / 30.0 - s**6 / 168.0, both)
    total = start * d / 6.0 + 1.0 / end - (weights * np.expm1(d * np.log(both))).sum()
    return float(total / np.sqrt(np.pi))
