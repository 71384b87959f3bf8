"""From statistics to p-values: against direct recomputation, scipy and the level they promise."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.battery.one_sample import Battery, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration import budget
from dmtest.calibration.nulls import RowNull, SliceNull
from dmtest.catalogue.registry import TESTS, as_tests, list_tests
from dmtest.catalogue.slices import ROWS as SLICED
from dmtest.data.sample import as_sample
from dmtest.engines.directions import random_directions
from dmtest.errors import InputError
from dmtest.runtime.streams import stream
from dmtest.statistics.laws.joint_laws import lognormal
from dmtest.targets.targets import as_target
from tests.support import twins
from tests.support.samples import whitened

pytestmark = pytest.mark.usefixtures("folder")
X = np.random.default_rng(8).standard_normal((40, 3))


TWINS = [
    *((test, "any-normal") for test in ("dagostino-pearson", "jarque-bera", "shapiro-wilk")),
    *((t, "any-normal") for t in ("anderson-darling", "kolmogorov-smirnov", "kuiper")),
    *((t, "normal") for t in ("anderson-darling", "kolmogorov-smirnov", "kuiper")),
    ("cramer-von-mises", "normal"),
]


def recorded(monkeypatch: pytest.MonkeyPatch, kind: type) -> list[np.ndarray]:
    """Keep every null sample that is drawn, in order."""
    monkeypatch.setenv("DMTEST_THREADS", "1")
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")
    kept: list[np.ndarray] = []
    draw = kind.draw  # type: ignore[attr-defined]

    def record(null: Any, rng: np.random.Generator) -> np.ndarray:
        kept.append(draw(null, rng))
        return kept[-1]

    monkeypatch.setattr(kind, "draw", record)
    return kept


# Monte Carlo


@pytest.mark.parametrize(("test", "target"), TWINS)
@pytest.mark.parametrize(("d", "slices"), [(1, None), (3, 2), (3, 3), (3, 7)])
def test_monte_carlo_is_the_count_of_replicates_as_bad(
    monkeypatch: pytest.MonkeyPatch, test: str, target: str, d: int, slices: int | None
) -> None:
    lines = recorded(monkeypatch, SliceNull)
    outcome = dmtest.run_test(
        X[:, :d], test, target, slices=slices, calibration="monte-carlo", replicates=59, rng=4
    )
    k = slices or 1
    rows = whitened(X[:, :d]) if target == "any-normal" else X[:, :d]
    directions = random_directions(k, d, stream(4, "directions"))
    sign = TESTS[test].sign
    parameters = "fitted" if target == "any-normal" else "known"

    def twin(line: np.ndarray) -> float:
        return sign * twins.STATISTICS[test, parameters](line)

    observed = np.array([twin(line) for line in directions @ rows.T])
    assert len(lines) == 59
    assert all(sample.shape == (k, len(X)) for sample in lines)
    null = np.array([[twin(line.astype(np.float64)) for line in sample] for sample in lines])
    assert outcome.statistic == pytest.approx(sign * observed.mean(), rel=1e-6)
    assert outcome.worst_slice == observed.argmax()
    assert outcome.worst_statistic == pytest.approx(sign * observed.max(), rel=1e-6)
    as_bad = np.count_nonzero(null.mean(axis=1) >= observed.mean())
    assert outcome.pvalue == pytest.approx((1 + as_bad) / 60, rel=1e-12)
    as_bad = np.count_nonzero(null.max(axis=1) >= observed.max())
    assert outcome.worst_pvalue == pytest.approx((1 + as_bad) / 60, rel=1e-12)
    assert (outcome.method, outcome.replicates) == ("monte carlo, 59 replicates", 59)


@pytest.mark.parametrize("target", ["normal", "any-normal"])
@pytest.mark.parametrize("d", [1, 3])
def test_monte_carlo_of_pairs(monkeypatch: pytest.MonkeyPatch, target: str, d: int) -> None:
    drawn = recorded(monkeypatch, RowNull)
    x = X[:, :d] ** 3 + 5.0
    options: dict[str, Any] = {"calibration": "monte-carlo", "replicates": 59, "rng": 4}
    outcome = dmtest.run_test(x, "henze-zirkler", target, **options)
    observed = twins.henze_zirkler(x)
    null = np.array([twins.henze_zirkler(columns.T.astype(np.float64)) for columns in drawn])
    assert outcome.statistic == pytest.approx(observed, rel=1e-8)
    assert len(null) == 59
    assert outcome.pvalue == pytest.approx((1 + np.count_nonzero(null >= observed)) / 60)
    assert outcome.pvalue_error == pytest.approx(
        np.sqrt(outcome.pvalue * (1 - outcome.pvalue) / 59)
    )


def test_samples_of_the_null_are_whitened(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = recorded(monkeypatch, SliceNull)
    dmtest.run_test(X, "watson", "any-normal", slices=3, replicates=19, rng=4)
    for lines in drawn:
        assert_allclose(lines.mean(axis=1), 0.0, atol=1e-6)
        assert_allclose(lines @ lines.T / len(X), np.eye(3), atol=1e-5)


@pytest.mark.parametrize("target", ["normal", "any-normal"])
def test_one_replicate_among_others_gets_a_uniform_pvalue(
    monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setenv("DMTEST_CACHE_DIR", "off")
    monkeypatch.setenv("DMTEST_THREADS", "1")
    names = [name for name, spec in TESTS.items() if spec.space == "lines"]
    null = SliceNull("known" if target == "normal" else "fitted", 25, 2, 2)
    runs, cells = 300, 20
    ranks = np.empty((runs, len(names), 2), int)
    for run in range(runs):
        data = null.draw(np.random.default_rng(run)).T.astype(np.float64)
        outcomes = dmtest.run_tests(
            data, names, target, directions=np.eye(2), replicates=cells - 1, rng=10_000 + run
        )
        ranks[run] = [
            [round(o.pvalue * cells), round((o.worst_pvalue or 0) * cells)] for o in outcomes
        ]
    assert (ranks.min(), ranks.max()) == (1, cells)
    for j, name in enumerate(names):
        for kind in range(2):
            counts = np.bincount(ranks[:, j, kind] - 1, minlength=cells)
            assert stats.chisquare(counts).pvalue > 1e-4, (name, kind)


@pytest.mark.parametrize("replicates", [99, 999])
def test_pvalues_come_with_their_error(replicates: int) -> None:
    outcome = dmtest.run_test(X, "watson", replicates=replicates, rng=0, slices=4)
    p = outcome.pvalue
    assert 0.0 < p < 1.0
    assert outcome.pvalue_error == pytest.approx(np.sqrt(p * (1 - p) / replicates), rel=1e-9)
    assert outcome.replicates == replicates


def test_the_error_is_the_spread_over_seeds() -> None:
    made = [
        dmtest.run_test(X[:, 0], "watson", "normal", replicates=99, rng=seed) for seed in range(60)
    ]
    errors = [outcome.pvalue_error or 0.0 for outcome in made]
    spread = np.std([outcome.pvalue for outcome in made], ddof=1)
    # A standard deviation of 60 has a standard error of 9%.
    assert spread == pytest.approx(np.sqrt(np.mean(np.square(errors))), rel=0.3)


# Published formulas


PUBLISHED: dict[tuple[str, str], Callable[[np.ndarray], Any]] = {
    ("dagostino-pearson", "any-normal"): stats.normaltest,
    ("jarque-bera", "any-normal"): stats.jarque_bera,
    ("shapiro-wilk", "any-normal"): stats.shapiro,
    ("kolmogorov-smirnov", "normal"): lambda y: stats.kstest(y, "norm", method="exact"),
    ("cramer-von-mises", "normal"): lambda y: stats.cramervonmises(y, "norm"),
}


@pytest.mark.parametrize(("test", "target"), PUBLISHED)
@pytest.mark.parametrize("shape", ["normal", "skewed"])
def test_asymptotic_in_one_dimension_is_scipy(test: str, target: str, shape: str) -> None:
    y = X[:, 0] if shape == "normal" else np.exp(0.7 * X[:, 0])
    outcome = dmtest.run_test(y, test, target, calibration="asymptotic")
    expected = PUBLISHED[test, target](y)
    assert outcome.statistic == pytest.approx(expected.statistic, rel=1e-9)
    # scipy's 1 - cdf of W^2 has lost all digits below 1e-11
    assert outcome.pvalue == pytest.approx(expected.pvalue, rel=1e-8, abs=1e-11)
    assert outcome.method == "asymptotic (published formula)"
    assert outcome.replicates is None
    assert outcome.pvalue_error is None


@pytest.mark.parametrize(("test", "target"), PUBLISHED)
def test_asymptotic_over_slices_is_bonferroni(test: str, target: str) -> None:
    x = 0.2 + 1.2 * X
    lines = whitened(x).T if target == "any-normal" else x.T
    outcome = dmtest.run_test(x, test, target, directions=np.eye(3), calibration="asymptotic")
    pvalues = [PUBLISHED[test, target](line).pvalue for line in lines]
    assert outcome.pvalue == pytest.approx(min(1.0, 3 * min(pvalues)), rel=1e-6, abs=1e-9)
    assert (outcome.worst_pvalue, outcome.worst_slice) == (outcome.pvalue, int(np.argmin(pvalues)))
    assert outcome.method.endswith("Bonferroni over 3 slices")


@pytest.mark.parametrize(
    ("test", "parameters"), [(row.name, one) for row in SLICED for one in row.published]
)
def test_every_published_formula_is_used_with_its_own_parameters(
    test: str, parameters: str
) -> None:
    target = "any-normal" if parameters == "fitted" else "normal"
    y = X[:, 0] * 1.2
    outcome = dmtest.run_test(y, test, target, calibration="asymptotic")
    formula = TESTS[test].published[parameters]
    assert outcome.pvalue == pytest.approx(float(formula(outcome.statistic, 40)), rel=1e-9)
    close = dmtest.run_test(y, test, target, calibration="monte-carlo", rng=0)
    assert close.statistic == outcome.statistic
    # chi-squared is that far off at n = 40 for Jarque-Bera, and conservative
    assert close.pvalue == pytest.approx(outcome.pvalue, abs=0.2 if test == "jarque-bera" else 0.08)


def test_henze_zirkler_asymptotic_is_the_lognormal_approximation() -> None:
    for d in (1, 3):
        outcome = dmtest.run_test(X[:, :d], "henze-zirkler", calibration="asymptotic")
        expected = float(lognormal(twins.henze_zirkler(X[:, :d]), 40, d))
        assert outcome.pvalue == pytest.approx(expected, rel=1e-6)
        assert outcome.method == "asymptotic (published formula)"


@pytest.mark.parametrize(
    ("test", "target"),
    [
        ("kuiper", "any-normal"),
        ("vasicek", "any-normal"),
        ("vasicek", "normal"),
        ("shapiro-wilk", "normal"),
        ("shapiro-francia", "uniform"),
    ],
)
def test_a_formula_that_is_missing_is_refused_with_the_cure(test: str, target: str) -> None:
    x = stats.norm.cdf(X)
    with pytest.raises(InputError, match=rf"{test}.*calibration='monte-carlo'"):
        dmtest.run_test(x, test, target, calibration="asymptotic")
    assert ("fitted" if target == "any-normal" else "known") not in TESTS[test].published


def test_a_formula_outside_its_range_is_refused_with_the_cure() -> None:
    y = np.random.default_rng(0).standard_normal(5001)
    assert dmtest.run_test(y[:-1], "shapiro-wilk", calibration="asymptotic").pvalue > 0.0
    with pytest.raises(InputError, match=r"n: got 5001 rows.*calibration='monte-carlo'"):
        dmtest.run_test(y, "shapiro-wilk", calibration="asymptotic")


# Large n


@pytest.mark.parametrize("test", [row.name for row in list_tests("any-normal") if row.most is None])
def test_only_auto_is_calibrated_at_a_cap(test: str) -> None:
    row = next((row for row in SLICED if row.name == test), None)
    cap = None if row is None else row.cap
    y = np.random.default_rng(0).standard_normal(1200 if row is None else (cap or 1000) + 1000)
    # With a budget no shipped null is taken.
    auto = dmtest.run_test(y, test, budget=1e15, replicates=19, rng=0)
    full = dmtest.run_test(y, test, calibration="monte-carlo", replicates=19, rng=0)
    assert full.method == "monte carlo, 19 replicates"
    if cap is not None:
        where = f" at n = {cap}, where the null has settled"
        assert auto.method == "monte carlo, 19 replicates" + where
    else:
        assert auto == full
    assert auto.statistic == full.statistic
    below = dmtest.run_test(y[:900], test, budget=1e15, replicates=19, rng=0)
    assert below.method == "monte carlo, 19 replicates"


def test_the_cap_grows_with_the_slices() -> None:
    x = np.random.default_rng(0).standard_normal((5300, 510), dtype=np.float32)
    made = dmtest.run_test(x, "jarque-bera", "normal", slices=510, replicates=19, rng=0)
    assert made.method == "monte carlo, 19 replicates"  # its cap is 20,000
    made = dmtest.run_test(x, "dagostino-pearson", "normal", slices=510, replicates=19, rng=0)
    assert made.method.endswith("at n = 5100, where the null has settled")


def test_auto_draws_what_is_affordable(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"slices": 4, "replicates": 999, "rng": 0}
    monkeypatch.setattr(budget, "SLICE_BUDGET", 40 * 4 * 200)
    assert dmtest.run_test(X, "watson", **options).replicates == 200
    assert dmtest.run_test(X, "henze-zirkler", budget=4.56e6, **options).replicates == 150
    monkeypatch.setattr(budget, "SLICE_BUDGET", 1)
    assert dmtest.run_test(X, "watson", **options).replicates == 99
    assert dmtest.run_test(X, "watson", **(options | {"replicates": 49})).replicates == 49
    full = dmtest.run_test(X, "watson", calibration="monte-carlo", **options)
    assert full.replicates == 999


@pytest.mark.parametrize("target", ["normal", "any-normal"])
def test_the_level_holds_beyond_the_cap(target: str) -> None:
    names = [row.name for row in SLICED if row.cap]
    assert len(names) >= 8
    runs, replicates, n = 300, 999, 20_000
    pvalues = np.empty((runs, len(names), 2))
    for run in range(runs):
        x = np.random.default_rng([run, 77]).standard_normal((n, 2), dtype=np.float32)
        outcomes = dmtest.run_tests(x, names, target, slices=2, replicates=replicates, rng=3)
        pvalues[run] = [[o.pvalue, o.worst_pvalue] for o in outcomes]
    assert sum("at n = " in o.method for o in outcomes) >= 7
    for level in (0.05, 0.1, 0.5):
        # All runs share one set of replicates, whose error adds to theirs.
        error = np.sqrt(level * (1.0 - level) * (1.0 / runs + 1.0 / replicates))
        for name, sizes in zip(names, np.mean(pvalues <= level, axis=0), strict=True):
            assert sizes == pytest.approx(level, abs=3.5 * error), (name, level)


# All tests together


def battery(x: np.ndarray, names: list[str], **options: Any) -> Battery:
    """Run tests against N(0, I), with their global p-value."""
    plan = Plan(**({"target": "normal", "seed": 2, "replicates": 99, "slices": 2} | options))
    return run_battery(as_target("normal").canonical(as_sample(x)), as_tests(names, "normal"), plan)


def test_tests_of_the_same_samples_are_calibrated_jointly() -> None:
    made = battery(X * 1.1, ["watson", "kuiper", "bhep", "vasicek"])
    assert made.method == "min-p over tests and slices, monte carlo"
    alone = [battery(X * 1.1, [name]).pvalue for name in ("watson", "kuiper", "vasicek")]
    assert min(alone) <= made.pvalue < min(1.0, 4 * min(alone))
    assert made.error == pytest.approx(np.sqrt(made.pvalue * (1 - made.pvalue) / 99))


def test_tests_of_other_samples_are_combined_by_bonferroni() -> None:
    x = np.random.default_rng(5).standard_normal((6000, 2)) * 1.01
    early, late = ["watson", "epps-pulley"], ["jarque-bera", "vasicek"]  # at 5,000 and at n
    made = battery(x, early + late)
    parts = [battery(x, names).pvalue for names in (early, late)]
    assert 0.0 < min(parts) < 0.5
    assert made.pvalue == pytest.approx(2.0 * min(parts))
    assert made.method.endswith("Bonferroni over 2 groups")
    spread = np.sqrt(min(parts) * (1.0 - min(parts)) / 99)
    assert made.error == pytest.approx(2.0 * spread)


def test_published_pvalues_are_combined_by_bonferroni() -> None:
    names = ["watson", "kuiper", "epps-pulley"]
    made = battery(X * 1.3, names, calibration="asymptotic")
    smallest = min(outcome.pvalue for outcome in made.outcomes)
    assert 0.0 < smallest < 1 / 3
    assert made.pvalue == pytest.approx(3.0 * smallest)
    assert made.error is None
    assert "published p-values" in made.method


def test_unknown_calibrations_are_refused() -> None:
    with pytest.raises(InputError, match=re.escape("choose 'auto', 'monte-carlo' or 'asymptotic'")):
        dmtest.run_test(X, "watson", calibration="exact")  # type: ignore[arg-type]
