"""The paper's protocol: against recomputation of the same draws, and its 1/2 under a match."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import pdist

import dmtest
from dmtest.catalogue.registry import list_tests
from dmtest.engines.directions import random_directions
from dmtest.errors import InputError
from dmtest.results.outcome import MeanPValue
from dmtest.runtime.streams import stream
from dmtest.statistics.laws.joint_laws import lognormal
from tests.support.calls import refused

pytestmark = pytest.mark.usefixtures("folder")
X = np.random.default_rng(0).standard_normal((5000, 4))


def score(data: Any = X, test: str = "dagostino-pearson", **options: Any) -> MeanPValue:
    """Score with a seed."""
    return dmtest.mean_pvalue(data, test, **({"rng": 3, "draws": 300} | options))


def subsamples(x: np.ndarray, size: int, draws: int, seed: int) -> list[np.ndarray]:
    """Repeat the draws of rows."""
    chosen = []
    for index in range(draws):
        rng = stream(seed, "protocol/subsample", index)
        chosen.append(x[np.sort(rng.choice(len(x), size, replace=False, shuffle=False))])
    return chosen


def lines(x: np.ndarray, size: int, draws: int, seed: int) -> list[np.ndarray]:
    """Repeat the draws of rows, each projected on a direction of its own."""
    return [
        rows @ random_directions(1, x.shape[1], stream(seed, "protocol/directions", index))[0]
        for index, rows in enumerate(subsamples(x, size, draws, seed))
    ]


def jackknife(pvalues: np.ndarray, n: int, size: int, seed: int) -> float:
    """Variance over samples: mean p-values of draws with and without every row, one by one."""
    draws, share = len(pvalues), size / n
    drawn = np.zeros((draws, n), dtype=bool)
    for index in range(draws):
        rng = stream(seed, "protocol/subsample", index)
        drawn[index, rng.choice(n, size, replace=False, shuffle=False)] = True
    within, mean, squares, noise = pvalues.var(ddof=1), pvalues.mean(), [], []
    for mine in drawn.T:
        if 0 < mine.sum() < draws:
            squares.append((pvalues[mine].mean() - pvalues[~mine].mean()) ** 2)
            noise.append(within / mine.sum() + within / (~mine).sum())
    excess = max(0.0, np.mean(squares) - np.mean(noise))
    excess += np.mean(noise) * np.sqrt(2.0 / min(len(squares), draws))
    most = share * min(mean * (1.0 - mean), within / (1.0 - share))
    return float(min(most, (n - 1.0) * share**2 * excess))


def zirkler_pvalue(rows: np.ndarray) -> float:
    """Compute Henze-Zirkler's lognormal p-value from pairwise distances."""
    n, d = rows.shape
    centred = rows - rows.mean(axis=0)
    inverse = np.linalg.inv(centred.T @ centred / n)
    b2 = 0.5 * ((2 * d + 1) * n / 4) ** (2 / (d + 4))
    distances = pdist(centred, "mahalanobis", VI=inverse) ** 2
    lengths = np.einsum("ij,jk,ik->i", centred, inverse, centred)
    statistic = 1.0 + 2.0 * np.exp(-0.5 * b2 * distances).sum() / n
    statistic -= 2 * (1 + b2) ** (-d / 2) * np.exp(-0.5 * b2 / (1 + b2) * lengths).sum()
    statistic += n * (1 + 2 * b2) ** (-d / 2)
    return float(lognormal(statistic, n, d))


# Values


@pytest.mark.parametrize(
    ("test", "scipy_test"),
    [("dagostino-pearson", stats.normaltest), ("shapiro-wilk", stats.shapiro)],
)
@pytest.mark.parametrize("subsample", [20, 100])
def test_the_mean_is_that_of_scipys_pvalues(test: str, scipy_test: Any, subsample: int) -> None:
    made = score(test=test, subsample=subsample)
    pvalues = np.array([scipy_test(line).pvalue for line in lines(X, subsample, 300, 3)])
    assert made.mean == pytest.approx(pvalues.mean(), rel=1e-8)
    error = np.sqrt(stats.sem(pvalues) ** 2 + jackknife(pvalues, 5000, subsample, 3))
    margin = stats.norm.ppf(0.995) * error
    assert made.low == pytest.approx(pvalues.mean() - margin, rel=1e-8)
    assert made.high == pytest.approx(pvalues.mean() + margin, rel=1e-8)
    assert made.method == "asymptotic (published formula)"
    narrow = score(test=test, subsample=subsample, confidence=0.5)
    assert narrow.high - narrow.mean == pytest.approx(stats.norm.ppf(0.75) * error)


