"""From a sample to a Report: compute, calibrate, measure, diagnose."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest._version import __version__
from dmtest.battery.one_sample import Battery, chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration.multiplicity import bonferroni, holm
from dmtest.catalogue.registry import TESTS, describe, hypothesis
from dmtest.data.sample import Sample
from dmtest.effects.alignment import pair_estimates
from dmtest.effects.coordinates import Coordinates, describe_coordinates
from dmtest.effects.detectability import Detectability, detectability_effect
from dmtest.effects.directions import Direction
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.profile import KLProfile, profile_effect
from dmtest.effects.shape import shape_estimates
from dmtest.effects.wasserstein import describe_slices, sliced_estimates
from dmtest.errors import InputError
from dmtest.reports import sections
from dmtest.reports.diagnosis import SampleEvidence, diagnose
from dmtest.reports.figures import coordinate_pictures, slice_pictures, spectrum_picture
from dmtest.results.effect_table import effects_of
from dmtest.results.outcome import Effect, Outcome
from dmtest.results.report import Report
from dmtest.targets.targets import Canonical, Target, Uniform

__all__ = ["assemble"]

# What the tests over all of the sample and the search over directions have of the level.
WEIGHTS = (0.8, 0.2)


def assemble(
    sample: Sample,
    goal: Target,
    tests: str | Iterable[str] | None,
    alpha: float,
    tolerance: float | None,
    augmented: Sample | None,
    plan: Plan,
    started: float,
) -> Report:
    """Run everything a report needs, each computation once."""
    canonical = goal.canonical(sample)
    specs = chosen_tests(tests, hypothesis(goal.name), canonical, plan)
    battery = run_battery(canonical, specs, plan, describe_slices())
    base = canonical.rows if not goal.fitted else sample.x
    coordinates = describe_coordinates(base, goal.fitted)
    found = sections.searched(canonical, plan.replicates, plan.seed) if tests is None else []
    outcomes, pvalue, method = _together(battery, found, canonical, plan)
    rejected = pvalue <= alpha or canonical.outside > 0
    profile = sections.smoothed(canonical, goal.name, tolerance, plan.seed, plan.progress)
    power = None
    if rejected:
        power = sections.noticed(sample, goal, battery.outcomes, alpha, plan.seed, plan.progress)
    certificate = None
    if tolerance is not None:
        if profile is None:
            raise InputError(
                f"tolerance: nothing can be certified of n = {sample.n} rows for target "
                f"{goal.name!r}; it takes 128 rows and a target other than the sphere."
            )
        certificate = sections.certify(canonical, profile, tolerance, alpha, plan.seed)
    effects = _effects(canonical, battery, profile, power, plan.seed)
    if augmented is not None:
        effects |= effects_of(pair_estimates(sample.x, augmented.x, plan.seed))
    evidence = SampleEvidence(
        names=sample.names,
        effects=effects,
        directions=found,
        alpha=alpha,
        canonical=canonical,
        coordinates=coordinates,
        skewness=battery.extras["skewness"],
        kurtosis=battery.extras["kurtosis"],
        norms=_norms(coordinates.values),
    )
    pictures = _pictures(sample, goal, canonical, battery, coordinates, plan.seed)
    pictures["directions"] = [one.figure(sample.names, canonical) for one in found]
    pictures["profile"] = None if profile is None else profile.to_dict()
    pictures["detectability"] = None if power is None else power.to_dict()
    asked = None if tests is None else [s.name for s in specs]
    return Report(
        verdict=_verdict(rejected, certificate),
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
        diagnosis=diagnose(evidence) if rejected else (),
        warnings=(*sample.findings, *canonical.findings),
        computed=_computed(sample, battery, plan, coordinates, outcomes, started)
        | _certified(certificate)
        | {
            "arguments": _asked(asked, plan, tolerance),
            "described": describe((o.test for o in outcomes), hypothesis(goal.name)),
        },
        pictures=pictures,
    )


def _verdict(rejected: bool, certificate: sections.Certificate | None) -> str:
    if certificate is not None and certificate.holds:
        return "equivalent"
    if rejected:
        return "mismatch"
    return "compatible" if certificate is None else "inconclusive"


def _asked(names: list[str] | None, plan: Plan, tolerance: float | None) -> dict[str, Any]:
    """Keep what was asked for beside the defaults, so that the run can be repeated."""
    asked = {"tests": names, "tolerance": tolerance, "slices": plan.slices, "budget": plan.budget}
    return asked | {"replicates": plan.replicates if plan.replicates != 999 else None}


def _certified(certificate: sections.Certificate | None) -> dict[str, Any]:
    if certificate is None:
        return {}
    return {
        "tolerance": certificate.tolerance,
        "certified_under": certificate.high,
        "rows_needed": certificate.rows_needed(),
    }


def _effects(
    canonical: Canonical,
    battery: Battery,
    profile: KLProfile | None,
    power: Detectability | None,
    seed: int,
) -> dict[str, Effect]:
    estimates = {} if canonical.fitted else gaussian_estimates(canonical)
    estimates |= sections.shapes(canonical, seed)
    estimates |= sliced_estimates(canonical, battery, seed) | shape_estimates(canonical)
    effects = [] if profile is None else [profile_effect(profile)]
    effects += effects_of(estimates).values()
    if power is not None:
        effects.append(detectability_effect(power))
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


def _together(
    battery: Battery, found: list[Direction], canonical: Canonical, plan: Plan
) -> tuple[tuple[Outcome, ...], float, str]:
    """Add the search, and the exact test that values outside the support amount to."""
    outcomes = tuple(battery.outcomes)
    pvalue, method = battery.pvalue, battery.method
    if found:
        searched = sections.direction_outcome(found, canonical, plan.target)
        outcomes = (*outcomes, searched)
        pvalue = bonferroni([pvalue, searched.pvalue], WEIGHTS)
        method += "; Bonferroni with the search over directions, weights {:g} and {:g}".format(
            *WEIGHTS
        )
    if not canonical.outside:
        return outcomes, pvalue, method
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


def _floor(battery: Battery, outcomes: tuple[Outcome, ...]) -> float | None:
    """Smallest global p-value there can be; the search has its own, which is smaller here."""
    if battery.floor is None:
        return None
    searched = any(one.test == "worst-direction" for one in outcomes)
    return battery.floor / (WEIGHTS[0] if searched else 1.0)


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
        "pvalue_floor": _floor(battery, outcomes),
        "rows_in_pictures": coordinates.m,
        "version": __version__,
        "numpy": np.__version__,
        "seconds": round(time.perf_counter() - started, 3),
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
