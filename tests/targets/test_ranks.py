"""Ranks: exact at any number of draws, whatever the dependence of columns, and named faults."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import special, stats

import dmtest
from dmtest.battery.plan import Plan
from dmtest.battery.ranks import RANDOMISATIONS, RankTests, _null, _pvalues, run_ranks
from dmtest.calibration.multiplicity import min_p
from dmtest.data.sample import as_sample
from dmtest.errors import InputError
from dmtest.reports.causes.ranks import diagnose_ranks
from dmtest.statistics.counts import (
    MOST_CELLS,
    Cells,
    rank_anderson_darling,
    rank_chi_squared,
    rank_mean,
    rank_spread,
)
from dmtest.statistics.laws.probit import probit_fit
from dmtest.targets.ranks import Ranks
from tests.support.calls import refused


def correct(draws: int, n: int = 1000, d: int = 1, seed: int = 0) -> np.ndarray:
    """Draw ranks of a right posterior, in independent columns."""
    return np.random.default_rng(seed).integers(0, draws + 1, (n, d))


def posterior(mean: Any, sd: Any, draws: int = 20, n: int = 1000, seed: int = 0) -> np.ndarray:
    """Draw ranks whose normal scores are N(mean, sd^2), up to the draws."""
    mean, sd = np.broadcast_arrays(np.atleast_1d(mean), np.atleast_1d(sd))
    rng = np.random.default_rng(seed)
    scores = mean + sd * rng.standard_normal((n, len(mean)))
    return rng.binomial(draws, special.ndtr(scores))


def ranked(ranks: np.ndarray, draws: int, seed: int = 0) -> RankTests:
    """Run the tests of ranks."""
    return run_ranks(as_sample(ranks), Ranks(draws), Plan(target="ranks", seed=seed))


# The statistics


@pytest.mark.parametrize("draws", [1, 2, 7, 20, 127, 128, 999])
def test_cells_cover_the_ranks(draws: int) -> None:
    cells = Cells.of(draws, 1000)
    assert len(cells.first) == min(draws + 1, MOST_CELLS)
    assert_allclose(cells.probability.sum(), 1.0)
    counts = cells.counts(np.arange(draws + 1)[:, None])
    assert counts.sum() == draws + 1
    assert_allclose(counts[0] / (draws + 1), cells.probability)


def test_statistics_agree_with_their_definitions() -> None:
    draws, n = 20, 300
    x = correct(draws, n, 3)
    cells = Cells.of(draws, n)
    counts = cells.counts(x)
    for j, got in enumerate(rank_chi_squared(counts, cells)):
        groups = (np.arange(21) * 21) // 20  # 21 ranks in 20 groups
        observed = np.histogram(x[:, j], np.r_[groups[:-1], 21] - 0.5)[0]
        expected = n * np.diff(np.r_[groups[:-1], 21]) / 21
        assert_allclose(got, stats.chisquare(observed, expected).statistic)
    for j, got in enumerate(rank_anderson_darling(counts, cells)):
        total = 0.0
        for k in range(draws):  # Choulakian, Lockhart & Stephens (1994), equation (3)
            h = (k + 1) / 21
            z = np.count_nonzero(x[:, j] <= k) - n * h
            total += z**2 / 21 / (h * (1 - h)) / n
        assert_allclose(got, total)


@pytest.mark.parametrize("draws", [2, 5, 100, 1000])
def test_scores_are_means_over_cells_and_have_variance_one(draws: int) -> None:
    cells = Cells.of(draws, 1000)
    z = special.ndtri((np.arange(400_000) + 0.5) / 400_000)
    at = np.clip(np.searchsorted(cells.edges, special.ndtr(z), "right") - 1, 0, None)
    for scores, function in ((cells.location, z), (cells.spread, z**2 - 1)):
        means = np.bincount(at, function) / np.bincount(at)
        means /= np.sqrt((cells.probability * means**2).sum())
        assert_allclose(scores, means, atol=2e-3)
        assert_allclose((cells.probability * scores).sum(), 0.0, atol=1e-12)


def test_a_coin_has_no_spread() -> None:
    ranks = correct(1, 400)
    cells = Cells.of(1, 400)
    assert rank_spread(cells.counts(ranks), cells)[0] == 0.0
    assert abs(rank_mean(cells.counts(ranks), cells)[0]) < 4.0
    assert ranked(np.zeros((50, 1)), 1).pvalue < 0.001


def test_pvalues_are_those_of_min_p() -> None:
    null = _null(20, 200, 999, 0)
    observed = np.abs(np.random.default_rng(1).standard_normal((20, 4)))
    observed[:, 2:] **= 2
    observed[0] = null[0]  # ties
    single, joint = _pvalues(observed, null)
    for one, each, both in zip(observed, single, joint, strict=True):
        pvalue, pvalues = min_p(one, null)
        assert_allclose(each, pvalues)
        assert_allclose(both, pvalue)


# The level


@pytest.mark.parametrize(("draws", "d"), [(5, 1), (20, 8), (100, 1)])
def test_the_size_is_right(draws: int, d: int) -> None:
    rng = np.random.default_rng(draws)
    pvalues = [
        ranked(rng.integers(0, draws + 1, (400, d)), draws, seed=run // 20).pvalue
        for run in range(300)
    ]
    assert 5 <= np.count_nonzero(np.array(pvalues) <= 0.05) <= 28  # binomial(300, .05), 3.5 se
    assert np.count_nonzero(np.array(pvalues) <= 0.5) >= 110


def test_dependent_columns_are_no_departure() -> None:
    """Parameters that are correlated in a right posterior have correlated ranks."""
    rng = np.random.default_rng(0)
    pvalues = []
    for run in range(200):
        ranks = np.repeat(rng.integers(0, 21, (300, 1)), 4, axis=1)
        pvalues.append(ranked(ranks, 20, seed=run // 20).pvalue)
    assert np.count_nonzero(np.array(pvalues) <= 0.05) <= 21
    report = dmtest.report(ranks, Ranks(20), rng=0)
    assert report.verdict == "compatible"
    dependent = dmtest.report(ranks, Ranks(20, independent=True), rng=0)
    assert dependent.verdict == "mismatch"
    assert "correlation" in {finding.code for finding in dependent.diagnosis}


def test_merged_randomisations_are_valid_pvalues() -> None:
    report = dmtest.report(correct(20, 300, 2), Ranks(20, independent=True), rng=0)
    assert report.verdict == "compatible"
    assert f"twice the mean over {RANDOMISATIONS} randomisations" in report.pvalue_method
    names = [outcome.test for outcome in report.outcomes]
    assert names[:4] == ["rank-mean", "rank-spread", "rank-anderson-darling", "rank-chi-squared"]
    assert {"anderson-darling", "henze-zirkler", "worst-direction"} <= set(names)


def test_the_pvalue_depends_on_no_randomisation() -> None:
    ranks = correct(5, 200, 2, seed=3)
    pvalues = {dmtest.report(ranks, Ranks(5, randomisation=k), rng=0).pvalue for k in range(4)}
    assert len(pvalues) == 1


# The faults


@pytest.mark.parametrize("draws", [5, 20, 100, 1000])
@pytest.mark.parametrize(
    ("word", "mean", "sd"),
    [("overconfident", 0.0, 1.6), ("underconfident", 0.0, 0.6), ("biased", 0.35, 1.0)],
)
def test_wrong_posteriors_are_named_by_their_word(
    word: str, mean: float, sd: float, draws: int
) -> None:
    for seed in range(4):
        tests = ranked(posterior(mean, sd, draws, seed=seed), draws)
        assert tests.pvalue < 0.001
        diagnosis = diagnose_ranks(tests, Ranks(draws), None, 0.05)
        if draws < 100:  # a few draws widen the score of the truth
            assert word in {finding.code for finding in diagnosis}
        else:
            assert [finding.code for finding in diagnosis] == [word]
            assert diagnosis[0].message.startswith(word.capitalize())


def test_columns_are_named() -> None:
    pd = pytest.importorskip("pandas")
    ranks = posterior([0.0, 0.0, -0.4, 0.0], [1.6, 0.6, 1.0, 1.0], 100)
    frame = pd.DataFrame(ranks, columns=["mu", "tau", "beta", "gamma"])
    messages = {f.code: f.message for f in dmtest.report(frame, Ranks(100), rng=0).diagnosis}
    assert list(messages) == ["overconfident", "underconfident", "biased"]
    for code, name in (("overconfident", "mu"), ("underconfident", "tau"), ("biased", "beta")):
        assert name in messages[code]
        assert "gamma" not in messages[code]
    assert "too high by about 0.4" in messages["biased"]
    narrow = re.search(r"mu \(about ([\d.]+) times", messages["overconfident"])
    assert narrow is not None
    assert 0.58 < float(narrow[1]) < 0.68  # 1 / 1.6


def test_the_fit_recovers_bias_and_ratio_apart() -> None:
    draws, n = 50, 20_000
    rng = np.random.default_rng(0)
    cells = Cells.of(draws, n)
    for bias, ratio in ((0.0, 1.0), (0.5, 1.0), (-0.2, 1.5), (0.3, 0.5)):
        u = special.ndtr(bias + ratio * rng.standard_normal(n))
        counts = cells.counts(np.floor(u * (draws + 1)).astype(int)[:, None])[0]
        fit = probit_fit(counts, cells.edges)
        assert_allclose((fit.bias, fit.ratio), (bias, ratio), atol=0.03)
        assert (fit.bias_pvalue < 1e-6) == (bias != 0.0)
        assert (fit.ratio_pvalue < 1e-6) == (ratio != 1.0)


@pytest.mark.parametrize("value", [0, 7, 20])
def test_constant_ranks_are_a_mismatch_in_words(value: int) -> None:
    report = dmtest.report(np.full((50, 1), value), Ranks(20), rng=0)
    assert report.verdict == "mismatch"
    assert report.diagnosis
    assert all(np.isfinite(o.statistic) for o in report.outcomes)


def test_other_shapes_and_wrong_draws_are_said() -> None:
    cells, wave = Cells.of(20, 2000), np.cos(6.0 * np.pi * (np.arange(21) + 0.5) / 21.0)
    for scores in (cells.location, cells.spread):
        wave -= scores * (scores @ wave) / 21.0
    density = 1.0 + 0.6 * (wave - wave.mean())
    waves = np.random.default_rng(0).choice(21, (2000, 1), p=density / density.sum())
    found = ranked(waves, 20)
    (finding,) = diagnose_ranks(found, Ranks(20), None, 0.05)
    assert finding.code == "rank-histogram"
    too_many = dmtest.report(correct(20, 500), Ranks(40), rng=0)
    assert too_many.diagnosis[0].code == "unused-ranks"
    assert "No rank is above 20" in too_many.diagnosis[0].message


# The target


def test_the_cube_is_exactly_uniform() -> None:
    for draws in (1, 5, 100):
        canonical = Ranks(draws).canonical(as_sample(correct(draws, 20_000)))
        assert canonical.cube is not None
        assert canonical.cube.min() > 0.0
        assert canonical.cube.max() < 1.0
        assert stats.kstest(canonical.cube[:, 0], "uniform").pvalue > 1e-3
        assert stats.kstest(canonical.rows[:, 0], "norm").pvalue > 1e-3
        again = Ranks(draws, randomisation=1).canonical(as_sample(correct(draws, 20_000)))
        assert not np.array_equal(again.cube, canonical.cube)


def test_every_test_of_the_cube_runs_by_name() -> None:
    for name in ("kolmogorov-smirnov", "centred-discrepancy", "radius"):
        outcome = dmtest.run_test(correct(20, 100, 2), name, Ranks(20), rng=0, replicates=99)
        assert outcome.target == "ranks(20)"
        assert outcome.pvalue > 0.01
    assert {row.name for row in dmtest.list_tests("ranks")} == {
        row.name for row in dmtest.list_tests("uniform")
    }


def test_refusals_name_the_cure() -> None:
    ranks = correct(20, 50, 2).astype(float)
    for change, cure in (
        (lambda x: x / 20, "target='uniform' for PIT values"),
        (lambda x: x + 1, "these ranks begin at 1: subtract 1"),
        (lambda x: 2 * x, "here at least 40"),
        (lambda x: x - 1, "counts of draws below the true value"),
    ):
        assert cure in refused("data", dmtest.report, change(ranks), Ranks(20))
    assert dmtest.report(ranks.astype(np.float32), Ranks(20), rng=0).verdict == "compatible"
    refused("draws", Ranks, 0)
    refused("draws", Ranks, 2.5)
    refused("independent", Ranks, 5, independent=1)
    assert "dmtest.Ranks(draws)" in refused("target", dmtest.report, ranks, "ranks")


def test_findings_that_ranks_explain_are_left_out() -> None:
    report = dmtest.report(correct(5, 200), Ranks(5), rng=0)
    assert not report.warnings
    assert "the ranks 0 to 5" in str(report)


def test_a_baseline_and_the_command_line_take_ranks(tmp_path: Path, command: Any) -> None:
    np.save(tmp_path / "r.npy", correct(20, 300, 2))
    np.save(tmp_path / "s.npy", correct(20, 300, 2, seed=1))
    np.save(tmp_path / "u.npy", posterior([0.0, 0.0], [2.0, 1.0], n=300))
    file, baseline = str(tmp_path / "r.npy"), str(tmp_path / "b.json")
    assert command("report", file, "--target", "ranks", "--draws", "20")[0] == 0
    code, out, _ = command("report", str(tmp_path / "u.npy"), "--target", "ranks", "--draws", "20")
    assert code == 1
    assert "Overconfident" in out
    options = ("--draws", "20", "--write-baseline", baseline)
    assert command("check", file, "--target", "ranks", *options)[0] == 0
    assert command("check", str(tmp_path / "s.npy"), "--baseline", baseline)[0] == 0
    assert command("check", str(tmp_path / "u.npy"), "--baseline", baseline)[0] == 1
    for wrong in (["--target", "ranks"], ["--draws", "20"]):
        code, _, err = command("report", file, *wrong)
        assert code == 2
        assert "--draws" in err


def test_a_monitor_uses_new_steps_for_every_batch() -> None:
    monitor = dmtest.Monitor(Ranks(5))
    for seed in range(20):
        state = monitor.update(correct(5, 100, seed=seed))
    assert not state.rejected
    for seed in range(20):
        state = monitor.update(posterior(0.0, 2.0, 5, 100, seed=seed))
    assert state.rejected
    again = dmtest.Monitor.from_json(monitor.to_json())
    assert again.target.name == "ranks(5)"
    with pytest.raises(InputError, match="watch each with a monitor of its own"):
        dmtest.Monitor(Ranks(5)).update(correct(5, 100, 2))
    dmtest.Monitor(Ranks(5, independent=True)).update(correct(5, 100, 2))
