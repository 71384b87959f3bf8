"""One fused computation of several tests of one sample: compute, then calibrate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.battery.rows import run_rows
from dmtest.calibration.monte_carlo import PValues, asymptotic, monte_carlo_slices
from dmtest.calibration.multiplicity import JointPValue, joint_pvalue
from dmtest.calibration.nulls import RowNull, SliceNull, slice_count, workload_of
from dmtest.calibration.shipped import smallest_of
from dmtest.catalogue.registry import one_sample_tests
from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest, Spec
from dmtest.engines.directions import as_directions, default_directions, random_directions
from dmtest.engines.slices import SliceView, slice_statistics
from dmtest.errors import InputError
from dmtest.results.outcome import Outcome
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

Extras = Mapping[str, Callable[[SliceView], Vector]]

# Rows up to which a default battery simulates the nulls that the package does not ship.
SIMULATED_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """Outcomes of the tests of one report, and their global p-value.

    Attributes
    ----------
    outcomes : list of Outcome
        In the order of the tests.
    pvalue, error, method
        Global p-value over all tests, its Monte Carlo error and its method.
    directions : ndarray, shape (k, r), or None
    extras : dict of str to ndarray (k,)
        Further statistics of the slices.
    null : SliceNull or None
    floor : float or None
        Smallest global p-value that the replicates can give.
    """

    outcomes: list[Outcome]
    pvalue: float
    error: float | None
    method: str
    directions: Vector | None
    extras: dict[str, Vector]
    null: SliceNull | None
    floor: float | None = None


def chosen_tests(
    tests: str | Iterable[str] | None, target: str, canonical: Canonical, plan: Plan
) -> tuple[OneSampleTest, ...]:
    """Resolve names; None stands for the tests of the default battery that suit n and d.

    Whole-row tests are left out if their null is not shipped and n > 2,000; those of whitened
    rows also need n >= 2d.

    Parameters
    ----------
    tests : str, iterable of str, or None
    target : str
        Name of the hypothesis, as the catalogue has it.
    canonical : Canonical
    plan : Plan

    Returns
    -------
    tuple of SliceTest and RowTest
    """
    specs = one_sample_tests(tests, target)
    if tests is not None or canonical.unit is not None:
        return specs
    n, d = canonical.varying().rows.shape
    few, default = n <= SIMULATED_ROWS, replace(plan, params={})

    def ships(spec: RowTest) -> bool:
        null = RowNull(spec.space, n, d)
        return workload_of(null, spec, default, shipped=plan.thrifty).shipped

    return tuple(
        spec
        for spec in specs
        if isinstance(spec, SliceTest)
        or (spec.suits(d) and (ships(spec) or (few and (spec.space != "residuals" or n >= 2 * d))))
    )


def run_battery(
    canonical: Canonical, specs: Sequence[OneSampleTest], plan: Plan, extras: Extras | None = None
) -> Battery:
    """Run tests on canonical rows, sharing the projection, the sort and the null replicates.

    Parameters
    ----------
    canonical : Canonical
    specs : sequence of SliceTest and RowTest
    plan : Plan
    extras : mapping of name to function of a SliceView, optional
        Further statistics of the same slices, without p-values.

    Returns
    -------
    Battery

    Notes
    -----
    Columns that are constant or equal another one are left out; of equal rows every test has
    p-value 0 (``Canonical.collapsed``). Given `directions` are of all columns.
    """
    if canonical.collapsed and specs:
        return _collapsed(canonical, specs, plan)
    whole, canonical = canonical, canonical if plan.directions is not None else canonical.varying()
    slice_tests = [spec for spec in specs if isinstance(spec, SliceTest)]
    pvalues: dict[str, PValues] = {}
    facts: dict[str, dict[str, Any]] = {}
    directions = null = None
    extra_values: dict[str, Vector] = {}
    if slice_tests or extras:
        directions, null = _directions(canonical, plan)
        values, extra_values = _slice_values(canonical, directions, slice_tests, plan, extras or {})
        results = calibrated_slices(values, null, slice_tests, plan)
        for spec, result in zip(slice_tests, results, strict=True):
            pvalues[spec.name] = result
        for j, spec in enumerate(slice_tests):
            facts[spec.name] = slice_facts(values[:, j], spec)
    row_tests = [spec for spec in specs if isinstance(spec, RowTest)]
    for name, result_of_rows in run_rows(canonical, row_tests, plan).items():
        facts[name], pvalues[name] = result_of_rows
    outcomes = [outcome_of(spec, pvalues[spec.name], facts, canonical, plan) for spec in specs]
    joint, method = joint_of(list(pvalues.values()), canonical.rows.shape[1])
    return Battery(
        outcomes=outcomes,
        pvalue=joint.pvalue,
        error=joint.error,
        method=method,
        directions=_in_all_columns(directions, whole, canonical),
        extras=extra_values,
        null=null,
        floor=joint.floor,
    )


def _in_all_columns(directions: Vector | None, whole: Canonical, left: Canonical) -> Vector | None:
    """Return directions of the columns that are left with weight 0 in the others."""
    if directions is None or left is whole:
        return directions
    wide = np.zeros((len(directions), whole.rows.shape[1]))
    wide[:, whole.live] = directions
    return wide


def _collapsed(canonical: Canonical, specs: Sequence[OneSampleTest], plan: Plan) -> Battery:
    """Return the outcomes of equal rows: no statistic, and p-value 0."""
    method = "exact: all rows are equal, which the target gives with probability 0"
    result = PValues(0.0, method)
    facts: dict[str, dict[str, Any]] = {spec.name: {"statistic": np.nan} for spec in specs}
    outcomes = [outcome_of(spec, result, facts, canonical, plan) for spec in specs]
    return Battery(
        outcomes=outcomes,
        pvalue=0.0,
        error=None,
        method=method,
        directions=None,
        extras={},
        null=None,
    )


def _directions(canonical: Canonical, plan: Plan) -> tuple[Vector, SliceNull]:
    n, d = canonical.rows.shape
    parameters = canonical.parameters
    if plan.directions is not None:
        if plan.slices is not None:
            raise InputError("slices: give either slices or directions, not both.")
        directions = as_directions(plan.directions, d)
        return directions, SliceNull.of(parameters, n, d, len(directions), directions)
    k = slice_count(d, plan.slices)
    if plan.slices is None:
        directions = default_directions(k, d)
    else:
        directions = random_directions(k, d, stream(plan.seed, "directions"))
    return directions, SliceNull.of(parameters, n, d, k, None)


def _slice_values(
    canonical: Canonical, directions: Vector, specs: Sequence[SliceTest], plan: Plan, extras: Extras
) -> tuple[Vector, dict[str, Vector]]:
    functions: dict[str, Callable[..., Vector]] = {
        spec.name: bound(spec, plan.params) for spec in specs
    }
    functions |= {f"extra {name}": function for name, function in extras.items()}
    values = slice_statistics(
        canonical.rows,
        directions,
        canonical.parameters,
        functions,
        moments_only=not extras and all(spec.needs == "moments" for spec in specs),
        progress=plan.progress,
    )
    count = len(specs)
    return values[:, :count], {name: values[:, count + j] for j, name in enumerate(extras)}


def bound(spec: SliceTest, params: Mapping[str, Any]) -> Callable[[SliceView], Vector]:
    """Return the statistic of a test with its parameters, from those of all tests by name."""
    arguments = dict(params.get(spec.name, {}))
    return lambda view: np.asarray(spec.statistic(view, **arguments))


def calibrated_slices(
    values: Vector, null: SliceNull, specs: Sequence[SliceTest], plan: Plan
) -> list[PValues]:
    """Return the p-values of tests of slices from their values, shape (k, tests)."""
    if plan.calibration == "asymptotic":
        return [
            asymptotic(values[:, j], spec, null.parameters, null.n) for j, spec in enumerate(specs)
        ]
    return monte_carlo_slices(values, null, specs, plan, shipped=plan.thrifty)


def slice_facts(values: Vector, spec: SliceTest) -> dict[str, Any]:
    """Return the fields of an outcome that the values of a test's slices give."""
    worst = int((spec.sign * values).argmax())
    return {
        "statistic": float(values.mean()),
        "slices": len(values),
        "reduction": spec.reduction,
        "worst_slice": worst,
        "worst_statistic": float(values[worst]),
    }


