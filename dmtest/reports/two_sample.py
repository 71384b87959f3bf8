"""The report on two samples: its steps in order, each computation once."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.battery.two_sample import Comparison, common_rows, run_comparison
from dmtest.calibration.permutation import PermutationResult
from dmtest.catalogue.spec import PoolTest
from dmtest.data.dependence import dependence_findings
from dmtest.data.sample import Sample
from dmtest.effects.directions.one_sample import Direction
from dmtest.effects.directions.two_sample import divergent_directions
from dmtest.effects.two_sample import contrast_effects, rotation_effects
from dmtest.engines.pool import Pool
from dmtest.reports.causes.two_samples import Contrast, contrast_findings, rotation_findings
from dmtest.reports.pictures import two_samples as pictures
from dmtest.reports.sections import provenance_of
from dmtest.reports.streamed.sides import moments_of_side, streamed_finding
from dmtest.reports.verdict import adjusted_pvalues
from dmtest.results.figures import Figures
from dmtest.results.outcome import Finding, Outcome
from dmtest.results.report import Report
from dmtest.summaries.sides import Side
from dmtest.targets.reference import Reference


def two_sample_report(
    sample: Sample,
    reference: Reference,
    plan: Plan,
    *,
    specs: Sequence[PoolTest],
    alpha: float,
    arguments: Mapping[str, object],
    started: float,
    whole: tuple[Side, Side] | None = None,
) -> Report:
    """Report on two samples; all arguments are validated.

    Parameters
    ----------
    sample : Sample
        Shape (n, d).
    reference : Reference
        The other sample, shape (m, d), and whether they are compared up to a rotation.
    plan : Plan
        Seed, slices, replicates and budget of the tests.
    specs : sequence of PoolTest
        The tests.
    alpha : float
        Level of the verdict.
    arguments : mapping
        Arguments by name; None for those at their default.
    started : float
        Time by ``time.perf_counter``.
    whole : (Side, Side), optional
        What is known of all rows, where the samples are some of them.
    """
    sides = whole or (Side(sample, sample.n), Side(reference.sample, reference.sample.n))

    # 1. Compute all tests on shared permutations, calibrate and combine them (min-p; Holm).
    result = run_comparison(sample, reference, specs, plan)
    adjusted = adjusted_pvalues(result.outcomes, result.pvalue)
    rejected = result.pvalue <= alpha

    # 2. Measure effects, and search for directions of largest difference.
    pool = Pool(sample.x, reference.sample.x, plan.seed)
    ours, theirs = (moments_of_side(side) for side in sides)
    distances, directions = np.zeros(0), list[Direction]()
    if reference.rotation:
        effects = rotation_effects(pool, ours, theirs)
    else:
        effects = contrast_effects(pool, result.details, ours, theirs)
        distances = pictures.column_distances(pool)
        directions = divergent_directions(pool, plan.replicates)
    contrast = Contrast(
        pool=pool,
        ours=ours,
        theirs=theirs,
        effects=effects,
        names=sample.names,
        distances=distances,
        directions=directions,
        alpha=alpha,
    )

    # 3. After a rejection, write the diagnosis.
    diagnosis: tuple[Finding, ...] = ()
    if rejected:
        diagnosis = (
            rotation_findings(contrast) if reference.rotation else contrast_findings(contrast)
        )

    # 4. Compute the numbers behind the figures, and collect the facts of the run.
    figures = _figures(contrast, reference, result, plan.replicates)
    call, command = _call_and_command(sample, reference, alpha, plan.seed, arguments)
    facts = replace(
        provenance_of(sample, result.outcomes, "reference", started),
        reference=reference.sample.source,
        reference_rows=sides[1].n,
        slices=max((o.slices or 0 for o in result.outcomes), default=0),
        replicates=result.replicates,
        pvalue_error=result.error,
        pvalue_floor=1.0 / (result.replicates + 1.0),
        arguments=dict(arguments),
        call=call,
        command=command,
    )
    return Report(
        verdict="mismatch" if rejected else "compatible",
        pvalue=result.pvalue,
        pvalue_method=result.method,
        alpha=alpha,
        target=reference.name,
        n=sides[0].n,
        d=sample.d,
        seed=plan.seed,
        outcomes=_of_all_rows(result.outcomes, *sides),
        adjusted=adjusted,
        effects=dict(effects),
        diagnosis=diagnosis,
        warnings=(
            *streamed_finding(*sides),
            *_warnings(sample, reference.sample, result, plan.seed, *sides),
        ),
        provenance=facts,
        figures=figures,
    )


def _of_all_rows(outcomes: Sequence[Outcome], data: Side, reference: Side) -> tuple[Outcome, ...]:
    """Say of how many rows the tests are, where the samples have more."""
    if data.summary is None and reference.summary is None:
        return tuple(outcomes)
    few, many = data.sample.n + reference.sample.n, data.n + reference.n
    note = f", of {few:,} of {many:,} rows drawn at random"
    return tuple(replace(one, n=data.n, method=one.method + note) for one in outcomes)


def _figures(
    contrast: Contrast, reference: Reference, result: Comparison, replicates: int
) -> Figures:
    pool = contrast.pool
    if reference.rotation:
        spectrum = pictures.pair_spectrum_figure(pool, contrast.ours, contrast.theirs)
        return Figures(samples=2, spectrum=spectrum)
    return contrast_figures(contrast, result.details.get("sliced-wasserstein"), replicates)


def contrast_figures(
    contrast: Contrast, sliced: PermutationResult | None, replicates: int
) -> Figures:
    """Compute the numbers behind the figures of two samples.

    Parameters
    ----------
    contrast : Contrast
    sliced : PermutationResult or None
        Sliced Wasserstein distance, if it was computed.
    replicates : int
        Permutations behind it.
    """
    pool, names = contrast.pool, contrast.names
    slices = pictures.pair_slice_figures
    return Figures(
        samples=2,
        slices=() if sliced is None else slices(pool, sliced.drawn, names, replicates),
        coordinates=pictures.column_figures(pool, contrast.distances, names),
        spectrum=pictures.pair_spectrum_figure(pool, contrast.ours, contrast.theirs),
        directions=tuple(one.figure(names) for one in contrast.directions),
    )


def _warnings(
    sample: Sample, other: Sample, result: Comparison, seed: int, data: Side, reference: Side
) -> tuple[Finding, ...]:
    # Rows that are drawn at random have lost their neighbours.
    first, second = (
        dependence_findings(side.sample.x, seed) if side.summary is None else ()
        for side in (data, reference)
    )
    ours, found = (*first, *sample.findings), (*second, *other.findings)
    theirs = (Finding(f.code, f"Reference: {f.message}", f.count) for f in found)
    return (*_shared_rows(sample, other), *result.findings, *ours, *theirs)


def _shared_rows(sample: Sample, other: Sample) -> tuple[Finding, ...]:
    """Return a finding if rows are in both samples: they are no evidence of one distribution."""
    count = common_rows(sample, other)
    if not count:
        return ()
    if count == sample.n == other.n:
        text = (
            "Data and reference have the same rows: a comparison of a sample with itself says "
            "nothing about its distribution."
        )
        return (Finding("same-rows", text, count),)
    text = (
        f"{count} of {sample.n} rows of the data are also rows of the reference: the samples "
        f"are not independent, so the tests may miss a difference."
    )
    return (Finding("common-rows", text, count),)


def _call_and_command(
    sample: Sample, reference: Reference, alpha: float, seed: int, arguments: Mapping[str, object]
) -> tuple[str, str]:
    """Return the call that repeats the run, and the command; empty unless both are files."""
    sources = sample.source, reference.sample.source
    given = {name: value for name, value in arguments.items() if value is not None}
    parts = [
        repr(sources[0]) if sources[0] else "data",
        repr(sources[1]) if sources[1] else "reference",
        *(f"{name}={value!r}" for name, value in ({"alpha": alpha} | given).items()),
        f"rng={seed}",
    ]
    call = "\n".join(["dmtest.compare(", *(f"    {part}," for part in parts), ")"])
    if not (sources[0] and sources[1]):
        return call, ""
    words = ["dmtest", "compare", sources[0], sources[1], "--alpha", f"{alpha:g}"]
    words += ["--seed", str(seed), *(["--rotation"] if reference.rotation else [])]
    return call, shlex.join(words)
