"""Many p-values: against statsmodels, formulas and definitions, and their level by simulation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from statsmodels.stats.multitest import multipletests

from dmtest.calibration.multiplicity import bonferroni, holm, mean_merge, min_p
from tests.support.calls import refused

# Few digits, so that ties come up.
PVALUES = st.lists(st.integers(0, 40).map(lambda k: k / 40), min_size=1, max_size=12)


@given(PVALUES)
def test_holm_equals_statsmodels(pvalues: list[float]) -> None:
    assert_allclose(holm(pvalues), multipletests(pvalues, method="holm")[1], rtol=1e-12)


@given(PVALUES)
def test_bonferroni_equals_statsmodels(pvalues: list[float]) -> None:
    adjusted = multipletests(pvalues, method="bonferroni")[1]
    assert_allclose(bonferroni(pvalues), adjusted.min(), rtol=1e-12)
    assert_allclose(bonferroni(pvalues), holm(pvalues).min(), rtol=1e-12)


@pytest.mark.parametrize(
    ("pvalues", "merged"), [([0.01, 0.03], 0.04), ([0.5, 0.7], 1.0), ([0.2], 0.4), ([0.0], 0.0)]
)
def test_mean_merge_is_twice_the_mean(pvalues: list[float], merged: float) -> None:
    assert mean_merge(pvalues) == pytest.approx(merged, rel=1e-12)


@pytest.mark.parametrize("function", [bonferroni, holm, mean_merge])
@pytest.mark.parametrize("pvalues", [[], [0.5, np.nan], [1.1], [-0.1, 0.5]])
def test_what_is_no_pvalue_is_refused(function: Callable[[Any], Any], pvalues: Any) -> None:
    refused(r"pvalues: give at least one number, all between 0 and 1", function, pvalues)


def min_p_by_definition(observed: np.ndarray, null: np.ndarray) -> tuple[float, np.ndarray]:
    """Rank every row among all, then count the rows that are as bad as the data's."""
    rows = np.vstack([observed, null])
    ranked = np.array(
        [
            [np.mean(column >= value) for column, value in zip(rows.T, row, strict=True)]
            for row in rows
        ]
    )
    scores = [(round(row.min(), 9), round(float(np.log(row).mean()), 9)) for row in ranked]
    return float(np.mean([score <= scores[0] for score in scores])), ranked[0]


@settings(max_examples=60)
@given(st.integers(0, 2**32), st.integers(1, 4), st.integers(5, 40), st.booleans())
def test_min_p_equals_its_definition(seed: int, m: int, replicates: int, ties: bool) -> None:
    rows = np.random.default_rng(seed).standard_normal((replicates + 1, m)) + 0.5
    rows = np.round(rows) if ties else rows
    pvalue, each = min_p(rows[0], rows[1:])
    expected, expected_each = min_p_by_definition(rows[0], rows[1:])
    assert_allclose(each, expected_each, rtol=1e-12)
    assert pvalue == pytest.approx(expected, rel=1e-12)


def test_min_p_of_one_statistic_is_the_monte_carlo_pvalue() -> None:
    null = np.random.default_rng(0).standard_normal((99, 1))
    for observed in (-9.0, 0.0, 1.0, 2.0, 9.0):
        expected = (1 + np.count_nonzero(null >= observed)) / 100
        pvalue, (alone,) = min_p(np.array([observed]), null)
        assert pvalue == pytest.approx(expected)
        assert alone == pytest.approx(expected)
    assert min_p(np.array([9.0]), null)[0] == 0.01  # never 0


def test_min_p_is_one_when_all_is_tied() -> None:
    pvalue, each = min_p(np.zeros(3), np.zeros((19, 3)))
    assert pvalue == 1.0
    assert_allclose(each, 1.0)


def test_min_p_sees_what_one_of_many_sees() -> None:
    null = np.random.default_rng(0).standard_normal((999, 20))
    observed = np.zeros(20)
    assert min_p(observed, null)[0] > 0.5
    observed[7] = 9.0
    assert min_p(observed, null)[0] < 0.05


RUNS, REPLICATES, TESTS = 10_000, 99, 5


def draws(kind: str, rng: np.random.Generator) -> np.ndarray:
    """Draw the data's statistics and those of the replicates: exchangeable rows."""
    rows = rng.standard_normal((REPLICATES + 1, TESTS))
    if kind == "dependent":
        return np.sqrt(0.05) * rows + np.sqrt(0.95) * rows[:, :1]
    if kind == "opposed":
        return np.column_stack([rows[:, 0], -rows[:, 0], np.abs(rows[:, 0]), rows[:, 1] ** 2])
    if kind == "equal":
        return np.repeat(rows[:, :1], TESTS, axis=1)
    if kind == "ties":
        return rng.poisson(3.0, (REPLICATES + 1, TESTS)).astype(float)
    return rows


@pytest.mark.parametrize("kind", ["independent", "dependent", "opposed", "equal", "ties"])
def test_min_p_keeps_its_level(kind: str) -> None:
    rng = np.random.default_rng([RUNS, len(kind)])
    pvalues = np.empty(RUNS)
    for run in range(RUNS):
        rows = draws(kind, rng)
        pvalues[run] = min_p(rows[0], rows[1:])[0]
    for level in (0.05, 0.1):
        size = float(np.mean(pvalues <= level))
        error = np.sqrt(level * (1.0 - level) / RUNS)
        assert size <= level + 3.0 * error, (level, size)
        assert size >= level / 2.0, (level, size)
        if kind != "ties":
            assert size >= level - 3.0 * error, (level, size)
