"""The KL profile, decomposition, directions and detectability, and what reports make of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats
from scipy.special import ndtr

import dmtest
from dmtest import bounds, information
from dmtest.cli import main as cli
from dmtest.effects.detectability import power_limits, threshold
from dmtest.errors import InputError
from dmtest.results.report import schema
from tests.support.calls import refused


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


def planted(n: int, d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw normal rows but for one uniform direction, rotated; return that direction too."""
    rng = np.random.default_rng(seed)
    basis = np.linalg.qr(rng.standard_normal((d, d)))[0]
    x = rng.standard_normal((n, d))
    x[:, 0] = np.sqrt(12.0) * (rng.random(n) - 0.5)
    return x @ basis, basis[0]


# The profile


@pytest.mark.parametrize(("scale", "d"), [(1.0, 1), (1.3, 2), (0.7, 3)])
def test_the_profile_brackets_a_normal_s_divergence(scale: float, d: int) -> None:
    levels = np.array([0.7, 1.5])
    profile = dmtest.kl_profile(scale * normal(6000, d, 1), noise=levels, rng=0)
    ratio = (scale**2 + levels**2) / (1.0 + levels**2)
    truth = 0.5 * d * (ratio - 1.0 - np.log(ratio))
    for point, value in zip(profile.points, truth, strict=True):
        assert point.low <= value <= point.high
        assert point.low <= point.lower + 1e-12
        assert point.upper <= point.high
        assert_allclose(point.capacity, bounds.gaussian_capacity(d, point.noise))
        assert point.informative


def test_the_profile_of_the_cube_brackets_zero_and_sees_a_beta() -> None:
    rng = np.random.default_rng(2)
    even = dmtest.kl_profile(rng.random((8000, 2)), "uniform", noise=[0.3], rng=0).points[0]
    assert even.low == 0.0
    assert even.high < 0.03
    bent = dmtest.kl_profile(rng.beta(2, 2, (8000, 2)), "uniform", noise=[0.3], rng=0).points[0]
    assert 0.05 < bent.low < bent.high < np.inf


def test_noise_too_small_for_the_batch_is_marked() -> None:
    points = dmtest.kl_profile(normal(2000, 16), noise=[0.1, 4.0], rng=0).points
    assert [point.informative for point in points] == [False, True]
    assert points[0].resolution > 100 * points[1].resolution
    assert points[0].high == np.inf
    assert "resolve noise from" in points[0].why
    assert points[1].collapse == bounds.collapse(16, 4.0)


def test_the_profile_s_views() -> None:
    x = normal(8000, 6, 3)
    x[:, 2] *= 2.0
    profile = dmtest.kl_profile(x, rng=0)
    assert [one.d for one in profile.subspaces] == [1, 2, 4]
    assert {one.d for one in profile.slices} == {1}
    # The bad column is the first principal direction: KL of N(0, 4) after noise.
    first = profile.subspaces[0]
    ratio = (4.0 + first.noise**2) / (1.0 + first.noise**2)
    assert first.low <= 0.5 * (ratio - 1.0 - np.log(ratio)) <= first.high
    assert first.dead == bounds.dead_coordinate(first.noise)
    assert dmtest.kl_profile(x, rng=0) == profile
    json.dumps(profile.to_dict())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"noise": [0.0]}, "noise: got .* positive"),
        ({"noise": [[1.0]]}, "noise: got"),
        ({"target": "sphere"}, "target: noise moves rows off the sphere"),
        ({"batch": 5000}, "batch: got 5000"),
        ({"confidence": 1.5}, "confidence: got 1.5"),
    ],
)
def test_what_a_profile_refuses(arguments: dict[str, Any], words: str) -> None:
    x = normal(1000, 3)
    if arguments.get("target") == "sphere":
        x = x / np.linalg.norm(x, axis=1)[:, None]
    refused(words, dmtest.kl_profile, x, **arguments)


# The decomposition


