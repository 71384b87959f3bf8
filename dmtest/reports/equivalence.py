"""Equivalence: upper bounds of the divergence in nats, and of the power on some number of rows.

*Equivalent within t nats* takes three bounds that hold together with confidence 1 - alpha:

- moments: the divergence of the fitted normal, in all columns and without noise;
- margins: the largest divergence of a column, a slice or a direction after noise of sd 0.3;
- joint: the divergence of all columns together, after the noise at which half of a dead column
  costs t.

The tolerance fixes the noise, the rows do not: fewer rows only widen the bounds.

*Equivalent for m rows* takes an upper bound below 1/2 of the power of the whole battery on m rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.special import ndtri

from dmtest import bounds
from dmtest.battery.axes import run_axes
from dmtest.battery.plan import Plan
from dmtest.data.sample import Sample
from dmtest.effects.coordinates import MARGIN_NOISE, Margins, column_name, column_names, margins_of
from dmtest.effects.detectability import block_pvalue, block_pvalues, power_limits
from dmtest.effects.directions.one_sample import Direction
from dmtest.effects.gaussian import fitted_bounds
from dmtest.errors import InputError
from dmtest.information.certificate import smoothed_kl_bounds, why_unbounded
from dmtest.information.resolution import resolution_of
from dmtest.reports import sections
from dmtest.reports.verdict import WEIGHTS, joined
from dmtest.results import effect_table as table
from dmtest.results.effect_table import Estimates
from dmtest.results.equivalence import Criterion, Equivalence
from dmtest.results.report import Report
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import Target
from dmtest.targets.transforms import independent_columns

# Most blocks of rows; blocks that a tolerance in rows should have: with at most one rejection of
# eight the bound at 95% is below 1/2, and a sample of the target has that with probability 0.94.
BLOCKS, ENOUGH_BLOCKS = 40, 8
# Divergence of m rows together at which the best test of a shift, at level 5%, has 50% power.
NOTICED = 0.5 * float(ndtri(0.95)) ** 2
# Bounds in nats that hold together, and standard errors by which a sample of the target should
# fall below its tolerance.
PARTS, MARGIN = 3, 1.3
# Logarithm of the largest noise that follows from a tolerance.
LARGEST = 6.0
# Noise levels among which the report looks for those that the rows resolve.
LEVELS = np.geomspace(0.05, 20.0, 400)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: the arguments of a report, with the noise that follows from the tolerance.

    Attributes
    ----------
    tolerance : float or None
        Nats.
    noise : float or None
        Standard deviation of the noise of the joint divergence; None without a tolerance.
    rows : int or None
        Rows on which the battery should have less than 50% power.
    alpha : float
    given : float or None
        The noise, if it was an argument.
    """

    tolerance: float | None
    noise: float | None
    rows: int | None
    alpha: float
    given: float | None = None

    @property
    def level(self) -> float:
        """Level of one of the bounds in nats, which hold together."""
        return self.alpha / PARTS

    @classmethod
    def of(
        cls, tolerance: float | None, noise: float | None, rows: int | None, alpha: float
    ) -> Question | None:
        """Return the question, or None if there is none; all numbers are positive.

        Raises
        ------
        InputError
            If the noise hides half of a dead column from the tolerance, or has no tolerance.
        """
        if noise is not None and tolerance is None:
            raise InputError(
                f"noise: got {noise:g} without a tolerance; give tolerance= too, or use "
                f"kl_profile(noise=...)."
            )
        if tolerance is not None:
            most = largest_noise(tolerance)
            if noise is not None and noise > most * (1.0 + 1e-9):
                cost = float(bounds.dead_coordinate(noise))
                raise InputError(
                    f"noise: after noise of sd {noise:g} a dead column costs {cost:.3g} nats, so a "
                    f"tolerance of {tolerance:g} hides half of one; choose noise up to {most:.3g}, "
                    f"or a tolerance up to {0.5 * cost:.3g}."
                )
        if tolerance is None and rows is None:
            return None
        level = noise if noise is not None or tolerance is None else largest_noise(tolerance)
        return cls(tolerance=tolerance, noise=level, rows=rows, alpha=alpha, given=noise)


def largest_noise(tolerance: float) -> float:
    """Return the largest noise at which half of a dead column costs the tolerance."""
    from scipy.optimize import brentq

    if tolerance <= 0.5 * float(bounds.dead_coordinate(float(np.exp(LARGEST)))):
        return float(np.exp(LARGEST))

    def gap(log_noise: float) -> float:
        return float(np.log(0.5 * bounds.dead_coordinate(float(np.exp(log_noise))) / tolerance))

    return float(np.exp(brentq(gap, -2.0 * tolerance - 5.0, LARGEST)))


