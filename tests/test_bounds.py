"""Bounds of the paper: closed forms, domains, equality cases and errata by simulation."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

import dmtest
from dmtest import bounds
from tests.support.calls import refused

DIMENSIONS = st.integers(1, 512)
NOISES = st.floats(1e-3, 1e3)


@given(DIMENSIONS, NOISES)
def test_closed_forms(d: int, s: float) -> None:
    assert bounds.gaussian_capacity(d, s) == pytest.approx(
        0.5 * d * np.log((1 + s * s) / (s * s)), rel=1e-10
    )
    assert bounds.uniform_capacity(d, s) == pytest.approx(
        d * np.log((1 + 2 * s) / (2 * s)), rel=1e-10
    )
    assert bounds.gaussian_smoothed_kl_bound(0.3, d, s, 1.5 * d) == pytest.approx(
        bounds.gaussian_capacity(d, s) - 0.3 + 0.25 * d / (1 + s * s), rel=1e-12, abs=1e-12
    )
    assert bounds.gaussian_kl_bound(2.0, 0.5, d, s) == pytest.approx(1.5 - d * np.log(s), rel=1e-12)
    assert bounds.uniform_kl_bound(2.0, 0.5, d, s) == pytest.approx(1.5 - d * np.log(2 * s), 1e-12)


@given(DIMENSIONS, NOISES)
def test_inverses(d: int, s: float) -> None:
    capacity = bounds.gaussian_capacity(d, s)
    assert bounds.sigma_for_capacity(capacity, d) == pytest.approx(s, rel=1e-9)
    assert bounds.epsilon_for_capacity(bounds.uniform_capacity(d, s), d) == pytest.approx(s, 1e-9)


def test_extremes_neither_overflow_nor_cancel() -> None:
    assert bounds.gaussian_capacity(1, 1e-200) == pytest.approx(200 * np.log(10), rel=1e-12)
    assert bounds.gaussian_capacity(1, 1e9) == pytest.approx(0.5e-18, rel=1e-12)
    assert bounds.sigma_for_capacity(500.0, 1) == pytest.approx(np.exp(-500.0), rel=1e-12)
    assert bounds.epsilon_for_capacity(1e-9, 1) == pytest.approx(0.5e9, rel=1e-8)


def test_arguments_broadcast() -> None:
    out = bounds.gaussian_capacity([1, 2, 4], np.array([[0.5], [1.0]]))
    assert isinstance(out, np.ndarray)
    assert out.shape == (2, 3)
    assert isinstance(bounds.gaussian_capacity(2, 1.0), float)


def test_uniform_information_is_continuous_and_below_capacity() -> None:
    e = np.linspace(0.01, 3.0, 500)
    information = np.asarray(bounds.uniform_information(3, e))
    assert (information <= np.asarray(bounds.uniform_capacity(3, e))).all()
    assert (np.diff(information) < 0).all()
    assert bounds.uniform_information(1, 0.5) == pytest.approx(0.5, rel=1e-14)
    assert bounds.uniform_information(1, np.nextafter(0.5, 1)) == pytest.approx(0.5, rel=1e-12)


@pytest.mark.parametrize("epsilon", [0.1, 0.3, 0.5, 0.8, 2.0])
def test_uniform_information_is_the_entropy_of_the_trapezoid_less_the_noise_s(
    epsilon: float,
) -> None:
    def density(y: float) -> float:
        return max(0.0, min(y + epsilon, 1.0) - max(y - epsilon, 0.0)) / (2 * epsilon)

    edges = sorted({-epsilon, epsilon, 1 - epsilon, 1 + epsilon})
    entropy = sum(integrate.quad(lambda y: _plogp(density(y)), a, b)[0] for a, b in pairwise(edges))
    expected = entropy - np.log(2 * epsilon)
    assert bounds.uniform_information(1, epsilon) == pytest.approx(expected, abs=1e-7)
    # Erratum: Remark 3.6's second form lacks a factor d, and its gap is O(epsilon).
    if epsilon <= 0.5:
        gap = bounds.uniform_capacity(4, epsilon) - bounds.uniform_information(4, epsilon)
        assert gap == pytest.approx(4 * (np.log1p(2 * epsilon) - epsilon), rel=1e-12)


def _plogp(p: float) -> float:
    return -p * np.log(p) if p > 0 else 0.0


@pytest.mark.parametrize(("epsilon", "attained"), [(0.25, True), (1 / 6, True), (1 / 3, False)])
def test_theorem_35_takes_equality_on_the_grid_only_where_half_of_1_over_epsilon_is_whole(
    epsilon: float, attained: bool
) -> None:
    """Erratum: 1/epsilon = 3 is whole, but the grid {0, 2/3, ...} has no point at 1."""
    grid = np.arange(0.0, 1.0 + 1e-9, 2 * epsilon)
    weights = np.full(len(grid), 1.0 / len(grid))
    # The noisy law is piecewise constant: its entropy is a sum over the pieces.
    edges = np.unique(np.round(np.concatenate([grid - epsilon, grid + epsilon]), 12))
    middle, width = 0.5 * (edges[1:] + edges[:-1]), np.diff(edges)
    inside = np.abs(middle[:, None] - grid) <= epsilon
    density = inside @ weights / (2 * epsilon)
    entropy = sum(w * _plogp(p) for w, p in zip(width, density, strict=True))
    information = entropy - np.log(2 * epsilon)
    capacity = bounds.uniform_capacity(1, epsilon)
    assert bool(abs(information - capacity) < 1e-9) is attained
    assert information <= capacity + 1e-9


def test_theorem_34_holds_with_equality_for_a_normal_and_strictly_for_others() -> None:
    """KL by the closed form: f = N(m, v) with E f = 0, so only v = 1 is in the theorem."""
    sigma = 0.7
    for v in (0.5, 1.0, 2.0):
        information = 0.5 * np.log1p(v / sigma**2)
        smoothed = 0.5 * (
            (v + sigma**2) / (1 + sigma**2) - 1 - np.log((v + sigma**2) / (1 + sigma**2))
        )
        bound = bounds.gaussian_smoothed_kl_bound(information, 1, sigma, v)
        assert bound == pytest.approx(smoothed, rel=1e-12, abs=1e-15)
        # Lemma B.2: adding I(Z; f + Z) - d/2 log(1 + s^2) gives KL(f || N(0, 1)).
        noise = 0.5 * np.log1p(sigma**2 / v)
        kl = 0.5 * (v - 1 - np.log(v))
        assert smoothed + noise - 0.5 * np.log1p(sigma**2) == pytest.approx(
            kl - 0.5 * (v - 1) * sigma**2 / (1 + sigma**2), abs=1e-12
        )
        if v == 1.0:
            assert bounds.gaussian_kl_bound(noise, information, 1, sigma) == pytest.approx(kl)


def test_dual_critics_are_the_pointwise_information_of_perfect_encoders() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((40, 3))
    y = x + 0.6 * rng.standard_normal((40, 3))
    log_ratio = stats.norm.logpdf(y[:, None], x[None], 0.6).sum(-1) - stats.norm.logpdf(
        y, 0, np.sqrt(1.36)
    ).sum(-1, keepdims=True)
    scores = bounds.gaussian_dual_critic(x[None], y[:, None], 0.6)
    np.testing.assert_allclose(
        np.asarray(scores) + bounds.gaussian_capacity(3, 0.6), log_ratio, atol=1e-12
    )
    u = rng.random((200, 2))
    e = 0.2
    v = u + rng.uniform(-e, e, u.shape)
    found = np.asarray(bounds.uniform_dual_critic(u, v, e))
    length = np.minimum(v + e, 1) - np.maximum(v - e, 0)
    np.testing.assert_allclose(found, (-np.log(2 * e) - np.log(length / (2 * e))).sum(-1), 1e-12)
    assert bounds.uniform_dual_critic([0.1], [0.5], 0.2) == -np.inf
    assert isinstance(bounds.gaussian_dual_critic([0.0, 1.0], [1.0, 1.0], 1.0), float)


def test_the_dual_attains_capacity_for_a_normal_encoder() -> None:
    """Theorem 4.1 by simulation, with its Monte Carlo error."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((200_000, 2))
    y = x + 0.8 * rng.standard_normal(x.shape)
    joint = np.asarray(bounds.gaussian_dual_critic(x, y, 0.8))
    product = np.exp(bounds.gaussian_dual_critic(np.roll(x, 1, axis=0), y, 0.8))
    value = joint.mean() - np.log(product.mean())
    error = np.hypot(joint.std(), product.std() / product.mean()) / np.sqrt(len(x))
    assert abs(value - bounds.gaussian_capacity(2, 0.8)) < 4 * error