def test_the_parts_of_a_scaled_laplace() -> None:
    rng = np.random.default_rng(0)
    x = rng.laplace(size=(8000, 2)) / np.sqrt(2.0)
    parts = dmtest.kl_decomposition(x, rng=0)
    # Negentropy of the Laplace distribution: log(2 pi e)/2 - 1 - log(2 / sqrt 2).
    truth = 2.0 * (0.5 * np.log(2.0 * np.pi * np.e) - 1.0 - 0.5 * np.log(2.0))
    margins = parts["kl-margins"]
    assert None not in (margins.low, margins.high)
    assert margins.low <= truth <= margins.high
    assert margins.high - margins.low < 0.1
    assert parts["kl-dependence"].low == 0.0


def test_dependence_without_correlation_is_seen() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((8000, 2))
    x[:, 1] = np.abs(x[:, 1]) * np.sign(x[:, 0]) * rng.choice([1, 1, 1, -1], 8000)
    # Signs agree in 3 of 4: log 2 - h(1/4) nats, and margins are normal; the correlation is 1/pi.
    truth = np.log(2.0) + 0.25 * np.log(0.25) + 0.75 * np.log(0.75)
    parts = dmtest.kl_decomposition(x, rng=0)
    correlation, dependence = parts["kl-correlation"], parts["kl-dependence"]
    assert None not in (correlation.value, dependence.value)
    assert abs(correlation.value + dependence.value - truth) < 0.05


def test_what_cannot_be_estimated_says_so() -> None:
    part = dmtest.kl_decomposition(normal(2000, 32), rng=0)["kl-dependence"]
    assert part.value is None
    assert "it would take about n = 10^" in part.note
    few = dmtest.kl_decomposition(np.round(normal(500, 2)), rng=0)["kl-margins"]
    assert few.value is None
    assert "few distinct values" in few.note


# Directions


def test_a_planted_direction_is_found() -> None:
    for seed in range(3):
        x, direction = planted(8000, 32, seed)
        worst, second = dmtest.worst_directions(x, count=2, rng=seed)
        assert abs(np.array(worst.direction) @ direction) > 0.9
        assert worst.weights[0] > 0.0
        assert worst.pvalue <= 0.001
        assert abs(np.array(worst.direction) @ np.array(second.direction)) < 1e-8
        assert worst.kurtosis < -1.0


def test_the_split_p_value_keeps_its_level() -> None:
    found = [
        dmtest.worst_directions(normal(200, 5, seed), count=2, rng=seed)[0].pvalue
        for seed in range(300)
    ]
    for level in (0.05, 0.2):
        error = np.sqrt(level * (1.0 - level) / 300)
        assert abs(np.mean(np.array(found) <= level) - level) < 4.0 * error


def test_rows_that_stand_out_are_named() -> None:
    x = normal(1000, 4, 5)
    far = np.arange(17, 1000, 50)
    x[far] = [0.0, 0.0, 30.0, 0.0]
    worst = dmtest.worst_directions(x, rng=0)[0]
    assert worst.coordinates[0] == 2
    # Some twenty rows stand out, half of them held out, and five are named.
    assert len(worst.rows) == 5
    assert set(worst.rows) <= set(far)


def test_a_search_takes_rows() -> None:
    refused("needs 40 rows; got 30", dmtest.worst_directions, normal(30, 2))


# Detectability


def test_power_grows_with_the_rows() -> None:
    x = np.random.default_rng(0).laplace(size=(8000, 1)) / np.sqrt(2.0)
    found = dmtest.detectability(x, rng=0)
    assert (found.sizes, found.sizes[-1]) == (tuple(sorted(found.sizes)), 1000)
    assert all(m * count <= 8000 for m, count in zip(found.sizes, found.blocks, strict=True))
    assert found.rates == tuple(
        r / count for r, count in zip(found.rejections, found.blocks, strict=True)
    )
    assert found.rates[-1] == 1.0
    assert found.mean_pvalues[0] > found.mean_pvalues[-1]
    half, most = found.thresholds
    assert None not in (half.n, most.n, half.low, half.high)
    assert half.low <= half.n <= half.high
    assert half.n < most.n
    # One test by itself, named.
    one = dmtest.detectability(x, "anderson-darling", rng=0, replicates=99)
    assert (one.test, found.test) == ("anderson-darling", "the battery")
    assert one.rates[-1] == 1.0