def equivalence_section(
    question: Question | None,
    sample: Sample,
    target: Target,
    canonical: Canonical,
    plan: Plan,
    *,
    estimates: Estimates,
    slices: Vector | None,
    directions: Sequence[Direction],
    tests: Sequence[str] | None,
) -> Equivalence | None:
    """Answer the question of a report; None without one.

    Parameters
    ----------
    question : Question or None
    sample : Sample
        Independent rows.
    target : Target
    canonical : Canonical
        The rows on normal scale.
    plan : Plan
    estimates : dict of EffectRow to Estimate
        Effects, among them the divergence of the fitted normal.
    slices : ndarray, shape (k, d), or None
        Directions of the battery.
    directions : sequence of Direction
        Directions that were searched for.
    tests : sequence of str or None
        Names of the tests; None for the default battery.

    Raises
    ------
    InputError
        For a tolerance in nats and rows on a sphere.
    """
    if question is None:
        return None
    if question.tolerance is not None and canonical.unit is not None:
        raise InputError(
            "tolerance: noise moves rows off the sphere, so there is no divergence after noise; "
            "use tolerance_rows=... for this target."
        )
    criteria: list[Criterion] = []
    if canonical.unit is None:
        criteria += _without_noise_or_joint(
            question, sample, canonical, plan, estimates, slices, directions
        )
    if question.tolerance is not None:
        criteria.append(joint_criterion(canonical, question, plan.seed))
    if question.rows is not None:
        criteria.append(rows_criterion(sample, target, plan, question.rows, tests, question.alpha))
    return answer(question, criteria, canonical)


def facts_of_answer(question: Question | None, made: Equivalence | None) -> dict[str, Any]:
    """Return the fields of the provenance that say what was asked and answered."""
    return {
        "tolerance": None if question is None else question.tolerance,
        "certified_under": None if made is None else made.certified_under,
        "rows_needed": None if made is None else made.rows_needed,
        "equivalence": made,
    }


def arguments_of(question: Question | None) -> dict[str, Any]:
    """Return the arguments of a report that ask the question."""
    return {
        "tolerance": None if question is None else question.tolerance,
        "noise": None if question is None else question.given,
        "tolerance_rows": None if question is None else question.rows,
    }


def never_equivalent(report: Report, question: Question) -> Report:
    """Return the report on equal rows with the answer to the question."""
    criterion = Criterion(
        name="moments",
        label="KL of the fitted normal",
        unit="nats",
        limit=question.tolerance or NOTICED / (question.rows or 1),
        holds=False,
        exceeds=True,
        note="it is infinite: all rows are equal",
    )
    made = Equivalence(
        tolerance=question.tolerance,
        noise=question.noise,
        tolerance_rows=question.rows,
        confidence=1.0 - question.alpha,
        criteria=(criterion,),
    )
    facts = replace(report.provenance, tolerance=question.tolerance, equivalence=made)
    return replace(report, provenance=facts)


def _without_noise_or_joint(
    question: Question,
    sample: Sample,
    canonical: Canonical,
    plan: Plan,
    estimates: Estimates,
    slices: Vector | None,
    directions: Sequence[Direction],
) -> list[Criterion]:
    """Return the criteria of the fitted normal and of the margins.

    With a tolerance in rows alone they only have to exclude what the battery may miss and a test
    that looks for it would not: a dead or two-valued column. So their lower bounds, times the
    rows, have to be below the divergence that the best test detects half of the time.
    """
    searched = np.array([one.direction for one in directions]) if directions else None
    margins = margins_of(
        canonical, sample.names, slices, searched, alpha=question.level, seed=plan.seed
    )
    limit = question.tolerance
    if limit is None:
        assert question.rows is not None
        limit = NOTICED / question.rows
    made = [margins_criterion(margins, limit)]
    if not canonical.fitted:
        made.insert(0, moments_criterion(canonical, sample.names, estimates, limit, question.level))
    if question.tolerance is None:
        made = [replace(one, holds=not one.exceeds) for one in made]
    return made


