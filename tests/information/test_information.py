"""Estimators of information on laws whose information is known."""

from __future__ import annotations

import copy
import pickle
import re

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from dmtest import bounds, information
from dmtest.engines.channel import channel_densities
from dmtest.errors import InputError
from tests.support.calls import refused


def normal_pairs(n: int, d: int, r: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d))
    return x, r * x + np.sqrt(1 - r * r) * rng.standard_normal((n, d))


def log_ratio(x: np.ndarray, y: np.ndarray, r: float) -> np.ndarray:
    """Pointwise information of y_i with x_j."""
    s2 = 1 - r * r
    gap = np.square(y[:, None] - r * x[None]).sum(-1)
    return -0.5 * gap / s2 + 0.5 * np.square(y).sum(-1)[:, None] - 0.5 * x.shape[1] * np.log(s2)


# Scores


def test_values_by_their_formulas() -> None:
    t = np.random.default_rng(0).standard_normal((5, 5))
    off = t[~np.eye(5, dtype=bool)]
    others = np.where(np.eye(5, dtype=bool), -np.inf, t)
    diagonal = np.diagonal(t)
    expected = {
        "donsker_varadhan": diagonal.mean() - np.log(np.exp(off).mean()),
        "nwj": diagonal.mean() - np.exp(off - 1).mean(),
        "infonce": (diagonal - logsumexp(t, axis=1) + np.log(5)).mean(),
        "leave_one_out": (diagonal - logsumexp(others, axis=1) + np.log(4)).mean(),
        "jsd": -np.log1p(np.exp(-diagonal)).mean() - np.log1p(np.exp(off)).mean(),
    }
    for name, value in expected.items():
        found = getattr(information, name)(t)
        assert found == pytest.approx(value, rel=1e-12), name
        assert found.low is None
        assert name.split("_")[0][:3].lower() in repr(found).lower() or found.method in repr(found)


def test_bounds_are_on_their_side_of_the_truth() -> None:
    """Twenty batches of a known law with its own pointwise information as critic."""
    r, d = 0.7, 2
    truth = -0.5 * d * np.log(1 - r * r)
    x, y = normal_pairs(20 * 256, d, r, 0)
    stack = np.stack([log_ratio(x[i : i + 256], y[i : i + 256], r) for i in range(0, len(x), 256)])
    for name, shift in (("donsker_varadhan", 0.0), ("nwj", 1.0), ("infonce", 0.0)):
        found = getattr(information, name)(stack + shift, confidence=0.999)
        assert found.kind == "lower bound"
        assert found.low is not None
        assert found.low < truth, name
        assert abs(found - truth) < 0.1, name
    upper = information.leave_one_out(stack, confidence=0.999)
    assert upper.kind == "upper bound"
    assert upper.high is not None
    assert upper.high > truth
    assert (information.infonce(stack).batches, information.jsd(stack).kind) == (20, "score")
    assert "nats" not in repr(information.jsd(stack)).replace("not nats", "")


def test_saturation_is_flagged() -> None:
    t = 50.0 * np.eye(16)
    assert information.infonce(t).saturated
    assert information.infonce(t) <= np.log(16)
    assert not information.infonce(np.zeros((16, 16))).saturated


def test_an_estimate_is_a_float_that_can_be_passed_on() -> None:
    found = information.infonce(np.eye(4))
    assert isinstance(found, float)
    again = pickle.loads(pickle.dumps(found))
    assert (again, again.kind, again.batch) == (found, "lower bound", 4)
    assert copy.copy(found).method == "InfoNCE"


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        (np.zeros((3, 4)), "square"),
        (np.zeros(3), "square"),
        (np.zeros((1, 1)), "K >= 2"),
        (np.full((3, 3), np.nan), "NaN"),
        (np.where(np.eye(3, dtype=bool), -np.inf, 0.0), "diagonal"),
        (np.zeros((0, 3, 3)), "empty"),
    ],
)
def test_scores_that_cannot_be_used(scores: np.ndarray, words: str) -> None:
    refused(words, information.infonce, scores)


