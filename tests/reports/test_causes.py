"""Causes: every mismatch has one, the first advice is the right one, and its code runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import dmtest
from dmtest.data.structure import live_columns
from dmtest.effects.directions.one_sample import directions_of
from dmtest.reports.causes.columns import column_tests
from dmtest.reports.causes.rows import outliers_of, robust_distances, two_groups
from dmtest.results.report import Report
from dmtest.targets.targets import as_target
from tests.support.advice import follow
from tests.support.tables import classical

LAST = 50  # draws of ranks


class Case(NamedTuple):
    """A sample with one cause, its target, the first finding and words of its advice."""

    x: Any
    target: Any
    code: str
    words: tuple[str, ...]


def digits() -> np.ndarray:
    """Return raw pixels: 64 columns, some of them constant."""
    from sklearn.datasets import load_digits

    return np.asarray(load_digits().data)


def sentences(rows: int) -> np.ndarray:
    """Return unit sentence embeddings in 384 columns, three of them dead."""
    file = Path(__file__).parents[2] / "docs" / "data" / "sentences.npz"
    with np.load(file) as archive:
        x = archive["embeddings"][:rows].astype(np.float64)
    return np.asarray(x / np.linalg.norm(x, axis=1)[:, None])


def autoregressive(rng: np.random.Generator, n: int, d: int, phi: float) -> np.ndarray:
    """Draw a chain whose rows follow N(0, I)."""
    x, noise = np.zeros((n, d)), rng.standard_normal((n, d))
    for i in range(1, n):
        x[i] = phi * x[i - 1] + np.sqrt(1.0 - phi**2) * noise[i]
    return x


def cases() -> dict[str, Case]:
    """Make the samples."""
    rng = np.random.default_rng(7)
    dead = rng.standard_normal((300, 5))
    dead[:, -1] = 0.0
    copied = rng.standard_normal((300, 5))
    copied[:, 3] = copied[:, 1]
    groups = rng.standard_normal((1000, 8)) + np.repeat([[2.0], [-2.0]], 500, axis=0)
    outliers = rng.standard_normal((200, 5))
    outliers[[17, 80, 133]] += 7.0
    views = np.repeat(rng.standard_normal((300, 8)), 2, axis=0)
    views = (views + 0.3 * rng.standard_normal(views.shape)) / np.sqrt(1.09)
    near = rng.standard_normal((500, 6))
    near[460:] = near[:40] + 1e-4 * rng.standard_normal((40, 6))
    zero = rng.standard_normal((300, 4))
    zero[5] = 0.0
    ends = rng.random((500, 2))
    ends[rng.permutation(500)[:40], 0] = 0.0

    def ranked(a: float, b: float) -> np.ndarray:
        return np.asarray(np.floor(rng.beta(a, b, (500, 2)) * (LAST + 1)))

    ranks, any_, plain = dmtest.Ranks(LAST), "any-normal", "normal"
    heavy = stats.multivariate_t(df=4, shape=np.eye(6), seed=1).rvs(1000)
    walk = autoregressive(rng, 2000, 3, 0.95)
    low = rng.standard_normal((1000, 4)) @ rng.standard_normal((4, 32))
    off = rng.standard_normal((300, 3))
    return {
        "dead": Case(dead, plain, "constant-columns", ("dead unit", "np.ptp")),
        "dead, any": Case(dead + stats.expon.rvs(size=(300, 5), random_state=1) * (dead != 0.0),
                          any_, "constant-columns", ("dead unit",)),
        "copied": Case(copied, plain, "duplicate-columns", ("joined twice",)),
        "digits": Case(digits(), plain, "constant-columns", ("dead unit", "np.ptp")),
        "ReLU": Case(np.maximum(rng.standard_normal((1000, 16)), 0.0), plain, "zeros", ("ReLU",)),
        "rank 4": Case(low, plain, "collapse", ("narrow layer", "[:4]")),
        "nearly rank 4": Case(
            low / 2.0 + 1e-2 * rng.standard_normal(low.shape), plain, "collapse", ("[:4]",)
        ),
        "groups": Case(groups, plain, "clusters", ("classes", "any-normal")),
        "groups, any": Case(groups, any_, "clusters", ("classes",)),
        "outliers": Case(outliers, plain, "outliers", ("[17, 80, 133]",)),
        "outliers, any": Case(outliers, any_, "outliers", ("[17, 80, 133]",)),
        "views": Case(1.1 * views, plain, "grouped-rows", ("groups=", "// 2")),
        "copies": Case(1.15 * near, plain, "near-duplicates", ("groups=",)),
        "chain": Case(walk, plain, "serial-correlation", ("chain", "groups=")),
        "heavy": Case(heavy, any_, "coordinates", ("heavy tails",)),
        "unit interval": Case(rng.random((500, 3)), plain, "unit-interval", ("target uniform",)),
        "shifted": Case(off + np.array([0.0, 0.8, 0.0]), plain, "mean", ("--target any-normal",)),
        "mtcars": Case(classical()["mtcars"], plain, "units", ("--target any-normal",)),
        "sentences": Case(sentences(500), plain, "constant-norm", ("--target sphere",)),
        "on the sphere": Case(
            sentences(400)[:, 3:40] / np.linalg.norm(sentences(400)[:, 3:40], axis=1)[:, None],
            "sphere", "concentration", ("Subtract the mean",),
        ),
        "zero row": Case(zero, dmtest.Sphere(normalise=True), "zero-rows", ("Leave them out",)),
        "overconfident": Case(ranked(0.6, 0.6), ranks, "overconfident", ("Thin the draws",)),
        "underconfident": Case(ranked(2.0, 2.0), ranks, "underconfident", ("tolerance",)),
        "biased": Case(ranked(1.5, 1.0), ranks, "biased", ("prior",)),
        "too narrow": Case(rng.beta(0.6, 0.6, (500, 2)), "uniform", "too-narrow", ("Widen",)),
        "too wide": Case(rng.beta(2.0, 2.0, (500, 2)), "uniform", "too-wide", ("Narrow",)),
        "to one side": Case(rng.beta(1.5, 1.0, (500, 2)), "uniform", "position", ("biased",)),
        "at the end": Case(ends, "uniform", "saturated", ("sigmoid",)),
        "outside": Case(rng.standard_normal((500, 2)), "uniform", "outside-support", ("Uniform(",)),
    }  # fmt: skip


CASES = cases()


@pytest.mark.parametrize("name", CASES)
def test_the_first_advice_is_the_right_one_and_its_code_runs(name: str, tmp_path: Path) -> None:
    case = CASES[name]
    report = dmtest.report(case.x, case.target, rng=0)
    assert report.verdict == "mismatch"
    first = report.diagnosis[0]
    assert first.code == case.code, [one.message for one in report.diagnosis]
    for word in case.words:
        assert word in first.advice
    follow(first.advice, np.asarray(case.x, dtype=np.float64)[:200], case.target, tmp_path)


def test_right_ranks_have_no_cause() -> None:
    ranks = np.random.default_rng(1).integers(0, LAST + 1, (500, 2))
    report = dmtest.report(ranks, dmtest.Ranks(LAST), rng=0)
    assert (report.verdict, report.diagnosis) == ("compatible", ())


def test_following_the_first_advice_removes_the_cause(tmp_path: Path) -> None:
    for name in ("dead", "copied", "outliers"):
        case = CASES[name]
        advice = dmtest.report(case.x, case.target, rng=0).diagnosis[0].advice
        after = dmtest.report(follow(advice, case.x, case.target, tmp_path)[0], case.target, rng=0)
        assert case.code not in {one.code for one in after.diagnosis}
        assert after.verdict == "compatible"


def said(report: Report) -> str:
    """Return the diagnosis as one text."""
    return " ".join(one.message for one in report.diagnosis)


@pytest.mark.parametrize("name", sorted(classical()))
def test_every_mismatch_of_a_classical_table_names_a_column_row_or_cause(name: str) -> None:
    table = classical()[name]
    report = dmtest.report(table, "any-normal", rng=0, replicates=199)
    if report.verdict != "mismatch":
        assert report.diagnosis == ()
        return
    assert all(one.advice for one in report.diagnosis)
    named = any(repr(column) in said(report) for column in table.columns)
    caused = {one.code for one in report.diagnosis} & {
        "collapse", "clusters", "outliers", "serial-correlation", "lattice", "few-values",
        "integer-data", "grouped-rows",
    }  # fmt: skip
    assert named or caused


def test_swiss_names_its_two_columns() -> None:
    text = said(dmtest.report(classical()["swiss"], "any-normal", rng=0))
    assert "'Catholic'" in text
    assert "'Education'" in text
    assert "'Fertility'" not in text


def test_the_first_picture_is_of_the_column_that_is_named_first() -> None:
    from dmtest.render.page import page_figures

    first = page_figures.first(dmtest.report(classical()["swiss"], "any-normal", rng=0))
    assert first is not None
    assert first.title == "Column Catholic"
    rng = np.random.default_rng(0)
    turned = dmtest.report(rng.standard_normal((400, 4)) @ (np.eye(4) + 0.6), rng=0)
    first = page_figures.first(turned)  # nothing but covariances departs
    assert first is not None
    assert first.title == "The slice that departs most"


def test_mtcars_names_the_column_that_is_farthest_off() -> None:
    """All columns lie beyond the grid of the smoothed divergence; 'disp' is the farthest."""
    report = dmtest.report(classical()["mtcars"], rng=0)
    effect = report.effects["kl-worst-margin"]
    assert "column disp" in effect.label
    assert effect.low is not None
    assert effect.low > 50.0


def test_setosa_names_petal_width() -> None:
    report = dmtest.report(classical()["setosa"], "any-normal", alpha=0.2, rng=0)
    assert report.verdict == "mismatch"
    (columns,) = (one for one in report.diagnosis if one.code == "coordinates")
    assert "'Petal.Width'" in columns.message
    assert columns.count == 1


def test_where_nothing_else_speaks_the_tests_do() -> None:
    rng = np.random.default_rng(3)
    sign = np.sign(rng.standard_normal((400, 2)))
    half = np.abs(rng.standard_normal((400, 3)))
    # Signs whose product is 1: normal columns, uncorrelated, and never in half of the octants.
    x = half * np.column_stack([sign, sign.prod(axis=1)])
    report = dmtest.report(x, "any-normal", rng=0)
    assert report.verdict == "mismatch"
    assert report.diagnosis
    assert {"coordinates", "outliers", "clusters", "collapse"} & {
        one.code for one in report.diagnosis
    } == set()
    if report.diagnosis[0].code == "shape":
        assert "adjusted p" in report.diagnosis[0].message


# The parts


def test_column_tests_are_those_of_scipy() -> None:
    x = np.random.default_rng(2).gamma(3.0, size=(300, 4)) * [1.0, -1.0, 2.0, 1.0]
    x[:, 3] = np.random.default_rng(3).standard_normal(300)
    tests = column_tests(x, fitted=True)
    np.testing.assert_allclose(tests.skewness, stats.skew(x), rtol=1e-10)
    np.testing.assert_allclose(tests.kurtosis, stats.kurtosis(x), rtol=1e-10)
    np.testing.assert_allclose(tests.scores[2], stats.skewtest(x).statistic, rtol=1e-6)
    np.testing.assert_allclose(tests.scores[3], stats.kurtosistest(x).statistic, rtol=1e-6)
    assert (tests.adjusted < 1e-6).tolist() == [True, True, True, False]
    moved = np.random.default_rng(4).standard_normal((300, 4)) + 0.5 * np.eye(4)[1]
    known = column_tests(moved, fitted=False)
    assert (known.adjusted < 1e-6).tolist() == [False, True, False, False]


def test_column_tests_hold_their_level() -> None:
    for fitted in (True, False):
        low = [
            column_tests(np.random.default_rng([5, i]).standard_normal((60, 5)), fitted)
            .adjusted.min() <= 0.05
            for i in range(400)
        ]  # fmt: skip
        # 20 expected at most; 4.4 is the standard deviation.
        assert sum(low) <= 36


def test_robust_distances_do_not_see_the_outliers_they_measure() -> None:
    rng = np.random.default_rng(6)
    mixing = rng.standard_normal((5, 5))
    x = rng.standard_normal((200, 5)) @ mixing
    x[:20] += 40.0
    distances = robust_distances(x)
    assert distances[:20].min() > 5.0 * distances[20:].max()
    found = outliers_of(x[15:])
    assert found is not None
    assert sorted(found.rows) == [0, 1, 2, 3, 4]
    assert found.alone
    assert outliers_of(rng.standard_normal((200, 5))) is None


@pytest.mark.parametrize("n", [100, 1000, 5000])
def test_two_groups_are_found_where_there_are_two_humps(n: int) -> None:
    rng = np.random.default_rng(n)
    one = rng.standard_normal(n)
    two = one + 6.0 * (rng.random(n) < 0.3)
    found = two_groups(two)
    assert found is not None
    assert found.pvalue < 1e-3
    assert found.gap == pytest.approx(6.0, rel=0.1)
    for flat in (one, rng.random(n), rng.exponential(size=n), rng.integers(0, 5, n) * 1.0):
        single = two_groups(flat)
        assert single is None or single.pvalue > 1e-3


def test_directions_leave_out_columns_that_do_not_vary_in_both_halves() -> None:
    x = np.random.default_rng(8).standard_normal((400, 4))
    x[:, 0], x[:, 1] = 0.0, 0.0
    x[3, 1] = 5.0
    for target in ("normal", "any-normal"):
        canonical = as_target(target).canonical(_sample(x))
        for one in directions_of(canonical, 3, 99, 0):
            assert np.isfinite(one.pvalue)
    assert live_columns(x).tolist() == [1, 2, 3]


def _sample(x: np.ndarray) -> Any:
    from dmtest.data.sample import as_sample

    return as_sample(x)


# Degenerate samples: every public function, every target


def degenerate() -> dict[str, np.ndarray]:
    """Make samples that are degenerate in one way each."""
    rng = np.random.default_rng(9)
    x = rng.standard_normal((120, 4))
    zero = np.zeros_like(x)
    constant, copied, combined, sparse = (x.copy() for _ in range(4))
    constant[:, 2] = 3.7
    copied[:, 3] = copied[:, 1]
    combined[:, 3] = 2.0 * combined[:, 1] - combined[:, 0]
    sparse[1:, 3] = 0.0
    return {
        "constant": constant,
        "copied": copied,
        "combined": combined,
        "sparse": sparse,
        "ReLU": np.maximum(x, 0.0),
        "signs": np.sign(x),
        "one alive": x * [1.0, 0.0, 0.0, 0.0],
        "equal rows": zero + x[0],
        "zeros": zero,
        "one column": zero[:, :1],
        "eight rows": constant[:8],
    }


@pytest.mark.parametrize("name", degenerate())
@pytest.mark.parametrize(
    "target", ["normal", "any-normal", "uniform", "sphere", "given", "product", "reference"]
)
@pytest.mark.filterwarnings("ignore::dmtest.DataWarning")
def test_degenerate_samples_have_a_report(name: str, target: str) -> None:
    x = degenerate()[name]
    n, d = x.shape
    law: Any = {
        "sphere": dmtest.Sphere(normalise=True),
        "given": dmtest.Normal(np.zeros(d), np.eye(d) + 0.1),
        "product": dmtest.Product(stats.norm()),
        "reference": dmtest.Reference(np.random.default_rng(1).standard_normal((120, d))),
    }.get(target, target)
    if target == "sphere" and d == 1:
        return  # there is no sphere in one dimension
    if target == "any-normal" and n <= d:
        return
    report = dmtest.report(x, law, rng=0, replicates=99)
    assert report.outcomes
    dead = name in ("constant", "sparse", "one alive", "equal rows", "zeros", "one column")
    if dead and target != "any-normal" and name != "sparse":
        assert report.verdict == "mismatch"
    if name in ("equal rows", "zeros", "one column"):
        assert report.verdict == "mismatch"
        assert report.diagnosis[0].code in ("constant-columns", "zero-rows", "outside-support")
    if name == "constant" and target != "uniform":
        codes = [one.code for one in (*report.diagnosis, *report.warnings)]
        assert "constant-columns" in codes
    assert Report.from_json(report.to_json()) == report
    assert str(report)
    assert "</html>" in report.to_html()


@pytest.mark.parametrize("name", degenerate())
@pytest.mark.parametrize("target", ["normal", "any-normal", "uniform"])
@pytest.mark.filterwarnings("ignore::dmtest.DataWarning")
def test_other_functions_measure_what_is_left_or_say_why_not(name: str, target: str) -> None:
    x = degenerate()[name]
    collapsed = name in ("equal rows", "zeros", "one column")
    for outcome in dmtest.run_tests(
        x, ["anderson-darling", "energy"], target, rng=0, replicates=39
    ):
        assert collapsed <= (outcome.pvalue == 0.0)
    calls = {
        "worst": lambda: dmtest.worst_directions(x, target, rng=0, replicates=99),
        "decomposition": lambda: dmtest.kl_decomposition(x, target, rng=0),
        "mean": lambda: dmtest.mean_pvalue(x, target=target, subsample=50, draws=20, rng=0),
        "detectability": lambda: dmtest.detectability(
            x, target=target, rng=0, sizes=(20,), draws=10, replicates=99
        ),
    }
    refused = {}
    for what, call in calls.items():
        try:
            call()
        except dmtest.InputError as refusal:
            refused[what] = str(refusal)
    assert not refused or collapsed or len(x) < 20 or name == "signs", refused


def test_tests_of_what_is_left_are_those_of_the_other_columns() -> None:
    x = np.random.default_rng(10).standard_normal((300, 5))
    x[:, 2] = 0.25
    whole = dmtest.report(x, rng=0)
    left = dmtest.report(np.delete(x, 2, axis=1), rng=0)
    ours = {one.test: one.pvalue for one in whole.outcomes}
    for one in left.outcomes:
        assert ours[one.test] == one.pvalue
    assert ours["degenerate-columns"] == 0.0
    assert "Tests are of the 4 other columns." in whole.diagnosis[0].message
    frame = pd.DataFrame(x, columns=list("abcde"))
    assert "'c' = 0.25" in dmtest.report(frame, rng=0).diagnosis[0].message