def test_the_target_s_own_rows_are_not_noticed() -> None:
    found = dmtest.detectability(normal(4000, 3), sizes=[100, 400], rng=0)
    assert found.blocks == (40, 10)
    assert max(found.rates) < 0.25
    half = found.thresholds[0]
    assert (half.n, half.low, half.high) == (None, 400.0, None)


def test_limits_of_a_power_are_exact() -> None:
    """Clopper and Pearson's: the chance of so few, or so many, rejections is 5% at the limit."""
    for r, k in ((0, 5), (1, 8), (3, 8), (8, 8)):
        low, high = power_limits(r, k, 0.95)
        if r:
            assert_allclose(stats.binom.sf(r - 1, k, low), 0.05)
        else:
            assert low == 0.0
        if r < k:
            assert_allclose(stats.binom.cdf(r, k, high), 0.05)
        else:
            assert high == 1.0
    # Five blocks without a rejection, or eight with one, show a power below 1/2.
    assert power_limits(0, 5, 0.95)[1] < 0.5 <= power_limits(0, 4, 0.95)[1]
    assert power_limits(1, 8, 0.95)[1] < 0.5 <= power_limits(1, 7, 0.95)[1]


def test_thresholds_stop_at_the_first_size_that_shows_nothing() -> None:
    half = threshold(0.5, [100, 200, 400], [40, 20, 10], [2, 10, 10])
    assert (half.low, half.high) == (100.0, 400.0)
    assert_allclose(half.n, 200.0)
    # The largest size alone would show a power below 1/2; the one before it does not.
    odd = threshold(0.5, [100, 200, 400], [40, 20, 10], [2, 9, 0])
    assert (odd.n, odd.low, odd.high) == (None, 100.0, None)
    below = threshold(0.5, [100, 400], [40, 10], [39, 10])
    assert (below.n, below.low, below.high) == (None, None, 100.0)


def test_limits_of_the_ladder_keep_their_level() -> None:
    """The lower limit is a size with power 1/2 or more in at most 5% of ladders."""
    sizes, blocks = [100, 200, 400, 800], [40, 40, 20, 10]
    powers, rng = [0.2, 0.5, 0.6, 0.9], np.random.default_rng(0)
    wrong = np.zeros(2)
    for _ in range(2000):
        found = threshold(0.5, sizes, blocks, list(rng.binomial(blocks, powers)))
        wrong += [(found.low or 0.0) >= 200.0, (found.high or np.inf) <= 100.0]
    assert wrong.max() <= 2000 * 0.05 + 3.0 * np.sqrt(2000 * 0.05 * 0.95)


def test_what_detectability_refuses() -> None:
    refused("sizes: got 600, more than half", dmtest.detectability, normal(1000, 2), sizes=[600])
    with pytest.raises(InputError, match="test: the null of 'royston'"):
        dmtest.detectability(normal(1000, 2), "royston", "any-normal")
    refused("takes at least 160 rows", dmtest.detectability, normal(30, 2))
    unit = normal(400, 3) / np.linalg.norm(normal(400, 3), axis=1)[:, None]
    with pytest.raises(InputError, match="no shipped nulls; name a test"):
        dmtest.detectability(unit, target="sphere")


def test_power_for_a_fitted_normal_keeps_rows_for_the_covariance() -> None:
    """Blocks have two rows a column, and a wide report for some normal goes through."""
    x = np.random.default_rng(0).standard_t(3, (1200, 60))
    found = dmtest.detectability(x, "mardia-kurtosis", "any-normal", draws=20, replicates=99, rng=0)
    assert min(found.sizes) >= 120
    report = dmtest.report(x, "any-normal", tests="mardia-kurtosis", replicates=99, rng=0)
    assert "detectable-n" in report.effects
    with pytest.raises(InputError, match="takes at least 960 rows"):
        dmtest.detectability(x[:200], "mardia-kurtosis", "any-normal", draws=20)


