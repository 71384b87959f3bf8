"""Samples on normal scale, with the findings of the transform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.data.lattice import grids_of
from dmtest.data.structure import live_columns
from dmtest.results.outcome import Finding
from dmtest.runtime.attributes import cached_property
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.targets.transforms import mean_and_covariance, normal_scores
from dmtest.words import counted

Floats: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[np.bool_]
Moments: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True)
class Canonical:
    """A sample on normal scale.

    Attributes
    ----------
    rows : ndarray, shape (n, r)
        Rows that follow N(0, I) under the target. r < d only if `findings` say so.
    fitted : bool
        Whether location and scale were fitted to the sample; statistics then refit them.
    columns : ndarray
        Columns of the sample that `rows` represent.
    outside : int
        Number of rows with a value outside the support of the target.
    findings : tuple of Finding
    whitened : tuple of ndarray, optional
        Mean and covariance with which `rows` were whitened; None without whitening.
    cube, unit : ndarray, optional
        The sample in the unit cube, or with rows of length 1, if the target is uniform on the
        cube or the sphere.
    """

    rows: NDArray[Any]
    fitted: bool
    columns: NDArray[np.intp]
    outside: int = 0
    findings: tuple[Finding, ...] = ()
    whitened: Moments | None = None
    cube: NDArray[Any] | None = None
    unit: NDArray[Any] | None = None

    @cached_property
    def live(self) -> NDArray[np.intp]:
        """Columns of `rows` that are neither constant nor equal to an earlier one."""
        return live_columns(self.rows)

    @property
    def collapsed(self) -> bool:
        """Whether all rows are equal, so that nothing is left to test."""
        return not len(self.live)

    @property
    def degenerate(self) -> int:
        """Columns that are constant or equal another one, which a specified target never gives."""
        return 0 if self.fitted else self.rows.shape[1] - len(self.live)

    @property
    def impossible(self) -> bool:
        """Whether the sample has what the target gives with probability 0."""
        return bool(self.outside or self.degenerate or self.collapsed)

    def varying(self) -> Canonical:
        """Return the sample in its live columns; itself if that is all of them, or none.

        Directions on the sphere are of all columns.
        """
        r = self.rows.shape[1]
        if self.unit is not None or len(self.live) in (0, r):
            return self
        cube = None if self.cube is None else np.ascontiguousarray(self.cube[:, self.live])
        rows, columns = np.ascontiguousarray(self.rows[:, self.live]), self.columns[self.live]
        return replace(self, rows=rows, columns=columns, cube=cube, whitened=None)

    @property
    def parameters(self) -> Literal["known", "fitted"]:
        """Whether slices are standardised with known or with fitted parameters."""
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
        # Computed on first use: slice tests of a known target never need this pass over the rows.
        return mean_and_covariance(self.rows) if self.whitened is None else self.whitened


def known(rows: NDArray[Any], outside: int = 0, findings: tuple[Finding, ...] = ()) -> Canonical:
    """Return the `Canonical` of rows that follow N(0, I) under a fully specified target."""
    return Canonical(rows, False, np.arange(rows.shape[1], dtype=np.intp), outside, findings)


def from_cube(u: NDArray[Any]) -> Canonical:
    """Return normal scores of rows in the unit cube; count saturated and outside values."""
    resolution = float(np.finfo(u.dtype).epsneg)
    edges = outside = 0
    for part in blocks(len(u), ROW_TILE):
        tile = np.asarray(u[part])
        rows, values = cube_edges(tile, resolution)
        outside, edges = outside + rows, edges + values
    findings = outside_finding(outside, "the box")
    by = f"half an ulp of {u.dtype}, {0.5 * resolution:.1e}"
    if edges:
        steps = [grid.step for grid in grids_of(u).values() if grid.kind == "steps"]
        if steps:
            # Values of a lattice resolve its step: an end stands for the half step inside.
            resolution = max(resolution, 0.5 * min(steps))
            by = f"a quarter of the step of their lattice, {0.5 * resolution:.2g}"
    findings += saturated_finding(edges, by)
    return replace(known(normal_scores(u, resolution), outside, findings), cube=u)


def cube_edges(u: NDArray[Any], resolution: float) -> tuple[int, int]:
    """Count the rows with a value outside the unit cube, and the other values at 0 or 1."""
    # Half an ulp above 1 is rounding and not a value outside.
    beyond = (u < 0.0) | (u > 1.0 + 2.0 * resolution)
    edges = ((u <= 0.0) | (u >= 1.0)) & ~beyond
    return int(np.count_nonzero(beyond.any(axis=1))), int(np.count_nonzero(edges))


def margin_scores(column: Floats, margin: Any) -> tuple[Floats, Bools, Bools]:
    """Return normal scores of one column by the cdf of its margin, and two masks.

    Returns
    -------
    scores : ndarray, shape (n,)
    outside : ndarray of bool, shape (n,)
        Values outside the support of the margin.
    saturated : ndarray of bool, shape (n,)
        Other values with a cdf of 0 or 1 in float64.
    """
    tiny = np.finfo(np.float64).tiny
    values = column.astype(np.float64)
    lower, upper = np.asarray(margin.cdf(values)), np.asarray(margin.sf(values))
    below = lower < upper
    tail = np.where(below, lower, upper)
    score = ndtri(np.maximum(tail, tiny))
    low, high = margin.support() if hasattr(margin, "support") else (-np.inf, np.inf)
    # The ends are rounded like the values, so that a value at an end is inside.
    beyond = (column < column.dtype.type(low)) | (column > column.dtype.type(high))
    return np.where(below, score, -score), beyond, (tail <= 0.0) & ~beyond


def saturated_finding(edges: int, by: str = "", what: str = "") -> tuple[Finding, ...]:
    """Return a finding if values are an end of the cube.

    Parameters
    ----------
    edges : int
        How many.
    by : str
        How far they were moved inside.
    what : str
        What is 0 or 1 if it is not the value itself.
    """
    if not edges:
        return ()
    one = edges == 1
    verb = ("has" if one else "have") if what else ("is" if one else "are")
    text = (
        f"{counted(edges, 'value')} {verb} {f'{what} of ' if what else ''}exactly 0 or 1"
        f"{' in float64' if what else ' (in a saturated sigmoid, say)'}; "
        f"{'it was' if one else 'they were'} moved inside{f' by {by}' if by else ''}."
    )
    return (Finding("saturated", text, edges),)


def outside_finding(outside: int, where: str) -> tuple[Finding, ...]:
    """Return a finding if rows have a value outside the support of the target."""
    if not outside:
        return ()
    one = outside == 1
    text = (
        f"{counted(outside, 'row')} {'has' if one else 'have'} a value outside {where}, which the "
        f"target gives with probability 0; for the tests {'it was' if one else 'they were'} moved "
        f"to its edge."
    )
    return (Finding("outside-support", text, outside),)
