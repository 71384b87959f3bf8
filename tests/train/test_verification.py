"""The checks of an embedding against the theory, on embeddings whose numbers are known."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import dmtest
from dmtest.train.evaluate.inequalities import Inequality
from dmtest.train.evaluate.verification import verify
from dmtest.train.model.noise import Noise
from tests.support.calls import refused

N = 6000


def test_a_perfect_normal_encoder_reaches_its_capacity() -> None:
    """X' = X and f(X) ~ N(0, I): I is the capacity, nothing is left to explain."""
    x = np.random.default_rng(0).standard_normal((N, 2))
    found = verify(x, x, Noise("normal", 0.5), rng=0)
    assert found.information is not None
    assert abs(float(found.information) - found.capacity) < 0.06
    assert found.ksg is not None
    assert abs(found.ksg - found.capacity) < 0.1
    assert found.smoothed_kl is not None
    assert found.smoothed_kl[0] < 0.01
    assert found.smoothed_kl[1] < 0.03
    assert found.smoothed_exact is not None
    assert found.smoothed_exact[1] < 0.03
    assert found.smoothed_noise == 0.5
    assert found.informative
    assert found.kl is not None
    assert abs(found.kl) < 0.06
    assert found.invariance_error == 0.0
    assert found.invariance_gap is not None
    assert found.invariance_gap < 0.05
    assert max(found.kolmogorov) < 1.63 / math.sqrt(N)
    assert found.violations == ()
    for score in found.mean_pvalues.values():
        assert 0.4 < score.mean < 0.6


def test_a_perfect_uniform_encoder_reaches_remark_3_6() -> None:
    """The capacity of uniform noise is for clumps; a uniform embedding reaches less."""
    x = np.random.default_rng(0).random((N, 2))
    found = verify(x, x, Noise("uniform", 0.2), rng=0)
    assert found.information is not None
    assert abs(float(found.information) - found.matched_information) < 0.06
    assert found.matched_information < found.capacity
    # Against the trapezoid, not the uniform law on its support: the latter leaves .19 nats.
    assert found.smoothed_kl is not None
    assert found.smoothed_kl[0] == 0.0
    assert found.smoothed_kl[1] < 0.02
    assert found.kl is not None
    assert abs(found.kl) < 0.06
    assert found.violations == ()


def test_an_encoder_that_is_not_invariant_has_a_gap() -> None:
    """I(f+Z; f | f') of normals is the difference of two closed forms."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((N, 1))
    other = 0.8 * x + 0.6 * rng.standard_normal((N, 1))
    found = verify(x, other, Noise("normal", 0.5), rng=0)
    information = -0.5 * math.log(1.0 - 0.64 / 1.25)
    assert found.ksg is not None
    assert abs(found.ksg - information) < 0.06
    assert found.information is not None
    assert found.information.low is not None
    assert found.information.low < information
    assert found.invariance_gap is not None
    assert found.invariance_gap > found.capacity - information - 0.05
    assert found.violations == ()


def test_scores_of_a_critic_bound_information() -> None:
    """With the exact pointwise information as critic every bound is near the truth."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4000, 1))
    y = x + 0.5 * rng.standard_normal((4000, 1))
    noise = Noise("normal", 0.5)
    pairs = [(x[i : i + 500, 0], y[i : i + 500, 0]) for i in range(0, 4000, 500)]
    scores = [
        noise.capacity(1) + b[:, None] ** 2 / 2.5 - (b[:, None] - a[None]) ** 2 / 0.5
        for a, b in pairs
    ]
    found = verify(x, x, noise, scores=np.stack(scores), rng=0)
    for name in ("donsker-varadhan", "nwj", "infonce"):
        assert abs(float(found.critic[name]) - noise.capacity(1)) < 0.1, name


def test_violations_are_said() -> None:
    """Rows that are no pairs of f(X) carry information that f(X) itself does not."""
    broken = Inequality("Lemma 3.1", "a <= b", 2.0, 1.0, 0.5)
    assert not broken.holds
    assert "is broken: 2 against 1" in broken.sentence
    assert Inequality("Lemma 3.1", "a <= b", 1.4, 1.0, 0.5).holds


def test_moments_that_are_off_are_corrected() -> None:
    """Variance 9 carries more than the capacity of variance 1; the moment correction says so."""
    x = 3.0 * np.random.default_rng(0).standard_normal((N, 1))
    found = verify(x, x, Noise("normal", 0.5), rng=0)
    assert None not in (found.pairs, found.information)
    assert float(found.information) > found.capacity
    assert found.pairs.correction > 1.0
    assert found.violations == ()


def test_without_noise_there_is_nothing_to_bound() -> None:
    """Plain Deep InfoMax: no capacity, but distances from the target after resolvable noise."""
    x = np.random.default_rng(0).standard_normal((500, 2))
    found = verify(x, x, Noise("normal", 0.0), rng=0)
    assert found.pairs is None
    assert found.smoothed_noise is not None
    assert 0.1 < found.smoothed_noise < 0.6
    assert found.smoothed_kl is not None
    assert found.smoothed_kl[1] < 0.1
    assert found.information is None
    assert found.kl is not None


def test_a_dead_coordinate_shows_beside_an_exact_sample() -> None:
    """Training noise that n does not resolve is replaced; a dead coordinate then shows."""
    x = np.random.default_rng(0).standard_normal((N, 16))
    x[:, 0] = 0.0
    with pytest.warns(dmtest.DataWarning, match="1 of 16 columns is constant"):
        found = verify(x, x, Noise("normal", 0.05), rng=0)
    assert found.smoothed_noise is not None
    assert found.smoothed_kl is not None
    assert found.smoothed_exact is not None
    assert found.smoothed_noise > 0.5
    assert found.smoothed_kl[0] > 0.8 * found.yardsticks["dead coordinate"]
    assert found.smoothed_kl[1] > found.yardsticks["dead coordinate"] > found.smoothed_exact[1]
    with pytest.warns(dmtest.DataWarning, match="1 of 16 columns is constant"):
        few = verify(x[:100], x[:100], Noise("normal", 0.5), rng=0)
    assert few.smoothed_kl is None
    assert not few.informative


def test_results_are_plain_values() -> None:
    """What is written to JSON holds all of it."""
    x = np.random.default_rng(0).standard_normal((300, 2))
    plain = verify(x, x, Noise("normal", 0.5), rng=0).to_dict()
    assert json.loads(json.dumps(plain, default=float))["n"] == 300


def test_shapes_have_to_agree() -> None:
    """f(X') goes row by row with f(X)."""
    refused("row by row", verify, np.zeros((5, 2)), np.zeros((4, 2)), Noise("normal", 0.5))
