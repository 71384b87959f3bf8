"""Invariants of rotations: features of blocks of rows that no orthogonal map changes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.typing import Vector

# Rows of a block, and the fewest blocks of a sample.
BLOCK, FEWEST_BLOCKS = 8, 8


def block_features(x: NDArray[Any], order: NDArray[np.intp], size: int = BLOCK) -> Vector:
    """Return features of disjoint blocks of rows that no orthogonal map of all rows changes.

    A block has its row lengths in order, its singular values, and the length of its mean.
    All are functions of the block's Gram matrix, so Q x has those of x for every orthogonal Q;
    blocks of independent rows are independent, and have the same distribution for x ~ P and
    for x ~ QP. Pooled and permuted like rows they give an exact test of "P up to a rotation",
    without alignment and without estimated axes. The lengths show the distribution of |x|, the
    singular values how variance is spread over directions, the mean a location that is not 0.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    order : ndarray of int
        Order in which rows fill the blocks; an unfinished block is left out.
    size : int
        Rows of a block.

    Returns
    -------
    ndarray, shape (n // size, 2 * min(size, d) + ...)
        Columns: `size` lengths, min(size, d) singular values, 1 length of the mean.
    """
    count = len(order) // size
    members = order[: count * size].reshape(count, size)

    def tile(part: slice) -> Vector:
        rows = np.asarray(x[members[part].ravel()], dtype=np.float64)
        rows = rows.reshape(-1, size, x.shape[1])
        lengths = np.sort(np.sqrt(np.einsum("bij,bij->bi", rows, rows)), axis=1)
        gram = rows @ rows.transpose(0, 2, 1)
        values = np.linalg.eigvalsh(gram)[:, -min(size, x.shape[1]) :]
        middle = np.sqrt(np.maximum(gram.sum(axis=(1, 2)), 0.0))
        # Equal weights: the sum of squares of each of the three is that of the rows, or n
        # times that of their mean.
        spread = np.sqrt(np.maximum(values, 0.0))
        return np.concatenate([lengths, spread, middle[:, None]], axis=1)

    step = max(1, ROW_TILE // size)
    return np.concatenate(list(run_tasks(tile, blocks(count, step))))
