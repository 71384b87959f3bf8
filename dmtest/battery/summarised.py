"""The tests of a summary of many rows: those of slices with the bounds of their statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dmtest.battery.one_sample import (
    Battery,
    bound,
    calibrated_slices,
    joint_of,
    outcome_of,
    slice_facts,
)
from dmtest.battery.plan import Plan
from dmtest.battery.rows import run_rows
from dmtest.calibration.monte_carlo import PValues, monte_carlo_rows
from dmtest.calibration.nulls import RowNull, SliceNull, null_of, workload_of
from dmtest.calibration.shipped import MOST_ROWS
from dmtest.catalogue.registry import one_sample_tests
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.rows import RowView, evaluate
from dmtest.engines.slices import MomentView
from dmtest.errors import InputError
from dmtest.runtime.typing import Vector
from dmtest.summaries import histogram
from dmtest.summaries.histogram import Bounds, Counts
from dmtest.summaries.totals import Totals
from dmtest.summaries.tree import Moments
from dmtest.targets.canonical import Canonical

# Statistics of slices that follow from counts in cells, by the names of their tests.
FROM_COUNTS: dict[str, Callable[[Counts], Bounds]] = {
    "anderson-darling": histogram.anderson_darling,
    "kolmogorov-smirnov": histogram.kolmogorov_smirnov,
    "epps-pulley": histogram.epps_pulley,
}
# Tests of rows by the counts of their lengths, and by mean and covariance.
OF_LENGTHS, OF_MOMENTS = ("radius",), ("covariance-ledoit-wolf", "covariance-nagao")


class MomentRows(RowView):
    """A view of rows of which only number, mean and covariance are known."""

    def __init__(self, moments: Moments) -> None:
        super().__init__(np.empty((0, len(moments.mean))))
        self.moments = moments

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.moments.n

    @property
    def mean(self) -> Vector:
        """Mean of the rows: shape (d,)."""
        return self.moments.mean

    @property
    def covariance(self) -> Vector:
        """Covariance (1/n) of the rows: shape (d, d)."""
        return self.moments.covariance


@dataclass(frozen=True, slots=True)
class Known:
    """A statistic of all rows: the value to report, that to test, and what the method adds."""

    values: Vector
    tested: Vector
    note: str = ""


def summary_battery(
    totals: Totals,
    moments: Moments,
    canonical: Canonical,
    specs: Sequence[OneSampleTest],
    plan: Plan,
) -> Battery:
    """Run tests on a summary of more rows than it keeps.

    Tests of slices, the radius and the covariance are of all rows. Of a statistic that is known up
    to bounds, the bound nearest to the target is tested, so that the p-value is at least that of
    the statistic. Other tests are of a random sample of the rows that are kept.

    Parameters
    ----------
    totals : Totals
    moments : Moments
        Moments of all rows.
    canonical : Canonical
        A random sample of the rows, on normal scale.
    specs : sequence of SliceTest and RowTest
    plan : Plan
    """
    n, d = moments.n, totals.d
    directions = totals.directions
    null = SliceNull.of("known", n, d, len(directions), None)
    slice_tests = [spec for spec in specs if isinstance(spec, SliceTest)]
    counts = totals.tally.counts
    known = {
        spec.name: _slice_values(totals, moments, counts, spec, plan.params) for spec in slice_tests
    }
    pvalues: dict[str, PValues] = {}
    facts: dict[str, dict[str, Any]] = {}
    if slice_tests:
        tested = np.stack([known[spec.name].tested for spec in slice_tests], axis=1)
        for spec, result in zip(
            slice_tests, calibrated_slices(tested, null, slice_tests, plan), strict=True
        ):
            pvalues[spec.name] = replace(result, method=result.method + known[spec.name].note)
            facts[spec.name] = {"rows": n} | slice_facts(known[spec.name].values, spec)
    row_tests = [spec for spec in specs if isinstance(spec, RowTest)]
    sampled = []
    for row_test in row_tests:
        row_null = RowNull(row_test.space, n, d)
        found = _row_value(totals, moments, row_test)
        if found is None or not workload_of(row_null, row_test, plan, shipped=plan.thrifty).shipped:
            sampled.append(row_test)
            continue
        nulls = null_of(row_null, [row_test], plan, shipped=True)
        (result,) = monte_carlo_rows([float(found.tested[0])], [row_test], nulls)
        pvalues[row_test.name] = replace(result, method=result.method + found.note)
        facts[row_test.name] = {"rows": n, "statistic": float(found.values[0])}
    few = len(canonical.rows)
    for name, (row_facts, result) in run_rows(canonical.varying(), sampled, plan).items():
        # The null samples of a part of the rows are not those of all rows.
        source = None if result.source is None else (few, True, result.source[2])
        method = f"{result.method}, of {few:,} of {n:,} rows drawn at random"
        pvalues[name] = replace(result, source=source, method=method)
        facts[name] = row_facts
    outcomes = [
        replace(outcome_of(spec, pvalues[spec.name], facts, canonical, plan), n=n) for spec in specs
    ]
    joint, method = joint_of([pvalues[spec.name] for spec in specs], d)
    return Battery(
        outcomes=outcomes,
        pvalue=joint.pvalue,
        error=joint.error,
        method=method,
        directions=directions,
        extras=_extras(moments, counts),
        null=null,
        floor=joint.floor,
    )


def follows_from_summary(tests: str | Iterable[str] | None, target: str) -> bool:
    """Whether all these tests follow from a summary: those of slices from moments or counts."""
    specs = one_sample_tests(tests, target)
    slices = [spec for spec in specs if isinstance(spec, SliceTest)]
    return all(spec.needs == "moments" or spec.name in FROM_COUNTS for spec in slices)


def sampled_rows(count: int) -> int:
    """Return how many of the kept rows tests of rows use."""
    return min(count, MOST_ROWS)


def _slice_values(
    totals: Totals, moments: Moments, counts: Counts, spec: SliceTest, params: Mapping[str, Any]
) -> Known:
    if spec.needs == "moments":
        values = bound(spec, params)(MomentView(moments.central, moments.n, "known"))
        return Known(values, values)
    if spec.name not in FROM_COUNTS:
        raise InputError(
            f"tests: {spec.name} needs all rows, of which this summary of {moments.n:,} keeps "
            f"{totals.reservoir.size:,}; leave it out, or make the summary with "
            f"rows={moments.n}."
        )
    bounds = FROM_COUNTS[spec.name](counts)
    return Known(bounds.middle, bounds.low, _note(bounds))


def _row_value(totals: Totals, moments: Moments, spec: RowTest) -> Known | None:
    if spec.space != "normal":
        return None
    if spec.name in OF_LENGTHS:
        bounds = histogram.anderson_darling(totals.lengths.counts)
        return Known(bounds.middle, bounds.low, _note(bounds))
    if spec.name in OF_MOMENTS:
        value = np.array([evaluate(spec.statistic, MomentRows(moments))[0]])
        return Known(value, value)
    return None


def _note(bounds: Bounds) -> str:
    """Say how far the mean over slices may be from the statistic."""
    low, middle, high = (float(part.mean()) for part in bounds)
    error = max(high - middle, middle - low)
    return f", from counts in cells with an error of at most {error:.1g}, which it allows for"


def _extras(moments: Moments, counts: Counts) -> dict[str, Vector]:
    """Return what :func:`dmtest.effects.wasserstein.describe_slices` computes of an array."""
    central = moments.central
    second = central[:, 1] + central[:, 0] ** 2
    product = histogram.products_with_quantiles(counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            SQUARED_WASSERSTEIN.name: np.maximum(second - 2.0 * product + 1.0, 0.0),
            "skewness": central[:, 2] / central[:, 1] ** 1.5,
            "kurtosis": central[:, 3] / central[:, 1] ** 2 - 3.0,
        }
