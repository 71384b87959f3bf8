"""Sums over pairs at several noise levels at once: float32 against float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dmtest.engines import chi2
from dmtest.engines.chi2 import Kernels, PairMeans, normal_pair_means_of
from dmtest.information.mixtures import normal_forms
from dmtest.information.resolution import default_noise
from dmtest.runtime.typing import Vector


def families(x: Vector, levels: tuple[float, ...]) -> list[Kernels]:
    """The kernels of the certificate at multiples of its default noise."""
    s = default_noise(*x.shape)
    return [Kernels(0.25 / (m * s) ** 2, *normal_forms(x, m * s)[:2]) for m in levels]


def in_double(
    x: Vector, kernels: list[Kernels], monkeypatch: pytest.MonkeyPatch
) -> list[PairMeans]:
    with monkeypatch.context() as patch:
        patch.setattr(chi2, "SINGLE_ROWS", len(x) + 1)
        return normal_pair_means_of(x, kernels, pairs=1 << 22)


def sample(law: str, d: int) -> Vector:
    rng = np.random.default_rng(d)
    x = rng.standard_normal((4500, d))
    if law == "far":
        x += 300.0
    elif law == "one far row":
        x[7] *= 1000.0
    elif law == "copies":
        x[1::2] = x[::2]
    elif law == "heavy":
        x = rng.standard_t(3, (4500, d))
    elif law == "equal rows":
        x[:] = x[0]
    return np.asarray(x)


@pytest.mark.parametrize("law", ["normal", "far", "one far row", "copies", "heavy", "equal rows"])
@pytest.mark.parametrize("d", [2, 33, 200])
def test_float32_changes_means_by_less_than_1e_5(
    law: str, d: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = sample(law, d)
    kernels = families(x, (1.0, 2.0))
    double = in_double(x, kernels, monkeypatch)
    for one, other in zip(normal_pair_means_of(x, kernels, pairs=1 << 22), double, strict=True):
        assert one.shift == other.shift
        assert_allclose(one.means.mean(axis=1), other.means.mean(axis=1), rtol=1e-5)
        assert_allclose(one.means, other.means, rtol=1e-4, atol=1e-9 * other.means.max())
        assert_allclose(one.squares, other.squares, rtol=1e-4)


def test_float32_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sample("normal", 33)
    kernels = families(x, (1.0,))
    assert (
        normal_pair_means_of(x, kernels)[0].means != in_double(x, kernels, monkeypatch)[0].means
    ).any()


def test_levels_together_give_what_each_gives_alone() -> None:
    x = sample("heavy", 5)
    kernels = families(x, (0.5, 1.0, 4.0))
    together = normal_pair_means_of(x, kernels)
    for one, kernel in zip(together, kernels, strict=True):
        alone = normal_pair_means_of(x, [kernel])[0]
        np.testing.assert_array_equal(one.means, alone.means)
        np.testing.assert_array_equal(one.squares, alone.squares)
