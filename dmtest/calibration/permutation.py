"""Permutation p-values of two-sample tests."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dmtest.calibration.budget import Workload, pool_workload
from dmtest.calibration.multiplicity import (
    JointPValue,
    joint_pvalue,
    monte_carlo_error,
    rank_pvalues,
)
from dmtest.catalogue.spec import PoolTest
from dmtest.engines.labelled_gram import PairForm, quadratic_forms
from dmtest.engines.labelled_slices import (
    SLICES,
    LabelledStatistic,
    SliceRequest,
    directions_of,
    sort_slices,
)
from dmtest.engines.pool import Labels, Pool
from dmtest.engines.requests import results_of
from dmtest.runtime.parallel import Progress
from dmtest.runtime.typing import Vector

# Statistics of two labellings that differ by less than this share of the largest one are equal:
# discrete data have many ties, and sums in another order must not break them.
ROUNDING = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True)
class PermutationResult:
    """A statistic of two samples and its permutation p-values.

    Attributes
    ----------
    drawn : LabelledStatistic
        The statistic under every labelling.
    pvalue, error : float
        P-value of the statistic, and its Monte Carlo standard error.
    worst_pvalue : float or None
        P-value of the worst slice.
    replicates : int
        Permutations.
    method : str
        Method of the p-value, in words.
    params : dict
        Tuning parameters, with those that the pool determines.
    """

    drawn: LabelledStatistic
    pvalue: float
    worst_pvalue: float | None
    replicates: int
    error: float
    method: str
    params: dict[str, Any] = field(default_factory=dict)


def permute(
    pool: Pool,
    specs: Sequence[PoolTest],
    params: Mapping[str, Mapping[str, Any]],
    *,
    replicates: int,
    slices: int | None,
    budget: float | None,
    progress: Progress | None = None,
) -> dict[str, PermutationResult]:
    """Evaluate and calibrate tests on the same permutations of the pooled rows' labels.

    Under the hypothesis all labellings of the pooled rows are equally likely, so
    ``(1 + b) / (B + 1)`` is a p-value at any n and B, for any statistic and any distribution
    (Hemerik & Goeman 2018).

    Parameters
    ----------
    pool : Pool
    specs : sequence of PoolTest
    params : mapping of test name to its tuning parameters
    replicates : int
        Permutations; fewer if `budget` does not pay for all.
    slices : int, optional
        Random directions of slice tests; None for the default.
    budget : float, optional
        Multiply-adds of a test; None for the default.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    dict of test name to PermutationResult, in the order of `specs`
    """
    k = 1 if pool.d == 1 else slices or SLICES
    labels = Labels(pool.n, pool.m, replicates, pool.seed)
    groups: dict[int, list[tuple[PoolTest, Workload]]] = {}
    for spec in specs:
        workload = pool_workload(spec, pool.total, pool.d, k, replicates, budget)
        groups.setdefault(workload.replicates, []).append((spec, workload))
    results: dict[str, PermutationResult] = {}
    for count, members in groups.items():
        jobs = []
        for spec, workload in members:
            arguments = dict(params.get(spec.name, {}))
            linear = spec.linear if workload.mode == "linear" else None
            statistic = spec.statistic if linear is None else linear.statistic
            if "slices" in inspect.signature(statistic).parameters:
                arguments["slices"] = k
            jobs.append(statistic(pool, labels.fewer(count), **arguments))
        statistics = _evaluate(pool, labels.fewer(count), jobs, progress)
        for (spec, workload), one in zip(members, statistics, strict=True):
            method = f"permutation, {count} replicates{_note(spec, workload, pool)}"
            values = dict(spec.params) | dict(params.get(spec.name, {})) | one.params
            results[spec.name] = _result(one, method, values)
    return {spec.name: results[spec.name] for spec in specs}


def _note(spec: PoolTest, workload: Workload, pool: Pool) -> str:
    """Return the clause that the method adds: the rows used, or the form of the statistic."""
    if spec.subset is not None:
        rows = spec.subset(pool)
        return f", of {rows} of {pool.total} rows drawn at random" if rows < pool.total else ""
    return workload.note(pool.total, "" if spec.linear is None else spec.linear.source)


def _evaluate(
    pool: Pool, labels: Labels, jobs: Sequence[Any], progress: Progress | None
) -> list[LabelledStatistic]:
    """Evaluate statistics with one pass over all pairs and one sort of all slices."""

    def answer(requests: Sequence[Any]) -> dict[Any, Any]:
        pairs = [one for one in requests if isinstance(one, PairForm)]
        answers: dict[Any, Any] = {}
        if pairs:
            answers |= zip(pairs, quadratic_forms(pool, labels, pairs, progress), strict=True)
        for one in requests:
            if isinstance(one, SliceRequest):
                answers[one] = sort_slices(pool, directions_of(pool, one.slices))
        return answers

    return results_of(jobs, answer)


def _result(drawn: LabelledStatistic, method: str, params: dict[str, Any]) -> PermutationResult:
    badness = _round_off(drawn)
    pvalues = [float(rank_pvalues(column[0], column[1:])) for column in badness.T]
    count = len(badness) - 1
    return PermutationResult(
        drawn=drawn,
        pvalue=pvalues[0],
        worst_pvalue=pvalues[1] if len(pvalues) > 1 else None,
        replicates=count,
        error=monte_carlo_error(pvalues[0], count),
        method=method,
        params=params,
    )


def _round_off(drawn: LabelledStatistic) -> Vector:
    """Round statistics, so that the order of summation breaks no ties."""
    step = ROUNDING * np.abs(drawn.badness).max(axis=0) + drawn.rounding
    return np.asarray(np.round(drawn.badness / np.where(step > 0.0, step, 1.0)))


def joint_permutation(results: Sequence[PermutationResult]) -> JointPValue:
    """Combine tests by min-p over their common permutations."""
    badness = [_round_off(one.drawn) for one in results]
    return joint_pvalue([[(values[0], values[1:]) for values in badness]])
