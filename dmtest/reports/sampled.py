"""The report on a sample of a law that can be drawn from: its steps in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dmtest.battery.plan import Plan
from dmtest.battery.sampled import Drawn, run_sampled
from dmtest.battery.two_sample import common_rows
from dmtest.calibration.permutation import PermutationResult, permute
from dmtest.catalogue.registry import draw_tests, pool_tests
from dmtest.data.sample import Sample, as_sample
from dmtest.effects.directions.two_sample import divergent_directions
from dmtest.effects.two_sample import contrast_effects, moments_of
from dmtest.engines.pool import Pool
from dmtest.errors import InputError
from dmtest.reports.causes.two_samples import Contrast, contrast_findings
from dmtest.reports.pictures import two_samples as pictures
from dmtest.reports.sections import provenance_of
from dmtest.reports.two_sample import contrast_figures
from dmtest.reports.verdict import adjusted_pvalues
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress
from dmtest.targets.callables import Sampled

# Rows of the large draw that effects and figures compare with; permutations behind their errors.
ROWS, PERMUTATIONS = 10_000, 199


def sampled_report(
    sample: Sample,
    target: Sampled,
    plan: Plan,
    *,
    tests: str | Iterable[str] | None,
    alpha: float,
    started: float,
) -> Report:
    """Report on one sample; all arguments are validated.

    Parameters
    ----------
    sample : Sample
        Shape (n, d).
    target : Sampled
    plan : Plan
        Seed, slices and replicates of the tests.
    tests : str, iterable of str or None
        Names; None for the default battery.
    alpha : float
        Level of the verdict.
    started : float
        Time by ``time.perf_counter``.
    """
    # 1. Compute all tests on one scale, and rank the data among fresh draws.
    specs = draw_tests(tests)
    result = run_sampled(sample, target, specs, plan)
    adjusted = adjusted_pvalues(result.outcomes, result.pvalue)
    rejected = result.pvalue <= alpha

    # 2. Measure effects against a large draw, and search for directions of largest difference.
    centre = _as_reference(result.large.centre)
    pool = Pool(sample.x, centre.x[:ROWS], plan.seed)
    details = _details(pool, plan.slices, plan.progress)
    ours, theirs = moments_of(pool.x), moments_of(pool.y)
    effects = contrast_effects(pool, details, ours, theirs)
    contrast = Contrast(
        pool=pool,
        ours=ours,
        theirs=theirs,
        effects=effects,
        names=sample.names,
        distances=pictures.column_distances(pool),
        directions=divergent_directions(pool, PERMUTATIONS),
        alpha=alpha,
    )

    # 3. Compute the numbers behind the figures, and collect the facts of the run.
    figures = contrast_figures(contrast, details["sliced-wasserstein"], PERMUTATIONS)
    facts = replace(
        provenance_of(sample, result.outcomes, target.name, started),
        slices=max((o.slices or 0 for o in result.outcomes), default=0),
        replicates=result.replicates,
        pvalue_error=result.error,
        pvalue_floor=1.0 / (result.replicates + 1.0),
        arguments={
            "tests": None if tests is None else [spec.name for spec in specs],
            "slices": plan.slices,
            "replicates": plan.replicates if plan.replicates != 999 else None,
        },
        more={
            "rows_drawn": result.drawn,
            "rows_of_large_draws": len(centre.x),
        },
    )
    return Report(
        verdict="mismatch" if rejected else "compatible",
        pvalue=result.pvalue,
        pvalue_method=result.method,
        alpha=alpha,
        target=target.name,
        n=sample.n,
        d=sample.d,
        seed=plan.seed,
        outcomes=result.outcomes,
        adjusted=adjusted,
        effects=effects,
        diagnosis=contrast_findings(contrast) if rejected else (),
        warnings=_warnings(sample, centre, result),
        provenance=facts,
        figures=figures,
    )


def _as_reference(rows: NDArray[np.float64]) -> Sample:
    """Validate a large draw as a sample to compare with.

    Raises
    ------
    InputError
        If its values are too large to be squared.
    """
    try:
        return as_sample(rows)
    except InputError as error:
        raise InputError(f"draw: {str(error).partition(': ')[2]}") from None


def _details(
    pool: Pool, slices: int | None, progress: Progress | None
) -> dict[str, PermutationResult]:
    """Return the permuted statistics behind the effects."""
    return permute(
        pool,
        pool_tests(["sliced-wasserstein", "classifier"]),
        {},
        replicates=PERMUTATIONS,
        slices=slices,
        budget=None,
        progress=progress,
    )


def _warnings(sample: Sample, centre: Sample, result: Drawn) -> tuple[Finding, ...]:
    scale = replace(centre, x=result.large.scale)
    return (*_shared_rows(sample, scale, centre), *result.large.findings, *sample.findings)


def _shared_rows(sample: Sample, scale: Sample, centre: Sample) -> tuple[Finding, ...]:
    """Return a finding if draws share rows with each other and not with the data, or inversely."""
    m, n = centre.n, sample.n
    repeated, ours = common_rows(centre, scale), common_rows(sample, scale)
    expected = repeated * n / m
    if ours > 10.0 * expected + 3.0:
        text = (
            f"{ours} of {n} rows of the data are also rows of a draw, which has almost none of "
            f"them twice: the draw seems to contain the data."
        )
        return (Finding("common-rows", text, ours),)
    if expected > 10.0 * ours + 20.0:
        text = (
            f"{repeated} of {m} rows of one draw are also rows of another, and {ours} of the {n} "
            f"rows of the data: the draw seems to pick rows of a table instead of drawing fresh "
            f"ones; compare the data with the table (dmtest.compare)."
        )
        return (Finding("draw-repeats", text, repeated),)
    return ()
