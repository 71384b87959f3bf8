"""The test of single columns and principal axes, with published laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.calibration.multiplicity import bonferroni
from dmtest.catalogue.slices import ANDERSON_DARLING
from dmtest.catalogue.unlisted import AXES
from dmtest.engines.slices import Parameters, slice_statistics
from dmtest.results.outcome import Outcome
from dmtest.runtime.streams import some_rows, stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import mean_and_covariance, unit_rows

# Most rows and principal axes. In two columns a slice is within 3 degrees of every axis.
ROWS, PRINCIPAL, FEWEST = 50_000, 64, 3
# Smallest variance of a principal axis, as a share of the largest.
SMALLEST = 1e-10


@dataclass(frozen=True, slots=True)
class Axes:
    """The test of single columns and principal axes.

    Attributes
    ----------
    outcome : Outcome
        Its statistic is the Anderson-Darling statistic with the smallest p-value.
    columns, principal : ndarray, shapes (d,) and (m,)
        P-values of single columns and of principal axes, not adjusted.
    """

    outcome: Outcome
    columns: Vector
    principal: Vector


def whitened_axes(canonical: Canonical) -> tuple[Vector, Vector]:
    """Return the standardised columns and their principal axes, as directions of whitened rows.

    Parameters
    ----------
    canonical : Canonical
        Whitened rows, with r columns that are independent.

    Returns
    -------
    columns, principal : ndarray, shape (r, r)
        Unit rows; principal axes are orthogonal, in the order of decreasing variance.
    """
    part = canonical.covariance[np.ix_(canonical.columns, canonical.columns)]
    # The Cholesky factor of the correlation matrix has the columns as its rows.
    columns = unit_rows(np.linalg.cholesky(part))
    vectors = np.linalg.eigh(columns @ columns.T)[1]
    return columns, unit_rows(vectors.T[::-1] @ columns)


def run_axes(canonical: Canonical, names: Sequence[str], plan: Plan) -> Axes | None:
    """Test every column and every leading principal axis; None for fewer than three columns.

    Columns are tested with the parameters of the target, principal axes with fitted ones. Both
    have the law of single slices: the principal axes depend on the covariance only, of which the
    residuals of normal rows are independent. Bonferroni's inequality joins them.

    Parameters
    ----------
    canonical : Canonical
        Shape (n, d).
    names : sequence of str
        Names of the columns of the data.
    plan : Plan
    """
    n, d = canonical.rows.shape
    if d < FEWEST:
        return None
    rows = np.asarray(canonical.rows)
    if n > ROWS:
        rows = rows[some_rows(stream(0, "axes"), n, ROWS)]
    if canonical.fitted:
        columns, principal = whitened_axes(canonical)
    else:
        columns = np.eye(d)
        # Of all rows it is at hand; axes of some rows have to come from these rows alone.
        covariance = canonical.covariance if n <= ROWS else mean_and_covariance(rows)[1]
        values, vectors = np.linalg.eigh(covariance)
        kept = values > SMALLEST * max(float(values[-1]), 1e-300)
        principal = vectors.T[kept][::-1][: len(rows) - 1]
    principal = principal[:PRINCIPAL]
    statistics, pvalues = [], []
    tested: list[tuple[Vector, Parameters]] = [(columns, canonical.parameters)]
    tested.append((principal, "fitted"))
    for directions, parameters in tested:
        law = ANDERSON_DARLING.published[parameters]
        functions = {ANDERSON_DARLING.name: ANDERSON_DARLING.statistic}
        values = np.empty(0)
        if len(directions):
            values = slice_statistics(rows, directions, parameters, functions)[:, 0]
        statistics.append(values)
        pvalues.append(np.atleast_1d(np.asarray(law(values, len(rows)), dtype=np.float64)))
    every = np.concatenate(pvalues)
    worst = int(every.argmin())
    where = f"principal axis {worst - d + 1}"
    if worst < len(columns):
        where = names[int(canonical.columns[worst])]
    outcome = Outcome(
        test=AXES.name,
        statistic=float(np.concatenate(statistics)[worst]),
        pvalue=bonferroni(every),
        target=plan.target,
        n=n,
        d=d,
        family=AXES.family,
        method=(
            f"Anderson-Darling along {len(columns)} columns and {len(principal)} principal axes, "
            f"published laws, Bonferroni; smallest p-value: {where}"
        ),
        seed=plan.seed,
        rows=len(rows),
    )
    return Axes(outcome, pvalues[0], pvalues[1])
