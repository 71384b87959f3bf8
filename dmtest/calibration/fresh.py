"""P-values from fresh draws of a law, with as many draws as the evidence needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from dmtest.calibration.multiplicity import min_p, monte_carlo_error
from dmtest.runtime.typing import Vector

# Draws at the first look, and the p-value of one statistic above which a look is the last.
FIRST, CLEAR = 99, 0.1


@dataclass(slots=True)
class Ranked:
    """A p-value from joint replicates of some statistics: min-p over them.

    Attributes
    ----------
    columns : tuple of int
        The statistics, as columns of the joint replicates; larger is worse.
    pvalue : float
    replicates : int
        Draws behind it.
    """

    columns: tuple[int, ...]
    pvalue: float = field(default=1.0, init=False)
    replicates: int = field(default=0, init=False)

    @property
    def error(self) -> float:
        """Monte Carlo standard error of the p-value."""
        return monte_carlo_error(self.pvalue, self.replicates)

    @property
    def clear(self) -> bool:
        """Whether no further draw is needed.

        The limit is .1, but at least what one of several statistics can leave of min-p if the
        data have its second largest value: with few draws that is not small.
        """
        if not self.replicates:
            return False
        return self.pvalue > max(CLEAR, 2.0 * len(self.columns) / (self.replicates + 1.0))


def looks(replicates: int) -> list[int]:
    """Return the numbers of draws at which p-values are looked at: 99, 199, 399, ..., all."""
    steps, count = [], FIRST
    while count < replicates:
        steps.append(count)
        count = 2 * count + 1
    return [*steps, replicates]


def rank_among_draws(
    observed: Vector,
    draws: Callable[[int, int], Vector],
    ranked: list[Ranked],
    replicates: int,
) -> int:
    """Rank a sample among fresh draws of its law, and stop where the p-values are clear.

    Under the law the data and the draws are exchangeable given whatever was fixed beforehand, so
    a rank among B draws gives a p-value at any B (Besag & Clifford 1989). A p-value is final at
    the first look where it is above a limit, and else with all draws. The limits do not increase
    from look to look. Stopping then costs no validity (in the spirit of Besag & Clifford 1991):
    for a level, take the first look whose limit is at most the level, or else the last look. A
    p-value that is final earlier is above the level. So a final p-value at most the level implies
    that the p-value at this look is, which has that probability or less. The final value of one
    p-value does not depend on the others, which only add draws.

    Parameters
    ----------
    observed : ndarray, shape (c,)
        Statistics of the data.
    draws : callable
        ``draws(start, stop)`` returns the same statistics of draws `start` to `stop` - 1: shape
        (stop - start, c).
    ranked : list of Ranked
        The p-values to compute, which are written to.
    replicates : int
        Most draws.

    Returns
    -------
    int
        Draws that were made.
    """
    null = np.empty((0, len(observed)))
    for count in looks(replicates):
        null = np.concatenate([null, draws(len(null), count)])
        for one in ranked:
            if not one.clear:
                columns = list(one.columns)
                one.pvalue = min_p(observed[columns], null[:, columns])[0]
                one.replicates = count
        if all(one.clear for one in ranked):
            break
    return len(null)
