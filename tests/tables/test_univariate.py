"""Tables of columns: values of R and scipy, adjustment, transformations, by class, JSON."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.tables.powers import suggest_power
from tests.support import references
from tests.support.calls import refused


def r_values(package: str, name: str) -> list[dict[str, str]]:
    """Return recorded values of R of samples with the rows that dmtest takes."""
    samples = references.univariate()
    return [
        line
        for line in references.table("univariate.csv")
        if (line["source"], line["stat"]) == (package, name) and len(samples[line["dataset"]]) >= 8
    ]


@pytest.mark.parametrize(
    ("package", "name", "field"),
    [("nortest", "ad.test", "anderson_darling"), ("stats", "shapiro.test", "shapiro_wilk")],
)
def test_the_same_as_r(package: str, name: str, field: str) -> None:
    """Statistics and p-values of nortest and of shapiro.test, for iris by species among others."""
    lines = r_values(package, name)
    assert len(lines) > 15
    for line in lines:
        x = references.univariate()[line["dataset"]]
        if name == "shapiro.test" and len(x) > 5000:
            continue
        (row,) = dmtest.univariate(x)
        assert_allclose(getattr(row, field), float(line["statistic"]), rtol=1e-7)
        assert_allclose(getattr(row, f"{field}_pvalue"), float(line["p_value"]), rtol=2e-5)


def test_descriptives_are_those_of_scipy() -> None:
    x = np.random.default_rng(1).gamma(2.0, size=57)
    (row,) = dmtest.univariate(x)
    assert (row.n, row.distinct, row.column) == (57, 57, "x0")
    assert_allclose(row.sd, x.std(ddof=1))
    assert_allclose([row.skewness, row.kurtosis], [stats.skew(x), stats.kurtosis(x)])
    assert_allclose(
        [row.minimum, row.lower_quartile, row.median, row.upper_quartile, row.maximum],
        np.quantile(x, [0, 0.25, 0.5, 0.75, 1]),
    )


def test_setosa_as_mvn_has_it() -> None:
    """MVN's Henze-Zirkler, Mardia's tests and univariate tests of iris setosa in one call."""
    table = dmtest.univariate(references.dataset("iris_setosa"))
    values = {
        (line["source"], line["stat"]): float(line["statistic"])
        for line in references.table("values.csv")
        if line["dataset"] == "iris_setosa"
        and line["params"] in ("", "use_population=TRUE")
        and line["column"] == "joint"
        and line["statistic"]
    }
    found = {one.outcome.test: one.outcome.statistic for one in table.multivariate}
    assert_allclose(found["henze-zirkler"], values["MVN", "hz"], rtol=1e-8)
    # MVN's n b1 / 6 and standardised b2.
    assert_allclose(50 * found["mardia-skewness"] / 6, values["MVN", "mardia_skew"], rtol=1e-8)
    score = (found["mardia-kurtosis"] - 24.0) / np.sqrt(8 * 4 * 6 / 50)
    assert_allclose(score, values["MVN", "mardia_kurt"], rtol=1e-8)
    assert [one.column for one in table.rejected] == ["x3"]  # Petal.Width
    adjusted = [one.adjusted for one in table.multivariate]
    pvalues = sorted(one.outcome.pvalue for one in table.multivariate)
    assert min(adjusted) == pytest.approx(min(1.0, 3 * pvalues[0]))


def iris() -> pd.DataFrame:
    data = pytest.importorskip("sklearn.datasets").load_iris(as_frame=True)
    frame = data.data.copy()
    frame.columns = ["Sepal.Length", "Sepal.Width", "Petal.Length", "Petal.Width"]
    return frame.assign(Species=np.array(data.target_names)[data.target])


def test_iris_by_species() -> None:
    table = dmtest.univariate(iris(), by="Species")
    assert [(one.label, one.column) for one in table.rejected] == [("setosa", "Petal.Width")]
    row = table["setosa", "Petal.Width"]
    assert (row.transformation, row.power) == ("box-cox", 0.0)
    assert row.shapiro_wilk_pvalue == pytest.approx(8.65842e-07, rel=1e-4)
    assert len(table) == 12 == len(list(table))
    assert table.by == "Species"
    assert table["Petal.Width"] is table[3]
    with pytest.raises(KeyError):
        table["Petal"]
    # Holm over the twelve columns, for each test.
    pvalues = np.array([one.anderson_darling_pvalue for one in table])
    order = np.argsort(pvalues)
    steps = np.minimum(1.0, np.maximum.accumulate(pvalues[order] * np.arange(12, 0, -1)))
    assert_allclose([table[int(i)].anderson_darling_adjusted for i in order], steps)
    whole = dmtest.univariate(iris().query("Species == 'setosa'").drop(columns="Species"))
    assert whole["Petal.Width"].anderson_darling == row.anderson_darling


@pytest.mark.parametrize("inverse", [0.0, 0.5, -1.0])
def test_the_suggested_power_undoes_one(inverse: float) -> None:
    """The interval holds the exponent that the values were made with; a round one is suggested."""
    z = np.random.default_rng(3).normal(10.0, 1.0, 2000)
    x = np.exp(0.2 * z) if inverse == 0.0 else z ** (1.0 / inverse)
    found = suggest_power(x)
    assert found is not None
    assert found.family == "box-cox"
    assert found.low <= inverse <= found.high
    assert found.power == inverse
    best = stats.boxcox_normmax(x, method="mle")
    assert found.low < best < found.high
    likelihood = [float(stats.boxcox_llf(one, x)) for one in (found.low, best, found.high)]
    assert_allclose(np.diff(likelihood), [1.9207, -1.9207], atol=1e-4)


def test_values_below_zero_take_yeo_johnson() -> None:
    x = np.random.default_rng(3).exponential(size=400) - 0.5
    (row,) = dmtest.univariate(x)
    assert row.transformation == "yeo-johnson"
    assert row.power_low is not None
    assert row.power_high is not None
    assert row.power_low <= stats.yeojohnson_normmax(x) <= row.power_high
    assert row.pvalue_after > row.anderson_darling_pvalue


def test_no_power_is_suggested_that_does_not_help() -> None:
    """Neither of a normal, nor of heavy tails that are symmetric."""
    rng = np.random.default_rng(4)
    x = np.column_stack([rng.standard_normal(300), rng.standard_t(2, 300)])
    table = dmtest.univariate(x)
    assert [one.transformation for one in table] == ["", ""]
    assert [one.column for one in table.rejected] == ["x1"]
    assert "None makes these columns more normal" in str(table)


def test_the_table_holds_its_level() -> None:
    """Of 300 normal tables 5% have a column that is marked, within four standard errors."""
    rng = np.random.default_rng(5)
    tables = (
        dmtest.univariate(rng.standard_normal((40, 5)), multivariate=None) for _ in range(300)
    )
    share = np.mean([bool(table.rejected) for table in tables])
    assert share <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / 300)


def test_columns_without_a_test() -> None:
    """A constant column, zeros, and more rows than Royston's formula is for."""
    rng = np.random.default_rng(6)
    x = np.column_stack([rng.standard_normal(5001), np.ones(5001)])
    table = dmtest.univariate(x)
    assert table[1].anderson_darling_pvalue is None
    assert table[1].adjusted is None
    assert table[0].shapiro_wilk_pvalue is None
    assert table[0].adjusted == table[0].anderson_darling_adjusted
    assert table.multivariate == ()
    zeros = dmtest.univariate(np.zeros((8, 2)))
    assert zeros.rejected == ()
    assert "not normal" in str(zeros)


