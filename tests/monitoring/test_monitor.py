"""Monitors: bets that are exactly fair, the level over whole streams, drifts, files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.monitoring.betting import BINS, EDGES, GROUPS, MEMORIES, STRENGTHS, Bets
from dmtest.monitoring.monitor import MonitorState
from tests.support.calls import refused


def taught(d: int, seed: int = 0) -> Bets:
    """Return bets that have seen two batches, off the target."""
    bets = Bets(d)
    rng = np.random.default_rng(seed)
    for n in (12, 30):
        bets.place(0.5 + 1.5 * rng.standard_normal((n, d)))
    return bets


def test_bets_on_one_value_are_fair() -> None:
    """The density-weighted integral of every e-value is 1, whatever was learnt: by quadrature."""
    fine = np.sort(np.concatenate([np.linspace(-25.0, 25.0, 8001), EDGES - 1e-9, EDGES + 1e-9]))
    bets = taught(1)
    before = bets.sums
    found: dict[str, list[Any]] = {"columns": [], "column-shapes": []}
    for z in fine:
        bets.sums = before
        for group, value in bets.place(np.array([[z]])).items():
            found[group].append(np.exp(value))
    for values in found.values():
        density = stats.norm.pdf(fine)[:, None, None, None]
        total = np.trapezoid(np.array(values) * density, fine, axis=0)
        assert_allclose(total, np.ones((1, len(STRENGTHS), len(MEMORIES))), atol=1e-5)


def test_bets_on_batches_are_fair() -> None:
    """Means of all e-values of small batches are 1 within their errors, dependence and all."""
    bets = taught(3)
    before = bets.sums
    rng = np.random.default_rng(1)
    draws: dict[str, list[Any]] = {}
    for _ in range(3000):
        bets.sums = before
        for group, value in bets.place(rng.standard_normal((2, 3))).items():
            draws.setdefault(group, []).append(np.exp(value).ravel())
    assert set(draws) == set(GROUPS)
    for group, values in draws.items():
        table = np.array(values)
        error = table.std(axis=0) / math.sqrt(len(table))
        assert (np.abs(table.mean(axis=0) - 1.0) < 5.0 * error + 1e-3).all(), group


def test_normal_bets_are_products_of_predictive_densities() -> None:
    """A batch at once or row by row: Student's t predictive densities over N(0, 1), multiplied."""
    x = np.random.default_rng(2).standard_normal(6) + 0.3
    found = Bets(1).place(x[:, None])["columns"][0, :, 0]
    for strength, value in zip(STRENGTHS, found, strict=True):
        expected, kappa, a, b, m = 0.0, strength, strength / 2, strength / 2, 0.0
        for z in x:
            scale = math.sqrt(b * (kappa + 1.0) / (a * kappa))
            expected += stats.t.logpdf(z, 2.0 * a, m, scale) - stats.norm.logpdf(z)
            b += 0.5 * kappa * (z - m) ** 2 / (kappa + 1.0)
            m, kappa, a = (kappa * m + z) / (kappa + 1.0), kappa + 1.0, a + 0.5
        assert_allclose(value, expected, rtol=1e-10)


def test_joint_bets_are_products_of_predictive_densities() -> None:
    d, x = 3, np.random.default_rng(2).standard_normal((5, 3)) + 0.3
    found = Bets(d).place(x)["joint"][0, :, 0]
    for strength, value in zip((20.0, 500.0), found, strict=True):
        expected, kappa, nu = 0.0, strength, strength + d + 1.0
        m, scale = np.zeros(d), strength * np.eye(d)
        for z in x:
            free = nu - d + 1.0
            shape = scale * (kappa + 1.0) / (kappa * free)
            expected += stats.multivariate_t.logpdf(z, m, shape, free)
            expected -= stats.multivariate_normal.logpdf(z, np.zeros(d))
            scale = scale + kappa / (kappa + 1.0) * np.outer(z - m, z - m)
            m, kappa, nu = (kappa * m + z) / (kappa + 1.0), kappa + 1.0, nu + 1.0
        assert_allclose(value, expected, rtol=1e-9)


def test_bins_have_their_probabilities() -> None:
    assert_allclose(BINS.sum(), 1.0)
    for d in (2, 40):
        edges = Bets(d).length_edges
        assert_allclose(np.diff(stats.chi2.cdf(edges, d), prepend=0.0, append=1.0), BINS, rtol=1e-9)


