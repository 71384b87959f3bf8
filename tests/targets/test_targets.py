"""Targets: under its null every one of them gives rows of N(0, I), and it says what it changed."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import linalg, special, stats

import dmtest
from dmtest.cli.options import TargetName
from dmtest.data.sample import as_sample
from dmtest.errors import InputError
from dmtest.render import wording
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.results.targets import NAMED, NamedTarget
from dmtest.targets.canonical import Canonical
from dmtest.targets.targets import AnyNormal, Normal, Product, Uniform, as_target
from tests.support.calls import refused

N = 20_000
MEAN = np.array([3.0, -1.0, 100.0])
COV = np.array([[4.0, 1.5, 0.2], [1.5, 1.0, -0.1], [0.2, -0.1, 0.09]])
MARGINS = [stats.gamma(2.0), stats.t(3.0, 1.0, 2.0), stats.beta(0.5, 2.0)]


@pytest.mark.parametrize("row", NAMED, ids=lambda row: row.name)
def test_a_name_stands_for_the_class_of_its_row(row: NamedTarget) -> None:
    if not row.kind:
        refused("target", as_target, row.name)
        return
    made = as_target(row.name)
    assert (type(made).__name__, made.name, made.fitted) == (row.kind, row.name, row.fitted)
    assert TargetName(row.name) == row.name
    assert wording.target(row.name) == row.words


def normal_rows(n: int = N, d: int = 3, seed: int = 0) -> np.ndarray:
    """Draw rows of N(0, I)."""
    return np.random.default_rng(seed).standard_normal((n, d))


def canonical(data: Any, target: Any) -> Canonical:
    """Bring data to normal scale."""
    return as_target(target).canonical(as_sample(data))


def report(data: Any, target: Any, **options: Any) -> Report:
    """Make a small report."""
    return dmtest.report(data, target, **({"replicates": 99, "rng": 0, "slices": 8} | options))


def finding(found: Any, code: str) -> Finding:
    """Return the only finding of that code."""
    (one,) = (item for item in found if item.code == code)
    return one


def codes(found: Any) -> list[str]:
    """Return the codes of findings."""
    return [item.code for item in found]


LOW, HIGH = np.array([-1.0, 5.0, 0.0]), np.array([1.0, 6.0, 1e-3])
VARIANCES = np.array([4.0, 1.0, 0.09])
# name: target, and what draws from it
NULLS: dict[str, tuple[Any, Callable[[np.random.Generator], Any]]] = {
    "normal": ("normal", lambda rng: rng.standard_normal((N, 3))),
    "normal(mean, cov)": (Normal(MEAN, COV), lambda rng: rng.multivariate_normal(MEAN, COV, N)),
    "normal(mean, variances)": (
        Normal(MEAN, VARIANCES),
        lambda rng: rng.normal(MEAN, np.sqrt(VARIANCES), (N, 3)),
    ),
    "normal(variance)": (Normal(cov=4.0), lambda rng: 2.0 * rng.standard_normal((N, 3))),
    "uniform": ("uniform", lambda rng: rng.uniform(size=(N, 3))),
    "uniform(low, high)": (Uniform(LOW, HIGH), lambda rng: rng.uniform(LOW, HIGH, (N, 3))),
    "product": (
        Product(MARGINS),
        lambda rng: np.column_stack([margin.rvs(N, random_state=rng) for margin in MARGINS]),
    ),
}


def null_data(name: str, seed: int = 0) -> tuple[np.ndarray, Any]:
    """Draw from a target, and give the target."""
    target, draw = NULLS[name]
    return draw(np.random.default_rng(seed)), target


# Under the null


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", NULLS)
def test_rows_are_standard_normal_under_the_null(name: str, dtype: type) -> None:
    data, target = null_data(name)
    result = canonical(data.astype(dtype), target)
    rows = np.asarray(result.rows, dtype=np.float64)
    assert rows.shape == (N, 3)
    assert not result.fitted
    assert result.outside == 0
    # 5 standard errors; float32 at the scale of MEAN adds 100 * 6e-8 / 0.3.
    assert_allclose(rows.mean(axis=0), 0.0, atol=5.0 / np.sqrt(N))
    covariance = rows.T @ rows / N
    assert_allclose(np.diagonal(covariance), 1.0, atol=5.0 * np.sqrt(2.0 / N))
    assert_allclose(covariance - np.diag(np.diagonal(covariance)), 0.0, atol=5.0 / np.sqrt(N))
    assert_allclose((rows**3).mean(axis=0), 0.0, atol=5.0 * np.sqrt(15.0 / N))
    assert_allclose((rows**4).mean(axis=0), 3.0, atol=5.0 * np.sqrt(96.0 / N))
    assert min(stats.kstest(column, "norm").pvalue for column in rows.T) > 1e-4
    assert_allclose(result.mean, rows.mean(axis=0), atol=1e-6)
    assert_allclose(result.covariance, np.cov(rows.T, bias=True), atol=1e-6)


@pytest.mark.parametrize("name", NULLS)
def test_reports_are_compatible_under_the_null(name: str) -> None:
    data, target = null_data(name, seed=1)
    made = report(data[:2000], target)
    assert made.verdict == "compatible"
    assert made.pvalue > 0.05
    assert made.target.split("(")[0] == name.split("(")[0]


@pytest.mark.parametrize("name", list(NULLS)[1:])
def test_reports_see_the_wrong_parameters(name: str) -> None:
    data, target = null_data(name, seed=1)
    made = report(data[:2000] * 0.9, target)
    assert made.verdict == "mismatch"
    assert made.pvalue <= 0.05


# Normal


def test_standard_normal_rows_are_the_data_itself() -> None:
    x = normal_rows(50)
    assert np.shares_memory(canonical(x, "normal").rows, x)
    assert np.shares_memory(canonical(x, Normal()).rows, x)


def test_given_moments_are_taken_out_by_the_cholesky_factor() -> None:
    x = np.random.default_rng(0).multivariate_normal(MEAN, COV, 100)
    factor = np.linalg.cholesky(COV)
    expected = linalg.solve_triangular(factor, (x - MEAN).T, lower=True).T
    assert_allclose(canonical(x, Normal(MEAN, COV)).rows, expected, rtol=1e-9, atol=1e-9)
    assert_allclose(canonical(x, Normal(MEAN)).rows, x - MEAN, rtol=1e-12)
    assert_allclose(canonical(x, Normal(cov=[4.0, 1.0, 0.25])).rows, x / [2.0, 1.0, 0.5])
    assert_allclose(canonical(x, Normal(cov=4.0)).rows, x / 2.0)


def test_one_column_takes_numbers() -> None:
    x = normal_rows(50, 1)
    assert_allclose(canonical(3.0 * x[:, 0] + 2.0, Normal(2.0, 9.0)).rows, x, atol=1e-12)


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (Normal([0.0, 0.0]), "shape (3,)"),
        (Normal(cov=np.eye(2)), "cov of shape (3, 3), (3,) or one number"),
        (Normal(cov=[1.0, 1.0]), "(3,)"),
        (Normal(cov=[1.0, 1.0, 0.0]), "positive definite"),
        (Normal(cov=[1.0, 1.0, -1.0]), "eigenvalue is -1"),
        (Normal(cov=[[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]), "symmetric"),
        (Normal(cov=np.ones((3, 3))), "leave out columns"),
        (Normal(cov=0.0), "positive definite"),
        (Uniform([0.0, 0.0], 1.0), "shape (3,)"),
        (Uniform(0.0, [1.0, 1.0]), "shape (3,)"),
        (Product(MARGINS[:2]), "one for every column, or a single distribution"),
        (Product([]), "one for every column"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_with_the_cure(target: Any, words: str) -> None:
    refused(re.escape(words), canonical, normal_rows(50), target)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Normal([np.nan]), "mean must be a finite vector"),
        (lambda: Normal(np.zeros((2, 2))), "mean must be a finite vector"),
        (lambda: Normal(cov=[np.inf]), "cov must be finite"),
        (lambda: Normal(cov=np.ones((2, 2, 2))), "(d, d), (d,) or a number"),
        (lambda: Uniform(1.0, 1.0), "low must be below high"),
        (lambda: Uniform([0.0, 2.0], [1.0, 1.0]), "low must be below high"),
        (lambda: Uniform(-np.inf, 0.0), "must be finite"),
        (lambda: Product("norm"), "frozen scipy.stats distributions"),
        (lambda: Product([stats.norm(), 1.0]), "type float"),
    ],
)
def test_parameters_that_cannot_be_are_refused(make: Any, words: str) -> None:
    refused(re.escape(words), make)


# Uniform


def test_uniform_rows_are_normal_quantiles() -> None:
    u = np.random.default_rng(0).uniform(size=(200, 2))
    assert_allclose(canonical(u, "uniform").rows, special.ndtri(u), rtol=1e-12, atol=1e-12)
    box = canonical(6.0 * u - 2.0, Uniform(-2.0, 4.0))
    assert_allclose(box.rows, special.ndtri(u), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-1.0, 1.0), (0.1, 0.7), (0.7, 0.9), (-3.0, 1e4)])
def test_values_at_the_bounds_are_counted_and_moved_inside(
    dtype: type, bounds: tuple[float, float]
) -> None:
    low, high = (dtype(bound) for bound in bounds)
    x = np.random.default_rng(0).uniform(*bounds, (500, 4)).astype(dtype)
    x = np.clip(x, np.nextafter(low, high), high - (high - low) * dtype(1e-3))
    assert canonical(x, Uniform(*bounds)).findings == ()
    x[:30, 0], x[:12, 2] = low, high
    result = canonical(x, Uniform(*bounds))
    assert (result.outside, codes(result.findings)) == (0, ["saturated"])
    assert result.findings[0].count == 42
    assert f"ulp of {np.dtype(dtype).name}" in result.findings[0].message
    limit = special.ndtri(float(np.finfo(dtype).epsneg) / 2.0)
    assert_allclose(result.rows[:30, 0], limit, rtol=1e-12)
    assert_allclose(result.rows[:12, 2], -limit, rtol=1e-12)
    assert np.abs(result.rows).max() <= -limit * (1.0 + 1e-12)


def test_a_saturated_sigmoid_is_counted_in_its_own_precision() -> None:
    logits = np.random.default_rng(0).normal(0.0, 12.0, (1000, 3))
    for dtype in (np.float32, np.float64):
        u = (1.0 / (1.0 + np.exp(-logits.astype(dtype)))).astype(dtype)
        ones = int(np.count_nonzero((u == 0.0) | (u == 1.0)))
        assert ones > 0
        made = report(u, "uniform")
        assert (finding(made.warnings, "saturated").count, made.verdict) == (ones, "mismatch")


def test_an_ulp_above_one_is_rounding_and_more_is_not() -> None:
    u = np.random.default_rng(0).uniform(0.1, 0.9, (100, 2)).astype(np.float32)
    u[0, 0] = np.nextafter(np.float32(1.0), np.float32(2.0))
    assert canonical(u, "uniform").outside == 0
    assert finding(canonical(u, "uniform").findings, "saturated").count == 1
    u[0, 0] = np.float32(1.0 + 3e-7)
    assert canonical(u, "uniform").outside == 1


@pytest.mark.parametrize("target", ["uniform", Uniform(0.0, 1.0), Product(stats.uniform(0.0, 1.0))])
def test_values_outside_are_a_mismatch_whatever_the_tests_say(target: Any) -> None:
    u = np.random.default_rng(4).uniform(size=(1000, 3))
    assert report(u, target).verdict == "compatible"
    u[5, 0], u[5, 1], u[9, 2], u[11, 0] = -0.001, 1.5, 2.0, -3.0
    result = canonical(u, target)
    assert (result.outside, finding(result.findings, "outside-support").count) == (3, 3)
    assert np.isfinite(result.rows).all()
    made = report(u, target)
    assert (made.verdict, made.pvalue, made.outcomes[0].test) == ("mismatch", 0.0, "support")
    assert made.outcomes[0].pvalue == made.adjusted[0] == 0.0
    assert made.outcomes[0].statistic == 3.0
    assert "probability 0" in made.pvalue_method
    assert (made.diagnosis[0].code, made.diagnosis[0].count) == ("outside-support", 3)
    assert finding(made.warnings, "outside-support").message.startswith("3 rows have a value")
    assert [outcome.test for outcome in made.outcomes[1:-2]] == list(made.computed["tests"])
    assert [outcome.test for outcome in made.outcomes[-2:]] == ["axes", "worst-direction"]


def test_a_box_too_narrow_for_the_precision_is_refused() -> None:
    x = np.ones((20, 2), np.float32)
    with pytest.raises(InputError, match=r"equal in float32; pass float64 data or a wider box"):
        canonical(x, Uniform(1.0, 1.0 + 1e-9))


# Product


def test_product_rows_are_exact_where_the_margins_are_normal() -> None:
    x = normal_rows(500) * [1.0, 2.0, 1e-3] + [0.0, 5.0, 1.0]
    target = Product([stats.norm(), stats.norm(5.0, 2.0), stats.norm(1.0, 1e-3)])
    assert_allclose(canonical(x, target).rows, normal_rows(500), rtol=1e-7, atol=1e-9)


def test_one_margin_serves_all_columns() -> None:
    x = np.random.default_rng(0).gamma(2.0, size=(200, 3))
    alone = canonical(x, Product(MARGINS[0])).rows
    assert_array_equal(alone, canonical(x, Product([MARGINS[0]] * 3)).rows)


def test_the_upper_tail_goes_through_the_survival_function() -> None:
    x = np.random.default_rng(0).exponential(size=50)
    x[:4] = 30.0, 60.0, 300.0, 700.0
    rows = canonical(x, Product(stats.expon())).rows[:4, 0]
    assert_allclose(stats.norm.logsf(rows), -x[:4], rtol=1e-9)


def test_far_tails_are_finite_and_counted() -> None:
    x = np.random.default_rng(0).gamma(2.0, size=(100, 2))
    x[:4, 0] = 1e-300, 1e-200, 1e4, 0.0
    result = canonical(x, Product(MARGINS[0]))
    assert np.isfinite(result.rows).all()
    assert (result.outside, finding(result.findings, "saturated").count) == (0, 4)
    edge = -special.ndtri(np.finfo(float).tiny)
    assert_allclose(result.rows[:4, 0], [-edge, -edge, edge, -edge])
    assert report(x, Product(MARGINS[0])).verdict == "mismatch"


def test_what_is_outside_is_not_counted_as_saturated() -> None:
    x = np.random.default_rng(0).gamma(2.0, size=(100, 2))
    x[0, 0] = -1.0
    result = canonical(x, Product(MARGINS[0]))
    assert codes(result.findings) == ["outside-support"]
    assert result.findings[0].count == result.outside == 1


def test_a_bound_in_float32_is_inside() -> None:
    x = np.full((20, 1), 0.8, np.float32)
    x[:9, 0] = np.float32(0.7)
    assert float(np.float32(0.7)) < 0.7
    assert canonical(x, Product(stats.uniform(0.7, 0.2))).outside == 0


def test_a_report_on_a_product() -> None:
    data, target = null_data("product", seed=2)
    made = report(data[:1000], target)
    assert (made.verdict, made.target, made.n, made.d) == ("compatible", "product", 1000, 3)
    swapped = report(data[:1000, [0, 2, 1]], target)
    assert swapped.verdict == "mismatch"
    assert Report.from_json(swapped.to_json()).pvalue == swapped.pvalue


# Any normal


def test_any_normal_whitens_by_the_cholesky_factor() -> None:
    x = np.random.default_rng(0).multivariate_normal(MEAN, COV, 200)
    result = canonical(x, "any-normal")
    factor = np.linalg.cholesky(np.cov(x.T, bias=True))
    expected = linalg.solve_triangular(factor, (x - x.mean(axis=0)).T, lower=True).T
    assert_allclose(result.rows, expected, rtol=1e-8, atol=1e-9)
    assert result.fitted
    assert_allclose(result.covariance, np.cov(x.T, bias=True), rtol=1e-9)
    # Lower triangular maps and shifts leave the whitened rows as they are.
    moved = x @ np.tril(np.arange(1.0, 10.0).reshape(3, 3)).T + 7.0
    assert_allclose(canonical(moved, AnyNormal()).rows, result.rows, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize(("n", "d"), [(10, 10), (10, 50), (30, 31)])
def test_any_normal_needs_more_rows_than_columns(n: int, d: int) -> None:
    with pytest.raises(InputError, match=rf"n = {n}, d = {d}; add rows, reduce the columns"):
        report(normal_rows(n, d), "any-normal")
    assert report(normal_rows(n, d), "normal").verdict == "compatible"


@pytest.mark.parametrize("target", ["normal", "any-normal", "uniform"])
def test_equal_rows_are_a_mismatch_and_nothing_to_measure(target: str) -> None:
    x = np.full((20, 2), 0.1)
    made = report(x, target)
    assert (made.verdict, made.pvalue) == ("mismatch", 0.0)
    assert made.diagnosis[0].code == "constant-columns"
    assert [outcome.test for outcome in made.outcomes] == ["degenerate-columns"]
    (outcome,) = dmtest.run_tests(x, ["henze-zirkler"], target, rng=0)
    assert outcome.pvalue == 0.0
    refused("every column is constant", dmtest.mean_pvalue, x, target=target, subsample=10)


def deficient(kind: str, dtype: type, n: int = 400) -> tuple[np.ndarray, int]:
    """Make normal data with columns that say nothing new, and count these."""
    x = normal_rows(n, 6)
    if kind == "constant":
        x[:, 2], x[:, 4] = 0.1, 1e6 + 0.1
        return x.astype(dtype), 2
    if kind == "repeated":
        return np.hstack([x, x[:, :1]]).astype(dtype), 1
    if kind == "shifted":
        return np.hstack([x, 3.3 * x[:, :1] + 1000.0]).astype(dtype), 1
    if kind == "combined":
        return np.hstack([x @ np.ones((6, 2)) * [1.0, -2.0], x[:, :3]]).astype(dtype), 1
    shares = x[:, :5] * 1e-3 + 0.2
    return (shares - shares.mean(axis=1, keepdims=True) + 0.2).astype(dtype), 1


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("kind", ["constant", "repeated", "shifted", "combined", "sum"])
def test_columns_that_say_nothing_new_are_left_out_and_counted(kind: str, dtype: type) -> None:
    x, count = deficient(kind, dtype)
    result = canonical(x, "any-normal")
    d = x.shape[1]
    assert finding(result.findings, "rank-deficient").count == count
    assert f"rank {d - count} of {d}" in finding(result.findings, "rank-deficient").message
    assert (result.rows.shape, len(result.columns)) == ((400, d - count), d - count)
    rows = np.asarray(result.rows, dtype=np.float64)
    assert_allclose(np.cov(rows.T, bias=True), np.eye(d - count), atol=1e-4)
    made = report(x, "any-normal")
    assert (made.verdict, finding(made.warnings, "rank-deficient").count) == ("compatible", count)
    assert {outcome.d for outcome in made.outcomes} == {d - count}
    assert "henze-zirkler" in [outcome.test for outcome in made.outcomes]


@pytest.mark.parametrize("kind", ["constant", "repeated", "shifted", "combined", "sum"])
def test_henze_zirkler_of_a_given_normal_leaves_them_out_too(kind: str) -> None:
    x, count = deficient(kind, np.float64)
    with warnings.catch_warnings():
        # Columns that are constant or repeated are left out with a warning, combinations without.
        warnings.simplefilter("ignore", dmtest.DataWarning)
        given = dmtest.run_test(x, "henze-zirkler", "normal", rng=0, replicates=99)
    with pytest.warns(dmtest.DataWarning, match=f"{count} column"):
        fitted = dmtest.run_test(x, "henze-zirkler", "any-normal", rng=0, replicates=99)
    assert given.statistic == pytest.approx(fitted.statistic, rel=1e-9)
    assert given.pvalue == fitted.pvalue > 0.05
    assert fitted.d == x.shape[1] - count


def test_columns_that_are_nearly_the_same_are_kept() -> None:
    x = normal_rows(400)
    x[:, 1] = x[:, 0] + 1e-3 * x[:, 1]
    for dtype in (np.float32, np.float64):
        assert canonical(x.astype(dtype), "any-normal").findings == ()


# Names


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("normal", "normal"),
        ("any-normal", "any-normal"),
        ("uniform", "uniform"),
        (Normal(cov=2.0), "normal(mean, cov)"),
        (Uniform(-1.0, 1.0), "uniform(-1, 1)"),
        (Uniform([0.0, 0.0], [1.0, 1.0]), "uniform"),
        (Uniform([0.0, 0.0], [1.0, 2.0]), "uniform(low, high)"),
        (Product(stats.norm()), "product"),
    ],
)
def test_targets_have_names(target: Any, name: str) -> None:
    assert as_target(target).name == name


@pytest.mark.parametrize("target", ["torus", "xyz", "", "mixture(2)"])
def test_unknown_names_are_refused(target: str) -> None:
    refused(r"target: got .*'normal', 'any-normal', 'uniform'.*Product", as_target, target)


@pytest.mark.parametrize("target", [None, 5, object(), ["normal"]])
def test_what_is_no_target_is_refused(target: Any) -> None:
    refused(r"target: got \w+; pass a name such as 'normal'", as_target, target)


@pytest.mark.parametrize("target", [Normal, Uniform, Product, AnyNormal])
def test_a_class_is_refused_with_the_cure(target: type) -> None:
    refused(rf"pass {target.__name__}\(\.\.\.\)", as_target, target)


def frozen_laws() -> list[tuple[Any, str, Any]]:
    """Frozen distributions of scipy.stats, the name of their target, and what it maps to 0, I."""
    from scipy import stats

    factor = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.3, 0.5]])
    return [
        (stats.norm(), "normal", lambda x: x),
        (stats.norm(1.0, 2.0), "normal(mean, cov)", lambda x: 1.0 + 2.0 * x),
        (
            stats.multivariate_normal(MEAN, factor @ factor.T),
            "normal(mean, cov)",
            lambda x: MEAN + x @ factor.T,
        ),
        (stats.uniform(-1.0, 2.0), "uniform(-1, 1)", lambda x: 2.0 * special.ndtr(x) - 1.0),
        (stats.expon(), "product", lambda x: -special.log_ndtr(-x)),
    ]


@pytest.mark.parametrize("which", range(5))
def test_frozen_laws_of_scipy_are_targets(which: int) -> None:
    """Rows of the law come back as the normal rows that they were made from."""
    law, name, rows = frozen_laws()[which]
    x = normal_rows(200)
    assert as_target(law).name == name
    assert_allclose(canonical(rows(x), law).rows, x, atol=1e-6)


def test_frozen_laws_of_torch_are_targets() -> None:
    torch = pytest.importorskip("torch")
    laws, x = torch.distributions, normal_rows(200)
    factor = np.linalg.cholesky(COV)
    cov, zeros = torch.as_tensor(COV), torch.zeros(3, dtype=torch.float64)
    many = laws.MultivariateNormal(torch.as_tensor(MEAN), cov)
    assert_allclose(canonical(MEAN + x @ factor.T, many).rows, x, atol=1e-5)
    own = laws.Independent(laws.Normal(torch.as_tensor(MEAN), torch.ones(3) * 2.0), 1)
    assert_allclose(canonical(MEAN + 2.0 * x, own).rows, x, atol=1e-6)
    assert as_target(laws.Normal(0.0, 1.0)).name == "normal"
    assert as_target(laws.Uniform(zeros, zeros + 2.0)).name == "uniform(low, high)"
    refused(
        "torch's Gamma has no such target; pass dmtest.Sampled", as_target, laws.Gamma(1.0, 1.0)
    )
    refused("do not fit data with d = 2", canonical, x[:, :2], many)


def test_laws_that_are_no_target_are_refused() -> None:
    refused("poisson is discrete; pass dmtest.Sampled", as_target, stats.poisson(3.0))
    refused("target: got ", as_target, stats.gaussian_kde(np.arange(9.0)))


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("gaussian", "'normal' or 'any-normal'"),
        ("N(0, I)", "'normal'"),
        ("any_normal", "'any-normal'"),
        ("unifrom", "'uniform'"),
        ("hypersphere", "'sphere'"),
        ("SBC", "'ranks'"),
    ],
)
def test_names_of_other_packages_are_understood(asked: str, meant: str) -> None:
    refused(re.escape(f"did you mean {meant}?"), as_target, asked)
