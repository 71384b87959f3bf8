"""Rows of a check against a baseline: the verdict, what moved, each departure, the two samples.

For a fresh sample of the same encoder, the probability that any of them fails is at most alpha.
Shares of alpha (`shares`) go to the tests that share permutations, to the search over directions,
to the departures (Holm's method over them), and to the comparison up to a rotation. All p-values
are divided by their share, so that every row fails at alpha.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.multiplicity import holm
from dmtest.checks.changes import Change
from dmtest.checks.departures import Departure, excess_pvalue
from dmtest.checks.directions import DirectionChange, direction_change, searchable
from dmtest.checks.family import Family, family_of
from dmtest.data.sample import Sample
from dmtest.engines.pool import Pool
from dmtest.render.wording import equals, number, pvalue
from dmtest.reports.compare import compare_with
from dmtest.results.check import CheckRow
from dmtest.results.report import Report
from dmtest.runtime.parallel import Progress
from dmtest.targets.reference import Reference
from dmtest.targets.targets import Target

# Without tolerance a verdict is compatible or a mismatch; with it any but compatible.
RANKS = {"equivalent": 0, "compatible": 1, "inconclusive": 1, "mismatch": 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The comparison of a fresh sample with the rows of a baseline.

    Attributes
    ----------
    family : Family
        Tests that share permutations.
    direction : DirectionChange or None
        Worst direction; None where there are too few rows or one column.
    apart : tuple of (float, str)
        P-value of "both samples have one distribution", at the level alpha, and the test with the
        smallest p-value.
    """

    family: Family
    direction: DirectionChange | None
    apart: tuple[float, str]

    @classmethod
    def of(
        cls, family: Family, direction: DirectionChange | None, share: Mapping[str, float]
    ) -> Evidence:
        """Combine the tests with the search, each at its share of the level."""
        name, p = family.best(tuple(family.adjusted))
        apart = (_shared(p, share["family"]), name)
        if direction is not None:
            apart = min(apart, (_shared(direction.pvalue, share["direction"]), "worst-direction"))
        return cls(family=family, direction=direction, apart=apart)


def shares(rotation: bool) -> dict[str, float]:
    """Split the level of a check; `rotation` if the samples are compared up to a rotation."""
    rest = 0.8 if rotation else 1.0
    parts = {"family": 0.7, "direction": 0.2, "effects": 0.1}
    return {name: rest * part for name, part in parts.items()} | {"rotation": 1.0 - rest}


def _shared(p: float, share: float) -> float:
    return min(1.0, p / share)


def gather(
    sample: Sample,
    target: Target,
    rows: NDArray[np.floating[Any]],
    *,
    alpha: float,
    share: Mapping[str, float],
    seed: int,
    progress: Progress | None = None,
) -> Evidence:
    """Compare fresh rows with rows of the baseline.

    Parameters
    ----------
    sample : Sample
        Fresh rows, shape (n, d), thinned like those of the baseline.
    target : Target
    rows : ndarray, shape (m, d)
        Rows of the baseline.
    alpha : float
        Level of the check.
    share : dict of str to float
        Shares of the level.
    seed : int
        Seed of permutations, directions and halves.
    progress : callable, optional
        Called with (what, done, total).
    """
    x = rounded(sample.x, rows.dtype)
    both = np.concatenate([x, rows.astype(x.dtype)])
    # Both samples at once, so that what a target draws at random is drawn anew for every row.
    canonical = target.canonical(Sample(both))
    n = len(x)
    scale = canonical.rows
    if canonical.unit is not None:
        scale = canonical.unit * np.sqrt(both.shape[1])
    normal = Pool(scale[:n], scale[n:], seed)
    raw = Pool(x, rows, seed)
    family = family_of(
        raw,
        raw if canonical.fitted else normal,
        sample.names,
        moments=not canonical.fitted,
        shape=canonical.unit is None,
        level=share["family"] * alpha,
        progress=progress,
    )
    direction = None
    if canonical.unit is None and searchable(n, len(rows), normal.d):
        level = share["direction"] * alpha
        direction = direction_change(normal, canonical, sample.names, level)
    return Evidence.of(family, direction, share)


