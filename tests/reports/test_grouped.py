"""Reports, tests, effects and checks of rows that come in groups (field case A9)."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binomtest

import dmtest
from dmtest.cli import main as cli
from dmtest.data.groups import Groups
from dmtest.data.sample import as_sample, one_row_each
from dmtest.effects.gaussian import effective_rows, gaussian_estimates
from dmtest.effects.groups import average_estimates, clustered_variance
from dmtest.render.page import reproduce
from dmtest.results.effect_table import KL_FITTED, KL_MARGINS, KL_MEAN
from dmtest.results.estimate import Estimate, ResampledEstimate
from dmtest.results.report import Report
from dmtest.targets.targets import as_target
from dmtest.targets.transforms import mean_and_covariance
from tests.support.calls import refused

SMALL = {"replicates": 99, "rng": 0}


def views(
    seed: int, items: int = 500, each: int = 8, d: int = 8, within: float = 1.0 / 1.01
) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of N(0, I) in shuffled groups whose rows have the correlation `within`."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(items), each))
    shared, own = rng.standard_normal((items, d)), rng.standard_normal((items * each, d))
    return np.sqrt(within) * shared[labels] + np.sqrt(1.0 - within) * own, labels


@pytest.fixture(scope="module")
def grouped() -> Report:
    x, labels = views(1)
    return dmtest.report(x, groups=labels, rng=0)


# Reports


def test_views_are_a_mismatch_with_a_reason_and_compatible_with_groups(grouped: Report) -> None:
    x, _ = views(1)
    alone = dmtest.report(x, rng=0)
    assert alone.verdict == "mismatch"
    (found,) = [one for one in alone.warnings if one.code == "grouped-rows"]
    assert "groups of about 8" in found.message
    assert grouped.verdict == "compatible"
    assert "grouped-rows" not in [one.code for one in grouped.warnings]


def test_every_surface_says_rows_and_groups(grouped: Report) -> None:
    assert (grouped.n, grouped.provenance.groups) == (4000, 500)
    assert {one.n for one in grouped.outcomes if one.test != "worst-direction"} == {500}
    content = json.loads(grouped.to_json())
    assert (content["n"], content["computed"]["groups"]) == (4000, 500)
    assert Report.from_json(grouped.to_json()) == grouped
    assert "4,000 \u00d7 8 in 500 groups" in str(grouped)
    assert "4,000 rows in 500 groups: tests use one row of each group" in " ".join(
        str(grouped).split()
    )
    assert "4,000 rows in 500 groups \u00d7 8 columns" in grouped.to_html()
    assert "4,000 observations in 500 groups" in reproduce.method(grouped)
    assert "    groups=groups," in reproduce.call(grouped)


def test_effects_name_the_rows_that_they_use(grouped: Report) -> None:
    assert "all 4,000 rows, errors from the sums over 500 groups" in (
        grouped.effects["kl-fitted-normal"].note
    )
    assert "mean over 8 draws of one row of each group" in grouped.effects["kl-margins"].note
    assert "mean over 8 draws" in grouped.effects["sliced-wasserstein-2"].note


def test_groups_of_one_row_give_the_ordinary_report() -> None:
    x = np.random.default_rng(3).standard_normal((120, 2))
    a, b = (dmtest.report(x, groups=g, **SMALL).to_dict() for g in (None, np.arange(120)))
    for one in (a, b):
        del one["computed"]["seconds"], one["computed"]["created"]
    assert a == b


def test_directions_name_rows_of_the_data() -> None:
    x, labels = views(2, items=300, each=3, d=4)
    x[:, 2] = np.sqrt(12.0) * (np.random.default_rng(0).random(300)[labels] - 0.5)
    x[labels == 17, 2] = 30.0  # one item stands out along that column
    report = dmtest.report(x, groups=labels, rng=0, replicates=99)
    (direction, *_) = report.figures.directions
    rows = [int(row) for row in direction.rows]
    assert max(rows) >= 300
    if (labels[rows] == 17).any():
        assert labels[rows[0]] == 17


def test_other_targets_and_pairs() -> None:
    x, labels = views(4, items=200, each=3, d=2)
    for target in ("any-normal", "uniform", "sphere"):
        data = 1.0 / (1.0 + np.exp(-x)) if target == "uniform" else x
        data = x / np.linalg.norm(x, axis=1, keepdims=True) if target == "sphere" else data
        report = dmtest.report(data, target, groups=labels, **SMALL)
        assert (report.n, report.outcomes[0].n) == (600, 200)
    report = dmtest.report(x, groups=labels, augmented=x + 0.1, **SMALL)
    assert report.effects["alignment"].value is not None
    text = refused(None, dmtest.report, x, groups=labels, augmented=x[1:], **SMALL)
    assert text.startswith("augmented: ")


def test_few_groups_are_refused_with_a_cure() -> None:
    x, _ = views(5, items=100, each=3)
    assert "5 groups" in refused(None, dmtest.report, x, groups=np.arange(300) % 5)


# Tests


def test_the_size_with_groups_and_without() -> None:
    """200 samples of 100 items x 8 views: 5% with groups, most of them without."""
    runs, rejected, naive = 200, 0, 0
    for seed in range(runs):
        x, labels = views(seed, items=100, d=4)
        options = {"target": "normal", "rng": seed}
        rejected += dmtest.run_test(x, "energy", groups=labels, **options).rejects(0.05)
        naive += seed < 20 and dmtest.run_test(x, "energy", **options).rejects(0.05)
    assert binomtest(rejected, runs, 0.05).pvalue > 1e-3
    assert naive > 10


def test_single_tests_use_one_row_of_each_group() -> None:
    x, labels = views(6, items=60, each=4)
    picked = one_row_each(as_sample(x, groups=labels), 7)
    for test in ("epps-pulley", "radius"):
        ours = dmtest.run_test(x, test, "normal", groups=labels, rng=7, replicates=99)
        theirs = dmtest.run_test(picked.x, test, "normal", rng=7, replicates=99)
        assert (ours.n, ours.statistic, ours.pvalue) == (60, theirs.statistic, theirs.pvalue)
    score = dmtest.mean_pvalue(x, groups=labels, subsample=30, draws=20, rng=0)
    assert score.n == 60
    assert "subsample" in refused(None, dmtest.mean_pvalue, x, groups=labels, subsample=61)


def test_two_samples_with_groups() -> None:
    (x, labels), (y, others) = views(8, items=80, each=6, d=3), views(9, items=70, each=5, d=3)
    report = dmtest.compare(x, y, groups=labels, reference_groups=others, **SMALL)
    assert (report.n, report.provenance.reference_rows) == (80, 70)
    messages = [one.message for one in report.warnings if one.code == "groups"]
    assert messages[0].startswith("480 rows in 80 groups")
    assert messages[1].startswith("Reference: 350 rows in 70 groups")
    reference = dmtest.Reference(y, groups=others)
    assert dmtest.compare(x, reference, groups=labels, **SMALL).pvalue == report.pvalue
    again = dmtest.report(x, reference, groups=labels, **SMALL)
    assert again.pvalue == report.pvalue
    (one,) = dmtest.run_tests(x, ["energy"], reference, groups=labels, **SMALL)
    assert one.n == 80
    text = refused(None, dmtest.compare, x, reference, reference_groups=others)
    assert text.startswith("reference_groups: ")


def test_checks_with_groups() -> None:
    (x, labels), (y, others) = views(10, items=300, each=3, d=3), views(11, 300, 3, 3)
    baseline = dmtest.write_baseline(x, groups=labels, replicates=99)
    assert baseline.n == 300
    result = dmtest.check(y, baseline, groups=others)
    assert result.passed
    assert result.report is not None
    assert result.report.n == 300


# Effects


def test_the_variance_over_groups_equals_its_definition() -> None:
    rng = np.random.default_rng(12)
    codes = rng.integers(0, 40, 300)
    groups = Groups(np.unique(codes, return_inverse=True)[1].astype(np.intp), len(set(codes)))
    values = rng.standard_normal((300, 2)) + rng.standard_normal((40, 2))[codes]
    centred = values - values.mean(axis=0)
    sums = np.array([centred[codes == g].sum(axis=0) for g in sorted(set(codes))])
    expected = (sums**2).sum(axis=0) / 300 * groups.count / (groups.count - 1)
    assert_allclose(clustered_variance(values, groups), expected)


def test_effective_rows_equal_their_definition() -> None:
    rng = np.random.default_rng(13)
    codes = np.repeat(np.arange(30), rng.integers(1, 9, 30))  # more and fewer rows than columns
    d, n = 4, len(codes)
    x = (rng.standard_normal((30, d))[codes] + rng.standard_normal((n, d))) @ rng.random((d, d))
    mean, covariance = mean_and_covariance(x)
    z = (x - mean) @ np.linalg.inv(np.linalg.cholesky(covariance)).T
    outer = z[:, :, None] * z[:, None] - np.eye(d)
    expected = []
    for part in (z, outer.reshape(n, -1)):
        whole = sum(np.square(part[codes == g].sum(axis=0)).sum() for g in range(30))
        expected.append(n * np.square(part).sum() / whole)
    sums = np.array([z[codes == g].sum(axis=0) for g in range(30)])
    expected.append(n * n / np.linalg.svd(sums)[1][0] ** 2)
    found = effective_rows(x, mean, covariance, Groups(codes.astype(np.intp), 30))
    assert_allclose(found, expected)


def test_copies_of_rows_count_once() -> None:
    """With exact copies all rows of a group say the same, so the estimates are those of one."""
    x = 1.1 * np.random.default_rng(14).standard_normal((200, 3)) + 0.1
    copies = as_sample(np.repeat(x, 5, axis=0), groups=np.repeat(np.arange(200), 5))
    target = as_target("normal")
    ours = gaussian_estimates(target.canonical(copies), groups=copies.groups)
    theirs = gaussian_estimates(target.canonical(as_sample(x)))
    for row, one in theirs.items():
        assert one.value is not None
        assert one.error is not None
        assert_allclose(ours[row].value, one.value, rtol=1e-9)
        assert_allclose(ours[row].error, one.error, rtol=5e-3)  # G / (G - 1)


def test_rows_that_share_nothing_lose_nothing() -> None:
    """Groups without dependence give about the errors of independent rows."""
    x = 1.1 * np.random.default_rng(15).standard_normal((4000, 3)) + 0.1
    sample = as_sample(x, groups=np.arange(4000) % 800)
    canonical = as_target("normal").canonical(sample)
    ours, theirs = (
        gaussian_estimates(canonical, groups=sample.groups),
        gaussian_estimates(canonical),
    )
    for row, one in theirs.items():
        assert_allclose(ours[row].error, one.error, rtol=0.15)
        assert_allclose(ours[row].value, one.value, rtol=0.02, atol=2e-4)


@pytest.mark.parametrize("within", [0.5, 1.0 / 1.01])
def test_intervals_of_the_fitted_normal_hold_the_truth(within: float) -> None:
    """300 samples of 200 groups x 4 rows: coverage of the divergence and of its mean part."""
    runs, d, shift, scale = 300, 3, 0.2, 1.2
    truth = {KL_MEAN: 0.5 * d * shift**2}
    truth[KL_FITTED] = truth[KL_MEAN] + 0.5 * d * (scale**2 - 1.0 - 2.0 * np.log(scale))
    held, target = dict.fromkeys(truth, 0), as_target("normal")
    for seed in range(runs):
        x, labels = views(seed, items=200, each=4, d=d, within=within)
        sample = as_sample(shift + scale * x, groups=labels)
        estimates = gaussian_estimates(target.canonical(sample), groups=sample.groups)
        for row, value in truth.items():
            limits = estimates[row].limits(0.95)
            assert limits is not None
            held[row] += limits[0] <= value <= limits[1]
    for row, count in held.items():
        assert 0.90 <= count / runs <= 0.985, row.name


def test_too_many_columns_for_the_groups() -> None:
    x, labels = views(16, items=10, each=20, d=15)
    sample = as_sample(x, groups=labels)
    estimates = gaussian_estimates(as_target("normal").canonical(sample), groups=sample.groups)
    assert list(estimates) == [KL_FITTED]
    assert estimates[KL_FITTED].value is None
    assert "groups leave about 10" in estimates[KL_FITTED].note


def test_an_average_has_the_mean_of_the_limits() -> None:
    draws = np.linspace(-1.0, 3.0, 101)
    first = {
        KL_MEAN: Estimate(value=1.0, error=0.2),
        KL_MARGINS: ResampledEstimate(value=2.0, error=1.0, draws=draws),
    }
    second = {
        KL_MEAN: Estimate(value=2.0, error=0.4),
        KL_MARGINS: Estimate(value=None, note="not estimable: ties"),
    }
    mean = average_estimates([first, second])
    assert mean[KL_MEAN].value == 1.5
    assert_allclose(mean[KL_MEAN].limits(0.95), [1.5 - 1.96 * 0.3, 1.5 + 1.96 * 0.3], rtol=1e-3)
    assert "mean over 2 draws" in mean[KL_MEAN].note
    assert mean[KL_MARGINS].value is None
    assert mean[KL_MARGINS].note == "not estimable: ties"
    assert average_estimates([first]) == first


def test_the_decomposition_takes_groups() -> None:
    x, labels = views(17, items=200, each=4, d=2)
    x = 0.3 + 1.2 * x
    effects = dmtest.kl_decomposition(x, groups=labels, rng=0)
    alone = dmtest.kl_decomposition(x, rng=0)
    assert list(effects) == list(alone)
    for name in ("kl-fitted-normal", "kl-mean"):
        widths = [one.high - one.low for one in (effects[name], alone[name])]
        assert 1.6 < widths[0] / widths[1] < 2.4  # root of 4 rows a group
    assert list(dmtest.kl_decomposition(x, "any-normal", groups=labels, rng=0)) == [
        "kl-margins",
        "kl-dependence",
    ]


# The command line


def test_the_command_line_takes_groups(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x, labels = views(18, items=100, each=3, d=2)
    np.savez("views.npz", embeddings=x, item=labels)
    assert cli.main(["report", "views.npz", "--groups", "item", "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert (content["n"], content["computed"]["groups"]) == (300, 100)
    assert "--groups item" in content["computed"]["command"]
    report = Report.from_json(json.dumps(content))
    assert "    groups='item'," in reproduce.call(report)
    words = ["compare", "views.npz", "views.npz", "--groups", "item", "--reference-groups", "item"]
    assert cli.main([*words, "--replicates", "99", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["n"] == 100
    assert cli.main(["check", "views.npz", "--groups", "item", "--max-kl", "9", "-q"]) == 0
    assert cli.main(["report", "views.npz", "--groups", "thing"]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1
    assert errors[0].startswith("dmtest: error: --groups: views.npz has no 'thing'; it holds ")


def test_a_draw_depends_on_the_seed_alone() -> None:
    x, labels = views(19, items=50, each=3)
    sample = as_sample(x, groups=labels)
    assert_array_equal(one_row_each(sample, 1).x, one_row_each(sample, 1).x)
    assert not np.array_equal(one_row_each(sample, 1).x, one_row_each(sample, 2).x)
