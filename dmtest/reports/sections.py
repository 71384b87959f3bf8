"""What a report says of distance: profile, decomposition, worst directions, detectability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmtest.catalogue.registry import find
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.catalogue.unlisted import WORST_DIRECTION
from dmtest.data.sample import Sample
from dmtest.effects.decomposition import shape_parts
from dmtest.effects.detectability import Detectability, detectability_of
from dmtest.effects.directions import Direction, directions_of
from dmtest.effects.profile import KLProfile, profile_of, upper_bound
from dmtest.reports.figures import loadings
from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.runtime.parallel import Progress
from dmtest.targets.canonical import Canonical
from dmtest.targets.targets import Target

__all__ = [
    "DIRECTIONS",
    "FEWEST_SEARCH",
    "ROWS_PER_COLUMN",
    "SEARCH_ROWS",
    "Certificate",
    "certify",
    "detectability_effect",
    "direction_finding",
    "direction_outcome",
    "direction_pictures",
    "most_telling",
    "noticed",
    "profile_effect",
    "searched",
    "shapes",
    "smoothed",
]

# Rows that a report gives to the profile when there is no tolerance to decide on, to the parts
# that take density estimates, and to the search.
PROFILE_ROWS, SHAPE_ROWS, SEARCH_ROWS = 1 << 14, 4000, 20_000
# Batches of a profile; the smallest sample that has them.
FEWEST_PROFILE = 128
DIRECTIONS, FEWEST_SEARCH, ROWS_PER_COLUMN = 3, 200, 4
# Subsamples of every size, and rows of the largest, in a report.
DRAWS, TOP = 50, 2048


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a tolerance was compared with.

    Attributes
    ----------
    tolerance, high : float
        Nats; `high` is the one-sided confidence bound of level 1 - alpha.
    lower : float
        Lower estimate of the smoothed divergence.
    n : int
        Rows that were used.
    """

    tolerance: float
    high: float
    lower: float
    n: int

    @property
    def holds(self) -> bool:
        """Whether the divergence is certified to be under the tolerance."""
        return self.high <= self.tolerance

    def rows_needed(self) -> int | None:
        """Guess the rows that would decide; None if the divergence is no smaller than that.

        The bound's excess goes down with the root of n.
        """
        room = self.tolerance - self.lower
        if self.holds or room <= 0.0 or not np.isfinite(self.high):
            return None
        return int(np.ceil(self.n * ((self.high - self.lower) / room) ** 2))


def smoothed(
    canonical: Canonical,
    target: str,
    tolerance: float | None,
    seed: int,
    progress: Progress | None,
) -> KLProfile | None:
    """Compute the profile where there are rows for it."""
    if len(canonical.rows) < FEWEST_PROFILE or canonical.unit is not None:
        return None
    rows = None if tolerance is not None else PROFILE_ROWS
    return profile_of(canonical, target, rows=rows, seed=seed, progress=progress)


def certify(
    canonical: Canonical, profile: KLProfile, tolerance: float, alpha: float, seed: int
) -> Certificate:
    """Bound the divergence at the default noise, one-sided."""
    point = profile.point
    high = upper_bound(canonical, point.noise, profile.batch, alpha, seed)
    # Values that the target cannot give are at an infinite distance before any noise.
    high = np.inf if canonical.outside else high
    return Certificate(tolerance, high, point.lower, profile.n)


def profile_effect(profile: KLProfile) -> Effect:
    """Show the profile's point at the default noise."""
    point = profile.point
    kind = "sd" if profile.noise == "gaussian" else "half width"
    return Effect(
        name="smoothed-kl",
        label=f"KL after noise ({kind} {point.noise:.3g})",
        value=0.5 * (point.lower + point.upper),
        low=point.low,
        high=point.high,
        confidence=profile.confidence,
        unit="nats",
        note=(
            f"middle of a two-sided bracket over {profile.batches} batches of {profile.batch} "
            f"rows; limits hold for all noise levels of the profile together"
        ),
    )


def shapes(canonical: Canonical, seed: int) -> list[Effect]:
    """Estimate the parts of the divergence that take densities."""
    if canonical.unit is not None:
        return []
    return shape_parts(canonical, seed, rows=SHAPE_ROWS)


