"""Differentiable statistics: the values of dmtest's own, gradients, precision, processes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose

import dmtest
from dmtest import train
from dmtest.catalogue.registry import TESTS
from dmtest.engines.directions import random_directions
from dmtest.engines.slices import SliceView
from dmtest.statistics.slices.wasserstein import squared_wasserstein
from dmtest.train.losses.charfun import epps_pulley_value
from dmtest.train.losses.slices import SLICE_STATISTICS, Slices
from tests.support.calls import python, refused

REGISTERED = sorted(set(SLICE_STATISTICS) - {"squared-wasserstein"})
FUNCTIONS = {name: getattr(train, name.replace("-", "_")) for name in SLICE_STATISTICS}
PAIRS = ("bhep", "henze-zirkler", "energy", "mmd")
SHAPES = {
    "normal": lambda rng, n, d: rng.standard_normal((n, d)),
    "shifted": lambda rng, n, d: 0.4 + 1.7 * rng.standard_normal((n, d)),
    "heavy": lambda rng, n, d: rng.standard_t(3, (n, d)),
    "bounded": lambda rng, n, d: rng.random((n, d)),
}


def sample(shape: str, n: int, d: int) -> np.ndarray:
    return SHAPES[shape](np.random.default_rng(n + d), n, d)


def statistic_of(name: str) -> Any:
    return squared_wasserstein if name == "squared-wasserstein" else TESTS[name].statistic


@pytest.mark.parametrize("parameters", ["known", "fitted"])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", SLICE_STATISTICS)
def test_slices_equal_those_of_numpy(name: str, shape: str, parameters: Any) -> None:
    for n in (9, 60, 601):
        x = sample(shape, n, 5).T.copy()
        expected = statistic_of(name)(SliceView(x, parameters))
        found = SLICE_STATISTICS[name].function(Slices(torch.from_numpy(x), parameters))
        # Epps-Pulley: both are within 1e-9 of a null value (about 0.4) of the closed form.
        assert_allclose(found.numpy(), expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("name", REGISTERED)
def test_functions_are_the_tests_of_the_registry(name: str) -> None:
    x, u = sample("heavy", 300, 6), random_directions(10, 6, np.random.default_rng(1))
    z = torch.from_numpy(x)
    for target in ("normal", "any-normal"):
        rows, parameters = (z, "known") if target == "normal" else (train.whiten(z), "fitted")
        outcome = dmtest.run_test(x, name, target, directions=u, replicates=19, rng=0)
        found = FUNCTIONS[name](rows, torch.from_numpy(u), parameters)
        assert_allclose(float(found), outcome.statistic, rtol=1e-7)
        worst = FUNCTIONS[name](rows, torch.from_numpy(u), parameters, "worst")
        each = FUNCTIONS[name](rows, torch.from_numpy(u), parameters, "none")
        assert_allclose(float(worst), outcome.worst_statistic, rtol=1e-7)
        assert float(worst) == float(each[outcome.worst_slice])


def test_vasicek_takes_a_window() -> None:
    x = sample("normal", 80, 1)[:, 0]
    expected = dmtest.run_test(x, "vasicek", "normal", params={"window": 3}, replicates=19, rng=0)
    assert_allclose(float(train.vasicek(torch.from_numpy(x), window=3)), expected.statistic)
    refused("window: got 40 with n = 80", train.vasicek, torch.from_numpy(x), window=40)


@pytest.mark.parametrize("d", [1, 3, 40])
@pytest.mark.parametrize("name", PAIRS)
def test_pairs_are_the_tests_of_the_registry(name: str, d: int) -> None:
    x = sample("heavy", 120, d)
    targets = {"bhep": ["any-normal"], "henze-zirkler": ["any-normal"], "mmd": ["normal"]}
    for target in targets.get(name, ["normal", "any-normal"]):
        expected = dmtest.run_test(x, name, target, replicates=19, precision="double", rng=0)
        parameters = "known" if target == "normal" else "fitted"
        found = getattr(train, name.replace("-", "_"))(torch.from_numpy(x), parameters=parameters)
        assert_allclose(float(found), expected.statistic, rtol=1e-9)


def test_pairs_in_blocks_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from dmtest.train.losses import pairs

    z = torch.from_numpy(sample("shifted", 50, 3)).requires_grad_()
    whole = [train.mmd(z), train.energy(z)]
    gradients = [torch.autograd.grad(value, z)[0] for value in whole]
    monkeypatch.setattr(pairs, "PAIRS", 400)
    for value, gradient, again in zip(
        whole, gradients, [train.mmd(z), train.energy(z)], strict=True
    ):
        assert_allclose(float(again.detach()), float(value.detach()), rtol=1e-12)
        assert_allclose(torch.autograd.grad(again, z)[0], gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("parameters", ["known", "fitted"])
@pytest.mark.parametrize("name", SLICE_STATISTICS)
def test_gradients_of_slices(name: str, parameters: Any) -> None:
    """Against finite differences; the maxima too, where a single row attains them."""
    z = torch.from_numpy(sample("shifted", 24, 2)).requires_grad_()
    u = torch.tensor([[0.6, 0.8], [1.0, 0.0], [-0.28, 0.96]], dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda z: FUNCTIONS[name](z, u, parameters, "none"), (z,))


@pytest.mark.parametrize("parameters", ["known", "fitted"])
@pytest.mark.parametrize("name", PAIRS)
def test_gradients_of_pairs(name: str, parameters: Any) -> None:
    z = torch.from_numpy(sample("shifted", 20, 3)).requires_grad_()
    function = getattr(train, name.replace("-", "_"))
    assert torch.autograd.gradcheck(lambda z: function(z, parameters=parameters), (z,))


def test_second_gradients_of_epps_pulley() -> None:
    z = torch.from_numpy(sample("shifted", 12, 1)).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda z: train.epps_pulley(z), (z,))


def test_epps_pulley_of_any_spread() -> None:
    """The trapezoidal rule, and the closed form where it would take too many nodes."""
    for spread in (1.0, 30.0, 400.0, 1e5):
        x = spread * sample("normal", 70, 3).T.copy()
        lines = torch.from_numpy(x).requires_grad_()
        apart = x[:, :, None] - x[:, None, :]
        expected = np.exp(-0.5 * apart**2).sum(axis=(1, 2)) / 70 + 70 / math.sqrt(3.0)
        expected -= math.sqrt(2.0) * np.exp(-0.25 * x**2).sum(axis=1)
        assert_allclose(epps_pulley_value(lines).detach(), expected, rtol=1e-8)
        assert torch.autograd.gradcheck(epps_pulley_value, (lines,))


def test_descent_makes_rows_normal() -> None:
    """Started a little off, a thousand steps on a loss bring rows where tests accept them."""
    z = torch.from_numpy(0.5 + 2.0 * sample("bounded", 200, 2)).requires_grad_()
    generator = torch.Generator().manual_seed(0)
    optimiser = torch.optim.Adam([z], lr=0.05)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 1000)
    for _ in range(1000):
        optimiser.zero_grad()
        loss = train.sliced(z, "epps-pulley", 16, generator=generator)
        loss.backward()
        optimiser.step()
        rate.step()
    for name in ("energy", "anderson-darling"):
        assert dmtest.run_test(z, name, "normal", replicates=199, rng=0).pvalue > 0.1


@pytest.mark.parametrize("name", SLICE_STATISTICS)
def test_losses_fall_to_zero_at_any_size(name: str) -> None:
    """0 is perfect, n does not matter much, and a scale that is off is seen."""
    loss = train.StatisticLoss(name, directions=8)
    values = {}
    for n in (200, 2000):
        z = torch.from_numpy(sample("normal", n, 4))
        values[n] = float(loss(z)), float(loss(1.5 * z))
        assert -0.01 < values[n][0] < 0.5 * values[n][1]
    assert 0.5 < values[2000][1] / values[200][1] < 2.0
    assert name in repr(loss)


def test_loss_keeps_its_directions() -> None:
    u = torch.eye(3)[:2]
    loss = train.StatisticLoss("watson", directions=u, reduce="none").double()
    z = torch.from_numpy(sample("normal", 50, 3))
    assert_allclose(loss(z), train.watson(z, u, reduce="none") / 50)
    assert "directions" in loss.state_dict()
    assert "given" in repr(loss)


def test_tied_windows_give_no_nan() -> None:
    z = torch.relu(torch.from_numpy(sample("normal", 60, 2)) - 0.8).requires_grad_()
    for make in (train.vasicek, train.StatisticLoss("vasicek"), train.epps_pulley, train.energy):
        (gradient,) = torch.autograd.grad(make(z), z)
        assert torch.isfinite(gradient).all()


def test_half_precision_and_autocast() -> None:
    """bfloat16 rows are computed with in float32, and autocast changes nothing."""
    z = torch.from_numpy(sample("normal", 128, 8)).float()
    u = torch.eye(8)
    for function in (train.epps_pulley, train.anderson_darling):
        expected = function(z, u)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert float(function(z, u)) == float(expected)
        half = function(z.bfloat16(), u)
        assert half.dtype == torch.float32
        assert_allclose(float(half), float(function(z.bfloat16().double(), u)), rtol=1e-4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_allclose(float(train.mmd(z)), float(train.mmd(z.double())), rtol=1e-3)


def test_directions_are_drawn_as_they_are_asked_for() -> None:
    z = torch.from_numpy(sample("normal", 40, 5))
    assert train.watson(z, reduce="none").shape == (64,)
    assert train.watson(z[:, 0], reduce="none").shape == (1,)
    first = [train.watson(z, 7, reduce="none") for _ in range(2)]
    assert first[0].shape == (7,)
    assert not torch.equal(*first)
    seeded = [
        train.sliced(z, "watson", 7, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert torch.equal(*seeded)
    from dmtest.train.losses.prepare import random_frames

    u = random_frames(12, z)
    assert_allclose(u[:5] @ u[:5].T, np.eye(5), atol=1e-12)
    assert_allclose(u.norm(dim=1), np.ones(12))


def test_own_statistics_of_slices() -> None:
    z = torch.from_numpy(sample("shifted", 40, 3))
    means = train.sliced(z, lambda lines: lines.mean(dim=1).abs(), torch.eye(3), reduce="worst")
    assert_allclose(float(means), np.abs(z.numpy().mean(axis=0)).max())


def test_refusals_name_argument_value_and_cure() -> None:
    z = torch.randn(20, 4)
    cases = {
        "z: got ndarray; pass a torch tensor": lambda: train.watson(np.zeros((20, 4))),
        r"z: got shape \(20, 4, 1\); pass \(n, d\)": lambda: train.watson(z[..., None]),
        "z: got 7 rows; pass at least 8": lambda: train.watson(z[:7]),
        "z: holds torch.int64; convert it": lambda: train.watson(torch.ones(20, 2).long()),
        "directions: got 0; give at least 1": lambda: train.watson(z, 0),
        r"directions: got shape \(1, 3\); pass \(k, 4\)": lambda: train.watson(z, torch.eye(3)[:1]),
        "directions: a row's norm is 1 from 1": lambda: train.watson(z, 2.0 * torch.eye(4)),
        "parameters: got 'none'; choose 'known'": lambda: train.watson(z, None, "none"),
        "reduce: got 'max'; choose 'mean' or 'worst'": lambda: train.watson(z, reduce="max"),
        "statistic: got 'ks'; choose one of": lambda: train.sliced(z, "ks"),
        "z: whitening takes more rows than columns; got n = 20, d = 20": lambda: train.whiten(
            torch.randn(20, 20)
        ),
        "z: the covariance of these 20 rows is singular": lambda: train.bhep(torch.ones(20, 2)),
    }
    for message, call in cases.items():
        refused(message, call)


def test_import_needs_no_torch() -> None:
    """``import dmtest.train`` loads nothing heavy; a missing package is one sentence."""
    code = (
        "import sys; sys.modules['torch'] = None; import dmtest.train as train; dir(train)\n"
        "try: train.epps_pulley\n"
        "except ImportError as error: print(error)\n"
        "print('numpy' in sys.modules)"
    )
    done = python("-c", code, check=True)
    expected = 'dmtest.train.epps_pulley needs torch: run `pip install "dmtest[train]"`'
    assert done.stdout.splitlines() == [expected, "False"]
    with pytest.raises(AttributeError, match="no attribute 'epps_pully'"):
        _ = train.epps_pully


def test_the_command_line_without_torch(tmp_path: Path) -> None:
    """One sentence with the cure, not a defect to report."""
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from dmtest.cli.main import main\n"
        f"sys.exit(main(['train', '--data', 'digits', '--out', {str(tmp_path / 'run')!r}]))"
    )
    done = python("-c", code)
    assert done.returncode == 2
    said = 'dmtest: error: dmtest.train.fit needs torch: run `pip install "dmtest[train]"`\n'
    assert done.stderr == said


@pytest.mark.parametrize("name", ["epps_pulley", "whiten", "StatisticLoss", "gather_rows"])
def test_public_names_resolve(name: str) -> None:
    assert name in train.__all__
    assert getattr(train, name).__doc__


@pytest.mark.parametrize("beta", [0, 0.0, -1.0, math.nan, math.inf])
def test_a_bandwidth_is_positive(beta: float) -> None:
    """Width 0 has the loss 0, and NaN is a loss that trains nothing (field case D3)."""
    z = torch.randn(30, 2, generator=torch.Generator().manual_seed(0))
    for loss in (train.bhep, train.henze_zirkler, train.mmd):
        refused(f"beta: got {beta!r}; give a positive number", loss, z, beta=beta)
