"""Alignment and uniformity of positive pairs: descriptive numbers, without a test."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import hyp0f1

from dmtest.engines.gram import PairSum, pair_sums
from dmtest.errors import InputError
from dmtest.results.effect_table import ALIGNMENT, UNIFORMITY, Estimates
from dmtest.results.estimate import Estimate
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.streams import stream
from dmtest.targets.transforms import unit_rows

# Most rows whose pairs enter the uniformity.
ROWS = 8192


def alignment(x: NDArray[Any], y: NDArray[Any], alpha: float = 2.0) -> float:
    """Mean of |x_i - y_i|^alpha over positive pairs; 0 is best. Wang & Isola (2020).

    Parameters
    ----------
    x, y : ndarray, shape (n, d)
        Embeddings of the two views of each item.
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

    Lower is more uniform; uniform rows have :func:`expected_uniformity`.
    """
    from dmtest.kernels import pairs as kernels

    n = len(x)
    if x.ndim != 2 or n < 2:
        raise InputError(f"data: uniformity takes at least two rows; got shape {x.shape}.")
    request = PairSum(kernels.mass, near=t)
    return float(np.log(2.0 * pair_sums(x, [request])[request] / (n * (n - 1.0))))


def expected_uniformity(d: int, t: float = 2.0) -> float:
    """Log of E exp(-t |U - U'|^2) for U, U' uniform on the unit sphere, d >= 2.

    This is log 0F1(d/2; t^2) - 2t: the mean of exp(2t cos) is the confluent limit function 0F1.
    """
    return float(np.log(hyp0f1(0.5 * d, t * t)) - 2.0 * t)


def pair_estimates(x: NDArray[Any], y: NDArray[Any], seed: int) -> Estimates:
    """Return alignment and uniformity of pairs f(X), f(X'), with rows scaled to length 1.

    Raises
    ------
    InputError
        If the shapes differ, rows have one column, or a row has length 0.
    """
    if x.shape != y.shape:
        raise InputError(
            f"augmented: got shape {y.shape} for data of shape {x.shape}; row i of it has to be "
            f"f(X') of row i of the data."
        )
    if x.shape[1] < 2:
        raise InputError("augmented: alignment and uniformity need at least two columns.")
    zero = sum(int((~np.asarray(part).any(axis=1)).sum()) for part in (x, y))
    if zero:
        raise InputError(f"augmented: {zero} rows have length 0 and no direction; leave them out.")
    distance = alignment(unit_rows(np.asarray(x, np.float64)), unit_rows(np.asarray(y, np.float64)))
    rows, sample = x, ""
    if len(x) > ROWS:
        order = stream(seed, "alignment/rows").choice(len(x), ROWS, replace=False, shuffle=False)
        rows, sample = x[np.sort(order)], f", of {ROWS} rows drawn at random"
    potential = uniformity(unit_rows(np.asarray(rows, np.float64)))
    uniform = UNIFORMITY.filled(expected=expected_uniformity(x.shape[1]), sample=sample)
    return {ALIGNMENT: Estimate(value=distance), uniform: Estimate(value=potential)}
