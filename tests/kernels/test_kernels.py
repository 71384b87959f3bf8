"""Kernels against their twins, and elementary functions against libm over their whole range."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray
from scipy.special import erfcx, log_ndtr

from dmtest.kernels import charfun, cube, pairs, slices, special
from tests.support import twins

EPS = float(np.finfo(np.float64).eps)
RNG = np.random.default_rng(11)


def mapped(function: Callable[[float], float], x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Apply a scalar kernel to every value, in the dtype of `x`."""
    return np.array([function(value) for value in x])


def relative(function: Callable[[float], float], x: NDArray[np.floating], exact: object) -> float:
    """Largest relative error in units of float64's epsilon."""
    exact = np.asarray(exact, dtype=np.longdouble)
    keep = exact != 0
    error = np.abs(mapped(function, x).astype(np.longdouble) - exact)[keep] / np.abs(exact[keep])
    return float(error.max()) / EPS


# Elementary functions


def test_exp_neg() -> None:
    """Within a unit in the last place down to -708, and exactly 0 from there on."""
    x = np.concatenate([-708.0 * RNG.random(4000), -(10.0 ** RNG.uniform(-300, 2.85, 4000))])
    ties = -np.log(2.0) * (np.arange(1021) + 0.5)  # where the range reduction rounds to either side
    x = np.concatenate([x[x > -708.0], ties[ties > -708.0], [np.nextafter(-708.0, 0.0), -1e-320]])
    assert relative(special.exp_neg, x, np.exp(x.astype(np.longdouble))) < 1.0
    assert special.exp_neg(0.0) == special.exp_neg(-0.0) == 1.0
    beyond = [-708.0, np.nextafter(-708.0, -1e3), -745.2, -1e9, -1.7e308, -np.inf]
    assert_array_equal(mapped(special.exp_neg, np.array(beyond)), 0.0)


def test_exp_neg32() -> None:
    """Relative error below 3e-7 down to -87, and exactly 0 from there on."""
    x = np.concatenate([-87.0 * RNG.random(4000), -(10.0 ** RNG.uniform(-40, 1.94, 4000))])
    x = x.astype(np.float32)
    x = x[x > -87.0]
    exact = np.exp(x.astype(np.float64))
    assert float(np.abs(mapped(special.exp_neg32, x) / exact - 1.0).max()) < 3e-7
    assert special.exp_neg32(np.float32(0.0)) == 1.0
    beyond = np.array([-87.0, -87.1, -104.0, -3e38, -np.inf], dtype=np.float32)
    assert_array_equal(mapped(special.exp_neg32, beyond), 0.0)


def test_exp2_64() -> None:
    """Within 1e-15 down to -1021, exactly 0 from there on, and level above 1021."""
    x = np.concatenate([RNG.uniform(-1021, 1021, 6000), 10.0 ** RNG.uniform(-300, 1, 1000)])
    x = np.concatenate([x, np.arange(-1020, 1021) + 0.5, [np.nextafter(-1021.0, 0.0), 1021.0]])
    assert relative(special.exp2_64, x, np.exp2(x.astype(np.longdouble))) < 3.0
    assert special.exp2_64(0.0) == special.exp2_64(-0.0) == 1.0
    assert_array_equal(
        mapped(special.exp2_64, np.arange(-1020.0, 1022.0)), 2.0 ** np.arange(-1020, 1022)
    )
    assert_array_equal(mapped(special.exp2_64, np.array([-1021.0, -1e9, -np.inf])), 0.0)
    assert_array_equal(mapped(special.exp2_64, np.array([1022.0, 1e300, np.inf])), 2.0**1021)


def test_exp2_32() -> None:
    """Relative error below 2e-7 down to -125, exactly 0 from there on, and level above 126."""
    x = np.concatenate([RNG.uniform(-125, 126, 6000), 10.0 ** RNG.uniform(-40, 1, 1000)])
    x = np.concatenate([x, np.arange(-124, 126) + 0.5]).astype(np.float32)
    x = x[x > -125.0]
    exact = np.exp2(x.astype(np.float64))
    assert float(np.abs(mapped(special.exp2_32, x) / exact - 1.0).max()) < 2e-7
    assert special.exp2_32(np.float32(0.0)) == 1.0
    beyond = np.array([-125.0, -126.1, -3e38, -np.inf], dtype=np.float32)
    assert_array_equal(mapped(special.exp2_32, beyond), 0.0)
    above = np.array([127.0, 3e38, np.inf], dtype=np.float32)
    assert_array_equal(mapped(special.exp2_32, above), 2.0**126)


