"""Parts of a report beside its tests: directions, profile, power, effects, facts."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from dmtest._version import __version__
from dmtest.battery.one_sample import Battery, run_battery
from dmtest.battery.plan import Plan
from dmtest.battery.ranks import RankTests, joined, merged_battery, run_ranks
from dmtest.catalogue.registry import TESTS, describe, find
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest, Spec
from dmtest.data.sample import Sample
from dmtest.effects.alignment import pair_estimates
from dmtest.effects.coordinates import margins_effect, margins_of
from dmtest.effects.decomposition import density_estimates
from dmtest.effects.detectability import (
    LARGEST,
    MOST_BLOCKS,
    Detectability,
    detectability_effect,
    detectability_of,
)
from dmtest.effects.directions.one_sample import Direction, directions_of
from dmtest.effects.gaussian import PARTS, gaussian_estimates
from dmtest.effects.profile import (
    FEWEST_PROFILE,
    PROFILE_ROWS,
    KLProfile,
    profile_effect,
    profile_of,
)
from dmtest.effects.shape import shape_estimates
from dmtest.effects.wasserstein import describe_slices, sliced_estimates, sliced_yardsticks
from dmtest.results.effect_table import SLICED_WASSERSTEIN, Estimates, effects_of
from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.results.provenance import Description, Provenance
from dmtest.runtime.parallel import Progress
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import Target

# Most rows of density estimates in a report, and of its search for directions.
SHAPE_ROWS, SEARCH_ROWS = 4000, 20_000
DIRECTIONS, FEWEST_SEARCH, ROWS_PER_COLUMN = 3, 200, 4
# Most rows of the divergences of margins, and confidence of their limits.
MARGIN_ROWS, CONFIDENCE = 1 << 16, 0.95
# Most replicates of a null that is simulated for blocks of rows.
BLOCK_REPLICATES = 199


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
    seed: int,
    progress: Progress | None,
    rows: int = PROFILE_ROWS,
) -> KLProfile | None:
    """Return the profile of the divergence after noise; None for few rows or a sphere."""
    if len(canonical.rows) < FEWEST_PROFILE or canonical.unit is not None:
        return None
    return profile_of(canonical, target, rows=rows, seed=seed, progress=progress)


def detectability_section(
    sample: Sample,
    target: Target,
    plan: Plan,
    names: Sequence[str] | None,
    alpha: float,
    largest: int = LARGEST,
    most: int = MOST_BLOCKS,
) -> Detectability | None:
    """Return the power on disjoint blocks; None for few rows, or without a test for them.

    Parameters
    ----------
    sample : Sample
    target : Target
    plan : Plan
    names : sequence of str or None
        Tests of the report; None for the default battery.
    alpha : float
        Level of the battery.
    largest, most : int
        Most rows of a block, and most blocks of one size.
    """
    if names is not None:
        specs = [find(name, target.name) or find(name, "product") for name in names]
        names = [spec.name for spec in specs if spec is not None and _runs_on_blocks(spec)]
        if not names or target.name == "sphere":
            return None
    plan = replace(plan, replicates=min(plan.replicates, BLOCK_REPLICATES), params={})
    return detectability_of(
        sample, target, plan, tests=names, alpha=alpha, most=most, largest=largest
    )


def _runs_on_blocks(spec: Spec) -> bool:
    if isinstance(spec, RowTest):
        return not spec.coloured and spec.most is None
    return isinstance(spec, SliceTest)


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


def margins_section(
    canonical: Canonical,
    names: Sequence[str] | None,
    slices: Vector | None,
    directions: Sequence[Direction],
    seed: int,
    most: int = MARGIN_ROWS,
) -> Effect | None:
    """Return the largest divergence of a column, slice or direction; None on a sphere."""
    if canonical.unit is not None:
        return None
    searched = np.array([one.direction for one in directions]) if directions else None
    margins = margins_of(
        canonical,
        names,
        slices,
        searched,
        alpha=0.5 * (1.0 - CONFIDENCE),
        seed=seed,
        most=most,
    )
    return margins_effect(margins, CONFIDENCE)


def effects_section(
    estimates: Estimates,
    *,
    margin: Effect | None,
    profile: KLProfile | None,
    power: Detectability | None,
    pairs: tuple[Sample, Sample] | None,
    scaled: int | None,
    seed: int,
) -> dict[str, Effect]:
    """Return all effects of one sample by name, in the order of the report.

    The first are how far the sample is in its moments, in its margins and as a whole, and how many
    rows it takes to detect that.

    Parameters
    ----------
    estimates : dict of EffectRow to Estimate
        The departures, those of the fitted normal first.
    margin : Effect or None
        The largest divergence of a margin.
    profile : KLProfile or None
        The divergence after noise.
    power : Detectability or None
        Power on disjoint blocks.
    pairs : (Sample, Sample) or None
        The sample and its augmentations, positive pairs row by row.
    scaled : int or None
        Number of columns, if their means and variances have to be 0 and 1.
    seed : int
        Seed of the rows of the uniformity.
    """
    moments = {row: one for row, one in estimates.items() if row in PARTS}
    effects = list(effects_of(moments).values())
    if margin is not None:
        effects.append(margin)
    if profile is not None:
        effects.append(profile_effect(profile))
    if power is not None:
        effects.append(detectability_effect(power))
    effects += effects_of({row: one for row, one in estimates.items() if row not in PARTS}).values()
    if pairs is not None:
        effects += effects_of(pair_estimates(pairs[0].x, pairs[1].x, seed)).values()
    found = {effect.name: effect for effect in effects}
    if scaled is not None and SLICED_WASSERSTEIN.name in found:
        marks = sliced_yardsticks(scaled)
        sliced = replace(found[SLICED_WASSERSTEIN.name], yardsticks=marks)
        found[SLICED_WASSERSTEIN.name] = sliced
    return found


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
