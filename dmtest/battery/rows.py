"""Tests of whole rows: give each its space, compute all of a space at once, calibrate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.budget import Workload, workload
from dmtest.calibration.monte_carlo import Calibrated, monte_carlo_rows
from dmtest.calibration.nulls import RowNull
from dmtest.calibration.shipped import MOST_ROWS, holds, tabulated
from dmtest.catalogue.spec import Space, Spec
from dmtest.engines.gram import Precision
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import stream
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import cholesky, mean_and_covariance, unit_rows, whiten_independent

__all__ = ["RowPlan", "rows_of", "run_rows"]

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPlan:
    """How tests of rows are to be run.

    Attributes
    ----------
    params : mapping of test name to its parameters
    calibration : {"auto", "monte-carlo", "asymptotic"}
    replicates, seed : int
    budget : float or None
        Multiply-adds that each test and its replicates may take; None for no limit.
    tables : bool
        Take the nulls that the package ships where it has them.
    precision : {"auto", "double"}
    progress : callable, optional
    """

    params: Mapping[str, Any]
    calibration: str
    replicates: int
    seed: int
    budget: float | None
    tables: bool = False
    precision: Precision = "auto"
    progress: Progress | None = None


def run_rows(
    canonical: Canonical, specs: Sequence[Spec], plan: RowPlan
) -> dict[str, tuple[float, Calibrated]]:
    """Return every test's statistic and its calibration, by name."""
    found: dict[str, tuple[float, Calibrated]] = {}
    for space in dict.fromkeys(spec.space for spec in specs):
        members = [spec for spec in specs if spec.space == space]
        found |= _run_space(canonical, space, members, plan)
    return found


def _run_space(
    canonical: Canonical, space: Space, specs: Sequence[Spec], plan: RowPlan
) -> dict[str, tuple[float, Calibrated]]:
    rows, factor = rows_of(canonical, space, specs[0].name)
    n, d = rows.shape
    jobs: dict[tuple[str, int], list[tuple[Spec, Workload]]] = {}
    for spec in specs:
        too_many = spec.most is not None and n > spec.most
        # Its own refusal says why: a subsample that nobody asked for would hide it.
        budget = None if too_many else plan.budget
        load = workload(_finite(spec, plan.params), n, d, plan.replicates, budget)
        rows_used = min(n, MOST_ROWS)
        plain = plan.tables and not plan.params.get(spec.name)
        if plain and holds(canonical.parameters, rows_used, d, [spec]):
            whole: Literal["exact", "subsample"] = "exact" if rows_used == n else "subsample"
            load = Workload(whole, rows_used, rows_used, plan.replicates, tabulated=True)
        if plan.calibration == "asymptotic":
            load = Workload("exact", n, n, 0)
        jobs.setdefault((load.mode, load.rows), []).append((spec, load))
    found: dict[str, tuple[float, Calibrated]] = {}
    for (mode, count), members in jobs.items():
        here, its = (rows, factor) if mode != "subsample" else _subsample(rows, count, space, plan)
        view = RowView(here, its, precision=plan.precision, progress=plan.progress)
        ready = [_ready(spec, mode, n, plan.params) for spec, _ in members]
        values = evaluate_all(view, [s.statistic for s, _ in ready], [p for _, p in ready])
        for (spec, _), value, result in zip(
            members,
            values,
            _calibrated(canonical, view, members, ready, values, n, plan),
            strict=True,
        ):
            found[spec.name] = value[0], result
    return found


def _finite(spec: Spec, params: Mapping[str, Any]) -> Spec:
    """Leave out the random-feature form where a parameter is at its limit: it has none there."""
    chosen = params.get(spec.name, {})
    at_limit = any(chosen.get(name) in values for name, values in spec.limits.items())
    return replace(spec, features=None) if at_limit else spec


def _ready(spec: Spec, mode: str, n: int, params: Mapping[str, Any]) -> tuple[Spec, dict[str, Any]]:
    """Return the row to evaluate, and its parameters: of the random-feature form, if it is that."""
    chosen = dict(params.get(spec.name, {}))
    if mode != "features" or spec.features is None:
        return spec, chosen
    return replace(spec, name=f"{spec.name}/features", statistic=spec.features), chosen | {"n": n}


