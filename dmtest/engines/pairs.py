"""Sums over pairs of rows: one tiled pass over half of the Gram matrix, never held whole."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.parallel import Progress, blocks, run_tasks

__all__ = ["gauss_pair_sum"]

# A tile of 512 x 512 stays in the second-level cache between BLAS and the reduction.
TILE = 512


def gauss_pair_sum(
    residuals: NDArray[Any],
    beta: float,
    *,
    threads: bool = True,
    progress: Progress | None = None,
) -> float:
    """Sum exp(-beta^2 |Y_j - Y_k|^2 / 2) over the pairs j < k.

    Computed in the dtype of `residuals` and added up in float64. In float32 an exponent
    e carries an absolute error of about 1e-6 (1 + |e|); see ``tests/test_pairs.py`` for
    the measured error of the sum.

    Parameters
    ----------
    residuals : ndarray, shape (n, d), float32 or float64
    beta : float
    threads : bool
        Whether to spread rows of tiles over threads.
    progress : callable, optional
        Called with (what, tiles done, tiles in all) after every row of tiles.
    """
    from dmtest.kernels.pairs import gauss_tile, gauss_tile32

    y = np.ascontiguousarray(residuals * residuals.dtype.type(beta))
    half = (0.5 * np.einsum("ij,ij->i", y, y, dtype=np.float64)).astype(y.dtype)
    fold = gauss_tile32 if y.dtype == np.float32 else gauss_tile
    parts = blocks(len(y), TILE)
    # One tile a thread for the whole pass: touching fresh memory costs more than the product.
    held = threading.local()

    def row_of_tiles(index: int) -> float:
        rows = parts[index]
        block = y[rows]
        if not hasattr(held, "tile"):
            held.tile = np.empty((TILE, TILE), dtype=y.dtype)
        total = 0.0
        for columns in parts[index:]:
            if len(block) == TILE == columns.stop - columns.start:
                tile = np.matmul(block, y[columns].T, out=held.tile)
            else:
                tile = block @ y[columns].T
            total += fold(tile, half[rows], half[columns], columns == rows)
        return total

    # Longest rows first: the two workers then end together. Summation order is fixed.
    order = range(len(parts))
    total, done, tiles = 0.0, 0, len(parts) * (len(parts) + 1) // 2
    sums = run_tasks(row_of_tiles, order) if threads else map(row_of_tiles, order)
    for index, value in enumerate(sums):
        total += value
        done += len(parts) - index
        if progress is not None:
            progress("pairs of rows", done, tiles)
    return total
