"""Tests against a law that can be drawn from: one map for data and fresh draws, then ranks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.calibration.fresh import Ranked, rank_among_draws
from dmtest.calibration.nulls import slice_count
from dmtest.catalogue.spec import DrawTest, SliceTest
from dmtest.data.sample import Sample
from dmtest.engines.directions import random_directions
from dmtest.engines.drawn import DrawnScale
from dmtest.engines.slices import evaluate_slices
from dmtest.errors import DataWarning, InputError
from dmtest.results.outcome import Outcome
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.callables import LargeDraws, Sampled, large_draws

# Rows of the data that are used: more take a random part. Values of draws in memory at a time.
ROWS, BATCH = 20_000, 1 << 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """Outcomes of the tests against a law that is drawn from, and their global p-value.

    Attributes
    ----------
    outcomes : tuple of Outcome
    pvalue, error, method, replicates
        Global p-value, its Monte Carlo error, its method and the draws behind it.
    large : LargeDraws
    drawn : int
        Rows that were drawn in all.
    """

    outcomes: tuple[Outcome, ...]
    pvalue: float
    error: float
    method: str
    replicates: int
    large: LargeDraws
    drawn: int


class _Evaluation:
    """The statistics of a sample: joint columns, larger is worse, in the order of the tests."""

    def __init__(
        self, scale: DrawnScale, specs: Sequence[SliceTest | DrawTest], plan: Plan
    ) -> None:
        self.scale, self.specs = scale, specs
        self.functions: dict[str, Callable[..., Vector]] = {}
        self.measured = {}
        for spec in specs:
            params = dict(plan.params.get(spec.name, {}))
            if isinstance(spec, SliceTest):
                self.functions[spec.name] = _bind(spec, params)
            else:
                self.measured[spec.name] = spec.statistic(scale.white, plan.seed, **params)

    def of(
        self, rows: Vector, rng: np.random.Generator
    ) -> tuple[list[Vector], list[dict[str, Any]]]:
        """Return the columns of each test, and the fields of its outcome."""
        white, slices = self.scale.of(rows, rng)
        names = list(self.functions)
        values = evaluate_slices(slices, "known", self.functions) if names else np.empty((0, 0))
        columns, facts = [], []
        for spec in self.specs:
            if isinstance(spec, SliceTest):
                value = values[:, names.index(spec.name)]
                bad = spec.sign * value
                worst = int(bad.argmax())
                columns.append(np.array([bad.mean(), bad.max()]))
                facts.append(
                    {
                        "statistic": float(value.mean()),
                        "slices": len(value),
                        "reduction": spec.reduction,
                        "worst_slice": worst,
                        "worst_statistic": float(value[worst]),
                    }
                )
            else:
                columns.append(self.measured[spec.name](white))
                facts.append({"statistic": float(columns[-1].max())})
        return columns, facts


def _bind(spec: SliceTest, params: dict[str, Any]) -> Callable[..., Vector]:
    return lambda view: np.asarray(spec.statistic(view, **params))


def run_sampled(
    sample: Sample, target: Sampled, specs: Sequence[SliceTest | DrawTest], plan: Plan
) -> Drawn:
    """Test a sample against fresh draws of a law.

    Parameters
    ----------
    sample : Sample
    target : Sampled
    specs : sequence of SliceTest and DrawTest
    plan : Plan

    Returns
    -------
    Drawn

    Raises
    ------
    InputError
        If the draw cannot be used, or `plan` demands published p-values.
    """
    if plan.calibration == "asymptotic":
        raise InputError(
            f"calibration: a law that is drawn from has no published p-values; got "
            f"{plan.calibration!r}; leave it at 'auto'."
        )
    n, d, seed = min(sample.n, ROWS), sample.d, plan.seed
    rows, part = np.asarray(sample.x), ""
    if n < sample.n:
        order = stream(seed, "sampled/subsample").choice(sample.n, n, replace=False, shuffle=False)
        rows, part = rows[np.sort(order)], f", of {n} of {sample.n} rows drawn at random"
    large = large_draws(target, sample, n, seed)
    directions = random_directions(slice_count(d, plan.slices), d, stream(seed, "directions"))
    scale = DrawnScale(large.scale, large.centre, directions, stream(seed, "sampled/scale"))
    evaluate = _Evaluation(scale, specs, plan)
    observed, facts = evaluate.of(rows, stream(seed, "sampled/ties"))

    def draws(start: int, stop: int) -> Vector:
        found: list[Vector] = []
        for batch in blocks(stop - start, BATCH // (n * d)):
            fresh = [
                (target.fresh(n, sample, stream(seed, "sampled/draw", start + b)), start + b)
                for b in range(batch.start, batch.stop)
            ]
            found += run_tasks(
                lambda one: np.concatenate(
                    evaluate.of(one[0], stream(seed, "sampled/draw/ties", one[1]))[0]
                ),
                fresh,
            )
            if plan.progress is not None:
                plan.progress("fresh draws", start + batch.stop, plan.replicates)
        return np.stack(found)

    ends = np.cumsum([0, *map(len, observed)])
    every = [tuple(range(ends[j], ends[j + 1])) for j in range(len(specs))]
    joint = Ranked(tuple(range(ends[-1])))
    single = [
        Ranked(columns[:1] if isinstance(spec, SliceTest) else columns)
        for spec, columns in zip(specs, every, strict=True)
    ]
    worst = {
        spec.name: Ranked(columns[1:])
        for spec, columns in zip(specs, every, strict=True)
        if isinstance(spec, SliceTest)
    }
    made = rank_among_draws(
        np.concatenate(observed), draws, [joint, *single, *worst.values()], plan.replicates
    )
    outcomes = tuple(
        Outcome(
            test=spec.name,
            pvalue=one.pvalue,
            target=target.name,
            n=sample.n,
            d=d,
            family=spec.family,
            method=f"fresh draws, {one.replicates} replicates{part}",
            replicates=one.replicates,
            pvalue_error=one.error,
            params=dict(spec.params) | dict(plan.params.get(spec.name, {})),
            seed=seed,
            worst_pvalue=worst[spec.name].pvalue if spec.name in worst else None,
            **fact,
        )
        for spec, one, fact in zip(specs, single, facts, strict=True)
    )
    return Drawn(
        outcomes=outcomes,
        pvalue=joint.pvalue,
        error=joint.error,
        method=f"min-p over tests and slices, {joint.replicates} fresh draws{part}",
        replicates=joint.replicates,
        large=large,
        drawn=2 * len(large.scale) + made * n,
    )


def outcomes_of_draws(
    sample: Sample, target: Sampled, specs: Sequence[SliceTest | DrawTest], plan: Plan
) -> list[Outcome]:
    """Run tests as :func:`run_sampled` does, and warn of what was found of the draws.

    For results that carry no findings; a report carries its own.
    """
    result = run_sampled(sample, target, specs, plan)
    for finding in result.large.findings:
        warnings.warn(finding.message, DataWarning, stacklevel=3)
    return list(result.outcomes)


def refuse_for_draws(**arguments: Any) -> None:
    """Refuse arguments that do not apply to a law that is drawn from."""
    for name, value in arguments.items():
        if value is not None:
            raise InputError(f"{name}: does not apply to target Sampled(...); leave it out.")
