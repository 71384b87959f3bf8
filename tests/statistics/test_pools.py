"""Statistics of two samples and the permutations that they are ranked among."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

import dmtest
from dmtest.calibration.permutation import joint_permutation, permute
from dmtest.catalogue.registry import as_tests
from dmtest.engines.labelled_gram import DISTANCE, PairForm, quadratic_forms
from dmtest.engines.pool import Labels, Pool
from dmtest.kernels.transport import (
    energy_distances,
    places,
    score_sums,
    wasserstein_distances,
)
from dmtest.statistics.pools import classifier
from dmtest.statistics.pools.invariants import block_features
from dmtest.statistics.pools.two_sample import median_bandwidth

NAMES = ("mmd", "energy", "sliced-wasserstein", "classifier")
RNG = np.random.default_rng(3)
X, Y = RNG.standard_normal((60, 3)), RNG.normal([0.3, 0.0, 0.0], 1.0, (45, 3))


def pooled(x: Any = X, y: Any = Y, seed: int = 0) -> Pool:
    return Pool(np.asarray(x), np.asarray(y), seed)


def statistic(x: Any, y: Any, test: str, **params: Any) -> float:
    options = {"params": params} if params else {}
    goal = dmtest.Reference(y)
    return dmtest.run_test(x, test, goal, replicates=19, rng=0, **options).statistic


# Values


def bandwidth() -> float:
    z = np.concatenate([X, Y])
    return float(np.median(cdist(z, z)[np.triu_indices(len(z), 1)]))


def test_the_bandwidth_is_the_median_distance_of_the_pool() -> None:
    assert median_bandwidth(pooled()) == pytest.approx(bandwidth(), rel=1e-12)
    made = dmtest.run_test(X, "mmd", dmtest.Reference(Y), replicates=19, rng=0)
    assert made.params["bandwidth"] == pytest.approx(bandwidth(), rel=1e-12)
    same = np.zeros((40, 2))
    same[0] = 1.0
    assert median_bandwidth(pooled(same, same)) > 0.0


@pytest.mark.parametrize(("n", "m"), [(9, 9), (12, 7), (5, 15)])
def test_lines_equal_their_definitions(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    z = rng.choice([0.0, 0.5, 1.0, 2.5, 3.0], n + m) if n == 12 else rng.standard_normal(n + m)
    labels = Labels(n, m, 5, 1)
    marks = labels.marks(slice(0, 6))
    order = np.argsort(z, kind="stable").astype(np.int32)
    squared, energies = np.empty(6), np.empty(6)
    wasserstein_distances(z[order], order, marks, n, squared)
    energy_distances(z[order], order, marks, n, energies)
    for b in range(6):
        x, y = z[marks[b] == 1], z[marks[b] == 0]
        assert (len(x), len(y)) == (n, m)
        # Every row repeated until both samples are of one size: an assignment problem.
        size = np.lcm(n, m)
        cost = cdist(np.repeat(x, size // n)[:, None], np.repeat(y, size // m)[:, None]) ** 2
        assert_allclose(squared[b], cost[linear_sum_assignment(cost)].mean(), rtol=1e-10)
        assert_allclose(energies[b], stats.energy_distance(x, y) ** 2, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(("n", "m"), [(9, 9), (12, 7)])
def test_score_sums_equal_their_definition(n: int, m: int) -> None:
    rng = np.random.default_rng(n)
    z, ours, theirs = rng.standard_normal(n + m), rng.standard_normal(n), rng.standard_normal(m)
    marks = Labels(n, m, 5, 1).marks(slice(0, 6))
    order = np.argsort(z, kind="stable").astype(np.int32)
    filled = np.empty((6, 4))
    score_sums(z[order], order, marks, ours, theirs, filled)
    for mark, row in zip(marks, filled, strict=True):
        x, y = np.sort(z[mark == 1]), np.sort(z[mark == 0])
        assert_allclose(row, [x @ ours, y @ theirs, x.sum(), x @ x], rtol=1e-10, atol=1e-12)


def test_sliced_wasserstein_is_the_mean_over_slices() -> None:
    pool = pooled()
    (spec,) = as_tests("sliced-wasserstein", "reference")
    found = permute(pool, [spec], {}, replicates=19, slices=8, budget=None)[spec.name].drawn
    assert found.slices is not None
    assert found.distances is not None
    values = []
    for u in found.slices.directions:
        x, y = np.sort(X @ u), np.sort(Y @ u)
        at = (np.arange(180) + 0.5) / 180  # 60 and 45 rows: quantiles are constant on 180 cells
        values.append(np.mean((x[(at * 60).astype(int)] - y[(at * 45).astype(int)]) ** 2))
    assert_allclose(found.distances[:, 0], pool.scale * np.array(values), rtol=1e-10)
    assert_allclose(found.statistic, pool.scale * np.mean(values), rtol=1e-10)


@pytest.mark.parametrize("rows", [30, 600])
def test_forms_equal_the_whole_matrix(rows: int) -> None:
    rng = np.random.default_rng(rows)
    pool = pooled(rng.standard_normal((rows, 2)) + 100.0, rng.standard_normal((rows // 2, 2)))
    labels = Labels(pool.n, pool.m, 19, 4)
    z = np.concatenate([pool.x, pool.y])
    far = cdist(z, z)
    kinds = [DISTANCE, PairForm(0.3)]
    marks = labels.marks(slice(0, 20))
    w = np.where(marks == 1, 1.0 / pool.n, -1.0 / pool.m)
    matrices = (far, np.exp(-0.3 * far**2))
    for form, matrix in zip(quadratic_forms(pool, labels, kinds), matrices, strict=True):
        expected = np.einsum("bi,ij,bj->b", w, matrix, w)
        assert_allclose(form.values, expected, rtol=1e-8, atol=1e-10)
        towards = matrix @ w[0]
        assert_allclose(
            form.potential - form.potential.mean(), towards - towards.mean(), rtol=1e-8, atol=1e-10
        )


@pytest.mark.parametrize("d", [2, 64])
def test_single_precision_is_far_below_the_null(d: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(d)
    pool = pooled(rng.standard_normal((2500, d)) + 5.0, rng.standard_normal((1700, d)) + 5.0)
    labels = Labels(pool.n, pool.m, 99, 4)
    kinds = [DISTANCE, PairForm(0.25 / d)]
    single = quadratic_forms(pool, labels, kinds)
    monkeypatch.setattr("dmtest.engines.labelled_gram.SINGLE_ROWS", 10**9)
    for short, long in zip(single, quadratic_forms(pool, labels, kinds), strict=True):
        assert short.rounding > 0.0 == long.rounding
        error = np.abs(short.values - long.values).max() / long.values[1:].std()
        assert 0.0 < error < 0.5 * short.rounding
        assert_allclose(short.values[0], long.values[0], rtol=1e-9)


def test_the_classifier_is_what_it_says() -> None:
    from sklearn.covariance import ledoit_wolf
    from sklearn.metrics import roc_auc_score

    pool = pooled()
    index = np.arange(105)
    found = classifier.features(pool, index)
    z = np.concatenate([X, Y])
    z = np.clip((z - z.mean(axis=0)) / z.std(axis=0), -4, 4)
    products = [z[:, i] * z[:, j] for i in range(3) for j in range(i, 3)]
    far = np.linalg.norm(z, axis=1)
    far = np.clip((far - far.mean()) / far.std(), -4, 4)
    assert_allclose(found, np.column_stack([z, *products, far, far**2]), rtol=1e-9, atol=1e-12)
    rows = found - found.mean(axis=0)
    rows = rows / rows.std(axis=0)
    shrunk, weight = ledoit_wolf(rows, assume_centered=True)
    assert classifier.shrinkage(rows, rows.T @ rows / 105) == pytest.approx(weight)
    fold = classifier.folds(pool, index)
    ours = index < 60
    areas = []
    for f in range(5):
        train, held = fold != f, fold == f
        means = [rows[train & w].mean(axis=0) for w in (ours, ~ours)]
        rule = np.linalg.solve(shrunk, means[0] - means[1])
        areas.append(roc_auc_score(ours[held], rows[held] @ rule))
        middle = rule @ (means[0] + means[1]) / 2
        scores, mine = classifier.observed_scores(pool)
        assert_allclose(scores[held], rows[held] @ rule - middle, rtol=1e-6, atol=1e-9)
        assert (mine == ours).all()
    assert statistic(X, Y, "classifier") == pytest.approx(np.mean(areas))


def test_very_many_columns_are_sketched() -> None:
    rng = np.random.default_rng(0)
    pool = pooled(rng.standard_normal((9, 5000)), rng.standard_normal((8, 5000)))
    found = classifier.features(pool, np.arange(17))
    assert found.shape == (17, 2050)
    lengths = np.square(pool.rows(slice(0, 17)) / np.sqrt(pool.variance)).sum(axis=1)
    assert_allclose(np.square(found[:, :2048]).sum(axis=1), lengths, rtol=0.2)


@pytest.mark.parametrize(
    ("rows", "d", "count"),
    [
        (760, 16, 152),
        (759, 16, 32),
        (900, 17, 34),
        (20, 512, 1024),
        (20, 513, 513),
        (20, 2049, 2048),
    ],
)
def test_columns_decide_which_features_there_are(rows: int, d: int, count: int) -> None:
    """Products of all pairs, or squares, or columns alone; then two of the length."""
    rng = np.random.default_rng(d)
    pool = pooled(rng.standard_normal((rows - 9, d)), rng.standard_normal((9, d)))
    assert classifier.feature_count(pool) == count
    index = np.arange(rows)
    found = classifier.features(pool, index)
    assert found.shape == (rows, count + 2)
    z = np.clip(pool.rows(slice(0, rows)) / np.sqrt(pool.variance), -4.0, 4.0)
    if d <= 2048:
        assert_allclose(found[:, :d], z, rtol=1e-6, atol=1e-9)
    if count == 2 * d:
        assert_allclose(found[:, d:-2], z**2, rtol=1e-6, atol=1e-9)
    if count == 152:
        pairs = [z[:, i] * z[:, j] for i in range(d) for j in range(i, d)]
        assert_allclose(found[:, d:-2], np.column_stack(pairs), rtol=1e-6, atol=1e-9)
    assert_allclose(found[:, -1], found[:, -2] ** 2)


def test_areas_count_ties_as_one_half() -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (3, 30)).astype(float)
    marks = rng.permuted(np.repeat([[1.0, 0.0]], 15, axis=1).repeat(3, axis=0), axis=1)
    expected = [roc_auc_score(m, v) for m, v in zip(marks, values, strict=True)]
    assert_allclose(classifier.area(values, marks), expected)
    assert classifier.area(values[:1], np.ones((1, 30)))[0] == 0.5


def test_discriminants_work_with_more_columns_than_rows() -> None:
    rng = np.random.default_rng(0)
    for d in (30, 520):
        x, y = rng.standard_normal((40, d)), rng.standard_normal((30, d))
        assert classifier.feature_count(pooled(x, y)) == (60 if d == 30 else 520)
        x[:, :20] += 1.5
        made = dmtest.run_test(x, "classifier", dmtest.Reference(y), replicates=99, rng=0)
        assert made.pvalue <= 0.05


def test_block_features_are_those_of_the_gram_matrix() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((19, 3))
    order = rng.permutation(19)
    found = block_features(x, order, 4)
    assert found.shape == (4, 4 + 3 + 1)
    block = x[order[4:8]]
    assert_allclose(found[1, :4], np.sort(np.linalg.norm(block, axis=1)))
    assert_allclose(found[1, 4:7], np.sort(np.linalg.svd(block)[1]))
    assert_allclose(found[1, 7], np.linalg.norm(block.sum(axis=0)))


# P-values


def test_labellings_are_permutations_that_nothing_moves() -> None:
    labels = Labels(5, 9, 30, 7)
    marks = labels.marks(slice(0, 31))
    assert (marks.sum(axis=1) == 5).all()
    assert (marks[0] == [1] * 5 + [0] * 9).all()
    assert len(np.unique(marks, axis=0)) > 25
    assert (Labels(5, 9, 300, 7).marks(slice(0, 31)) == marks).all()
    assert (labels.fewer(10).marks(slice(0, 11)) == marks[:11]).all()
    assert_allclose(labels.weights(marks).sum(axis=1), 0.0, atol=1e-15)


def test_pvalues_are_ranks_among_the_permutations() -> None:
    pool = pooled()
    found = permute(pool, as_tests(None, "reference"), {}, replicates=199, slices=8, budget=None)
    z = np.concatenate([X, Y])
    far = cdist(z, z)
    marks = Labels(60, 45, 199, 0).marks(slice(0, 200))
    w = np.where(marks == 1, 1.0 / 60, -1.0 / 45)
    energy = -np.einsum("bi,ij,bj->b", w, far, w)
    assert found["energy"].pvalue == (1 + (energy[1:] >= energy[0]).sum()) / 200
    smallest = min(one.pvalue for one in found.values())
    joint = joint_permutation(list(found.values()))
    pvalue, error, count = joint.pvalue, joint.error, joint.replicates
    assert smallest <= pvalue <= 1.0
    assert count == 199
    assert error == pytest.approx(np.sqrt(pvalue * (1 - pvalue) / 199))


def test_a_test_changes_no_others_pvalue() -> None:
    goal = dmtest.Reference(Y)
    every = dmtest.run_tests(X, "all", goal, replicates=99, rng=5)
    assert [one.test for one in every] == list(NAMES)
    for one in every:
        alone = dmtest.run_test(X, one.test, goal, replicates=99, rng=5)
        # BLAS rounds by where its operands lie in memory: the last bit of a statistic may differ.
        assert_allclose(alone.statistic, one.statistic, rtol=1e-14)
        assert replace(alone, statistic=one.statistic) == one


def test_threads_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((900, 4)), rng.standard_normal((300, 4))
    made = []
    for threads in ("1", "2"):
        monkeypatch.setenv("DMTEST_THREADS", threads)
        made.append(dmtest.compare(x, y, replicates=99, rng=0).to_dict())
    for one in made:
        for key in ("seconds", "created"):
            del one["computed"][key]
    assert made[0] == made[1]


@pytest.mark.parametrize("test", NAMES)
def test_a_statistic_depends_on_rows_and_labels_not_on_positions(test: str) -> None:
    # What makes a permutation test exact with any fixed seed: the statistic of relabelled rows
    # is that of the same rows put in the order of their labels.
    z = np.concatenate([X, Y])
    pool = pooled()
    (spec,) = as_tests(test, "reference")
    every = permute(pool, [spec], {}, replicates=19, slices=8, budget=None)[test].drawn.badness
    for b in (1, 7, 19):
        mine = Labels(60, 45, 19, 0).marks(slice(b, b + 1))[0] == 1
        other = pooled(z[mine], z[~mine])
        alone = permute(other, [spec], {}, replicates=19, slices=8, budget=None)[test].drawn
        assert_allclose(every[b], alone.badness[0], rtol=1e-9, atol=1e-12)


def test_folds_and_subsets_look_random() -> None:
    rng = np.random.default_rng(0)
    pool = pooled(rng.standard_normal((3000, 2)), rng.standard_normal((2000, 2)))
    fold = classifier.folds(pool, np.arange(5000))
    assert (np.bincount(fold) == 1000).all()
    ours = np.bincount(fold, weights=np.arange(5000) < 3000)
    assert (np.abs(ours - 600) < 4 * np.sqrt(1000 * 0.24)).all()
    # Neither by value: folds have the same distribution.
    for f in range(5):
        assert stats.ks_2samp(pool.x[fold[:3000] == f, 0], pool.x[fold[:3000] != f, 0])[1] > 1e-4
    chosen = pool.subset(500, "a")
    assert len(np.unique(chosen)) == 500
    assert (chosen != pool.subset(500, "b")).any()


def test_ties_of_discrete_data_are_ties() -> None:
    # Of 6 zeros and ones a side there are few values: p-values are conservative, never below.
    x, y = np.repeat([0.0, 1.0], [6, 4]), np.repeat([0.0, 1.0], [5, 5])
    z = np.concatenate([x, y])
    marks = Labels(10, 10, 99, 1).marks(slice(0, 100))
    gap = np.abs([z[m == 1].mean() - z[m == 0].mean() for m in marks]).round(9)
    expected = (1 + (gap[1:] >= gap[0]).sum()) / 100
    for name in ("energy", "mmd", "sliced-wasserstein"):
        made = dmtest.run_test(x, name, dmtest.Reference(y), replicates=99, rng=1)
        assert made.pvalue == expected, name


DATASETS = 250


@pytest.mark.parametrize(
    ("kind", "budget", "rotation"),
    [("t3", None, False), ("normal", 1.0, False), ("normal", None, True)],
)
def test_every_test_keeps_its_level(
    kind: str, budget: float | None, rotation: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P(p <= .05) is exactly 5/100 for exchangeable continuous statistics and 99 replicates."""
    monkeypatch.setenv("DMTEST_THREADS", "1")
    specs = as_tests(None, "reference")
    found = []
    for seed in range(DATASETS):
        rng = np.random.default_rng([seed, 11])
        n, m = (96, 72) if rotation else (20, 15)
        x, y = (rng.standard_normal((size, 3)) for size in (n, m))
        if kind == "t3":
            x, y = (a / np.sqrt(rng.chisquare(3, (len(a), 1)) / 3) for a in (x, y))
        if rotation:
            y = y @ np.linalg.qr(rng.standard_normal((3, 3)))[0]
            x, y = (block_features(a, rng.permutation(len(a))) for a in (x, y))
        results = permute(pooled(x, y, seed), specs, {}, replicates=99, slices=8, budget=budget)
        worst = results["sliced-wasserstein"].worst_pvalue
        joint = joint_permutation([*results.values()]).pvalue
        found.append([*(r.pvalue for r in results.values()), worst, joint])
    for level in (0.05, 0.1):
        size = np.mean(np.array(found) <= level + 1e-12, axis=0)
        error = np.sqrt(level * (1 - level) / DATASETS)
        assert (np.abs(size - level) <= 3.5 * error).all(), (level, size)


