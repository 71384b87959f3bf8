"""Places of a sample's values among the sorted values of a large draw."""

from __future__ import annotations

from typing import Any

from numba import njit
from numpy.typing import NDArray

from dmtest.runtime.typing import Vector

Counts = NDArray[Any]


@njit(cache=True, nogil=True)
def places(drawn: Vector, values: Vector, below: Counts, equal: Counts) -> None:
    """Count the drawn values below, and equal to, every value: merges, row by row.

    Parameters
    ----------
    drawn : ndarray, shape (k, m)
        Rows in ascending order.
    values : ndarray, shape (k, n)
        Rows in ascending order.
    below, equal : ndarray of int32, shape (k, n)
        Filled.
    """
    for row in range(len(values)):
        start = end = 0
        for i in range(values.shape[1]):
            value = values[row, i]
            while start < drawn.shape[1] and drawn[row, start] < value:
                start += 1
            end = max(end, start)
            while end < drawn.shape[1] and drawn[row, end] == value:
                end += 1
            below[row, i] = start
            equal[row, i] = end - start
