"""The budget of a test: its rows, the form of its statistic, the number of its replicates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dmtest.catalogue.spec import PoolTest, RowTest, SliceTest
from dmtest.statistics.rows.features import FEATURES

# Fewest replicates, whatever the budget.
FEWEST = 99
# Multiply-adds of a test of rows and its replicates: about fifteen seconds on two cores.
BUDGET = 2e12
# Multiply-adds of a test of two samples and its relabellings: fifteen seconds too, because one
# in `pool_workload` takes about five times as long as one in `row_workload`.
PERMUTATION_BUDGET = 4e11
# Values sorted for the null of a slice test; calibration "auto" drops replicates beyond.
SLICE_BUDGET = 4_000_000_000
# Pair products of all replicates of one mean p-value.
PAIR_BUDGET = 2e10
# Rows at which the null of the random-feature forms has settled (benchmarks/level).
FEATURE_ROWS = 5000
# Multiply-adds of a sine and a cosine.
WAVE = 600.0


@dataclass(frozen=True, slots=True)
class Workload:
    """Rows and form of a test's statistic, and rows and number of its replicates.

    Attributes
    ----------
    mode : {"exact", "capped", "linear", "subsample"}
        The statistic of all rows, with its null at all rows or at a cap; its form linear in n;
        the statistic of a random subsample.
    rows : int
        Rows that the statistic is computed from.
    null_rows : int
        Rows of a replicate.
    replicates : int
        Replicates, or permutations of the labels.
    shipped : bool
        Whether the null is the shipped one.
    """

    mode: Literal["exact", "capped", "linear", "subsample"]
    rows: int
    null_rows: int
    replicates: int
    shipped: bool = False

    def note(self, n: int, form: str = f"{FEATURES} random frequencies") -> str:
        """Return the clause that the method of a p-value adds for a sample of `n` rows.

        Parameters
        ----------
        n : int
        form : str
            What the linear form is computed from.
        """
        if self.mode == "capped":
            return f" at n = {self.null_rows}, where the null has settled"
        if self.mode == "subsample":
            return f", of {self.rows} of {n} rows drawn at random (budget=)"
        if self.mode == "linear":
            at = f" at n = {self.null_rows}" if self.null_rows != n else ""
            return f"{at}, of its form from {form} (budget)"
        return ""


def affordable_replicates(replicates: int, work: float, budget: float, fewest: int = FEWEST) -> int:
    """Return the replicates that `budget` pays for: at least `fewest`, at most `replicates`.

    Parameters
    ----------
    replicates : int
        Replicates requested.
    work, budget : float
        Cost of one replicate and of all of them, in the same unit.
    fewest : int

    Returns
    -------
    int
    """
    count = int(budget / max(work, 1.0))
    return replicates if count >= replicates else min(replicates, max(fewest, count))


def slice_workload(
    spec: SliceTest, n: int, d: int, slices: int, replicates: int, *, thrifty: bool
) -> Workload:
    """Choose the rows and the number of simulated replicates of a slice test.

    Parameters
    ----------
    spec : SliceTest
    n, d, slices : int
        Rows, independent columns and slices of a sample from the null.
    replicates : int
        Replicates requested.
    thrifty : bool
        Whether the test's cap and fewer replicates are allowed.
    """
    if not thrifty:
        return Workload("exact", n, n, replicates)
    rows = spec.rows(n, d)
    count = affordable_replicates(replicates, rows * slices, SLICE_BUDGET)
    return Workload("exact" if rows == n else "capped", n, rows, count)


def row_workload(spec: RowTest, n: int, d: int, replicates: int, budget: float | None) -> Workload:
    """Choose the rows and the form of a test of whole rows whose null is simulated.

    Parameters
    ----------
    spec : RowTest
    n, d : int
        Rows and columns of the sample.
    replicates : int
        Replicates requested.
    budget : float or None
        Multiply-adds; None for all rows and all replicates, whatever they cost.
    """
    if budget is None:
        return Workload("exact", n, n, replicates)
    work = spec.operations(n, d)
    if work * (min(replicates, FEWEST) + 1) <= budget:
        return Workload("exact", n, n, affordable_replicates(replicates, work, budget))
    if spec.features is not None:
        rows = min(n, max(FEATURE_ROWS, 10 * d))
        per_row = FEATURES * (d + WAVE)
        count = affordable_replicates(replicates, rows * per_row, max(budget - n * per_row, 0.0))
        return Workload("linear", n, rows, count)
    rows = n
    while spec.operations(rows, d) * (min(replicates, FEWEST) + 1) > budget and rows > 2 * d + 8:
        rows = max(2 * d + 8, int(0.98 * rows))
    count = affordable_replicates(replicates, spec.operations(rows, d), budget)
    return Workload("subsample", rows, rows, count)


def pool_workload(
    spec: PoolTest, n: int, d: int, slices: int, replicates: int, budget: float | None
) -> Workload:
    """Choose all pairs or the linear form of a test of two samples, and its permutations.

    Parameters
    ----------
    spec : PoolTest
    n, d, slices : int
        Pooled rows, columns and slices.
    replicates : int
        Permutations requested.
    budget : float or None
        Multiply-adds; None for PERMUTATION_BUDGET.
    """
    budget = budget or PERMUTATION_BUDGET
    if spec.linear is not None:
        if 0.5 * float(n) ** 2 * (d + 16.0 + replicates) <= budget:
            return Workload("exact", n, n, replicates)
        count = affordable_replicates(replicates, spec.linear.work(n, slices), budget)
        return Workload("linear", n, n, count)
    if spec.work is None:
        return Workload("exact", n, n, replicates)
    return Workload("exact", n, n, affordable_replicates(replicates, spec.work(n, slices), budget))