def rounded(x: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
    """Round rows to the precision of the baseline's file, so that no test detects the rounding."""
    with np.errstate(over="ignore"):
        short = x.astype(dtype)
    return short if np.isfinite(short).all() else x


def verdict_row(now: Report, then: Report, apart: tuple[float, str], alpha: float) -> CheckRow:
    """Fail if the verdict is worse *and* the samples differ by more than chance.

    A verdict can change by chance: a small departure is detected in some samples and not in
    others. So a worse verdict fails only if a comparison of the samples, whose level holds for
    every encoder, rejects that they have the same distribution.

    Parameters
    ----------
    now, then : Report
        Reports on the fresh sample and in the baseline.
    apart : tuple of (float, str)
        P-value of the comparison, and its most telling test.
    alpha : float
        Level of the check.

    Returns
    -------
    CheckRow
    """
    facts: dict[str, Any] = {"name": "verdict", "kind": "verdict", "label": "Verdict"}
    facts |= {"value": now.pvalue, "baseline": then.pvalue, "unit": "global p"}
    if not worse(now, then):
        same = now.verdict == then.verdict
        sentence = f"The verdict is {now.verdict}" + (
            ", as in the baseline." if same else f"; in the baseline it was {then.verdict}."
        )
        return CheckRow(**facts, passed=True, message=sentence)
    p, test = apart
    passed = p > alpha
    sentence = f"The verdict changed from {then.verdict} to {now.verdict}"
    if passed:
        sentence += (
            f" (global p {number(then.pvalue)} before, {number(now.pvalue)} now), which may be "
            f"chance: the samples do not differ (two-sample {equals(pvalue(p))})."
        )
    else:
        sentence += (
            f" (global p {number(then.pvalue)} before, {number(now.pvalue)} now), and the samples "
            f"differ (two-sample {equals(pvalue(p))}, most in {test})."
        )
        if now.diagnosis:
            sentence += f" {now.diagnosis[0].message}"
    return CheckRow(**facts, passed=passed, message=sentence, pvalue=p, limit=alpha)


def worse(now: Report, then: Report) -> bool:
    """Whether the verdict is worse than that of the baseline."""
    return RANKS[now.verdict] > RANKS[then.verdict]


def target_row(now: Report) -> CheckRow:
    """Fail if the verdict is a mismatch, whatever the baseline's."""
    passed = now.verdict != "mismatch"
    sentence = f"The verdict is {now.verdict} ({equals(pvalue(now.pvalue))}, at {now.alpha:g})."
    if not passed and now.diagnosis:
        sentence += f" {now.diagnosis[0].message}"
    return CheckRow(
        name="mismatch",
        kind="verdict",
        label="Verdict on the target",
        passed=passed,
        message=sentence,
        value=now.pvalue,
        pvalue=now.pvalue,
        limit=now.alpha,
        unit="global p",
    )


@dataclass(frozen=True, slots=True)
class Words:
    """The words for one kind of change."""

    label: str
    moved: str
    all: str
    still: str
    unit: str = ""


WORDS = {
    "mean": Words(
        "Means of columns",
        "The mean of {place} moved away from 0",
        "The means of the columns together moved away from 0, most that of {place}",
        "No mean of a column is further from 0 than in the baseline",
        "sd",
    ),
    "variance": Words(
        "Variances of columns",
        "The variance of {place} moved away from 1",
        "The variances of the columns together moved away from 1, most that of {place}",
        "No variance of a column is further from 1 than in the baseline",
        "sd^2",
    ),
    "correlation": Words(
        "Correlations of pairs",
        "The correlation of {place} moved away from 0",
        "The correlations of all pairs together moved away from 0, most that of {place}",
        "No correlation of a pair is further from 0 than in the baseline",
    ),
    "shape": Words(
        "Shapes of columns",
        "The shape of {place} moved away from the normal (distance sqrt(1 - W))",
        "The shapes of the columns together moved away from the normal (distance sqrt(1 - W)), "
        "most that of {place}",
        "No column's shape is further from the normal than in the baseline",
    ),
    "repeats": Words(
        "Repeated rows",
        "More rows repeat another row",
        "More rows repeat another row",
        "No more rows repeat another row than in the baseline",
        "of rows",
    ),
}


def change_rows(family: Family, share: float, alpha: float) -> list[CheckRow]:
    """Fail where columns, pairs or rows depart further from the target than in the baseline."""
    return [_change_row(one, family.adjusted[one.name], share, alpha) for one in family.changes]


def _change_row(change: Change, adjusted: float, share: float, alpha: float) -> CheckRow:
    words, j = WORDS[change.name], change.worst
    together = change.badness.shape[1] > 1 and _rank(change.badness, 1) < _rank(change.badness, 0)
    p = _shared(adjusted, share)
    passed = p > alpha
    ours, theirs = (float(one[j]) for one in change.signed)
    grew = change.ours[j] > change.theirs[j]
    place = change.places[j]
    sentence = words.still if passed else (words.all if together else words.moved)
    numbers = f"{number(ours)}{' ' + words.unit if words.unit else ''} now"
    sentence = (
        f"{sentence.format(place=place)}: "
        if not passed
        else f"{sentence} (largest change: {place}, "
    )
    sentence += f"{numbers}, {number(theirs)} in the baseline"
    sentence += (
        f", adjusted {equals(pvalue(p))})." if passed else f" (adjusted {equals(pvalue(p))})."
    )
    if passed and not grew:
        sentence = f"{words.still} (adjusted {equals(pvalue(p))})."
    return CheckRow(
        name=change.name,
        kind="change",
        label=words.label,
        passed=passed,
        message=sentence,
        value=ours,
        baseline=theirs,
        difference=ours - theirs,
        error=float(change.spread[j]) * _slope(change.name, ours, theirs),
        pvalue=p,
        limit=alpha,
        unit=words.unit,
        where=place,
    )


def _rank(badness: NDArray[np.float64], column: int) -> int:
    values = badness[:, column]
    return int(np.count_nonzero(values >= values[0]))


def _slope(name: str, ours: float, theirs: float) -> float:
    """Return the slope of what is shown in the departure: of exp for variances, tanh for r."""
    if name == "variance":
        return float(np.sqrt(ours * theirs))
    return 1.0 - abs(ours * theirs) if name == "correlation" else 1.0


MEASURE_WORDS = {
    "shape": ("distance sqrt(1 - W) of its shape from the normal", ""),
    "distance": ("Wasserstein-2 distance from N(0, 1)", "sd"),
}


def direction_row(change: DirectionChange, share: float, alpha: float) -> CheckRow:
    """Fail if a direction departs further than in the baseline, and than any of the baseline's."""
    p = max(_shared(change.pvalue, share), change.excess if change.pvalue <= share * alpha else 0.0)
    passed = p > alpha
    weights = ", ".join(f"{name} {weight:+.2f}" for name, weight in change.weights[:4])
    what, unit = MEASURE_WORDS[change.measure]
    sentence = (
        "No direction is further from the target than in the baseline"
        if passed
        else "One direction is further from the target than any in the baseline"
    )
    sentence += (
        f": along the worst ({weights}) the {what} of {change.rows:,} held-out rows is "
        f"{number(change.ours)}, of the baseline's rows {number(change.theirs)} (adjusted "
        f"{equals(pvalue(p))})."
    )
    return CheckRow(
        name="worst-direction",
        kind="change",
        label="Worst direction",
        passed=passed,
        message=sentence,
        value=change.ours,
        baseline=change.theirs,
        difference=change.ours - change.theirs,
        error=change.spread,
        pvalue=p,
        limit=alpha,
        unit=unit,
        where=weights,
    )


def comparison_row(family: Family, share: float, alpha: float) -> CheckRow:
    """Fail if the samples have different distributions, for better or worse."""
    name, adjusted = family.best(family.two_sided)
    p = _shared(adjusted, share)
    passed = p > alpha
    relation = "do not differ by more than chance" if passed else "have different distributions"
    return CheckRow(
        name="comparison",
        kind="comparison",
        label="Two-sample tests",
        passed=passed,
        message=(
            f"The samples {relation} ({', '.join(family.two_sided)}: adjusted "
            f"{equals(pvalue(p))}, most in {name})."
        ),
        value=p,
        pvalue=p,
        limit=alpha,
        unit="global p",
    )


def rotation_row(
    sample: Sample,
    rows: NDArray[np.floating[Any]],
    *,
    share: float,
    alpha: float,
    seed: int,
    progress: bool | Progress | None,
) -> CheckRow:
    """Fail if the samples have different distributions up to a rotation or reflection."""
    level = share * alpha
    report = compare_with(
        replace(sample, x=rounded(sample.x, rows.dtype)),
        Reference(rows, rotation=True),
        tests=None,
        alpha=level,
        slices=None,
        replicates=max(999, int(np.ceil(10.0 / level)) - 1),
        budget=None,
        rng=seed,
        progress=progress,
    )
    p = _shared(report.pvalue, share)
    passed = p > alpha
    relation = "do not differ by more than chance" if passed else "have different distributions"
    names = ", ".join(outcome.test for outcome in report.outcomes)
    diagnosis = f" {report.diagnosis[0].message}" if report.diagnosis else ""
    return CheckRow(
        name="comparison",
        kind="comparison",
        label="Two-sample tests, up to a rotation",
        passed=passed,
        message=(
            f"The samples {relation}, up to a rotation ({names}: {equals(pvalue(p))}).{diagnosis}"
        ),
        value=p,
        pvalue=p,
        limit=alpha,
        unit="global p",
    )


def effect_rows(
    now: Sequence[Departure], then: Sequence[Departure], alpha: float, share: float = 1.0
) -> list[CheckRow]:
    """Test whether each departure is larger than in the baseline, Holm-adjusted together."""
    before = {one.name: one for one in then}
    pairs = [(one, before.pop(one.name, None)) for one in now]
    tested = [(a, b) for a, b in pairs if b is not None and _comparable(a, b)]
    raw = [excess_pvalue(a, b) for a, b in tested]
    shared = [_shared(float(p), share) for p in holm(raw)] if raw else []
    adjusted = dict(zip((a.name for a, _ in tested), shared, strict=True))
    rows = [_effect_row(a, b, adjusted, alpha) for a, b in pairs]
    return rows + left_out(list(before.values()), "this dmtest does not compute it")


def left_out(departures: Sequence[Departure], why: str) -> list[CheckRow]:
    """Return a row for each departure of the baseline that was not compared."""
    return [_missing(one, why) for one in departures]


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
    now: Departure, then: Departure | None, adjusted: Mapping[str, float], alpha: float
) -> CheckRow:
    if then is None:
        return _missing(now, "the baseline does not have it")
    if now.name not in adjusted:
        if now.value is None:
            return _missing(now, now.note.removeprefix("not estimable: "))
        return _missing(now, f"in the baseline, {then.note.removeprefix('not estimable: ')}")
    assert now.value is not None
    assert then.value is not None
    p = adjusted[now.name]
    passed = p > alpha
    difference = now.value - then.value
    error = float(np.hypot(now.error or 0.0, then.error or 0.0))
    finite = bool(np.isfinite(difference))
    change = "is not larger than in the baseline" if passed else "is larger than in the baseline"
    if not passed and not finite:
        change = f"is infinite ({now.note})"
    spread = f"difference {difference:+.3g} ± {error:.2g}, " if finite else ""
    value, before = now.value, then.value
    if now.squared:
        # The error is that of the square, which is what is compared.
        value, before = now.shown(), replace(then, squared=True).shown()
        difference, spread = value - before, ""
    sentence = (
        f"{now.label} {change}: {number(max(0.0, value))} {now.unit}, before "
        f"{number(max(0.0, before))} ({spread}adjusted {equals(pvalue(p))})."
    )
    return CheckRow(
        name=now.name,
        kind="effect",
        label=now.label,
        passed=passed,
        message=sentence,
        value=value,
        baseline=before,
        difference=difference if finite else None,
        error=error if finite and not now.squared else None,
        pvalue=p,
        limit=alpha,
        unit=now.unit,
    )
