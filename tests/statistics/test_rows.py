"""Statistics of whole rows: definitions, published p-values and critical values."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import betainc

import dmtest
from dmtest.calibration.nulls import RowNull, replicates_of
from dmtest.catalogue.registry import ROWS, TESTS
from dmtest.catalogue.spec import RowTest
from dmtest.engines.rows import RowView, evaluate
from dmtest.statistics.rows import cube, directions, marginal, sphere
from tests.support.calls import refused
from tests.support.references import dataset, label, table
from tests.support.samples import unit, view_of

pytestmark = pytest.mark.usefixtures("no_cache")
JOINT = [row for row in ROWS if isinstance(row, RowTest)]


# References


def test_royston_of_iris_with_shapiro_wilk_throughout() -> None:
    """29.080 as in the papers; negating a column or rescaling it changes nothing."""
    x = dataset("iris_setosa")
    value = evaluate(marginal.royston, view_of(x))[0]
    assert value == pytest.approx(29.080, abs=5e-4)
    assert evaluate(marginal.royston, view_of(x * [1, -1, 3, 1]))[0] == pytest.approx(value)


@pytest.mark.parametrize("name", ["iris_setosa", "syn_normal", "trees"])
def test_maxima_reach_the_best_of_many_directions(name: str) -> None:
    view = view_of(dataset(name))
    p = view.rows @ unit(np.random.default_rng(0).standard_normal((20_000, view.d))).T
    assert (
        evaluate(directions.malkovich_afifi_skewness, view)[0] >= ((p**3).mean(axis=0) ** 2).max()
    )
    assert evaluate(directions.malkovich_afifi_kurtosis, view)[0] >= (p**4).mean(axis=0).max()


@pytest.mark.parametrize("function", [directions.malkovich_afifi_kurtosis, directions.cox_small])
def test_maxima_beat_random_directions_in_high_dimension(function: Any) -> None:
    view = view_of(np.random.default_rng(3).standard_t(5, (300, 20)))
    value = evaluate(function, view)[0]
    for seed in range(3):
        u = unit(np.random.default_rng(seed).standard_normal((5000, 20)))
        p = view.rows @ u.T
        third, fourth = (p**3).mean(axis=0), (p**4).mean(axis=0)
        a = (p * p).T @ view.rows / view.n
        best = fourth.max()
        if function is directions.cox_small:
            best = ((np.square(a).sum(axis=1) - third**2) / (fourth - 1.0 - third**2)).max()
        assert value >= best


def test_few_rows_only_for_quadruples() -> None:
    refused(
        r"at most 200; got n = 201; use henze-jimenez-gamero",
        dmtest.run_test,
        np.random.default_rng(0).standard_normal((201, 2)),
        "henze-jimenez-gamero-meintanis",
    )


# Definitions


def test_mean_distances_in_the_cube() -> None:
    x = np.array([[0.0], [0.3], [0.77], [1.0]])
    assert_allclose(cube.mean_distances(x), (x**2 - x + 0.5)[:, 0], rtol=1e-8)
    known = {1: 1 / 3, 2: 0.5214054331647207, 3: 0.6617071822671763}
    for d, value in known.items():
        assert_allclose(cube._unit_distance(d), value, rtol=1e-8)
    points = np.random.default_rng(0).random((3, 20))
    v = np.random.default_rng(1).random((40_000, 20))
    for point, made in zip(points, cube.mean_distances(points), strict=True):
        lengths = np.linalg.norm(v - point, axis=1)
        assert abs(lengths.mean() - made) < 4.5 * lengths.std() / 200


@pytest.mark.parametrize("d", [2, 3, 8])
@pytest.mark.parametrize("weighted", [False, True])
def test_projected_statistics_are_means_over_directions(d: int, weighted: bool) -> None:
    rng = np.random.default_rng(d)
    x, n = unit(rng.standard_normal((25, d)) + 0.3), 25
    i, values = np.arange(1, n + 1), []
    for u in unit(rng.standard_normal((3000, d))):
        t = np.sort(x @ u)
        tail = 0.5 * betainc((d - 1) / 2, 0.5, 1 - t * t)
        f = np.where(t < 0, tail, 1 - tail)
        square = 1 / (12 * n) + np.square(f - (2 * i - 1) / (2 * n)).sum()
        if weighted:
            square = -n - ((2 * i - 1) / n * (np.log(f) + np.log1p(-f[::-1]))).sum()
        values.append(square)
    made = evaluate(sphere.pad if weighted else sphere.pcvm, RowView(x))[0]
    assert abs(np.mean(values) - made) < 4.5 * np.std(values) / np.sqrt(3000)


def test_sobolev_of_low_degree_is_rayleigh_and_bingham() -> None:
    for d in (2, 3, 7):
        x = unit(np.random.default_rng(d).standard_normal((80, d)) + 0.2)
        view = RowView(x)
        for degree, other in ((1.0, sphere.rayleigh), (2.0, sphere.bingham)):
            made = evaluate(sphere.sobolev, view, degree=degree)[0]
            assert_allclose(made, evaluate(other, view)[0], rtol=1e-9)
        both = evaluate(sphere.sobolev, view, degree=1.0, upto=2.0)[0]
        parts = sum(evaluate(f, view)[0] for f in (sphere.rayleigh, sphere.bingham))
        assert_allclose(both, parts, rtol=1e-9)


# The sphere as a target


def test_the_sphere_wants_rows_of_length_one() -> None:
    x = np.random.default_rng(2).standard_normal((200, 5))
    refused(r"200 of 200 rows are not of length 1.*normalise=True", dmtest.run_test, x, "rayleigh")
    refused("at least two columns", dmtest.run_test, np.ones((20, 1)), "rayleigh")
    with pytest.warns(dmtest.DataWarning, match="200 rows were divided by their lengths"):
        out = dmtest.run_test(x, "rayleigh", dmtest.Sphere(normalise=True), rng=0)
    assert out.pvalue > 0.01
    report = dmtest.report(unit(x), "sphere", rng=0, replicates=99)
    assert report.verdict == "compatible"
    bad = dmtest.report(unit(x + 0.5), "sphere", rng=0, replicates=99)
    assert bad.verdict == "mismatch"


# Levels: p-values of null samples against a pool of their own


@pytest.mark.parametrize("row", [r for r in JOINT if r.published is not None], ids=label)
def test_published_pvalues_are_near_monte_carlo(row: RowTest) -> None:
    """Of middling samples, at n = 100, d = 3: within .25, as limits are reached slowly."""
    x = np.random.default_rng(5).standard_normal((100, 3))
    x = {"cube": stats.norm.cdf, "sphere": unit}.get(row.space, lambda y: y)(x)
    options: dict[str, Any] = {"target": row.targets[0], "rng": 0}
    published = dmtest.run_test(x, row.name, calibration="asymptotic", **options).pvalue
    drawn = dmtest.run_test(x, row.name, calibration="monte-carlo", **options).pvalue
    assert published == pytest.approx(drawn, abs=0.25)


def test_more_columns_than_rows_where_a_test_claims_it() -> None:
    x = np.random.default_rng(0).standard_normal((30, 60))
    names = ["mean", "covariance-ledoit-wolf", "covariance-nagao", "radius", "direction"]
    names += ["mmd", "energy", "stein"]
    for out in dmtest.run_tests(x, names, "normal", replicates=199, rng=0):
        assert out.pvalue > 0.01, out.test
    for out in dmtest.run_tests(1.3 * x + 0.3, names[:3], "normal", replicates=199, rng=0):
        assert out.pvalue < 0.02, out.test
    refused("use covariance-ledoit-wolf", dmtest.run_test, x, "covariance-lrt")


def test_a_parameter_at_its_limit_has_no_random_feature_form() -> None:
    x = np.random.default_rng(0).standard_normal((6000, 4))
    for a, words in ((1.0, "random frequencies"), (0.0, "rows drawn"), (np.inf, "rows drawn")):
        out = dmtest.run_test(
            x, "ebner-henze-strieder", params={"a": a}, budget=1e9, replicates=99, rng=0
        )
        assert words in out.method, a
        assert np.isfinite(out.statistic)
        assert out.pvalue > 0.01


# Critical values


MNT = {
    "BHEP": "bhep",
    "DEHT": "doerr-ebner-henze-t",
    "DEHU": "doerr-ebner-henze-u",
    "HZ": "henze-zirkler",
    "KKurt": "koziol-kurtosis",
    "MKurt": "mardia-kurtosis",
    "MQ1": "manzotti-quiroz-1",
    "MQ2": "manzotti-quiroz-2",
    "MRSSkew": "mori-rohatgi-szekely",
    "MSkew": "mardia-skewness",
    "SR": "energy",
}


@pytest.mark.parametrize("shape", [(20, 2), (50, 3)])
def test_critical_values_equal_mnt_s(shape: tuple[int, int]) -> None:
    """The rate at which 4,000 null samples exceed mnt's critical values, within 4 errors."""
    n, d = shape
    rows = [TESTS[name] for name in MNT.values()]
    chosen = {}
    null = RowNull("residuals", n, d)
    values = np.empty((4000, len(rows)))
    draws = replicates_of(null, rows, chosen, 4000, 11)[:, :, 0]
    # What is calibrated on, back to the statistic: they differ by a constant of n and d.
    view = RowView(np.ascontiguousarray(null.draw(np.random.default_rng(0)).T, dtype=np.float64))
    for j, row in enumerate(rows):
        statistic, varying = evaluate(row.statistic, view)
        values[:, j] = draws[:, j] + (statistic - varying)
    count = 0
    for line in table("mnt_critical_values.csv"):
        name = MNT.get(line["stat"])
        if name is None or (int(line["n"]), int(line["d"])) != (n, d):
            continue
        default = {"BHEP": "a=1", "DEHT": "a=1", "DEHU": "a=0.5"}.get(line["stat"])
        if default is not None and line["tuning"] != default:
            continue
        alpha = 1.0 - float(line["level"])
        j = list(MNT.values()).index(name)
        rate = (values[:, j] > float(line["value"])).mean()
        error = np.sqrt(alpha * (1 - alpha) * (1 / 4000 + 1 / 100_000))
        assert abs(rate - alpha) < 4.0 * error, (name, alpha, rate)
        count += 1
    assert count >= 24


# The documentation


def test_the_list_of_tests_is_current() -> None:
    """`python docs/make_tests.py` has been run since the registry changed."""
    folder = Path(__file__).parents[2] / "docs"
    namespace = runpy.run_path(str(folder / "make_tests.py"))
    assert (folder / "tests.md").read_text(encoding="utf-8") == namespace["text"]()
