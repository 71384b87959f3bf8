"""A sample brought to normal scale, and what had to be said about it on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.targets.transforms import mean_and_covariance, normal_scores

Floats: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Moments: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Canonical:
    """A sample brought to normal scale.

    Attributes
    ----------
    rows : ndarray, shape (n, r)
        Follow N(0, I) under the null; r < d only where `findings` say so.
    fitted : bool
        Whether location and scale were fitted, so that statistics refit them.
    columns : ndarray
        The input's columns that `rows` stand for.
    outside : int
        Rows with a value that the target cannot give.
    findings : tuple of Finding
    whitened : tuple of ndarray, optional
        Mean and covariance that `rows` were whitened with; None if they were not.
    cube, unit : ndarray, optional
        The sample in the unit cube, or with rows of length 1, where the target is uniform
        there.
    """

    rows: NDArray[Any]
    fitted: bool
    columns: NDArray[np.intp]
    outside: int = 0
    findings: tuple[Finding, ...] = ()
    whitened: Moments | None = None
    cube: NDArray[Any] | None = None
    unit: NDArray[Any] | None = None

    @property
    def parameters(self) -> Literal["known", "fitted"]:
        """What slices of the rows are standardised with."""
        return "fitted" if self.fitted else "known"

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the rows on normal scale, before any whitening: shape (d,)."""
        return self._moments[0]

    @property
    def covariance(self) -> NDArray[np.float64]:
        """Covariance (1/n) of the rows on normal scale, before any whitening: shape (d, d)."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> Moments:
        # A pass of its own over the rows, which slice tests of a known target never need.
        return mean_and_covariance(self.rows) if self.whitened is None else self.whitened


def known(rows: NDArray[Any], outside: int = 0, findings: tuple[Finding, ...] = ()) -> Canonical:
    """Wrap rows that follow N(0, I) under a fully specified null."""
    return Canonical(rows, False, np.arange(rows.shape[1], dtype=np.intp), outside, findings)


def from_cube(u: NDArray[Any]) -> Canonical:
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
            f"{edges} values are exactly 0 or 1 (in a saturated sigmoid, say); they were moved "
            f"inside by half an ulp of {u.dtype}, {0.5 * resolution:.1e}."
        )
        findings += (Finding("saturated", text, edges),)
    return replace(known(normal_scores(u, resolution), outside, findings), cube=u)


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
