"""One pass over the rows of a block of slices: moments, edf, characteristic function, spacings.

Every kernel takes a C-contiguous block of shape (k, n), float32 or float64, and
accumulates in float64. The sorted-row kernels share the one sort that the engine makes.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST, exp_neg, log_one_minus, log_pos, scaled_upper_tail

Block = NDArray[np.float32] | NDArray[np.float64]
Vector = NDArray[np.float64]

# Sums run over runs of this length first: it keeps rounding errors from growing with n.
RUN = 1024
# The same for runs added up in float32: sixteen lanes or more share them.
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
    """Fill `pivot` and `inverse` with the mean of a row's leading values and 1 / its unit.

    The unit is the power of 2 above their standard deviation. Pivots are numbers of the
    precision of the block, so that subtracting them from values nearby is exact.
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
def brief_power_sums(block: Block, pivot: Vector, inverse: Vector, out: Vector) -> None:
    """Add the sums of z^j, z = (y - pivot) inverse, j = 1..4, of float32 rows to `out`, (k, 4).

    As fast as memory: a run of BRIEF values is added up in float32, the runs in float64. For
    pivots and inverses that are float32, the latter powers of two, a sum is off by less than
    2e-6 of the sum of |z|^j, if no z^4 leaves the range of float32 (inf if one is above).
    """
    k, n = block.shape
    for row in range(k):
        centre = np.float32(pivot[row])
        scale = np.float32(inverse[row])
        t1 = t2 = t3 = t4 = 0.0
        for start in range(0, n, BRIEF):
            run = block[row, start : start + BRIEF]
            s1 = s2 = s3 = s4 = np.float32(0.0)
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


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def edf_sums(block: Block, loc: Vector, scale: Vector, logs: bool, out: Vector) -> None:
    """Fill `out`, shape (k, 5), from sorted rows and the cdf u_i = Phi((y_(i) - loc) / scale).

    Columns: max(i/n - u_i), max(u_i - (i-1)/n), sum (u_i - (2i-1)/(2n))^2, sum (u_i - 1/2),
    and, if `logs`, sum [(2i-1) log u_i + (2(n-i)+1) log(1 - u_i)] / n.
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
            for i in range(size):
                z = (np.float64(run[i]) - centre) * inverse
                a = abs(z)
                half = -0.5 * a * a
                g = scaled_upper_tail(a)
                tail = exp_neg(half) * g
                cdf[i] = tail if z < 0.0 else 1.0 - tail
                if logs:
                    small = half + log_pos(g)
                    large = log_one_minus(tail)
                    middle = (np.float64(start + i) + 0.5) * step
                    weight = middle if z < 0.0 else 1.0 - middle
                    terms[i] = weight * small + (1.0 - weight) * large
            run_square = run_shift = run_entropy = 0.0
            for i in range(size):
                low = np.float64(start + i) * step
                u = cdf[i]
                above = max(above, low + step - u)
                below = max(below, u - low)
                miss = u - (low + 0.5 * step)
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


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def weighted_sums(block: Block, loc: Vector, weights: Vector, out: Vector) -> None:
    """Fill `out`, shape (k,), with sum_i weights_i (y_(i) - loc) of sorted rows."""
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
    """Fill `out`, shape (k,), with the mean log(y_(i+m) - y_(i-m)), ends clamped (Vasicek 1976)."""
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