def test_a_match_has_a_lower_limit_of_its_rows() -> None:
    report = dmtest.report(normal(2000, 4), rng=0)
    effect = report.effects["detectable-n"]
    assert report.verdict == "compatible"
    assert (effect.value, effect.low, effect.high) == (None, 250, None)
    assert "> 250" in str(report)
    few = dmtest.report(normal(150, 2), rng=0)
    assert "detectable-n" not in few.effects


# Reports


def test_a_rotated_bad_direction_is_a_mismatch() -> None:
    x, _ = planted(4000, 16, 0)
    report = dmtest.report(x, rng=0)
    assert report.verdict == "mismatch"
    assert "worst-direction" in [one.code for one in report.diagnosis]
    outcome = next(one for one in report.outcomes if one.test == "worst-direction")
    assert report.pvalue <= outcome.pvalue / 0.15 + 1e-12
    assert report.pictures["detectability"]["sizes"]
    jsonschema.validate(json.loads(report.to_json()), schema())
    page = report.to_html()
    assert all(word in page for word in ("Worst directions", "Power against the number of rows"))
    assert None not in (report.plot("profile"), report.plot("detectability"))


def test_pairs_are_described() -> None:
    x = normal(500, 3)
    report = dmtest.report(x, augmented=x, replicates=19, rng=0)
    assert report.effects["alignment"].value == 0.0
    uniformity = report.effects["uniformity"].value
    assert uniformity is not None
    assert abs(uniformity + 2.08) < 0.05
    refused("augmented: got shape", dmtest.report, x, augmented=x[:10], replicates=19)


# Pairs, and the command line


def test_pairs_of_a_noisy_normal() -> None:
    x = normal(16_000, 2)
    other = 0.8 * x + 0.6 * normal(16_000, 2, 1)
    found = information.pair_bounds(x, other, sigma=0.5, rng=0)
    # I of (f(X'), f(X) + Z): correlation .8 / sqrt(1.25) a coordinate.
    truth = -np.log(1.0 - 0.64 / 1.25)
    # The critic is that of a perfect match, so its bounds are below the truth.
    assert found.infonce < truth + 0.03
    assert found.information_low <= truth
    whole = np.log(1.0 + 4.0)
    assert found.channel.low <= whole <= found.channel.high
    assert found.invariance_gap >= whole - truth
    assert found.smoothed_kl >= 0.0
    assert found.kl is not None
    assert not found.violations
    json.dumps(found.to_dict())


def test_pairs_that_break_the_theory_are_named() -> None:
    wide = 10.0 * normal(4000, 2)
    # As if the noise were that of N(0, I): far more gets through than the capacity.
    found = information.pair_bounds(wide, wide, sigma=1.0, rng=0)
    assert found.correction > 10.0
    assert not found.violations
    with pytest.raises(InputError, match="epsilon: with uniform noise embeddings lie"):
        information.pair_bounds(wide, wide, epsilon=0.1)
    refused("augmented: got shape", information.pair_bounds, wide, wide[:10], sigma=1.0)


