"""The report on one sample: its steps in order, each computation once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from dmtest.battery.axes import run_axes
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import hypothesis
from dmtest.data.dependence import dependence_findings
from dmtest.data.sample import Sample, one_row_each
from dmtest.effects.coordinates import column_names
from dmtest.effects.wasserstein import describe_slices
from dmtest.reports import sections
from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.reports.causes.ranks import diagnose_ranks
from dmtest.reports.collapsed import collapsed_report
from dmtest.reports.diagnosis import diagnose
from dmtest.reports.equivalence import (
    Question,
    arguments_of,
    facts_of_answer,
    never_equivalent,
)
from dmtest.reports.grouped import grouped_estimates, paired_rows, rows_of_file
from dmtest.reports.measures import Measures, measure
from dmtest.reports.verdict import combine, verdict_of
from dmtest.results.effect_table import Estimates
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.targets.ranks import Ranks
from dmtest.targets.rounding import at_resolution
from dmtest.targets.targets import Target


def one_sample_report(
    sample: Sample,
    target: Target,
    plan: Plan,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    question: Question | None,
    augmented: Sample | None,
    effects: bool = True,
    started: float,
) -> Report:
    """Report on one sample; all arguments are validated.

    Parameters
    ----------
    sample : Sample
        Shape (n, d); its groups, if any, are of rows that depend on each other.
    target : Target
    plan : Plan
        Seed, slices, replicates and budget of the tests.
    tests : str, iterable of str or None
        Names; None for the default battery and the search for the worst directions.
    alpha : float
        Level of the verdict.
    question : Question or None
        The tolerances to which the sample should be equivalent to the target.
    augmented : Sample or None
        Augmentations: row i is the positive pair of row i of `sample`.
    effects : bool
        Whether to measure effects; without, only a tolerance makes it do so.
    started : float
        Time by ``time.perf_counter``.
    """
    name, seed = target.name, plan.seed
    measured = effects or question is not None

    # 1. Bring the sample to the normal scale of its target, at the resolution of its values. Where
    #    rows come in groups, draw one row of each: all steps but the effects use these.
    resolution = at_resolution(sample, target)
    everything = resolution.sample
    sample = one_row_each(everything, seed)
    augmented = None if augmented is None else paired_rows(everything, augmented, seed)
    canonical = target.canonical(sample)
    if canonical.collapsed:
        collapsed = collapsed_report(
            everything, sample, canonical, name, alpha=alpha, seed=seed, started=started
        )
        return collapsed if question is None else never_equivalent(collapsed, question)

    # 2. Compute all tests on shared projections and calibrate them.
    specs = chosen_tests(tests, hypothesis(name), canonical, plan)
    ranked = None
    if isinstance(target, Ranks) and tests is None:
        specs, battery, ranked = sections.ranks_section(sample, target, specs, plan)
    else:
        battery = run_battery(canonical, specs, plan, describe_slices() if measured else {})

    # 3. Test single columns and principal axes; search for the worst directions on one half of the
    #    rows, test them on the other.
    axes, directions = None, []
    if tests is None and ranked is None:
        axes = run_axes(canonical.varying(), column_names(sample.names, sample.d), plan)
    if tests is None and (ranked is None or specs):
        directions = sections.directions_section(canonical, plan.replicates, seed)
        directions = rows_of_file(directions, everything, seed)

    # 4. Combine: min-p over the battery, Bonferroni with axes and search; Holm for single tests.
    combined = combine(battery, axes, directions, canonical, name, seed)
    rejected = combined.pvalue <= alpha

    # 5. to 8. Bound the divergence, count the rows that the battery needs, measure the effects, and
    #    fill the figures.
    chosen = None if tests is None else [spec.name for spec in specs]
    names = sample.names

    def estimates() -> Estimates:
        found = sections.estimates_section(canonical, battery, seed)
        if everything.groups is None:
            return found
        return grouped_estimates(everything, target, plan, found)

    measures = Measures()
    if measured:
        measures = measure(
            canonical,
            sample,
            target,
            plan,
            battery,
            directions=directions,
            tests=chosen,
            alpha=alpha,
            question=question,
            estimates=estimates,
            augmented=augmented,
        )

    # 9. Collect the findings about the data; after a rejection, say what is wrong.
    findings = (
        *resolution.findings,
        *sections.findings_about(sample, target),
        *dependence_findings(canonical.rows, seed),
        *canonical.findings,
    )
    if canonical.cube is not None:
        # Zeros are an end of the cube, which has a finding of its own.
        findings = tuple(one for one in findings if one.code != "zeros")
    diagnosis: tuple[Finding, ...] = ()
    if rejected and ranked is not None:
        assert isinstance(target, Ranks)
        diagnosis = diagnose_ranks(ranked, target, names, alpha)
    if rejected and measures.coordinates is not None and (ranked is None or specs):
        evidence = SampleEvidence.of(
            sample,
            battery,
            combined,
            effects=measures.effects,
            directions=directions,
            alpha=alpha,
            target=name,
            canonical=canonical,
            coordinates=measures.coordinates,
            findings=(*resolution.causes, *(f for f in findings if f not in resolution.findings)),
            redrawn=resolution.drawn,
        )
        diagnosis += diagnose(evidence)

    # 10. Decide, and collect the facts of the run.
    facts = replace(
        sections.provenance_of(everything, combined.outcomes, hypothesis(name), started),
        slices=0 if battery.directions is None else len(battery.directions),
        replicates=min((o.replicates or 0 for o in battery.outcomes), default=0),
        pvalue_error=combined.error,
        pvalue_floor=combined.floor,
        rows_in_pictures=measures.rows_in_pictures,
        **facts_of_answer(question, measures.equivalence),
        arguments={
            "tests": chosen,
            **arguments_of(question),
            "groups": None if everything.groups is None else everything.groups.name,
            "slices": plan.slices,
            "budget": plan.budget,
            "replicates": plan.replicates if plan.replicates != 999 else None,
        },
    )
    return Report(
        verdict=verdict_of(rejected, measures.equivalence),
        pvalue=combined.pvalue,
        pvalue_method=combined.method,
        alpha=alpha,
        target=name,
        n=everything.n,
        d=sample.d,
        seed=seed,
        outcomes=combined.outcomes,
        adjusted=combined.adjusted,
        effects=measures.effects,
        diagnosis=diagnosis,
        warnings=findings,
        provenance=facts,
        figures=measures.figures,
    )
