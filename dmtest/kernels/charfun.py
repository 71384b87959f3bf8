"""The empirical characteristic function of sorted slices on a grid of frequencies."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST
from dmtest.runtime.typing import Vector

Block = NDArray[np.float32] | NDArray[np.float64]
Flags = NDArray[np.bool_]

CHUNK = 256


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def sine_half(x: float) -> float:
    """sin(x) for |x| <= pi / 2, to two units in the last place."""
    w = x * x
    p = -1.0 / 121645100408832000.0
    p = p * w + 1.0 / 355687428096000.0
    p = p * w - 1.0 / 1307674368000.0
    p = p * w + 1.0 / 6227020800.0
    p = p * w - 1.0 / 39916800.0
    p = p * w + 1.0 / 362880.0
    p = p * w - 1.0 / 5040.0
    p = p * w + 1.0 / 120.0
    p = p * w - 1.0 / 6.0
    return x + x * w * p


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def cosine_half(x: float) -> float:
    """cos(x) for |x| <= pi / 2, absolute error below 3e-16."""
    w = x * x
    p = 1.0 / 2432902008176640000.0
    p = p * w - 1.0 / 6402373705728000.0
    p = p * w + 1.0 / 20922789888000.0
    p = p * w - 1.0 / 87178291200.0
    p = p * w + 1.0 / 479001600.0
    p = p * w - 1.0 / 3628800.0
    p = p * w + 1.0 / 40320.0
    p = p * w - 1.0 / 720.0
    p = p * w + 1.0 / 24.0
    p = p * w - 0.5
    return 1.0 + w * p


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def harmonic_sums(
    values: NDArray[np.float32] | Vector, loc: float, scale: float, nodes: int, out: Vector
) -> None:
    """Fill `out`, shape (2, at least nodes), with the sums of cos(j x), sin(j x), j = 1, 2, ...

    `nodes` must be a multiple of 4. x = (y - loc) * scale must lie in [-pi, pi]: half angles
    then lie within pi / 2, where short polynomials are exact. Higher harmonics follow by the
    angle-addition recurrence cos((j+1)x) = 2 cos(x) cos(jx) - cos((j-1)x), four at a time to
    save loads and stores.
    """
    twice = np.empty(CHUNK)
    c0 = np.empty(CHUNK)
    c1 = np.empty(CHUNK)
    s0 = np.empty(CHUNK)
    s1 = np.empty(CHUNK)
    out[:] = 0.0
    for start in range(0, values.size, CHUNK):
        part = values[start : start + CHUNK]
        m = part.size
        for i in range(m):
            half = 0.5 * ((np.float64(part[i]) - loc) * scale)
            s = sine_half(half)
            c = cosine_half(half)
            c1[i] = 1.0 - 2.0 * s * s
            s1[i] = 2.0 * s * c
            twice[i] = 2.0 * c1[i]
            c0[i] = 1.0
            s0[i] = 0.0
        for j in range(0, nodes, 4):
            ca = cb = cc = cd = 0.0
            sa = sb = sc = sd = 0.0
            for i in range(m):
                t = twice[i]
                first, second = c1[i], t * c1[i] - c0[i]
                third = t * second - first
                fourth = t * third - second
                ca += first
                cb += second
                cc += third
                cd += fourth
                c0[i] = fourth
                c1[i] = t * fourth - third
            for i in range(m):
                t = twice[i]
                first, second = s1[i], t * s1[i] - s0[i]
                third = t * second - first
                fourth = t * third - second
                sa += first
                sb += second
                sc += third
                sd += fourth
                s0[i] = fourth
                s1[i] = t * fourth - third
            out[0, j] += ca
            out[0, j + 1] += cb
            out[0, j + 2] += cc
            out[0, j + 3] += cd
            out[1, j] += sa
            out[1, j + 1] += sb
            out[1, j + 2] += sc
            out[1, j + 3] += sd


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def epps_pulley_sum(
    values: NDArray[np.float32] | Vector, loc: float, scale: float, low: float, high: float
) -> float:
    """Return n times the integral of |phi_n(t) - exp(-t^2/2)|^2 over the N(0, 1) density.

    `low` and `high` are the extremes of z = (y - loc) / scale. The trapezoidal rule with
    step 2 pi / P replaces exp(-D^2/2) by its P-periodic sum. P exceeds the largest |D| and
    |z| by so much that the images are negligible; the density is cut off at |t| = 6.6.
    """
    n = values.size
    spread = high - low
    largest = max(abs(low), abs(high))
    period = max(spread + 6.8, max(largest + 9.6, 14.8))
    step = 2.0 * np.pi / period
    nodes = 4 * int(np.ceil(6.6 / step / 4.0))
    middle = 0.5 * (low + high)
    sums = np.empty((2, nodes))
    harmonic_sums(values, loc + scale * middle, step / scale, nodes, sums)
    total = 0.0
    for j in range(nodes):
        t = step * (j + 1)
        cs = np.cos(t * middle)
        sn = np.sin(t * middle)
        real = (cs * sums[0, j] - sn * sums[1, j]) / n
        imag = (sn * sums[0, j] + cs * sums[1, j]) / n
        gauss = np.exp(-0.5 * t * t)
        total += gauss * ((real - gauss) ** 2 + imag * imag)
    return float(2.0 * n * step * total / np.sqrt(2.0 * np.pi))


CELL = 8.0


@njit(cache=True, nogil=True, error_model="numpy")
def epps_pulley_sums(
    rows: Block, loc: Vector, scale: Vector, low: Vector, high: Vector, skip: Flags, out: Vector
) -> None:
    """Fill `out` with :func:`epps_pulley_sum` of every row that is not skipped.

    Parameters
    ----------
    rows : ndarray, shape (k, n)
    loc, scale, low, high : ndarray, shape (k,)
        Location, scale and extremes of each row.
    skip : ndarray of bool, shape (k,)
    out : ndarray, shape (k,)
    """
    for i in range(rows.shape[0]):
        if not skip[i]:
            out[i] = epps_pulley_sum(rows[i], loc[i], scale[i], low[i], high[i])


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def epps_pulley_sum_wide(values: NDArray[np.float32] | Vector, loc: float, scale: float) -> float:
    """Return :func:`epps_pulley_sum` of a sorted row of any spread, in time linear in n.

    The row is divided into cells of width 8. Pairs in the same cell and in adjacent cells are
    summed through the characteristic functions of the cells. All other pairs have a distance
    above 8, where exp(-D^2/2) is below 2e-14.
    """
    n = values.size
    step = 2.0 * np.pi / (2.0 * CELL + 6.8)
    nodes = 4 * int(np.ceil(6.6 / step / 4.0))
    here = np.zeros((2, nodes))
    before = np.zeros((2, nodes))
    before_cell = -1e300
    before_count = 0
    pairs = cross = 0.0
    start = 0
    while start < n:
        cell = np.floor((np.float64(values[start]) - loc) / scale / CELL)
        stop = start + 1
        while stop < n and np.floor((np.float64(values[stop]) - loc) / scale / CELL) == cell:
            stop += 1
        count = stop - start
        middle = (cell + 0.5) * CELL
        harmonic_sums(values[start:stop], loc + scale * middle, step / scale, nodes, here)
        adjacent = cell - before_cell == 1.0
        total = 0.5 * count * count + (count * before_count if adjacent else 0.0)
        for j in range(nodes):
            t = step * (j + 1)
            gauss = np.exp(-0.5 * t * t)
            value = here[0, j] ** 2 + here[1, j] ** 2
            if adjacent:
                even = here[0, j] * before[0, j] + here[1, j] * before[1, j]
                odd = here[1, j] * before[0, j] - here[0, j] * before[1, j]
                value += 2.0 * (np.cos(t * CELL) * even - np.sin(t * CELL) * odd)
            total += gauss * value
        pairs += 2.0 * step * total / np.sqrt(2.0 * np.pi)
        for i in range(start, stop):
            z = (np.float64(values[i]) - loc) / scale
            cross += np.exp(-0.25 * z * z)
        here, before = before, here
        before_cell = cell
        before_count = count
        start = stop
    return float(pairs / n - np.sqrt(2.0) * cross + n / np.sqrt(3.0))
