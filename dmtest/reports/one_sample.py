"""The report on one sample: its steps in order, each computation once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dmtest.battery.axes import run_axes
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration.multiplicity import holm
from dmtest.catalogue.registry import hypothesis
from dmtest.data.dependence import dependence_findings
from dmtest.data.sample import Sample, one_row_each
from dmtest.effects.coordinates import column_name, describe_coordinates
from dmtest.effects.wasserstein import describe_slices
from dmtest.reports import sections
from dmtest.reports.diagnosis import SampleEvidence, diagnose
from dmtest.reports.figures import (
    coordinate_figures,
    cube_rows,
    power_figure,
    profile_figure,
    slice_figures,
    spectrum_figure,
)
from dmtest.reports.grouped import grouped_estimates, paired_rows, rows_of_file
from dmtest.reports.ranks import diagnose_ranks
from dmtest.reports.verdict import combine, verdict_of
from dmtest.results.figures import Figures
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
    tolerance: float | None,
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
    tolerance : float or None
        Divergence after noise to certify, in nats.
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
        axes = run_axes(canonical, [column_name(sample.names, j) for j in range(sample.d)], plan)
    if tests is None and (ranked is None or specs):
        directions = sections.directions_section(canonical, plan.replicates, seed)
        directions = rows_of_file(directions, everything, seed)

    # 4. Combine: min-p over the battery, Bonferroni with axes and search; Holm for single tests.
    combined = combine(battery, axes, directions, canonical, name, seed)
    adjusted = tuple(float(p) for p in holm([o.pvalue for o in combined.outcomes]))
    rejected = combined.pvalue <= alpha

    # 5. Bound the divergence after noise, and compare the bound with the tolerance.
    profile = sections.profile_section(canonical, name, tolerance, seed, progress)
    certificate = sections.certificate_section(
        canonical, profile, name, tolerance=tolerance, alpha=alpha, seed=seed
    )

    # 6. After a rejection, estimate the rows that the test with the smallest p-value needs.
    power = None
    if rejected:
        power = sections.detectability_section(
            sample, target, battery.outcomes, alpha=alpha, seed=seed, progress=progress
        )

    # 7. Measure the effects.
    pairs = None if augmented is None else (sample, augmented)
    estimates = sections.estimates_section(canonical, battery, seed)
    if everything.groups is not None:
        estimates = grouped_estimates(everything, target, plan, estimates)
    effects = sections.effects_section(
        estimates, profile=profile, power=power, pairs=pairs, seed=seed
    )

    # 8. Compute the numbers behind the figures.
    coordinates = describe_coordinates(sample.x if target.fitted else canonical.rows, target.fitted)
    names, cube = sample.names, cube_rows(canonical, coordinates.m)
    figures = Figures(
        slices=slice_figures(canonical, battery, names, seed),
        coordinates=coordinate_figures(coordinates, cube, names),
        spectrum=spectrum_figure(canonical, seed),
        directions=tuple(one.figure(names, canonical) for one in directions),
        profile=profile_figure(profile),
        detectability=power_figure(power),
    )

    # 9. After a rejection, say what is wrong, the resolution of the values first.
    diagnosis: tuple[Finding, ...] = resolution.causes if rejected else ()
    if rejected and ranked is not None:
        assert isinstance(target, Ranks)
        diagnosis += diagnose_ranks(ranked, target, names, alpha)
    if rejected and (ranked is None or specs):
        values = coordinates.values
        evidence = SampleEvidence(
            names=names,
            effects=effects,
            directions=directions,
            alpha=alpha,
            canonical=canonical,
            coordinates=coordinates,
            skewness=battery.extras["skewness"],
            kurtosis=battery.extras["kurtosis"],
            norms=np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64)),
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
        tolerance=tolerance,
        certified_under=None if certificate is None else certificate.high,
        rows_needed=None if certificate is None else certificate.rows_needed(),
        arguments={
            "tests": None if tests is None else [spec.name for spec in specs],
            "tolerance": tolerance,
            "groups": None if everything.groups is None else everything.groups.name,
            "slices": plan.slices,
            "budget": plan.budget,
            "replicates": plan.replicates if plan.replicates != 999 else None,
        },
    )
    return Report(
        verdict=verdict_of(rejected, certificate),
        pvalue=combined.pvalue,
        pvalue_method=combined.method,
        alpha=alpha,
        target=name,
        n=everything.n,
        d=sample.d,
        seed=seed,
        outcomes=combined.outcomes,
        adjusted=adjusted,
        effects=effects,
        diagnosis=diagnosis,
        warnings=(
            *resolution.findings,
            *sections.findings_about(sample, target),
            *dependence_findings(canonical.rows, seed),
            *canonical.findings,
        ),
        provenance=facts,
        figures=figures,
    )
