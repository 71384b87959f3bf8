"""Univariate normality of every column: two tests, descriptives, a power transformation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.multiplicity import holm
from dmtest.effects.coordinates import column_name
from dmtest.engines.slices import SliceView
from dmtest.results.tables import ColumnTests
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.typing import Vector
from dmtest.statistics.laws.slice_laws import anderson_darling_fitted
from dmtest.statistics.laws.slice_laws import shapiro_wilk as shapiro_wilk_law
from dmtest.statistics.slices.edf import anderson_darling
from dmtest.statistics.slices.regression import shapiro_wilk
from dmtest.tables.powers import suggest_power

# Most rows that Royston's p-value of Shapiro-Wilk is published for.
SHAPIRO_ROWS = 5000


def describe_columns(
    x: NDArray[Any], names: Sequence[str] | None, label: str | None = None
) -> list[ColumnTests]:
    """Test and describe every column of rows of shape (n, d); p-values are not adjusted yet."""
    return list(
        run_tasks(lambda j: _column(x[:, j], column_name(names, j), label), range(x.shape[1]))
    )


def _column(values: NDArray[Any], name: str, label: str | None) -> ColumnTests:
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75])
    described = ColumnTests(
        column=name,
        label=label,
        n=n,
        mean=float(x.mean()),
        sd=float(x.std(ddof=1)),
        median=float(median),
        minimum=float(x.min()),
        maximum=float(x.max()),
        lower_quartile=float(low),
        upper_quartile=float(high),
        distinct=len(np.unique(x)),
    )
    if described.distinct == 1:
        return described
    skewness, kurtosis = _shape(x)
    first, first_pvalue = anderson_darling_test(x)
    second = second_pvalue = None
    if n <= SHAPIRO_ROWS:
        second = float(shapiro_wilk(SliceView(x[None], "fitted"))[0])
        second_pvalue = float(shapiro_wilk_law(second, n))
    return replace(
        described,
        anderson_darling=first,
        anderson_darling_pvalue=first_pvalue,
        shapiro_wilk=second,
        shapiro_wilk_pvalue=second_pvalue,
        skewness=skewness,
        kurtosis=kurtosis,
    )


def anderson_darling_test(x: Vector) -> tuple[float, float]:
    """Statistic with fitted mean and variance, and its published p-value."""
    statistic = float(anderson_darling(SliceView(x[None], "fitted"))[0])
    return statistic, float(anderson_darling_fitted(statistic, len(x)))


def _shape(x: Vector) -> tuple[float, float]:
    """Skewness and excess kurtosis, with moments that divide by n."""
    y = (x - x.mean()) / x.std()
    return float((y**3).mean()), float((y**4).mean()) - 3.0


def adjust_columns(rows: Sequence[ColumnTests]) -> list[ColumnTests]:
    """Add Holm's p-values over all rows of the table, for each of the two tests."""
    first = _holm([one.anderson_darling_pvalue for one in rows])
    second = _holm([one.shapiro_wilk_pvalue for one in rows])
    return [
        replace(one, anderson_darling_adjusted=p, shapiro_wilk_adjusted=q)
        for one, p, q in zip(rows, first, second, strict=True)
    ]


def _holm(pvalues: Sequence[float | None]) -> list[float | None]:
    """Holm's p-values of those that there are."""
    known = [p for p in pvalues if p is not None]
    adjusted = iter(holm(known).tolist() if known else ())
    return [None if p is None else next(adjusted) for p in pvalues]


def with_power(row: ColumnTests, values: NDArray[Any]) -> ColumnTests:
    """Add the power transformation that makes a column more normal, if one does."""
    x = np.asarray(values, dtype=np.float64)
    found = suggest_power(x)
    if found is None:
        return row
    after = found.apply(x)
    if not np.isfinite(after).all() or not after.std() > 0.0:
        return row
    pvalue = anderson_darling_test(after)[1]
    known = row.anderson_darling_pvalue is not None and np.isfinite(pvalue)
    if row.anderson_darling_pvalue is None or not known or pvalue <= row.anderson_darling_pvalue:
        return row
    return replace(
        row,
        transformation=found.family,
        power=found.power,
        power_low=found.low,
        power_high=found.high,
        pvalue_after=pvalue,
    )
