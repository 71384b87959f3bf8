"""Combination and adjustment of p-values, with control of the level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dmtest.errors import InputError
from dmtest.runtime.typing import Vector


def _as_pvalues(pvalues: ArrayLike) -> Vector:
    p = np.asarray(pvalues, dtype=np.float64).ravel()
    if not p.size or not ((p >= 0.0) & (p <= 1.0)).all():
        raise InputError("pvalues: give at least one number, all between 0 and 1.")
    return p


def bonferroni(pvalues: ArrayLike, weights: Sequence[float] | None = None) -> float:
    """``min(1, m min p)``, or ``min(1, min p / weight)``: a p-value under any dependence.

    Parameters
    ----------
    pvalues : array_like, shape (m,)
    weights : sequence of float, optional
        Shares of the level, which sum to 1; equal ones by default.
    """
    p = _as_pvalues(pvalues)
    if weights is not None:
        return float(min(1.0, *(p / np.asarray(weights))))
    return float(min(1.0, p.size * p.min()))


def holm(pvalues: ArrayLike) -> Vector:
    """Holm's (1979) adjusted p-values, in the order given: family-wise under any dependence."""
    p = _as_pvalues(pvalues)
    order = np.argsort(p, kind="stable")
    steps = np.maximum.accumulate(p[order] * np.arange(p.size, 0, -1))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, steps)
    return adjusted


def consistent_with(adjusted: ArrayLike, pvalue: float, leader: int) -> Vector:
    """Adjusted p-values, none of which is below the global one, and one of which equals it.

    The joint law of all tests is sharper than Holm's inequality: where it alone rejects, Holm
    adjusts every p-value to more than alpha, and where Holm rejects, a weighted combination may
    not. The test with the strongest evidence therefore has the global p-value (the single-step
    adjustment of Westfall & Young 1993), and the others have at least that. Under the target some
    adjusted p-value is at most alpha exactly where the global one is.

    Parameters
    ----------
    adjusted : array_like, shape (m,)
        Holm's adjusted p-values.
    pvalue : float
        The global p-value.
    leader : int
        The test with the strongest evidence.
    """
    p = np.maximum(_as_pvalues(adjusted), pvalue)
    p[leader] = pvalue
    return p


def mean_merge(pvalues: ArrayLike) -> float:
    """``min(1, 2 mean p)``: valid under any dependence (Rueschendorf 1982; Vovk & Wang 2020)."""
    return float(min(1.0, 2.0 * _as_pvalues(pvalues).mean()))


def rank_pvalues(observed: ArrayLike, null: Vector) -> Vector:
    """``(1 + #{null >= observed}) / (B + 1)`` of one statistic, larger is worse.

    Parameters
    ----------
    observed : array_like
        Values of the statistic, each compared with all of `null`.
    null : ndarray, shape (B,)
        Values of the statistic on B null samples.

    Returns
    -------
    ndarray, of the shape of `observed`
    """
    worse = len(null) - np.searchsorted(np.sort(null), observed, side="left")
    return np.asarray((1.0 + worse) / (len(null) + 1.0))


def min_p(observed: Vector, null: Vector) -> tuple[float, Vector]:
    """Calibrate several statistics and their smallest p-value with the same null replicates.

    Data and replicates are ranks together, so under the null all B + 1 are exchangeable
    and the result is a p-value at any B, whatever the dependence between the statistics
    (Westfall & Young 1993; Dwass 1957). Ties of the smallest p are frequent, because it is a
    rank. The mean log p breaks them, so that the test is not conservative.

    Parameters
    ----------
    observed : ndarray, shape (m,)
        Statistics of the data, larger is worse.
    null : ndarray, shape (B, m)
        The same statistics of B null samples.

    Returns
    -------
    pvalue : float
        P-value of the smallest p.
    pvalues : ndarray, shape (m,)
        ``(1 + #{null >= observed}) / (B + 1)`` of every statistic.
    """
    joint = np.vstack([observed, null])
    total = len(joint)
    ranks = np.empty_like(joint)
    for j, column in enumerate(joint.T):
        ranks[:, j] = (total - np.searchsorted(np.sort(column), column, side="left")) / total
    smallest = ranks.min(axis=1)
    spread = np.log(ranks).mean(axis=1)
    as_bad = (smallest < smallest[0]) | ((smallest == smallest[0]) & (spread <= spread[0]))
    return float(np.count_nonzero(as_bad) / total), ranks[0]


def monte_carlo_error(pvalue: float, replicates: int) -> float:
    """Monte Carlo standard error of a p-value from `replicates` replicates."""
    return float(np.sqrt(pvalue * (1.0 - pvalue) / replicates))


@dataclass(frozen=True, slots=True)
class Smallest:
    """The p-value of the smallest of several p-values of one sample.

    Attributes
    ----------
    pvalue, error, floor : float
        The p-value, its standard error, and the smallest value that it can have.
    replicates : int
        Replicates whose p-values at 5% have the same error.
    """

    pvalue: float
    error: float
    floor: float
    replicates: int


@dataclass(frozen=True, slots=True)
class JointPValue:
    """One p-value of several tests.

    Attributes
    ----------
    pvalue : float
    parts : int
        Number of p-values in Bonferroni's inequality: one a group, and the published ones.
    replicates : int
        Null samples, or permutations, of the smallest group; 0 without groups.
    error, floor : float or None
        Monte Carlo standard error, and the smallest value that the replicates can give;
        None without groups.
    """

    pvalue: float
    parts: int
    replicates: int
    error: float | None
    floor: float | None


def joint_pvalue(
    groups: Sequence[Sequence[tuple[Vector, Vector]]],
    published: Sequence[float] = (),
    shipped: Sequence[Smallest] = (),
) -> JointPValue:
    """Combine all tests of a run: min-p within groups that share replicates, Bonferroni across.

    Parameters
    ----------
    groups : sequence of groups of (badness, null)
        Statistics of a test's data, shape (m,), and of null samples, shape (B, m); larger is
        worse. Replicate b is the same sample for all members of a group, so their first
        replicates, up to the smallest B, are joint replicates of their statistics.
    published : sequence of float
        P-values that have no replicates.
    shipped : sequence of Smallest
        P-values of groups whose joint law is shipped.
    """
    parts = list(shipped)
    for members in groups:
        common = min(len(null) for _, null in members)
        badness = np.concatenate([observed for observed, _ in members])
        null = np.concatenate([null[:common] for _, null in members], axis=1)
        pvalue = min_p(badness, null)[0]
        floor = 1.0 / (common + 1.0)
        parts.append(Smallest(pvalue, monte_carlo_error(pvalue, common), floor, common))
    every = [*(part.pvalue for part in parts), *published]
    count = len(every)
    if not parts:
        return JointPValue(bonferroni(every), count, 0, None, None)
    smallest = min(parts, key=lambda part: part.pvalue)
    return JointPValue(
        bonferroni(every),
        count,
        min(part.replicates for part in parts),
        count * smallest.error,
        count * min(part.floor for part in parts),
    )