def test_bounds_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = normal(4000, 2)
    path = tmp_path / "pairs.npz"
    np.savez(path, embeddings=x, augmented=x, sigma=1.0)
    assert cli.main(["bounds", str(path)]) == 0
    out = capsys.readouterr().out
    assert "Theorem 3.4 on 4,000 pairs in d = 2, sigma = 1" in out
    assert cli.main(["bounds", str(path), "--sigma", "0.5", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["level"] == 0.5
    single = tmp_path / "f.npy"
    np.save(single, np.random.default_rng(0).random((2000, 2)))
    assert cli.main(["bounds", str(single), "--augmented", str(single), "--epsilon", "0.2"]) == 0
    assert "Theorem 3.5" in capsys.readouterr().out
    for arguments, words in (
        ([str(single)], "there is no file 'augmented'"),
        ([str(single), "--augmented", str(single)], "give one of them"),
        ([str(path), "--key", "nothing"], "nothing"),
    ):
        assert cli.main(["bounds", *arguments]) == 2
        assert words in capsys.readouterr().err
    np.savez(path, embeddings=x, augmented=x, sigma=np.array([1.0, 2.0]))
    assert cli.main(["bounds", str(path)]) == 2
    assert "no single number" in capsys.readouterr().err


def test_pairs_of_other_containers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both arrays by name in HDF5 and safetensors; in a table there is one array only."""
    h5py, safetensors = pytest.importorskip("h5py"), pytest.importorskip("safetensors.numpy")
    x = normal(2000, 2)
    arrays = {"embeddings": x, "augmented": x + 0.1}
    with h5py.File(tmp_path / "pairs.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
    safetensors.save_file(arrays, tmp_path / "pairs.safetensors")
    np.savez(tmp_path / "pairs.npz", **arrays)
    found = []
    for kind in ("npz", "h5", "safetensors"):
        path = str(tmp_path / f"pairs.{kind}")
        assert cli.main(["bounds", path, "--sigma", "1", "--json"]) == 0
        found.append(capsys.readouterr().out)
    assert found[0] == found[1] == found[2]
    np.savetxt(tmp_path / "pairs.csv", x, delimiter=",")
    assert cli.main(["bounds", str(tmp_path / "pairs.csv"), "--sigma", "1"]) == 2
    assert "there is no file 'augmented'" in capsys.readouterr().err


# Small versions of benchmarks/level/nearness


def test_the_bracket_covers() -> None:
    """The 95% bracket of a normal sample holds the truth in 92 of 100 runs."""
    sigma, held = 0.7, 0
    ratio = (1.3**2 + sigma**2) / (1.0 + sigma**2)
    truth = ratio - 1.0 - np.log(ratio)
    for seed in range(100):
        point = dmtest.kl_profile(
            1.3 * normal(1600, 2, seed), noise=[sigma], views=False, rng=seed
        ).points[0]
        held += point.low <= truth <= point.high
    assert held >= 92


def test_bootstrap_intervals_cover() -> None:
    """Of the KL of N(m, I): 93% of 200 runs; here 87 of 100, three standard errors below."""
    mean, held = np.array([0.3, 0.0, 0.0]), 0
    for seed in range(100):
        whole = dmtest.kl_decomposition(normal(400, 3, seed) + mean, rng=seed)["kl-fitted-normal"]
        assert None not in (whole.low, whole.high)
        held += whole.low <= 0.045 <= whole.high
    assert held >= 87


# Rows of few columns


@pytest.mark.parametrize(
    ("target", "rows", "law"),
    [
        ("normal", lambda x: x, "normal"),
        ("any-normal", lambda x: 3.0 + x @ np.diag([2.0, 5.0, 1.0]), "normal"),
        ("uniform", lambda x: ndtr(x), "cube"),
        ("sphere", lambda x: x / np.linalg.norm(x, axis=1, keepdims=True), "sphere"),
    ],
)
def test_scatters_show_the_rows_and_the_law(target: str, rows: Any, law: str) -> None:
    """The points are the rows; the ellipses are those of the law, in the same units."""
    x = rows(normal(300, 3))
    figure = dmtest.report(x, target, replicates=99, slices=8, rng=0).figures.scatter
    assert figure is not None
    assert (figure.names, figure.law) == (("x0", "x1", "x2"), law)
    np.testing.assert_allclose(np.transpose(figure.points), x, rtol=1e-4, atol=1e-9)
    if target == "any-normal":
        np.testing.assert_allclose(figure.mean, x.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(figure.covariance, np.cov(x.T, bias=True), rtol=1e-5)
    elif law == "normal":
        assert (figure.mean, figure.covariance[0]) == ((0.0,) * 3, (1.0, 0.0, 0.0))


def test_scatters_are_of_two_to_six_columns_and_some_rows() -> None:
    few = {"replicates": 99, "slices": 8, "rng": 0}
    assert dmtest.report(normal(300, 1), **few).figures.scatter is None
    assert dmtest.report(normal(300, 7), **few).figures.scatter is None
    figure = dmtest.report(normal(3000, 2), **few).figures.scatter
    assert figure is not None
    assert len(figure.points[0]) == 400
    points = np.transpose(figure.points)
    distance = np.abs(points[:, None] - normal(3000, 2)[None]).max(axis=-1).min(axis=-1)
    assert distance.max() < 1e-4
    assert len({tuple(row) for row in points}) == 400
