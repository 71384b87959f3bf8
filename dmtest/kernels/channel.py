"""Densities of noisy rows under the mixture of the other rows, by log-sum-exp over tiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST, exp_any

Tile = NDArray[Any]


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def add_normal_terms(
    gram: Tile,
    noise: Tile,
    left: Tile,
    right: Tile,
    own: Tile,
    skip: int,
    sigmas: Tile,
    buffer: Tile,
    top: Tile,
    total: Tile,
) -> None:
    """Add a tile to log sum_{j != i} exp(-|y_i - x_j|^2 / (2 s^2)) for every level s.

    y_i = x_i + s g_i, so the exponent is -(D_ij / (2 s^2) + (g_i.x_i - g_i.x_j) / s + |g_i|^2/2)
    with D_ij = |x_i - x_j|^2.

    Parameters
    ----------
    gram, noise : ndarray, shape (rows, columns)
        Tiles of x_i.x_j and g_i.x_j.
    left, right : ndarray, shapes (rows,) and (columns,)
        Squared lengths |x_i|^2 and |x_j|^2.
    own : ndarray, shape (2, rows)
        g_i.x_i and |g_i|^2.
    skip : int
        Column i + skip of the tile is row i itself and is left out.
    sigmas : ndarray, shape (levels,)
        Standard deviations of the noise.
    buffer : ndarray, shape (columns,)
        Scratch memory of the type of `gram`.
    top, total : ndarray, shape (levels, rows)
        Running maximum of the exponents, and sum of exp(exponent - top); updated.
    """
    kind = gram.dtype.type
    half = kind(0.5)
    width = gram.shape[1]
    for level in range(len(sigmas)):
        s = kind(sigmas[level])
        near, cross = half / (s * s), kind(1.0) / s
        for i in range(gram.shape[0]):
            at_x, at_g = gram[i], noise[i]
            here = -near * left[i] - cross * own[0, i] - half * own[1, i]
            a, b = kind(2.0) * near, cross
            best = kind(-1e30)
            for j in range(width):
                value = here + a * at_x[j] + b * at_g[j] - near * right[j]
                buffer[j] = value
            itself = i + skip
            if 0 <= itself < width:
                buffer[itself] = kind(-1e30)
            for j in range(width):
                best = max(best, buffer[j])
            if best > top[level, i]:
                total[level, i] *= np.exp(top[level, i] - best)
                top[level, i] = best
            shift = kind(top[level, i])
            run = kind(0.0)
            for j in range(width):
                # Terms below exp(-80) do not change the sum.
                run += exp_any(max(buffer[j] - shift, kind(-80.0)))
            total[level, i] += np.float64(run)


@njit(cache=True, nogil=True, error_model="numpy")
def count_neighbours(
    x: Tile, v: Tile, others: Tile, skip: int, epsilons: Tile, counts: NDArray[np.int64]
) -> None:
    """Count the rows j != i within epsilon of y_i = x_i + epsilon v_i in every coordinate.

    Parameters
    ----------
    x, v : ndarray, shape (rows, d)
        Rows and their noise, uniform on [-1, 1]^d.
    others : ndarray, shape (n, d)
        The rows that are counted.
    skip : int
        Position of row 0 in `others`: a row is not counted as its own neighbour.
    epsilons : ndarray, shape (levels,)
    counts : ndarray of int, shape (levels, rows)
        The counts are added to it.
    """
    rows, d = x.shape
    for i in range(rows):
        for j in range(len(others)):
            if j == i + skip:
                continue
            for level in range(len(epsilons)):
                e = epsilons[level]
                inside = True
                for c in range(d):
                    if abs(x[i, c] - others[j, c] + e * v[i, c]) > e:
                        inside = False
                        break
                if inside:
                    counts[level, i] += 1
