"""The public functions of one departure: against exact values, and what they refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from tests.support import twins
from tests.support.calls import refused


def normal(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("case", ["the target", "shift", "scale"])
def test_a_profile_holds_the_divergence_of_a_normal(case: str) -> None:
    """KL(N(m, v + s^2) || N(0, 1 + s^2)) in two columns, at two noise levels."""
    mean, sd = {"the target": (0.0, 1.0), "shift": (0.7, 1.0), "scale": (0.0, 1.3)}[case]
    said: list[str] = []
    found = dmtest.kl_profile(
        mean + sd * normal(500, 2),
        noise=[0.8, 1.5],
        rng=0,
        progress=lambda *one: said.append(one[0]),
    )
    for point, s in zip(found.points, (0.8, 1.5), strict=True):
        scale = (sd**2 + s**2) / (1.0 + s**2)
        shift = mean / np.sqrt(1.0 + s**2)
        exact = twins.normal_divergence(np.full(2, shift), scale * np.eye(2))[3]
        assert point.noise == s
        assert point.low <= exact <= point.high
    assert found.points[0].high > found.points[1].high
    assert said
    # Slices and subspaces need less noise.
    views = [*found.slices, *found.subspaces]
    assert {point.d for point in views} == {1}
    assert all(point.low <= point.high for point in views)


def test_a_profile_in_the_cube_holds_zero_for_uniform_rows() -> None:
    found = dmtest.kl_profile(
        np.random.default_rng(1).random((400, 2)), "uniform", noise=[0.5], rng=0, views=False
    )
    (point,) = found.points
    assert found.noise == "uniform"
    assert point.low == 0.0
    assert 0.0 < point.high < 0.2
    assert not found.slices


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"noise": [0.0]}, "noise: got"),
        ({"noise": [[1.0, 2.0]]}, "noise: got"),
        ({"noise": np.nan}, "noise: got nan"),
        ({"confidence": 1.0}, "confidence"),
        ({"target": "sphere"}, "noise moves rows off the sphere"),
    ],
)
def test_what_a_profile_refuses(arguments: dict[str, Any], words: str) -> None:
    x = normal(300, 2)
    if "target" in arguments:
        x = x / np.linalg.norm(x, axis=1)[:, None]
    refused(words, dmtest.kl_profile, x, **arguments)


def test_parts_of_groups_of_copies_are_those_of_the_items() -> None:
    """Every item three times: the estimates of the shape are those of the items alone."""
    items = np.random.default_rng(2).gamma(4.0, size=(150, 2)) / 2.0 - 1.2
    labels = np.repeat(np.arange(150), 3)
    copies = dmtest.kl_decomposition(np.repeat(items, 3, axis=0), groups=labels, rng=0)
    alone = dmtest.kl_decomposition(items, rng=0)
    assert list(copies) == list(alone)
    for name in ("kl-margins", "kl-dependence"):
        one, other = copies[name], alone[name]
        assert_allclose([one.value, one.low], [other.value, other.low], atol=0.02)
        assert "one row of each group" in one.note
    width, half = (part["kl-mean"].high - part["kl-mean"].low for part in (copies, alone))
    assert width == pytest.approx(half, rel=0.2)
    fitted = dmtest.kl_decomposition(items, "any-normal", groups=np.arange(150), rng=0)
    assert list(fitted) == ["kl-margins", "kl-dependence"]


def test_worst_directions_are_orthogonal_and_reproducible() -> None:
    x = normal(400, 4)
    x[:, 2] = np.sign(x[:, 2])
    first = dmtest.worst_directions(x, count=3, rng=0, replicates=99)
    again = dmtest.worst_directions(x, count=3, rng=0, replicates=99)
    assert [one.to_dict() for one in first] == [one.to_dict() for one in again]
    turns = np.array([one.direction for one in first])
    assert_allclose(turns @ turns.T, np.eye(3), atol=1e-6)
    assert (first[0].coordinates[0], first[0].pvalue) == (2, min(one.pvalue for one in first))
    assert first[0].kurtosis == pytest.approx(-2.0, abs=0.1)
    assert all(one.adjusted >= one.pvalue for one in first)
    refused("count", dmtest.worst_directions, x, count=0)
    refused("needs 40 rows; got 39", dmtest.worst_directions, x[:39])


def test_what_detectability_refuses() -> None:
    x = normal(100, 2)
    refused("sizes: got 60, more than half of the 100 rows", dmtest.detectability, x, sizes=[60])
    refused("takes at least 160 rows", dmtest.detectability, x)
    refused("replicates", dmtest.detectability, x, sizes=[20], replicates=9)
    refused("draws", dmtest.detectability, x, sizes=[20], draws=2)
    words = "the null of 'royston' depends on each block's covariance"
    refused(words, dmtest.detectability, x, "royston", "any-normal")
    sphere = x / np.linalg.norm(x, axis=1)[:, None]
    refused(
        "no shipped nulls; name a test", dmtest.detectability, sphere, target="sphere", sizes=[20]
    )


def test_one_test_has_a_power_of_its_own() -> None:
    """Exactly: Rayleigh's of a mean direction, on blocks of 20 and 50 rows of the circle."""
    angle = np.random.default_rng(3).vonmises(0.0, 1.0, 1000)
    x = np.column_stack([np.cos(angle), np.sin(angle)])
    found = dmtest.detectability(
        x, "rayleigh", "sphere", sizes=[8, 40], rng=0, replicates=199, draws=20
    )
    assert found.test == "rayleigh"
    assert found.rates[1] > 0.9
    # n d |mean|^2 of 40 rows at the resultant I_1(1)/I_0(1) = 0.446 is 15.9 + 2; 5% point 5.99.
    assert found.rates[0] < found.rates[1]
