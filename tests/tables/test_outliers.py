"""Outlying rows: the MCD, calibrated p-values, rules and their error rates, surfaces."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.tables import scores
from dmtest.tables.covariance import robust_distances
from dmtest.tables.scores import (
    adjusted_quantile,
    benjamini_hochberg,
    robust_scores,
    specified_scores,
    standing_out,
)
from dmtest.targets.canonical import known
from tests.support import references
from tests.support.calls import refused


@pytest.fixture
def few_null_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate the null from fewer rows: what is tested is not its precision."""
    monkeypatch.setattr(scores, "NULL_ROWS", 10_000)
    scores._null.cache_clear()


@pytest.mark.parametrize(("n", "d"), [(60, 2), (150, 4), (900, 3)])
def test_no_worse_than_scikit_learn(n: int, d: int) -> None:
    """The distances agree with MinCovDet's where a fifth of the rows is elsewhere."""
    covariance = pytest.importorskip("sklearn.covariance")
    x = np.random.default_rng(n).standard_normal((n, d))
    x[: n // 5] += 6.0
    ours = robust_distances(x, 0)
    assert ours is not None
    theirs = covariance.MinCovDet(random_state=0).fit(x)
    assert np.corrcoef(ours.squared, theirs.dist_)[0, 1] > 0.98
    assert not ours.used[: n // 5].any()
    assert ours.squared[: n // 5].min() > ours.squared[n // 5 :].max()


def test_distances_do_not_depend_on_units_or_origin() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((80, 3))
    moved = (x * [1e6, 1.0, 1e-6] + [1e3, 0.0, 5.0])[:, [2, 0, 1]]
    first, second = robust_distances(x, 0), robust_distances(moved, 0)
    assert first is not None
    assert second is not None
    assert_allclose(second.squared, first.squared, rtol=1e-6)


def test_more_than_half_of_the_rows_in_a_subspace() -> None:
    """Petal.Width of iris setosa has one value 29 times: the subset takes three quarters."""
    found = robust_distances(references.dataset("iris_setosa"), 0)
    assert found is not None
    assert found.share == 0.75
    flat = np.random.default_rng(2).standard_normal((40, 2))
    flat[:34, 1] = 0.0
    found = robust_distances(flat, 0)
    assert found is not None
    assert found.share == 1.0
    flat[:, 1] = 0.0
    assert robust_distances(flat, 0) is None


def test_benjamini_hochberg_is_scipys() -> None:
    p = np.random.default_rng(3).uniform(size=50) ** 2
    assert_allclose(benjamini_hochberg(p), stats.false_discovery_control(p))
    assert_allclose(benjamini_hochberg([1.0, 1.0]), [1.0, 1.0])


def test_exact_pvalues_are_uniform() -> None:
    """Of N(0, I), and sharper than uniform nowhere; a row of zeros and a far one are finite."""
    for d in (1, 3, 200):
        x = np.random.default_rng(d).standard_normal((4000, d))
        p = specified_scores(known(x)).pvalues
        for level in (0.1, 0.01):
            assert np.mean(p <= level) <= level + 4 * np.sqrt(level / 4000)
        assert np.mean(p <= 0.1) >= 0.05
    odd = np.zeros((3, 4))
    odd[1, 2], odd[2] = 1e9, 60.0
    none, *far = specified_scores(known(odd)).pvalues
    assert none == 1.0
    assert all(0.0 < p < 1e-300 for p in far), "they underflow, and are not 0"


def test_one_large_coordinate_is_seen_in_many_columns() -> None:
    """The length of 500 columns hides eight standard deviations in one of them."""
    x = np.random.default_rng(4).standard_normal((300, 500))
    x[17, 3] = 8.0
    assert dmtest.outliers(x, "normal").flagged == (17,)
    assert stats.chi2.sf(np.square(x[17]).sum(), 500) > 1e-3


def test_classical_distances_are_exact() -> None:
    """With few rows for the columns: the beta law, uniform p-values, and a finding."""
    rng = np.random.default_rng(5)
    p = np.concatenate(
        [robust_scores(rng.standard_normal((14, 8)), 0, "x").pvalues for _ in range(300)]
    )
    assert stats.kstest(p, "uniform").pvalue > 1e-3
    table = dmtest.outliers(rng.standard_normal((14, 8)))
    assert [one.code for one in table.findings] == ["classical-distances"]
    x = rng.standard_normal((14, 8))
    y = x - x.mean(axis=0)
    expected = np.einsum("ij,jk,ik->i", y, np.linalg.inv(np.cov(x.T)), y)
    assert_allclose(np.square(dmtest.outliers(x).scores), expected)


@pytest.mark.usefixtures("few_null_samples")
def test_holm_holds_its_level_and_the_false_discovery_rate() -> None:
    """On clean samples of 40 rows, and of 100 rows with eight outliers."""
    rng = np.random.default_rng(6)
    runs, marked, false, found = 200, 0, 0.0, 0.0
    for run in range(runs):
        clean = robust_scores(rng.standard_normal((40, 2)), run, "x")
        marked += bool(standing_out(clean, "holm", 0.05)[1].any())
    assert marked / runs <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)
    runs = 60
    for run in range(runs):
        x = rng.standard_normal((100, 2))
        x[:8] += 7.0
        out = standing_out(robust_scores(x, run, "x"), "benjamini-hochberg", 0.05)[1]
        false += float(out[8:].sum() / max(1, out.sum()) / runs)
        found += float(out[:8].mean() / runs)
    assert false <= 0.05 + 4 * 0.1 / np.sqrt(runs)
    assert found > 0.9


def test_approximate_pvalues_of_many_rows() -> None:
    """Above 1,000 rows without simulation: no more small ones than there should be."""
    rng = np.random.default_rng(7)
    found = robust_scores(rng.standard_normal((3000, 4)), 0, "x")
    assert found.method.startswith("approximate")
    for level in (0.1, 0.01, 0.001):
        assert abs(np.mean(found.pvalues <= level) - level) <= 5 * np.sqrt(level / 3000)


def test_adjusted_quantile_by_hand() -> None:
    """No outliers of chi-squared quantiles; with a far fifth, the share that is too many."""
    n, d = 1000, 3
    quantiles = stats.chi2.ppf((np.arange(n) + 0.5) / n, d)
    assert adjusted_quantile(quantiles, d) is None
    far = np.append(quantiles[: 4 * n // 5] * 0.5, np.full(n // 5, 80.0))
    cutoff = adjusted_quantile(far, d)
    assert cutoff is not None
    assert stats.chi2.ppf(0.975, d) <= cutoff <= 80.0
    assert 0.15 < np.mean(far >= cutoff) <= 0.21


@pytest.mark.usefixtures("few_null_samples")
def test_outliers_are_not_masked() -> None:
    """A cluster of a fifth of the rows that classical distances do not see."""
    rng = np.random.default_rng(8)
    x = rng.standard_normal((100, 2))
    x[80:] = 8.0 + 0.1 * rng.standard_normal((20, 2))
    table = dmtest.outliers(x)
    assert set(table.flagged) == set(range(80, 100))
    y = x - x.mean(axis=0)
    classical = np.einsum("ij,jk,ik->i", y, np.linalg.inv(np.cov(x.T)), y)
    assert not (stats.chi2.sf(classical, 2)[80:] < 0.05 / 100).any()


@pytest.mark.usefixtures("few_null_samples")
def test_by_class_and_names_of_rows() -> None:
    """A row that is far from its class and near another; names and places as passed in."""
    rng = np.random.default_rng(9)
    x = np.vstack([rng.standard_normal((40, 2)), 20.0 + rng.standard_normal((40, 2))])
    x[3] = 20.0
    x[[1, 60]] = np.nan
    frame = pd.DataFrame(x, columns=["a", "b"], index=[f"row {i}" for i in range(80)])
    frame["kind"] = ["low"] * 40 + ["high"] * 40
    table = dmtest.outliers(frame, by="kind", nonfinite="drop")
    assert table.flagged == (3,)
    assert table.n == 78 == len(table)
    found = table.to_frame(flagged=True)
    assert found[["row", "name", "label", "outlier"]].iloc[0].tolist() == [3, "row 3", "low", True]
    every = table.to_frame()
    assert every["row"].tolist() == [i for i in range(80) if i not in (1, 60)]
    assert every["name"].tolist() == [f"row {i}" for i in every["row"]]
    assert "row 3" in str(table)
    without = dmtest.outliers(frame.drop(columns="kind"), nonfinite="drop")
    assert without.pvalues[without.rows.index(3)] > 0.05


def test_degenerate_data() -> None:
    """Constant and repeated columns are left out with a finding; all constant is refused."""
    rng = np.random.default_rng(10)
    x = rng.standard_normal((2000, 2))
    x[5] = 9.0
    wide = np.column_stack([x, np.ones(2000), x[:, 0]])
    table = dmtest.outliers(wide)
    assert [one.code for one in table.findings] == ["rank-deficient"]
    assert_allclose(table.scores, dmtest.outliers(x).scores, rtol=1e-6)
    assert 5 in table.flagged
    refused("every column is constant", dmtest.outliers, np.ones((20, 2)))
    refused(r"^outliers: distances of rows in d = 12", dmtest.outliers, x[:10].repeat(6, 1))


def test_arguments() -> None:
    x = np.random.default_rng(11).standard_normal((2000, 2))
    refused("rule: must be one of 'holm'", dmtest.outliers, x, rule="grubbs")
    refused("alpha: got 1", dmtest.outliers, x, alpha=1)
    unit = x / np.linalg.norm(x, axis=1)[:, None]
    refused("outliers: target 'sphere' gives single rows no score", dmtest.outliers, unit, "sphere")
    sampled = dmtest.Sampled(lambda n, rng: rng.standard_normal((n, 2)))
    refused("no normal scale", dmtest.outliers, x, sampled)
    refused("no normal scale", dmtest.report, x, dmtest.Reference(x), rows=True)


def test_targets() -> None:
    """Uniform rows, given margins and ranks are scored on normal scale."""
    rng = np.random.default_rng(12)
    u = rng.uniform(size=(500, 2))
    u[9] = 1.0 - 1e-12
    assert dmtest.outliers(u, "uniform").flagged == (9,)
    x = stats.expon.ppf(u)
    assert dmtest.outliers(x, dmtest.Product([stats.expon(), stats.expon()])).flagged == (9,)
    assert dmtest.outliers(rng.integers(0, 11, (500, 2)), dmtest.Ranks(10)).flagged == ()


def test_rules_and_surfaces() -> None:
    x = np.random.default_rng(13).standard_normal((2000, 2))
    x[:40] *= 3.0
    x[0], x[1] = 8.0, -30.0
    tables = {rule: dmtest.outliers(x, rule=rule) for rule in scores.RULES}
    marked = {rule: len(table.flagged) for rule, table in tables.items()}
    assert marked["holm"] <= marked["benjamini-hochberg"] <= marked["adjusted-quantile"]
    assert marked["quantile"] > 80
    assert tables["quantile"].cutoff == pytest.approx(np.sqrt(stats.chi2.ppf(0.95, 2)))
    table = tables["benjamini-hochberg"]
    assert table.flagged[:2] == (1, 0)
    assert table.places[:2] == (1, 0)
    assert repr(table).startswith(f"<Outliers: {len(table.flagged)} of 2000 rows stand out")
    text = str(tables["quantile"])
    assert "more rows: to_frame(flagged=True)" in text
    assert max(map(len, text.splitlines())) <= 100
    assert table._repr_html_().count("<table") == 1
    assert dmtest.Outliers.from_json(table.to_json()) == table
    assert json.loads(table.to_json())["kind"] == "outliers"
    lines = table.to_csv().splitlines()
    assert lines[0] == "row,score,pvalue,adjusted,outlier"
    assert len(lines) == 2001
    assert lines[2].startswith("1,")
    assert lines[2].endswith(",True")
    assert table.to_frame("polars").shape == (2000, 5)
    clean = dmtest.outliers(x[40:140], "normal")
    assert str(clean).startswith("None of 100 rows stands out.")
