"""What a report says beside its verdict: effects, bounds, and the numbers behind figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dmtest.battery.one_sample import Battery
from dmtest.battery.plan import Plan
from dmtest.data.sample import Sample
from dmtest.effects.coordinates import Coordinates, describe_coordinates
from dmtest.effects.detectability import LARGEST, MOST_BLOCKS
from dmtest.effects.directions.one_sample import Direction
from dmtest.effects.profile import PROFILE_ROWS
from dmtest.reports import sections
from dmtest.reports.equivalence import Question, equivalence_section
from dmtest.reports.pictures.one_sample import sample_figures
from dmtest.results.effect_table import Estimates
from dmtest.results.equivalence import Equivalence
from dmtest.results.figures import NO_FIGURES, Figures
from dmtest.results.outcome import Effect
from dmtest.targets.canonical import Canonical
from dmtest.targets.targets import Target


@dataclass(frozen=True, slots=True)
class Limits:
    """Most rows of steps that are of some rows alone.

    Attributes
    ----------
    profile, margins, block : int
        Most rows of the profile, of the divergences of margins, and of a block.
    blocks : int
        Most blocks of a size.
    """

    profile: int = PROFILE_ROWS
    margins: int = sections.MARGIN_ROWS
    block: int = LARGEST
    blocks: int = MOST_BLOCKS


@dataclass(frozen=True, slots=True)
class Measures:
    """Effects, bounds and figures; nothing where only the verdict is wanted."""

    effects: dict[str, Effect] = field(default_factory=dict)
    equivalence: Equivalence | None = None
    figures: Figures = NO_FIGURES
    coordinates: Coordinates | None = None

    @property
    def rows_in_pictures(self) -> int | None:
        """Rows behind the histograms."""
        return None if self.coordinates is None else self.coordinates.m


def measure(
    canonical: Canonical,
    sample: Sample,
    target: Target,
    plan: Plan,
    battery: Battery,
    *,
    directions: Sequence[Direction],
    tests: Sequence[str] | None,
    alpha: float,
    question: Question | None,
    estimates: Callable[[], Estimates],
    bounded: Callable[[], Estimates] | None = None,
    augmented: Sample | None = None,
    limits: Limits | None = None,
) -> Measures:
    """Measure effects with their intervals, answer the question, and fill the figures.

    Parameters
    ----------
    canonical : Canonical
        Independent rows on normal scale, shape (n, d).
    sample : Sample
        The same rows as they came.
    target : Target
    plan : Plan
    battery : Battery
        The tests, with the directions of the slices.
    directions : sequence of Direction
        Directions that were searched for.
    tests : sequence of str or None
        Names of the tests; None for the default battery.
    alpha : float
        Level of the verdict.
    question : Question or None
        The tolerances.
    estimates : callable
        Returns the estimates of the departures.
    bounded : callable, optional
        Returns those of the rows that `question` is about, if they are others.
    augmented : Sample, optional
        Positive pairs of the rows.
    limits : Limits, optional
    """
    limits = limits or Limits()
    name, seed, names = target.name, plan.seed, sample.names

    # Bound the divergence after noise from both sides.
    profile = sections.profile_section(canonical, name, seed, plan.progress, rows=limits.profile)

    # Count the rows that the battery needs, on disjoint blocks.
    power = sections.detectability_section(
        sample, target, plan, tests, alpha, largest=limits.block, most=limits.blocks
    )

    # Measure the effects, and compare upper bounds with the tolerances.
    found = estimates()
    equivalence = equivalence_section(
        question,
        sample,
        target,
        canonical,
        plan,
        estimates=found if question is None or bounded is None else bounded(),
        slices=battery.directions,
        directions=directions,
        tests=tests,
    )
    margin = sections.margins_section(
        canonical, names, battery.directions, directions, seed, most=limits.margins
    )
    effects = sections.effects_section(
        found,
        margin=margin,
        profile=profile,
        power=power,
        pairs=None if augmented is None else (sample, augmented),
        scaled=None if canonical.fitted or canonical.unit is not None else sample.d,
        seed=seed,
    )

    # Compute the numbers behind the figures.
    rows = sample.x if target.fitted else canonical.rows
    coordinates = describe_coordinates(rows, target.fitted)
    figures = sample_figures(
        canonical,
        battery,
        sample.x,
        names,
        coordinates=coordinates,
        directions=directions,
        profile=profile,
        power=power,
        seed=seed,
    )
    return Measures(effects, equivalence, figures, coordinates)