# The channel


@pytest.mark.parametrize("noise", ["gaussian", "uniform"])
@pytest.mark.parametrize(("n", "d", "batch"), [(200, 3, 50), (1300, 1, 650)])
def test_densities_equal_the_plain_formula(noise: str, n: int, d: int, batch: int) -> None:
    rows = np.random.default_rng(0).random((n, d))
    levels = np.array([0.05, 0.4, 3.0])
    found = channel_densities(rows, noise, levels, batch, 7)  # type: ignore[arg-type]
    for level, s in enumerate(levels):
        for start in range(0, n, batch):
            part = slice(start, start + batch)
            x = rows[part]
            gap = (x + s * found.noise[part])[:, None] - x[None]
            if noise == "gaussian":
                t = multivariate_normal(np.zeros(d), s * s * np.eye(d)).logpdf(gap.reshape(-1, d))
                t = t.reshape(batch, batch)
            else:
                inside = (np.abs(gap) <= s * (1 + 1e-12)).all(-1)
                t = np.where(inside, -d * np.log(2 * s), -np.inf)
            alone = np.diagonal(t)
            np.testing.assert_allclose(found.conditional[level, part], alone, atol=1e-9)
            together = logsumexp(t, axis=1) - np.log(batch)
            np.testing.assert_allclose(found.mixture[level, part], together, atol=1e-9)
            others = np.where(np.eye(batch, dtype=bool), -np.inf, t)
            expected = logsumexp(others, axis=1) - np.log(batch - 1)
            np.testing.assert_allclose(found.leave_one_out[level, part], expected, atol=1e-9)


def test_single_precision_tiles_agree_with_double() -> None:
    """Rows far from 0, n and d large enough for float32: the difference is in the fifth place."""
    from dmtest.engines import channel

    rows = np.random.default_rng(0).standard_normal((4096, 64)) + 100.0
    levels = np.array([0.5, 2.0])
    single = channel_densities(rows, "gaussian", levels, 512, 3)
    few = channel_densities(rows[:512], "gaussian", levels, 512, 3)
    job = channel._NormalNoise(rows, single.noise, levels, 512)
    assert job.x.dtype == np.float32
    np.testing.assert_allclose(
        single.leave_one_out[:, :512].mean(axis=1), few.leave_one_out.mean(axis=1), rtol=0.05
    )
    x = rows - rows.mean(axis=0)
    y = x[:512] + 0.5 * single.noise[:512]
    t = -np.square(y[:, None] - x[None, :512]).sum(-1) / 0.5 + job.constant[0]
    np.fill_diagonal(t, -np.inf)
    np.testing.assert_allclose(
        single.leave_one_out[0, :512], logsumexp(t, axis=1) - np.log(511), atol=2e-3
    )


@pytest.mark.parametrize(("d", "sigma"), [(1, 0.5), (2, 0.3), (4, 1.0)])
def test_the_bracket_holds_capacity_for_normals(d: int, sigma: float) -> None:
    truth = bounds.gaussian_capacity(d, sigma)
    hits = 0
    for seed in range(60):
        x = np.random.default_rng(seed).standard_normal((1024, d))
        found = information.channel_bracket(x, sigma=sigma, rng=seed)
        assert found.low <= found.lower <= found.upper <= found.high
        hits += found.low <= truth <= found.high
    assert hits >= 52


def test_the_bracket_holds_the_information_of_uniforms() -> None:
    hits = 0
    for seed in range(60):
        x = np.random.default_rng(seed).random((1024, 2))
        found = information.channel_bracket(x, epsilon=0.3, rng=seed)
        hits += found.low <= bounds.uniform_information(2, 0.3) <= found.high
    assert hits >= 52


