"""From two samples to a Report: compare, measure, diagnose."""

from __future__ import annotations

import datetime as dt
import shlex
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from dmtest._version import __version__
from dmtest.battery.plan import Plan
from dmtest.battery.two_sample import Comparison, common_rows, run_comparison
from dmtest.calibration.multiplicity import holm
from dmtest.catalogue.registry import describe
from dmtest.catalogue.spec import Spec
from dmtest.data.sample import Sample
from dmtest.effects.directions_two_sample import divergent_directions
from dmtest.effects.two_sample import contrast_effects, moments_of, rotation_effects
from dmtest.engines.pool import Pool
from dmtest.reports.diagnosis_two_sample import Contrast, contrast_findings, rotation_findings
from dmtest.reports.figures_two_sample import (
    column_distances,
    columns_pictured,
    slices_pictured,
    spectrum_pictured,
)
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.targets.reference import Reference

__all__ = ["compared"]


def compared(
    sample: Sample,
    goal: Reference,
    specs: Sequence[Spec],
    alpha: float,
    plan: Plan,
    asked: dict[str, Any],
    started: float,
) -> Report:
    """Run everything that a report on two samples needs, each computation once."""
    result = run_comparison(sample, goal, specs, plan)
    rejected = result.pvalue <= alpha
    seen = _seen(sample, goal, result, alpha, plan)
    diagnosis: tuple[Finding, ...] = ()
    if rejected:
        diagnosis = rotation_findings(seen) if goal.rotation else contrast_findings(seen)
    return Report(
        verdict="mismatch" if rejected else "compatible",
        pvalue=result.pvalue,
        pvalue_method=result.method,
        alpha=alpha,
        target=goal.name,
        n=sample.n,
        d=sample.d,
        seed=plan.seed,
        outcomes=result.outcomes,
        adjusted=tuple(float(p) for p in holm([o.pvalue for o in result.outcomes])),
        effects=dict(seen.effects),
        diagnosis=diagnosis,
        warnings=_warnings(sample, goal.sample, result),
        computed=_computed(sample, goal, result, started)
        | _repeat(sample, goal, alpha, plan, asked),
        pictures=_pictures(seen, goal, result, plan),
    )


def _seen(
    sample: Sample, goal: Reference, result: Comparison, alpha: float, plan: Plan
) -> Contrast:
    """Measure how far apart the samples are, and where."""
    pool = Pool(sample.x, goal.sample.x, plan.seed)
    ours, theirs = moments_of(sample.x), moments_of(goal.sample.x)
    if goal.rotation:
        effects, distances, found = rotation_effects(pool, ours, theirs), np.zeros(0), []
    else:
        effects = contrast_effects(pool, result.details, ours, theirs)
        distances = column_distances(pool)
        found = divergent_directions(pool, plan.replicates)
    return Contrast(
        names=sample.names,
        effects=effects,
        directions=found,
        alpha=alpha,
        pool=pool,
        ours=ours,
        theirs=theirs,
        distances=distances,
    )


def _pictures(seen: Contrast, goal: Reference, result: Comparison, plan: Plan) -> dict[str, Any]:
    pictures: dict[str, Any] = {
        "slices": [],
        "coordinates": [],
        "spectrum": spectrum_pictured(seen.pool, seen.ours, seen.theirs),
        "directions": [one.figure(seen.names) for one in seen.directions],
    }
    if goal.rotation:
        return pictures
    pictures["coordinates"] = columns_pictured(seen.pool, seen.distances, seen.names)
    if "sliced-wasserstein" in result.details:
        drawn = result.details["sliced-wasserstein"].drawn
        count = plan.replicates
        pictures["slices"] = slices_pictured(seen.pool, drawn, seen.names, count)
    return pictures


def _warnings(sample: Sample, reference: Sample, result: Comparison) -> tuple[Finding, ...]:
    theirs = (Finding(f.code, f"Reference: {f.message}", f.count) for f in reference.findings)
    return (*_shared(sample, reference), *result.findings, *sample.findings, *theirs)


def _shared(sample: Sample, reference: Sample) -> tuple[Finding, ...]:
    """Say how many rows are in both samples: they are no evidence of one distribution."""
    count = common_rows(sample, reference)
    if not count:
        return ()
    if count == sample.n == reference.n:
        text = (
            "Data and reference hold the same rows: this compares a sample with itself, and "
            "says nothing of the distribution it came from."
        )
        return (Finding("same-rows", text, count),)
    text = (
        f"{count} of {sample.n} rows of the data are rows of the reference too: the samples "
        f"are not independent, which makes the tests blind to what these rows hide."
    )
    return (Finding("common-rows", text, count),)


def _repeat(
    sample: Sample, goal: Reference, alpha: float, plan: Plan, asked: dict[str, Any]
) -> dict[str, Any]:
    """Keep the call, and the command where both samples are files."""
    sources = sample.source, goal.sample.source
    given = {name: value for name, value in asked.items() if value is not None}
    arguments = [
        repr(sources[0]) if sources[0] else "data",
        repr(sources[1]) if sources[1] else "reference",
        *(f"{name}={value!r}" for name, value in ({"alpha": alpha} | given).items()),
        f"rng={plan.seed}",
    ]
    lines = ["dmtest.compare(", *(f"    {one}," for one in arguments), ")"]
    kept: dict[str, Any] = {"arguments": asked, "call": "\n".join(lines), "command": ""}
    if sources[0] and sources[1]:
        words = ["dmtest", "compare", sources[0], sources[1], "--alpha", f"{alpha:g}"]
        words += ["--seed", str(plan.seed), *(["--rotation"] if goal.rotation else [])]
        kept["command"] = shlex.join(words)
    return kept


def _computed(
    sample: Sample, goal: Reference, result: Comparison, started: float
) -> dict[str, Any]:
    sliced = [o.slices for o in result.outcomes if o.slices]
    return {
        "source": sample.source,
        "reference": goal.sample.source,
        "reference_rows": goal.sample.n,
        "dtype": sample.dtype,
        "tests": [o.test for o in result.outcomes],
        "described": describe((o.test for o in result.outcomes), "reference"),
        "slices": max(sliced, default=0),
        "replicates": result.replicates,
        "pvalue_error": result.error,
        "pvalue_floor": 1.0 / (result.replicates + 1.0),
        "version": __version__,
        "numpy": np.__version__,
        "seconds": round(time.perf_counter() - started, 3),
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
