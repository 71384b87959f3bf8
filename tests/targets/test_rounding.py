"""Lattices and low precision: found, said first, and judged against the rounded target."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

import dmtest
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.catalogue.registry import hypothesis
from dmtest.data.lattice import Grid, grids_of
from dmtest.data.sample import as_sample
from dmtest.targets.rounding import RankGrid, at_resolution
from dmtest.targets.targets import AnyNormal, Normal, Product, Sphere, Uniform, as_target


def rows(n: int, d: int = 1, seed: int = 0) -> np.ndarray:
    """Draw rows of N(0, I)."""
    return np.random.default_rng(seed).standard_normal((n, d))


def bfloat16(x: np.ndarray) -> np.ndarray:
    """Round to the nearest bfloat16, held in float32."""
    words = np.asarray(x, np.float32).view(np.uint32)
    return ((words + 0x7FFF + ((words >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def truncated(x: np.ndarray) -> np.ndarray:
    """Cut off the low half of float32."""
    return (np.asarray(x, np.float32).view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)


def int8(x: np.ndarray) -> np.ndarray:
    """Quantise to 255 values from -4 to 4."""
    return np.clip(np.rint(x * 127 / 4), -127, 127) * (4 / 127)


def ranks_in_unit(draws: int, n: int, d: int = 1, seed: int = 0, half: bool = False) -> np.ndarray:
    """Draw rank / L, or (rank + 1/2) / (L + 1), of correct ranks."""
    ranks = np.random.default_rng(seed).integers(0, draws + 1, (n, d))
    return (ranks + 0.5) / (draws + 1) if half else ranks / draws


def battery_pvalue(x: np.ndarray, target: Any, seed: int = 0) -> float:
    """Return the global p-value of the default tests, as a report computes it."""
    law = as_target(target)
    canonical = law.canonical(at_resolution(as_sample(x), law).sample)
    plan = Plan(target=law.name, seed=seed)
    return run_battery(
        canonical, chosen_tests(None, hypothesis(law.name), canonical, plan), plan
    ).pvalue


# Detection


def test_continuous_samples_have_no_grid() -> None:
    for x in (
        rows(20_000, 4),
        rows(20_000, 4).astype(np.float32),
        rows(20_000, 4).astype(np.float32).astype(np.float64),
        np.random.default_rng(0).random((100_000, 1), dtype=np.float32),
        np.maximum(rows(2000, 2), 0.0),  # half of the values are one
        np.clip(rows(2000, 2), -1.0, 1.0),
        np.repeat(rows(200, 3), 10, axis=0),
        np.zeros((50, 2)),
    ):
        assert grids_of(x) == {}
        assert at_resolution(as_sample(x), Normal()).findings == ()


@settings(deadline=None, max_examples=60)
@given(
    st.floats(1e-3, 1e3),
    st.floats(-100.0, 100.0),
    st.integers(3, 60),
    st.sampled_from([np.float32, np.float64]),
)
def test_equal_steps_are_recovered(step: float, origin: float, cells: int, dtype: Any) -> None:
    index = np.random.default_rng(cells).integers(0, cells, 2000)
    x = (origin * step + step * index).astype(dtype)
    (grid,) = grids_of(x[:, None]).values()
    if grid.kind == "bits":  # an origin far from 0 leaves float32 few bits, or step is a power of 2
        return
    assert_allclose(grid.step, step, rtol=1e-3)
    assert grid.holds(x)
    low, high = grid.cell(x)
    assert_allclose(0.5 * (low + high), x, atol=1e-3 * step)
    assert_allclose(high - low, step, rtol=1e-3)


@pytest.mark.parametrize(
    ("function", "bits", "word"),
    [
        (bfloat16, 8, "bfloat16"),
        (truncated, 8, "bfloat16"),
        (lambda x: x.astype(np.float16).astype(np.float32), 11, "float16"),
        (lambda x: x.astype(np.float16).astype(np.float64), 11, "float16"),
    ],
)
def test_low_precision_is_known_by_the_bits(
    function: Callable[[np.ndarray], np.ndarray], bits: int, word: str
) -> None:
    x = function(rows(400_000, 2))
    grids = grids_of(x)
    assert [(grid.kind, grid.bits) for grid in grids.values()] == [("bits", bits)] * 2
    assert all(grid.holds(x[:, j]) for j, grid in grids.items())
    (finding,) = at_resolution(as_sample(x), Normal()).findings
    assert finding.code == "low-precision"
    assert word in finding.message
    assert "float32" in finding.message
    few = at_resolution(as_sample(x[:300]), Normal())
    assert few.findings[0].code == "low-precision"
    assert few.causes == ()  # too few rows for the steps to matter


def test_cells_of_bits_are_what_rounds_to_a_value() -> None:
    x = np.float32(10.0) * rows(20_000)[:, 0].astype(np.float32)
    low, high = Grid("bits", 0.01, 9, bits=8).cell(bfloat16(x))
    assert ((low <= x) & (x <= high)).all()
    width = (high - low) / np.abs(x)
    assert width.min() >= 0.99 * 2.0**-8
    assert width.max() <= 1.01 * 2.0**-7


def test_few_values_without_steps() -> None:
    codes = np.random.default_rng(0).choice([0.1, 0.27, 1.9, 3.01], 500)
    report = dmtest.report(codes, "any-normal", rng=0, replicates=99)
    assert report.diagnosis[0].code == "few-values"
    assert "only 4 different" in report.diagnosis[0].message


def test_a_fine_lattice_is_no_matter() -> None:
    assert grids_of(np.round(rows(1000), 3)) == {}
    assert len(grids_of(np.round(rows(1000), 2))) == 1


def test_coincidences_of_integers_are_steps() -> None:
    x = np.r_[np.arange(-31.0, 32.0), 32.0, 34.0]
    (grid,) = grids_of(np.repeat(x, 20)[:, None]).values()
    assert (grid.kind, grid.step) == ("steps", 1.0)


# Values drawn anew


@pytest.mark.parametrize("function", [bfloat16, int8, lambda x: np.round(x * 4) / 4])
def test_the_rounded_null_is_exact(function: Callable[[np.ndarray], np.ndarray]) -> None:
    x = function(rows(100_000, 2))
    found = at_resolution(as_sample(x), Normal())
    new = found.sample.x
    assert found.findings
    assert new.dtype == x.dtype
    for j in range(2):
        assert stats.kstest(new[:, j], "norm").pvalue > 1e-3
        assert stats.kstest(x[:, j], "norm").pvalue < 1e-3 or function is bfloat16
    assert_array_equal(function(new)[np.abs(x) < 3.9], x[np.abs(x) < 3.9])  # in their cells
    assert len(np.unique(new[:, 0])) > 50_000


def test_other_targets_and_scales() -> None:
    n = 20_000
    gamma, rng = stats.gamma(2.0), np.random.default_rng(0)
    cases: list[tuple[np.ndarray, Any, Any]] = [
        (np.round(rng.random((n, 1)) * 25) / 25, Uniform(), stats.uniform),
        (np.round(6 * rng.random((n, 1)) - 2, 1), Uniform(-2, 4), stats.uniform(-2, 6)),
        (np.round(gamma.rvs((n, 1), random_state=rng), 1), Product(gamma), gamma),
        (np.rint(3 + 5 * rows(n)), Normal(mean=[3.0], cov=25.0), stats.norm(3, 5)),
        (np.rint(3 + 5 * rows(n)), AnyNormal(), stats.norm(3, 5)),
    ]
    for x, target, law in cases:
        new = at_resolution(as_sample(x), target).sample.x[:, 0]
        assert stats.kstest(new, law.cdf).pvalue > 1e-3
        assert stats.kstest(x[:, 0], law.cdf).pvalue < 1e-2


def test_what_was_clipped_is_drawn_from_the_tail() -> None:
    x = np.clip(np.rint(rows(20_000) * 20), -40, 40) / 20  # 2 standard deviations
    new = at_resolution(as_sample(x), Normal()).sample.x[:, 0]
    assert np.abs(new).max() > 3.0
    assert stats.kstest(new, "norm").pvalue > 1e-3


def test_coarse_cells_are_not_drawn_anew() -> None:
    """Two values could pass for a normal that was rounded; they are a mismatch."""
    for x in (np.sign(rows(500, 2)), np.rint(rows(500, 2)), np.rint(1.5 * rows(2000, 8))):
        sample = as_sample(x)
        found = at_resolution(sample, Normal())
        assert_array_equal(found.sample.x, sample.x)
        assert found.findings[0].code == "integer-data"
    assert dmtest.report(np.sign(rows(500, 2)), rng=0, replicates=99).verdict == "mismatch"


def test_a_sample_that_only_begins_on_a_lattice_is_left_as_it_is() -> None:
    x = np.round(rows(20_000), 1)
    x[7] = 0.123456
    found = at_resolution(as_sample(x), Normal())
    assert_array_equal(found.sample.x, x)


def test_rows_on_a_sphere_and_dependent_normals_get_the_finding_only() -> None:
    angle = 2 * np.pi * np.random.default_rng(0).integers(0, 12, 500) / 12
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    x = np.round(rows(2000, 2), 1)
    for values, target in ((circle, Sphere()), (x, Normal(cov=[[1.0, 0.3], [0.3, 1.0]]))):
        found = at_resolution(as_sample(values), target)
        assert found.findings
        assert "may be due to that alone" in found.findings[0].message
        assert_array_equal(found.sample.x, values)


def test_single_tests_take_values_as_they_are() -> None:
    """run_test agrees with published software, also on rounded data."""
    x = np.round(rows(300), 1)
    one = dmtest.run_test(x, "kolmogorov-smirnov", "normal", calibration="asymptotic")
    assert_allclose(one.statistic, stats.kstest(x[:, 0], "norm").statistic)


def test_the_draw_does_not_depend_on_the_seed() -> None:
    x = as_sample(int8(rows(5000, 2)))
    one, two = (at_resolution(x, Normal()).sample.x for _ in range(2))
    assert_array_equal(one, two)
    more = as_sample(np.vstack([int8(rows(5000, 2)), int8(rows(5000, 2, seed=1))]))
    assert_array_equal(at_resolution(more, Normal()).sample.x[:4096], one[:4096])


# Field cases


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("draws", [10, 20, 100])
def test_a1_ranks_given_to_uniform_are_ranks_and_no_mismatch(draws: int, half: bool) -> None:
    for d in (1, 8):
        report = dmtest.report(ranks_in_unit(draws, 1000, d, half=half), "uniform", rng=0)
        assert report.verdict == "compatible"
        assert report.warnings[0].code == "ranks"
        assert f"target=Ranks({draws})" in report.warnings[0].message
        assert "saturated" not in {finding.code for finding in report.warnings}
    pvalues = [
        battery_pvalue(ranks_in_unit(draws, 1000, seed=seed, half=half), "uniform", seed)
        for seed in range(40)
    ]
    assert np.count_nonzero(np.array(pvalues) <= 0.05) <= 7  # binomial(40, .05): above in .2%


@pytest.mark.parametrize("half", [False, True])
def test_few_draws_given_to_uniform_say_so_first(half: bool) -> None:
    report = dmtest.report(ranks_in_unit(5, 1000, half=half), "uniform", rng=0)
    assert report.verdict == "mismatch"
    assert report.diagnosis[0].code == report.warnings[0].code == "ranks"
    assert "target=Ranks(5)" in report.diagnosis[0].message
    if not half:
        (ends,) = (finding for finding in report.warnings if finding.code == "saturated")
        assert "a quarter of the step of their lattice, 0.05" in ends.message


@pytest.mark.parametrize("form", [0, 1])
def test_ranks_over_draws_plus_one(form: int) -> None:
    x = (np.random.default_rng(0).integers(0, 21, (2000, 1)) + form) / 21
    found = at_resolution(as_sample(x), Uniform())
    assert "target=Ranks(20)" in found.findings[0].message
    assert stats.kstest(found.sample.x[:, 0], "uniform").pvalue > 1e-3


def test_wrong_ranks_given_to_uniform_are_a_mismatch() -> None:
    for sd in (0.6, 1.6):
        score = sd * rows(1000)
        x = np.rint(100 * stats.norm.cdf(score)) / 100
        report = dmtest.report(x, "uniform", rng=0)
        assert report.verdict == "mismatch"
        assert report.warnings[0].code in ("ranks", "lattice")
        shape = "too-wide" if sd < 1.0 else "too-narrow"
        assert shape in {finding.code for finding in report.diagnosis}
        assert "target=Ranks(100)" in report.warnings[0].message
        assert len(report.diagnosis) > 1


def test_a5_quantile_residuals_are_randomised_at_their_own_resolution() -> None:
    for seed in range(3):
        x = ranks_in_unit(250, 1000, seed=seed)
        assert np.isin([0.0, 1.0], x).all()
        report = dmtest.report(x, "uniform", rng=0)
        assert report.verdict == "compatible"
        assert "target=Ranks(250)" in report.warnings[0].message
    u = at_resolution(as_sample(x), Uniform()).sample.x
    assert np.abs(u - x).max() < 1.0 / 250
    assert (u[x == 0.0] > 1e-6).all()


@pytest.mark.parametrize(("s", "drawn"), [(1.5, False), (3.0, True), (10.0, True)])
def test_a6_integer_lattices(s: float, drawn: bool) -> None:
    x = np.rint(s * rows(2000, 8))
    for target in ("any-normal", Normal(cov=s**2)):
        report = dmtest.report(x, target, rng=0, replicates=99)
        assert report.warnings[0].code == "integer-data"
        if drawn:
            assert report.verdict == "compatible"
            assert "drawn anew" in report.warnings[0].message
        elif report.verdict == "mismatch":
            assert report.diagnosis[0].code == "integer-data"


@pytest.mark.parametrize("function", [bfloat16, int8])
@pytest.mark.parametrize("target", ["normal", "any-normal"])
def test_a6_rounded_embeddings_of_a_perfect_normal(
    function: Callable[[np.ndarray], np.ndarray], target: str
) -> None:
    x = function(rows(100_000, 1, seed=5))
    assert battery_pvalue(x, target) > 0.01
    codes = {finding.code for finding in at_resolution(as_sample(x), as_target(target)).findings}
    assert codes == {"low-precision" if function is bfloat16 else "lattice"}


def test_c6_ratings_are_integers_first() -> None:
    ratings = np.random.default_rng(0).integers(1, 6, 500)
    for target in ("normal", "any-normal"):
        report = dmtest.report(ratings, target, rng=0, replicates=99)
        assert report.diagnosis[0].code == "integer-data"
        assert "no continuous target gives" in report.diagnosis[0].message
        assert "compare two samples" in report.diagnosis[0].message


def test_one_draw_count_is_one_grid() -> None:
    found = at_resolution(as_sample(ranks_in_unit(20, 500, 3)), Uniform())
    assert [finding.count for finding in found.findings] == [3]
    assert issubclass(RankGrid, Grid)


def test_findings_name_columns() -> None:
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": rows(500)[:, 0], "b": np.round(rows(500, seed=1)[:, 0], 1)})
    (finding,) = at_resolution(as_sample(frame), Normal()).findings
    assert finding.message.startswith("Values of 1 of 2 columns ('b') are multiples of 0.1.")