def test_the_bracket_says_when_it_is_saturated() -> None:
    x = np.random.default_rng(0).standard_normal((512, 32))
    found = information.channel_bracket(x, sigma=0.1, rng=0)
    assert found.saturated
    assert found.lower <= np.log(found.batch) + 1e-12
    assert found.capacity > found.lower
    assert found.to_dict()["batches"] == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "give one of them"),
        ({"sigma": 1.0, "epsilon": 1.0}, "give one of them"),
        ({"sigma": -1.0}, "sigma: got -1.0"),
        ({"sigma": 1.0, "batch": 2}, "batch: got 2"),
        ({"sigma": 1.0, "batch": 2000}, "more than the n"),
        ({"sigma": 1.0, "confidence": 1.0}, "confidence"),
    ],
)
def test_channel_refusals(arguments: dict[str, float], words: str) -> None:
    with pytest.raises(InputError, match=words):
        information.channel_bracket(np.random.default_rng(0).random((100, 2)), **arguments)  # type: ignore[arg-type]


# Neighbours and normals


@pytest.mark.parametrize("d", [1, 2, 4, 8])
def test_entropy_of_normals(d: int) -> None:
    """Within the bias that k = 3 has at n = 4000 (Kraskov et al. 2004 find like values)."""
    x = np.random.default_rng(d).standard_normal((4000, d)) * 2.0
    truth = 0.5 * d * np.log(2 * np.pi * np.e * 4.0)
    assert abs(information.entropy_knn(x) - truth) < 0.05 + 0.02 * d


def test_entropy_of_uniforms_and_its_scaling() -> None:
    x = np.random.default_rng(0).random(5000)
    assert abs(information.entropy_knn(x)) < 0.04
    assert information.entropy_knn(7.0 * x) == pytest.approx(
        float(information.entropy_knn(x)) + np.log(7.0), abs=1e-9
    )


@pytest.mark.parametrize(("d", "r"), [(1, 0.0), (1, 0.9), (2, 0.6), (4, 0.3)])
def test_ksg_of_correlated_normals(d: int, r: float) -> None:
    truth = -0.5 * d * np.log(1 - r * r)
    found = [information.ksg(*normal_pairs(2000, d, r, seed)) for seed in range(4)]
    assert all(one.low <= truth <= one.high for one in found)
    error = np.std(found, ddof=1) / 2.0
    assert abs(np.mean(found) - truth) < 0.02 + 0.06 * truth + 4.0 * error


def test_ksg_loses_nats_in_eight_dimensions() -> None:
    """The error that is known of it (Kraskov et al. 2004): low, and less so with more rows."""
    truth = -4.0 * np.log(1 - 0.09)
    few, many = (information.ksg(*normal_pairs(n, 8, 0.3, 0)) for n in (500, 4000))
    assert few.plain < many.plain < truth
    assert truth - many.plain < 0.2
    assert np.isnan(few)


def test_ksg_counts_as_the_plain_algorithm_does() -> None:
    from scipy.special import digamma

    x, y = normal_pairs(60, 1, 0.5, 3)
    dx, dy = np.abs(x - x.T), np.abs(y - y.T)
    joint = np.maximum(dx, dy)
    np.fill_diagonal(joint, np.inf)
    radius = np.sort(joint, axis=1)[:, 2][:, None]
    nx, ny = (dx < radius).sum(1) - 1, (dy < radius).sum(1) - 1
    expected = digamma(3) + digamma(60) - (digamma(nx + 1) + digamma(ny + 1)).mean()
    assert information.ksg(x, y) == pytest.approx(expected, rel=1e-12)


def test_gaussian_information() -> None:
    x, y = normal_pairs(20_000, 2, 0.8, 0)
    assert information.gaussian(x, y) == pytest.approx(-np.log(1 - 0.64), rel=0.03)
    joint = np.corrcoef(np.hstack([x, y]).T)
    det = np.linalg.det
    expected = -0.5 * np.log(det(joint) / (det(joint[:2, :2]) * det(joint[2:, 2:])))
    assert information.gaussian(x, y) == pytest.approx(expected, rel=1e-10)
    assert information.gaussian(x, 3 * x + 1) == np.inf