def test_level_over_whole_streams() -> None:
    """Of 200 streams that follow the target at most alpha ever reach 1 / alpha; and some come near.

    Longer: benchmarks/results/monitor.md.
    """
    largest = []
    for i in range(200):
        rng = np.random.default_rng(i)
        monitor = dmtest.Monitor("normal")
        for t in range(25):
            monitor.update(rng.standard_normal((8 + t % 5, 2)))
        largest.append(monitor.state.largest)
    for alpha in (0.05, 0.2, 0.5):
        hits = int(np.sum(np.array(largest) >= 1.0 / alpha))
        assert stats.binomtest(hits, 200, alpha, alternative="greater").pvalue > 1e-3
    assert max(largest) > 2.0


DRIFTS = {
    "mean": (lambda x, rng: x + 0.2 * (np.arange(6) == 3), "the mean or variance of column 3"),
    "scale": (lambda x, rng: 1.1 * x, None),
    "shape": (
        lambda x, rng: np.where(np.arange(6) == 2, math.sqrt(12) * (rng.random(x.shape) - 0.5), x),
        "the shape of column 2",
    ),
    "correlation": (
        lambda x, rng: np.column_stack([x[:, :5], 0.6 * x[:, 0] + 0.8 * x[:, 5]]),
        None,
    ),
    "tails": (lambda x, rng: x * np.sqrt(8.0 / rng.chisquare(10, (len(x), 1))), None),
}


@pytest.mark.parametrize("start", [0, 30])
@pytest.mark.parametrize("name", DRIFTS)
def test_drifts_are_found_also_late(name: str, start: int) -> None:
    drift, leading = DRIFTS[name]
    rng = np.random.default_rng(5)
    monitor = dmtest.Monitor("normal")
    for _ in range(start):
        assert not monitor.update(rng.standard_normal((128, 6))).rejected
    for _ in range(25):
        state = monitor.update(drift(rng.standard_normal((128, 6)), rng))
    assert state.rejected
    assert state.rejected_at is not None
    assert 128 * start < state.rejected_at <= state.n
    assert leading is None or state.leading == leading
    assert state.leading in state.sentence
    assert state.pvalue <= 0.05


def test_once_rejected_stays_rejected() -> None:
    rng = np.random.default_rng(0)
    monitor = dmtest.Monitor("normal", alpha=0.01)
    for _ in range(5):
        bad = monitor.update(1.2 * rng.standard_normal((100, 2)))
    for _ in range(60):
        state = monitor.update(rng.standard_normal((100, 2)))
    assert state.rejected
    assert state.pvalue == bad.pvalue
    assert_allclose(state.pvalue, 1.0 / state.largest)
    assert state.e_value < bad.e_value


def test_states_say_what_they_are() -> None:
    monitor = dmtest.Monitor("normal", 2)
    begun = monitor.state
    assert (begun.e_value, begun.pvalue, begun.n, begun.rejected) == (1.0, 1.0, 0, False)
    state = monitor.update(np.random.default_rng(0).standard_normal((200, 2)))
    assert isinstance(state, MonitorState)
    assert state == monitor.state
    assert_allclose(state.e_value, math.exp(state.log_e_value))
    assert state.sentence.startswith("Still compatible with target 'normal' after 200 rows in 1")
    assert state.to_dict()["n"] == 200


def test_other_targets() -> None:
    """Uniform through normal scores, given normals and products; rows outside end it at once."""
    rng = np.random.default_rng(0)
    covariance = np.array([[2.0, 0.5], [0.5, 1.0]])
    root = np.linalg.cholesky(covariance)
    targets = {
        "uniform": ("uniform", lambda n: rng.random((n, 2))),
        "normal": (
            dmtest.Normal([1.0, 2.0], covariance),
            lambda n: rng.standard_normal((n, 2)) @ root.T + [1.0, 2.0],
        ),
        "product": (
            dmtest.Product([stats.gamma(2.0), stats.norm()]),
            lambda n: np.column_stack([rng.gamma(2.0, size=n), rng.standard_normal(n)]),
        ),
    }
    for target, draw in targets.values():
        monitor = dmtest.Monitor(target)
        for _ in range(10):
            state = monitor.update(draw(100))
        assert not state.rejected
        for _ in range(10):
            state = monitor.update(0.8 * draw(100))
        assert state.rejected
    monitor = dmtest.Monitor("uniform")
    state = monitor.update(np.concatenate([rng.random((50, 2)), [[0.5, 1.5]]]))
    assert (state.e_value, state.pvalue) == (math.inf, 0.0)
    assert state.leading == "1 row that the target cannot give"
    assert monitor.update(rng.random((50, 2))).rejected
    again = dmtest.Monitor.from_json(monitor.to_json())
    assert again.state == monitor.state


