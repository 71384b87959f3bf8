"""The global p-value and the verdict of a report on one sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dmtest.battery.axes import Axes
from dmtest.battery.one_sample import Battery
from dmtest.calibration.multiplicity import bonferroni
from dmtest.catalogue.unlisted import SUPPORT, WORST_DIRECTION
from dmtest.effects.directions import Direction
from dmtest.reports.sections import Certificate
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
    """

    outcomes: tuple[Outcome, ...]
    pvalue: float
    method: str
    error: float | None
    floor: float | None


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
    parts = [(pvalue, "", WEIGHTS[0])]
    if axes is not None:
        outcomes = (*outcomes, axes.outcome)
        parts.append((axes.outcome.pvalue, "columns and principal axes", WEIGHTS[1]))
    if directions:
        search = _search_outcome(directions, canonical, target)
        outcomes = (*outcomes, search)
        parts.append((search.pvalue, "the search over directions", WEIGHTS[2]))
    if len(parts) > 1:
        pvalues, words, weights = zip(*parts, strict=True)
        shares = [weight / sum(weights) for weight in weights]
        pvalue = bonferroni(pvalues, shares)
        listed = ", ".join(f"{share:.2g}" for share in shares)
        method += f"; Bonferroni with {' and '.join(words[1:])}, weights {listed}"
        # The other parts are not simulated, and their floors are smaller.
        decided = battery.pvalue / shares[0] <= pvalue
        error = error / shares[0] if decided and error is not None else None
        floor = None if floor is None else floor / shares[0]
    if canonical.outside:
        support = _support_outcome(canonical, target, seed)
        outcomes, pvalue, method = (support, *outcomes), support.pvalue, support.method
        error = None
    return Combined(outcomes=outcomes, pvalue=pvalue, method=method, error=error, floor=floor)


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


def _support_outcome(canonical: Canonical, target: str, seed: int) -> Outcome:
    """Return the outcome of values outside the support: an exact test with p-value 0."""
    n, d = canonical.rows.shape
    return Outcome(
        test=SUPPORT.name,
        statistic=float(canonical.outside),
        pvalue=0.0,
        target=target,
        n=n,
        d=d,
        family=SUPPORT.family,
        method="exact: the target gives such values with probability 0",
        seed=seed,
        rows=n,
    )


def verdict_of(rejected: bool, certificate: Certificate | None) -> str:
    """Return the verdict; a certified tolerance decides it, whatever the p-value."""
    if certificate is not None and certificate.holds:
        return "equivalent"
    if rejected:
        return "mismatch"
    return "compatible" if certificate is None else "inconclusive"
