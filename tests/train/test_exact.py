"""Metric and losses against numpy, and over two processes: values, kept rows and gradients."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

import dmtest
from dmtest.effects.gaussian import unbiased_parts
from dmtest.engines.slices import SliceView
from dmtest.statistics.slices.wasserstein import null_mean, squared_wasserstein
from dmtest.train import DistributionMatch
from dmtest.train.watch.metric import EFFECTS, REACH
from dmtest.train.watch.reservoir import priorities
from tests.support.calls import refused


def rows(n: int = 600, d: int = 5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return 0.2 + rng.standard_t(6, (n, d)) @ (np.eye(d) + 0.1 * rng.standard_normal((d, d)))


def computed(x: Any, **options: Any) -> dict[str, float]:
    metric = DistributionMatch(x.shape[1], **options)
    metric.update(torch.as_tensor(x))
    return {name: float(value) for name, value in metric.compute().items()}


def test_values_are_those_of_numpy() -> None:
    x = rows()
    n, d = x.shape
    found = computed(x)
    assert tuple(found) == EFFECTS
    covariance = np.cov(x.T, bias=True)
    parts = unbiased_parts(x.mean(axis=0), covariance, n)
    names = ("kl-mean", "kl-scale", "kl-correlation", "kl-fitted-normal")
    assert_allclose([found[name] for name in names], parts, rtol=1e-9)
    u = DistributionMatch(d).directions.numpy()
    squared = squared_wasserstein(SliceView(u @ x.T, "known"))
    assert_allclose(found["worst-slice"], np.sqrt(squared.max()), rtol=1e-9)
    assert_allclose(
        found["sliced-wasserstein-2"], np.sqrt(squared.mean() - null_mean(n)), rtol=1e-9
    )
    eigenvalues = np.linalg.eigvalsh(covariance)
    shares = np.linalg.svd(x, compute_uv=False)  # RankMe: of the rows, not centred
    shares /= shares.sum()
    assert_allclose(found["rankme"], np.exp(-(shares * np.log(shares)).sum()))
    assert_allclose(found["isotropy"], np.exp(np.log(eigenvalues).mean()) / eigenvalues.mean())
    lengths = (x**2).sum(axis=1) / (x**2).mean()
    assert_allclose(found["length-dispersion"], ((lengths - d) ** 2).mean() / (2 * d))
    report = dmtest.report(x, rng=0)
    for name in ("kl-fitted-normal", "length-dispersion"):
        assert_allclose(found[name], report.effects[name].value, rtol=1e-9)
    for name in ("effective-rank", "participation-ratio"):  # halves by another order of rows
        assert_allclose(found[name], report.effects[name].value, rtol=0.01)


@pytest.mark.parametrize("far", [1.0, 40.0])
def test_epps_pulley_is_the_unbiased_distance(far: float) -> None:
    """Pairs of different rows, by the closed form; also where rows lie beyond the sums' reach."""
    x = far * rows(300, 3)
    assert (np.abs(x).max() > REACH) == (far > 1.0)
    lines = DistributionMatch(3).directions.numpy() @ x.T
    apart = lines[:, :, None] - lines[:, None, :]
    pairs = (np.exp(-0.5 * apart**2).sum(axis=(1, 2)) - 300) / (300 * 299)
    single = np.exp(-0.25 * lines**2).mean(axis=1)
    expected = pairs - np.sqrt(2.0) * single + 1.0 / np.sqrt(3.0)
    assert_allclose(computed(x)["epps-pulley"], expected.mean(), rtol=1e-8)


def test_null_mean_is_what_a_normal_sample_gives() -> None:
    """The exact mean of W2^2, against simulation and against the table from 2,000 rows on."""
    rng = np.random.default_rng(3)
    for n in (8, 100):
        values = squared_wasserstein(SliceView(rng.standard_normal((4000, n)), "known"))
        assert abs(values.mean() - null_mean(n)) < 4.0 * values.std() / np.sqrt(4000)
    assert_allclose(1999 * null_mean(1999), 2000 * null_mean(2000), rtol=1e-4)