def test_log_pos() -> None:
    """Within 3 units over all normal numbers, also next to 1; -inf at 0."""
    near = 1.0 + RNG.choice([-1, 1], 2000) * 10.0 ** RNG.uniform(-16, -0.31, 2000)
    limits = np.array([np.finfo(float).tiny, np.finfo(float).max, 2.0, np.sqrt(2.0), np.sqrt(0.5)])
    x = np.concatenate([10.0 ** RNG.uniform(-307, 308, 4000), near, limits])
    assert relative(special.log_pos, x, np.log(x.astype(np.longdouble))) < 3.0
    assert (special.log_pos(1.0), special.log_pos(0.0)) == (0.0, -np.inf)


def test_log_one_minus() -> None:
    """Within 4 units on [0, 1/2], to the smallest normal number."""
    turn = 0.2928932188134524
    x = np.concatenate([0.5 * RNG.random(4000), 10.0 ** RNG.uniform(-307, -0.31, 4000)])
    x = np.concatenate([x[x <= 0.5], [0.5, turn, np.nextafter(turn, 1.0), 1e-307]])
    assert relative(special.log_one_minus, x, np.log1p(-x.astype(np.longdouble))) < 4.0
    assert special.log_one_minus(0.0) == 0.0


def test_atanh_twice() -> None:
    """Within 2 units on its whole range."""
    x = np.concatenate([RNG.uniform(-0.172, 0.172, 4000), 10.0 ** RNG.uniform(-300, -1, 500)])
    assert relative(special.atanh_twice, x, 2.0 * np.arctanh(x.astype(np.longdouble))) < 2.0


def test_scaled_upper_tail() -> None:
    """Within 6 units (scipy's own erfcx has 3) from 0 to 1e300."""
    x = np.concatenate([40.0 * RNG.random(4000), 10.0 ** RNG.uniform(-300, 300, 2000), [0.0]])
    assert relative(special.scaled_upper_tail, x, 0.5 * erfcx(x / np.sqrt(2.0))) < 6.0
    assert special.scaled_upper_tail(0.0) == 0.5


def test_tail_and_exponential_are_the_normal_tail() -> None:
    """Their product's logarithm is log Phi(-a), also where Phi(-a) underflows."""
    a = np.concatenate([np.linspace(0.0, 60.0, 997), [1e3, 1e8, 1e100]])
    tail = mapped(special.scaled_upper_tail, a)
    logs = -0.5 * a * a + mapped(special.log_pos, tail)
    assert_allclose(logs, log_ndtr(-a), rtol=1e-14)


@settings(max_examples=60)
@given(st.integers(2, 90), st.integers(1, 600), st.integers(0, 2**32))
def test_chebyshev(terms: int, size: int, seed: int) -> None:
    """Any series at any number of points, against cosines of multiples of the angle."""
    rng = np.random.default_rng(seed)
    coefficients, x = rng.standard_normal(terms), rng.uniform(-1.0, 1.0, size)
    x[:2] = [1.0, -1.0][:size]
    out = np.full(size, np.nan)
    special.chebyshev(x, coefficients, out)
    exact = np.cos(np.outer(np.arccos(x), np.arange(terms))) @ coefficients
    assert_allclose(out, exact, atol=1e-13 * terms**2)


def test_half_angles() -> None:
    """Sine to 2 units, cosine to 3e-16 absolutely, on [-pi/2, pi/2]."""
    x = np.concatenate([RNG.uniform(-np.pi / 2, np.pi / 2, 4000), [np.pi / 2, -np.pi / 2, 1e-300]])
    wide = x.astype(np.longdouble)
    assert relative(charfun.sine_half, x, np.sin(wide)) < 2.0
    assert float(np.abs(mapped(charfun.cosine_half, x) - np.cos(wide)).max()) < 3e-16
    assert (charfun.sine_half(0.0), charfun.cosine_half(0.0)) == (0.0, 1.0)


