"""Rows that stand out, and groups of rows along a direction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, ndtri

from dmtest.engines.slices import SliceView
from dmtest.reports.causes.columns import column_tests
from dmtest.reports.causes.evidence import LEVEL, SampleEvidence
from dmtest.results.outcome import Finding
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws.joint_laws import mardia_kurtosis_mean, mardia_kurtosis_scale
from dmtest.targets.transforms import independent_columns, mean_and_covariance
from dmtest.words import counted

# Most columns of a robust covariance, rows for each of them, share of rows in its core and steps.
MOST, ROWS_EACH, CORE, STEPS = 60, 5, 0.75, 4
# Largest share of rows that are outliers, and the gap that sets them apart.
SHARE, GAP, LISTED = 0.05, 1.25, 8
# Gap, and distance of the others, at which rows are named although the rest departs, too.
WIDE, NEAR = 1.45, 10.0
# Groups: smallest share of one, level over all slices, and windows.
LEAST, ERROR, WINDOW, STEPS_IN_WINDOW = 0.05, 1e-3, 0.25, 5
PRINCIPAL, COLUMNS = 4, 64


@dataclass(frozen=True, slots=True)
class Outliers:
    """Rows far from the rest.

    Attributes
    ----------
    rows : ndarray of int
        Places among the rows that were looked at, farthest first.
    distances : ndarray
        Their robust distances.
    limit : float
        Largest distance of the other rows.
    alone : bool
        Whether no column of the other rows departs, nor their lengths.
    """

    rows: NDArray[np.intp]
    distances: Vector
    limit: float
    alone: bool

    @property
    def clear(self) -> bool:
        """Whether the rows stand out although others depart, too."""
        return bool(self.distances[-1] > WIDE * self.limit and self.limit < NEAR)


def robust_distances(x: Vector) -> Vector:
    """Distances of rows from a robust centre, in a robust covariance: shape (n,).

    Columns are standardised by medians and clipped for a first covariance; then mean and
    covariance of the three quarters of the rows with the smallest distances are computed in turn
    (the concentration steps of Rousseeuw & Van Driessen 1999). Distances are scaled so that their
    median is that of a normal sample. With few rows for each column, or many columns, columns
    count alone.
    """
    n, d = x.shape
    centre = np.median(x, axis=0)
    spread = 1.4826 * np.median(np.abs(x - centre), axis=0)
    z = (x - centre) / np.where(spread > 0.0, spread, np.where(x.std(axis=0) > 0, x.std(axis=0), 1))
    squares = np.square(z).sum(axis=1)
    if d <= MOST and n >= ROWS_EACH * d:
        part = np.clip(z, -1.5, 1.5)
        for step in range(STEPS):
            mean, covariance = mean_and_covariance(part)
            columns = independent_columns(covariance, len(part), 1e-10)
            if not len(columns):
                break
            factor = np.linalg.cholesky(covariance[np.ix_(columns, columns)])
            white = np.linalg.solve(factor, (z[:, columns] - mean[columns]).T)
            squares = np.square(white).sum(axis=0)
            if step < STEPS - 1:
                part = z[np.argsort(squares, kind="stable")[: max(int(CORE * n), d + 2)]]
        d = max(len(columns), 1)
    scale = float(np.median(squares)) or 1.0
    return np.asarray(np.sqrt(squares * (chdtri(d, 0.5) / scale)))


def outliers_of(x: Vector) -> Outliers | None:
    """Return a few rows that a gap separates from the rest; None without such rows."""
    n, d = x.shape
    if n < 12:
        return None
    distances = robust_distances(x)
    order = np.argsort(-distances, kind="stable")
    # Robust distances of few rows for each column have heavier tails than chi's.
    limit = float(np.sqrt(chdtri(min(d, MOST), LEVEL / n))) * (1.0 + 2.0 * (min(d, MOST) + 2.0) / n)
    most = max(1, int(SHARE * n))
    ordered = distances[order[: most + 1]]
    gaps = ordered[:-1] / np.maximum(ordered[1:], 1e-300)
    wide = np.flatnonzero((gaps >= GAP) & (ordered[:-1] > limit))
    if not len(wide):
        return None
    count = int(wide[-1]) + 1
    rest = np.delete(x, order[:count], axis=0)
    return Outliers(order[:count], ordered[:count], float(ordered[count]), _unremarkable(rest))


def _unremarkable(x: Vector) -> bool:
    """Whether columns and lengths of rows show no departure from some normal law."""
    x = x[:, np.ptp(x, axis=0) > 0.0]
    n, d = x.shape
    if not d or n < 12:
        return False
    if column_tests(x, fitted=True).adjusted.min() <= LEVEL:
        return False
    mean, covariance = mean_and_covariance(x)
    columns = independent_columns(covariance, n, 1e-10)
    d = len(columns)
    if n < ROWS_EACH * d:
        return True
    factor = np.linalg.cholesky(covariance[np.ix_(columns, columns)])
    white = np.linalg.solve(factor, (x[:, columns] - mean[columns]).T)
    kurtosis = float(np.mean(np.square(white).sum(axis=0) ** 2))
    score = (kurtosis - mardia_kurtosis_mean(n, d)) / mardia_kurtosis_scale(n, d)
    return abs(score) < -float(ndtri(LEVEL / 2.0))


def outlier_findings(e: SampleEvidence, found: Outliers) -> Iterator[Finding]:
    """Name the rows that stand out."""
    count = len(found.rows)
    rows = [int(e.chosen[i]) for i in found.rows]
    listed = ", ".join(
        f"{row} (distance {distance:.1f})"
        for row, distance in zip(rows[:LISTED], found.distances, strict=False)
    )
    more = ", ..." if count > LISTED else ""
    rest = "; without them no column and no length departs" if found.alone else ""
    one = count == 1
    text = (
        f"{counted(count, 'row')} {'lies' if one else 'lie'} far from the rest: "
        f"{'row' if one else 'rows'} {listed}{more}; the others are within {found.limit:.1f}, in "
        f"robust standard deviations{rest}."
    )
    kept = f"`x = np.delete(x, {sorted(rows[:20])}, axis=0)`"
    advice = (
        f"Usual cause: wrong units, failed measurements, or items of another kind. Look at "
        f"{'this row' if one else 'these rows'}, and test the rest: {kept}."
    )
    yield Finding("outliers", text, count, advice)


@dataclass(frozen=True, slots=True)
class Groups:
    """Two groups along a direction.

    Attributes
    ----------
    counts : (int, int)
        Rows of the lower and the upper group.
    gap : float
        Distance of the means over the standard deviation within groups.
    split : float
        Value between the groups.
    pvalue : float
        Of as few rows between the groups under one hump.
    """

    counts: tuple[int, int]
    gap: float
    split: float
    pvalue: float


def two_groups(values: Vector) -> Groups | None:
    """Split a slice in two groups where few rows lie between two humps; None where there are none.

    The split is that of 2-means. Windows of a quarter of the distance between the means are moved
    over the slice: one hump would have at least as many rows in the emptiest window between the
    means as in the fuller windows of the smaller group (binomial).
    """
    from scipy.special import bdtr

    x = np.sort(values)
    n = len(x)
    least = max(8, int(np.ceil(LEAST * n)))
    if n < 3 * least:
        return None
    sums = np.cumsum(x)
    k = np.arange(least, n - least + 1)
    low, high = sums[k - 1] / k, (sums[-1] - sums[k - 1]) / (n - k)
    at = int(np.argmax(k * (n - k) * (high - low) ** 2))
    cut, a, b = int(k[at]), float(low[at]), float(high[at])
    width = WINDOW * (b - a)
    steps = np.diff(np.unique(x))
    if not width > 0.0 or not len(steps) or width < STEPS_IN_WINDOW * float(np.median(steps)):
        return None
    starts = np.linspace(x[0], x[-1] - width, 200)
    inside = np.searchsorted(x, starts + width) - np.searchsorted(x, starts)
    middle = starts + 0.5 * width
    between = (middle > a) & (middle < b)
    if not between.any():
        return None
    valley = int(np.flatnonzero(between)[inside[between].argmin()])
    left, right = inside[:valley].max(initial=0), inside[valley + 1 :].max(initial=0)
    mode, empty = int(min(left, right)), int(inside[valley])
    if empty > 0.4 * mode:
        return None
    pvalue = float(bdtr(empty, mode + empty, 0.5))
    split = float(middle[valley])
    cut = int(np.searchsorted(x, split))
    if min(cut, n - cut) < least:
        return None
    within = float(np.sqrt((x[:cut].var() * cut + x[cut:].var() * (n - cut)) / n)) or 1.0
    return Groups((cut, n - cut), float(x[cut:].mean() - x[:cut].mean()) / within, split, pvalue)


def group_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Name a direction along which rows fall into two groups."""
    columns = e.live
    if not len(columns) or len(e.few) < 24:
        return
    x = e.few[:, columns]
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    candidates = _candidates(e, z)
    best: tuple[Groups, Vector] | None = None
    for weights in candidates:
        found = two_groups(z @ weights)
        if found is None or found.pvalue * len(candidates) > ERROR:
            continue
        if best is None or found.gap > best[0].gap:
            best = found, weights
    if best is None:
        return
    found, weights = best
    top = np.argsort(-np.abs(weights), kind="stable")[:3]
    listed = ", ".join(
        f"{e.name(int(columns[j]))} {weights[j]:+.2f}" for j in top if abs(weights[j]) >= 0.1
    )
    small, n = min(found.counts), sum(found.counts)
    where = f"along one direction ({listed}, of standardised columns)"
    if np.count_nonzero(weights) == 1:
        where = f"in {e.name(int(columns[top[0]]))}"
    text = (
        f"Rows fall into two groups {where}: {small / n:.0%} and {1 - small / n:.0%} of the rows, "
        f"whose means are {found.gap:.1f} standard deviations within groups apart, with few rows "
        f"between."
    )
    upper = z @ weights > found.split
    apart = np.abs(z[upper].mean(axis=0) - z[~upper].mean(axis=0))
    j = int(apart.argmax())
    middle = 0.5 * (x[upper, j].mean() + x[~upper, j].mean())
    advice = (
        f"Usual cause: classes, batches or modes. Test every group by itself, by its label or for "
        f'instance with `dmtest.report(x[x[:, {int(columns[j])}] > {middle:.4g}], "any-normal")`.'
    )
    yield Finding("clusters", text, small, advice)


def _candidates(e: SampleEvidence, z: Vector) -> list[Vector]:
    """Unit vectors: columns with the lightest tails, principal axes, and worst directions."""
    d = z.shape[1]
    flat = np.argsort(SliceView(np.ascontiguousarray(z.T), "known").central[:, 3], kind="stable")
    found = [np.eye(d)[j] for j in flat[:COLUMNS]]
    if d > 1:
        vectors = np.linalg.eigh(e.correlation)[1].T
        found += list(vectors[::-1][:PRINCIPAL])
        if not e.fitted and e.canonical.unit is None:
            live = e.live
            for one in e.directions:
                weights = np.array(one.direction)[live] * e.few[:, live].std(axis=0)
                length = float(np.linalg.norm(weights))
                found += [weights / length] if length > 0.0 else []
    return found
