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
    """Sum of products over i of 1 + (|a_i| + |b_i| - |a_i - b_i|)/2, over pairs of rows a, b.

    A factor is 1 + min(|a_i|, |b_i|) if the signs agree, and otherwise 1.

    Parameters
    ----------
    left : ndarray, shape (d, m)
        Rows a less 1/2, as columns.
    right : ndarray, shape (2d, count)
        Rows b less 1/2, as columns: positive parts above negative parts.
    first : int
        Row j of `left` is paired with the rows of `right` after `first` + j.
    """
    d, count = left.shape[0], right.shape[1]
    values = np.empty(count)
    total = 0.0
    for j in range(left.shape[1]):
        start = max(0, first + j + 1)
        if start >= count:
            break
        product = values[start:]
        product[:] = 1.0
        # Four columns in a pass: products are loaded and stored a quarter as often.
        for i in range(0, d - 3, 4):
            a, b = _part(left, right, i, j, start)
            a1, b1 = _part(left, right, i + 1, j, start)
            a2, b2 = _part(left, right, i + 2, j, start)
            a3, b3 = _part(left, right, i + 3, j, start)
            for k in range(product.size):
                p = product[k]
                p += p * min(a, b[k])
                p += p * min(a1, b1[k])
                p += p * min(a2, b2[k])
                p += p * min(a3, b3[k])
                product[k] = p
        for i in range(d - d % 4, d):
            a, b = _part(left, right, i, j, start)
            for k in range(product.size):
                product[k] += product[k] * min(a, b[k])
        row = 0.0
        for k in range(product.size):
            row += product[k]
        total += row
    return total


@njit(cache=True, nogil=True, error_model="numpy")
def _part(left: Tile, right: Tile, i: int, j: int, start: int) -> tuple[float, Tile]:
    """Return |a_i|, and the parts of b_i with the sign of a_i."""
    a = left[i, j]
    return abs(a), right[i if a >= 0.0 else left.shape[0] + i, start:]
