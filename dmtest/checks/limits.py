"""Absolute limits of a check: an estimate is compared with a limit, without a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmtest import arguments
from dmtest.battery.plan import Plan
from dmtest.data.sample import Sample
from dmtest.effects.coordinates import column_names
from dmtest.effects.detectability import detectability_of
from dmtest.errors import InputError
from dmtest.render.wording import number
from dmtest.results import effect_table as table
from dmtest.results.check import CheckRow
from dmtest.results.effect_table import EffectRow
from dmtest.results.outcome import Effect
from dmtest.results.report import Report
from dmtest.runtime.typing import Vector
from dmtest.targets.targets import Target
from dmtest.targets.transforms import mean_and_covariance

MOST_BLOCKS = 200  # blocks for the power at a number of rows


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit on an effect of the report; `upper` if larger values fail."""

    effect: EffectRow
    label: str
    upper: bool


EFFECTS = {
    "max_kl": Limit(table.KL_FITTED, "KL of the fitted normal", True),
    "max_smoothed_kl": Limit(table.SMOOTHED_KL, "KL after noise", True),
    "max_wasserstein": Limit(table.SLICED_WASSERSTEIN, table.SLICED_WASSERSTEIN.label, True),
    "max_margin": Limit(table.WORST_MARGIN, "KL of the worst margin after noise", True),
    "min_rank": Limit(table.EFFECTIVE_RANK, "Effective rank", False),
}
# Limits on moments of the rows on normal scale: label and unit.
MOMENTS = {
    "max_mean": ("Largest mean of a column", "sd"),
    "max_correlation": ("Largest correlation of two columns", "correlation"),
}
LIMITS = (*EFFECTS, *MOMENTS, "min_detectable_n")


def valid_limits(given: Mapping[str, Any]) -> dict[str, float]:
    """Return the limits that are not None, validated, by name of the argument."""
    limits: dict[str, float] = {}
    for name, value in given.items():
        if value is None:
            continue
        if name == "min_detectable_n":
            limits[name] = arguments.whole(name, value, 20)
        else:
            limits[name] = arguments.positive(name, value)
    return limits


def limit_rows(
    limits: Mapping[str, float],
    sample: Sample,
    target: Target,
    now: Report,
    then: Report | None,
    *,
    seed: int,
    lost: bool = False,
    whole: tuple[int, Vector, Vector] | None = None,
) -> list[CheckRow]:
    """Compare estimates with every limit, in the order of `LIMITS`.

    Parameters
    ----------
    limits : dict of str to float
        Limits by name of the argument; `EFFECTS` has their effects.
    sample : Sample
        The rows to check, shape (n, d).
    target : Target
    now : Report
        Report on these rows.
    then : Report or None
        Report of the baseline, whose estimates are shown beside.
    seed : int
        Seed of the blocks.
    lost : bool
        Whether columns are constant or copies: a limit that this leaves without an estimate fails.
    whole : (int, ndarray, ndarray), optional
        Number, mean and 1/n covariance of all rows, where `sample` has some of them.

    Returns
    -------
    list of CheckRow
    """
    rows = []
    for name in LIMITS:
        if name not in limits:
            continue
        missing = name in EFFECTS and EFFECTS[name].effect.name not in now.effects
        if lost and (missing or name == "min_detectable_n"):
            rows.append(_unverifiable(name, limits[name]))
            continue
        if name == "min_detectable_n":
            rows.append(_detectable(int(limits[name]), sample, target, now, seed))
            continue
        if name in MOMENTS:
            rows.append(_moment_row(name, limits[name], sample, target, whole))
            continue
        effect_name = EFFECTS[name].effect.name
        effect = now.effects.get(effect_name)
        if effect is None:
            raise InputError(
                f"{name}: target {target.name!r} with n = {sample.n}, d = {sample.d} has no "
                f"{effect_name!r}; choose a limit on one of {', '.join(_available(now))}."
            )
        rows.append(_row(name, limits[name], effect, then))
    return rows


def _unverifiable(name: str, bound: float) -> CheckRow:
    """Return the failing row of a limit on a sample that lost columns."""
    return CheckRow(
        name=name.replace("_", "-"),
        kind="limit",
        label=name,
        passed=False,
        message=f"The limit {name} cannot be verified: columns were lost.",
        limit=bound,
    )