def test_few_rows() -> None:
    """More columns than rows: univariate tests, and a finding instead of multivariate ones."""
    table = dmtest.univariate(np.random.default_rng(7).standard_normal((9, 12)))
    assert len(table) == 12
    assert table.multivariate == ()
    assert {one.code for one in table.findings} >= {"few-rows"}


def test_other_tests_of_all_columns() -> None:
    x = np.random.default_rng(8).standard_normal((60, 3))
    (one,) = dmtest.univariate(x, multivariate="energy").multivariate
    assert one.outcome == dmtest.run_test(x, "energy", "any-normal", rng=0)
    assert one.adjusted == one.outcome.pvalue
    assert dmtest.univariate(x, multivariate=None).multivariate == ()
    refused("unknown test|no test|nonsense", dmtest.univariate, x, multivariate="nonsense")


def test_surfaces() -> None:
    table = dmtest.univariate(iris(), by="Species")
    assert repr(table) == "<Univariate: 1 of 12 columns not normal at alpha=0.05, n=150, d=4>"
    text = str(table)
    assert text.startswith("1 of 12 columns (4 in each of 3 classes) is not normal at alpha = 0.05")
    assert "log(x)" in text
    assert max(map(len, text.splitlines())) <= 100
    html = table._repr_html_()
    assert html.count("<table") == 4
    assert "<script" not in html
    frame = table.to_frame()
    assert list(frame.columns[:3]) == ["column", "label", "n"]
    assert frame.shape[0] == 12
    assert table.to_frame("polars").shape == frame.shape
    assert "label" not in dmtest.univariate(np.arange(9.0)).to_frame()
    again = dmtest.Univariate.from_json(table.to_json())
    assert again == table
    refused("holds no", dmtest.Univariate.from_json, '{"schema": 1, "kind": "outliers"}')
    assert json.loads(table.to_json())["kind"] == "univariate"


def test_names_cannot_break_the_page() -> None:
    frame = pd.DataFrame({"<script>": np.arange(20.0) ** 9, "a\x1b[31m": np.arange(20.0)})
    table = dmtest.univariate(frame)
    assert "<script>" not in table._repr_html_()
    assert "\x1b" not in str(table)


def test_arguments() -> None:
    x = np.random.default_rng(9).standard_normal((20, 2))
    refused("alpha: got 2", dmtest.univariate, x, alpha=2)
    refused("^by: has shape", dmtest.univariate, x, by=[1, 2])
    refused("backend: must be one of", dmtest.univariate(x).to_frame, "excel")