def _calibrated(
    canonical: Canonical,
    view: RowView,
    members: Sequence[tuple[Spec, Workload]],
    ready: Sequence[tuple[Spec, dict[str, Any]]],
    values: Sequence[tuple[float, float]],
    total: int,
    plan: RowPlan,
) -> list[Calibrated]:
    results: dict[int, Calibrated] = {}
    groups: dict[tuple[int, int, bool, bool], list[int]] = {}
    for position, (spec, load) in enumerate(members):
        exact = bool(spec.exact) and plan.calibration == "auto"
        if exact or plan.calibration == "asymptotic":
            results[position] = _published(spec, values[position][0], view, plan)
        else:
            key = (load.null_rows, load.replicates, spec.coloured, load.tabulated)
            groups.setdefault(key, []).append(position)
    for (null_rows, count, coloured, shipped), positions in groups.items():
        space = members[positions[0]][0].space
        null = RowNull(space, null_rows, view.d, _colour(view) if coloured else None)
        table = None
        if shipped:
            chosen = [members[p][0] for p in positions]
            table = tabulated(canonical.parameters, null_rows, view.d, chosen)
        calibrated = monte_carlo_rows(
            [values[p][1] for p in positions],
            null,
            [ready[p][0] for p in positions],
            {ready[p][0].name: ready[p][1] for p in positions},
            replicates=count,
            seed=plan.seed,
            table=None if table is None else table[:, :, 0],
            progress=plan.progress,
        )
        for p, result in zip(positions, calibrated, strict=True):
            load = members[p][1]
            method = result.method + load.said(total)
            results[p] = replace(result, method=method, subsampled=load.mode == "subsample")
    return [results[p] for p in range(len(members))]


def _published(spec: Spec, statistic: float, view: RowView, plan: RowPlan) -> Calibrated:
    if spec.published is None:
        raise InputError(
            f"calibration: no asymptotic p-value is published for {spec.name}; use "
            f"calibration='monte-carlo'."
        )
    pvalue = spec.published(statistic, view, **plan.params.get(spec.name, {}))
    method = f"exact ({spec.exact})" if spec.exact else "asymptotic (published formula)"
    return Calibrated(pvalue, method)


def rows_of(canonical: Canonical, space: Space, name: str) -> tuple[NDArray[Any], Vector | None]:
    """Return the rows of a space, and the factor that residuals are whitened with."""
    if space == "normal":
        return canonical.rows, None
    if space == "cube":
        return np.clip(np.asarray(canonical.cube), 0.0, 1.0), None
    if space == "sphere":
        return np.asarray(canonical.unit), None
    n, d = canonical.rows.shape
    if canonical.fitted:
        kept = canonical.covariance[np.ix_(canonical.columns, canonical.columns)]
        return canonical.rows, cholesky(kept)
    if n <= d:
        raise InputError(
            f"data: {name} fits a covariance, which takes more rows than columns; got n = {n}, "
            f"d = {d}; add rows or leave the test out."
        )
    rows, columns = whiten_independent(canonical.rows, canonical.mean, canonical.covariance)
    return rows, cholesky(canonical.covariance[np.ix_(columns, columns)])


def _subsample(
    rows: NDArray[Any], count: int, space: Space, plan: RowPlan
) -> tuple[NDArray[Any], Vector | None]:
    """Draw rows; residuals are whitened anew, so that the null is that of `count` rows."""
    rng = stream(plan.seed, "budget/subsample")
    chosen = rows[np.sort(rng.choice(len(rows), count, replace=False, shuffle=False))]
    if space != "residuals":
        return chosen, None
    mean, covariance = mean_and_covariance(chosen)
    whitened, columns = whiten_independent(chosen, mean, covariance)
    if len(columns) < rows.shape[1]:
        raise InputError(
            f"budget: the {count} rows that it pays for have fewer than {rows.shape[1]} "
            f"independent columns; raise budget."
        )
    return whitened, cholesky(covariance)


def _colour(view: RowView) -> Vector | None:
    """Return the factor of the correlations: what is coloured gets standardised."""
    return None if view.factor is None else unit_rows(view.factor)
