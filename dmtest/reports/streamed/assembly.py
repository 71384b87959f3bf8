"""The report on a summary: that of the array where all rows are kept, else from its totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dmtest.battery.axes import run_axes
from dmtest.battery.one_sample import chosen_tests
from dmtest.battery.plan import Plan
from dmtest.battery.summarised import sampled_rows, summary_battery
from dmtest.data.dependence import dependence_findings
from dmtest.data.lattice import grids_of
from dmtest.data.sample import Sample
from dmtest.effects.coordinates import column_names
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.shape import shape_estimates
from dmtest.effects.wasserstein import sliced_estimates
from dmtest.errors import InputError
from dmtest.reports import sections
from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.reports.diagnosis import diagnose
from dmtest.reports.equivalence import (
    Question,
    arguments_of,
    facts_of_answer,
)
from dmtest.reports.measures import Limits, Measures, measure
from dmtest.reports.one_sample import one_sample_report
from dmtest.reports.verdict import combine, verdict_of
from dmtest.results.effect_table import Estimates
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.summaries.reservoir import smallest
from dmtest.summaries.sides import kept_sample
from dmtest.summaries.summary import Summary
from dmtest.summaries.totals import TILE, Totals
from dmtest.targets.canonical import Canonical, outside_finding, saturated_finding
from dmtest.targets.targets import Target, as_target

# Most rows of the profile, of margins and of a block, and most blocks of a size, as the report
# should not take many times as long as the pass over the rows. With 12 blocks up to two rejections
# show a power below 1/2, and a sample of the target has no more with probability 0.98.
LIMITS = Limits(profile=1 << 12, margins=1 << 14, block=1 << 10, blocks=12)


def summary_report(
    summary: Summary,
    plan: Plan,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    question: Question | None,
    effects: bool,
    started: float,
) -> Report:
    """Report on a summary; the options are those of a report on an array.

    Parameters
    ----------
    summary : Summary
    plan : Plan
        Seed, replicates and budget of the tests.
    tests : str, iterable of str or None
        As for `report`.
    alpha : float
        Level of the verdict.
    question : Question or None
        The tolerances to which the rows should be equivalent to the target.
    effects : bool
        Whether to measure effects; without, only a tolerance makes it do so.
    started : float
        Time by ``time.perf_counter``.
    """
    if plan.slices is not None or plan.directions is not None:
        raise InputError(
            "slices: a summary has its own fixed directions; leave slices and directions out, or "
            "report on the array."
        )
    totals = summary.complete()
    keys, numbers, rows = totals.reservoir.settle()
    kept = kept_sample(summary, rows)
    if summary.findings:
        kept = replace(kept, findings=summary.findings)
    target = as_target(summary.target)

    def on_array() -> Report:
        return one_sample_report(
            kept,
            target,
            plan,
            tests=tests,
            alpha=alpha,
            question=question,
            augmented=None,
            effects=effects,
            started=started,
        )

    missing = _missing(summary)
    if summary.exact:
        result = on_array()
        return replace(result, warnings=(*missing, *result.warnings)) if missing else result
    count = f"{len(rows):,} of {summary.n:,} rows drawn at random"
    note = None
    if grids_of(rows, summary.n):
        note = (
            f"The values lie on a lattice, so the report is of {count}, with their values drawn "
            f"anew within its cells where these are small."
        )
    elif target.canonical(kept).collapsed:
        note = f"The report is of {count}, which are all equal."
    if note is not None:
        result = on_array()
        findings = (Finding("streamed", note, len(rows)), *missing, *result.warnings)
        return replace(result, n=summary.n, warnings=findings)
    part = smallest(keys, numbers, sampled_rows(len(rows)))
    return _from_totals(
        summary,
        totals,
        kept,
        numbers,
        part,
        plan,
        tests=tests,
        alpha=alpha,
        question=question,
        effects=effects,
        started=started,
        findings=missing,
    )


def _missing(summary: Summary) -> tuple[Finding, ...]:
    """Return a finding where rows between those of the summary were not added."""
    if not summary.missing:
        return ()
    first, beyond = summary.missing[0]
    more = "" if len(summary.missing) == 1 else f" and {len(summary.missing) - 1} more ranges"
    text = (
        f"Rows {first:,} to {beyond - 1:,}{more} are missing between the rows of this summary; "
        f"merge the part that has them."
    )
    return (Finding("missing-rows", text, sum(b - a for a, b in summary.missing)),)


def _from_totals(
    summary: Summary,
    totals: Totals,
    kept: Sample,
    numbers: NDArray[np.int64],
    part: NDArray[np.intp],
    plan: Plan,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    question: Question | None,
    effects: bool,
    started: float,
    findings: tuple[Finding, ...],
) -> Report:
    """Report on more rows than the summary keeps: the steps of `one_sample_report`."""
    name, seed, n = summary.target, plan.seed, summary.n
    target = as_target(name)
    moments = totals.tree.total()
    assert moments is not None

    # 1. The kept rows on normal scale, with the counts of all rows.
    canonical = replace(
        target.canonical(kept),
        outside=totals.outside,
        findings=_about_values(totals),
    )

    # 2. Tests of slices, radius and covariance of all rows; others of a part of the kept ones.
    tested = _rows_of(canonical, part)
    specs = chosen_tests(tests, name, tested, plan)
    battery = summary_battery(totals, moments, tested, specs, plan)

    # 3. Columns, axes and the search, on the rows that are kept.
    axes, directions = None, []
    if tests is None:
        axes = run_axes(canonical.varying(), column_names(kept.names, kept.d), plan)
        directions = [
            replace(one, rows=tuple(int(numbers[i]) for i in one.rows))
            for one in sections.directions_section(canonical, plan.replicates, seed)
        ]

    # 4. Combine.
    combined = combine(battery, axes, directions, canonical, name, seed)
    outcomes = tuple(replace(outcome, n=n) for outcome in combined.outcomes)
    rejected = combined.pvalue <= alpha

    # 5. and 6. Profile, power on blocks, effects, bounds and figures, of the rows that are kept.
    chosen = None if tests is None else [spec.name for spec in specs]

    def estimates() -> Estimates:
        found = gaussian_estimates(canonical, whole=(n, moments.mean, moments.covariance))
        found |= sections.density_section(canonical, seed)
        return found | sliced_estimates(canonical, battery, seed) | shape_estimates(canonical)

    measures = Measures()
    if effects or question is not None:
        measures = measure(
            canonical,
            kept,
            target,
            plan,
            battery,
            directions=directions,
            tests=chosen,
            alpha=alpha,
            question=question,
            estimates=estimates,
            bounded=lambda: gaussian_estimates(canonical),
            limits=LIMITS,
        )
    about = (
        *sections.findings_about(kept, target),
        *_about_order(totals, target, seed),
        *canonical.findings,
    )
    if canonical.cube is not None:
        about = tuple(one for one in about if one.code != "zeros")
    diagnosis: tuple[Finding, ...] = ()
    if rejected and measures.coordinates is not None:
        evidence = SampleEvidence.of(
            kept,
            battery,
            combined,
            effects=measures.effects,
            directions=directions,
            alpha=alpha,
            target=name,
            canonical=canonical,
            coordinates=measures.coordinates,
            findings=about,
            redrawn=False,
        )
        diagnosis = diagnose(evidence)
    facts = replace(
        sections.provenance_of(kept, outcomes, name, started),
        slices=len(totals.directions),
        replicates=min((o.replicates or 0 for o in battery.outcomes), default=0),
        pvalue_error=combined.error,
        pvalue_floor=combined.floor,
        rows_in_pictures=measures.rows_in_pictures,
        **facts_of_answer(question, measures.equivalence),
        arguments={
            "tests": chosen,
            **arguments_of(question),
            "budget": plan.budget,
            "replicates": plan.replicates if plan.replicates != 999 else None,
        },
    )
    text = (
        f"{n:,} rows were read once: moments, slices, the length of the rows and the covariance "
        f"are of all of them, everything else is of {kept.n:,} rows drawn at random."
    )
    return Report(
        verdict=verdict_of(rejected, measures.equivalence),
        pvalue=combined.pvalue,
        pvalue_method=combined.method,
        alpha=alpha,
        target=name,
        n=n,
        d=totals.d,
        seed=seed,
        outcomes=outcomes,
        adjusted=combined.adjusted,
        effects=measures.effects,
        diagnosis=diagnosis,
        warnings=(
            Finding("streamed", text, kept.n),
            *findings,
            *about,
        ),
        provenance=facts,
        figures=measures.figures,
    )


def _rows_of(canonical: Canonical, part: NDArray[np.intp]) -> Canonical:
    """Return some of the rows."""
    cube = None if canonical.cube is None else canonical.cube[part]
    return replace(canonical, rows=canonical.rows[part], cube=cube)


def _about_values(totals: Totals) -> tuple[Finding, ...]:
    return (
        *outside_finding(totals.outside, "the box"),
        *saturated_finding(totals.saturated, "half an ulp"),
    )


def _about_order(totals: Totals, target: Target, seed: int) -> tuple[Finding, ...]:
    """Return signs of dependence among the first rows, which are kept in their order."""
    if totals.head is None:
        return ()
    rows = target.canonical(Sample(totals.head)).rows
    return tuple(
        replace(finding, message=f"Among the first {TILE:,} rows: {finding.message}")
        for finding in dependence_findings(rows, seed)
    )