@pytest.mark.parametrize("s", [0.2, 1.0, 3.0])
def test_the_chi_square_kernel_of_the_normal(s: float) -> None:
    """Against its integral, and its moments under the target."""
    x, y = np.array([0.3, -1.0]), np.array([-0.7, -1.5])

    def term(t: float, a: float, b: float) -> float:
        scale = np.sqrt(1.0 + s * s)
        product = stats.norm.pdf(t, a, s) * stats.norm.pdf(t, b, s)
        return float(product / stats.norm.pdf(t, scale=scale))

    parts = [
        integrate.quad(term, -20.0, 20.0, args=pair, points=[0.5 * sum(pair)], limit=400)[0]
        for pair in zip(x, y, strict=True)
    ]
    assert bounds.gaussian_chi2_kernel(x, y, s) == pytest.approx(np.prod(parts), rel=1e-8)
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    weights = weights / weights.sum()
    kernel = np.asarray(bounds.gaussian_chi2_kernel(nodes[:, None, None], nodes[None, :, None], s))
    assert weights @ kernel @ weights == pytest.approx(1.0, rel=1e-3)
    if s >= 1.0:  # for less noise this rule does not resolve k^2
        second = weights @ kernel**2 @ weights
        assert second == pytest.approx(1.0 / (1.0 - (1.0 + s * s) ** -2), rel=1e-3)