def moments_criterion(
    canonical: Canonical,
    names: Sequence[str] | None,
    estimates: Estimates,
    limit: float,
    level: float,
) -> Criterion:
    """Bound the divergence of the fitted normal, in nats; it is infinite for a singular one."""
    estimate = estimates[table.KL_FITTED]
    facts: dict[str, Any] = {
        "name": "moments",
        "label": "KL of the fitted normal",
        "unit": "nats",
        "limit": limit,
    }
    if estimate.value is None or not estimate.error:
        n, d = canonical.rows.shape
        rank = len(independent_columns(canonical.covariance, n))
        dead = np.flatnonzero(np.diagonal(canonical.covariance) == 0.0)
        if rank == d or (n <= d + 1 and not len(dead)):
            return Criterion(**facts, holds=False, note=f"{n:,} rows are too few for {d} columns")
        why = f"the rows lie in {rank} of {d} dimensions"
        if len(dead):
            first = column_name(names, int(canonical.columns[dead[0]]))
            why = f"column {first} is constant"
            why = f"{len(dead)} columns are constant, {first} first" if len(dead) > 1 else why
        return Criterion(**facts, holds=False, exceeds=True, note=f"it is infinite: {why}")
    low, high = fitted_bounds(canonical, estimate, level)
    return Criterion(
        **facts,
        lower=low,
        estimate=max(0.0, estimate.value),
        upper=high if np.isfinite(high) else None,
        holds=high <= limit,
        exceeds=low > limit,
        note="" if np.isfinite(high) else why_unbounded(len(canonical.rows)),
    )


def margins_criterion(margins: Margins, limit: float) -> Criterion:
    """Bound the largest divergence of a column, a slice or a direction, in nats."""
    upper = float(margins.upper.max())
    j = (
        margins.largest
        if upper <= limit or margins.lower.max() > limit
        else (int(margins.upper.argmax()))
    )
    note = "" if np.isfinite(upper) else why_unbounded(int(margins.rows[j]))
    return Criterion(
        name="margins",
        label=f"KL of {margins.labels[j]} after noise (sd {margins.noise:g})",
        unit="nats",
        limit=limit,
        lower=float(margins.lower.max()),
        estimate=float(margins.estimate[j]),
        upper=upper if np.isfinite(upper) else None,
        holds=upper <= limit,
        exceeds=bool(margins.lower.max() > limit),
        note=note,
    )


def joint_criterion(canonical: Canonical, question: Question, seed: int) -> Criterion:
    """Bound the divergence of all columns together after noise, in nats."""
    limit, noise = question.tolerance, question.noise
    assert limit is not None
    assert noise is not None
    found = smoothed_kl_bounds(canonical.rows, noise, question.level, seed=seed)
    lower, upper, note = found.lower, found.upper, found.why
    if canonical.outside:
        # Values outside the support are at an infinite divergence from the target.
        upper, lower = np.inf, np.inf
        note = f"it is infinite: {canonical.outside} rows have a value outside the support"
    return Criterion(
        name="joint",
        label=f"KL after noise (sd {noise:.3g})",
        unit="nats",
        limit=limit,
        lower=lower if np.isfinite(lower) else None,
        estimate=found.estimate,
        upper=upper if np.isfinite(upper) else None,
        holds=upper <= limit,
        exceeds=lower > limit,
        note=note,
    )


