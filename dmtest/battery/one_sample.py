"""One fused computation of several tests of one sample: compute, then calibrate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.battery.plan import Plan
from dmtest.battery.rows import run_rows
from dmtest.calibration.monte_carlo import Calibrated, asymptotic, monte_carlo_slices
from dmtest.calibration.multiplicity import bonferroni, min_p
from dmtest.calibration.nulls import SliceNull
from dmtest.calibration.shipped import MOST_ROWS, SLICES, holds
from dmtest.catalogue.registry import as_tests
from dmtest.catalogue.spec import Spec
from dmtest.engines.directions import as_directions, random_directions
from dmtest.engines.slices import SliceView, slice_statistics
from dmtest.errors import InputError
from dmtest.results.outcome import Outcome
from dmtest.runtime.streams import stream
from dmtest.targets.targets import Canonical

__all__ = ["Battery", "chosen_tests", "run_battery"]

Vector = NDArray[np.float64]
Extras = Mapping[str, Callable[[SliceView], Vector]]

DEFAULT_SLICES = SLICES
# Rows up to which a default battery simulates the nulls that the package does not ship.
SIMULATED_ROWS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Battery:
    """What a battery of tests came to.

    Attributes
    ----------
    outcomes : list of Outcome
        In the order the tests were given.
    pvalue, error, method
        The global p-value over all of them, its Monte Carlo error and how it was made.
    directions : ndarray, shape (k, r), or None
    extras : dict of str to ndarray (k,)
        Further statistics of the slices.
    null : SliceNull or None
    floor : float or None
        The smallest global p-value that the replicates can give.
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
) -> tuple[Spec, ...]:
    """Resolve names; None stands for those of the default battery that suit n and d.

    All of them do where the package ships their null, and up to 2,000 rows; what looks at
    whitened rows takes two rows a column. Elsewhere it is left to slices.
    """
    specs = as_tests(tests, target)
    if tests is not None or canonical.unit is not None:
        return specs
    n, d = canonical.rows.shape
    few = n <= SIMULATED_ROWS
    return tuple(
        spec
        for spec in specs
        if spec.family == "slices"
        or (plan.tabulated and holds(canonical.parameters, min(n, MOST_ROWS), d, [spec]))
        or (few and (spec.space != "residuals" or n >= 2 * d))
    )


def run_battery(
    canonical: Canonical, specs: Sequence[Spec], plan: Plan, extras: Extras | None = None
) -> Battery:
    """Run tests on canonical rows, sharing the projection, the sort and the null replicates.

    Parameters
    ----------
    canonical : Canonical
    specs : sequence of Spec
    plan : Plan
    extras : mapping of name to function of a SliceView, optional
        Further statistics to evaluate on the same slices, uncalibrated.
    """
    sliced = [spec for spec in specs if spec.family == "slices"]
    calibrated: dict[str, Calibrated] = {}
    facts: dict[str, dict[str, Any]] = {}
    directions = null = None
    further: dict[str, Vector] = {}
    if sliced or extras:
        directions, null = _directions(canonical, plan)
        values, further = _slice_values(canonical, directions, sliced, plan, extras or {})
        results = _calibrate(values, null, sliced, canonical.rows.shape[1], plan)
        for spec, result in zip(sliced, results, strict=True):
            calibrated[spec.name] = result
        for j, spec in enumerate(sliced):
            facts[spec.name] = _slice_facts(values[:, j], spec)
    others = [spec for spec in specs if spec.family != "slices"]
    for name, (statistic, result) in run_rows(canonical, others, plan.of_rows()).items():
        facts[name], calibrated[name] = {"statistic": statistic}, result
    outcomes = [_outcome(spec, calibrated[spec.name], facts, canonical, plan) for spec in specs]
    pvalue, error, method, floor = _together(list(calibrated.values()))
    return Battery(
        outcomes=outcomes,
        pvalue=pvalue,
        error=error,
        method=method,
        directions=directions,
        extras=further,
        null=null,
        floor=floor,
    )