@pytest.mark.parametrize("e", [0.1, 0.27, 0.3, 0.5, 0.52, 0.9])
def test_the_chi_square_kernel_of_the_cube_and_its_yardsticks(e: float) -> None:
    def trapezoid(t: float) -> float:
        return max(0.0, min(t + e, 1.0) - max(t - e, 0.0)) / (2.0 * e)

    def integral(f: object, low: float, high: float) -> float:
        kinks = [k for k in (e, 1.0 - e, 0.5) if low < k < high] or None
        return float(integrate.quad(f, low, high, points=kinks, limit=200)[0])

    expected = 1.0
    x, y = np.array([0.3, 0.05]), np.array([0.35, 0.2])
    for a, b in zip(x, y, strict=True):
        ends = max(a, b) - e, min(a, b) + e
        expected *= integral(lambda t: 0.25 / e**2 / trapezoid(t), *ends)
    assert bounds.uniform_chi2_kernel(x, y, e) == pytest.approx(expected, rel=1e-7)
    assert bounds.uniform_chi2_kernel([0.0, 0.5], [0.0, 0.5], e) == np.inf
    assert bounds.uniform_chi2_kernel([0.0], [1.0], 0.4) == 0.0
    assert bounds.uniform_chi2_kernel([0.0, 0.0], [0.0, 1.0], 0.4) == 0.0
    dead = integral(lambda t: np.log(0.5 / e / trapezoid(t)) / (2.0 * e), 0.5 - e, 0.5 + e)
    assert bounds.dead_coordinate(e, "uniform") == pytest.approx(dead, rel=1e-7)
    edges = np.linspace(-e, 1.0 + e, 200_001)
    t = 0.5 * (edges[1:] + edges[:-1])
    p = ((np.abs(t) <= e) * 1.0 + (np.abs(t - 1.0) <= e)) / (4.0 * e)
    q = (np.minimum(t + e, 1.0) - np.maximum(t - e, 0.0)) / (2.0 * e)
    two = float((p * np.log(np.maximum(p, 1e-300) / q)).sum() * (edges[1] - edges[0]))
    assert bounds.two_valued_coordinate(e, "uniform") == pytest.approx(two, abs=2e-5)


@pytest.mark.parametrize("e", [0.001, 0.1, 0.3, 0.7])
def test_the_uniform_dual_takes_pairs_on_the_edge_of_the_box(e: float) -> None:
    """Rows of a perfect encoder plus noise are rounded: none of them may count as impossible."""
    x = np.random.default_rng(0).random((1000, 1))
    for y in (x + e, x - e):
        assert np.isfinite(bounds.uniform_dual_critic(x, y, e)).all()
        assert np.isinf(bounds.uniform_dual_critic(x, y + 1e-9 * np.sign(y - x), e)).all()


def test_information_of_a_uniform_encoder_on_both_sides_of_one_half() -> None:
    """The entropy of the trapezoid less that of the noise, by quadrature."""
    for e in (0.3, 0.49, 0.51, 0.54, 0.6, 2.0):
        t = np.linspace(-e, 1.0 + e, 400_001)
        p = np.maximum(np.minimum(t + e, 1.0) - np.maximum(t - e, 0.0), 0.0) / (2.0 * e)
        entropy = -float((p * np.log(np.maximum(p, 1e-300))).sum() * (t[1] - t[0]))
        value = bounds.uniform_information(1, e)
        assert value == pytest.approx(entropy - np.log(2.0 * e), abs=1e-6)