# Rows


@st.composite
def rows(draw: st.DrawFn, smallest: int = 8, largest: int = 40) -> NDArray[np.floating]:
    """Draw a block of slices: any floats, ties, a common offset, wide spreads; either precision."""
    dtype = draw(st.sampled_from([np.float64, np.float32]))
    shape = (draw(st.integers(1, 3)), draw(st.integers(smallest, largest)))
    kind = draw(st.sampled_from(["any", "normal", "ties", "offset", "cauchy", "long"]))
    if kind == "any":
        width = np.finfo(dtype).bits
        elements = st.floats(-1e6, 1e6, width=width, allow_subnormal=False)
        return draw(arrays(dtype, shape, elements=elements))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if kind == "long":  # several runs of 1024 and a part of one
        shape = (2, int(rng.integers(1000, 2600)))
    x = rng.standard_cauchy(shape) if kind == "cauchy" else rng.standard_normal(shape)
    x = {"ties": np.round(x), "offset": x + 1e3}.get(kind, x)
    return np.ascontiguousarray(x, dtype=dtype)


EVERY = settings(max_examples=60)


@EVERY
@given(rows(), st.floats(-10, 10))
def test_power_sums(block: NDArray[np.floating], shift: float) -> None:
    """Powers about a pivot are added to what is there."""
    pivot = block.mean(axis=1, dtype=np.float64) + shift
    out = np.ones((len(block), 4))
    slices.power_sums(block, pivot, out)
    for row, centre, sums in zip(block, pivot, out, strict=True):
        exact = twins.power_sums(row, centre)
        size = np.array([np.sum(np.abs(row - centre) ** j) for j in (1, 2, 3, 4)])
        assert np.all(np.abs(sums - 1.0 - exact) <= 1e-13 * (1.0 + size))


@EVERY
@given(rows(), st.floats(-3, 3), st.integers(-3, 3))
def test_brief_power_sums(block: NDArray[np.floating], shift: float, power: int) -> None:
    """Float32 runs: off by less than 2e-6 of the sum of absolute values, as documented."""
    block = block.astype(np.float32)
    spread = block.std(axis=1, dtype=np.float64)
    pivot = (block.mean(axis=1, dtype=np.float64) + shift * spread).astype(np.float32)
    unit = np.exp2(np.round(np.log2(np.maximum(spread, 1e-3))) + power)
    out = np.ones((len(block), 4))
    slices.brief_power_sums(block, pivot.astype(np.float64), 1.0 / unit, out)
    for row, centre, one, sums in zip(block, pivot.astype(np.float64), unit, out, strict=True):
        exact = twins.power_sums(row, centre) / one ** np.arange(1, 5)
        size = np.array([np.sum(np.abs((row - centre) / one) ** j) for j in (1, 2, 3, 4)])
        assert np.all(np.abs(sums - 1.0 - exact) <= 2e-6 * size + 1e-15)


def test_brief_power_sums_out_of_range() -> None:
    """A fourth power above the range of float32 is infinite, never a wrong number."""
    block = np.zeros((1, 5000), dtype=np.float32)
    block[0, 4321] = 1e10
    out = np.zeros((1, 4))
    slices.brief_power_sums(block, np.zeros(1), np.ones(1), out)
    assert np.isinf(out[0, 3])


@EVERY
@given(rows(), st.integers(1, 50))
def test_leading_units(block: NDArray[np.floating], count: int) -> None:
    """Mean of the leading values in their precision, power of 2 above their deviation."""
    pivot, inverse = np.full(len(block), np.nan), np.full(len(block), np.nan)
    slices.leading_units(block, count, pivot, inverse)
    leading = block[:, :count].astype(np.float64)
    assert_array_equal(pivot, pivot.astype(block.dtype))
    eps = float(np.finfo(block.dtype).eps)
    assert_allclose(pivot, leading.mean(axis=1), rtol=eps, atol=1e-12 * np.abs(leading).max())
    spread = np.sqrt(np.square(leading - pivot[:, None]).mean(axis=1))
    assert_array_equal(np.frexp(inverse)[0], 0.5)
    wide = spread > 1e-30
    ratio = (spread * inverse)[wide]
    assert np.all((ratio > 0.5 - 1e-9) & (ratio < 1.0 + 1e-9))
    assert_array_equal(inverse[spread == 0.0], 1.0)


