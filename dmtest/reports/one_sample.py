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
from dmtest.effects.coordinates import column_names, describe_coordinates
from dmtest.effects.wasserstein import describe_slices
from dmtest.reports import sections
from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.reports.causes.ranks import diagnose_ranks
from dmtest.reports.collapsed import collapsed_report
from dmtest.reports.diagnosis import diagnose
from dmtest.reports.equivalence import (
    Question,
    arguments_of,
    equivalence_section,
    facts_of_answer,
    never_equivalent,
)
from dmtest.reports.grouped import grouped_estimates, paired_rows, rows_of_file
from dmtest.reports.pictures.one_sample import sample_figures
from dmtest.reports.verdict import combine, verdict_of
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
    started : float
        Time by ``time.perf_counter``.
    """
    name, seed, progress = target.name, plan.seed, plan.progress

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
        battery = run_battery(canonical, specs, plan, describe_slices())

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

    # 5. Bound the divergence after noise from both sides.
    profile = sections.profile_section(canonical, name, seed, progress)

    # 6. Count the rows that the battery needs, on disjoint blocks.
    chosen = None if tests is None else [spec.name for spec in specs]
    power = sections.detectability_section(sample, target, plan, chosen, alpha)

    # 7. Measure the effects, and compare upper bounds with the tolerances.
    pairs = None if augmented is None else (sample, augmented)
    estimates = sections.estimates_section(canonical, battery, seed)
    if everything.groups is not None:
        estimates = grouped_estimates(everything, target, plan, estimates)
    equivalence = equivalence_section(
        question,
        sample,
        target,
        canonical,
        plan,
        estimates=estimates,
        slices=battery.directions,
        directions=directions,
        tests=chosen,
    )
    margin = sections.margins_section(canonical, sample.names, battery.directions, directions, seed)
    effects = sections.effects_section(
        estimates,
        margin=margin,
        profile=profile,
        power=power,
        pairs=pairs,
        scaled=None if canonical.fitted or canonical.unit is not None else sample.d,
        seed=seed,
    )

    # 8. Compute the numbers behind the figures.
    coordinates = describe_coordinates(sample.x if target.fitted else canonical.rows, target.fitted)
    names = sample.names
    figures = sample_figures(
        canonical,
        battery,
        sample.x,
        names,
        coordinates=coordinates,
        directions=directions,
        profile=profile,
        power=power,
        seed=seed,
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
    if rejected and (ranked is None or specs):
        evidence = SampleEvidence.of(
            sample,
            battery,
            combined,
            effects=effects,
            directions=directions,
            alpha=alpha,
            target=name,
            canonical=canonical,
            coordinates=coordinates,
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
        rows_in_pictures=coordinates.m,
        **facts_of_answer(question, equivalence),
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
        verdict=verdict_of(rejected, equivalence),
        pvalue=combined.pvalue,
        pvalue_method=combined.method,
        alpha=alpha,
        target=name,
        n=everything.n,
        d=sample.d,
        seed=seed,
        outcomes=combined.outcomes,
        adjusted=combined.adjusted,
        effects=effects,
        diagnosis=diagnosis,
        warnings=findings,
        provenance=facts,
        figures=figures,
    )
