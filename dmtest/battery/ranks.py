"""Exact tests of ranks, column by column, and the tests of the cube merged over randomisations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.battery.one_sample import Battery, Extras, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration.multiplicity import bonferroni, mean_merge, monte_carlo_error
from dmtest.catalogue.spec import OneSampleTest
from dmtest.catalogue.unlisted import RANK_TESTS
from dmtest.data.sample import Sample
from dmtest.results.outcome import Outcome
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics import counts as statistics
from dmtest.statistics.counts import Cells
from dmtest.targets.ranks import Ranks

# Multinomial samples behind the p-values: more for many columns, whose p-values are multiplied by
# their number. Drawing them and comparing 1,000 x 8 ranks with them takes a tenth of a second.
FEWEST, MOST, EACH = 9999, 99_999, 200
# Randomisations that p-values of the cube are merged over.
RANDOMISATIONS = 10
# Weights of the tests of the columns, and of the cube.
WEIGHTS = (0.5, 0.5)
FUNCTIONS = (
    statistics.rank_mean,
    statistics.rank_spread,
    statistics.rank_anderson_darling,
    statistics.rank_chi_squared,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RankTests:
    """Tests of the columns of a sample of ranks.

    Attributes
    ----------
    outcomes : tuple of Outcome
        One for each test: the smallest p-value over the columns, times their number.
    pvalue : float
        P-value of all tests and columns together.
    columns : ndarray, shape (d,)
        P-value of every column, over the tests.
    counts : ndarray of int, shape (d, cells)
    cells : Cells
    method : str
    replicates : int
    """

    outcomes: tuple[Outcome, ...]
    pvalue: float
    columns: Vector
    counts: NDArray[np.intp]
    cells: Cells
    method: str
    replicates: int


def run_ranks(sample: Sample, target: Ranks, plan: Plan) -> RankTests:
    """Test the counts of every column against the multinomial law, exactly.

    Within a column the tests are combined by min-p over joint replicates; over columns by
    Bonferroni's inequality, which holds whatever the dependence between columns.
    """
    n, d = sample.n, sample.d
    cells = Cells.of(target.draws, n)
    counts = cells.counts(target.ranks(sample))
    replicates = min(max(FEWEST, EACH * d - 1), MOST)
    observed = _statistics(counts, cells)
    null = _null(target.draws, n, replicates, plan.seed)
    single, columns = _pvalues(np.abs(observed), null)
    method = f"monte carlo, {replicates} multinomial samples, exact at any n"
    method += f"; Bonferroni over {d} columns" if d > 1 else ""
    outcomes = []
    for j, row in enumerate(RANK_TESTS):
        worst = int(np.lexsort((-np.abs(observed[:, j]), single[:, j]))[0])
        pvalue = float(single[worst, j])
        outcomes.append(
            Outcome(
                test=row.name,
                statistic=float(observed[worst, j]),
                pvalue=min(1.0, d * pvalue),
                target=target.name,
                n=n,
                d=d,
                family=row.family,
                method=method,
                replicates=replicates,
                pvalue_error=d * monte_carlo_error(pvalue, replicates),
                seed=plan.seed,
            )
        )
    return RankTests(
        outcomes=tuple(outcomes),
        pvalue=bonferroni(columns),
        columns=columns,
        counts=counts,
        cells=cells,
        method=f"min-p over the tests of a column, {method}",
        replicates=replicates,
    )


@lru_cache(maxsize=4)
def _null(draws: int, n: int, replicates: int, seed: int) -> Vector:
    """Statistics of multinomial samples, larger is worse: shape (replicates, tests)."""
    cells = Cells.of(draws, n)
    counts = stream(seed, "ranks/null").multinomial(n, cells.probability, size=replicates)
    return np.abs(_statistics(counts, cells))


def _statistics(counts: NDArray[Any], cells: Cells) -> Vector:
    return np.stack([function(counts, cells) for function in FUNCTIONS], axis=1)


def _pvalues(observed: Vector, null: Vector) -> tuple[Vector, Vector]:
    """Return p-values of d columns: of every statistic (d, tests), and of their min-p (d,).

    Each column is ranked together with the replicates, as in :func:`min_p`; ranks within the
    replicates are computed once for all columns.
    """
    total = len(null) + 1
    ordered = list(np.sort(null, axis=0).T)
    worse = np.stack([_worse(o, v) for o, v in zip(ordered, null.T, strict=True)], axis=1)
    single, joint = np.empty(observed.shape), np.empty(len(observed))
    for i, values in enumerate(observed):
        own = 1 + np.array([_worse(o, v) for o, v in zip(ordered, values, strict=True)])
        ranks = worse + (values >= null)
        smallest, spread = ranks.min(axis=1), np.log(ranks).sum(axis=1)
        tied = (smallest == own.min()) & (spread <= np.log(own).sum() + 1e-9)
        single[i] = own / total
        joint[i] = (1 + np.count_nonzero((smallest < own.min()) | tied)) / total
    return single, joint


def _worse(ordered: Vector, values: Vector | float) -> NDArray[np.intp]:
    """Count the replicates, in order, that are at least as large as each value."""
    return np.asarray(len(ordered) - np.searchsorted(ordered, values, side="left"))


def joined(tests: RankTests, battery: Battery) -> Battery:
    """Return a battery with the tests of ranks first; p-values combine by Bonferroni."""
    pvalue, method = tests.pvalue, tests.method
    floor = len(tests.columns) / (tests.replicates + 1.0)
    error = len(tests.columns) * monte_carlo_error(float(tests.columns.min()), tests.replicates)
    if battery.outcomes:
        pvalue = bonferroni([pvalue, battery.pvalue], WEIGHTS)
        method += f"; Bonferroni with the tests of the cube ({battery.method}), weights "
        method += "{:g} and {:g}".format(*WEIGHTS)
        floor /= WEIGHTS[0]
        error /= WEIGHTS[0]
    return replace(
        battery,
        outcomes=[*tests.outcomes, *battery.outcomes],
        pvalue=pvalue,
        error=error,
        method=method,
        floor=min(1.0, floor),
    )


def merged_battery(
    sample: Sample, target: Ranks, specs: Sequence[OneSampleTest], plan: Plan, extras: Extras
) -> Battery:
    """Run tests of the cube on several randomisations, and merge: twice the mean p-value.

    The statistics shown are those of the first randomisation.
    """
    first = run_battery(target.canonical(sample), specs, plan, extras)
    rest = [
        run_battery(target.randomised(target.randomisation + k).canonical(sample), specs, plan)
        for k in range(1, RANDOMISATIONS)
    ]
    note = f"; twice the mean over {RANDOMISATIONS} randomisations"
    outcomes = [
        replace(
            one,
            pvalue=mean_merge([one.pvalue, *(other.outcomes[j].pvalue for other in rest)]),
            method=one.method + note,
        )
        for j, one in enumerate(first.outcomes)
    ]
    return replace(
        first,
        outcomes=outcomes,
        pvalue=mean_merge([first.pvalue, *(other.pvalue for other in rest)]),
        method=first.method + note,
        floor=None if first.floor is None else 2.0 * first.floor,
    )