@EVERY
@given(rows(largest=300), st.floats(-3, 3), st.floats(0.05, 20))
def test_bucket_sort(block: NDArray[np.floating], loc: float, scale: float) -> None:
    """Rows that are done are sorted, ties and all; with a fitting scale most are done."""
    out, done = np.full_like(block, np.nan), np.zeros(len(block), bool)
    slices.bucket_sort(block, np.full(len(block), loc), np.full(len(block), scale), out, done)
    assert_array_equal(out[done], np.sort(block, axis=1)[done])
    assert np.isnan(out[~done]).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bucket_sort_of_samples(dtype: type) -> None:
    """Samples of usual laws are sorted here, repeated and hugely spread values elsewhere."""
    rng = np.random.default_rng(0)
    n = 3000
    usual = np.stack(
        [rng.standard_normal(n), rng.random(n), rng.exponential(size=n), rng.standard_t(4, n)]
    ).astype(dtype)
    odd = np.stack([np.round(rng.standard_normal(n)), np.repeat([0.0, 1e9], [n - 1, 1])])
    for block, wanted in ((usual, True), (odd.astype(dtype), False)):
        out, done = np.empty_like(block), np.empty(len(block), bool)
        slices.bucket_sort(block, block.mean(axis=1), block.std(axis=1), out, done)
        assert_array_equal(done, wanted)
        assert_array_equal(out[done], np.sort(block, axis=1)[done])


def test_bucket_sort_stays_within_its_memory() -> None:
    """Infinite and missing values, and a scale of nothing, have buckets too."""
    block = np.array([[np.nan, np.inf, -np.inf, 1.0, 0.0, -1.0, 1e308, -1e308]])
    for scale in (1.0, 1e-320, 1e308):
        out, done = np.zeros_like(block), np.zeros(1, bool)
        slices.bucket_sort(block, np.zeros(1), np.full(1, scale), out, done)
        assert not done[0] or np.isnan(out).sum() == 1


@EVERY
@given(rows())
def test_extreme_values(block: NDArray[np.floating]) -> None:
    """Smallest and largest, exactly."""
    out = np.full((len(block), 2), np.nan)
    slices.extreme_values(block, out)
    assert_array_equal(out, np.stack([block.min(axis=1), block.max(axis=1)], axis=1))


@EVERY
@given(st.integers(1, 2100), st.lists(st.integers(0, 6), min_size=1, max_size=9))
def test_pick_columns(n: int, columns: list[int]) -> None:
    """Any columns in any order, from C and Fortran order."""
    x = np.random.default_rng(n).standard_normal((n, 7))
    for given_x in (x, np.asfortranarray(x)):
        out = np.full((len(columns), n), np.nan)
        slices.pick_columns(given_x, np.array(columns), out)
        assert_array_equal(out, x[:, columns].T)


def test_logarithms_change_no_other_column() -> None:
    """A statistic does not depend on which others are asked for."""
    block = np.sort(np.random.default_rng(2).standard_normal((3, 2500)), axis=1)
    both = np.empty((2, 3, 5))
    for out, logs in zip(both, (False, True), strict=True):
        slices.edf_sums(block, np.zeros(3), np.ones(3), logs, out)
    assert_array_equal(both[0, :, :4], both[1, :, :4])


@EVERY
@given(rows(), st.floats(-5, 5), st.floats(0.1, 10), st.booleans())
def test_edf_sums(block: NDArray[np.floating], loc: float, scale: float, logs: bool) -> None:
    """All five columns, from the far tails on; the logarithms only when asked for."""
    block = np.sort(block, axis=1)
    out = np.full((len(block), 5), np.nan)
    slices.edf_sums(block, np.full(len(block), loc), np.full(len(block), scale), logs, out)
    exact = np.array([twins.edf_sums(row, loc, scale) for row in block])
    assert_allclose(out[:, :4], exact[:, :4], rtol=1e-11, atol=1e-13)
    assert_allclose(out[:, 4], exact[:, 4] if logs else 0.0, rtol=1e-12)


