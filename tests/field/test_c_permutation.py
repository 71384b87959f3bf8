"""Cases of group C: ties, permutations, streams, and large samples."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import binom

import dmtest
from dmtest import Reference
from tests.support.calls import refused

TESTS = ["mmd", "energy", "sliced-wasserstein", "classifier"]


@pytest.mark.parametrize("name", TESTS)
def test_pvalues_count_the_sample_itself(name: str) -> None:
    """C3, fieldtrip/fieldtrip#2607, scipy/scipy#16459: p = b / B, which can be 0."""
    x = np.random.default_rng(3).standard_normal((30, 2))
    for y, pvalue in ((x + 100.0, 1 / 100), (x, 1.0), (x[::-1], 1.0)):
        one = dmtest.run_test(x, name, Reference(y), replicates=99, rng=0)
        # The classifier divides rows into folds at random, so equal rows are not quite the best.
        assert one.pvalue == pvalue or (name == "classifier" and pvalue == 1.0 and one.pvalue > 0.9)


def test_relabellings_that_tie_are_counted_whatever_their_last_bit() -> None:
    """C4, scipy/scipy#15869: permuted statistics differ from the observed in the last bit."""
    rng = np.random.default_rng(4)
    refused("6 rows", dmtest.compare, np.ones((6, 1)), np.ones((9, 1)))
    x, y = rng.integers(0, 4, (8, 1)), rng.integers(1, 4, (8, 1))
    pool = np.vstack([x, y]).ravel().astype(float)
    distance = np.abs(pool[:, None] - pool)

    def energy(ours: tuple[int, ...]) -> float:
        sign = np.full(16, -1.0)
        sign[list(ours)] = 1.0
        return -float(sign @ distance @ sign)

    values = np.array([energy(ours) for ours in combinations(range(16), 8)])
    exact = np.mean(values >= energy(tuple(range(8))) - 1e-9)
    options = {"rng": 0, "replicates": 1999}
    pvalues = {
        dmtest.run_test(scale * x, "energy", Reference(scale * y), **options).pvalue
        for scale in (1.0, 0.1, 1.0 / 3.0, 1e-6)
    }
    assert len(pvalues) == 1
    assert abs(pvalues.pop() - exact) <= 4.0 * np.sqrt(exact * (1 - exact) / 2000) + 1e-3


def test_two_samples_of_one_law_differ_at_the_level() -> None:
    """C7, eth-easl/modyn#414: a null drawn from the reference alone finds drift every time."""
    rng = np.random.default_rng(7)
    hits, runs = dict.fromkeys(TESTS[1:3], 0), 100
    for seed in range(runs):
        x, y = rng.standard_normal((2, 500, 2))
        for one in dmtest.run_tests(x, [*hits], Reference(y), replicates=99, rng=seed):
            hits[one.test] += one.pvalue <= 0.05
    for count in hits.values():
        assert count <= binom.ppf(1 - 1e-4, runs, 0.05)


def test_a_sample_against_itself_is_no_drift() -> None:
    """C8, SeldonIO/alibi-detect#544: two equal sets were flagged."""
    x = np.random.default_rng(8).standard_normal((200, 3))
    for y in (x, x[np.random.default_rng(9).permutation(200)]):
        made = dmtest.compare(x, y, rng=0, replicates=99)
        assert made.pvalue == 1.0
        assert made.verdict == "compatible"
        (found,) = (one for one in made.warnings if one.code == "same-rows")
        assert found.count == 200
    part = dmtest.compare(x, np.vstack([x[:50], x[:100] + 0.5]), rng=0, replicates=99)
    assert [one.count for one in part.warnings if one.code == "common-rows"] == [50]


def test_a_monitor_takes_any_batch_or_says_how() -> None:
    """C9, SeldonIO/alibi-detect#786: a whole array, or one row, given to an online detector."""
    rng = np.random.default_rng(9)
    monitor = dmtest.Monitor("normal")
    assert monitor.update(rng.standard_normal((8000, 4))).n == 8000
    for batch, said in (
        (rng.standard_normal((1, 4)), "batch: has 1 row of 4 values; join batches until .* 8 rows"),
        (rng.standard_normal(4), "batch: has 4 rows of 1 value; join"),
        (rng.standard_normal((9, 3)), "batch: has 3 columns; this monitor watches d = 4"),
        ([[np.nan] * 4] * 9, "batch: 9 of 9 rows are not finite"),
    ):
        refused(said, monitor.update, batch)
    said = refused("one row of the 20 columns", dmtest.Monitor(d=20).update, np.ones(20))
    assert "(n, 20)" in said
    assert monitor.n == 8000


def test_a_large_sample_leads_with_the_size() -> None:
    """C10, TorchDrift/TorchDrift#13: p is always 0 unless batches are small."""
    rng = np.random.default_rng(10)
    x, y = rng.standard_normal((2, 10_000, 2))
    made = dmtest.compare(
        x + np.array([0.1, 0.0]), y, tests="sliced-wasserstein", rng=0, replicates=99
    )
    assert made.verdict == "mismatch"
    lines = str(made).splitlines()
    heads = {
        word: next(i for i, line in enumerate(lines) if line.startswith(word))
        for word in ("What is wrong", "Effect", "Test")
    }
    assert heads["What is wrong"] < heads["Effect"] < heads["Test"]
    assert any(char.isdigit() for char in made.diagnosis[0].message)
    ranges = [one for one in made.effects.values() if one.low is not None and one.unit != "nats"]
    assert ranges
    small = dmtest.report(1.01 * rng.standard_normal((10_000, 2)), rng=0, tolerance=0.1)
    assert small.verdict == "equivalent"
