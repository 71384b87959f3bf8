"""Two samples along slices: distances for many labellings of a pool, and places in a draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


@njit(cache=True, nogil=True, error_model="numpy")
def wasserstein_distances(
    values: NDArray[Any], order: NDArray[Any], marks: NDArray[Any], n: int, out: NDArray[Any]
) -> None:
    """Fill `out`, shape (p,), with the squared Wasserstein-2 distance under every labelling.

    Parameters
    ----------
    values : ndarray, shape (N,)
        The pool, sorted.
    order : ndarray of int, shape (N,)
        Position of each value before sorting.
    marks : ndarray of uint8, shape (p, N)
        Labellings of the unsorted pool, with n ones each.
    n : int
        Rows of the data.
    out : ndarray, shape (p,)
        Filled, in units of the squared values.
    """
    total = values.size
    m = total - n
    ours, theirs = np.empty(n + 1), np.empty(m + 1)
    for b in range(marks.shape[0]):
        label = marks[b]
        i = 0
        for j in range(total):
            # The value goes into both arrays and one index advances: there is no branch.
            ours[i] = values[j]
            theirs[j - i] = values[j]
            i += label[order[j]]
        sum_ = 0.0
        if n == m:
            for j in range(n):
                sum_ += (ours[j] - theirs[j]) ** 2
            out[b] = sum_ / n
            continue
        # Quantile coupling in units of 1 / (n m): whole numbers, so that no rest remains.
        i, j = 0, 0
        left, right = m, n
        while i < n and j < m:
            moved = min(left, right)
            sum_ += moved * (ours[i] - theirs[j]) ** 2
            left -= moved
            right -= moved
            if left == 0:
                i += 1
                left = m
            if right == 0:
                j += 1
                right = n
        out[b] = sum_ / (float(n) * float(m))


@njit(cache=True, nogil=True, error_model="numpy")
def energy_distances(
    values: NDArray[Any], order: NDArray[Any], marks: NDArray[Any], n: int, out: NDArray[Any]
) -> None:
    """Fill `out` with 2 * integral of (F - G)^2, the energy distance of the slice.

    Arguments as for :func:`wasserstein_distances`.
    """
    total = values.size
    m = total - n
    ours, theirs = 1.0 / n, 1.0 / m
    for b in range(marks.shape[0]):
        label = marks[b]
        sum_ = 0.0
        count = 0
        for j in range(total - 1):
            count += label[order[j]]
            apart = count * ours - (j + 1 - count) * theirs
            sum_ += (values[j + 1] - values[j]) * apart * apart
        out[b] = 2.0 * sum_


@njit(cache=True, nogil=True, error_model="numpy")
def score_sums(
    values: NDArray[Any],
    order: NDArray[Any],
    marks: NDArray[Any],
    ours: NDArray[Any],
    theirs: NDArray[Any],
    out: NDArray[Any],
) -> None:
    """Fill `out` with sums of sorted values times scores, of either sample, and sums of powers.

    Parameters
    ----------
    values, order, marks : ndarray
        As for :func:`wasserstein_distances`.
    ours, theirs : ndarray, shapes (n,) and (m,)
        Scores of the data and of the reference, such as the means of N(0, 1) between quantiles.
    out : ndarray, shape (p, 4)
        Filled: sums of values times scores of the data and of the reference, and the sums of the
        values and of their squares of the data.
    """
    total = values.size
    # One score more than rows, so that both are read at every value: there is no branch.
    mine, other = np.zeros(ours.size + 1), np.zeros(theirs.size + 1)
    mine[:-1], other[:-1] = ours, theirs
    for b in range(marks.shape[0]):
        label = marks[b]
        i = 0
        first, second, sum_, squares = 0.0, 0.0, 0.0, 0.0
        for j in range(total):
            value = values[j]
            inside = label[order[j]]
            part = inside * value
            first += part * mine[i]
            second += (value - part) * other[j - i]
            sum_ += part
            squares += part * value
            i += inside
        out[b, 0] = first
        out[b, 1] = second
        out[b, 2] = sum_
        out[b, 3] = squares


@njit(cache=True, nogil=True)
def places(
    drawn: NDArray[Any], values: NDArray[Any], below: NDArray[Any], equal: NDArray[Any]
) -> None:
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