def test_names_of_columns_are_said() -> None:
    import pandas as pd

    rng = np.random.default_rng(0)
    monitor = dmtest.Monitor("normal")
    for _ in range(8):
        x = rng.standard_normal((200, 3)) + 0.4 * np.eye(3)[1]
        state = monitor.update(pd.DataFrame(x, columns=["a", "pressure", "c"]))
    assert state.leading == "the mean or variance of column 'pressure'"


@pytest.mark.parametrize("d", [1, 3])
def test_files_go_on_with_the_same_bits(d: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    batches = [1.05 * rng.standard_normal((40, d)) for _ in range(8)]
    whole = dmtest.Monitor("normal")
    for batch in batches:
        whole.update(batch)
    first = dmtest.Monitor("normal")
    for batch in batches[:4]:
        first.update(batch)
    path = tmp_path / "monitor.json"
    assert first.to_json(path) == path.read_text()
    second = dmtest.Monitor.from_json(path)
    assert second.state == first.state
    for batch in batches[4:]:
        second.update(batch)
    assert (second.state, second.to_json()) == (whole.state, whole.to_json())
    fresh = dmtest.Monitor.from_json(dmtest.Monitor("uniform", 2, alpha=0.1).to_json())
    assert (fresh.target.name, fresh.d, fresh.alpha, fresh.batches) == ("uniform", 2, 0.1, 0)


def test_files_know_their_target() -> None:
    rng = np.random.default_rng(0)
    box = dmtest.Monitor(dmtest.Uniform(-1.0, 1.0))
    box.update(2.0 * rng.random((20, 2)) - 1.0)
    assert dmtest.Monitor.from_json(box.to_json()).target.name == box.target.name
    monitor = dmtest.Monitor(dmtest.Normal([0.0, 1.0]))
    monitor.update(rng.standard_normal((20, 2)) + np.eye(2)[1])
    text = monitor.to_json()
    refused("which a file cannot hold; pass the target again", dmtest.Monitor.from_json, text)
    refused("which is another", dmtest.Monitor.from_json, text, dmtest.Normal([0.0, 2.0]))
    refused("which is another", dmtest.Monitor.from_json, box.to_json(), "uniform")
    again = dmtest.Monitor.from_json(text, dmtest.Normal([0.0, 1.0]))
    assert again.state == monitor.state


def test_refusals_name_argument_value_and_cure() -> None:
    x = np.random.default_rng(0).standard_normal((50, 3))
    monitor = dmtest.Monitor("normal")
    monitor.update(x)
    text = monitor.to_json()
    before = monitor.state
    broken = json.loads(text)
    broken["capital"]["columns"] = [[1.0]]
    changed = json.dumps(broken)
    cases: dict[str, Any] = {
        "target: a monitor bets against a fully specified law, and 'any-normal'": (
            lambda: dmtest.Monitor("any-normal")
        ),
        "and 'sphere' is none": lambda: dmtest.Monitor("sphere"),
        "alpha: got 2": lambda: dmtest.Monitor(alpha=2),
        "d: got 0; give a whole number": lambda: dmtest.Monitor("normal", 0),
        "batch: has 2 columns; this monitor watches d = 3": lambda: monitor.update(x[:, :2]),
        "batch: has 5 rows of 3 values; join batches": lambda: monitor.update(x[:5]),
        "not finite": lambda: monitor.update(np.where(x > 2.0, np.nan, x)),
        "JSON text holds no monitor of schema 1": lambda: dmtest.Monitor.from_json('{"kind": 1}'),
        "JSON text is incomplete or was changed": lambda: dmtest.Monitor.from_json(changed),
        "cannot be read": lambda: dmtest.Monitor.from_json("no/such/file.json"),
    }
    for message, call in cases.items():
        refused(message, call)
    assert (monitor.state, monitor.to_json()) == (before, text)
