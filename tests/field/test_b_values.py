"""Cases of group B: p-values that are none, formulas, and one number for one test."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest import Product, Reference
from tests.support.calls import refused
from tests.support.references import PATH

ROOT = Path(__file__).parents[2]
TARGETS = ("any-normal", "normal", "uniform", "sphere")
CASES = [(target, row.name) for target in TARGETS for row in dmtest.list_tests(target)]


def setosa() -> np.ndarray:
    """Read Fisher's setosa."""
    return np.loadtxt(PATH / "data" / "iris_setosa.csv", delimiter=",", skiprows=1)


@pytest.mark.parametrize("n", [881, 369])
def test_rounded_values_give_a_number_and_its_method(n: int) -> None:
    """B2, scipy/scipy#14019, scipy/scipy#16525: rounded values overflowed a formula of p."""
    x = np.round(np.random.default_rng(n).standard_normal(n), 3)
    for calibration in ("auto", "asymptotic"):
        one = dmtest.run_test(x, "shapiro-wilk", calibration=calibration, rng=0)
        assert 0.01 < one.pvalue < 1.0
        assert ("monte carlo" in one.method) == (calibration == "auto")
        assert_allclose(one.statistic, stats.shapiro(x).statistic, rtol=1e-7)


@pytest.mark.parametrize("name", ["shapiro-wilk", "anderson-darling", "dagostino-pearson"])
def test_location_and_scale_do_not_matter(name: str) -> None:
    """B3, scipy/scipy#14462: p = -1.44 for three values that hardly differ."""
    refused("3 rows of 1 value", dmtest.run_test, [1.0, 1.0 + 6e-8, 1.0 + 1e-8], name)
    z = np.random.default_rng(3).standard_normal(50)
    near, far = (dmtest.run_test(x, name, calibration="asymptotic") for x in (z, 1e8 + 0.1 * z))
    assert_allclose(far.statistic, near.statistic, rtol=1e-5)
    assert_allclose(far.pvalue, near.pvalue, rtol=1e-4)


def test_the_least_w_has_a_pvalue_above_zero() -> None:
    """B4, scipy/scipy#18322: one value apart from equal ones gave a negative p."""
    refused("3 rows of 1 value", dmtest.run_test, [0.693147, 0.0, 0.0], "shapiro-wilk")
    x = np.array([0.693147, *[0.0] * 8])
    assert dmtest.run_test(x, "shapiro-wilk", rng=0).pvalue == 0.001
    assert 0.0 <= dmtest.run_test(x, "shapiro-wilk", calibration="asymptotic").pvalue < 1e-5


@pytest.mark.parametrize(
    ("n", "d"), [(19, 2), (20, 2), (21, 2), (1999, 1), (2000, 1), (2001, 1), (60, 257)]
)
def test_no_jump_where_the_source_of_the_null_changes(n: int, d: int) -> None:
    """B6, statsmodels/statsmodels#5333: p jumped where a table ended and a regression began.

    At each edge the p-value is that of a null simulated at exactly this n and d.
    """
    tests = ["anderson-darling", "dagostino-pearson", "kolmogorov-smirnov"]
    tests += ["radius", "covariance-lrt"] if d < n else []
    x = np.random.default_rng([6, n, d]).standard_normal((n, d)) * (1.0 + 0.5 / np.sqrt(n))
    auto = dmtest.run_tests(x, tests, "normal", rng=0)
    fresh = dmtest.run_tests(x, tests, "normal", calibration="monte-carlo", rng=0, replicates=499)
    for one, other in zip(auto, fresh, strict=True):
        assert_allclose(one.statistic, other.statistic, rtol=1e-9)
        error = np.hypot(one.pvalue_error or 0.0, other.pvalue_error or 0.0)
        assert abs(one.pvalue - other.pvalue) <= 4.5 * error + 0.002, one


@pytest.mark.parametrize("edge", [2000, 10_000])
def test_one_row_more_moves_no_pvalue(edge: int) -> None:
    """B6: the p-values of nearly the same rows on both sides of an edge in n."""
    x = 1.005 * np.random.default_rng([6, edge]).standard_normal((edge + 1, 1))
    tests = ["anderson-darling", "dagostino-pearson", "kolmogorov-smirnov", "energy", "radius"]
    found = [dmtest.run_tests(x[:n], tests, "normal", rng=0) for n in (edge - 1, edge, edge + 1)]
    for sides in zip(*found, strict=True):
        pvalues = [one.pvalue for one in sides]
        error = max(one.pvalue_error or 0.0 for one in sides)
        assert max(pvalues) - min(pvalues) <= 6.0 * error + 0.02, sides[0]


