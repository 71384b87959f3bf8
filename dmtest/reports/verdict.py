"""The global p-value and the verdict of a report on one sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dmtest.battery.axes import Axes
from dmtest.battery.one_sample import Battery
from dmtest.calibration.multiplicity import bonferroni, consistent_with, holm
from dmtest.catalogue.unlisted import DEGENERATE, SUPPORT, WORST_DIRECTION
from dmtest.effects.directions.one_sample import Direction
from dmtest.results.equivalence import Equivalence
from dmtest.results.outcome import Outcome
from dmtest.targets.canonical import Canonical

# Weights of the battery, of single columns and principal axes, and of the search over directions;
# where one of them was not run, the others share its weight.
WEIGHTS = (0.7, 0.15, 0.15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """The tests of a report, combined.

    Attributes
    ----------
    outcomes : tuple of Outcome
        Tests of the battery, the search over directions, and the test of the support.
    pvalue : float
        Global, family-wise p-value.
    method : str
        Method behind the global p-value.
    error, floor : float or None
        Its Monte Carlo standard error, where simulated tests decide it, and the smallest value that
        the replicates allow for it.
    adjusted : tuple of float
        Adjusted p-values of the tests; the smallest is the global one.
    """

    outcomes: tuple[Outcome, ...]
    pvalue: float
    method: str
    error: float | None
    floor: float | None
    adjusted: tuple[float, ...]


def combine(
    battery: Battery,
    axes: Axes | None,
    directions: Sequence[Direction],
    canonical: Canonical,
    target: str,
    seed: int,
) -> Combined:
    """Combine the battery with the tests of axes, the search and the test of the support.

    Parameters
    ----------
    battery : Battery
        Tests with their min-p.
    axes : Axes or None
        The test of single columns and principal axes.
    directions : sequence of Direction
        Worst directions, tested on rows that were not used to choose them; may be empty.
    canonical : Canonical
        The sample on normal scale, with the count of values outside the target's support.
    target : str
    seed : int
        Seed of the run.
    """
    outcomes = tuple(battery.outcomes)
    pvalue, method = battery.pvalue, battery.method
    error, floor = battery.error, battery.floor
    parts = [(pvalue, "", WEIGHTS[0], tuple(range(len(outcomes))))]
    if axes is not None:
        place = (len(outcomes),)
        outcomes = (*outcomes, axes.outcome)
        words = "columns and principal axes"
        parts.append((axes.outcome.pvalue, words, WEIGHTS[1], place))
    if directions:
        place = (len(outcomes),)
        search = _search_outcome(directions, canonical, target)
        outcomes = (*outcomes, search)
        parts.append((search.pvalue, "the search over directions", WEIGHTS[2], place))
    among = parts[0][3]
    if len(parts) > 1:
        pvalues, listing, weights, places = zip(*parts, strict=True)
        shares = _shares(weights)
        pvalue = bonferroni(pvalues, shares)
        deciding = min(range(len(parts)), key=lambda k: pvalues[k] / shares[k])
        among = places[deciding]
        # The error is that of the simulated tests, so it counts where they decide.
        error = error / shares[0] if deciding == 0 and error is not None else None
        listed = ", ".join(f"{share:.2g}" for share in shares)
        method += f"; Bonferroni with {' and '.join(listing[1:])}, weights {listed}"
        # The floors of the other parts are smaller.
        floor = None if floor is None else floor / shares[0]
    certain = tuple(certain_outcomes(canonical, target, seed))
    if certain:
        outcomes, pvalue, method = (*certain, *outcomes), 0.0, certain[0].method
        floor = error = None
        among = (0,)
    return Combined(
        outcomes=outcomes,
        pvalue=pvalue,
        method=method,
        floor=floor,
        error=error,
        adjusted=adjusted_pvalues(outcomes, pvalue, among),
    )


def joined(battery: float, axes: float | None, search: float | None) -> float:
    """Join the p-values of the parts of a report at their weights; None where one was not run."""
    parts = zip((battery, axes, search), WEIGHTS, strict=True)
    pvalues, weights = zip(*((p, w) for p, w in parts if p is not None), strict=True)
    return bonferroni(pvalues, _shares(weights))


def _shares(weights: Sequence[float]) -> list[float]:
    """Return the weights of the parts that were run as shares of 1."""
    return [weight / sum(weights) for weight in weights]


def adjusted_pvalues(
    outcomes: Sequence[Outcome], pvalue: float, among: Sequence[int] = ()
) -> tuple[float, ...]:
    """Return Holm's adjusted p-values, made consistent with the global one.

    Parameters
    ----------
    outcomes : sequence of Outcome
    pvalue : float
        The global p-value.
    among : sequence of int
        Places of the tests that decide it; by default all. Of these the one with the strongest
        evidence, the smaller p-value of its mean and of its worst slice, has the global p-value.
    """
    if not outcomes:
        return ()
    adjusted = holm([one.pvalue for one in outcomes])
    places = among or range(len(outcomes))
    leader = min(places, key=lambda j: (_evidence(outcomes[j]), adjusted[j]))
    return tuple(float(p) for p in consistent_with(adjusted, pvalue, leader))


def _evidence(outcome: Outcome) -> float:
    worst = 1.0 if outcome.worst_pvalue is None else outcome.worst_pvalue
    return min(outcome.pvalue, worst)


def certain_outcomes(canonical: Canonical, target: str, seed: int) -> Iterator[Outcome]:
    """Yield exact tests with p-value 0 of what the target gives with probability 0."""
    if canonical.outside:
        text = "exact: the target gives such values with probability 0"
        yield _certain(SUPPORT.name, canonical.outside, text, canonical, target, seed)
    if canonical.degenerate or canonical.collapsed:
        # Equal rows are no sample of any normal law; a singular normal law has constant columns.
        text = "exact: the target gives such columns with probability 0"
        count = canonical.degenerate or canonical.covariance.shape[0]
        yield _certain(DEGENERATE.name, count, text, canonical, target, seed)


def _search_outcome(directions: Sequence[Direction], canonical: Canonical, target: str) -> Outcome:
    """Return the search as a test: its smallest p-value, adjusted for the number of directions."""
    best = min(directions, key=lambda one: one.adjusted)
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
            f"Anderson-Darling along {len(directions)} directions chosen on one half of the rows, "
            f"tested on the other, Holm-adjusted"
        ),
        rows=n - n // 2,
    )


def _certain(
    test: str, count: int, method: str, canonical: Canonical, target: str, seed: int
) -> Outcome:
    """Return the outcome of an exact test with p-value 0."""
    n, d = canonical.rows.shape
    return Outcome(
        test=test,
        statistic=float(count),
        pvalue=0.0,
        target=target,
        n=n,
        d=d,
        family=SUPPORT.family,
        method=method,
        seed=seed,
        rows=n,
    )


def verdict_of(rejected: bool, equivalence: Equivalence | None) -> str:
    """Return the verdict; bounds within the tolerance decide it, whatever the p-value."""
    if equivalence is not None and equivalence.holds:
        return "equivalent"
    if rejected:
        return "mismatch"
    return "compatible" if equivalence is None else "inconclusive"
