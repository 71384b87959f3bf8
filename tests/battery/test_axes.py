"""Tests of single columns and principal axes."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.battery.axes import run_axes, whitened_axes
from dmtest.battery.plan import Plan
from dmtest.data.sample import as_sample
from dmtest.targets.targets import as_target


def axes_of(x, target="any-normal"):
    canonical = as_target(target).canonical(as_sample(x))
    names = [f"x{j}" for j in range(x.shape[1])]
    return run_axes(canonical, names, Plan(target=target, seed=0))


def test_whitened_axes_are_those_of_the_correlation_matrix() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((300, 4)) @ rng.standard_normal((4, 4)) * [1.0, 5.0, 0.1, 30.0]
    canonical = as_target("any-normal").canonical(as_sample(x))
    directions = whitened_axes(canonical)[1]
    assert_allclose(directions @ directions.T, np.eye(4), atol=1e-12)
    standard = (x - x.mean(0)) / x.std(0)
    values, vectors = np.linalg.eigh(np.corrcoef(x.T))
    scores = standard @ vectors[:, ::-1] / np.sqrt(values[::-1])
    ours = canonical.rows @ directions.T
    assert_allclose(np.abs((ours * scores).mean(0)), 1.0, atol=1e-9)


def test_columns_agree_with_the_fitted_statistic_by_its_formula() -> None:
    rng = np.random.default_rng(2)
    x = rng.standard_normal((80, 3)) @ rng.standard_normal((3, 3))
    x[:, 1] = np.exp(x[:, 1] / x[:, 1].std())
    found = axes_of(x)
    worst = int(found.columns.argmin())
    assert worst == 1
    assert "x1" in found.outcome.method
    z = np.sort((x[:, 1] - x[:, 1].mean()) / x[:, 1].std(ddof=1))
    logs = stats.norm.logcdf(z) + stats.norm.logsf(z)[::-1]
    squared = -80.0 - np.mean((2.0 * np.arange(1, 81) - 1.0) * logs)
    assert_allclose(found.outcome.statistic, squared, rtol=1e-9)
    assert_allclose(found.outcome.pvalue, 6.0 * found.columns[1], rtol=1e-12)


@pytest.mark.parametrize("target", ["normal", "any-normal", "uniform", "sphere"])
def test_level(target: str) -> None:
    rng = np.random.default_rng(3)
    mixing = rng.standard_normal((4, 4))
    pvalues = []
    for _ in range(600):
        x = rng.standard_normal((40, 4))
        if target == "any-normal":
            x = x @ mixing + 3.0
        if target == "uniform":
            x = stats.norm.cdf(x)
        if target == "sphere":
            x /= np.linalg.norm(x, axis=1, keepdims=True)
        pvalues.append(axes_of(x, target).outcome.pvalue)
    rejected = int(np.sum(np.array(pvalues) <= 0.1))
    # Bonferroni over columns and axes of one sample is a little conservative.
    assert stats.binom.cdf(rejected, 600, 0.085) > 1e-3
    assert stats.binom.sf(rejected - 1, 600, 0.1) > 1e-3


@pytest.mark.parametrize("d", [1, 2])
def test_slices_cover_the_axes_of_one_and_two_columns(d: int) -> None:
    assert axes_of(np.random.default_rng(4).standard_normal((14, d)), "normal") is None


def test_more_columns_than_rows_and_a_constant_column() -> None:
    x = np.random.default_rng(5).standard_normal((20, 60))
    found = axes_of(x, "normal")
    assert len(found.columns) == 60
    assert len(found.principal) <= 19
    assert found.outcome.pvalue > 1e-3
    x[:, 7] = 0.0
    found = axes_of(x, "normal")
    assert found.columns.argmin() == 7
    assert found.outcome.pvalue < 0.02


@pytest.mark.parametrize("target", ["normal", "any-normal"])
def test_a_verdict_does_not_depend_on_the_seed(target: str) -> None:
    x = np.random.default_rng(6).standard_t(8, (300, 3))
    pvalues = {dmtest.report(x, target, rng=seed).pvalue for seed in range(4)}
    assert len(pvalues) == 1


def test_one_bad_column_is_found_and_named() -> None:
    x = np.random.default_rng(7).standard_normal((400, 32))
    x[:, 5] = np.sign(x[:, 5]) * np.abs(x[:, 5]) ** 1.6
    report = dmtest.report(x, "any-normal", rng=0)
    assert report.verdict == "mismatch"
    (axes,) = [one for one in report.outcomes if one.test == "axes"]
    assert axes.pvalue < 0.01
    assert axes.method.endswith("smallest p-value: x5")


def test_the_monte_carlo_error_is_that_of_the_part_that_decides() -> None:
    x = np.random.default_rng(8).standard_normal((300, 4))
    report = dmtest.report(x, rng=0)
    assert report.verdict == "compatible"
    assert report.provenance.pvalue_error > 0.0
    x[:, 2] *= 0.3
    report = dmtest.report(x, rng=0)
    (axes,) = [one for one in report.outcomes if one.test == "axes"]
    assert report.pvalue == pytest.approx(axes.pvalue / 0.15)
    assert report.provenance.pvalue_error is None
