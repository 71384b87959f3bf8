"""A sample against a baseline: verdict, departures, and the samples themselves."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.battery.two_sample import run_comparison
from dmtest.catalogue.registry import pool_tests
from dmtest.checks.baseline import Baseline
from dmtest.checks.departures import Score, scores_of
from dmtest.checks.rows import comparison_row, effect_rows, shares, verdict_row, worsened
from dmtest.data.sample import Sample
from dmtest.reports.compare import compare_with
from dmtest.results.check import CheckRow
from dmtest.results.outcome import Outcome
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.targets.reference import Reference
from dmtest.targets.targets import Target

__all__ = ["against", "scores_for"]


def against(
    sample: Sample,
    goal: Target,
    now: Report,
    then: Baseline,
    alpha: float,
    compare: bool,
    rotation: bool,
    seed: int,
    progress: bool | Progress | None,
) -> list[CheckRow]:
    """Compare with the baseline: verdict, departures, and the samples where that is asked for."""
    share = shares(alpha, compare)
    worse = worsened(now.verdict, then.report.verdict)
    change = _energy(sample, then, share["verdict"], seed) if worse else None
    rows = [verdict_row(now, then.report, change, share["verdict"])]
    before = {score.name: score for score in then.scores}
    known = before.get("smoothed-kl")
    noise, batch = (None, None) if known is None else (known.noise, known.batch)
    slices, replicates = then.options["slices"], then.options["replicates"]
    scores = scores_for(sample, goal, then.report.seed, slices, replicates, noise, batch)
    rows += effect_rows(scores, then.scores, share["effects"])
    if compare:
        other = Reference(then.sample, rotation=rotation)
        level = share["comparison"]
        found = compare_with(
            _rounded(sample, then),
            other,
            tests=None,
            alpha=level,
            slices=None,
            replicates=_replicates(level),
            budget=None,
            rng=seed,
            progress=progress,
        )
        rows.append(comparison_row(found))
    return rows


def _energy(sample: Sample, then: Baseline, level: float, seed: int) -> Outcome:
    """Test the samples for any difference."""
    plan = Plan(target="reference", seed=seed, replicates=_replicates(level))
    specs, reference = pool_tests("energy"), Reference(then.sample)
    with single_threaded_blas():
        return run_comparison(_rounded(sample, then), reference, specs, plan).outcomes[0]


def _replicates(level: float) -> int:
    """Permutations that p-values well below a level can come from."""
    return max(999, math.ceil(10.0 / level) - 1)


def _rounded(sample: Sample, then: Baseline) -> Sample:
    """Round rows as the baseline's are in its file, so that no test sees the rounding."""
    with np.errstate(over="ignore"):
        rows = sample.x.astype(then.sample.dtype)
    return replace(sample, x=rows if np.isfinite(rows).all() else sample.x)


def scores_for(
    sample: Sample,
    goal: Target,
    seed: int,
    slices: int | None,
    replicates: int,
    noise: float | None = None,
    batch: int | None = None,
) -> list[Score]:
    """Compute the scores of a sample, with the directions of a seed."""
    plan = Plan(target=goal.name, seed=seed, slices=slices, replicates=replicates)
    with single_threaded_blas():
        return scores_of(goal.canonical(sample), plan, noise, batch)
