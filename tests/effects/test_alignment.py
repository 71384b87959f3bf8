"""Alignment and uniformity of embeddings (Wang & Isola 2020)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.distance import pdist

from dmtest.effects.alignment import alignment, expected_uniformity, uniformity
from tests.support.calls import refused


def unit(n: int, d: int, seed: int) -> np.ndarray:
    x = np.random.default_rng(seed).standard_normal((n, d))
    return x / np.linalg.norm(x, axis=1)[:, None]


def test_alignment_is_the_mean_power_of_the_distance() -> None:
    x, y = unit(5000, 4, 0), unit(5000, 4, 1)
    for alpha in (1.0, 2.0):
        exact = (np.linalg.norm(x - y, axis=1) ** alpha).mean()
        assert_allclose(alignment(x, y, alpha), exact, rtol=1e-12)
    assert alignment(x, x) == 0.0
    refused(r"one shape \(n, d\)", alignment, x, y[:10])


@pytest.mark.parametrize("t", [0.5, 2.0])
def test_uniformity_is_over_pairs(t: float) -> None:
    x = unit(700, 5, 2) + 0.1
    assert_allclose(uniformity(x, t), np.log(np.exp(-t * pdist(x, "sqeuclidean")).mean()))
    refused("at least two rows", uniformity, x[:1])


@pytest.mark.parametrize("d", [2, 3, 16, 512])
def test_uniform_rows_have_the_expected_uniformity(d: int) -> None:
    """Within five errors of a U-statistic's mean over 20 samples."""
    made = [np.exp(uniformity(unit(400, d, seed))) for seed in range(20)]
    error = np.std(made, ddof=1) / np.sqrt(20)
    assert abs(np.mean(made) - np.exp(expected_uniformity(d))) < 5.0 * error
