"""From a sample to a Report: compute, calibrate, measure, diagnose."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmtest
from dmtest.arguments import hypothesis
from dmtest.battery import Battery, Plan, chosen_tests, run_battery
from dmtest.diagnosis import Evidence, diagnose
from dmtest.effects.coordinates import Coordinates, describe_coordinates
from dmtest.effects.gaussian import gaussian_effects
from dmtest.effects.pictures import coordinate_pictures, slice_pictures, spectrum_picture
from dmtest.effects.shape import shape_effects
from dmtest.effects.wasserstein import describe_slices, wasserstein_effects
from dmtest.multiplicity import holm
from dmtest.outcome import Effect, Outcome
from dmtest.registry import TESTS
from dmtest.reporting.model import Report
from dmtest.sample import Sample
from dmtest.targets import Canonical, Target, Uniform

__all__ = ["assemble"]


def assemble(
    sample: Sample,
    goal: Target,
    tests: str | Iterable[str] | None,
    alpha: float,
    plan: Plan,
    started: float,
) -> Report:
    """Run everything a report needs, each computation once."""
    canonical = goal.canonical(sample)
    specs = chosen_tests(tests, hypothesis(goal.name), canonical, plan)
    battery = run_battery(canonical, specs, plan, describe_slices())
    base = canonical.rows if not goal.fitted else sample.x
    coordinates = describe_coordinates(base, goal.fitted)
    effects = _effects(canonical, battery, plan.seed)
    norms = _norms(coordinates.values)
    mismatch = battery.pvalue <= alpha or canonical.outside > 0
    evidence = Evidence(
        canonical,
        coordinates,
        sample.names,
        effects,
        battery.extras["skewness"],
        battery.extras["kurtosis"],
        norms,
    )
    diagnosis = diagnose(evidence) if mismatch else ()
    pictures = _pictures(sample, goal, canonical, battery, coordinates, plan.seed)
    outcomes, pvalue, method = _with_support(battery, canonical, plan)
    return Report(
        verdict="mismatch" if mismatch else "compatible",
        pvalue=pvalue,
        pvalue_method=method,
        alpha=alpha,
        target=goal.name,
        n=sample.n,
        d=sample.d,
        seed=plan.seed,
        outcomes=outcomes,
        adjusted=tuple(float(p) for p in holm([o.pvalue for o in outcomes])),
        effects=effects,
        diagnosis=diagnosis,
        warnings=(*sample.findings, *canonical.findings),
        computed=_computed(sample, battery, plan, coordinates, outcomes, started),
        pictures=pictures,
    )


def _effects(canonical: Canonical, battery: Battery, seed: int) -> dict[str, Effect]:
    distance, worst = wasserstein_effects(canonical, battery, seed)
    effects = [distance]
    if not canonical.fitted:
        effects += gaussian_effects(canonical)
    effects += [worst, *shape_effects(canonical)]
    return {effect.name: effect for effect in effects}


def _norms(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(np.sqrt(np.einsum("ij,ij->i", values, values, dtype=np.float64)))


def _pictures(
    sample: Sample,
    goal: Target,
    canonical: Canonical,
    battery: Battery,
    coordinates: Coordinates,
    seed: int,
) -> dict[str, Any]:
    cube = None
    if isinstance(goal, Uniform):
        step = -(-sample.n // len(coordinates.values))
        cube = np.clip((sample.x[::step] - goal.low) / (goal.high - goal.low), 0.0, 1.0)
    return {
        "slices": slice_pictures(canonical, battery, sample.names, seed),
        "coordinates": coordinate_pictures(coordinates, cube, sample.names),
        "spectrum": spectrum_picture(canonical, seed),
    }


def _with_support(
    battery: Battery, canonical: Canonical, plan: Plan
) -> tuple[tuple[Outcome, ...], float, str]:
    """Add the exact test that values outside the support amount to."""
    outcomes = tuple(battery.outcomes)
    if not canonical.outside:
        return outcomes, battery.pvalue, battery.method
    n, d = canonical.rows.shape
    support = Outcome(
        test="support",
        statistic=float(canonical.outside),
        pvalue=0.0,
        target=plan.target,
        n=n,
        d=d,
        family="sums",
        method="exact: the target gives such values with probability 0",
        seed=plan.seed,
    )
    return (support, *outcomes), 0.0, support.method


def _computed(
    sample: Sample,
    battery: Battery,
    plan: Plan,
    coordinates: Coordinates,
    outcomes: tuple[Outcome, ...],
    started: float,
) -> dict[str, Any]:
    tested = [o for o in outcomes if o.test in TESTS]
    return {
        "source": sample.source,
        "dtype": sample.dtype,
        "tests": [o.test for o in tested],
        "slices": len(battery.directions) if battery.directions is not None else 0,
        "replicates": min((o.replicates or 0 for o in tested), default=0),
        "pvalue_error": battery.error,
        "rows_in_pictures": coordinates.m,
        "version": dmtest.__version__,
        "numpy": np.__version__,
        "seconds": round(time.perf_counter() - started, 3),
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
