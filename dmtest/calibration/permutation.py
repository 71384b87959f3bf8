"""Permutation p-values of two-sample tests. Knows tests only as rows of the registry."""

from __future__ import annotations

import inspect
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.budget import affordable
from dmtest.calibration.multiplicity import min_p, rank_pvalues
from dmtest.catalogue.spec import PoolTest
from dmtest.engines.labelled_gram import PairForm, quadratic_forms
from dmtest.engines.labelled_lines import (
    SLICES,
    Drawn,
    SlicedLines,
    directions_of,
    sorted_lines,
)
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import Progress

__all__ = ["BUDGET", "Permuted", "permuted", "together"]

Vector = NDArray[np.float64]

# Multiply-adds that a test and its relabellings may take: about fifteen seconds on two cores.
BUDGET = 4e11
# Statistics of two labellings that differ by less than this of the largest one are equal: where
# data are discrete many are, and sums in another order must not tell them apart.
ROUNDING = 1e-11


@dataclass(frozen=True, slots=True, kw_only=True)
class Permuted:
    """A statistic, its p-value and what it was computed from."""

    drawn: Drawn
    pvalue: float
    worst_pvalue: float | None
    replicates: int
    error: float
    method: str
    params: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Load:
    mode: Literal["exact", "linear"]
    replicates: int

    def said(self, spec: PoolTest, pool: Pool) -> str:
        if spec.subset is not None:
            used = spec.subset(pool)
            return f", of {used} of {pool.total} rows drawn at random" if used < pool.total else ""
        if self.mode == "exact" or spec.linear is None:
            return ""
        return f", of its form from {spec.linear.drawn} (budget)"


def permuted(
    pool: Pool,
    specs: Sequence[PoolTest],
    params: Mapping[str, Mapping[str, Any]],
    *,
    replicates: int,
    slices: int | None,
    budget: float | None,
    progress: Progress | None = None,
) -> dict[str, Permuted]:
    """Evaluate and calibrate tests on the same permutations of the pooled rows' labels.

    Under the hypothesis the observed labelling is as any other, given the pooled rows, so
    ``(1 + b) / (B + 1)`` is a p-value at any n and B, whatever the statistic and whatever the
    distribution (Hemerik & Goeman 2018).

    Parameters
    ----------
    pool : Pool
    specs : sequence of PoolTest
    params : mapping of test name to its tuning parameters
    replicates : int
        As many as are asked for; fewer where `budget` does not pay for them.
    slices : int, optional
    budget : float, optional
        Multiply-adds of a test.
    """
    k = 1 if pool.d == 1 else slices or SLICES
    labels = Labels(pool.n, pool.m, replicates, pool.seed)
    groups: dict[int, list[tuple[PoolTest, _Load]]] = {}
    for spec in specs:
        load = _load(spec, pool, replicates, k, budget or BUDGET)
        groups.setdefault(load.replicates, []).append((spec, load))
    found: dict[str, Permuted] = {}
    for count, members in groups.items():
        jobs = []
        for spec, load in members:
            chosen = dict(params.get(spec.name, {}))
            exact = load.mode == "exact" or spec.linear is None
            statistic = spec.statistic if exact else spec.linear.statistic
            if "slices" in inspect.signature(statistic).parameters:
                chosen["slices"] = k
            jobs.append(statistic(pool, labels.fewer(count), **chosen))
        drawn = _evaluated(pool, labels.fewer(count), jobs, progress)
        for (spec, load), one in zip(members, drawn, strict=True):
            method = f"permutation, {count} replicates{load.said(spec, pool)}"
            asked = dict(spec.params) | dict(params.get(spec.name, {})) | one.params
            found[spec.name] = _calibrated(one, method, asked)
    return {spec.name: found[spec.name] for spec in specs}


def _load(spec: PoolTest, pool: Pool, replicates: int, slices: int, budget: float) -> _Load:
    """Choose all pairs or the form that is linear in n, and as many replicates as are paid for."""
    total, d = float(pool.total), pool.d
    if spec.linear is not None:
        if 0.5 * total**2 * (d + 16.0 + replicates) <= budget:
            return _Load("exact", replicates)
        each = spec.linear.work(total, slices)
        return _Load("linear", affordable(replicates, each, budget))
    if spec.work is None:
        return _Load("exact", replicates)
    return _Load("exact", affordable(replicates, spec.work(total, slices), budget))


def _evaluated(
    pool: Pool, labels: Labels, jobs: Sequence[Any], progress: Progress | None
) -> list[Drawn]:
    """Hand statistics what they ask for, all pairs in one pass and all lines sorted once."""
    waiting = {j: job for j, job in enumerate(jobs) if isinstance(job, Generator)}
    asked = {j: next(job) for j, job in waiting.items()}
    pairs = list(dict.fromkeys(one for one in asked.values() if isinstance(one, PairForm)))
    answers: dict[Any, Any] = {}
    if pairs:
        answers |= zip(pairs, quadratic_forms(pool, labels, pairs, progress), strict=True)
    for one in asked.values():
        if isinstance(one, SlicedLines) and one not in answers:
            answers[one] = sorted_lines(pool, directions_of(pool, one.slices))
    found = []
    for j, job in enumerate(jobs):
        if j not in waiting:
            found.append(job)
            continue
        try:
            job.send(answers[asked[j]])
        except StopIteration as done:
            found.append(done.value)
    return found


def _calibrated(drawn: Drawn, method: str, params: dict[str, Any]) -> Permuted:
    badness = _level(drawn)
    pvalues = [float(rank_pvalues(column[0], column[1:])) for column in badness.T]
    count = len(badness) - 1
    return Permuted(
        drawn=drawn,
        pvalue=pvalues[0],
        worst_pvalue=pvalues[1] if len(pvalues) > 1 else None,
        replicates=count,
        error=float(np.sqrt(pvalues[0] * (1.0 - pvalues[0]) / count)),
        method=method,
        params=params,
    )


def _level(drawn: Drawn) -> Vector:
    """Round away what the order of summation may add."""
    step = ROUNDING * np.abs(drawn.badness).max(axis=0) + drawn.rounding
    return np.asarray(np.round(drawn.badness / np.where(step > 0.0, step, 1.0)))


def together(results: Sequence[Permuted]) -> tuple[float, float, int]:
    """Combine tests by min-p over their common permutations.

    Returns
    -------
    pvalue, error : float
        Global p-value and its Monte Carlo standard error.
    replicates : int
        Permutations behind it.
    """
    common = min(one.replicates for one in results)
    badness = np.concatenate([_level(one.drawn)[: common + 1] for one in results], axis=1)
    pvalue = min_p(badness[0], badness[1:])[0]
    return pvalue, float(np.sqrt(pvalue * (1.0 - pvalue) / common)), common