def test_uniform_target_takes_normal_scores() -> None:
    u = np.random.default_rng(1).random((3000, 3))
    assert computed(u, target="uniform")["kl-fitted-normal"] < 0.005
    saturated = torch.from_numpy(u.round()).float()
    assert computed(saturated, target="uniform")["kl-scale"] > 1.0
    refused(r"z: has values outside \[0, 1\]", computed, u + 0.1, target="uniform")


def test_batches_and_merges_change_nothing() -> None:
    """Any split into batches, devices' merges in any order and `forward` give the same values."""
    x = torch.from_numpy(rows())
    whole = computed(x, rows=100)
    parts = [DistributionMatch(5, rows=100) for _ in range(3)]
    for part, piece in zip(parts, (x[:50], x[400:], x[50:400]), strict=True):
        for batch in piece.split(64):
            part(batch)
    parts[2].merge_state(parts[0])
    parts[2].merge_state(parts[1])
    found = parts[2].compute()
    for name, value in whole.items():
        assert_allclose(float(found[name]), value, rtol=1e-9)
    assert parts[2].sample is not None
    assert parts[2].sample.shape == (100, 5)


def test_kept_rows_are_a_uniform_sample() -> None:
    """Every row is as likely as any other to be kept, and independent of its value."""
    x = torch.from_numpy(np.random.default_rng(2).standard_normal((200, 2)))
    counts = np.zeros(200)
    for seed in range(400):
        order = priorities(x, seed).argsort()[:50]
        counts[order.numpy()] += 1
    # Binomial(400, 1/4): mean 100, variance 75; hypergeometric over rows, about chi-squared(199).
    assert 140.0 < ((counts - 100.0) ** 2 / 75.0 * (200 / 199)).sum() < 265.0
    unit = priorities(torch.from_numpy(np.arange(20_000.0)[:, None]), 0).numpy()
    assert stats.kstest(unit, "uniform").pvalue > 0.01
    assert abs(np.corrcoef(unit[1:], unit[:-1])[0, 1]) < 0.03


def test_reset_empties_and_few_rows_are_nan() -> None:
    metric = DistributionMatch(5)
    metric.update(torch.from_numpy(rows()))
    metric.reset()
    metric.update(torch.from_numpy(rows(7)))
    assert all(np.isnan(float(value)) for value in metric.compute().values())
    found = computed(np.ones((50, 2)) * np.random.default_rng(0).standard_normal((50, 1)))
    assert np.isnan(found["kl-fitted-normal"])
    assert found["isotropy"] == 0.0
    assert_allclose(found["effective-rank"], 1.0)


def test_refusals() -> None:
    update, missing = DistributionMatch(3).update, [[1.0, 2.0, torch.nan]] + [[0.0] * 3] * 3
    refused(r"z: got \(4, 2\); pass a tensor of shape \(n, 3\)", update, torch.ones(4, 2))
    refused("z: 1 of 4 rows are not finite", update, torch.tensor(missing))
    words = "target: got 'sphere'; choose 'normal' or 'uniform'"
    refused(words, DistributionMatch, 3, "sphere")
    words = "effects: got 'kl'; choose among kl-fitted-normal"
    refused(words, DistributionMatch, 3, effects=["kl"])
    refused("rows: got 3; give a whole number of at least 8", DistributionMatch, 3, rows=3)


