"""Folds of the chi-square certificate: sums over pairs of rows, and sums on a grid of a column."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST, LOG2E, exp2_32, exp_any

Tile = NDArray[Any]
# Values that are added in float32 at most, and the largest exponent to base 2 whose square is
# finite in it.
RUN, TOP32 = 128, 60.0


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def add_plain_pairs(
    gram: Tile,
    left: Tile,
    right: Tile,
    diagonal: bool,
    norms: float,
    inner: float,
    constant: float,
    scales: Tile,
    first: Tile,
    second: Tile,
    squares: Tile,
    terms: Tile,
    column: Tile,
) -> bool:
    """Add exp(constant + norms (left + right) + inner gram) of the pairs of a tile in float32.

    The relative error of a term is at most 2^-22 (1 + |constant| + |norms| (left + right) + |inner|
    gram). Nothing is added where a term is so large that its square is not finite in float32.

    Parameters
    ----------
    gram : ndarray of float32, shape (rows, columns)
        Inner products; on the diagonal only columns above the row count.
    left, right : ndarray of float32, shapes (rows,) and (columns,)
        Squared lengths.
    norms, inner, constant : float
    scales : ndarray, shape (forms,)
        Factors of the sums.
    first, second, squares : ndarray
        As for `add_normal_pairs`; updated.
    terms, column : ndarray of float32, shapes (columns,) and (columns,)
        Scratch memory.

    Returns
    -------
    bool
        Whether the terms were added.
    """
    kind = np.float32
    a, b, c = kind(norms * LOG2E), kind(inner * LOG2E), kind(constant * LOG2E)
    width = gram.shape[1]
    top = kind(-1e30)
    for j in range(gram.shape[0]):
        here = c + a * left[j]
        for k in range(j + 1 if diagonal else 0, width):
            top = max(top, b * gram[j, k] + (a * right[k] + here))
    if top > kind(TOP32):
        return False
    forms = len(scales)
    total = 0.0
    for k in range(width):
        terms[k] = a * right[k]
        column[k] = kind(0.0)
    for j in range(gram.shape[0]):
        here = c + a * left[j]
        begin = j + 1 if diagonal else 0
        own = 0.0
        for start in range(begin, width, RUN):
            row = gram[j, start : start + RUN]
            other = terms[start : start + RUN]
            below = column[start : start + RUN]
            run, run2 = kind(0.0), kind(0.0)
            for k in range(row.size):
                value = exp2_32(b * row[k] + (other[k] + here))
                below[k] += value
                run += value
                run2 += value * value
            own += np.float64(run)
            total += np.float64(run2)
        for form in range(forms):
            first[form, j] += scales[form] * own
    for form in range(forms):
        squares[form] += scales[form] * scales[form] * total
        for k in range(width):
            second[form, k] += scales[form] * np.float64(column[k])
    return True


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def add_normal_pairs(
    gram: Tile,
    left: Tile,
    right: Tile,
    diagonal: bool,
    near: float,
    intercepts: Tile,
    slopes: Tile,
    scales: Tile,
    shift: float,
    first: Tile,
    second: Tile,
    squares: Tile,
    buffer: Tile,
) -> float:
    """Add exp(F(|x + x'|^2) - near |x - x'|^2 - shift) of the pairs of a tile, for every F.

    F(a) is the smallest of ``intercepts + slopes a``. Where the first of these is the smallest
    for every F on the whole tile, the exponential is computed once and multiplied by `scales`.

    Parameters
    ----------
    gram : ndarray, shape (rows, columns)
        Inner products; on the diagonal only columns above the row count.
    left, right : ndarray, shapes (rows,) and (columns,)
        Squared lengths.
    near, shift : float
    intercepts, slopes : ndarray, shape (forms, parts)
    scales : ndarray, shape (forms,)
        ``exp(intercepts[:, 0] - intercepts[0, 0])``.
    first, second : ndarray, shapes (forms, rows) and (forms, columns)
        Sums of every row and of every column; updated.
    squares : ndarray, shape (forms,)
        Sums of squares; updated.
    buffer : ndarray, shape (2, columns)
        Scratch memory.

    Returns
    -------
    float
        The largest exponent, with `shift`.
    """
    forms, parts = intercepts.shape
    most = (np.sqrt(left.max()) + np.sqrt(right.max())) ** 2
    plain = True
    for form in range(forms):
        for part in range(1, parts):
            at_zero = intercepts[form, part] - intercepts[form, 0]
            if at_zero + (slopes[form, part] - slopes[form, 0]) * most < 0.0:
                plain = False
    width = gram.shape[1]
    largest = -1e300
    sums, terms = buffer[0], buffer[1]
    for j in range(gram.shape[0]):
        begin = j + 1 if diagonal else 0
        for form in range(1 if plain else forms):
            a, b = intercepts[form, 0], slopes[form, 0]
            for k in range(begin, width):
                sums[k] = left[j] + right[k] + 2.0 * gram[j, k]
                terms[k] = a + b * sums[k]
            if not plain:
                for part in range(1, parts):
                    a, b = intercepts[form, part], slopes[form, part]
                    for k in range(begin, width):
                        terms[k] = min(terms[k], a + b * sums[k])
            top = -1e300
            for k in range(begin, width):
                apart = max(left[j] + right[k] - 2.0 * gram[j, k], 0.0)
                terms[k] -= near * apart
                top = max(top, terms[k])
            largest = max(largest, top)
            run, run2 = 0.0, 0.0
            for k in range(begin, width):
                value = exp_any(max(min(terms[k] - shift, 350.0), -700.0))
                terms[k] = value
                run += value
                run2 += value * value
            if plain:
                for other in range(forms):
                    scale = scales[other]
                    first[other, j] += scale * run
                    squares[other] += scale * scale * run2
                    for k in range(begin, width):
                        second[other, k] += scale * terms[k]
            else:
                first[form, j] += run
                squares[form] += run2
                for k in range(begin, width):
                    second[form, k] += terms[k]
    return largest


@njit(cache=True, nogil=True, error_model="numpy")
def add_box_pairs(
    low: Tile,
    high: Tile,
    other_low: Tile,
    other_high: Tile,
    diagonal: bool,
    scale: float,
    first: Tile,
    second: Tile,
) -> float:
    """Add the products over columns of scale max(0, min(high) - max(low)) of pairs of rows.

    `low` and `high`, shape (rows, d), are an increasing function at the two ends of the noise
    around every value. Adds the sums of rows and of columns; returns the sum of squares.
    """
    rows, d = low.shape
    squares = 0.0
    for j in range(rows):
        for k in range(j + 1 if diagonal else 0, len(other_low)):
            value = 1.0
            for c in range(d):
                width = min(high[j, c], other_high[k, c]) - max(low[j, c], other_low[k, c])
                if width <= 0.0:
                    value = 0.0
                    break
                value *= scale * width
            first[j] += value
            second[k] += value
            squares += value * value
    return squares


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def add_to_grid(
    values: Tile, start: float, step: float, sd: float, reach: int, sums: Tile, squares: Tile
) -> None:
    """Add exp(-(y - x)^2 / (2 sd^2)) of every value x, and its square, at points y of a grid.

    The grid is ``start + step i``; points further than `reach` steps from x get nothing. Every
    value lies at least `reach` + 1 steps inside.
    """
    c = 0.5 / (sd * sd)
    ratio = np.exp(-2.0 * c * step * step)
    for x in values:
        middle = int(np.floor((x - start) / step + 0.5))
        offset = start + step * middle - x
        here = np.exp(-c * offset * offset)
        sums[middle] += here
        squares[middle] += here * here
        # exp(-c (offset + m step)^2) by recurrence in m, to both sides.
        for side in range(2):
            sign = 1 if side == 0 else -1
            value = here
            factor = np.exp(-c * (2.0 * sign * offset * step + step * step))
            for m in range(1, reach + 1):
                value *= factor
                factor *= ratio
                sums[middle + sign * m] += value
                squares[middle + sign * m] += value * value


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def mean_on_grid(
    values: Tile, start: float, step: float, sd: float, reach: int, heights: Tile, out: Tile
) -> None:
    """Fill `out` with the sums of exp(-(y - x)^2 / (2 sd^2)) heights(y) around every value x."""
    c = 0.5 / (sd * sd)
    ratio = np.exp(-2.0 * c * step * step)
    for i in range(len(values)):
        x = values[i]
        middle = int(np.floor((x - start) / step + 0.5))
        offset = start + step * middle - x
        here = np.exp(-c * offset * offset)
        total = here * heights[middle]
        for side in range(2):
            sign = 1 if side == 0 else -1
            value = here
            factor = np.exp(-c * (2.0 * sign * offset * step + step * step))
            for m in range(1, reach + 1):
                value *= factor
                factor *= ratio
                total += value * heights[middle + sign * m]
        out[i] = total
