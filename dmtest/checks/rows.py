"""Rows of a check against a baseline: the verdict, each departure, the two samples.

For a fresh sample of the same encoder, the probability that any of them fails is at most alpha.
Shares of alpha (`shares`) go to the departures (Holm's method over them), to the verdict and to
the comparison of the samples.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.battery.two_sample import run_comparison
from dmtest.calibration.multiplicity import holm
from dmtest.catalogue.registry import pool_tests
from dmtest.checks.baseline import Baseline
from dmtest.checks.departures import Departure, excess_pvalue
from dmtest.data.sample import Sample
from dmtest.render.wording import equals, number, pvalue
from dmtest.reports.compare import compare_with
from dmtest.results.check import CheckRow
from dmtest.results.outcome import Outcome
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.targets.reference import Reference

# Without tolerance a verdict is compatible or a mismatch; with it any but compatible.
RANKS = {"equivalent": 0, "compatible": 1, "inconclusive": 1, "mismatch": 2}


def baseline_rows(
    sample: Sample,
    now: Report,
    departures: Sequence[Departure],
    then: Baseline,
    *,
    alpha: float,
    compare: bool = False,
    rotation: bool = False,
    seed: int,
    progress: bool | Progress | None = None,
) -> list[CheckRow]:
    """Compare verdict and departures with the baseline's, and the samples if requested.

    Parameters
    ----------
    sample : Sample
        Fresh rows, shape (n, d).
    now : Report
        Report on these rows.
    departures : sequence of Departure
        Departures of these rows, along the baseline's directions.
    then : Baseline
    alpha : float
        Largest probability that a fresh sample of the same encoder fails.
    compare, rotation : bool
        Whether the samples are compared, as they are or up to a rotation.
    seed : int
        Seed of the permutations.
    progress : bool or callable, optional
        Progress of the comparison.

    Returns
    -------
    list of CheckRow
    """
    share = shares(alpha, compare or rotation)
    worse = RANKS[now.verdict] > RANKS[then.report.verdict]
    change = _energy(sample, then, share["verdict"], seed) if worse else None
    rows = [verdict_row(now, then.report, change, share["verdict"])]
    rows += effect_rows(departures, then.scores, share["effects"])
    if compare or rotation:
        level = share["comparison"]
        comparison = compare_with(
            _rounded(sample, then),
            Reference(then.sample, rotation=rotation),
            tests=None,
            alpha=level,
            slices=None,
            replicates=_replicates(level),
            budget=None,
            rng=seed,
            progress=progress,
        )
        rows.append(comparison_row(comparison))
    return rows


def _energy(sample: Sample, then: Baseline, level: float, seed: int) -> Outcome:
    """Test the two samples for any difference (energy distance)."""
    plan = Plan(target="reference", seed=seed, replicates=_replicates(level))
    specs, reference = pool_tests("energy"), Reference(then.sample)
    with single_threaded_blas():
        return run_comparison(_rounded(sample, then), reference, specs, plan).outcomes[0]


def _replicates(level: float) -> int:
    """Return enough permutations for p-values well below a level."""
    return max(999, math.ceil(10.0 / level) - 1)


def _rounded(sample: Sample, then: Baseline) -> Sample:
    """Round rows to the precision of the baseline's file, so that no test detects the rounding."""
    with np.errstate(over="ignore"):
        rows = sample.x.astype(then.sample.dtype)
    return replace(sample, x=rows if np.isfinite(rows).all() else sample.x)


def shares(alpha: float, compared: bool) -> dict[str, float]:
    """Split the level of a check over its parts; `compared` if the samples are compared."""
    return {
        "effects": alpha * (0.6 if compared else 0.8),
        "verdict": alpha * 0.2,
        "comparison": alpha * 0.2,
    }