PROCESSES = """
import sys, json
import numpy as np, torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel
from dmtest import train
rank, store, data = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
x = torch.from_numpy(np.load(data))
mine = x[:230] if rank == 0 else x[230:]
out = {}
for name, held in (("all", 4096), ("capped", 100)):
    metric = train.DistributionMatch(x.shape[1], rows=held)
    for batch in mine.split(64):
        metric.update(batch)
    out[name] = {key: float(value) for key, value in metric.compute().items()}
    out[name + "-rows"] = np.sort(metric.sample, axis=0).tolist()
torch.manual_seed(0)
model = DistributedDataParallel(torch.nn.Linear(x.shape[1], 2).double())
u = torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=torch.float64)
for name in ("epps_pulley", "anderson_darling"):
    model.zero_grad()
    loss = getattr(train, name)(model(mine), u, gather=True)
    loss.backward()
    out[name] = [loss.item(), *model.module.weight.grad.flatten().tolist()]
model.zero_grad()
loss = train.energy(model(mine), "fitted", gather=True)
loss.backward()
out["energy"] = [loss.item(), *model.module.weight.grad.flatten().tolist()]
print(json.dumps(out))
dist.destroy_process_group()
"""


def test_two_processes_give_the_values_of_one(tmp_path: Path) -> None:
    """Metrics, kept rows, losses and gradients under gloo, with parts of different sizes."""
    x = rows()
    np.save(tmp_path / "x.npy", x)
    command = [sys.executable, "-W", "ignore", "-c", PROCESSES]
    running = [
        subprocess.Popen(
            [*command, str(rank), str(tmp_path / "store"), str(tmp_path / "x.npy")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    try:
        printed = [process.communicate(timeout=120)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    first, second = (json.loads(text.splitlines()[-1]) for text in printed)
    assert first == second
    for name, held in (("all", 4096), ("capped", 100)):
        metric = DistributionMatch(5, rows=held)
        metric.update(torch.from_numpy(x))
        expected = metric.compute()
        for key, value in expected.items():
            assert_allclose(first[name][key], float(value), rtol=1e-9, err_msg=f"{name} {key}")
        assert metric.sample is not None
        assert_allclose(first[f"{name}-rows"], np.sort(metric.sample, axis=0), rtol=0, atol=0)
    assert len(first["capped-rows"]) == 100
    for name, expected in one_process(torch.from_numpy(x)).items():
        assert_allclose(first[name], expected, rtol=1e-9, err_msg=name)


def one_process(x: Any) -> dict[str, list[float]]:
    """Losses of all rows and their gradients, as DDP should give them."""
    from dmtest import train

    torch.manual_seed(0)
    model = torch.nn.Linear(x.shape[1], 2).double()
    u = torch.tensor([[0.6, 0.8], [0.8, -0.6]], dtype=torch.float64)
    losses = {
        "epps_pulley": lambda z: train.epps_pulley(z, u),
        "anderson_darling": lambda z: train.anderson_darling(z, u),
        "energy": lambda z: train.energy(z, "fitted"),
    }
    found = {}
    for name, loss in losses.items():
        model.zero_grad()
        value = loss(model(x))
        value.backward()
        found[name] = [value.item(), *model.weight.grad.flatten().tolist()]
    return found


def test_isotropy_is_low_for_few_rows() -> None:
    """Geometric over arithmetic mean of eigenvalues: exp(-d / 2n), 1/e at n = d (field case F8)."""
    rng = np.random.default_rng(0)
    for n, d in ((4000, 64), (640, 64), (128, 64)):
        found = computed(rng.standard_normal((n, d)))["isotropy"]
        g = d / n
        exact = np.exp(-1.0 - (1.0 - g) / g * np.log1p(-g))  # of Marchenko and Pastur's law
        assert abs(found - exact) < 0.02
        assert found < np.exp(-0.45 * g)
    assert np.isnan(computed(rng.standard_normal((60, 64)))["isotropy"])
    axes = np.diag([1.0, 2.0, 3.0])  # rotation does not matter: eigenvectors do not enter
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    x = rng.standard_normal((500, 3)) @ axes
    assert_allclose(computed(x @ turn)["isotropy"], computed(x)["isotropy"], rtol=1e-9)
