"""The shipped nulls: complete, of the right level on and between grid points, without seams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr, ndtri

import dmtest
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.calibration import shipped
from dmtest.calibration.nulls import REVISION, RowNull, SliceNull, replicates_of
from dmtest.catalogue.registry import default_battery, find
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.data.sample import as_sample
from dmtest.engines.slices import Parameters
from dmtest.targets.targets import as_target

pytestmark = pytest.mark.usefixtures("no_cache")
TARGETS: dict[Parameters, tuple[str, ...]] = {
    "fitted": ("any-normal",),
    "known": ("normal", "uniform"),
}


def specs_of(target: str) -> list[SliceTest | RowTest]:
    found = [find(name, target) for name in default_battery(target)]
    return [spec for spec in found if isinstance(spec, SliceTest | RowTest)]


def test_the_table_is_of_this_revision() -> None:
    """Otherwise: python -m benchmarks.nulls.simulate FOLDER, then .build FOLDER."""
    assert int(shipped._load()["revision"]) == REVISION


def scores(parameters: Parameters, n: int, d: int, count: int) -> dict[str, Any]:
    """Scores of fresh samples by the shipped laws: for every statistic, (count,)."""
    out = {}
    target = TARGETS[parameters][0]
    for spec in specs_of(target):
        if not shipped.holds(spec, parameters, n, d):
            continue
        if isinstance(spec, SliceTest):
            null = SliceNull.of(parameters, n, d, 1 if d == 1 else shipped.SLICES, None)
            values = replicates_of(null, [spec], {}, count, 99)[:, 0]
            values = spec.at_rows(values, n, shipped.SETTLED_ROWS, parameters == "known")
        else:
            values = replicates_of(RowNull(spec.space, n, d), [spec], {}, count, 99)[:, 0]
        names = shipped.columns_of(spec, parameters)
        laws = shipped.laws_of(spec, parameters, n, d)
        for name, law, column in zip(names, laws, values.T, strict=True):
            out[name] = np.array([max(law.score(v, s) for s in spec.signs) for v in column])
            if len(spec.signs) > 1:
                out[name] = -ndtri(2.0 * ndtr(-out[name]))
    return out


@pytest.mark.parametrize("parameters", TARGETS)
@pytest.mark.parametrize(("n", "d"), [(27, 2), (60, 5), (150, 12), (400, 1), (150, 70)])
def test_levels_on_and_between_grid_points(parameters: Parameters, n: int, d: int) -> None:
    """The error of the laws is not counted as noise."""
    count = 2000
    found = scores(parameters, n, d, count)
    joint = np.max(list(found.values()), axis=0)
    found["global"] = np.array(
        [-ndtri(shipped.smallest_of(set(found), s, 0.0, n, d).pvalue) for s in joint]
    )
    for name, score in found.items():
        for level in (0.01, 0.05, 0.2, 0.5):
            error = np.sqrt(level * (1.0 - level) / count)
            assert abs((ndtr(-score) <= level).mean() - level) < 4.5 * error, (name, level)


@pytest.mark.parametrize("target", ["normal", "any-normal", "uniform"])
@pytest.mark.parametrize(("n", "d"), [(20, 1), (500, 64), (2048, 1024), (10**6, 7)])
def test_every_default_test_ships(target: str, n: int, d: int) -> None:
    """Also the law of the smallest p-value of every battery."""
    parameters: Parameters = "fitted" if target == "any-normal" else "known"
    # Otherwise: python -m benchmarks.nulls.build
    specs = [spec for spec in specs_of(target) if isinstance(spec, SliceTest) or spec.suits(d)]
    assert all(shipped.holds(spec, parameters, n, d) for spec in specs)
    names = frozenset(name for spec in specs for name in shipped.columns_of(spec, parameters))
    assert names in shipped._load()["sets"]


def test_what_does_not_ship_is_simulated() -> None:
    henze_zirkler, kuiper = find("henze-zirkler", "any-normal"), find("kuiper", "any-normal")
    cube = find("energy", "uniform")
    assert isinstance(henze_zirkler, RowTest)
    assert isinstance(kuiper, SliceTest)
    assert isinstance(cube, RowTest)
    for n, d in ((19, 2), (1000, 65), (90, 50)):
        assert not shipped.holds(henze_zirkler, "fitted", n, d)
    assert not shipped.holds(kuiper, "fitted", 100, 2)
    # The cube's energy is another test by the name of the normal's.
    assert not shipped.holds(cube, "known", 100, 2)


@pytest.mark.parametrize("target", ["normal", "any-normal"])
def test_laws_have_no_seams(target: str) -> None:
    """Neighbouring shapes have neighbouring p-values, at grid points and at limits of n."""
    parameters: Parameters = "fitted" if target == "any-normal" else "known"
    for spec in specs_of(target):
        for d in (2, 20, 63):
            for n in (200, 2000, 9999, 10_000, 99_999, 10**6):
                beyond = isinstance(spec, RowTest) and not spec.settles and n >= shipped.MOST_ROWS
                if beyond or not shipped.holds(spec, parameters, n, d):
                    continue
                laws = [shipped.laws_of(spec, parameters, m, d)[0] for m in (n, n + 1)]
                # A mean that is known moves with n, and so does 1 - W.
                mean = getattr(spec, "null_mean", None)
                moved = 0.0 if mean is None else mean(n + 1, d) - mean(n, d)
                bad = [28, 44] if spec.tail == "upper" else [12, 28]
                scores = [laws[1].score(q + moved) for q in laws[0].quantiles[bad]]
                assert_allclose(scores, shipped.SCORES[bad], atol=0.08 if n == 200 else 0.03)
                # The tail that the test rejects in has no steps.
                tail = laws[0].quantiles[28:] if spec.tail == "upper" else laws[0].quantiles[:29]
                assert (np.diff(tail) > 0.0).all()


def test_joint_laws_agree_with_common_replicates() -> None:
    """Two ways to the p-value of the smallest p-value of a set."""
    specs = specs_of("normal")
    names = frozenset(name for spec in specs for name in shipped.columns_of(spec, "known"))
    fewer = names - {"known/epps-pulley/worst"}
    for score in (1.0, 2.0, 2.6):
        exact = shipped.smallest_of(names, score, 0.0, 200, 8)
        other = shipped.smallest_of(fewer, score, 0.0, 200, 8)
        assert other.pvalue <= exact.pvalue + 4.0 * other.error
        assert other.pvalue >= 0.8 * exact.pvalue - 4.0 * other.error


def test_sets_without_a_law_of_their_own_count_common_replicates() -> None:
    """With few replicates as bad, and where a test has none, by Bonferroni's inequality."""
    table = shipped._load()
    pair = {"fitted/epps-pulley/slices", "residuals/mardia-skewness"}
    both = table["common/scores"][3][:, [table["columns"].index(name) for name in sorted(pair)]]
    for score in (0.5, 1.5, 2.2):
        found = shipped.smallest_of(pair, score, 0.0, 200, 8)
        as_bad = int((both.max(axis=1) * shipped.SCORE_UNIT >= score).sum())
        assert as_bad >= 10
        assert found.pvalue == (1 + as_bad) / (len(both) + 1)
        assert found.error == pytest.approx(np.sqrt(found.pvalue * (1 - found.pvalue) / len(both)))
        assert found.floor == 2.0 * ndtr(-shipped.SCORES[-1])
    far = shipped.smallest_of(pair, 5.0, 1e-8, 200, 8)
    assert (far.pvalue, far.error) == (2.0 * ndtr(-5.0), pytest.approx(2e-8))
    # Henze and Zirkler's test has no replicates in 100 columns.
    none = shipped.smallest_of({*pair, "residuals/henze-zirkler"}, 1.5, 0.0, 400, 100)
    assert none.pvalue == 3.0 * ndtr(-1.5)
    (single,) = (shipped.smallest_of({name}, 1.5, 0.01, 200, 8) for name in list(pair)[:1])
    assert (single.pvalue, single.error) == (ndtr(-1.5), pytest.approx(0.01))


