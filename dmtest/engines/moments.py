"""Moments of slices in one pass, of given slices or of projections that are not stored."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.memory import scratch
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.typing import Vector

Block: TypeAlias = NDArray[Any]

# Leading values of a slice that determine its pivot and its unit.
LEADING = 256
# Length from which float32 slices are added in float32 for short runs. The error is
# below 1e-4 of the null's standard sd of skewness and kurtosis (tests/engines/test_moments.py).
BRIEF_ROWS = 4096
# Values projected at a time, which stay in the second-level cache with their factors.
TILE_VALUES = 768 * 256
# Values in a task that adds slices, and the largest number of tasks.
TASK_VALUES, TASKS = 1 << 17, 16
# Range of variances, in squared units of the leading values, in which these units are good.
LEAST, MOST = 2.0**-20, 2.0**20


def slice_moments(rows: Block) -> Vector:
    """Return mean and central moments 2, 3, 4 (divided by n) of every slice: shape (k, 4).

    Long float32 slices are added in float32 for short runs (brief_power_sums). A slice that its
    leading values represent badly is added again in float64.

    Parameters
    ----------
    rows : ndarray, shape (k, n)
        One slice a row, C-contiguous.
    """
    from dmtest.kernels.slices import brief_power_sums, leading_units, power_sums

    k, n = rows.shape
    brief = _brief(rows.dtype, n)
    sums, pivot, inverse = np.zeros((k, 4)), np.empty(k), np.empty(k)

    # A task runs only kernels: a thread that waits for the interpreter reads no memory.
    def task(part: slice) -> None:
        leading_units(rows[part], LEADING, pivot[part], inverse[part])
        if brief:
            brief_power_sums(rows[part], pivot[part], inverse[part], sums[part])
        else:
            power_sums(rows[part], pivot[part], sums[part])

    for _ in run_tasks(task, blocks(k, max(-(-k // TASKS), TASK_VALUES // n))):
        pass
    if not brief:
        return central_moments(sums, pivot, 1.0, n)
    moments = central_moments(sums, pivot, inverse, n)
    bad = np.flatnonzero(_needs_double(sums, n))
    if len(bad):
        wide = np.zeros((len(bad), 4))
        power_sums(rows[bad], pivot[bad], wide)
        moments[bad] = central_moments(wide, pivot[bad], 1.0, n)
    return moments


def projected_moments(x: Block, directions: Vector) -> Vector:
    """Return the moments of the slices ``directions @ x.T``, as :func:`slice_moments` does."""
    n = len(x)
    u = directions.astype(x.dtype)
    pivot, inverse = _units(u @ np.asarray(x[:LEADING]).T)
    if not _brief(x.dtype, n):
        return central_moments(_projected_sums(x, u, pivot, None), pivot, 1.0, n)
    sums = _projected_sums(x, u, pivot, inverse)
    moments = central_moments(sums, pivot, inverse, n)
    bad = np.flatnonzero(_needs_double(sums, n))
    if len(bad):
        wide = _projected_sums(x, u[bad], pivot[bad], None)
        moments[bad] = central_moments(wide, pivot[bad], 1.0, n)
    return moments


def _projected_sums(x: Block, u: Block, pivot: Vector, inverse: Vector | None) -> Vector:
    from dmtest.kernels.slices import brief_power_sums, power_sums

    n, k = len(x), len(u)
    size = max(256, min(ROW_TILE, TILE_VALUES * 4 // (x.itemsize * k)))

    def task(rows: slice) -> Vector:
        sums = np.zeros((k, 4))
        with scratch(k * size, x.dtype) as space:
            for start in range(rows.start, rows.stop, size):
                part = np.asarray(x[start : min(start + size, rows.stop)])
                slices = np.matmul(u, part.T, out=space[: k * len(part)].reshape(k, len(part)))
                if inverse is None:
                    power_sums(slices, pivot, sums)
                else:
                    brief_power_sums(slices, pivot, inverse, sums)
        return sums

    total = np.zeros((k, 4))
    tiles = -(-n // (32 * size))  # tiles in a task; at most 32 tasks
    for sums in run_tasks(task, blocks(n, tiles * size)):
        total += sums
    return total


def _brief(dtype: np.dtype[Any], n: int) -> bool:
    return dtype == np.float32 and n >= BRIEF_ROWS


def _units(leading: Block) -> tuple[Vector, Vector]:
    from dmtest.kernels.slices import leading_units

    pivot, inverse = np.empty(len(leading)), np.empty(len(leading))
    leading_units(leading, LEADING, pivot, inverse)
    return pivot, inverse


def _needs_double(sums: Vector, n: int) -> NDArray[np.bool_]:
    """Mark slices with a pivot over one sd from the mean, or a unit far from the sd."""
    with np.errstate(invalid="ignore", over="ignore"):
        shift, square = sums[:, 0] / n, sums[:, 1] / n
        variance = square - shift**2
        good = np.isfinite(sums).all(axis=1) & (shift**2 <= variance)
        return ~(good & (variance >= LEAST) & (variance <= MOST))


def central_moments(sums: Vector, pivot: Vector, inverse: Vector | float, n: int) -> Vector:
    """Return mean and central moments 2 to 4 from sums of powers of (y - pivot) inverse."""
    unit = 1.0 / inverse
    with np.errstate(invalid="ignore", over="ignore"):
        m1, m2, m3, m4 = (sums / n).T
        square = m1 * m1
        c2 = m2 - square
        c3 = m3 - 3.0 * m1 * m2 + 2.0 * m1 * square
        c4 = m4 - 4.0 * m1 * m3 + 6.0 * square * m2 - 3.0 * square * square
        return np.stack([pivot + m1 * unit, c2 * unit**2, c3 * unit**3, c4 * unit**4], axis=1)
