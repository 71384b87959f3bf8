"""Parts of a report on rows that come in groups, such as views of one item."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dmtest.battery.one_sample import run_battery
from dmtest.battery.plan import Plan
from dmtest.data.sample import Sample, one_row_each
from dmtest.effects.directions.one_sample import Direction
from dmtest.effects.gaussian import PARTS, gaussian_estimates
from dmtest.effects.groups import DRAWS, average_estimates, with_note
from dmtest.effects.wasserstein import describe_slices
from dmtest.errors import InputError
from dmtest.reports.sections import estimates_section
from dmtest.results.effect_table import Estimates
from dmtest.targets.targets import Target


def grouped_estimates(sample: Sample, target: Target, plan: Plan, first: Estimates) -> Estimates:
    """Estimate the departures of a sample in groups, with errors that allow for them.

    Parameters
    ----------
    sample : Sample
        All rows, with their groups.
    target : Target
    plan : Plan
        That of the tests: the directions of slices are the same in every draw.
    first : dict of EffectRow to Estimate
        Estimates from the first draw of one row of each group.
    """
    groups = sample.groups
    assert groups is not None
    draws = [first]
    for number in range(1, min(DRAWS, groups.largest)):
        canonical = target.canonical(one_row_each(sample, plan.seed, number))
        battery = run_battery(canonical, (), plan, describe_slices())
        draws.append(estimates_section(canonical, battery, plan.seed))
    averaged = average_estimates(draws)
    canonical = target.canonical(sample)
    if canonical.fitted:
        return averaged
    moments = gaussian_estimates(canonical, groups=groups)
    note = f"all {sample.n:,} rows, errors from the sums over {groups.count:,} groups"
    names = {row.name for row in PARTS}
    others = {row: one for row, one in averaged.items() if row.name not in names}
    return with_note(moments, note) | others


def paired_rows(sample: Sample, augmented: Sample, seed: int) -> Sample:
    """Return the pairs of the rows that :func:`one_row_each` draws from the sample.

    Raises
    ------
    InputError
        If there are groups, and not one pair for each row.
    """
    if sample.groups is None:
        return augmented
    if augmented.n != sample.n:
        raise InputError(
            f"augmented: has {augmented.n} rows for data of {sample.n}; row i of it has to be "
            f"f(X') of row i of the data."
        )
    return one_row_each(replace(augmented, groups=sample.groups), seed)


def rows_of_file(directions: Sequence[Direction], sample: Sample, seed: int) -> list[Direction]:
    """Number the rows of directions as in the sample, not as in the draw of its groups."""
    if sample.groups is None:
        return list(directions)
    places = sample.groups.draw(seed)
    return [replace(one, rows=tuple(int(places[i]) for i in one.rows)) for one in directions]