@pytest.mark.parametrize("test", NAMES)
@pytest.mark.parametrize("budget", [None, 1.0])
def test_differences_are_found(test: str, budget: float | None) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((150, 4)) * [2.0, 1, 1, 1] + 0.2, rng.standard_normal((120, 4))
    made = dmtest.run_test(x, test, dmtest.Reference(y), replicates=199, budget=budget, rng=0)
    assert made.pvalue <= 0.01
    linear = test in ("mmd", "energy") and budget is not None
    assert ("(budget)" in made.method) == linear
    assert made.replicates == (99 if budget and test != "classifier" else 199)


def test_forms_that_are_linear_in_n_estimate_the_statistic() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((400, 6)) + 0.3, rng.standard_normal((300, 6))
    for name in ("mmd", "energy"):
        exact, linear = (
            dmtest.run_test(
                x, name, dmtest.Reference(y), budget=b, slices=512, replicates=19, rng=0
            ).statistic
            for b in (None, 1.0)
        )
        assert linear == pytest.approx(exact, rel=0.15)


def test_all_permutations_of_few_rows_are_uniform() -> None:
    # Every labelling of 8 + 8 rows is as likely: over all of them p-values are uniform.
    rows = np.random.default_rng(0).standard_normal((16, 1))
    labellings = list(itertools.combinations(range(16), 8))[::500]
    found = []
    for chosen in labellings:
        rest = np.setdiff1d(np.arange(16), chosen)
        goal = dmtest.Reference(rows[rest])
        found.append(dmtest.run_test(rows[list(chosen)], "energy", goal, rng=0).pvalue)
    assert np.mean(found) == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize("seed", range(20))
def test_places_are_counts(seed: int) -> None:
    """Of values below and equal, with ties, on both sides of all drawn values."""
    rng = np.random.default_rng(seed)
    drawn = np.sort(rng.integers(0, 12, (3, 1 + seed)).astype(float), axis=1)
    values = np.sort(rng.integers(-2, 15, (3, 25)).astype(float), axis=1)
    below, equal = np.empty((2, 3, 25), np.int32)
    places(drawn, values, below, equal)
    assert_array_equal(below, (drawn[:, :, None] < values[:, None]).sum(axis=1))
    assert_array_equal(equal, (drawn[:, :, None] == values[:, None]).sum(axis=1))