def searched(canonical: Canonical, replicates: int, seed: int) -> list[Direction]:
    """Search for directions where half of the rows can find any."""
    n, d = canonical.rows.shape
    if d < 2 or n < max(FEWEST_SEARCH, ROWS_PER_COLUMN * d) or canonical.unit is not None:
        return []
    return directions_of(canonical, DIRECTIONS, replicates, seed, rows=SEARCH_ROWS)


def direction_outcome(found: Sequence[Direction], canonical: Canonical, target: str) -> Outcome:
    """Put the search among the tests: its smallest p-value, adjusted for the directions."""
    best = min(found, key=lambda one: one.adjusted)
    n, d = canonical.rows.shape
    return Outcome(
        test=WORST_DIRECTION.name,
        statistic=best.statistic,
        pvalue=best.adjusted,
        target=target,
        n=n,
        d=d,
        family=WORST_DIRECTION.family,
        method=(
            f"Anderson-Darling along {len(found)} directions chosen on one half of the rows, "
            f"tested on the other, Holm-adjusted"
        ),
    )


def direction_pictures(
    found: Sequence[Direction], canonical: Canonical, names: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Give the numbers of every direction, with the columns it weighs most."""
    return [
        {
            "loadings": loadings(np.array(one.direction), canonical, names),
            "rows": list(one.rows),
            "statistic": one.statistic,
            "pvalue": one.pvalue,
            "adjusted": one.adjusted,
            "mean": one.mean,
            "variance": one.variance,
            "skewness": one.skewness,
            "kurtosis": one.kurtosis,
        }
        for one in found
    ]


def direction_finding(pictures: Sequence[dict[str, Any]], alpha: float) -> Finding | None:
    """Say what the worst direction looks like, if the held-out rows confirm it."""
    confirmed = [one for one in pictures if one["adjusted"] <= alpha]
    if not confirmed:
        return None
    worst = max(confirmed, key=lambda one: float(one["statistic"]))
    weights = ", ".join(f"{name} {weight:+.2f}" for name, weight in worst["loadings"][:3])
    text = (
        f"One direction stands out, and rows that had no part in choosing it confirm it: "
        f"its largest weights are {weights}; along it the variance is {worst['variance']:.3g}, "
        f"the skewness {worst['skewness']:+.2g} and the excess kurtosis {worst['kurtosis']:+.2g}."
    )
    return Finding(WORST_DIRECTION.name, text, len(confirmed))


def noticed(
    sample: Sample,
    goal: Target,
    outcomes: Sequence[Outcome],
    alpha: float,
    seed: int,
    progress: Progress | None,
) -> Detectability | None:
    """Say how many rows the test with the smallest p-value needs."""
    if sample.n // 2 < 2 * max(20, sample.d) or goal.name == "sphere":
        return None
    spec = most_telling(outcomes, goal)
    if spec is None:
        return None
    return detectability_of(
        sample,
        goal,
        spec,
        alpha=alpha,
        top=TOP,
        draws=DRAWS,
        replicates=199,
        seed=seed,
        progress=progress,
    )


def most_telling(outcomes: Sequence[Outcome], goal: Target) -> OneSampleTest | None:
    """Find the test with the smallest p-value among those that subsamples can be given to."""
    usable: list[tuple[float, OneSampleTest]] = []
    for one in outcomes:
        spec = find(one.test, goal.name) or find(one.test, "product")
        if isinstance(spec, SliceTest) or (isinstance(spec, RowTest) and _subsampled(spec)):
            usable.append((one.pvalue, spec))
    return min(usable, key=lambda pair: pair[0])[1] if usable else None


def _subsampled(spec: RowTest) -> bool:
    return not spec.coloured and not spec.exact and spec.most is None


def detectability_effect(found: Detectability) -> Effect:
    """Show the rows that give half a chance of noticing."""
    half = found.thresholds[0]
    note = f"power of {found.test} at level {found.alpha:g} on subsamples of {found.sizes[-1]} rows"
    note += f" and fewer, {found.draws} of each size"
    reached = half.n is not None
    if not reached:
        seen = found.rates[-1] >= 0.5
        side = f"fewer than {found.sizes[0]}" if seen else f"more than {found.sizes[-1]}"
        note = f"{side} rows: {note}"
    return Effect(
        name="detectable-n",
        label=f"Rows at which {found.test} notices in half of the cases",
        value=half.n,
        low=half.low if reached else None,
        high=half.high if reached else None,
        confidence=0.95 if reached else None,
        unit="rows",
        note=note,
    )
