"""Tests against a law that can be drawn from: one map for data and fresh draws, then ranks."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from dmtest.battery.one_sample import bound, slice_facts
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
from dmtest.runtime.streams import some_rows, stream
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
    """The statistics of a sample, for the data and for fresh draws alike.

    Parameters
    ----------
    scale : DrawnScale
        The map that both go through.
    specs : sequence of SliceTest and DrawTest
    plan : Plan
    """

    def __init__(
        self, scale: DrawnScale, specs: Sequence[SliceTest | DrawTest], plan: Plan
    ) -> None:
        self.scale, self.specs = scale, specs
        self.slices: dict[str, Callable[..., Vector]] = {}
        self.measured: dict[str, Callable[[Vector], Vector]] = {}
        for spec in specs:
            if isinstance(spec, SliceTest):
                self.slices[spec.name] = bound(spec, plan.params)
            else:
                params = plan.params.get(spec.name, {})
                self.measured[spec.name] = spec.statistic(scale.white, plan.seed, **params)

    def __call__(
        self, rows: Vector, rng: np.random.Generator
    ) -> tuple[list[Vector], list[dict[str, Any]]]:
        """Return values of each test, larger is worse, and the fields of its outcome."""
        white, slices = self.scale.of(rows, rng)
        values = dict.fromkeys(self.slices, np.empty(0))
        if self.slices:
            table = evaluate_slices(slices, "known", self.slices)
            values = dict(zip(self.slices, table.T, strict=True))
        parts = [
            _slice_values(spec, values[spec.name])
            if isinstance(spec, SliceTest)
            else _row_values(self.measured[spec.name](white))
            for spec in self.specs
        ]
        return [bad for bad, _ in parts], [facts for _, facts in parts]


def _slice_values(spec: SliceTest, values: Vector) -> tuple[Vector, dict[str, Any]]:
    """Return the mean over slices and the worst of them."""
    bad = spec.sign * values
    return np.array([bad.mean(), bad.max()]), slice_facts(values, spec)


def _row_values(values: Vector) -> tuple[Vector, dict[str, Any]]:
    return values, {"statistic": float(values.max())}


class _Draws:
    """Fresh draws of a law, evaluated like the data.

    Parameters
    ----------
    target : Sampled
    sample : Sample
        The data: columns and precision.
    n : int
        Rows of a draw.
    evaluate : _Evaluation
    plan : Plan
    """

    def __init__(
        self, target: Sampled, sample: Sample, n: int, evaluate: _Evaluation, plan: Plan
    ) -> None:
        self.target, self.sample, self.n = target, sample, n
        self.evaluate, self.plan = evaluate, plan

    def __call__(self, start: int, stop: int) -> Vector:
        """Return the values of draws `start` to `stop` - 1, a row each."""
        found: list[Vector] = []
        for batch in blocks(stop - start, BATCH // (self.n * self.sample.d)):
            # The caller's function runs in this thread only.
            fresh = [(b, self._draw(b)) for b in range(start + batch.start, start + batch.stop)]
            found += run_tasks(self._values, fresh)
            if self.plan.progress is not None:
                self.plan.progress("fresh draws", start + batch.stop, self.plan.replicates)
        return np.stack(found)

    def _draw(self, b: int) -> Vector:
        return self.target.fresh(self.n, self.sample, stream(self.plan.seed, "sampled/draw", b))

    def _values(self, draw: tuple[int, Vector]) -> Vector:
        b, rows = draw
        ties = stream(self.plan.seed, "sampled/draw/ties", b)
        return np.concatenate(self.evaluate(rows, ties)[0])


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
    d, seed = sample.d, plan.seed
    rows, part = _chosen_rows(sample, seed)
    large = large_draws(target, sample, len(rows), seed)
    directions = random_directions(slice_count(d, plan.slices), d, stream(seed, "directions"))
    scale = DrawnScale(large.scale, large.centre, directions, stream(seed, "sampled/scale"))
    evaluate = _Evaluation(scale, specs, plan)
    observed, facts = evaluate(rows, stream(seed, "sampled/ties"))
    joint, single, worst = _ranked(specs, observed)
    made = rank_among_draws(
        np.concatenate(observed),
        _Draws(target, sample, len(rows), evaluate, plan),
        [joint, *single, *worst.values()],
        plan.replicates,
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
        drawn=2 * len(large.scale) + made * len(rows),
    )


def _chosen_rows(sample: Sample, seed: int) -> tuple[Vector, str]:
    """Return the rows that are tested, all or a random part, and the note on the method."""
    if sample.n <= ROWS:
        return np.asarray(sample.x, dtype=np.float64), ""
    rng = stream(seed, "sampled/subsample")
    chosen = some_rows(rng, sample.n, ROWS)
    rows = np.asarray(sample.x[chosen], dtype=np.float64)
    return rows, f", of {ROWS} of {sample.n} rows drawn at random"


def _ranked(
    specs: Sequence[SliceTest | DrawTest], observed: Sequence[Vector]
) -> tuple[Ranked, list[Ranked], dict[str, Ranked]]:
    """Return the p-values to compute: of all tests together, of each, and of worst slices."""
    ends = np.cumsum([0, *map(len, observed)])
    columns = [tuple(range(*pair)) for pair in pairwise(map(int, ends))]
    single, worst = [], {}
    for spec, own in zip(specs, columns, strict=True):
        single.append(Ranked(own[:1] if isinstance(spec, SliceTest) else own))
        if isinstance(spec, SliceTest):
            worst[spec.name] = Ranked(own[1:])
    return Ranked(tuple(range(int(ends[-1])))), single, worst


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
