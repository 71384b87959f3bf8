"""Passes over a block of slices, one slice a row: moments, sort, edf, weighted sums, spacings.

Every kernel takes a C-contiguous block of shape (k, n), float32 or float64, and adds in float64
unless it says otherwise. The kernels of sorted rows share the one sort of the engine.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import EXACT, FAST, exp_neg, log_one_minus, log_pos, scaled_upper_tail
from dmtest.runtime.typing import Vector

Block = NDArray[np.float32] | NDArray[np.float64]
Row = NDArray[Any]
Flags = NDArray[np.bool_]
Indices = NDArray[np.intp]

# Values are added in runs of this length first, so that rounding errors do not grow with n.
RUN = 1024
# Length of runs that are added in float32: sixteen lanes or more share a run.
BRIEF = 256


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def power_sums(block: Block, pivot: Vector, out: Vector) -> None:
    """Add the sums of (y - pivot)^j, j = 1..4, of every row to `out`, shape (k, 4)."""
    k, n = block.shape
    for row in range(k):
        centre = pivot[row]
        for start in range(0, n, RUN):
            run = block[row, start : start + RUN]
            s1 = s2 = s3 = s4 = 0.0
            for i in range(run.size):
                y = np.float64(run[i]) - centre
                y2 = y * y
                s1 += y
                s2 += y2
                s3 += y2 * y
                s4 += y2 * y2
            out[row, 0] += s1
            out[row, 1] += s2
            out[row, 2] += s3
            out[row, 3] += s4


@njit(cache=True, nogil=True, error_model="numpy")
def leading_units(block: Block, count: int, pivot: Vector, inverse: Vector) -> None:
    """Fill `pivot` and `inverse`, shape (k,), with mean and 1 / unit of the leading values.

    The unit is the power of 2 above the standard deviation of the leading values. A pivot has the
    precision of the block, so its difference from a value nearby is exact.

    Parameters
    ----------
    block : ndarray, shape (k, n)
    count : int
        Number of leading values.
    pivot, inverse : ndarray, shape (k,)
    """
    k, n = block.shape
    size = min(n, count)
    for row in range(k):
        total = 0.0
        for i in range(size):
            total += np.float64(block[row, i])
        centre = np.float64(block.dtype.type(total / size))
        square = 0.0
        for i in range(size):
            square += (np.float64(block[row, i]) - centre) ** 2
        exponent = math.frexp(math.sqrt(square / size))[1]
        pivot[row] = centre
        inverse[row] = math.ldexp(1.0, -min(max(exponent, -120), 120))


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def brief_power_sums(block: Row, pivot: Vector, inverse: Vector, out: Vector) -> None:
    """Add the sums of z^j, z = (y - pivot) inverse, j = 1..4, of float32 rows to `out`, (k, 4).

    A run of BRIEF values is added in float32, the runs in float64: as fast as memory permits.
    If pivots and inverses are float32, and inverses powers of two, the error of a sum is below
    2e-6 of the sum of |z|^j. A z^4 outside the range of float32 voids this (inf if it is above).

    Parameters
    ----------
    block : ndarray of float32, shape (k, n)
    pivot, inverse : ndarray, shape (k,)
    out : ndarray, shape (k, 4)
    """
    k, n = block.shape
    for row in range(k):
        centre = np.float32(pivot[row])
        scale = np.float32(inverse[row])
        t1 = t2 = t3 = t4 = 0.0
        for start in range(0, n, BRIEF):
            run = block[row, start : start + BRIEF]
            s1 = s2 = s3 = s4 = block.dtype.type(0.0)
            for i in range(run.size):
                z = (run[i] - centre) * scale
                z2 = z * z
                s1 += z
                s2 += z2
                s3 += z2 * z
                s4 += z2 * z2
            t1 += s1
            t2 += s2
            t3 += s3
            t4 += s4
        out[row, 0] += t1
        out[row, 1] += t2
        out[row, 2] += t3
        out[row, 3] += t4


@njit(cache=True, nogil=True, fastmath=FAST | {"nnan"}, error_model="numpy")
def extreme_values(block: Block, out: Vector) -> None:
    """Fill `out`, shape (k, 2), with the smallest and the largest value of every row."""
    for row in range(block.shape[0]):
        low = high = block[row, 0]
        for value in block[row]:
            low = min(low, value)
            high = max(high, value)
        out[row, 0] = low
        out[row, 1] = high


@njit(cache=True, nogil=True)
def pick_columns(x: Block, columns: Indices, out: Block) -> None:
    """Fill `out`, shape (k, n), with the given `columns` of `x`, shape (n, d)."""
    for start in range(0, x.shape[0], RUN):
        stop = min(start + RUN, x.shape[0])
        for k in range(columns.size):
            column = columns[k]
            for i in range(start, stop):
                out[k, i] = x[i, column]


@njit(cache=True, nogil=True, fastmath=EXACT, error_model="numpy")
def bucket_sort(block: Block, loc: Vector, scale: Vector, out: Block, done: Flags) -> None:
    """Fill `out` with the rows of `block` in ascending order where this takes linear time.

    A rough normal cdf of (y - loc) / scale puts each value into one of n buckets, which leaves
    few neighbours to swap. Rows with ties, or a spread that `scale` misses, need a general sort.

    Parameters
    ----------
    block, out : ndarray, shape (k, n)
    loc, scale : ndarray, shape (k,)
    done : ndarray of bool, shape (k,)
        Set to whether a row was sorted.
    """
    k, n = block.shape
    keys = np.empty(n, np.int32)
    counts = np.empty(n, np.int32)
    half, last, far = np.float32(0.5 * n), np.float32(n - 1), np.float32(1e9)
    for row in range(k):
        values, target = block[row], out[row]
        centre, inverse = loc[row], 0.8 / scale[row]
        for i in range(n):
            z = np.float32((np.float64(values[i]) - centre) * inverse)
            # These comparisons give a NaN a bucket, too.
            z = z if z > -far else -far
            z = z if z < far else far
            key = half + half * (z / np.sqrt(np.float32(1.0) + z * z))
            keys[i] = np.int32(key if key < last else last)
        counts[:] = 0
        pairs = 0
        for i in range(n):
            here = counts[keys[i]]
            counts[keys[i]] = here + 1
            pairs += here
        done[row] = pairs <= 4 * n
        if not done[row]:
            continue
        at = 0
        for b in range(n):
            here = counts[b]
            counts[b] = at
            at += here
        for i in range(n):
            position = counts[keys[i]]
            counts[keys[i]] = position + 1
            target[position] = values[i]
        _sort_nearly_sorted(target)


@njit(cache=True, nogil=True, error_model="numpy")
def _sort_nearly_sorted(row: Row) -> None:
    # A first pass swaps neighbours without a branch, and leaves few values to the second pass.
    carried = row[0]
    for i in range(1, row.size):
        value = row[i]
        swap = carried > value
        row[i - 1] = value if swap else carried
        carried = carried if swap else value
    row[row.size - 1] = carried
    for i in range(1, row.size):
        value, j = row[i], i
        while j > 0 and row[j - 1] > value:
            row[j] = row[j - 1]
            j -= 1
        if j < i:
            row[j] = value


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def edf_sums(block: Block, loc: Vector, scale: Vector, logs: bool, out: Vector) -> None:
    """Fill `out` from sorted rows and the cdf u_i = Phi((y_(i) - loc) / scale).

    Columns: max(i/n - u_i), max(u_i - (i-1)/n), sum (u_i - (2i-1)/(2n))^2, sum (u_i - 1/2),
    and, if `logs`, sum [(2i-1) log u_i + (2(n-i)+1) log(1 - u_i)] / n.

    Parameters
    ----------
    block : ndarray, shape (k, n)
    loc, scale : ndarray, shape (k,)
    logs : bool
    out : ndarray, shape (k, 5)
    """
    k, n = block.shape
    step = 1.0 / n
    # Two short loops over a buffer vectorise where one long one does not.
    cdf = np.empty(RUN)
    terms = np.empty(RUN)
    for row in range(k):
        centre = loc[row]
        inverse = 1.0 / scale[row]
        above = below = -1.0
        square = shift = entropy = 0.0
        for start in range(0, n, RUN):
            size = min(RUN, n - start)
            run = block[row, start : start + size]
            # The branch is outside the loops: inside, the logarithms would always be computed.
            if logs:
                for i in range(size):
                    z = (np.float64(run[i]) - centre) * inverse
                    a = abs(z)
                    half = -0.5 * a * a
                    g = scaled_upper_tail(a)
                    tail = exp_neg(half) * g
                    cdf[i] = tail if z < 0.0 else 1.0 - tail
                    small = half + log_pos(g)
                    large = log_one_minus(tail)
                    middle = (np.float64(start + i) + 0.5) * step
                    weight = middle if z < 0.0 else 1.0 - middle
                    terms[i] = weight * small + (1.0 - weight) * large
            else:
                for i in range(size):
                    z = (np.float64(run[i]) - centre) * inverse
                    a = abs(z)
                    tail = exp_neg(-0.5 * a * a) * scaled_upper_tail(a)
                    cdf[i] = tail if z < 0.0 else 1.0 - tail
            run_above, run_below = _gaps(cdf[:size], start * step, step)
            above, below = max(above, run_above), max(below, run_below)
            run_square = run_shift = run_entropy = 0.0
            for i in range(size):
                u = cdf[i]
                miss = u - (np.float64(start + i) * step + 0.5 * step)
                run_square += miss * miss
                run_shift += u - 0.5
            if logs:
                for i in range(size):
                    run_entropy += terms[i]
            square += run_square
            shift += run_shift
            entropy += run_entropy
        out[row, 0] = above
        out[row, 1] = below
        out[row, 2] = square
        out[row, 3] = shift
        out[row, 4] = 2.0 * entropy


# A vectorised maximum ignores NaN; the sums of edf_sums propagate it.
@njit(cache=True, nogil=True, fastmath=FAST | {"nnan"}, error_model="numpy")
def _gaps(cdf: Vector, first: float, step: float) -> tuple[float, float]:
    above = below = -1.0
    for i in range(cdf.size):
        over = (first + i * step) - cdf[i]
        above = max(above, over + step)
        below = max(below, -over)
    return above, below


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def weighted_sums(block: Block, loc: Vector, weights: Vector, out: Vector) -> None:
    """Fill `out` with sum_i weights_i (y_(i) - loc) of sorted rows.

    Parameters
    ----------
    block : ndarray, shape (k, n)
    loc : ndarray, shape (k,)
    weights : ndarray, shape (n,)
    out : ndarray, shape (k,)
    """
    k, n = block.shape
    for row in range(k):
        centre = loc[row]
        total = 0.0
        for start in range(0, n, RUN):
            run = block[row, start : start + RUN]
            scores = weights[start : start + RUN]
            part = 0.0
            for i in range(run.size):
                part += scores[i] * (np.float64(run[i]) - centre)
            total += part
        out[row] = total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def spacing_sums(block: Block, window: int, out: Vector) -> None:
    """Fill `out`, shape (k,), with the mean log(y_(i+m) - y_(i-m)), m = `window` (Vasicek 1976).

    Indices outside 1, ..., n are replaced by 1 or n.
    """
    k, n = block.shape
    for row in range(k):
        total = 0.0
        for i in range(window):
            total += log_pos(np.float64(block[row, i + window]) - np.float64(block[row, 0]))
            j = n - 1 - i
            total += log_pos(np.float64(block[row, n - 1]) - np.float64(block[row, j - window]))
        for start in range(2 * window, n, RUN):
            right = block[row, start : start + RUN]
            left = block[row, start - 2 * window : start - 2 * window + right.size]
            part = 0.0
            for i in range(right.size):
                part += log_pos(np.float64(right[i]) - np.float64(left[i]))
            total += part
        out[row] = total / n
