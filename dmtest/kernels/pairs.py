"""Reductions of a tile of the Gram matrix; BLAS makes the tile, these fold it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST, exp_neg, exp_neg32


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def gauss_tile(
    gram: NDArray[np.float64], left: NDArray[np.float64], right: NDArray[np.float64], diagonal: bool
) -> float:
    """Sum exp(gram_jk - left_j - right_k) over a tile; over k > j only, if `diagonal`.

    `gram` is b^2 Y Y', `left` and `right` are b^2 r^2 / 2: the exponent is -b^2 D_jk / 2.
    """
    total = 0.0
    for j in range(gram.shape[0]):
        first = j + 1 if diagonal else 0
        line = gram[j, first:]
        half = right[first:]
        row = 0.0
        for k in range(line.size):
            row += exp_neg(min(line[k] - left[j] - half[k], 0.0))
        total += row
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def gauss_tile32(
    gram: NDArray[np.float32], left: NDArray[np.float32], right: NDArray[np.float32], diagonal: bool
) -> float:
    """Do the same in float32, with runs of 128 added up in float64."""
    total = 0.0
    for j in range(gram.shape[0]):
        first = j + 1 if diagonal else 0
        line = gram[j, first:]
        half = right[first:]
        for start in range(0, line.size, 128):
            run = np.float32(0.0)
            part = line[start : start + 128]
            other = half[start : start + 128]
            for k in range(part.size):
                run += exp_neg32(min(part[k] - left[j] - other[k], np.float32(0.0)))
            total += np.float64(run)
    return total