def _directions(canonical: Canonical, plan: Plan) -> tuple[Vector, SliceNull]:
    n, d = canonical.rows.shape
    parameters = canonical.parameters
    if plan.directions is not None:
        if plan.slices is not None:
            raise InputError("slices: give either slices or directions, not both.")
        directions = as_directions(plan.directions, d)
        return directions, SliceNull.of(parameters, n, d, len(directions), directions)
    k = 1 if d == 1 else plan.slices or DEFAULT_SLICES
    directions = random_directions(k, d, stream(plan.seed, "directions"))
    return directions, SliceNull.of(parameters, n, d, k, None)


def _slice_values(
    canonical: Canonical, directions: Vector, specs: Sequence[Spec], plan: Plan, extras: Extras
) -> tuple[Vector, dict[str, Vector]]:
    functions: dict[str, Callable[..., Vector]] = {
        spec.name: _bind(spec, plan.params) for spec in specs
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


def _bind(spec: Spec, params: Mapping[str, Any]) -> Callable[[SliceView], Vector]:
    chosen = dict(params.get(spec.name, {}))
    return lambda view: np.asarray(spec.statistic(view, **chosen))


def _calibrate(
    values: Vector, null: SliceNull, specs: Sequence[Spec], columns: int, plan: Plan
) -> list[Calibrated]:
    if plan.calibration == "asymptotic":
        return [
            asymptotic(values[:, j], spec, null.parameters, null.n) for j, spec in enumerate(specs)
        ]
    return monte_carlo_slices(
        values,
        null,
        specs,
        plan.params,
        replicates=plan.replicates,
        seed=plan.seed,
        thrifty=plan.calibration == "auto",
        columns=columns if plan.tabulated else None,
        progress=plan.progress,
    )


def _slice_facts(values: Vector, spec: Spec) -> dict[str, Any]:
    worst = int((spec.sign * values).argmax())
    return {
        "statistic": float(values.mean()),
        "slices": len(values),
        "reduction": spec.reduction,
        "worst_slice": worst,
        "worst_statistic": float(values[worst]),
    }


def _outcome(
    spec: Spec,
    result: Calibrated,
    facts: Mapping[str, dict[str, Any]],
    canonical: Canonical,
    plan: Plan,
) -> Outcome:
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
        **facts[spec.name],
    )


def _together(results: Sequence[Calibrated]) -> tuple[float, float | None, str, float | None]:
    """Combine all p-values: min-p within tests that share replicates, Bonferroni across."""
    if not results:
        return 1.0, None, "no test was run", None
    groups: dict[tuple[int, bool, bool], list[Calibrated]] = {}
    parts: list[float] = []
    floors: list[float] = []
    for result in results:
        if result.rows is None:
            parts.append(result.pvalue)
        else:
            key = (result.rows, result.subsampled, result.tabulated)
            groups.setdefault(key, []).append(result)
    fewest = 0
    for members in groups.values():
        # Replicate b is the same sample for all members, so a common number of them is a
        # joint sample of their statistics.
        common = min(len(np.asarray(m.null)) for m in members)
        badness = np.concatenate([np.asarray(m.badness) for m in members])
        null = np.concatenate([np.asarray(m.null)[:common] for m in members], axis=1)
        parts.append(min_p(badness, null)[0])
        floors.append(1.0 / (common + 1.0))
        fewest = min(fewest or common, common)
    pvalue = bonferroni(parts)
    smallest = min(parts)
    error = len(parts) * float(np.sqrt(smallest * (1.0 - smallest) / fewest)) if fewest else None
    method = "min-p over tests and slices, monte carlo" if groups else "published p-values"
    if len(parts) > 1:
        method += f"; Bonferroni over {len(parts)} groups"
    return pvalue, error, method, len(parts) * min(floors) if floors else None
