"""The certificate of the smoothed divergence: sums, kernels, bounds and what they refuse."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import integrate, stats
from scipy.special import logsumexp

from dmtest import bounds
from dmtest.engines.chi2 import Band, box_pair_means, normal_pair_means, partners_of
from dmtest.information import mixtures
from dmtest.information.certificate import HEAVY, smoothed_kl_bounds, upper_part
from dmtest.information.columns import column_part, smoothed_column_bounds
from dmtest.information.mixtures import normal_forms
from dmtest.information.moments import normal_part
from dmtest.information.resolution import (
    COARSEST,
    RESOLUTION,
    default_noise,
    resolution_of,
    resolvable_noise,
)
from dmtest.runtime.typing import Vector


def normal(n: int, d: int, seed: int = 0) -> Vector:
    """Draw from N(0, I)."""
    return np.random.default_rng(seed).standard_normal((n, d))


# Sums over pairs


def all_pairs(x: Vector, near: float, intercepts: Vector, slopes: Vector) -> Vector:
    """Every exp(F - near D), from definitions: (kernels, n, n), 0 on the diagonal."""
    together = np.square(x[:, None] + x[None]).sum(axis=2)
    apart = np.square(x[:, None] - x[None]).sum(axis=2)
    parts = intercepts[:, :, None, None] + slopes[:, :, None, None] * together
    kernel = np.exp(parts.min(axis=1) - near * apart)
    kernel[:, np.arange(len(x)), np.arange(len(x))] = 0.0
    return np.asarray(kernel)


FORMS = np.array([[0.3, 1.0, 2.0], [0.2, 0.9, 5.0]]), np.array([[0.1, 0.05, 0.01], [0.1, 0.05, 0]])


@pytest.mark.parametrize(("n", "d", "scale"), [(8, 1, 1.0), (300, 3, 1.5), (513, 2, 0.0)])
def test_means_over_all_pairs(n: int, d: int, scale: float) -> None:
    x = scale * normal(n, d)
    found = normal_pair_means(x, 0.7, *FORMS)
    twin = all_pairs(x, 0.7, *FORMS)
    assert found.partners == n - 1
    assert_allclose(found.means, twin.sum(axis=2) / (n - 1), rtol=1e-12)
    assert_allclose(found.squares, np.square(twin).sum(axis=(1, 2)) / (n * (n - 1)), rtol=1e-12)


def test_exponents_beyond_the_range_of_floats_are_shifted() -> None:
    x = np.ones((300, 2))
    intercepts, slopes = np.array([[900.0, 1200.0]]), np.zeros((1, 2))
    found = normal_pair_means(x, 1.0, intercepts, slopes)
    assert_allclose(np.log(found.means) + found.shift, 900.0)
    assert_allclose(np.log(found.squares) + 2.0 * found.shift, 1800.0)


@pytest.mark.parametrize(("n", "pairs"), [(1200, 150_000), (700, 10**9), (900, 1)])
def test_a_band_gives_every_row_about_the_same_partners(n: int, pairs: int) -> None:
    band = Band(n, pairs)
    degrees = band.degrees()
    seen = {(min(i, j), max(i, j)) for i in range(len(band.parts)) for j in band.partners(i)}
    assert len(seen) == sum(len(band.partners(i)) for i in range(len(band.parts)))
    assert degrees.max() - degrees.min() <= 2 * (2 * band.reach + 1)
    assert 0.5 * degrees.sum() >= min(pairs, n * (n - 1) / 2)
    assert partners_of(n, pairs) <= degrees.mean()
    x = normal(n, 2)
    found = normal_pair_means(x, 0.7, *FORMS, pairs=pairs)
    mask = np.zeros((n, n), dtype=bool)
    for i, j in seen:
        mask[band.parts[i], band.parts[j]] = mask[band.parts[j], band.parts[i]] = True
    twin = all_pairs(x, 0.7, FORMS[0][:1], FORMS[1][:1])[0] * mask
    assert_allclose(found.means[0], twin.sum(axis=1) / degrees, rtol=1e-11)


# Kernels


@pytest.mark.parametrize("s", [0.3, 1.0, 2.0])
def test_the_clipped_kernel_bounds_that_of_a_mixture(s: float) -> None:
    """In one dimension, by the trapezoid rule: the integral over m is at most the form."""
    x = np.array([[-4.0], [0.0], [0.5], [3.0], [9.0]])
    intercepts, slopes, prices = normal_forms(x, s)
    v = 1.0 + s * s
    variances = v * np.array([1.0, *mixtures.FACTORS])
    y = np.linspace(-40.0, 40.0, 8001)
    near = stats.norm.pdf(y, x, s)
    log_q = stats.norm.logpdf(y, scale=np.sqrt(v))
    for form, share in enumerate(mixtures.SHARES):
        wide = share / len(mixtures.FACTORS)
        weights = np.array([1.0 - share, *[wide] * len(mixtures.FACTORS)])
        log_m = logsumexp(
            stats.norm.logpdf(y, scale=np.sqrt(variances[:, None])), b=weights[:, None], axis=0
        )
        price = (near * (log_m - log_q)).sum(axis=1) * (y[1] - y[0])
        assert (price <= prices[form] + 1e-9).all()
        exact = near @ (near / np.exp(log_m)).T * (y[1] - y[0])
        together, apart = np.square(x + x.T), np.square(x - x.T)
        parts = intercepts[form][:, None, None] + slopes[form][:, None, None] * together
        found = np.exp(parts.min(axis=0) - 0.25 * apart / s**2)
        assert (exact <= found * (1.0 + 1e-9) + 1e-300).all()
        plain = np.asarray(bounds.gaussian_chi2_kernel(x[None], x[:, None], s))
        assert (found <= plain / weights[0] * (1.0 + 1e-9)).all()
        assert found[-1, -1] < 0.9 * plain[-1, -1] / weights[0], "the largest is clipped"


@pytest.mark.parametrize("e", [0.2, 0.5, 0.8])
def test_the_kernel_of_the_cube_is_the_integral_over_its_mixture(e: float) -> None:
    x = np.array([[0.0], [0.03], [0.4], [0.9], [1.0]])
    low, high, scale = mixtures.box_ends(x, e)
    prices = mixtures.box_price(x, e)
    share = mixtures.BOX_SHARE

    def trapezoid(y: float) -> float:
        return max(min(y + e, 1.0) - max(y - e, 0.0), 1e-300) / (2.0 * e)

    def mixture(y: float) -> float:
        return (1.0 - share) * trapezoid(y) + share / (1.0 + 2.0 * e)

    kinks = [e, 1.0 - e]
    for i, a in enumerate(x[:, 0]):
        inside = [k for k in kinks if a - e < k < a + e] or None
        price = integrate.quad(
            lambda y: np.log(mixture(y) / trapezoid(y)) / (2.0 * e), a - e, a + e, points=inside
        )[0]
        assert_allclose(prices[i], price, rtol=1e-5, atol=1e-7)
        for j, b in enumerate(x[:, 0]):
            ends = max(a, b) - e, min(a, b) + e
            found = scale * max(0.0, min(high[i, 0], high[j, 0]) - max(low[i, 0], low[j, 0]))
            if ends[1] <= ends[0]:
                assert found == 0.0
                continue
            inside = [k for k in kinks if ends[0] < k < ends[1]] or None
            exact = integrate.quad(lambda y: 1.0 / mixture(y), *ends, points=inside, limit=200)[0]
            assert_allclose(found, exact / (4.0 * e * e), rtol=1e-6)
    pairs = box_pair_means(np.repeat(low, 2, axis=1), np.repeat(high, 2, axis=1), scale)
    one = scale * np.maximum(0.0, np.minimum(high, high.T) - np.maximum(low, low.T))
    np.fill_diagonal(one, 0.0)
    assert_allclose(pairs.means[0], np.square(one).sum(axis=1) / 4.0, rtol=1e-12)


def test_the_default_noise_is_that_of_the_closed_form() -> None:
    for n, d, noise in ((10_000, 8, 0.49), (10_000, 64, 1.35), (10_000, 256, 2.1)):
        v = (1.0 - (0.01 * n / np.sqrt(2.0)) ** (-2.0 / d)) ** -0.5
        assert_allclose(default_noise(n, d), np.sqrt(v - 1.0), rtol=1e-3)
        assert abs(default_noise(n, d) - noise) < 0.05
        assert_allclose(resolution_of(n, d, default_noise(n, d)), RESOLUTION)
        assert_allclose(resolution_of(n, d, resolvable_noise(n, d)), COARSEST)
    for kind in ("gaussian", "uniform"):
        sizes = [100, 1000, 10_000, 100_000]
        noises = [resolvable_noise(n, 16, kind) for n in sizes]
        assert noises == sorted(noises, reverse=True)
        assert_allclose(resolution_of(1000, 16, noises[1], kind), COARSEST, rtol=1e-3)


# Bounds


@pytest.mark.parametrize(("d", "noise"), [(8, 0.5), (64, 1.35)])
def test_a_match_is_certified(d: int, noise: float) -> None:
    found = smoothed_kl_bounds(normal(10_000, d), noise, 0.05)
    assert found.lower == 0.0
    assert found.upper < 0.04
    assert found.method == "pairs"


@pytest.mark.parametrize(
    ("name", "floor"), [("dead", 0.0), ("one point", 0.9), ("signs", 0.0), ("half", 0.9)]
)
def test_departures_are_between_their_bounds(name: str, floor: float) -> None:
    """Truths in closed form; the lower bound is within `floor` of what moments show."""
    x, noise = normal(4000, 16, 3), 1.0
    dead = float(bounds.dead_coordinate(noise))
    truth = dead
    if name == "dead":
        x[:, 0] = 0.0
    elif name == "one point":
        x[:], truth = 0.0, 16 * dead
    elif name == "signs":
        x, truth = np.sign(x), 16 * float(bounds.two_valued_coordinate(noise))
    else:
        x, ratio = 0.5 * x, 1.25 / 2.0
        truth = 8.0 * (ratio - 1.0 - np.log(ratio))
    found = smoothed_kl_bounds(x, noise, 0.01)
    assert found.lower <= truth <= found.upper
    assert found.lower >= floor * truth
    assert found.below - 1e-9 <= truth + 0.02
    assert found.above >= truth - 0.02


@pytest.mark.parametrize(("scale", "d"), [(0.5, 16), (0.001, 64)])
def test_fewer_rows_never_make_a_certificate_easier(scale: float, d: int) -> None:
    """At the same noise the bound falls with the rows, to a truth that is far from 0."""
    noise = 2.0
    ratio = (scale**2 + noise**2) / (1.0 + noise**2)
    truth = 0.5 * d * (ratio - 1.0 - np.log(ratio))
    sizes = [100, 250, 500, 1000, 4000]
    x = scale * normal(sizes[-1], d, 1)
    upper = [smoothed_kl_bounds(x[:n], noise, 0.05).upper for n in sizes]
    assert np.isinf(upper[0])
    assert all(a >= b for a, b in pairwise(upper))
    assert upper[-1] >= truth > 0.05


def test_what_gets_no_upper_bound() -> None:
    x = normal(2000, 16)
    small = smoothed_kl_bounds(x, 0.1, 0.05)
    assert np.isinf(small.upper)
    assert f"resolve noise from {small.resolvable:.3g} on" in small.why
    assert small.resolvable > 0.1
    outlier = x.copy()
    outlier[0] *= 300.0
    assert smoothed_kl_bounds(outlier, 2.0, 0.05).why == HEAVY
    assert "200 rows" in smoothed_kl_bounds(x[:150], 2.0, 0.05).why
    for one in (small, smoothed_kl_bounds(x[:9], 2.0, 0.05)):
        assert one.lower == 0.0
        assert one.estimate is None


def test_repeated_rows_and_order_do_not_matter() -> None:
    x = normal(800, 5)
    one, other = (smoothed_kl_bounds(rows, 1.0, 0.05) for rows in (x, x[::-1].copy()))
    assert_allclose(one.above, other.above, rtol=1e-9)
    # Each row eight times: as if the law had atoms.
    copies = smoothed_kl_bounds(np.repeat(x[:100], 8, axis=0), 1.0, 0.05)
    assert copies.above > one.above + 0.05


def test_the_upper_estimate_does_not_depend_on_the_rows() -> None:
    rng = np.random.default_rng(4)
    x = 12**0.5 * (rng.random((8000, 4)) - 0.5)
    whole, parts = (
        upper_part(x, 0.5, "gaussian"),
        [upper_part(part, 0.5, "gaussian").value for part in np.split(x, 8)],
    )
    error = np.std(parts, ddof=1) / np.sqrt(8)
    assert abs(np.mean(parts) - whole.value) < 4.0 * error + 0.005


def test_the_moments_give_the_lower_bound() -> None:
    x, s = 1.5 * normal(3000, 3, 2) + [0.5, 0.0, 0.0], 0.7
    part = normal_part(x, s)
    covariance = np.cov(x.T, bias=True) + s * s * np.eye(3)
    v, m = 1.0 + s * s, x.mean(axis=0)
    exact = 0.5 * (np.trace(covariance) / v - 3 + m @ m / v - np.linalg.slogdet(covariance / v)[1])
    assert_allclose(part.value, exact)
    # The influence is the derivative: of the value without row i.
    without = normal_part(np.delete(x, 7, axis=0), s).value
    own = part.influence[7] - part.influence.mean()
    assert_allclose(without - part.value, -own / 2999, rtol=0.02)
    # The bias of a sample of the target: (d + d (d + 1) / 2 / v^2 ...) / n is removed on average.
    values = [normal_part(normal(200, 3, seed), s) for seed in range(200)]
    left = np.array([one.value - one.bias for one in values])
    assert abs(left.mean()) < 4.0 * left.std() / np.sqrt(200)
    assert_allclose(np.mean([one.spread for one in values]), left.std(), rtol=0.25)


def test_the_moments_of_columns_of_very_different_scales() -> None:
    """As of three real columns of sentence embeddings, whose values are about 1e-33."""
    scales = np.array([1e-33, 1e-8, 1.0, 1e6])
    plain = normal(400, 4, 3) @ (np.eye(4) + 0.3)
    part, same = normal_part(plain * scales, 0.0), normal_part(plain, 0.0)
    # Only the mean, the trace and the logarithms of the scales change.
    mean, variances = plain.mean(axis=0), plain.var(axis=0)
    change = 0.5 * ((scales**2 - 1.0) * (mean**2 + variances) - 2.0 * np.log(scales)).sum()
    assert_allclose(part.value, same.value + change, rtol=1e-12)
    assert np.isfinite(part.influence).all()
    assert np.isfinite([part.bias, part.spread, part.skewness]).all()


def test_the_cube() -> None:
    rng = np.random.default_rng(0)
    even = smoothed_kl_bounds(rng.random((3000, 4)), 0.3, 0.025, kind="uniform")
    assert even.lower == 0.0
    assert even.upper < 0.02
    bent = smoothed_kl_bounds(rng.beta(2, 2, (3000, 4)), 0.3, 0.025, kind="uniform")
    assert 0.1 < bent.lower < bent.upper < 0.5
    x = rng.random((3000, 4))
    x[rng.random((3000, 4)) < 0.1] = 0.0
    ends = smoothed_kl_bounds(x, 0.3, 0.025, kind="uniform")
    assert 0.02 < ends.lower < ends.upper < np.inf


# Columns


def test_a_smoothed_column_is_the_quadrature_of_its_mixture() -> None:
    """Of five rows, whose mixture of normals is known."""
    x, s = np.array([-2.0, -0.3, 0.1, 0.4, 5.0]), 0.3

    def term(y: float) -> float:
        p = stats.norm.pdf(y, x, s).mean()
        return float(p * (np.log(p) - stats.norm.logpdf(y, scale=np.sqrt(1.0 + s * s))))

    exact = integrate.quad(term, -6.0, 9.0, limit=400, points=list(x))[0]
    assert_allclose(column_part(x, s, "gaussian").value, exact, rtol=1e-7)


def test_yardsticks_of_columns() -> None:
    x = np.stack([np.zeros(5000), np.tile([-1.0, 1.0], 2500), 1e6 * normal(5000, 1)[:, 0]], axis=1)
    found = smoothed_column_bounds(x, 0.3, 0.01)
    truth = np.array([float(bounds.dead_coordinate(0.3)), float(bounds.two_valued_coordinate(0.3))])
    assert (found.lower[:2] <= truth).all()
    assert (truth <= found.upper[:2]).all()
    assert_allclose(found.estimate[:2], truth, atol=0.002)
    assert found.upper[2] > 1e11


def test_columns_cover() -> None:
    """One-sided bounds at 95%: of the uniform law, with its truth by quadrature, and of a match."""
    rng, s = np.random.default_rng(7), 0.3
    x = 12**0.5 * (rng.random((1000, 200)) - 0.5)
    half = 3**0.5
    y = np.linspace(-5.0, 5.0, 4001)
    p = (stats.norm.cdf((y + half) / s) - stats.norm.cdf((y - half) / s)) / (2.0 * half)
    log_q = stats.norm.logpdf(y, scale=np.sqrt(1.0 + s * s))
    with np.errstate(divide="ignore", invalid="ignore"):
        truth = np.nansum(np.where(p > 0.0, p * (np.log(p) - log_q), 0.0)) * (y[1] - y[0])
    found = smoothed_column_bounds(x, s, 0.05)
    # 180 of 200: 3 standard errors below 190.
    assert (found.lower <= truth).sum() >= 180
    assert (found.upper >= truth).sum() >= 180
    assert (found.lower >= truth).sum() + (found.upper <= truth).sum() > 0
    match = smoothed_column_bounds(rng.standard_normal((1000, 200)), s, 0.05)
    assert (match.lower > 0.0).sum() <= 19
    assert match.upper.max() < 0.05