@pytest.mark.parametrize("edge", [256, 1024])
def test_one_column_more_moves_no_pvalue(edge: int) -> None:
    """B6: the p-values of the same slices on both sides of an edge in d."""
    n = 64
    rng = np.random.default_rng([6, edge])
    x = rng.standard_normal((n, edge + 1))
    tests, directions = ["anderson-darling", "epps-pulley"], np.eye(edge + 1)[:64]
    found = [
        dmtest.run_tests(x[:, :d], tests, "normal", directions=directions[:, :d], rng=0)
        for d in (edge, edge + 1)
    ]
    for one, other in zip(*found, strict=True):
        assert_allclose(one.statistic, other.statistic, rtol=1e-9)
        error = np.hypot(one.pvalue_error or 0.0, other.pvalue_error or 0.0)
        assert abs(one.pvalue - other.pvalue) <= 4.5 * error


def test_multivariate_shapiro_wilk_says_which() -> None:
    """B8, jasp-stats/jasp-issues#1209: three statistics are called multivariate Shapiro-Wilk."""
    x = np.random.default_rng(8).standard_normal((40, 3))
    x[:, 0] = np.exp(x[:, 0])
    values, vectors = np.linalg.eigh(np.cov(x.T))
    z = (x - x.mean(axis=0)) @ vectors @ np.diag(values**-0.5) @ vectors.T
    expected = np.mean([stats.shapiro(column).statistic for column in z.T])
    one = dmtest.run_test(x, "generalised-shapiro-wilk", rng=0, replicates=99)
    assert one.test == "generalised-shapiro-wilk"
    assert_allclose(one.statistic, expected, rtol=1e-6)
    others = [
        dmtest.run_test(x, name, rng=0, replicates=99) for name in ("royston", "shapiro-wilk")
    ]
    assert all(abs(other.statistic - expected) > 1e-3 for other in others)
    assert "mvShapiroTest" in (ROOT / "docs" / "migration.md").read_text()


@pytest.mark.parametrize("d", [1, 3])
def test_one_number_for_one_test(
    d: int, tmp_path: Path, command: Callable[..., tuple[int, str, str]]
) -> None:
    """B9, jasp-stats/jasp-issues#3590: two modules gave two numbers for the same data."""
    x = np.random.default_rng(9).standard_exponential((60, d))
    np.save(tmp_path / "x.npy", x)
    made = dmtest.report(x, "any-normal", rng=0)
    single = {
        one.test: dmtest.run_test(x, one.test, "any-normal", rng=0)
        for one in made.outcomes
        if one.test in {row.name for row in dmtest.list_tests("any-normal")}
    }
    assert len(single) > 4
    _, printed, _ = command(
        "report", tmp_path / "x.npy", "--target", "any-normal", "--json", "-", "--seed", "0"
    )
    read = {one["test"]: one for one in json.loads(printed)["outcomes"]}
    page = made.to_html()
    for one in made.outcomes:
        assert read[one.test]["pvalue"] == one.pvalue
        assert read[one.test]["statistic"] == one.statistic
        assert one.test in page
        if one.test in single:
            assert single[one.test].pvalue == one.pvalue
            assert single[one.test].statistic == one.statistic


def test_henze_zirkler_of_setosa() -> None:
    """B10, raphaelvallat/pingouin#125: a misprint in the paper's lognormal parameters."""
    one = dmtest.run_test(setosa(), "henze-zirkler", calibration="asymptotic")
    assert_allclose(one.statistic, 0.94884532, rtol=1e-7)
    assert_allclose(one.pvalue, 0.04995, atol=5e-6)


def test_doornik_hansen_of_setosa() -> None:
    """B12, statsmodels/statsmodels#9564: a copy that left out the last rotation."""
    one = dmtest.run_test(setosa(), "doornik-hansen", calibration="asymptotic")
    assert_allclose(one.statistic, 24.414, atol=1e-3)


