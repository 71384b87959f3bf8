"""Power on disjoint blocks for laws other than the normal, and blocks that decide at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr

import dmtest
from dmtest.battery.plan import Plan
from dmtest.battery.ranks import run_ranks
from dmtest.data.sample import as_sample
from dmtest.effects import detectability as power


def test_a_block_that_the_target_excludes_is_rejected_whatever_the_level() -> None:
    """Values outside the cube have probability 0: p is 0 at 20 rows already."""
    rng = np.random.default_rng(0)
    x = rng.random((400, 2))
    x[::2, 0] += 2.0
    with pytest.warns(dmtest.DataWarning, match="200 rows have a value outside the box"):
        found = dmtest.detectability(x, target="uniform", alpha=0.002, sizes=[20, 50], rng=0)
    assert found.rates == (1.0, 1.0)
    assert found.mean_pvalues == (0.0, 0.0)
    # Twenty blocks of 20 rows, all rejected, show a power above one half; so do eight of 50.
    assert found.blocks == (20, 8)
    half = found.thresholds[0]
    assert (half.n, half.low, half.high) == (None, None, 20.0)


@pytest.mark.parametrize("independent", [False, True])
def test_blocks_of_ranks_have_the_p_value_of_their_report(independent: bool) -> None:
    rng = np.random.default_rng(1)
    ranks = rng.binomial(20, ndtr(0.8 * rng.standard_normal((600, 2))))
    target = dmtest.Ranks(20, independent=independent)
    found = dmtest.detectability(ranks, target=target, sizes=[50, 200], rng=0)
    assert found.rates[1] >= found.rates[0]
    assert found.rates[1] == 1.0
    sample = as_sample(ranks[:200])
    plan = Plan(target=target.name, seed=0, slices=None, directions=None)
    pvalue = power.block_pvalue(sample, target.canonical(sample), target, plan, None)
    alone = run_ranks(sample, target, plan).pvalue
    assert pvalue == alone if not independent else pvalue >= 0.5 * alone
    assert pvalue < 0.01


def test_rows_of_a_callable_are_mapped_once() -> None:
    """A law given by its transform has the power of the uniform on the mapped rows."""
    calls: list[int] = []

    def transform(z: np.ndarray) -> np.ndarray:
        calls.append(len(z))
        return ndtr(z)

    x = 1.3 * np.random.default_rng(2).standard_normal((800, 2))
    ours = dmtest.detectability(x, target=dmtest.Rosenblatt(transform), sizes=[40, 100], rng=3)
    theirs = dmtest.detectability(ndtr(x), target="uniform", sizes=[40, 100], rng=3)
    assert ours.rejections == theirs.rejections
    assert ours.mean_pvalues == theirs.mean_pvalues
    assert max(calls) == 800
    # Validation maps rows; the blocks do not.
    assert 40 not in calls
    assert 100 not in calls


def test_progress_counts_the_blocks_and_rows_are_not_shared() -> None:
    said: list[tuple[str, int, int]] = []
    seen: list[np.ndarray] = []
    sample = as_sample(np.arange(230.0)[:, None])

    def judge(block: Any, seed: int) -> float:
        seen.append(block.x[:, 0])
        return 0.5

    pvalues = power.block_pvalues(sample, 50, judge, 7, 9, lambda *one: said.append(one))
    assert pvalues.tolist() == [0.5] * 4
    assert said == [("blocks", k, 4) for k in (1, 2, 3, 4)]
    used = np.concatenate(seen)
    assert len(used) == len(np.unique(used)) == 200
    assert all((np.diff(rows) > 0).all() for rows in seen)
    again = power.block_pvalues(sample, 50, lambda block, seed: float(seed % 97), 7, 2)
    assert again.tolist() != power.block_pvalues(sample, 50, lambda b, s: s % 97, 8, 2).tolist()


def test_a_result_is_plain_and_its_effect_has_the_limits() -> None:
    x = np.random.default_rng(4).standard_normal((1600, 1)) + 0.25
    found = dmtest.detectability(x, rng=0)
    plain = found.to_dict()
    assert plain["sizes"] == found.sizes
    assert plain["thresholds"][0]["n"] == found.thresholds[0].n
    effect = power.detectability_effect(found)
    half = found.thresholds[0]
    assert (effect.value, effect.low, effect.high) == (half.n, half.low, half.high)
    # The mean of n rows has power 1/2 at about n = (1.96 / 0.25)^2 = 61; the battery needs more.
    assert 50 < half.n < 250


def test_a_crossing_is_interpolated_in_the_logarithm_of_the_rows() -> None:
    logs = np.log([100.0, 400.0])
    assert power._crossing(0.5, logs, np.array([0.25, 0.75])) == pytest.approx(200.0)
    assert power._crossing(0.5, logs, np.array([0.5, 0.75])) is None
    assert power._crossing(0.8, logs, np.array([0.25, 0.75])) is None