def test_estimators_refuse_what_they_cannot_use() -> None:
    x = np.random.default_rng(0).random((50, 2))
    refused("exact copies", information.entropy_knn, np.repeat(x, 5, axis=0))
    refused("exact copies", information.ksg, np.repeat(x, 5, axis=0), np.repeat(x, 5, axis=0))
    refused("50 and 49 rows", information.ksg, x, x[:49])
    refused("k < n", information.entropy_knn, x, k=50)
    refused("NaN", information.entropy_knn, np.full(9, np.nan))
    refused("constant", information.gaussian, x, np.ones(50))
    refused("need more than", information.gaussian, x[:3], x[:3])


@pytest.mark.parametrize("n", [1500, 3000])
def test_ksg_in_sixteen_columns_is_not_estimable(n: int) -> None:
    """0.7 to 0.8 nats for 2.30: all correlations are 1/2 (field case F3)."""
    z = np.sqrt(0.5) * np.random.default_rng(0).standard_normal((n, 33))
    rows = z[:, 1:] + z[:, :1]
    found = information.ksg(rows[:, :16], rows[:, 16:])
    assert np.isnan(found)
    assert 0.5 < found.plain < 1.0
    assert found.low is None
    assert re.match(
        r"not estimable: in 16 \+ 16 columns the estimate finds 0\.\d+ of 1 nats", found.note
    )
    assert repr(found).startswith("<not estimable")
    assert np.isnan(pickle.loads(pickle.dumps(found)))


def test_ksg_where_more_neighbours_change_it() -> None:
    """Y = x^2 + noise has no correlation, so only the change with k shows 4.4 nats."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((1500, 4))
    found = information.ksg(x, x**2 + 0.3 * rng.standard_normal(x.shape))
    assert np.isnan(found)
    assert "from 3 to 9 neighbours" in found.note
    one = information.ksg(x[:, 0], x[:, 0] ** 2 + 0.3 * rng.standard_normal(1500))
    assert one.low < 1.105 < one.high  # by quadrature


def test_ksg_and_entropy_at_the_edges() -> None:
    """Copies of a column, equal variables, as many columns as rows, one row more than k."""
    x, y = normal_pairs(300, 1, 0.8, 0)
    assert information.ksg(np.hstack([x, x]), y) == pytest.approx(
        float(information.ksg(x, y)), abs=1e-12
    )
    assert "infinite" in information.ksg(x, x).note
    assert "infinite" in information.ksg(x, -2.0 * x + 1.0).note
    wide = np.random.default_rng(0).standard_normal((20, 15))
    assert "too few" in information.ksg(wide, wide + 1e-3).note
    assert "too few" in information.entropy_knn(wide.T).note
    assert "too few" in information.ksg(x[:5], y[:5]).note
    assert np.isfinite(information.ksg(x[:5], y[:5]).plain)
    cauchy = np.random.default_rng(1).standard_cauchy(2000)
    found = information.entropy_knn(cauchy)
    assert found.low < np.log(4.0 * np.pi) < found.high
    assert np.isnan(information.entropy_knn(np.random.default_rng(0).standard_normal((1000, 16))))


def test_information_of_independent_rows_may_be_negative() -> None:
    """A negative value is explained, and its limits hold 0 (field case F4)."""
    found = [information.ksg(*normal_pairs(200, 1, 0.0, seed)) for seed in range(30)]
    below = [one for one in found if one < 0.0]
    assert 5 < len(below) < 25
    assert all("the information is at least 0" in repr(one) for one in below)
    assert np.mean([one.low <= 0.0 <= one.high for one in found]) >= 0.9 - 3.0 * np.sqrt(0.09 / 30)


def test_entropy_is_no_bound_of_information() -> None:
    """Y = x + noise of sd 0.1: h(x) = 1.419 < I(x; y) = 2.308 (field case F2)."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal(4000)
    y = x + 0.1 * rng.standard_normal(4000)
    information_of, entropy = information.ksg(x, y), information.entropy_knn(x)
    assert information_of == pytest.approx(2.30756, abs=0.08)
    assert entropy == pytest.approx(1.41894, abs=0.08)
    assert information_of > entropy


