"""Sums over pairs of rows in the unit cube that are products over columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST

Tile = NDArray[Any]


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def centred(left: Tile, right: Tile, first: int) -> float:
    """Sum the products of 1 + (|a_i| + |b_i| - |a_i - b_i|)/2 over rows a of left, b of right.

    Rows are held as columns (d, m), less 1/2; row j of left is paired with the rows of right
    after `first` + j.
    """
    d, count = right.shape
    value = np.empty(count)
    total = 0.0
    for j in range(left.shape[1]):
        start = max(0, first + j + 1)
        if start >= count:
            break
        value[start:] = 1.0
        for i in range(d):
            a = left[i, j]
            here = 1.0 + 0.5 * abs(a)
            line = right[i]
            for k in range(start, count):
                value[k] *= here + 0.5 * (abs(line[k]) - abs(line[k] - a))
        row = 0.0
        for k in range(start, count):
            row += value[k]
        total += row
    return total
