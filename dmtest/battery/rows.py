"""Tests of whole rows: compute all tests of a space at once, and calibrate them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.battery.plan import Plan
from dmtest.calibration.budget import Workload
from dmtest.calibration.monte_carlo import PValues, monte_carlo_rows
from dmtest.calibration.nulls import RowNull, null_of, workload_of
from dmtest.catalogue.spec import RowTest, Space
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.errors import InputError
from dmtest.runtime.streams import some_rows, stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import cholesky, mean_and_covariance, unit_rows, whiten_independent


def run_rows(
    canonical: Canonical, specs: Sequence[RowTest], plan: Plan
) -> dict[str, tuple[dict[str, Any], PValues]]:
    """Return every test's statistic with the rows that it used, and its p-values, by name.

    Parameters
    ----------
    canonical : Canonical
    specs : sequence of RowTest
        Tests of whole rows, in any space.
    plan : Plan
    """
    results: dict[str, tuple[dict[str, Any], PValues]] = {}
    for space in dict.fromkeys(spec.space for spec in specs):
        members = [spec for spec in specs if spec.space == space]
        results |= _run_space(canonical, space, members, plan)
    return results


def _run_space(
    canonical: Canonical, space: Space, specs: Sequence[RowTest], plan: Plan
) -> dict[str, tuple[dict[str, Any], PValues]]:
    """Run tests in one space; tests of the same rows share one evaluation."""
    rows, factor = rows_of(canonical, space, specs[0].name)
    n, d = rows.shape
    jobs: dict[tuple[str, int], list[tuple[RowTest, Workload]]] = {}
    for spec in specs:
        workload = Workload("exact", n, n, 0)
        if plan.calibration != "asymptotic":
            workload = workload_of(RowNull(space, n, d), spec, plan, shipped=plan.thrifty)
        jobs.setdefault((workload.mode, workload.rows), []).append((spec, workload))
    results: dict[str, tuple[dict[str, Any], PValues]] = {}
    for (mode, count), members in jobs.items():
        view_rows, view_factor = rows, factor
        if mode == "subsample":
            view_rows, view_factor = _subsample(rows, count, space, plan)
        view = RowView(view_rows, view_factor, precision=plan.precision, progress=plan.progress)
        forms = [_form(spec, mode, n, plan.params) for spec, _ in members]
        values = evaluate_all(view, [s.statistic for s, _ in forms], [p for _, p in forms])
        null = RowNull(space, n, d, _colour(view))
        pvalues = _pvalues(null, view, members, forms, values, plan)
        for (spec, _), (statistic, _), result in zip(members, values, pvalues, strict=True):
            results[spec.name] = {"statistic": statistic, "rows": len(view_rows)}, result
    return results


def _form(
    spec: RowTest, mode: str, n: int, params: Mapping[str, Any]
) -> tuple[RowTest, dict[str, Any]]:
    """Return the test to evaluate and its parameters: those of the linear form in that mode."""
    arguments = dict(params.get(spec.name, {}))
    if mode == "linear" and spec.features is not None:
        linear = replace(spec, name=f"{spec.name}/features", statistic=spec.features)
        return linear, arguments | {"n": n}
    return spec, arguments


def _pvalues(
    null: RowNull,
    view: RowView,
    members: Sequence[tuple[RowTest, Workload]],
    forms: Sequence[tuple[RowTest, dict[str, Any]]],
    values: Sequence[tuple[float, float]],
    plan: Plan,
) -> list[PValues]:
    """Calibrate the statistics of one view, by a published law or by Monte Carlo."""
    results: dict[int, PValues] = {}
    for j, (spec, _) in enumerate(members):
        exact = bool(spec.exact) and plan.calibration == "auto"
        if exact or plan.calibration == "asymptotic":
            results[j] = _published_pvalue(spec, values[j][0], view, plan)
    rest = [j for j in range(len(members)) if j not in results]
    specs = [forms[j][0] for j in rest]
    evaluated = replace(plan, params={forms[j][0].name: forms[j][1] for j in rest})
    nulls = null_of(null, specs, evaluated, workloads=[members[j][1] for j in rest])
    results |= zip(rest, monte_carlo_rows([values[j][1] for j in rest], specs, nulls), strict=True)
    return [results[j] for j in range(len(members))]


def _published_pvalue(spec: RowTest, statistic: float, view: RowView, plan: Plan) -> PValues:
    if spec.published is None:
        raise InputError(
            f"calibration: no asymptotic p-value is published for {spec.name}; use "
            f"calibration='monte-carlo'."
        )
    pvalue = spec.published(statistic, view, **plan.params.get(spec.name, {}))
    method = f"exact ({spec.exact})" if spec.exact else "asymptotic (published formula)"
    return PValues(pvalue, method)


def rows_of(canonical: Canonical, space: Space, name: str) -> tuple[NDArray[Any], Vector | None]:
    """Return the rows of a space, and the factor that residuals are whitened with.

    Parameters
    ----------
    canonical : Canonical
    space : str
        Space of a test of rows.
    name : str
        Name of the test, for the error message.

    Returns
    -------
    rows : ndarray, shape (n, r)
        Residuals have the independent columns only, other spaces all (r = d).
    factor : ndarray, shape (r, r), or None
        Lower Cholesky factor of the covariance of residuals; None in other spaces.
    """
    if space == "normal":
        return canonical.rows, None
    if space == "cube":
        return np.clip(np.asarray(canonical.cube), 0.0, 1.0), None
    if space == "sphere":
        return np.asarray(canonical.unit), None
    n, d = canonical.rows.shape
    if canonical.fitted:
        columns = canonical.columns
        return canonical.rows, cholesky(canonical.covariance[np.ix_(columns, columns)])
    if n <= d:
        raise InputError(
            f"data: {name} fits a covariance, which takes more rows than columns; got n = {n}, "
            f"d = {d}; add rows or leave the test out."
        )
    rows, columns = whiten_independent(canonical.rows, canonical.mean, canonical.covariance)
    return rows, cholesky(canonical.covariance[np.ix_(columns, columns)])


def _subsample(
    rows: NDArray[Any], count: int, space: Space, plan: Plan
) -> tuple[NDArray[Any], Vector | None]:
    """Draw rows; residuals are whitened anew, so that the null is that of `count` rows."""
    rng = stream(plan.seed, "budget/subsample")
    drawn = rows[some_rows(rng, len(rows), count)]
    if space != "residuals":
        return drawn, None
    mean, covariance = mean_and_covariance(drawn)
    whitened, columns = whiten_independent(drawn, mean, covariance)
    if len(columns) < rows.shape[1]:
        raise InputError(
            f"budget: the {count} rows that it pays for have fewer than {rows.shape[1]} "
            f"independent columns; raise budget."
        )
    return whitened, cholesky(covariance)


def _colour(view: RowView) -> Vector | None:
    """Return the factor of the correlations, as tests of coloured rows standardise columns."""
    return None if view.factor is None else unit_rows(view.factor)