def test_masked_values_are_refused_with_their_number() -> None:
    """numpy.asarray shows what a mask hides (field case G6)."""
    x, y = normal_pairs(100, 1, 0.5, 0)
    open_mask, hidden = np.ma.array(x), np.ma.array(x, mask=np.arange(100)[:, None] < 3)
    assert float(information.ksg(open_mask, y)) == float(information.ksg(x, y))
    for function in (information.ksg, information.gaussian, information.mine):
        refused("x: 3 values are masked", function, hidden, y)
        refused("y: 3 values are masked", function, y, hidden)
    refused("x: 3 values are masked", information.entropy_knn, hidden)
    refused(
        "scores: 3 values are masked", information.infonce, np.ma.array(np.eye(3), mask=np.eye(3))
    )
    refused("3 cells are masked", information.channel_bracket, hidden, sigma=1.0)
    refused("3 cells are masked", information.pair_bounds, hidden, y, sigma=1.0)


def test_mine_on_a_correlated_normal() -> None:
    pytest.importorskip("torch")
    x, y = normal_pairs(6000, 2, 0.8, 1)
    truth = -np.log(1 - 0.64)
    found = information.mine(x, y, rng=0, steps=1200, confidence=0.999)
    assert abs(found - truth) < 0.1 * truth
    assert found.kind == "lower bound"
    assert found.low < truth
    assert float(information.mine(x[:200], y[:200], rng=0, steps=50)) == float(
        information.mine(x[:200], y[:200], rng=0, steps=50)
    )


@pytest.mark.parametrize(("n", "d"), [(200, 1), (200, 8), (1000, 2)])
def test_mine_of_independent_rows(n: int, d: int) -> None:
    """Held-out rows stop the training: it was -1.1 nats at n = 200 (field case F5)."""
    pytest.importorskip("torch")
    for seed in range(3):
        found = information.mine(*normal_pairs(n, d, 0.0, seed), rng=seed)
        assert abs(found) <= 0.05
        assert found.low is None or found.low <= 0.0
        assert ("no critic" in found.note) == (found.low is None)


@pytest.mark.parametrize(("information_of", "d"), [(1.0, 1), (1.0, 8), (8.0, 1)])
def test_mine_finds_what_a_batch_can_show(information_of: float, d: int) -> None:
    """Within 10% of 1 nat at n = 2,000; far above the batch it says so (field case F5)."""
    pytest.importorskip("torch")
    r = float(np.sqrt(-np.expm1(-2.0 * information_of / d)))
    found = information.mine(*normal_pairs(2000, d, r, 3), confidence=0.999, rng=3)
    assert found.low <= information_of
    assert found.saturated == (information_of > 5.0)
    assert found > 5.0 if found.saturated else abs(found - 1.0) <= 0.1


def test_mine_learns_what_the_normal_critic_cannot() -> None:
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    x = rng.standard_normal(2000)
    y = x**2 + 0.3 * rng.standard_normal(2000)
    found = information.mine(x, y, confidence=0.999, rng=0)
    assert 0.8 < found < 1.2  # 1.105 by quadrature
    assert found.low <= 1.105


def test_uniform_pairs_that_are_apart_leave_a_bound() -> None:
    """The exact dual calls such pairs impossible; mixed with a constant it still bounds."""
    rng = np.random.default_rng(0)
    x = rng.random((4000, 1))
    other = np.clip(x + rng.normal(0.0, 0.05, x.shape), 0.0, 1.0)
    found = information.pair_bounds(x, other, epsilon=0.1, rng=0)
    assert 0.1 < found.outside < 0.5
    assert 0.2 < float(found.infonce) < found.channel.high
    far = information.pair_bounds(x, 1.0 - x, epsilon=0.01, rng=0)
    assert far.outside > 0.9
    assert np.isfinite(float(far.infonce))
    assert information.pair_bounds(x, x, epsilon=0.1, rng=0).outside == 0.0
