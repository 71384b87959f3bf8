"""The neural dependence measure against known total correlations."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from dmtest.information import neural_dependence
from tests.support.calls import refused


def normal(n: int, correlation: Any, seed: int = 0) -> Any:
    """Draw n rows with a correlation matrix."""
    root = np.linalg.cholesky(correlation)
    return np.random.default_rng(seed).standard_normal((n, len(root))) @ root.T


def test_dependence_of_a_normal() -> None:
    """A normal's total correlation is -log det(R) / 2: the estimate is near and not above."""
    pytest.importorskip("torch")
    r = np.array([[1.0, 0.8, 0.0], [0.8, 1.0, 0.3], [0.0, 0.3, 1.0]])
    truth = -0.5 * np.linalg.slogdet(r)[1]
    # Scales and positions of the columns do not matter.
    found = neural_dependence(normal(6000, r) * [1.0, 30.0, 0.01] + 7.0, rng=0, steps=600)
    assert truth - 0.12 < found < truth + 0.05
    assert found.low is not None
    assert 0.0 < found.low < truth
    assert found.kind == "lower bound"
    assert not found.saturated


def test_dependence_without_correlation() -> None:
    """A ring has uncorrelated coordinates that depend on each other."""
    pytest.importorskip("torch")
    angle = np.random.default_rng(3).uniform(0, 2 * np.pi, 3000)
    ring = np.column_stack([np.cos(angle), np.sin(angle)]) + 0.1 * normal(3000, np.eye(2), 4)
    assert abs(np.corrcoef(ring.T)[0, 1]) < 0.05
    assert neural_dependence(ring, rng=0, steps=600) > 0.5


@pytest.mark.parametrize("d", [2, 10])
def test_independent_columns_have_none(d: int) -> None:
    """The value is about 0, and its lower confidence bound does not exclude 0."""
    pytest.importorskip("torch")
    found = neural_dependence(normal(2000, np.eye(d)), rng=0, steps=300)
    assert abs(found) < 0.02
    assert found.low is not None
    assert found.low <= 0.0


def test_dependence_repeats_and_leaves_torch_alone() -> None:
    """The seed decides; threads and the global generator are as they were."""
    torch = pytest.importorskip("torch")
    z = normal(400, np.array([[1.0, 0.9], [0.9, 1.0]]))
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    first = neural_dependence(z, rng=5, steps=100)
    assert float(first) == float(neural_dependence(z, rng=5, steps=100)) > 0.0
    assert torch.get_num_threads() == threads
    assert_array_equal(torch.get_rng_state().numpy(), state.numpy())


def test_dependence_refuses() -> None:
    """Too few rows or columns."""
    for shape in ((255, 2), (300, 1)):
        refused("at least 256 rows and 2 columns", neural_dependence, np.zeros(shape))
