"""A sample brought to normal scale, and what had to be said about it on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.outcome import Finding
from dmtest.parallel import blocks
from dmtest.transforms import mean_and_covariance, normal_scores

__all__ = ["ROW_TILE", "Canonical", "from_cube", "known", "margin_scores", "outside_finding"]

Floats: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]

ROW_TILE = 4096


@dataclass(frozen=True, slots=True)
class Canonical:
    """A sample brought to normal scale.

    Attributes
    ----------
    rows : ndarray, shape (n, r)
        Follow N(0, I) under the null; r < d only where `findings` say so.
    fitted : bool
        Whether location and scale were fitted, so that statistics refit them.
    mean, covariance : ndarray
        Moments (1/n) of the rows on normal scale before any whitening.
    columns : ndarray
        The input's columns that `rows` stand for.
    outside : int
        Rows with a value that the target cannot give.
    findings : tuple of Finding
    """

    rows: NDArray[Any]
    fitted: bool
    mean: NDArray[np.float64]
    covariance: NDArray[np.float64]
    columns: NDArray[np.intp]
    outside: int = 0
    findings: tuple[Finding, ...] = ()


def known(rows: NDArray[Any], outside: int = 0, findings: tuple[Finding, ...] = ()) -> Canonical:
    """Wrap rows that follow N(0, I) under a fully specified null."""
    mean, covariance = mean_and_covariance(rows)
    columns = np.arange(rows.shape[1], dtype=np.intp)
    return Canonical(rows, False, mean, covariance, columns, outside, findings)


def from_cube(u: NDArray[Any], saturated: str) -> Canonical:
    """Take normal scores of rows in the unit cube; count saturation and what is outside."""
    resolution = float(np.finfo(u.dtype).epsneg)
    edges = outside = 0
    for part in blocks(len(u), ROW_TILE):
        tile = np.asarray(u[part])
        # Half an ulp beyond 1 is rounding, not a value outside.
        beyond = (tile < 0.0) | (tile > 1.0 + 2.0 * resolution)
        outside += int(np.count_nonzero(beyond.any(axis=1)))
        edges += int(np.count_nonzero(((tile <= 0.0) | (tile >= 1.0)) & ~beyond))
    findings = outside_finding(outside, "the box")
    if edges:
        text = (
            f"{edges} values are exactly 0 or 1 ({saturated}); they were moved inside by half "
            f"an ulp of {u.dtype}, {0.5 * resolution:.1e}."
        )
        findings += (Finding("saturated", text, edges),)
    return known(normal_scores(u, resolution), outside, findings)


def margin_scores(column: Floats, margin: Any) -> tuple[Floats, Bools, Bools]:
    """Take normal scores of one column by its margin's cdf.

    Also say which values the margin cannot give, and which others have a cdf of 0 or 1.
    """
    tiny = np.finfo(np.float64).tiny
    values = column.astype(np.float64)
    lower, upper = np.asarray(margin.cdf(values)), np.asarray(margin.sf(values))
    below = lower < upper
    tail = np.where(below, lower, upper)
    score = ndtri(np.maximum(tail, tiny))
    low, high = margin.support() if hasattr(margin, "support") else (-np.inf, np.inf)
    # The ends are rounded as the values were, so that a value at an end is inside.
    beyond = (column < column.dtype.type(low)) | (column > column.dtype.type(high))
    return np.where(below, score, -score), beyond, (tail <= 0.0) & ~beyond


def outside_finding(outside: int, where: str) -> tuple[Finding, ...]:
    """Say how many rows have a value that the target cannot give."""
    if not outside:
        return ()
    text = (
        f"{outside} rows have a value outside {where}, which the target gives with "
        f"probability 0; for the tests these values were moved to its edge."
    )
    return (Finding("outside-support", text, outside),)
