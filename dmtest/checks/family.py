"""The tests of a check that share permutations of the pooled rows: one p-value for all of them.

Half of the tests ask whether the two samples differ, the others whether the fresh one departs
further from the target. They are calibrated together (single-step min-p; Westfall & Young 1993), so
that a fresh sample of the same encoder rejects any of them with a probability of at most the level,
at any n, for any distribution.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from dmtest.calibration.permutation import ROUNDING, permute
from dmtest.catalogue.registry import pool_tests
from dmtest.checks.changes import Change, moment_changes, repeat_change, shape_change
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import Progress
from dmtest.runtime.typing import Vector

T = TypeVar("T")

# Multiply-adds of a test of all pairs and its permutations: about four seconds on two cores.
BUDGET = 1e11
# Permutations of the first looks, and the p-value above which a look is the last.
LOOKS, CLEAR = (199, 999), 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Adjusted p-values of the tests of a check that share permutations.

    Attributes
    ----------
    changes : tuple of Change
        How much further the fresh sample departs, by kind of entry.
    adjusted : dict of str to float
        P-value of each test, adjusted for all of them.
    two_sided : tuple of str
        The tests that ask whether the samples differ.
    replicates : int
        Permutations.
    """

    changes: tuple[Change, ...]
    adjusted: dict[str, float]
    two_sided: tuple[str, ...]
    replicates: int

    def best(self, names: Sequence[str]) -> tuple[str, float]:
        """Return the test with the smallest adjusted p-value among some, and this p-value."""
        name = min(names, key=self.adjusted.__getitem__)
        return name, self.adjusted[name]


def family_of(
    raw: Pool,
    normal: Pool,
    names: Sequence[str] | None,
    *,
    moments: bool,
    shape: bool,
    level: float,
    progress: Progress | None = None,
) -> Family:
    """Run the tests of two samples that share permutations.

    Parameters
    ----------
    raw : Pool
        Fresh rows and rows of the baseline, as they are.
    normal : Pool
        The same rows on normal scale.
    names : sequence of str, optional
        Names of the columns.
    moments, shape : bool
        Whether the target fixes means and covariances, and shapes of columns.
    level : float
        Level of all tests together.
    progress : callable, optional
        Called with (what, done, total).
    """

    def run(replicates: int) -> Family:
        details = permute(
            raw,
            pool_tests(None),
            {},
            replicates=replicates,
            slices=None,
            budget=BUDGET,
            progress=progress,
        )
        count = min(one.replicates for one in details.values())
        labels = Labels(raw.n, raw.m, replicates, raw.seed).fewer(count)
        changes = moment_changes(normal, labels, names) if moments else []
        if shape:
            changes.append(shape_change(normal, labels, names))
        repeats = repeat_change(raw, labels)
        if repeats is not None:
            changes.append(repeats)
        badness = {name: one.drawn.badness[: count + 1] for name, one in details.items()}
        rounding = {name: one.drawn.rounding for name, one in details.items()}
        badness |= {one.name: one.badness for one in changes}
        return Family(
            changes=tuple(changes),
            adjusted=single_step(badness, rounding),
            two_sided=tuple(details),
            replicates=count,
        )

    return in_looks(run, lambda found: min(found.adjusted.values()), level)


def in_looks(run: Callable[[int], T], pvalue: Callable[[T], float], level: float) -> T:
    """Run with few permutations, and with as many as the level needs unless p is clearly large.

    Only the last look can reject, so the level holds. A test at `level` that would reject with all
    permutations has a p-value above CLEAR with few of them only by a deviation of many standard
    errors.
    """
    last = max(LOOKS[-1], int(np.ceil(10.0 / level)) - 1)
    for look in LOOKS:
        found = run(look)
        if look == last or (pvalue(found) > CLEAR and level < 0.5 * CLEAR):
            return found
    return run(last)


def single_step(
    badness: dict[str, Vector], rounding: dict[str, float] | None = None
) -> dict[str, float]:
    """Adjust the p-values of tests for all of them, from statistics under common labellings.

    Parameters
    ----------
    badness : dict of str to ndarray, shape (1 + replicates, c)
        Statistics of each test, larger is worse; the observed labelling first.
    rounding : dict of str to float, optional
        Largest rounding errors.

    Returns
    -------
    dict of str to float
        The share of labellings with a p-value, in any test, as small as that of the test. A p-value
        is a rank here, so the smallest one is frequent: the distance from the mean of all
        labellings, in standard deviations, breaks ties.
    """
    ranks: dict[str, Vector] = {}
    distances: dict[str, Vector] = {}
    for name, columns in badness.items():
        step = ROUNDING * np.abs(columns).max(axis=0) + (rounding or {}).get(name, 0.0)
        rounded = np.round(columns / np.where(step > 0.0, step, 1.0))
        ranks[name] = np.stack([_ranks(column) for column in rounded.T], axis=1).min(axis=1)
        spread = rounded.std(axis=0)
        away = (rounded - rounded.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
        distances[name] = away.max(axis=1)
    smallest = np.min(list(ranks.values()), axis=0)
    farthest = np.max(list(distances.values()), axis=0)
    return {
        name: float(
            np.mean((smallest < own[0]) | ((smallest == own[0]) & (farthest >= distances[name][0])))
        )
        for name, own in ranks.items()
    }


def _ranks(column: Vector) -> Vector:
    """P-values of all labellings, each among all of them."""
    above = len(column) - np.searchsorted(np.sort(column), column, side="left")
    return np.asarray(above / len(column))
