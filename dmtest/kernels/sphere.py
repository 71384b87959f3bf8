"""Folds of a tile of cosines between rows of length 1."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST

Tile = NDArray[Any]


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def angle(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of pi/2 - theta_jk, the arcsine of the cosine: small where angles concentrate."""
    total = 0.0
    for j in range(gram.shape[0]):
        row = 0.0
        for k in range(j + 1 if diagonal else 0, gram.shape[1]):
            row += math.asin(min(max(np.float64(gram[j, k]), -1.0), 1.0))
        total += row
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def sine(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of 1 - sin theta_jk, computed as g^2 / (1 + sin theta)."""
    total = 0.0
    for j in range(gram.shape[0]):
        row = 0.0
        for k in range(j + 1 if diagonal else 0, gram.shape[1]):
            square = min(np.float64(gram[j, k]) ** 2, 1.0)
            row += square / (1.0 + np.sqrt(1.0 - square))
        total += row
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def chord(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of sqrt 2 - |x_j - x_k|, computed as sqrt 2 g / (1 + sqrt(1 - g))."""
    total = 0.0
    for j in range(gram.shape[0]):
        row = 0.0
        for k in range(j + 1 if diagonal else 0, gram.shape[1]):
            g = min(max(np.float64(gram[j, k]), -1.0), 1.0)
            row += g / (1.0 + np.sqrt(1.0 - g))
        total += row
    return total * math.sqrt(2.0)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def interpolant(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of a function of theta, interpolated at equal steps of sqrt(theta/pi).

    `constants` are the values, then the slopes at the nodes; between nodes the interpolant is
    the cubic with these values and slopes.
    """
    size = constants.size // 2
    total = 0.0
    for j in range(gram.shape[0]):
        row = 0.0
        for k in range(j + 1 if diagonal else 0, gram.shape[1]):
            g = min(max(np.float64(gram[j, k]), -1.0), 1.0)
            at = math.sqrt(math.acos(g) / math.pi) * (size - 1)
            i = min(int(at), size - 2)
            s = at - i
            low, high = constants[i], constants[i + 1]
            a, b = constants[size + i], constants[size + i + 1]
            row += low + s * (
                a + s * (3.0 * (high - low) - 2.0 * a - b + s * (2.0 * (low - high) + a + b))
            )
        total += row
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def largest_cosine(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Largest |g_jk|."""
    top = 0.0
    for j in range(gram.shape[0]):
        for k in range(j + 1 if diagonal else 0, gram.shape[1]):
            top = max(top, abs(np.float64(gram[j, k])))
    return top


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def gegenbauer(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum over pairs of sum_k w_k p_k(g); `constants` are d, w_1, w_2, ...

    p_k are the Gegenbauer polynomials with p_k(1) = 1: (k + d - 3) p_k = (2k + d - 4) g p_{k-1}
    - (k - 1) p_{k-2}.
    """
    d = constants[0]
    total = 0.0
    for j in range(gram.shape[0]):
        row = 0.0
        for k in range(j + 1 if diagonal else 0, gram.shape[1]):
            g = min(max(np.float64(gram[j, k]), -1.0), 1.0)
            before, here = 1.0, g
            value = constants[1] * g
            for degree in range(2, constants.size):
                after = ((2.0 * degree + d - 4.0) * g * here - (degree - 1.0) * before) / (
                    degree + d - 3.0
                )
                before, here = here, after
                value += constants[degree] * here
            row += value
        total += row
    return total