@pytest.mark.parametrize("d", [1, 2, 4])
def test_henze_zirkler_is_averaged_over_subsamples_without_projecting(d: int) -> None:
    made = score(X[:, :d], "henze-zirkler", subsample=100, draws=100)
    pvalues = [zirkler_pvalue(rows) for rows in subsamples(X[:, :d], 100, 100, 3)]
    assert made.mean == pytest.approx(np.mean(pvalues), rel=1e-6)
    assert made.method == "asymptotic (lognormal approximation)"


def test_a_slice_test_without_a_formula_is_ranked_among_replicates() -> None:
    made = score(test="kuiper", subsample=30, draws=200)
    assert made.method == "monte carlo, 9999 replicates"
    single = [
        dmtest.run_test(line, "kuiper", replicates=9999, calibration="monte-carlo", rng=9).pvalue
        for line in lines(X, 30, 200, 3)
    ]
    # two sets of replicates, each with the error of a mean of 9999 uniforms
    assert made.mean == pytest.approx(np.mean(single), abs=4.0 * np.sqrt(2.0 / 12.0 / 9999))


@pytest.mark.parametrize("mean", [0.01, 0.5])
def test_the_pvalue_is_twice_the_mean(mean: float) -> None:
    x = X if mean == 0.5 else X**3
    made = score(x)
    assert made.pvalue == pytest.approx(min(1.0, 2.0 * made.mean), rel=1e-12)
    assert made.low <= made.mean <= made.high
    assert (made.mean > 0.4) == (mean == 0.5)


# Under a match, and without


@pytest.mark.parametrize(
    "test",
    [row.name for row in list_tests("normal") if row.family != "search" and row.most is None],
)
def test_a_perfect_match_scores_a_half(test: str) -> None:
    x = np.random.default_rng(1).standard_normal((20_000, 3))
    made = score(x, test, draws=1000, rng=5)
    assert made.low < 0.5 < made.high
    assert made.high - made.low < 0.13


@pytest.mark.parametrize("d", [8, 32, 64])
def test_henze_zirkler_scores_a_half_in_high_dimension(d: int) -> None:
    x = np.random.default_rng(1).standard_normal((5000, d))
    made = score(x, "henze-zirkler", draws=400)
    assert made.method == "monte carlo, 9999 replicates"
    assert made.low < 0.5 < made.high


def test_the_interval_covers_a_half_as_often_as_it_says() -> None:
    x = np.random.default_rng(2).standard_normal((50_000, 2))
    made = [score(x, draws=200, confidence=0.9, rng=seed, subsample=50) for seed in range(100)]
    covered = sum(one.low < 0.5 < one.high for one in made)
    # Expected 90; K^2's own p-values have mean .505 at 50 rows.
    assert 80 <= covered <= 98


@pytest.mark.parametrize(("n", "runs"), [(200, 120), (500, 60)])
def test_the_interval_holds_a_half_for_small_perfect_samples(n: int, runs: int) -> None:
    """Draws from one sample share rows: 99% of samples, here three standard errors below."""
    made = [
        score(np.random.default_rng([n, i]).standard_normal((n, 3)), rng=i) for i in range(runs)
    ]
    covered = sum(one.low < 0.5 < one.high for one in made)
    assert covered >= 0.99 * runs - 3.0 * np.sqrt(0.99 * 0.01 * runs)
    # Not by being too wide: the error that it claims is at most 3 times the spread.
    spread = np.std([one.mean for one in made], ddof=1)
    assert np.mean([one.high - one.low for one in made]) / 2.0 < 3.0 * 2.576 * spread


def test_the_score_falls_with_the_mismatch() -> None:
    rng = np.random.default_rng(3)
    normal, uniform = rng.standard_normal((5000, 4)), rng.uniform(-1.7, 1.7, (5000, 4))
    for test in ("dagostino-pearson", "shapiro-wilk", "henze-zirkler"):
        scores = [
            score(np.cos(angle) * normal + np.sin(angle) * uniform, test, subsample=200).mean
            for angle in (0.0, 0.6, 0.9, np.pi / 2)
        ]
        assert scores == sorted(scores, reverse=True)
        assert scores[0] > 0.42
        assert scores[-1] < 0.35


def test_location_and_scale_do_not_matter_to_a_normal_target() -> None:
    assert score(2.0 * X + 0.5).mean == pytest.approx(score(X).mean, rel=1e-9)


@pytest.mark.parametrize(
    ("data", "target"),
    [
        (stats.norm.cdf(X), "uniform"),
        (3.0 * stats.norm.cdf(X) - 1.0, dmtest.Uniform(-1.0, 2.0)),
        (stats.expon.ppf(stats.norm.cdf(X)), dmtest.Product(stats.expon())),
        (X + np.arange(1.0, 5.0), dmtest.Normal([1.0, 2.0, 3.0, 4.0])),
    ],
)
def test_other_targets_are_taken_to_normal_scores_first(data: np.ndarray, target: Any) -> None:
    made = score(data, target=target)
    assert made.mean == pytest.approx(score().mean, rel=1e-7)
    assert made.target == target if isinstance(target, str) else target.name