def verdict_row(now: Report, then: Report, change: Outcome | None, level: float) -> CheckRow:
    """Fail if the verdict is worse *and* the samples differ by more than chance.

    A verdict can change by chance: a small departure is detected in some samples and not in
    others. So a worse verdict fails only if a two-sample test, whose level holds for every
    encoder, rejects that the samples have the same distribution.

    Parameters
    ----------
    now, then : Report
        Reports on the fresh sample and in the baseline.
    change : Outcome or None
        The test of the two samples; None if the verdict is no worse.
    level : float
        Level of that test.

    Returns
    -------
    CheckRow
    """
    facts: dict[str, Any] = {"name": "verdict", "kind": "verdict", "label": "Verdict"}
    facts |= {"value": now.pvalue, "baseline": then.pvalue, "unit": "global p"}
    if change is None:
        same = now.verdict == then.verdict
        sentence = f"The verdict is {now.verdict}" + (
            ", as in the baseline." if same else f"; in the baseline it was {then.verdict}."
        )
        return CheckRow(**facts, passed=True, message=sentence)
    passed = change.pvalue > level
    sentence = f"The verdict changed from {then.verdict} to {now.verdict}"
    if passed:
        sentence += (
            f", which may be chance: the samples do not differ (two-sample "
            f"{equals(pvalue(change.pvalue))}, above {number(level)})."
        )
    else:
        sentence += (
            f" (global p {number(then.pvalue)} before, {number(now.pvalue)} now), and the samples "
            f"differ (two-sample {equals(pvalue(change.pvalue))})."
        )
        if now.diagnosis:
            sentence += f" {now.diagnosis[0].message}"
    return CheckRow(**facts, passed=passed, message=sentence, pvalue=change.pvalue, limit=level)


def comparison_row(report: Report) -> CheckRow:
    """Fail if the samples have different distributions, for better or worse."""
    passed = report.verdict == "compatible"
    relation = "do not differ by more than chance" if passed else "have different distributions"
    rotated = "" if report.target == "reference" else ", up to a rotation"
    names = ", ".join(outcome.test for outcome in report.outcomes)
    p = equals(pvalue(report.pvalue))
    diagnosis = f" {report.diagnosis[0].message}" if report.diagnosis else ""
    return CheckRow(
        name="comparison",
        kind="comparison",
        label="Two-sample tests",
        passed=passed,
        message=f"The samples {relation}{rotated} ({names}: {p}).{diagnosis}",
        value=report.pvalue,
        pvalue=report.pvalue,
        limit=report.alpha,
        unit="global p",
    )


def effect_rows(
    now: Sequence[Departure], then: Sequence[Departure], level: float
) -> list[CheckRow]:
    """Test whether each departure is larger than in the baseline, Holm-adjusted together."""
    before = {one.name: one for one in then}
    pairs = [(one, before.pop(one.name, None)) for one in now]
    tested = [(a, b) for a, b in pairs if b is not None and _comparable(a, b)]
    raw = [excess_pvalue(a, b) for a, b in tested]
    adjusted = dict(zip((a.name for a, _ in tested), holm(raw) if raw else (), strict=True))
    rows = [_effect_row(a, b, adjusted, level) for a, b in pairs]
    return rows + [_missing(one, "this dmtest does not compute it") for one in before.values()]


def _comparable(now: Departure, then: Departure) -> bool:
    return now.value is not None and then.value is not None and now.batch == then.batch


def _missing(departure: Departure, why: str) -> CheckRow:
    sentence = f"{departure.label} was not compared: {why}."
    return CheckRow(
        name=departure.name,
        kind="effect",
        label=departure.label,
        passed=None,
        message=sentence,
        unit=departure.unit,
    )


def _effect_row(
    now: Departure, then: Departure | None, adjusted: Mapping[str, float], level: float
) -> CheckRow:
    if then is None:
        return _missing(now, "the baseline does not have it")
    if now.name not in adjusted:
        if now.value is None:
            return _missing(now, now.note.removeprefix("not estimable: "))
        return _missing(now, f"in the baseline, {then.note.removeprefix('not estimable: ')}")
    assert now.value is not None
    assert then.value is not None
    p = float(adjusted[now.name])
    passed = p > level
    difference = now.value - then.value
    error = float(np.hypot(now.error or 0.0, then.error or 0.0))
    finite = bool(np.isfinite(difference))
    change = "is not larger than in the baseline" if passed else "is larger than in the baseline"
    if not passed and not finite:
        change = f"is infinite ({now.note})"
    spread = f"difference {difference:+.3g} ± {error:.2g}, " if finite else ""
    sentence = (
        f"{now.label} {change}: {number(max(0.0, now.value))} {now.unit}, before "
        f"{number(max(0.0, then.value))} ({spread}adjusted {equals(pvalue(p))})."
    )
    return CheckRow(
        name=now.name,
        kind="effect",
        label=now.label,
        passed=passed,
        message=sentence,
        value=now.value,
        baseline=then.value,
        difference=difference if finite else None,
        error=error if finite else None,
        pvalue=p,
        limit=level,
        unit=now.unit,
    )