def test_extreme_samples_have_the_least_pvalue_and_say_so() -> None:
    """B14, scipy/scipy#5493, scipy/scipy#8536: p extrapolated beyond its table."""
    x = np.random.default_rng(14).standard_normal((50, 1))
    far = dmtest.compare(x, x + 1000.0, rng=0, replicates=199)
    assert far.pvalue == 1 / 200
    assert "p ≤ 0.005" in str(far)
    assert "smallest that 199 replicates" in " ".join(str(far).split())
    assert dmtest.compare(x, x, rng=0, replicates=199).pvalue == 1.0
    one = dmtest.run_test(x + 1000.0, "anderson-darling", "normal", rng=0)
    assert one.pvalue == one.pvalue_floor
    few = dmtest.run_test(x + 1000.0, "watson", "normal", replicates=199, rng=0)
    assert few.pvalue == few.pvalue_floor == 1 / 200


@pytest.mark.parametrize("n", [10, 20, 50])
def test_small_samples_with_fitted_parameters_hold_the_level(n: int) -> None:
    """B15, scipy/scipy#23950: critical values of n = infinity, used at n = 10."""
    rng = np.random.default_rng([15, n])
    hits = {"auto": 0, "asymptotic": 0}
    for _ in range(250):
        x = 3.0 + 2.0 * rng.standard_normal(n)
        for kind in hits:
            one = dmtest.run_test(x, "anderson-darling", calibration=kind, rng=0)
            hits[kind] += one.pvalue <= 0.05
    for kind, count in hits.items():
        assert stats.binom.ppf(1e-4, 250, 0.05) <= count <= stats.binom.ppf(1 - 1e-4, 250, 0.05), (
            kind
        )


def test_fitted_margins_are_warned_of() -> None:
    """B16, georgebv/pyextremes#39: fitted parameters taken for known ones; p is then too large."""
    rng = np.random.default_rng(16)
    pvalues = []
    for _ in range(25):
        x = 2.0 * rng.standard_exponential(50) + 1.0
        fitted = Product([stats.expon(x.min(), x.mean() - x.min())])
        with pytest.warns(dmtest.DataWarning, match="cdf of exactly 0 or 1"):  # the least value
            pvalues.append(dmtest.run_test(x, "kolmogorov-smirnov", fitted, rng=0).pvalue)
    assert np.mean(pvalues) > 0.6  # 0.5 for given margins
    for text in (Product.__doc__ or "", (ROOT / "docs" / "limits.md").read_text()):
        assert "fitted to the same rows" in text
        assert "too large" in text


def rows_of(target: str, n: int, d: int, kind: int, rng: np.random.Generator) -> np.ndarray:
    """Draw awkward rows in the support of a target."""
    x = rng.standard_normal((n, d))
    if kind == 1:
        x = np.round(2.0 * x) / 2.0
    elif kind == 2:
        x = 1e6 + 1e-3 * x
    elif kind == 3:
        x = rng.standard_cauchy((n, d))
    if target == "uniform":
        return np.asarray(np.abs(x) % 1.0)
    if target == "sphere":
        x = np.where((x == 0.0).all(axis=1, keepdims=True), 1.0, x)
        return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))
    return x


@pytest.mark.filterwarnings("ignore::dmtest.DataWarning")
@pytest.mark.parametrize(("target", "name"), CASES)
def test_a_pvalue_is_one_or_is_refused(target: str, name: str) -> None:
    """B17, miguelbper/jerzy#2: p = 1.1e9. Every test, target and calibration, n = 3 to 30."""
    rng = np.random.default_rng([17, CASES.index((target, name))])
    seen = 0
    for calibration in ("auto", "monte-carlo", "asymptotic"):
        for n in (int(rng.integers(3, 8)), 8, int(rng.integers(9, 31))):
            d, kind = int(rng.integers(1, 4)), int(rng.integers(0, 4))
            if target == "sphere":
                d = max(d, 2)
            x = rows_of(target, n, d, kind, rng)
            options = {"calibration": calibration, "replicates": 19, "rng": 0}
            try:
                one = dmtest.run_test(x, name, target, **options)
            except dmtest.InputError as error:
                text = str(error)
                assert ": " in text, text
                assert "\n" not in text, text
                continue
            seen += 1
            assert 0.0 <= one.pvalue <= 1.0, (one, n, d, kind)
            assert np.isfinite(one.statistic) or one.pvalue < 0.2, (one, n, d, kind)
            assert one.method
            assert calibration == "asymptotic" or one.pvalue > 0.0 or "exact" in one.method
    assert seen