@EVERY
@given(rows(), st.floats(-5, 5))
def test_weighted_sums(block: NDArray[np.floating], loc: float) -> None:
    """Each row against one vector of weights."""
    weights = np.random.default_rng(3).standard_normal(block.shape[1])
    out = np.empty(len(block))
    slices.weighted_sums(block, np.full(len(block), loc), weights, out)
    wide = block.astype(np.float64) - loc
    assert np.all(np.abs(out - wide @ weights) <= 1e-13 * (np.abs(wide) @ np.abs(weights)) + 1e-300)


@EVERY
@given(rows(), st.integers(1, 19))
def test_spacing_sums(block: NDArray[np.floating], window: int) -> None:
    """Any window below n / 2; ties over a window give -inf."""
    block = np.sort(block, axis=1)
    window = min(window, (block.shape[1] - 1) // 2)
    out = np.empty(len(block))
    slices.spacing_sums(block, window, out)
    exact = [twins.spacing_mean(row, window) for row in block]
    assert_allclose(out, exact, rtol=1e-12, atol=1e-12)


@EVERY
@given(rows(), st.integers(1, 10))
def test_harmonic_sums(block: NDArray[np.floating], fours: int) -> None:
    """All harmonics of angles within [-pi, pi], four at a time; what is beyond stays 0."""
    row, nodes = block[0], 4 * fours
    low, high = float(row.min()), float(row.max())
    loc, scale = 0.5 * (low + high), 2.0 * np.pi / max(high - low, 1e-3)
    out = np.full((2, nodes + 3), np.nan)
    charfun.harmonic_sums(row, loc, scale * (1.0 - 1e-12), nodes, out)
    exact = twins.harmonic_sums(row, loc, scale * (1.0 - 1e-12), nodes)
    # The recurrence loses as much as j^2 eps next to angle 0.
    assert_allclose(out[:, :nodes], exact, atol=len(row) * 40**2 * EPS)
    assert_array_equal(out[:, nodes:], 0.0)


# Epps-Pulley


@EVERY
@given(rows(), st.floats(-3, 3), st.floats(0.5, 4))
def test_epps_pulley(block: NDArray[np.floating], loc: float, scale: float) -> None:
    """Cells take any spread; one period takes what its nodes can carry."""
    row = np.sort(block[0])
    z = (row.astype(np.float64) - loc) / scale
    exact = twins.epps_pulley(z)
    bound = 2e-10 * len(z) + 1e-11
    assert abs(charfun.epps_pulley_sum_wide(row, loc, scale) - exact) < bound
    if np.abs(z).max() < 1e3:
        value = charfun.epps_pulley_sum(row, loc, scale, z[0], z[-1])
        assert abs(value - exact) < bound


def cluster(distance: float, n: int, centre: float = 0.0) -> NDArray[np.float64]:
    """Two tight halves of a sample, `distance` apart."""
    sides = np.where(np.arange(n) % 2, 0.5, -0.5) * distance
    return sides + 0.01 * np.random.default_rng(n).standard_normal(n) + centre


def outlier(n: int, where: float) -> NDArray[np.float64]:
    """Draw a normal sample but for one value."""
    z = np.random.default_rng(n).standard_normal(n)
    z[0] = where
    return z


def test_epps_pulley_of_blocks() -> None:
    """Rows of a block one by one, but for those to be skipped."""
    block = np.random.default_rng(1).standard_normal((4, 90)) + 2.0
    loc, scale = block.mean(axis=1), block.std(axis=1)
    z = (block - loc[:, None]) / scale[:, None]
    skip = np.array([False, True, False, False])
    out = np.full(4, np.nan)
    charfun.epps_pulley_sums(block, loc, scale, z.min(axis=1), z.max(axis=1), skip, out)
    assert np.isnan(out[1])
    assert_allclose(out[~skip], [twins.epps_pulley(row) for row in z[~skip]], rtol=1e-9)


SHAPES = {
    "normal": outlier(200, 0.0),
    "normal of 8": outlier(8, 0.0),
    "spread 39.9": np.linspace(-39.9 / 2, 39.9 / 2, 200),
    "spread 40": np.linspace(-20.0, 20.0, 200),
    "spread 40.1": np.linspace(-40.1 / 2, 40.1 / 2, 200),
    "spread 400": np.linspace(-200.0, 200.0, 500),
    "shifted": outlier(100, 0.0) + 35.0,
    "outlier": outlier(300, 1e6),
    "outlier far below": outlier(300, -1e15),
    "outlier of 8": outlier(8, 1e6),
    "equal": np.full(20, 0.3),
    "equal and far": np.full(20, 55.5),
    "equal on a boundary": np.full(20, 48.0),
    "on boundaries": np.repeat(8.0 * np.arange(-6, 7), 3),
    **{
        f"clusters {gap} at {centre}": cluster(gap, n, centre)
        for gap in (4.0, 7.9, 8.0, 8.1, 16.0)
        for centre in (0.0, 50.0)
        for n in (8, 101)
    },
}


@pytest.mark.parametrize("name", SHAPES)
def test_epps_pulley_shapes(name: str) -> None:
    """Both algorithms agree with the closed form, so there is no jump between them."""
    z = np.sort(SHAPES[name])
    exact = twins.epps_pulley(z)
    cells = charfun.epps_pulley_sum_wide(z, 0.0, 1.0)
    assert abs(cells - exact) < 2e-10 * len(z) + 1e-11
    if np.ptp(z) < 1e4:
        periodic = charfun.epps_pulley_sum(z, 0.0, 1.0, z[0], z[-1])
        assert abs(periodic - exact) < 2e-10 * len(z) + 1e-11


def test_epps_pulley_null_accuracy() -> None:
    """A null value is good to 1e-9 of it, as the statistic's docstring says."""
    for seed in range(20):
        z = np.sort(np.random.default_rng(seed).standard_normal(500))
        value = charfun.epps_pulley_sum(z, 0.0, 1.0, z[0], z[-1])
        assert_allclose(value, twins.epps_pulley(z), rtol=1e-9)


# The unit cube


@EVERY
@given(
    st.integers(1, 11),
    st.integers(1, 20),
    st.integers(1, 40),
    st.integers(-25, 25),
    st.integers(0, 2**32),
)
def test_centred(d: int, m: int, count: int, first: int, seed: int) -> None:
    """Any number of columns and any offset of the pairs, also with coordinates of exactly 0."""
    rng = np.random.default_rng(seed)
    left, right = rng.random((d, m)) - 0.5, rng.random((d, count)) - 0.5
    left[rng.random(left.shape) < 0.1] = 0.0
    right[rng.random(right.shape) < 0.1] = 0.0
    signed = np.concatenate([np.maximum(right, 0.0), np.maximum(-right, 0.0)])
    exact = twins.centred_products(left.T, right.T, first)
    assert_allclose(cube.centred(left, signed, first), exact, rtol=1e-13)


# Tiles


def folded(name: str, tile: tuple[np.ndarray, ...], diagonal: bool) -> float:
    """Fold a tile and a tile of ones with one kernel."""
    gram, left, right = tile
    shared = np.ones_like(gram) * 0.5
    constants = np.array([0.3, -0.2, 0.7, 0.1, 0.4])
    return float(getattr(pairs, name)(gram, shared, left, right, diagonal, constants))


def folded_twin(name: str, tile: tuple[np.ndarray, ...], diagonal: bool) -> tuple[float, float]:
    """Give the sum from the definition, and that of absolute values."""
    g, left, right = (part.astype(np.float64) for part in tile)
    a, b, c, e, f = 0.3, -0.2, 0.7, 0.1, 0.4
    added, apart = left[:, None] + right, left[:, None] + right - 2 * g
    cosine = g / np.sqrt(np.maximum(left[:, None] * right, 1e-60))
    values = {
        "mass": np.full_like(g, 0.5),
        "inner": 0.5 * g,
        "norms": 0.5 * left[:, None] * right,
        "quartic": np.polyval([a, b, c, e, f], g),
        "cosine_quartic": np.polyval([a, b, c, e, f], cosine),
        "visagie": 0.5 * (a * g + b * (added + 2 * g) + c),
        "laplacian": 0.5
        * (left[:, None] * right - added * (a * apart + b) + (c * apart + e) * apart + f),
        "stein": (1 + a * np.maximum(apart, 0)) ** -0.5
        * (
            g
            - a / (1 + a * np.maximum(apart, 0)) * (np.maximum(apart, 0) - b)
            - 3 * a**2 * np.maximum(apart, 0) / (1 + a * np.maximum(apart, 0)) ** 2
        ),
    }[name]
    kept = np.triu(values, 1) if diagonal else values
    return float(kept.sum()), float(np.abs(kept).sum())


@EVERY
@given(
    st.sampled_from(
        ["mass", "inner", "norms", "quartic", "cosine_quartic", "visagie", "laplacian", "stein"]
    ),
    st.integers(1, 150),
    st.integers(1, 300),
    st.integers(1, 20),
    st.integers(0, 2**32),
)
def test_folds_of_tiles(name: str, j: int, k: int, d: int, seed: int) -> None:
    """Whole tiles and the upper triangle of diagonal ones, in both precisions."""
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((j, d)) * rng.choice([0.1, 1.0, 3.0])
    for right, diagonal in ((rng.standard_normal((k, d)), False), (left, True)):
        tile = (left @ right.T, np.square(left).sum(axis=1), np.square(right).sum(axis=1))
        exact, size = folded_twin(name, tile, diagonal)
        assert abs(folded(name, tile, diagonal) - exact) <= 1e-12 * size + 1e-300
        small = tuple(part.astype(np.float32) for part in tile)
        exact, size = folded_twin(name, small, diagonal)
        norms = 1.0 + float(small[1].max()) * float(small[2].max())
        assert abs(folded(name, small, diagonal) - exact) <= 1e-5 * (size + norms * j * k * 0.1)


@EVERY
@given(
    st.sampled_from(["near", "far", "distance"]),
    st.integers(1, 150),
    st.integers(1, 300),
    st.integers(1, 20),
    st.integers(0, 2**32),
)
def test_shared_tiles(name: str, j: int, k: int, d: int, seed: int) -> None:
    """Exponentials and distances, and their sums; 0.05 is the rate, 2 the shift of "far"."""
    rng = np.random.default_rng(seed)
    left = rng.standard_normal((j, d)) * rng.choice([0.1, 0.5, 1.0])
    for right, diagonal in ((rng.standard_normal((k, d)), False), (left, True)):
        gram, a, b = left @ right.T, np.square(left).sum(axis=1), np.square(right).sum(axis=1)
        added = a[:, None] + b
        exact = {
            "near": np.exp(-0.05 * np.maximum(added - 2 * gram, 0)),
            "far": np.exp(0.05 * (added + 2 * gram) - 2.0),
            "distance": np.sqrt(np.maximum(added - 2 * gram, 0)),
        }[name]
        here = np.triu(np.ones_like(gram), 1).astype(bool) if diagonal else np.ones_like(gram, bool)
        for kind, rtol in ((np.float64, 1e-12), (np.float32, 2e-5)):
            out = np.zeros(gram.shape, kind)
            small = (part.astype(kind) for part in (gram, a, b))
            small = tuple(small)
            total = getattr(pairs, name)(*small, diagonal, 0.05, 2.0, True, out)
            near = 0.0 if kind == np.float64 else 2e-3 * np.sqrt(1.0 + added.max())
            atol = max(near if name == "distance" else 0.0, 1e-7)
            assert_allclose(out[here], exact[here], rtol=rtol, atol=atol)
            assert_allclose(total, out[here].sum(dtype=np.float64), rtol=1e-5, atol=1e-30)
            untouched = np.full(gram.shape, np.nan, kind)
            again = getattr(pairs, name)(*small, diagonal, 0.05, 2.0, False, untouched)
            assert_allclose(again, total, rtol=1e-6 if kind == np.float32 else 1e-14)
            assert np.isnan(untouched).all()