def rows_criterion(
    sample: Sample,
    target: Target,
    plan: Plan,
    rows: int,
    tests: Sequence[str] | None,
    alpha: float,
) -> Criterion:
    """Bound the power of the battery, with its search over directions, on so many rows.

    Nulls that are not shipped are simulated once: all blocks then have the seed of the run.
    """
    blocks = min(BLOCKS, sample.n // rows)
    facts: dict[str, Any] = {
        "name": "rows",
        "label": f"Power of the battery on {rows:,} rows",
        "unit": "power",
    }
    if blocks == 0:
        note = f"{sample.n:,} rows have no block of {rows:,}"
        return Criterion(**facts, limit=0.5, lower=0.0, upper=1.0, holds=False, note=note)
    plan = replace(plan, slices=None, directions=None, progress=None)
    shipped = tests is None and target.name != "sphere"
    ranked = isinstance(target, Ranks)
    labels = column_names(sample.names, sample.d)

    def judge(block: Sample, seed: int) -> float:
        own = replace(plan, seed=seed if shipped else plan.seed)
        canonical = target.canonical(block)
        pvalue = block_pvalue(block, canonical, target, own, tests)
        # The other parts of a report cannot undo a rejection.
        if tests is not None or pvalue <= WEIGHTS[0] * alpha:
            return pvalue
        axes = None if ranked else run_axes(canonical.varying(), labels, own)
        found = sections.directions_section(canonical, own.replicates, own.seed)
        return joined(
            pvalue,
            None if axes is None else axes.outcome.pvalue,
            min((one.adjusted for one in found), default=None),
        )

    pvalues = block_pvalues(sample, rows, judge, plan.seed, BLOCKS, plan.progress)
    rejections = int(np.count_nonzero(pvalues <= alpha))
    low, high = power_limits(rejections, blocks, 1.0 - alpha)
    return Criterion(
        **facts,
        limit=0.5,
        lower=low,
        estimate=rejections / blocks,
        upper=high,
        holds=high < 0.5,
        exceeds=low > 0.5,
        note=f"{rejections} of {blocks} disjoint blocks are rejected",
    )


def answer(question: Question, criteria: Sequence[Criterion], canonical: Canonical) -> Equivalence:
    """Return the answer, with the rows that would change it and what it leaves open."""
    n, d = canonical.rows.shape
    made = Equivalence(
        tolerance=question.tolerance,
        noise=question.noise,
        tolerance_rows=question.rows,
        confidence=1.0 - question.alpha,
        criteria=tuple(criteria),
        hidden=_hidden(question),
    )
    failed = [one for one in criteria if not one.holds]
    if not failed or any(one.exceeds for one in failed):
        return made
    needed = [rows_needed(one, question, n, d) for one in failed]
    advice = ""
    if question.tolerance is not None and any(one.name == "joint" for one in failed):
        advice = _resolved(n, d, question)
    known = [rows for rows in needed if rows is not None]
    return replace(
        made, rows_needed=max(known) if len(known) == len(needed) else None, advice=advice
    )


def rows_needed(one: Criterion, question: Question, n: int, d: int) -> int | None:
    """Extrapolate the rows with which a criterion that is not exceeded would hold.

    For the joint divergence it is what a sample of the target needs, at least. None where rows do
    not help: tails that leave no bound, or half of the blocks rejected.
    """
    if one.name == "rows":
        assert question.rows is not None
        rate = one.estimate or 0.0
        for blocks in range(ENOUGH_BLOCKS, 1000):
            if power_limits(round(rate * blocks), blocks, 1.0 - question.alpha)[1] < 0.5:
                return blocks * question.rows
        return None
    estimate = one.estimate or 0.0
    # An estimate above the limit that may be chance: the rows that a sample of the target needs.
    estimate = 0.0 if estimate >= one.limit else estimate
    room = one.limit - estimate
    least = 0
    if one.name == "joint":
        assert question.noise is not None
        least = int(np.ceil(n * spread_of(question.noise, n, d, question.level) / one.limit))
    if one.upper is None:
        return least or None
    # Near the target an error shrinks as 1 / n, elsewhere as its root.
    ratio = (one.upper - estimate) / room
    power = 1.0 if estimate < one.upper - estimate else 2.0
    return max(least, int(np.ceil(n * ratio**power)))


def spread_of(noise: float, n: int, d: int, level: float) -> float:
    """Upper bound, in nats, below which most samples of the target fall after this noise.

    The certificate tries two bounds, at half of the level each.
    """
    return float((MARGIN - ndtri(0.5 * level)) * resolution_of(n, d, noise))


def _resolved(n: int, d: int, question: Question) -> str:
    """Say which tolerances, with their noise, these rows could show for a sample of the target."""
    limits = 0.5 * np.asarray(bounds.dead_coordinate(LEVELS))
    spreads = np.array([spread_of(s, n, d, question.level) for s in LEVELS])
    able = np.flatnonzero(spreads <= limits)
    if not len(able):
        return f"no tolerance can be shown with {n:,} rows in {d} columns"
    first, last = able[0], able[-1]
    return (
        f"{n:,} rows in {d} columns can show tolerances from {limits[last]:.2g} nats (noise of sd "
        f"{LEVELS[last]:.3g}) to {limits[first]:.2g} nats (sd {LEVELS[first]:.3g})"
    )


def _hidden(question: Question) -> tuple[str, ...]:
    """Say what the tolerance leaves room for."""
    hidden = []
    if question.tolerance is not None:
        assert question.noise is not None
        tolerance, noise = question.tolerance, question.noise
        pairs = float(bounds.two_valued_coordinate(noise))
        if tolerance > bounds.two_valued_coordinate(MARGIN_NOISE):
            hidden.append("columns that take two values")
        elif tolerance > pairs:
            hidden.append(
                f"directions that take two values and were not looked along ({pairs:.2g} nats each "
                f"at this noise)"
            )
        hidden.append(f"structure of all columns together finer than noise of sd {noise:.3g}")
    if question.rows is not None:
        hidden.append(f"departures that take more than {question.rows:,} rows to detect")
    return tuple(hidden)