def test_the_rows_beside_a_statistic_are_those_it_used() -> None:
    """B18, LeonKahly/PyAnalytica#8: N = 41,188 beside a statistic of a random 5,000."""
    ages = np.random.default_rng(18).integers(18, 90, 41_188).astype(float)
    tests = ["anderson-darling", "henze-zirkler"]
    made = dmtest.report(ages, "any-normal", tests=tests, rng=0)
    every, some = made.outcomes
    assert (every.n, every.rows) == (41_188, 41_188)
    assert some.n == 41_188
    assert some.rows is not None
    assert some.rows < 41_188
    assert f"{some.rows} of 41188 rows" in some.method
    assert [one["rows"] for one in made.to_dict()["outcomes"]] == [every.rows, some.rows]
    assert list(made.to_frame()["rows"]) == [every.rows, some.rows]
    assert f"of {some.rows:,} rows" in made.to_html()
    one = dmtest.run_test(ages, "henze-zirkler", rng=0)
    assert one.rows == some.rows


def test_the_rows_of_a_search_and_of_two_samples() -> None:
    """B18: the search is tested on one half; two samples use the rows of both, or some."""
    x = np.random.default_rng(19).standard_normal((301, 2))
    made = dmtest.report(x, rng=0)
    found = {one.test: one.rows for one in made.outcomes}
    search = next(one for one in made.outcomes if "chosen on one half" in one.method)
    assert found.pop(search.test) == 151
    assert set(found.values()) == {301}
    y = np.random.default_rng(20).standard_normal((100, 2))
    assert {one.rows for one in dmtest.compare(x, y, rng=0, replicates=99).outcomes} == {401}
    one = dmtest.run_test(x[:160], "energy", Reference(y[:96], rotation=True), replicates=99, rng=0)
    assert one.rows == 256


def test_a_row_more_than_r_allows_and_what_a_large_p_means() -> None:
    """B19, jamovi/jmv#160: no number above 5,000 rows, and p > .05 read as "normal"."""
    x = np.random.default_rng(19).standard_normal(5001)
    one = dmtest.run_test(x, "shapiro-wilk", rng=0, replicates=99)
    assert one.rows == 5001
    assert one.pvalue > 0.05
    refused(
        "published for 3 <= n <= 5000; use",
        dmtest.run_test,
        x,
        "shapiro-wilk",
        calibration="asymptotic",
    )
    said = " ".join(str(dmtest.report(x[:200], tests="anderson-darling", rng=0)).split())
    assert "is normal" not in said
    assert "No evidence against the target" in said


@pytest.mark.parametrize("name", ["mmd", "energy"])
def test_a_fast_form_has_no_atom_at_one(name: str) -> None:
    """B21, neurodata/hyppo#429: p set to 1 wherever the unbiased statistic is negative."""
    rng = np.random.default_rng(21)
    pvalues = []
    for seed in range(120):
        x, y = rng.standard_normal((40, 2)), rng.standard_normal((40, 2))
        one = dmtest.run_test(x, name, Reference(y), replicates=99, budget=1.0, rng=seed)
        pvalues.append(one.pvalue)
    assert "random" in one.method
    assert np.sum(np.array(pvalues) == 1.0) <= 8
    jitter = rng.random(120) / 100.0
    assert stats.kstest(np.array(pvalues) - jitter, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("beta", [0.75, 1.0, 2.0])
def test_bhep_on_a_line_is_epps_pulley(beta: float) -> None:
    """B22, SlopDotCash/asi#2194: two names and two scales of one statistic."""
    x = np.random.default_rng(22).standard_normal(200)
    z = (x - x.mean()) / x.std()
    b2, n = beta**2, len(z)
    closed = np.exp(-0.5 * b2 * (z[:, None] - z) ** 2).sum() / n
    closed -= 2.0 / np.sqrt(1.0 + b2) * np.exp(-0.5 * b2 / (1.0 + b2) * z**2).sum()
    closed += n / np.sqrt(1.0 + 2.0 * b2)
    options = {"replicates": 19, "rng": 0}
    one = dmtest.run_test(x, "bhep", "any-normal", params={"beta": beta}, **options)
    assert_allclose(one.statistic, closed, rtol=1e-6)
    if beta == 1.0:
        other = dmtest.run_test(z, "epps-pulley", "normal", **options)
        assert_allclose(other.statistic, one.statistic, rtol=1e-6)
