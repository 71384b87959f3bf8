"""Directions of largest departure: searched on one half of the rows, tested on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.monte_carlo import monte_carlo_slices
from dmtest.calibration.multiplicity import holm
from dmtest.calibration.nulls import NullPlan, SliceNull
from dmtest.catalogue.slices import ANDERSON_DARLING
from dmtest.data.structure import constant_columns, live_columns
from dmtest.effects.coordinates import column_name, halves
from dmtest.effects.directions.search import anderson_darling, search_directions, versions_of
from dmtest.results.figures import DirectionFigure, Loadings
from dmtest.results.shown import Shown
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import (
    independent_columns,
    mean_and_covariance,
)

# Most rows of the search, both halves together.
ROWS = 50_000
# Columns and rows that a direction lists; columns with their weights in a figure.
NAMED, LOADINGS = 5, 6


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Direction(Shown):
    """A direction along which the rows depart from the target or from a reference.

    Attributes
    ----------
    direction : tuple of float
        Unit vector, shape (d,), in the coordinates of the rows on normal scale (with a
        reference, of the data).
    statistic : float
        Anderson-Darling statistic of the held-out rows along it. For a specified target it is
        computed with known and with fitted parameters; the version with the smaller p-value
        counts. With a reference: nm/(n+m) times the energy distance of the held-out halves, in
        pooled standard deviations.
    pvalue : float
        P-value on the held-out rows, which had no part in the choice of the direction.
    adjusted : float
        The p-value adjusted for the number of directions (Holm).
    mean, variance, skewness, kurtosis : float
        Moments of the held-out rows along it; kurtosis is the excess. With a reference, mean and
        variance are relative to the reference's: 0 and 1 where they agree.
    coordinates, weights : tuple
        Indices of the columns with the largest weights, and these weights.
    rows : tuple of int
        Indices of the rows that stand out most along it.
    """

    direction: tuple[float, ...]
    statistic: float
    pvalue: float
    adjusted: float
    mean: float
    variance: float
    skewness: float
    kurtosis: float
    coordinates: tuple[int, ...]
    weights: tuple[float, ...]
    rows: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)

    def loadings(self, names: Sequence[str] | None, canonical: Canonical | None = None) -> Loadings:
        """Return the columns with the largest weights, and the weights (:func:`loadings`)."""
        return loadings(np.array(self.direction), names, canonical)

    def figure(
        self, names: Sequence[str] | None, canonical: Canonical | None = None
    ) -> DirectionFigure:
        """Return the numbers of its figure."""
        return DirectionFigure(
            loadings=self.loadings(names, canonical),
            rows=self.rows,
            statistic=self.statistic,
            pvalue=self.pvalue,
            adjusted=self.adjusted,
            mean=self.mean,
            variance=self.variance,
            skewness=self.skewness,
            kurtosis=self.kurtosis,
        )

    def sentence(self, weights: Loadings, reference: bool = False) -> str:
        """Return a sentence with its largest weights and the moments of the held-out rows.

        Parameters
        ----------
        weights : tuple of (str, float)
            Names of columns and their weights.
        reference : bool
            Whether the rows are compared with a reference.
        """
        listed = ", ".join(f"{name} {weight:+.2f}" for name, weight in weights)
        along = (
            f"the variance is {self.variance:.3g}, the skewness {self.skewness:+.2g} and the "
            f"excess kurtosis {self.kurtosis:+.2g}"
        )
        if reference:
            along = (
                f"the mean differs by {self.mean:+.2g} sds of the reference, and the variance is "
                f"{self.variance:.3g} times the reference's"
            )
        return (
            f"One direction departs most, and held-out rows confirm it: its largest weights are "
            f"{listed}; along it {along}."
        )


def loadings(
    direction: Vector, names: Sequence[str] | None, canonical: Canonical | None = None
) -> Loadings:
    """Return the columns with the largest weights of a direction, and the weights.

    Parameters
    ----------
    direction : ndarray, shape (d,)
        Unit vector.
    names : sequence of str, optional
        Names of the columns of the data.
    canonical : Canonical, optional
        The rows on normal scale. A direction of whitened rows is mapped back to the standardised
        columns and scaled to length 1.

    Returns
    -------
    tuple of (str, float)
    """
    weights, columns = direction, np.arange(len(direction))
    if canonical is not None:
        columns = canonical.columns
        if canonical.fitted:
            part = canonical.covariance[np.ix_(columns, columns)]
            weights = np.linalg.solve(np.linalg.cholesky(part).T, direction)
            weights = weights * np.sqrt(np.diagonal(part))
        weights = weights / np.linalg.norm(weights)
    top = np.argsort(-np.abs(weights), kind="stable")[:LOADINGS]
    return tuple((column_name(names, int(columns[j])), float(weights[j])) for j in top)


def directions_of(
    canonical: Canonical, count: int, replicates: int, seed: int, rows: int = ROWS
) -> list[Direction]:
    """Search one half of the rows for directions, test these on the other half.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    count : int
        Directions, at most d.
    replicates : int
        Replicates of the null of the Anderson-Darling statistic.
    seed : int
    rows : int
        The search uses at most half of this many rows.

    Returns
    -------
    list of Direction
        In the order of the search; empty where no column varies in both halves. Columns that do
        not, or that equal another one, have weight 0.

    Notes
    -----
    Along u the departure is n sum_k (mean He_k(u.x))^2 / k! over the Hermite polynomials of
    degree 1 to 4 (3 and 4 where mean and covariance are fitted): location, scale, skewness and
    kurtosis, each with variance about 1 under the target. The result depends on where the ascent
    starts: see `search`.
    """
    n, d = canonical.rows.shape
    first, second = halves(n)
    train = np.asarray(canonical.rows[first[: rows // 2]], dtype=np.float64)
    held_out = np.asarray(canonical.rows[second], dtype=np.float64)
    # A column may vary in a few rows alone, and those may all be in one half.
    live = np.setdiff1d(
        np.intersect1d(canonical.live, live_columns(train)), constant_columns(held_out)
    )
    if canonical.fitted and len(live):
        covariance = mean_and_covariance(train[:, live])[1]
        live = live[independent_columns(covariance, len(train))]
    if not len(live):
        return []
    if len(live) < d:
        train, held_out = train[:, live], held_out[:, live]
    original = search_directions(train, count, 0, fitted=canonical.fitted)
    slices = held_out @ original.T
    pvalues, statistics = _test_slices(slices, canonical.fitted, replicates, seed)
    adjusted = holm(list(pvalues))
    if len(live) < d:
        narrow, original = original, np.zeros((len(original), d))
        original[:, live] = narrow
    return [
        describe_direction(u, values, second, statistic=statistic, pvalue=p, adjusted=float(q))
        for u, values, statistic, p, q in zip(
            original, slices.T, statistics, pvalues, adjusted, strict=True
        )
    ]


def _test_slices(
    slices: Vector, fitted: bool, replicates: int, seed: int
) -> tuple[list[float], list[float]]:
    """P-values and Anderson-Darling statistics of slices, each tested as a single column.

    Two versions for a specified target cost a factor of 2 (Bonferroni); the statistic is that of
    the smaller p-value.
    """
    plan = NullPlan(seed=seed, replicates=replicates)
    pvalues, statistics = [], []
    for column in slices.T:
        rows = np.ascontiguousarray(column)[:, None]
        versions = []
        for parameters in versions_of(fitted):
            if parameters == "fitted" and not np.ptp(column) > 0.0:
                continue  # a constant has no spread to fit
            values = anderson_darling(rows, np.ones((1, 1)), parameters)[:, None]
            null = SliceNull.of(parameters, len(rows), 1, 1, None)
            (result,) = monte_carlo_slices(values, null, [ANDERSON_DARLING], plan, shipped=True)
            versions.append((result.pvalue, -float(values[0, 0])))
        pvalue, negative = min(versions, default=(1.0, 0.0))
        # Without a version that can be computed nothing is found: 1, not 0 times 1.
        pvalues.append(min(1.0, max(1, len(versions)) * pvalue))
        statistics.append(0.0 - negative)
    return pvalues, statistics


def describe_direction(
    u: Vector,
    values: Vector,
    rows: NDArray[Any],
    *,
    statistic: float,
    pvalue: float,
    adjusted: float,
    reference: Vector | None = None,
) -> Direction:
    """Describe the held-out rows along a direction.

    Parameters
    ----------
    u : ndarray, shape (d,)
        Unit vector. The result has the sign that makes its largest weight positive.
    values : ndarray, shape (n,)
        The slice of the held-out rows along it.
    rows : ndarray of int, shape (n,)
        Indices of these rows in the data.
    statistic, pvalue, adjusted : float
        As in `Direction`.
    reference : ndarray, shape (m,), optional
        The slice of the reference's held-out rows: mean and variance become relative to its own.
    """
    # LAPACK's choice of an eigenvector's sign depends on the processor: the largest weight is > 0.
    sign = 1.0 if u[np.abs(u).argmax()] > 0.0 else -1.0
    u, values = sign * u, sign * values
    reference = None if reference is None else sign * reference
    mean, variance = float(values.mean()), float(values.var())
    z = (values - mean) / np.sqrt(variance or 1.0)
    centre, scale, distance = 0.0, 1.0, z
    if reference is not None:
        centre, scale = float(reference.mean()), float(reference.std()) or 1.0
        distance = values - centre
    columns = np.argsort(-np.abs(u), kind="stable")[:NAMED]
    far = np.argsort(-np.abs(distance), kind="stable")[:NAMED]
    return Direction(
        direction=tuple(float(v) for v in u),
        statistic=statistic,
        pvalue=pvalue,
        adjusted=adjusted,
        mean=(mean - centre) / scale,
        variance=variance / scale**2,
        skewness=float((z**3).mean()),
        kurtosis=float((z**4).mean() - 3.0),
        coordinates=tuple(int(j) for j in columns),
        weights=tuple(float(u[j]) for j in columns),
        rows=tuple(int(rows[i]) for i in far),
    )