def test_interpolation_is_exact_for_cubics_in_the_logarithm() -> None:
    grid = np.array([20, 35, 60, 100, 200, 500])

    def cubic(x: Any) -> Any:
        return 1.0 + np.log(x) - 0.3 * np.log(x) ** 2 + 0.02 * np.log(x) ** 3

    for value in (21, 80, 450):
        points, weights = shipped._stencil(grid, value)
        assert grid[points[0]] <= value <= grid[points[-1]]
        assert_allclose(weights @ cubic(grid[points]), cubic(value), rtol=1e-10)
    assert [list(part) for part in shipped._stencil(grid, 60)] == [[2], [1.0]]


def test_shipped_nulls_need_no_seed_and_no_simulation() -> None:
    x = np.random.default_rng(0).standard_normal((300, 4))
    first, second = (dmtest.run_test(x, "henze-zirkler", rng=seed) for seed in (0, 1))
    assert first.pvalue == second.pvalue
    assert first.method.endswith("smoothed (shipped)")
    assert first.replicates is not None
    assert first.replicates > 5000
    assert first.pvalue_error is not None
    assert first.pvalue_error < 0.01
    simulated = dmtest.run_test(x, "henze-zirkler", calibration="monte-carlo", rng=0)
    assert "shipped" not in simulated.method
    assert abs(simulated.pvalue - first.pvalue) < 0.08
    finer = dmtest.run_test(x, "henze-zirkler", replicates=10_999, rng=0)
    assert finer.replicates == 10_999
    assert "shipped" not in dmtest.run_test(x, "henze-zirkler", params={"beta": 1.0}).method


def test_many_rows_are_tested_on_a_subsample_that_is_said() -> None:
    x = np.random.default_rng(0).standard_normal((12_000, 2))
    made = dmtest.run_test(x, "mardia-skewness", rng=0)
    assert made.method.endswith("of 10000 of 12000 rows drawn at random (budget=)")
    assert "at random" not in dmtest.run_test(x, "radius", rng=0).method


@pytest.mark.parametrize("target", ["normal", "any-normal", "uniform"])
@pytest.mark.parametrize("d", [8, 64, 90])
def test_a_default_battery_of_one_sample_is_joined_by_one_law(target: str, d: int) -> None:
    """Above 64 columns, too, where the nulls of slices have fewer columns than those of rows."""
    rng = np.random.default_rng(d)
    x = rng.random((300, d)) if target == "uniform" else rng.standard_normal((300, d))
    parameters: Parameters = "fitted" if target == "any-normal" else "known"
    canonical = as_target(target).canonical(as_sample(x))
    plan = Plan(target=target, seed=0)
    battery = run_battery(canonical, chosen_tests(None, target, canonical, plan), plan)
    assert "Bonferroni" not in battery.method
    tests = [find(outcome.test, target) for outcome in battery.outcomes]
    names = [
        name
        for spec in tests
        if isinstance(spec, SliceTest | RowTest)
        for name in shipped.columns_of(spec, parameters)
    ]
    assert frozenset(names) in shipped._load()["sets"]
