"""Parts of a report beside its tests: directions, profile, certificate, power, effects, facts."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmtest._version import __version__
from dmtest.battery.one_sample import Battery, run_battery
from dmtest.battery.plan import Plan
from dmtest.battery.ranks import RankTests, joined, merged_battery, run_ranks
from dmtest.catalogue.registry import TESTS, describe, find
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.data.sample import Sample
from dmtest.effects.alignment import pair_estimates
from dmtest.effects.decomposition import density_estimates
from dmtest.effects.detectability import Detectability, detectability_effect, detectability_of
from dmtest.effects.directions import Direction, directions_of
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.profile import (
    FEWEST_PROFILE,
    PROFILE_ROWS,
    KLProfile,
    profile_effect,
    profile_of,
    upper_bound,
)
from dmtest.effects.shape import shape_estimates
from dmtest.effects.wasserstein import describe_slices, sliced_estimates
from dmtest.errors import InputError
from dmtest.results.effect_table import Estimates, effects_of
from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.results.provenance import Description, Provenance
from dmtest.runtime.parallel import Progress
from dmtest.targets.canonical import Canonical
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import Target

# Most rows of density estimates in a report, and of its search for directions.
SHAPE_ROWS, SEARCH_ROWS = 4000, 20_000
DIRECTIONS, FEWEST_SEARCH, ROWS_PER_COLUMN = 3, 200, 4
# Subsamples of each size in a report, and rows of the largest.
DRAWS, TOP = 50, 2048


@dataclass(frozen=True, slots=True)
class Certificate:
    """A tolerance and the bound that it is compared with, in nats.

    Attributes
    ----------
    tolerance, high : float
        `high` is the one-sided confidence bound of level 1 - alpha.
    lower : float
        Lower end of the bracket of the smoothed divergence.
    n : int
        Rows that were used.
    """

    tolerance: float
    high: float
    lower: float
    n: int

    @property
    def holds(self) -> bool:
        """Whether the bound certifies a divergence of at most the tolerance."""
        return self.high <= self.tolerance

    def rows_needed(self) -> int | None:
        """Extrapolate the rows that would certify the tolerance; None if no number would.

        The bound less `lower` is taken to shrink as 1 / sqrt(n).
        """
        room = self.tolerance - self.lower
        if self.holds or room <= 0.0 or not np.isfinite(self.high):
            return None
        return int(np.ceil(self.n * ((self.high - self.lower) / room) ** 2))


def ranks_section(
    sample: Sample, target: Ranks, specs: tuple[OneSampleTest, ...], plan: Plan
) -> tuple[tuple[OneSampleTest, ...], Battery, RankTests]:
    """Return the tests of the cube that were run, the battery with the tests of ranks, and these.

    The tests of the cube ask whether columns are independent, so they are run on request only.
    """
    ranked = run_ranks(sample, target, plan)
    if not target.independent or sample.d == 1:
        specs = ()
        battery = run_battery(target.canonical(sample), specs, plan, describe_slices())
    else:
        battery = merged_battery(sample, target, specs, plan, describe_slices())
    return specs, joined(ranked, battery), ranked


def findings_about(sample: Sample, target: Target) -> tuple[Finding, ...]:
    """Return the findings about a sample that its target does not explain."""
    natural = ("integer-data", "duplicate-rows") if isinstance(target, Ranks) else ()
    return tuple(finding for finding in sample.findings if finding.code not in natural)


def directions_section(canonical: Canonical, replicates: int, seed: int) -> list[Direction]:
    """Return the worst directions; none where half of the rows are too few for a search."""
    n, d = canonical.rows.shape
    if d < 2 or n < max(FEWEST_SEARCH, ROWS_PER_COLUMN * d) or canonical.unit is not None:
        return []
    return directions_of(canonical, DIRECTIONS, replicates, seed, rows=SEARCH_ROWS)


def profile_section(
    canonical: Canonical,
    target: str,
    tolerance: float | None,
    seed: int,
    progress: Progress | None,
) -> KLProfile | None:
    """Return the profile of the divergence after noise; None for few rows or a sphere."""
    if len(canonical.rows) < FEWEST_PROFILE or canonical.unit is not None:
        return None
    rows = None if tolerance is not None else PROFILE_ROWS
    return profile_of(canonical, target, rows=rows, seed=seed, progress=progress)


def certificate_section(
    canonical: Canonical,
    profile: KLProfile | None,
    target: str,
    *,
    tolerance: float | None,
    alpha: float,
    seed: int,
) -> Certificate | None:
    """Return the certificate of a tolerance; None without a tolerance.

    Raises
    ------
    InputError
        If there is a tolerance but no profile to compare it with.
    """
    if tolerance is None:
        return None
    if profile is None:
        raise InputError(
            f"tolerance: n = {len(canonical.rows)} rows cannot certify anything for target "
            f"{target!r}; this needs 128 rows and a target other than the sphere."
        )
    return certify(canonical, profile, tolerance, alpha, seed)


def certify(
    canonical: Canonical, profile: KLProfile, tolerance: float, alpha: float, seed: int
) -> Certificate:
    """Bound the divergence at the default noise from above, with confidence 1 - alpha."""
    point = profile.point
    high = upper_bound(canonical, point.noise, profile.batch, alpha, seed)
    # Values outside the support are at an infinite divergence from the target.
    high = np.inf if canonical.impossible else high
    return Certificate(tolerance, high, point.lower, profile.n)


def detectability_section(
    sample: Sample,
    target: Target,
    outcomes: Sequence[Outcome],
    *,
    alpha: float,
    seed: int,
    progress: Progress | None,
) -> Detectability | None:
    """Return the power on subsamples of the test with the smallest p-value; None without one."""
    if sample.n // 2 < 2 * max(20, sample.d) or target.name == "sphere":
        return None
    spec = most_telling(outcomes, target)
    if spec is None:
        return None
    return detectability_of(
        sample,
        target,
        spec,
        alpha=alpha,
        top=TOP,
        draws=DRAWS,
        replicates=199,
        seed=seed,
        progress=progress,
    )


def most_telling(outcomes: Sequence[Outcome], target: Target) -> OneSampleTest | None:
    """Return the test with the smallest p-value among those that can be run on subsamples."""
    usable: list[tuple[float, OneSampleTest]] = []
    for one in outcomes:
        spec = find(one.test, target.name) or find(one.test, "product")
        if isinstance(spec, SliceTest) or (isinstance(spec, RowTest) and _runs_on_subsamples(spec)):
            usable.append((one.pvalue, spec))
    return min(usable, key=lambda pair: pair[0])[1] if usable else None


def _runs_on_subsamples(spec: RowTest) -> bool:
    return not spec.coloured and not spec.exact and spec.most is None


def estimates_section(canonical: Canonical, battery: Battery, seed: int) -> Estimates:
    """Estimate the departures of one sample, from independent rows.

    Parameters
    ----------
    canonical : Canonical
        The sample on normal scale, shape (n, d).
    battery : Battery
        Its tests, with the directions of the slices.
    seed : int
        Seed of the null behind the bias of a distance, and of density estimates.
    """
    estimates = {} if canonical.fitted else gaussian_estimates(canonical)
    estimates |= density_section(canonical, seed)
    return estimates | sliced_estimates(canonical, battery, seed) | shape_estimates(canonical)


def effects_section(
    estimates: Estimates,
    *,
    profile: KLProfile | None,
    power: Detectability | None,
    pairs: tuple[Sample, Sample] | None,
    seed: int,
) -> dict[str, Effect]:
    """Return all effects of one sample by name, in the order of the report.

    Parameters
    ----------
    estimates : dict of EffectRow to Estimate
        The departures.
    profile : KLProfile or None
        The divergence after noise.
    power : Detectability or None
        Power on subsamples.
    pairs : (Sample, Sample) or None
        The sample and its augmentations, positive pairs row by row.
    seed : int
        Seed of the rows of the uniformity.
    """
    effects = [] if profile is None else [profile_effect(profile)]
    effects += effects_of(estimates).values()
    if power is not None:
        effects.append(detectability_effect(power))
    if pairs is not None:
        effects += effects_of(pair_estimates(pairs[0].x, pairs[1].x, seed)).values()
    return {effect.name: effect for effect in effects}


def density_section(canonical: Canonical, seed: int) -> Estimates:
    """Estimate the parts of the divergence that need densities; rows on a sphere have none."""
    if canonical.unit is not None:
        return {}
    return density_estimates(canonical, seed, rows=SHAPE_ROWS)


def provenance_of(
    sample: Sample, outcomes: Sequence[Outcome], target: str, started: float
) -> Provenance:
    """Return the facts common to all runs; `started` is its time by ``time.perf_counter``."""
    described = describe((o.test for o in outcomes), target)
    return Provenance(
        source=sample.source,
        dtype=sample.dtype,
        groups=None if sample.groups is None else sample.groups.count,
        tests=tuple(o.test for o in outcomes if o.test in TESTS),
        described={name: Description(**row) for name, row in described.items()},
        version=__version__,
        numpy=np.__version__,
        seconds=round(time.perf_counter() - started, 3),
        created=dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    )
