"""What a report says of distance: profile, decomposition, worst directions, detectability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmtest.catalogue.registry import find
from dmtest.catalogue.spec import Spec
from dmtest.data.sample import Sample
from dmtest.effects.decomposition import density_estimates
from dmtest.effects.detectability import Detectability, detectability_of
from dmtest.effects.directions import Direction, directions_of
from dmtest.effects.profile import (
    FEWEST_PROFILE,
    PROFILE_ROWS,
    KLProfile,
    profile_of,
    upper_bound,
)
from dmtest.results.effect_table import Estimates
from dmtest.results.outcome import Outcome
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
    "direction_outcome",
    "most_telling",
    "noticed",
    "searched",
    "shapes",
    "smoothed",
]

# Rows that a report gives to the parts that take density estimates, and to the search.
SHAPE_ROWS, SEARCH_ROWS = 4000, 20_000
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


def shapes(canonical: Canonical, seed: int) -> Estimates:
    """Estimate the parts of the divergence that take densities; rows on a sphere have none."""
    if canonical.unit is not None:
        return {}
    return density_estimates(canonical, seed, rows=SHAPE_ROWS)


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
        test="worst-direction",
        statistic=best.statistic,
        pvalue=best.adjusted,
        target=target,
        n=n,
        d=d,
        family="search",
        method=(
            f"Anderson-Darling along {len(found)} directions chosen on one half of the rows, "
            f"tested on the other, Holm-adjusted"
        ),
    )


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


def most_telling(outcomes: Sequence[Outcome], goal: Target) -> Spec | None:
    """Find the test with the smallest p-value among those that subsamples can be given to."""
    specs = {one.test: find(one.test, goal.name) or find(one.test, "product") for one in outcomes}
    usable = [one for one in outcomes if _usable(specs[one.test])]
    return specs[min(usable, key=lambda one: one.pvalue).test] if usable else None


def _usable(spec: Spec | None) -> bool:
    return spec is not None and not spec.coloured and not spec.exact and spec.most is None