def test_any_normal_is_whitened_first() -> None:
    mixed = X @ np.tril(np.arange(1.0, 17.0).reshape(4, 4)).T + 3.0
    assert score(mixed, target="any-normal").mean == pytest.approx(
        score(target="any-normal").mean, rel=1e-6
    )
    assert score(mixed**3, target="any-normal").mean < 0.1


# Around it


def test_the_record_is_complete_and_repeats() -> None:
    made = score(rng=np.random.default_rng(0), subsample=50, confidence=0.95)
    assert (made.test, made.target, made.n, made.d) == ("dagostino-pearson", "normal", 5000, 4)
    assert (made.subsample, made.draws, made.confidence) == (50, 300, 0.95)
    assert score(rng=made.seed, subsample=50, confidence=0.95) == made
    assert score(rng=made.seed, subsample=50, confidence=0.95, draws=301) != made
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.mean = 0.0  # type: ignore[misc]
    assert set(made.to_dict()) == {field.name for field in dataclasses.fields(made)}


def test_more_draws_begin_with_the_same() -> None:
    first, both = score(draws=100), score(draws=200)
    alone = np.array([stats.normaltest(line).pvalue for line in lines(X, 100, 200, 3)])
    assert first.mean == pytest.approx(alone[:100].mean(), rel=1e-8)
    assert both.mean == pytest.approx(alone.mean(), rel=1e-8)


def test_the_whole_sample_may_be_one_subsample() -> None:
    made = score(X[:100, 0], subsample=100, draws=2)
    pvalue = stats.normaltest(X[:100, 0]).pvalue
    assert made.mean == pytest.approx(pvalue, rel=1e-9)
    # One sample shows nothing of others: the variance is the largest that a p-value can have.
    margin = stats.norm.ppf(0.995) * np.sqrt(pvalue * (1.0 - pvalue))
    assert (made.low, made.high) == (max(0.0, pvalue - margin), min(1.0, pvalue + margin))


def test_columns_that_say_nothing_new_do_not_matter_to_henze_zirkler() -> None:
    wide = np.hstack([X, np.full((5000, 1), 0.1), X[:, :1] * 2.0 + X[:, 1:2]])
    with pytest.warns(dmtest.DataWarning, match="1 of 6 columns is constant"):
        found = score(wide, "henze-zirkler")
    assert found.mean == pytest.approx(score(X, "henze-zirkler").mean, rel=1e-6)
    assert found.d == 6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"subsample": 5001}, "subsample: got 5001; choose at most n = 5000 rows"),
        ({"subsample": 7}, "subsample: got 7; give a whole number of at least 8"),
        ({"subsample": 50.5}, "subsample: got 50.5; give a whole number"),
        ({"subsample": True}, "subsample: got True; give a whole number"),
        ({"draws": 1}, "draws: got 1; give a whole number of at least 2"),
        ({"draws": "9"}, "draws: got '9'; give a whole number"),
        ({"confidence": 1.0}, "confidence: got 1.0; choose a number between 0 and 1"),
        ({"confidence": 99}, "confidence: got 99; choose a number between 0 and 1"),
        ({"test": "normaltest"}, "tests: got 'normaltest'; did you mean 'dagostino-pearson'?"),
        ({"target": "gauss"}, "target: got 'gauss'; did you mean 'normal' or 'any-normal'?"),
        ({"rng": -1}, "rng: a seed must be >= 0"),
    ],
)
def test_bad_arguments_are_refused_with_the_cure(options: dict[str, Any], words: str) -> None:
    refused(re.escape(words), score, **options)


def test_henze_zirkler_needs_more_rows_than_columns_in_a_draw() -> None:
    x = np.random.default_rng(0).standard_normal((200, 20))
    with pytest.raises(InputError, match=r"subsample: got 20 rows for d = 20.*choose more than 20"):
        score(x, "henze-zirkler", subsample=20)
    assert 0.0 < score(x, "henze-zirkler", subsample=21, draws=20).mean < 1.0


def test_constant_data_are_refused_with_the_cure() -> None:
    refused("every column is constant", score, np.full((100, 1), 2.0))
    refused("every column is constant", score, np.full((100, 2), 2.0), "henze-zirkler")
    rare = np.zeros((5000, 2))
    rare[:3, 1] = 1.0
    cure = r"subsample is constant; raise subsample or leave constant"
    refused(cure, score, rare[:, 1:])
    rare[:, 0], rare[:3, 1] = X[:, 0], 1.0
    refused(r"covariance of a subsample is singular; raise subsample", score, rare, "henze-zirkler")