def outcome_of(
    spec: Spec,
    result: PValues,
    facts: Mapping[str, dict[str, Any]],
    canonical: Canonical,
    plan: Plan,
) -> Outcome:
    """Return the outcome of a test, with the facts of its statistic by the names of fields."""
    n, d = canonical.rows.shape
    return Outcome(
        test=spec.name,
        pvalue=result.pvalue,
        target=plan.target,
        n=n,
        d=d,
        family=spec.family,
        method=result.method,
        replicates=result.replicates,
        pvalue_error=result.error,
        params=dict(spec.params) | dict(plan.params.get(spec.name, {})),
        seed=plan.seed,
        worst_pvalue=result.worst_pvalue,
        pvalue_floor=result.floor,
        **({"rows": n} | facts[spec.name]),
    )


def joint_of(results: Sequence[PValues], d: int) -> tuple[JointPValue, str]:
    """Combine p-values, in groups of tests with the same null samples; return the method too.

    Tests of slices and of rows of one sample share its d columns, although the nulls of slices
    have fewer.
    """
    if not results:
        return JointPValue(1.0, 0, 0, None, None), "no test was run"
    groups: dict[tuple[int, bool, bool], list[tuple[Vector, Vector]]] = {}
    shipped: dict[tuple[int, bool, bool], dict[str, tuple[float, float]]] = {}
    published: list[float] = []
    for result in results:
        if result.source is None:
            published.append(result.pvalue)
        elif result.scores:
            shipped.setdefault(result.source, {}).update(result.scores)
        elif result.badness is not None and result.null is not None:
            groups.setdefault(result.source, []).append((result.badness, result.null))
    smallest = [
        smallest_of(scores, *max(scores.values()), source[0], d)
        for source, scores in shipped.items()
    ]
    joint = joint_pvalue(list(groups.values()), published, smallest)
    simulated = bool(groups or shipped)
    method = "min-p over tests and slices, monte carlo" if simulated else "published p-values"
    if joint.parts > 1:
        method += f"; Bonferroni over {joint.parts} groups"
    return joint, method