def _moment_row(
    name: str,
    bound: float,
    sample: Sample,
    target: Target,
    whole: tuple[int, Vector, Vector] | None,
) -> CheckRow:
    """Compare the largest mean of a column, or correlation of two, with a limit."""
    label, unit = MOMENTS[name]
    if target.fitted and name == "max_mean":
        raise InputError(f"{name}: target {target.name!r} has no mean of its own; leave it out.")
    if name == "max_correlation" and sample.d == 1:
        raise InputError(f"{name}: the data have one column and so no correlation; leave it out.")
    if whole is not None:
        _, mean, covariance = whole
    elif target.fitted:
        mean, covariance = mean_and_covariance(sample.x)
    else:
        canonical = target.canonical(sample)
        mean, covariance = canonical.mean, canonical.covariance
    places = column_names(sample.names, sample.d)
    if name == "max_mean":
        j = int(np.abs(mean).argmax())
        value, where = float(mean[j]), places[j]
    else:
        sd = np.sqrt(np.maximum(np.diagonal(covariance), 1e-300))
        first, second = np.triu_indices(sample.d, 1)
        r = (covariance / np.outer(sd, sd))[first, second]
        k = int(np.abs(r).argmax())
        value, where = float(r[k]), f"{places[first[k]]} and {places[second[k]]}"
    size = abs(value)
    side = "above" if size > bound else "below" if size < bound else "at"
    return CheckRow(
        name=name.replace("_", "-"),
        kind="limit",
        label=label,
        passed=size <= bound,
        message=f"{label} is {number(value)} ({where}), {side} the limit {number(bound)} in size.",
        value=size,
        limit=bound,
        unit=unit,
        where=where,
    )


def _available(now: Report) -> list[str]:
    return [name for name, limit in EFFECTS.items() if limit.effect.name in now.effects]


def _detectable(rows: int, sample: Sample, target: Target, now: Report, seed: int) -> CheckRow:
    """Estimate the power of the battery at this many rows, on disjoint blocks."""
    if rows > sample.n // 2:
        raise InputError(
            f"min_detectable_n: {rows} rows need a sample of at least {2 * rows}; this one has "
            f"{sample.n}."
        )
    plan = Plan(target=target.name, seed=seed)
    power = detectability_of(sample, target, plan, alpha=now.alpha, sizes=[rows], most=MOST_BLOCKS)
    if power is None:
        raise InputError(
            f"min_detectable_n: no test of target {target.name!r} can be run on blocks of rows; "
            f"leave the limit out."
        )
    return _detectable_row(rows, power.rates[0], power.test, power.blocks[0])


def _row(name: str, bound: float, effect: Effect, then: Report | None) -> CheckRow:
    """Compare an effect's estimate with an absolute limit."""
    limit = EFFECTS[name]
    value = effect.value
    if value is None:
        note = effect.note.removeprefix("not estimable: ")
        passed, sentence = (
            False,
            f"{limit.label} is not estimable ({note}), so the limit cannot be verified.",
        )
    else:
        passed = value <= bound if limit.upper else value >= bound
        side = "above" if value > bound else "below" if value < bound else "at"
        sentence = (
            f"{limit.label} is {number(value)} {effect.unit}, {side} the limit {number(bound)}."
        )
    before = None if then is None else then.effects.get(limit.effect.name)
    return CheckRow(
        name=name.replace("_", "-"),
        kind="limit",
        label=limit.label,
        passed=passed,
        message=sentence,
        value=value,
        baseline=None if before is None else before.value,
        limit=bound,
        unit=effect.unit,
    )


def _detectable_row(rows: int, power: float, test: str, blocks: int) -> CheckRow:
    """Fail if the battery has more than 50% power on disjoint blocks of this many rows."""
    passed = power <= 0.5
    side = "at most" if passed else "more than"
    return CheckRow(
        name="min-detectable-n",
        kind="limit",
        label=f"Power of {test} at {rows:,} rows",
        passed=passed,
        message=(
            f"At {rows:,} rows, {test} has {side} 50% power: it rejects {power:.0%} of {blocks} "
            f"disjoint blocks."
        ),
        value=power,
        limit=0.5,
        unit="power",
    )
