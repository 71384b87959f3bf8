"""Verdict, tables and sentences agree: random reports, parsed as a reader sees them."""

from __future__ import annotations

import numpy as np
import pytest

import dmtest
from dmtest.calibration.multiplicity import consistent_with, holm
from dmtest.reports.verdict import adjusted_pvalues
from dmtest.results.outcome import Outcome
from tests.support.random_reports import contradictions, random_case

# 500 in benchmarks.decisions.causes.
SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.filterwarnings("ignore::dmtest.DataWarning")
def test_a_report_does_not_contradict_itself(seed: int) -> None:
    x, target = random_case(seed)
    report = dmtest.report(x, target, rng=seed, replicates=99)
    assert contradictions(report) == []


def test_random_reports_have_both_verdicts() -> None:
    near = [random_case(seed) for seed in SEEDS]
    assert {type(target).__name__ for _, target in near} >= {"str", "Sphere", "Reference"}
    assert len({x.shape for x, _ in near}) > 10


def test_adjusted_p_values_are_consistent_with_the_global_one() -> None:
    p = np.array([0.02, 0.5, 0.6])
    assert consistent_with(holm(p), 0.03, 0).tolist() == [0.03, 1.0, 1.0]
    assert consistent_with(holm(p), 0.4, 0).tolist() == [0.4, 1.0, 1.0]


def outcome(test: str, pvalue: float, worst: float | None = None) -> Outcome:
    """Make an outcome of a test."""
    return Outcome(
        test=test, statistic=1.0, pvalue=pvalue, worst_pvalue=worst, target="normal", n=10, d=2,
        family="slices", method="monte carlo",
    )  # fmt: skip


def test_the_strongest_evidence_has_the_global_p_value() -> None:
    mean = outcome("anderson-darling", 0.03), outcome("radius", 0.2)
    assert adjusted_pvalues(mean, 0.045) == (0.045, 0.2)
    # The worst slice of a test is evidence, too; the search counts with its weight.
    slices = outcome("anderson-darling", 0.5, 0.001), outcome("radius", 0.02)
    assert adjusted_pvalues(slices, 0.004)[0] == 0.004
    # The part that decides may have the larger p-value, with a larger share of the level.
    search = outcome("radius", 0.02), outcome("worst-direction", 0.01)
    assert adjusted_pvalues(search, 0.025, (0,))[0] == 0.025
    assert adjusted_pvalues((), 1.0) == ()
