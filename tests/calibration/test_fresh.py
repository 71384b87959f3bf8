"""P-values from fresh draws that stop where they are clear: valid at every level."""

from __future__ import annotations

import numpy as np
import pytest

from dmtest.calibration.fresh import CLEAR, FIRST, Ranked, looks, rank_among_draws
from dmtest.calibration.multiplicity import min_p


@pytest.mark.parametrize(
    ("replicates", "steps"),
    [(19, [19]), (99, [99]), (100, [99, 100]), (999, [99, 199, 399, 799, 999])],
)
def test_looks(replicates: int, steps: list[int]) -> None:
    assert looks(replicates) == steps


def run(data: np.ndarray, null: np.ndarray, ranked: list[Ranked]) -> int:
    """Rank data among the rows of `null`."""
    return rank_among_draws(data, lambda start, stop: null[start:stop], ranked, len(null))


def test_stopping_costs_no_validity() -> None:
    """Under exchangeability p-values are at most a level as often as it says, at any level."""
    samples, replicates = 4000, 399
    rng = np.random.default_rng(0)
    found, draws = [], []
    for _ in range(samples):
        values = rng.standard_normal((replicates + 1, 3)) + rng.standard_normal((replicates + 1, 1))
        ranked = [Ranked((0, 1, 2)), Ranked((0,)), Ranked((2,))]
        draws.append(run(values[0], values[1:], ranked))
        found.append([one.pvalue for one in ranked])
    for level in (0.01, 0.05, 0.1, 0.2, 0.5):
        size = np.mean(np.array(found) <= level + 1e-12, axis=0)
        error = np.sqrt(level * (1.0 - level) / samples)
        assert (size <= level + 3.5 * error).all(), (level, size)
        if level in (0.01, 0.05):  # little is lost
            assert (size >= 0.8 * level - 3.5 * error).all(), (level, size)
    assert np.mean(draws) < 0.55 * replicates


def test_a_clear_pvalue_is_final_and_others_go_on() -> None:
    rng = np.random.default_rng(1)
    null = rng.standard_normal((399, 2))
    clear, close = Ranked((0,)), Ranked((1,))
    made = run(np.array([0.0, 9.0]), null, [clear, close])
    assert (made, clear.replicates, close.replicates) == (399, FIRST, 399)
    assert clear.pvalue == min_p(np.zeros(1), null[:FIRST, :1])[0] > CLEAR
    assert close.pvalue == 1.0 / 400.0
    alone = Ranked((0,))
    assert run(np.array([0.0, 9.0]), null, [alone]) == FIRST
    assert (alone.pvalue, alone.error) == (clear.pvalue, clear.error)