def test_yardsticks_of_the_normal() -> None:
    """The values of the theory, limits, and the divergence of one point by its formula."""
    for s, value in ((0.3, 0.56), (0.5, 0.17), (1.0, 0.0097), (1.35, 0.0018)):
        assert bounds.two_valued_coordinate(s) == pytest.approx(value, rel=0.03)
        exact = np.log(np.sqrt(1.0 + s * s) / s) + 0.5 * s * s / (1.0 + s * s) - 0.5
        assert bounds.dead_coordinate(s) == pytest.approx(exact, rel=1e-12)
        assert bounds.collapse(7, s) == pytest.approx(7.0 * exact, rel=1e-12)
    noises = np.geomspace(0.05, 1e4, 200)
    for yardstick in (bounds.dead_coordinate, bounds.two_valued_coordinate):
        values = np.asarray(yardstick(noises))
        assert (values >= 0.0).all()
        assert (np.diff(values) <= 0.0).all()
    assert bounds.dead_coordinate(1e4) == pytest.approx(0.25e-16, rel=1e-6)
    assert bounds.dead_coordinate(100.0) == pytest.approx(0.25e-8, rel=1e-3)
    for s in (90.0, 101.0, 300.0):  # 1/4 - 1/3 + 3/8 - ... in powers of 1 / s^2
        inverse = s**-2.0
        series = inverse**2 * (0.25 - inverse / 3.0 + 3.0 * inverse**2 / 8.0)
        assert bounds.dead_coordinate(s) == pytest.approx(series, rel=3e-8)
    # log 2 less than a point at its own mean: two clusters that the noise does not join.
    apart = bounds.dead_coordinate(0.05) - bounds.two_valued_coordinate(0.05)
    assert apart == pytest.approx(np.log(2.0) - 0.5 / 1.0025, abs=1e-6)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: bounds.dead_coordinate(0.0), "noise: got 0.0"),
        (lambda: bounds.two_valued_coordinate(1.0, "laplace"), "kind: got 'laplace'"),
        (lambda: bounds.collapse(0, 1.0), "d: got 0"),
        (lambda: bounds.gaussian_chi2_kernel([1.0], [1.0, 2.0], 1.0), "shapes"),
        (lambda: bounds.uniform_chi2_kernel([1.5], [1.0], 1.0), "x: got"),
        (lambda: bounds.uniform_chi2_kernel([0.5, 1.5], [1.0, 0.0], 1.0), "x: got"),
        (lambda: bounds.uniform_chi2_kernel([0.5, 0.5], [-0.1, 0.5], 1.0), "y: got"),
        (lambda: bounds.gaussian_capacity(0, 1.0), "d: got 0"),
        (lambda: bounds.gaussian_capacity(1.5, 1.0), "whole number"),
        (lambda: bounds.gaussian_capacity(2, -1.0), "sigma: got -1.0"),
        (lambda: bounds.uniform_capacity(2, 0.0), "epsilon: got 0.0"),
        (lambda: bounds.gaussian_kl_bound(1.0, np.nan, 2, 1.0), "information: got nan"),
        (lambda: bounds.gaussian_smoothed_kl_bound(1.0, 2, 1.0, -3.0), "mean_square"),
        (lambda: bounds.sigma_for_capacity("a lot", 2), "capacity: got 'a lot'"),
        (lambda: bounds.gaussian_dual_critic([1.0], [1.0, 2.0], 1.0), "shapes"),
    ],
)
def test_refusals(call: object, words: str) -> None:
    assert callable(call)
    refused(words.replace("(", r"\("), call)


def test_bounds_are_a_part_of_the_package() -> None:
    assert dmtest.bounds is bounds
    assert set(bounds.__all__) <= set(dir(bounds))


# The trade-off and the errata of docs/theory.md


@pytest.mark.parametrize(("d", "sigma", "error"), [(1, 0.3, 0.1), (3, 0.1, 0.02), (8, 0.5, 0.4)])
def test_the_tradeoff_is_exact_for_normal_errors(d: int, sigma: float, error: float) -> None:
    """By determinants: f = g + e with Var f = 1 and Var e = the error, y = f + Z."""
    covariance = np.array([[1.0 - error, 1.0 - error], [1.0 - error, 1.0 + sigma**2]])
    exact = 0.5 * d * np.log(covariance[0, 0] * covariance[1, 1] / np.linalg.det(covariance))
    law = bounds.gaussian_tradeoff(d, sigma, error)
    assert law == pytest.approx(exact, rel=1e-12)
    gap = 0.5 * d * np.log1p(error / sigma**2)
    assert law == pytest.approx(bounds.gaussian_capacity(d, sigma) - gap, rel=1e-12)
    assert law < -0.5 * d * np.log(error)


