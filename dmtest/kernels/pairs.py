"""Folds of a tile of the Gram matrix: BLAS computes the tile, a fold reduces it to one number.

A fold has the arguments ``(gram, shared, left, right, diagonal, constants)``: the tile of g_jk,
the tile that the request shares with others (`gram` itself if none), the squared norms of the
rows and columns of the tile, whether the tile lies on the diagonal (then only k > j counts), and
the constants of the request. Runs of 128 values are added in the precision of the tile, the runs
in float64.

:func:`near`, :func:`far` and :func:`distance` fill a shared tile and return the sum of its terms.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from dmtest.kernels.special import FAST, LOG2E, exp2_any

Tile = NDArray[Any]
RUN = 128


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def near(
    gram: Tile,
    left: Tile,
    right: Tile,
    diagonal: bool,
    c: float,
    shift: float,
    keep: bool,
    out: Tile,
) -> float:
    """Return the sum of exp(-c |Y_j - Y_k|^2), and fill `out` with the terms if `keep`."""
    return _exponentials(gram, left, right, diagonal, -c, 2.0 * c, 0.0, keep, out)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def far(
    gram: Tile,
    left: Tile,
    right: Tile,
    diagonal: bool,
    c: float,
    shift: float,
    keep: bool,
    out: Tile,
) -> float:
    """Return the sum of exp(c |Y_j + Y_k|^2 - shift), and fill `out` with the terms if `keep`."""
    return _exponentials(gram, left, right, diagonal, c, 2.0 * c, shift, keep, out)


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _exponentials(
    gram: Tile,
    left: Tile,
    right: Tile,
    diagonal: bool,
    norms: float,
    inner: float,
    shift: float,
    keep: bool,
    out: Tile,
) -> float:
    kind = gram.dtype.type
    a, b, s = kind(norms * LOG2E), kind(inner * LOG2E), kind(shift * LOG2E)
    # exp(-c D) never exceeds 1, even if rounding makes the distance of equal rows negative.
    top = kind(0.0) if norms < 0.0 else kind(1e30)
    scaled = a * right
    total = 0.0
    for j in range(gram.shape[0]):
        first = j + 1 if diagonal else 0
        here = a * left[j] - s
        for start in range(first, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            other = scaled[start : start + RUN]
            run = kind(0.0)
            if keep:
                terms = out[j, start : start + RUN]
                for k in range(row.size):
                    value = exp2_any(min(b * row[k] + (other[k] + here), top))
                    terms[k] = value
                    run += value
            else:
                for k in range(row.size):
                    run += exp2_any(min(b * row[k] + (other[k] + here), top))
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def distance(
    gram: Tile,
    left: Tile,
    right: Tile,
    diagonal: bool,
    c: float,
    shift: float,
    keep: bool,
    out: Tile,
) -> float:
    """Return the sum of |Y_j - Y_k|, and fill `out` with the terms if `keep`."""
    kind = gram.dtype.type
    two, zero = kind(2.0), kind(0.0)
    total = 0.0
    for j in range(gram.shape[0]):
        first = j + 1 if diagonal else 0
        here = left[j]
        for start in range(first, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            other = right[start : start + RUN]
            run = zero
            if keep:
                terms = out[j, start : start + RUN]
                for k in range(row.size):
                    value = np.sqrt(max(other[k] + here - two * row[k], zero))
                    terms[k] = value
                    run += value
            else:
                for k in range(row.size):
                    run += np.sqrt(max(other[k] + here - two * row[k], zero))
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def mass(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of the shared tile."""
    total = 0.0
    for j in range(gram.shape[0]):
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = shared[j, start : start + RUN]
            run = gram.dtype.type(0.0)
            for k in range(row.size):
                run += row[k]
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def inner(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of g_jk times the shared tile."""
    total = 0.0
    for j in range(gram.shape[0]):
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            other = shared[j, start : start + RUN]
            run = gram.dtype.type(0.0)
            for k in range(row.size):
                run += row[k] * other[k]
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def norms(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of r_j^2 r_k^2 times the shared tile."""
    total = 0.0
    for j in range(gram.shape[0]):
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = right[start : start + RUN]
            other = shared[j, start : start + RUN]
            run = gram.dtype.type(0.0)
            for k in range(row.size):
                run += row[k] * other[k]
            total += np.float64(run) * np.float64(left[j])
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def quartic(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of c4 g^4 + c3 g^3 + c2 g^2 + c1 g + c0; `constants` are c4, ..., c0."""
    kind = gram.dtype.type
    c4, c3, c2 = kind(constants[0]), kind(constants[1]), kind(constants[2])
    c1, c0 = kind(constants[3]), kind(constants[4])
    total = 0.0
    for j in range(gram.shape[0]):
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            run = kind(0.0)
            for k in range(row.size):
                g = row[k]
                run += (((c4 * g + c3) * g + c2) * g + c1) * g + c0
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def cosine_quartic(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of the quartic of the cosine g_jk / (r_j r_k); a row of zeros has cosine 0 with all."""
    kind = gram.dtype.type
    c4, c3, c2 = kind(constants[0]), kind(constants[1]), kind(constants[2])
    c1, c0 = kind(constants[3]), kind(constants[4])
    tiny, one = kind(1e-30), kind(1.0)
    inverse = one / np.sqrt(np.maximum(right, tiny))
    total = 0.0
    for j in range(gram.shape[0]):
        here = one / np.sqrt(max(left[j], tiny))
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            other = inverse[start : start + RUN]
            run = kind(0.0)
            for k in range(row.size):
                g = row[k] * other[k] * here
                run += (((c4 * g + c3) * g + c2) * g + c1) * g + c0
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def visagie(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of (a g + b |Y_j + Y_k|^2 + c) times the shared tile; `constants` are a, b, c."""
    kind = gram.dtype.type
    a, b, c = kind(constants[0] + 2.0 * constants[1]), kind(constants[1]), kind(constants[2])
    total = 0.0
    for j in range(gram.shape[0]):
        here = b * left[j] + c
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            other = shared[j, start : start + RUN]
            norms = right[start : start + RUN]
            run = kind(0.0)
            for k in range(row.size):
                run += (a * row[k] + (b * norms[k] + here)) * other[k]
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def laplacian(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of (r_j^2 r_k^2 - (r_j^2 + r_k^2)(b D + c) + (e D + f) D + h) times the shared tile.

    D = |Y_j - Y_k|^2; `constants` are b, c, e, f, h.
    """
    kind = gram.dtype.type
    b, c = kind(constants[0]), kind(constants[1])
    e, f, h = kind(constants[2]), kind(constants[3]), kind(constants[4])
    two = kind(2.0)
    total = 0.0
    for j in range(gram.shape[0]):
        here = left[j]
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            other = shared[j, start : start + RUN]
            norms = right[start : start + RUN]
            run = kind(0.0)
            for k in range(row.size):
                r = norms[k]
                apart = (r + here) - two * row[k]
                value = here * r - (r + here) * (b * apart + c) + (e * apart + f) * apart + h
                run += value * other[k]
            total += np.float64(run)
    return total


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def stein(
    gram: Tile, shared: Tile, left: Tile, right: Tile, diagonal: bool, constants: Tile
) -> float:
    """Sum of g phi + 2 phi' (D - d) - 4 D phi'', phi = (1 + s D)^(-1/2); `constants` are s, d."""
    kind = gram.dtype.type
    s, d = kind(constants[0]), kind(constants[1])
    one, two, three, zero = kind(1.0), kind(2.0), kind(3.0), kind(0.0)
    total = 0.0
    for j in range(gram.shape[0]):
        here = left[j]
        for start in range(j + 1 if diagonal else 0, gram.shape[1], RUN):
            row = gram[j, start : start + RUN]
            norms = right[start : start + RUN]
            run = zero
            for k in range(row.size):
                apart = max((norms[k] + here) - two * row[k], zero)
                w = one / (one + s * apart)
                # phi' = -s phi w / 2 and phi'' = 3 s^2 phi w^2 / 4.
                slope = s * w
                inside = row[k] - slope * (apart - d) - three * slope * slope * apart
                run += np.sqrt(w) * inside
            total += np.float64(run)
    return total
