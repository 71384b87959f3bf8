"""Cases of group A: sizes of tests, and what is said of samples too small to test."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

import dmtest
from tests.support.calls import refused

DEFAULT = ("anderson-darling", "dagostino-pearson", "epps-pulley", "kolmogorov-smirnov")
PUBLISHED = ("anderson-darling", "cramer-von-mises", "epps-pulley", "kolmogorov-smirnov", "watson")
RUNS = 120


def most(runs: int, level: float = 0.05) -> int:
    """Return the count that rejections at `level` exceed in one of 10,000 such studies."""
    return int(binom.ppf(1.0 - 1e-4, runs, level))


@pytest.mark.parametrize("n", [20, 200, 1000])
def test_one_uniform_column_is_rejected_at_the_level(n: int) -> None:
    """A4, arviz-devs/arviz-stats#419: exactly uniform values, rejected twice as often as stated.

    1,000 runs, the global p-value and more sizes: benchmarks/results/field.md.
    """
    rng = np.random.default_rng([4, n])
    pvalues: dict[str, list[float]] = {}
    for _ in range(RUNS):
        x = rng.random(n)
        for one in dmtest.run_tests(x, DEFAULT, "uniform", rng=0):
            pvalues.setdefault(one.test, []).append(one.pvalue)
        for one in dmtest.run_tests(x, PUBLISHED, "uniform", calibration="asymptotic", rng=0):
            pvalues.setdefault(f"{one.test}, published", []).append(one.pvalue)
    for name, values in pvalues.items():
        assert np.sum(np.array(values) <= 0.05) <= most(RUNS), name
        assert 0.35 < np.mean(values) < 0.65, name


def test_a_new_row_is_refused_with_what_to_do() -> None:
    """A8, sbi-dev/sbi#1502: whether one new observation follows the law of the reference."""
    rng = np.random.default_rng(8)
    reference = rng.standard_normal((1000, 32))
    for n, rows in ((1, "1 row of 32 values"), (5, "5 rows of 32 values")):
        said = refused(rows, dmtest.compare, rng.standard_normal((n, 32)), reference)
        assert "rank single rows among a reference" in said
    for n in (1, 2, 7):
        assert "rank single rows" in refused("at least 8", dmtest.report, np.ones((n, 4)))
    said = refused("one row of the reference's 32", dmtest.compare, reference[0], reference)
    assert "(n, 32)" in said


def test_the_rank_of_a_new_row_is_a_pvalue() -> None:
    """A8: the recipe of docs/limits.md; a row of the law gets p <= 0.05 in 5% of the cases."""
    rng = np.random.default_rng(9)
    counts = 0
    for _ in range(400):
        reference, row = rng.standard_normal((200, 4)), rng.standard_normal(4)
        fit, rest = reference[:100], reference[100:]
        mean, inverse = fit.mean(axis=0), np.linalg.inv(np.cov(fit.T))

        def far(x: np.ndarray, mean: np.ndarray = mean, inverse: np.ndarray = inverse) -> object:
            return np.einsum("...i,ij,...j->...", x - mean, inverse, x - mean)

        counts += (1 + np.sum(far(rest) >= far(row))) / (1 + len(rest)) <= 0.05
    assert binom.ppf(1e-4, 400, 0.0495) <= counts <= most(400)