def test_the_tradeoff_ends_at_capacity_and_at_nothing() -> None:
    assert bounds.gaussian_tradeoff(4, 0.2, 0.0) == pytest.approx(bounds.gaussian_capacity(4, 0.2))
    assert bounds.gaussian_tradeoff(4, 0.2, 1.0) == pytest.approx(0.0, abs=1e-15)
    assert bounds.gaussian_tradeoff(4, 0.2, 7.0) == pytest.approx(0.0, abs=1e-15)
    refused("invariance_error", bounds.gaussian_tradeoff, 4, 0.2, -0.1)


@pytest.mark.parametrize("d", [1, 2, 8])
def test_the_reconstruction_bound_holds_where_the_papers_does_not(d: int) -> None:
    """X ~ N(0, 4 I) and Y independent: the best guess is 0, and I = 0."""
    entropy = 0.5 * d * np.log(2.0 * np.pi * np.e * 4.0)
    mse = 4.0 * d
    assert bounds.reconstruction_bound(mse, d, entropy) == pytest.approx(0.0, abs=1e-12)
    papers = entropy - 0.5 * np.log(2.0 * np.pi * np.e) * d - 0.5 * np.log(mse)
    assert papers == pytest.approx({1: 0.0, 2: 0.347, 8: 3.812}[d], abs=1e-3)


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
def test_the_reconstruction_bound_is_exact_for_a_normal_channel(noise: float) -> None:
    """Y = X + noise: the error of the best guess is noise^2 / (1 + noise^2) a column."""
    d, s2 = 3, noise**2
    entropy = 0.5 * d * np.log(2.0 * np.pi * np.e)
    information = 0.5 * d * np.log1p(1.0 / s2)
    best = d * s2 / (1.0 + s2)
    assert bounds.reconstruction_bound(best, d, entropy) == pytest.approx(information, rel=1e-12)
    assert bounds.reconstruction_bound(1.3 * best, d, entropy) < information
    refused("positive", bounds.reconstruction_bound, 0.0, d, entropy)


def test_equality_in_the_lemmas_needs_weak_invariance_alone() -> None:
    """Lemma B.1 for two points: f = +-1 is not normal, and KL = C - I to the digits."""
    sigma = 0.7
    y, step = np.linspace(-12.0, 12.0, 240_001, retstep=True)
    density = 0.5 * (stats.norm.pdf(y, -1.0, sigma) + stats.norm.pdf(y, 1.0, sigma))
    entropy = -(density * np.log(np.maximum(density, 1e-300))).sum() * step
    information = entropy - 0.5 * np.log(2.0 * np.pi * np.e * sigma**2)
    wide = stats.norm(scale=np.sqrt(1.0 + sigma**2))
    kl = (density * (np.log(np.maximum(density, 1e-300)) - wide.logpdf(y))).sum() * step
    assert bounds.gaussian_smoothed_kl_bound(information, 1, sigma) == pytest.approx(kl, abs=1e-9)


def test_information_depends_on_f_when_noise_is_added_after_it() -> None:
    """I(X; f(X) + 0.3 Z), X uniform on (-1, 1): .749, .470 and .862 nats for three maps."""
    x = np.linspace(-1.0, 1.0, 4001)
    weights = np.full(len(x), 1.0 / (len(x) - 1))
    weights[[0, -1]] *= 0.5
    y, step = np.linspace(-4.0, 4.0, 2001, retstep=True)
    for f, expected in ((x, 0.749), (x**3, 0.470), (np.sin(np.pi * x), 0.862)):
        density = stats.norm.pdf(y[:, None], f, 0.3) @ weights
        entropy = -(density * np.log(np.maximum(density, 1e-300))).sum() * step
        found = entropy - 0.5 * np.log(2.0 * np.pi * np.e * 0.09)
        assert found == pytest.approx(expected, abs=6e-4)


def test_the_jensen_shannon_score_is_twice_a_divergence() -> None:
    """At its best critic the score is 2 JSD - 2 log 2: not in nats of information."""
    p, q = np.array([0.7, 0.2, 0.1]), np.array([0.1, 0.3, 0.6])
    middle = 0.5 * (p + q)
    divergence = 0.5 * (p * np.log(p / middle)).sum() + 0.5 * (q * np.log(q / middle)).sum()
    critic = np.log(p / q)
    score = -(p * np.logaddexp(0.0, -critic)).sum() - (q * np.logaddexp(0.0, critic)).sum()
    assert score == pytest.approx(2.0 * divergence - 2.0 * np.log(2.0), abs=1e-12)
    information = (p * np.log(p / q)).sum()
    assert abs(score - information) > 0.5
