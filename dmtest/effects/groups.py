"""Effects of rows that come in groups: variances over groups, and estimates over draws of rows.

An effect with influence values uses all rows, and the sums of these values over groups
(:func:`clustered_variance`). Every other effect is estimated from one row of each group, and
averaged over draws of such rows (:func:`average_estimates`): within-cluster resampling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from dmtest.data.groups import Groups
from dmtest.results.effect_table import EffectRow, Estimates
from dmtest.results.estimate import Estimate
from dmtest.runtime.typing import Vector

# Most draws of one row of each group that an estimate is averaged over.
DRAWS = 8


def clustered_variance(influence: Vector, groups: Groups) -> Vector:
    """Variance of influence values of rows, times the design effect of their groups.

    Divided by n it is the cluster-robust variance of their mean (Liang & Zeger 1986), with the
    factor G / (G - 1) for G groups.

    Parameters
    ----------
    influence : ndarray, shape (n, k)
    groups : Groups

    Returns
    -------
    ndarray, shape (k,)
    """
    sums = groups.sums(influence - influence.mean(axis=0))
    factor = groups.count / (groups.count - 1.0) / len(influence)
    return np.asarray(np.square(sums).sum(axis=0) * factor)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AveragedEstimate(Estimate):
    """Mean of estimates from several draws of one row of each group.

    The standard deviation of a mean is at most the mean of the standard deviations, so the mean
    of the limits is an interval of at least their confidence. It is equal where the rows of a group
    are alike, as views of one item are.

    Attributes
    ----------
    parts : tuple of Estimate
        Estimates of the draws.
    """

    parts: tuple[Estimate, ...]

    def limits(self, confidence: float) -> tuple[float, float] | None:
        """Return the mean of the limits of the draws; None where a draw has none."""
        limits = [part.limits(confidence) for part in self.parts]
        known = [pair for pair in limits if pair is not None]
        if len(known) < len(limits):
            return None
        return float(np.mean([low for low, _ in known])), float(np.mean([up for _, up in known]))


def average_estimates(draws: Sequence[Estimates]) -> Estimates:
    """Average the estimates from several draws of rows, effect by effect.

    Where a draw has no value, that of the first draw without one stands, with its reason.
    """
    first = draws[0]
    if len(draws) == 1:
        return first
    named = [{row.name: one for row, one in draw.items()} for draw in draws]
    out: dict[EffectRow, Estimate] = {}
    for row in first:
        parts = tuple(draw[row.name] for draw in named if row.name in draw)
        values = [part.value for part in parts if part.value is not None]
        if len(values) < len(parts):
            out[row] = next(part for part in parts if part.value is None)
            continue
        errors = [part.error for part in parts if part.error is not None]
        out[row] = AveragedEstimate(
            value=float(np.mean(values)),
            error=float(np.mean(errors)) if len(errors) == len(parts) else None,
            skewness=float(np.mean([part.skewness for part in parts])),
            df=parts[0].df,
            folded=parts[0].folded,
            noise=parts[0].noise,
            batch=parts[0].batch,
            note=_note(row, parts[0], len(parts)),
            parts=parts,
        )
    return out


def _note(row: EffectRow, part: Estimate, draws: int) -> str:
    return f"{part.note or row.note}; mean over {draws} draws of one row of each group"


def with_note(estimates: Estimates, note: str) -> Estimates:
    """Add a note to every estimate that has a value."""
    return {
        row: one if one.value is None else replace(one, note=f"{one.note or row.note}; {note}")
        for row, one in estimates.items()
    }
