"""The report on one sample: its steps in order, each computation once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration.multiplicity import holm
from dmtest.catalogue.registry import hypothesis
from dmtest.data.sample import Sample
from dmtest.effects.coordinates import describe_coordinates
from dmtest.effects.wasserstein import describe_slices
from dmtest.reports import sections
from dmtest.reports.diagnosis import Evidence, diagnose
from dmtest.reports.figures import cube_rows, figures_of
from dmtest.reports.verdict import combined, verdict_of
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.targets.targets import Target

__all__ = ["one_sample_report"]


def one_sample_report(
    sample: Sample,
    goal: Target,
    plan: Plan,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    tolerance: float | None,
    augmented: Sample | None,
    started: float,
) -> Report:
    """Report on one sample, all arguments past the gate.

    Parameters
    ----------
    sample : Sample
        Shape (n, d).
    goal : Target
    plan : Plan
        Seed, slices, replicates and budget of the tests.
    tests : str, iterable of str or None
        Names; None for the default battery and the search over directions.
    alpha : float
        Level of the verdict.
    tolerance : float or None
        Nats to certify.
    augmented : Sample or None
        Augmentations, row by row beside `sample`.
    started : float
        Time by ``time.perf_counter``.
    """
    target, seed, progress = goal.name, plan.seed, plan.progress

    # 1. Bring the sample to the normal scale of its target.
    canonical = goal.canonical(sample)

    # 2. Compute all tests on shared projections and calibrate them.
    specs = chosen_tests(tests, hypothesis(target), canonical, plan)
    battery = run_battery(canonical, specs, plan, describe_slices())

    # 3. Search for the worst directions on one half of the rows, test them on the other.
    directions = []
    if tests is None:
        directions = sections.directions_section(canonical, plan.replicates, seed)

    # 4. Combine: min-p over the battery, Bonferroni with the search; Holm for single tests.
    together = combined(battery, directions, canonical, target, seed)
    adjusted = tuple(float(p) for p in holm([o.pvalue for o in together.outcomes]))
    rejected = together.pvalue <= alpha

    # 5. Bound the divergence after noise, and compare the bound with the tolerance.
    profile = sections.profile_section(canonical, target, tolerance, seed, progress)
    certificate = sections.certificate_section(canonical, profile, target, tolerance, alpha, seed)

    # 6. After a rejection, find the rows that the most telling test needs.
    power = None
    if rejected:
        power = sections.detectability_section(
            sample, goal, battery.outcomes, alpha, seed, progress
        )

    # 7. Measure the effects.
    pairs = None if augmented is None else (sample, augmented)
    effects = sections.effects_section(canonical, battery, profile, power, pairs, seed)

    # 8. Keep the numbers behind the figures.
    coordinates = describe_coordinates(sample.x if goal.fitted else canonical.rows, goal.fitted)
    figures = figures_of(
        canonical=canonical,
        battery=battery,
        coordinates=coordinates,
        cube=cube_rows(sample.x, goal, coordinates.m),
        directions=directions,
        profile=profile,
        power=power,
        names=sample.names,
        seed=seed,
    )

    # 9. After a rejection, say what is wrong.
    diagnosis: tuple[Finding, ...] = ()
    if rejected:
        values = coordinates.values
        evidence = Evidence(
            canonical=canonical,
            coordinates=coordinates,
            names=sample.names,
            effects=effects,
            skewness=battery.extras["skewness"],
            kurtosis=battery.extras["kurtosis"],
            norms=np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64)),
        )
        diagnosis = diagnose(evidence, sections.direction_finding(figures.directions, alpha))

    # 10. Decide, and keep the facts of the run.
    facts = replace(
        sections.provenance_of(sample, together.outcomes, hypothesis(target), started),
        slices=0 if battery.directions is None else len(battery.directions),
        replicates=min((o.replicates or 0 for o in battery.outcomes), default=0),
        pvalue_error=battery.error,
        pvalue_floor=together.floor,
        rows_in_pictures=coordinates.m,
        tolerance=tolerance,
        certified_under=None if certificate is None else certificate.high,
        rows_needed=None if certificate is None else certificate.rows_needed(),
        arguments={
            "tests": None if tests is None else [spec.name for spec in specs],
            "tolerance": tolerance,
            "slices": plan.slices,
            "budget": plan.budget,
            "replicates": plan.replicates if plan.replicates != 999 else None,
        },
    )
    return Report(
        verdict=verdict_of(rejected, certificate),
        pvalue=together.pvalue,
        pvalue_method=together.method,
        alpha=alpha,
        target=target,
        n=sample.n,
        d=sample.d,
        seed=seed,
        outcomes=together.outcomes,
        adjusted=adjusted,
        effects=effects,
        diagnosis=diagnosis,
        warnings=(*sample.findings, *canonical.findings),
        provenance=facts,
        figures=figures,
    )
