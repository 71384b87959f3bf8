"""Many p-values into one, or each adjusted for the others, with their level kept."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError

__all__ = ["bonferroni", "holm", "mean_merge", "min_p", "rank_pvalues"]

Vector = NDArray[np.float64]


def _checked(pvalues: ArrayLike) -> Vector:
    p = np.asarray(pvalues, dtype=np.float64).ravel()
    if not p.size or not ((p >= 0.0) & (p <= 1.0)).all():
        raise InputError("pvalues: give at least one number, all between 0 and 1.")
    return p


def weighted(pvalues: Sequence[float], weights: Sequence[float]) -> float:
    """Combine p-values by Bonferroni with weights that sum to 1: min of p / weight, at most 1."""
    return float(min(1.0, *(p / w for p, w in zip(pvalues, weights, strict=True))))


def bonferroni(pvalues: ArrayLike) -> float:
    """``min(1, m min p)``: a p-value under any dependence."""
    p = _checked(pvalues)
    return float(min(1.0, p.size * p.min()))


def holm(pvalues: ArrayLike) -> Vector:
    """Holm's (1979) adjusted p-values, in the order given: family-wise under any dependence."""
    p = _checked(pvalues)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, stepped)
    return adjusted


def mean_merge(pvalues: ArrayLike) -> float:
    """``min(1, 2 mean p)``: valid under any dependence (Rueschendorf 1982; Vovk & Wang 2020)."""
    return float(min(1.0, 2.0 * _checked(pvalues).mean()))


def rank_pvalues(observed: ArrayLike, null: Vector) -> Vector:
    """``(1 + #{null >= observed}) / (B + 1)`` of one statistic, larger is worse.

    Parameters
    ----------
    observed : array_like
        Values of the statistic, each compared with all of `null`.
    null : ndarray, shape (B,)
        Its values of B null samples.

    Returns
    -------
    ndarray, of the shape of `observed`
    """
    worse = len(null) - np.searchsorted(np.sort(null), observed, side="left")
    return np.asarray((1.0 + worse) / (len(null) + 1.0))


def min_p(observed: Vector, null: Vector) -> tuple[float, Vector]:
    """Calibrate several statistics and their smallest p-value with the same null replicates.

    Data and replicates are ranked together, so under the null all B + 1 are exchangeable
    and the result is a p-value at any B, whatever the dependence between the statistics
    (Westfall & Young 1993; Dwass 1957). Ties of the smallest p, frequent as it is a
    rank, are broken by the mean log p, which keeps the test from being conservative.

    Parameters
    ----------
    observed : ndarray, shape (m,)
        Statistics of the data, larger is worse.
    null : ndarray, shape (B, m)
        The same of B null samples.

    Returns
    -------
    pvalue : float
        Of the smallest p.
    pvalues : ndarray, shape (m,)
        ``(1 + #{null >= observed}) / (B + 1)`` of every statistic.
    """
    everything = np.vstack([observed, null])
    total = len(everything)
    ranked = np.empty_like(everything)
    for j, column in enumerate(everything.T):
        ranked[:, j] = (total - np.searchsorted(np.sort(column), column, side="left")) / total
    smallest = ranked.min(axis=1)
    spread = np.log(ranked).mean(axis=1)
    as_bad = (smallest < smallest[0]) | ((smallest == smallest[0]) & (spread <= spread[0]))
    return float(np.count_nonzero(as_bad) / total), ranked[0]
