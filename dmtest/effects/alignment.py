"""Alignment and uniformity of pairs of embeddings: descriptive numbers, not tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp0f1

from dmtest.engines.pairs import PairSum, pair_sums
from dmtest.errors import InputError
from dmtest.parallel import ROW_TILE, blocks

__all__ = ["alignment", "expected_uniformity", "uniformity"]


def alignment(x: NDArray[Any], y: NDArray[Any], alpha: float = 2.0) -> float:
    """Mean of |x_i - y_i|^alpha over positive pairs; 0 is best. Wang & Isola (2020).

    Parameters
    ----------
    x, y : ndarray, shape (n, d)
        Embeddings of the two views of each object.
    alpha : float

    Raises
    ------
    InputError
        If the shapes differ.
    """
    if x.ndim != 2 or x.shape != y.shape:
        raise InputError(
            f"data: alignment takes two arrays of one shape (n, d); got {x.shape} and {y.shape}."
        )
    total = 0.0
    for part in blocks(len(x), ROW_TILE):
        gap = np.asarray(x[part], dtype=np.float64) - y[part]
        total += float((np.square(gap).sum(axis=1) ** (0.5 * alpha)).sum())
    return total / len(x)


def uniformity(x: NDArray[Any], t: float = 2.0) -> float:
    """Log of the mean of exp(-t |x_j - x_k|^2) over pairs j < k. Wang & Isola (2020).

    Lower is more uniform; :func:`expected_uniformity` is what uniform rows have.
    """
    from dmtest.kernels import pairs as kernels

    n = len(x)
    if x.ndim != 2 or n < 2:
        raise InputError(f"data: uniformity takes at least two rows; got shape {x.shape}.")
    request = PairSum(kernels.mass, near=t)
    return float(np.log(2.0 * pair_sums(x, [request])[request] / (n * (n - 1.0))))


def expected_uniformity(d: int, t: float = 2.0) -> float:
    """Log of E exp(-t |U - U'|^2) for U, U' uniform on the unit sphere, d >= 2.

    exp(-2t) 0F1(d/2; t^2), as the mean of exp(2t cos) is the confluent limit function.
    """
    return float(np.log(hyp0f1(0.5 * d, t * t)) - 2.0 * t)
