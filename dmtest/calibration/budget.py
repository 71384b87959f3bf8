"""How much of a large sample a test is given: all rows, random features, or a subsample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dmtest.catalogue.spec import Spec
from dmtest.statistics.rows.features import FEATURES

__all__ = ["BUDGET", "FEWEST", "Workload", "affordable", "workload"]

FEWEST = 99
# Multiply-adds that a test and its replicates may take: about fifteen seconds on two cores.
BUDGET = 2e12
# Rows at which the null of the random-feature forms has settled (benchmarks/level).
FEATURE_ROWS = 5000


@dataclass(frozen=True, slots=True)
class Workload:
    """What one test is computed from.

    Attributes
    ----------
    mode : {"exact", "features", "subsample"}
        All pairs of rows, random frequencies, or all pairs of a random subsample.
    rows : int
        Rows that the statistic is computed from.
    null_rows : int
        Rows of a replicate.
    replicates : int
    tabulated : bool
        The null is the one that the package ships.
    """

    mode: Literal["exact", "features", "subsample"]
    rows: int
    null_rows: int
    replicates: int
    tabulated: bool = False

    def said(self, n: int) -> str:
        """Say what a reader of the method has to know about it."""
        if self.mode == "subsample":
            return f", of {self.rows} of {n} rows drawn at random (budget=)"
        if self.mode == "features":
            at = f" at n = {self.null_rows}" if self.null_rows != n else ""
            return f"{at}, of its form from {FEATURES} random frequencies (budget)"
        return ""


def affordable(wanted: int, work: float, budget: float) -> int:
    """Replicates that `budget` pays for, never fewer than FEWEST nor more than wanted."""
    paid = int(budget / max(work, 1.0))
    return wanted if paid >= wanted else min(wanted, max(FEWEST, paid))


def workload(spec: Spec, n: int, d: int, replicates: int, budget: float | None) -> Workload:
    """Choose the plan of a test of rows.

    Parameters
    ----------
    spec : Spec
    n, d : int
    replicates : int
        As many as are asked for.
    budget : float or None
        Multiply-adds; None for all rows and all replicates, whatever they cost.
    """
    if budget is None:
        return Workload("exact", n, n, replicates)
    work = spec.operations(n, d)
    if work * (min(replicates, FEWEST) + 1) <= budget:
        return Workload("exact", n, n, affordable(replicates, work, budget))
    if spec.features is not None:
        rows = min(n, max(FEATURE_ROWS, 10 * d))
        # A sine and a cosine take the time of some 600 multiply-adds.
        per_row = FEATURES * (d + 600.0)
        count = affordable(replicates, rows * per_row, max(budget - n * per_row, 0.0))
        return Workload("features", n, rows, count)
    rows = n
    while spec.operations(rows, d) * (min(replicates, FEWEST) + 1) > budget and rows > 2 * d + 8:
        rows = max(2 * d + 8, int(0.98 * rows))
    count = affordable(replicates, spec.operations(rows, d), budget)
    return Workload("subsample", rows, rows, count)
