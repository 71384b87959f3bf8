"""Peers of injected noise: values by hand and from closed forms, known optima, held-out rows."""

from __future__ import annotations

import copy
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import norm

import dmtest
from dmtest.train.evaluate.rbig import gaussianise
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses import matching
from dmtest.train.losses.matching import AdversarialPrior, sigreg, simclr, vicreg
from dmtest.train.losses.penalties import build_penalty
from tests.support.calls import refused


def tensor(values: Any) -> Any:
    """Make a float64 tensor."""
    return torch.tensor(np.asarray(values, dtype=np.float64))


def free(values: Any) -> Any:
    """Make one with gradients."""
    return tensor(values).requires_grad_()


def closed_form(x: Any) -> float:
    """Epps-Pulley's statistic of N(0, 1) in closed form, with a density for a weight."""
    n = len(x)
    pairs = np.exp(-0.5 * np.square(x[:, None] - x)).sum() / n
    return float(pairs - math.sqrt(2.0) * np.exp(-0.25 * x * x).sum() + n / math.sqrt(3.0))


def test_sigreg_is_the_epps_pulley_statistic() -> None:
    """sqrt(2 pi) times the closed form, and times dmtest's own, averaged over slices."""
    x = 0.5 * np.random.default_rng(0).exponential(size=(60, 3)) - 0.5
    u = np.asarray(matching.random_directions(3, 5, seed=1), dtype=np.float64)
    assert_allclose(np.linalg.norm(u, axis=0), 1.0, rtol=1e-6)
    expected = np.mean([closed_form(x @ column) for column in u.T])
    found = float(sigreg(tensor(x), torch.tensor(u)))
    assert_allclose(found, math.sqrt(2.0 * math.pi) * expected, rtol=1e-5)
    slice_ = x @ u[:, 0]
    own = dmtest.run_test(slice_, "epps-pulley", target="normal", rng=0).statistic
    one = float(sigreg(tensor(slice_[:, None]), torch.ones(1, 1)))
    assert_allclose(one, math.sqrt(2.0 * math.pi) * own, rtol=1e-5)


def test_sigreg_gradients_and_directions() -> None:
    """The gradient is that of differences; directions depend on seed and step only."""
    x = np.random.default_rng(1).standard_normal((7, 2))
    u = matching.random_directions(2, 3, seed=0, step=4)
    assert torch.autograd.gradcheck(lambda z: sigreg(z, u.double()), free(x))
    assert torch.equal(u, matching.random_directions(2, 3, seed=0, step=4))
    assert not torch.equal(u, matching.random_directions(2, 3, seed=0, step=5))
    shifted = free(x + 1.0)
    sigreg(shifted, u.double()).backward()
    # Descent leads back to the origin.
    assert (shifted.grad.mean(0) > 0).all()


def test_axes_are_directions_beside_the_random_ones() -> None:
    """The term is the mean over random directions plus the weighted mean over coordinates."""
    z = tensor(np.random.default_rng(2).exponential(0.5, size=(50, 3)) - 0.5)
    terms = []
    for axes in (0.0, 0.5):
        settings = Settings(dim=3, matching="sigreg", matching_weight=2.0, matching_axes=axes)
        penalty = build_penalty(settings, "normal", seed=0)
        assert penalty is not None
        terms.append(float(penalty(z, z, seed=0, step=7)))
    mean = np.mean([closed_form(column) for column in z.numpy().T])
    added = 2.0 * 0.5 * math.sqrt(2.0 * math.pi) * mean / len(z)
    assert_allclose(terms[1] - terms[0], added, rtol=1e-4)


def test_descending_sigreg_makes_points_normal() -> None:
    """Free points that start uniform and off centre end up where dmtest's tests see nothing."""
    z = torch.rand((200, 1), generator=torch.Generator().manual_seed(0)).mul(2.0).requires_grad_()
    start = dmtest.run_test(z.detach().numpy(), "anderson-darling", target="normal", rng=0)
    optimiser = torch.optim.Adam([z], lr=0.05)
    for _ in range(200):
        optimiser.zero_grad()
        sigreg(z, torch.ones(1, 1)).backward()
        optimiser.step()
    end = dmtest.run_test(z.detach().numpy(), "anderson-darling", target="normal", rng=0)
    assert start.pvalue < 0.001
    assert end.pvalue > 0.5


def test_sigreg_has_a_period() -> None:
    """What the docstring warns of: 16 pi / 5 away from the origin looks like the origin."""
    zeros, direction = torch.zeros(4, 1, dtype=torch.float64), torch.ones(1, 1)
    far = zeros + 16.0 * math.pi / 5.0
    assert_allclose(float(sigreg(far, direction)), float(sigreg(zeros, direction)))
    assert float(sigreg(far / 2.0, direction)) > 2.0 * float(sigreg(zeros, direction))


def test_vicreg_by_hand() -> None:
    """Two rows and two columns, every term computed on paper."""
    a, b = tensor([[0.0, 0.0], [1.0, 2.0]]), tensor([[0.0, 1.0], [1.0, 1.0]])
    # Differences 0, -1, 0, 1: mean square 1/2. Variances with 1/(n-1): (1/2, 2) and (1/2, 0).
    half, none = 1.0 - math.sqrt(0.5 + 1e-4), 1.0 - math.sqrt(1e-4)
    assert_allclose(float(matching.variance_term(a)), half / 2.0)
    assert_allclose(float(matching.variance_term(b)), (half + none) / 2.0)
    # The covariance in a is 1, twice squared, over d = 2; in b the second column is constant.
    assert_allclose(float(matching.covariance_term(a)), 1.0)
    assert_allclose(float(matching.covariance_term(b)), 0.0)
    expected = 25.0 * 0.5 + 25.0 * (half + none / 2.0) + 1.0
    assert_allclose(float(vicreg(a, b)), expected)
    assert_allclose(float(vicreg(a, b, invariance=0.0, variance=0.0, covariance=3.0)), 3.0)


def test_vicreg_is_least_for_white_views() -> None:
    """Equal views with uncorrelated columns of variance 1 or more cost nothing."""
    white = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    assert float(vicreg(tensor(white), tensor(white))) == 0.0
    assert torch.autograd.gradcheck(vicreg, (free(white * 0.3), free(white[::-1] * 0.4)))


def test_simclr_by_hand() -> None:
    """Two orthogonal pairs of equal views: log(1 + 2 exp(-1/t)); lengths do not matter."""
    pairs = np.eye(2)
    for temperature in (0.5, 0.1):
        expected = math.log1p(2.0 * math.exp(-1.0 / temperature))
        assert_allclose(float(simclr(tensor(pairs), tensor(7.0 * pairs), temperature)), expected)
    # All rows alike: one of 2n - 1 equal scores, however many pairs.
    same = np.ones((5, 3))
    assert_allclose(float(simclr(tensor(same), tensor(same))), math.log(9.0))


def test_simclr_against_a_loop() -> None:
    """Equation 1 of the paper, term by term."""
    rng = np.random.default_rng(2)
    a, b = rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    rows = np.concatenate([a, b])
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    terms = []
    for i in range(8):
        others = [rows[i] @ rows[k] / 0.3 for k in range(8) if k != i]
        terms.append(math.log(np.exp(others).sum()) - rows[i] @ rows[(i + 4) % 8] / 0.3)
    assert_allclose(float(simclr(tensor(a), tensor(b), 0.3)), np.mean(terms))
    assert torch.autograd.gradcheck(simclr, (free(a), free(b)))


@pytest.mark.parametrize("loss", [vicreg, simclr])
def test_views_must_belong_together(loss: Any) -> None:
    """Two views have one shape, of at least two rows."""
    refused("give two views", loss, torch.zeros(4, 2), torch.zeros(3, 2))
    refused("n >= 2", loss, torch.zeros(1, 2), torch.zeros(1, 2))
    refused("temperature: got 0", simclr, torch.zeros(2, 2), torch.zeros(2, 2), 0)


def test_the_discriminators_optimum() -> None:
    """Against N(1, 1) the logit is log p/q = 1/2 - x, and the loss 2 log 2 - 2 JSD."""
    prior = AdversarialPrior(1, hidden=32, learning_rate=3e-3, seed=1)
    source = np.random.default_rng(3)
    losses = []
    for step in range(1000):
        z = torch.tensor(source.standard_normal((256, 1)) + 1.0, dtype=torch.float32)
        losses.append(float(prior.step(z, step)))
    grid = torch.linspace(-1.0, 2.0, 7)[:, None]
    with torch.no_grad():
        assert_allclose(prior(grid).numpy(), 0.5 - grid[:, 0].numpy(), atol=0.25)
    x = np.linspace(-8.0, 9.0, 20_001)
    p, q = norm.pdf(x), norm.pdf(x, 1.0)
    optimum = np.trapezoid(p * np.log1p(q / p) + q * np.log1p(p / q), x)
    assert_allclose(np.mean(losses[-500:]), optimum, atol=0.03)


def test_losses_where_the_laws_agree() -> None:
    """The discriminator is left with 2 log 2, the encoder with log 2."""
    prior = AdversarialPrior(2, hidden=16)
    source = np.random.default_rng(4)
    losses = []
    for step in range(300):
        z = torch.tensor(source.standard_normal((1024, 2)), dtype=torch.float32)
        losses.append(float(prior.step(z, step)))
    assert_allclose(np.mean(losses[-100:]), 2.0 * math.log(2.0), atol=0.01)
    assert_allclose(float(prior.loss(z)), math.log(2.0), atol=0.1)


@pytest.mark.parametrize("target", ["normal", "uniform"])
def test_an_adversary_moves_points_to_its_prior(target: Any) -> None:
    """Points that are too narrow and off their place come to the prior's mean and spread."""
    prior = AdversarialPrior(2, target, hidden=64, learning_rate=2e-3)
    z = torch.randn((256, 2), generator=torch.Generator().manual_seed(0)).mul(0.2).add(2.0)
    z.requires_grad_()
    optimiser = torch.optim.Adam([z], lr=0.01, betas=(0.5, 0.999))
    for step in range(500):
        prior.step(z, step)
        optimiser.zero_grad()
        (len(z) * prior.loss(z)).backward()
        optimiser.step()
    middle, spread = (0.0, 1.0) if target == "normal" else (0.5, math.sqrt(1.0 / 12.0))
    assert_allclose(z.detach().mean(0).numpy(), middle, atol=0.3)
    assert_allclose(z.detach().std(0).numpy(), spread, rtol=0.35)


def test_the_sides_do_not_mix() -> None:
    """The discriminator's step moves no embedding, the encoder's loss no discriminator."""
    prior = AdversarialPrior(3, seed=7)
    z = torch.ones(8, 3, requires_grad=True)
    before = copy.deepcopy(prior.network.state_dict())
    prior.step(z, 0)
    assert z.grad is None
    moved = prior.network.state_dict()
    assert any(not torch.equal(before[name], moved[name]) for name in before)
    prior.loss(z).backward()
    assert z.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in prior.network.parameters())


def test_an_adversary_repeats_and_comes_back_from_a_checkpoint() -> None:
    """Seeds decide; weights and the optimiser's moments are kept; torch's generator is not used."""
    state = torch.get_rng_state()
    z = torch.randn((16, 2), generator=torch.Generator().manual_seed(1))
    first, second = AdversarialPrior(2, seed=5), AdversarialPrior(2, seed=5)
    for step in range(3):
        assert float(first.step(z, step)) == float(second.step(z, step))
    restored = AdversarialPrior(2, seed=6)
    restored.load_state_dict(copy.deepcopy(first.state_dict()))
    restored.seed = 5
    assert float(first.step(z, 3)) == float(restored.step(z, 3))
    assert float(first.step(z, 4)) == float(restored.step(z, 4))
    assert_array_equal(torch.get_rng_state().numpy(), state.numpy())
    uniform = AdversarialPrior(2, "uniform").draw(1000, 0)
    assert 0.0 <= uniform.min() < 0.01
    assert 0.99 < uniform.max() <= 1.0
    refused("prior: got 'sphere'", AdversarialPrior, 2, "sphere")


def mixture(n: int, seed: int) -> Any:
    """Draw three narrow clusters in the plane."""
    rng = np.random.default_rng(seed)
    centres = np.array([[0.0, 0.0], [3.0, 1.0], [-1.0, 4.0]])
    return centres[rng.integers(3, size=n)] + 0.6 * rng.standard_normal((n, 2))


@pytest.mark.parametrize("rotation", ["random", "pca"])
def test_gaussianised_mixture_passes(rotation: Any) -> None:
    """Held-out rows of a mixture are far from normal before the map, and not after it."""
    to_normal = gaussianise(mixture(8000, 0), rotation=rotation, rng=0)
    held = mixture(800, 1)
    names = ["energy", "mmd", "radius"]
    raw = dmtest.run_tests(held, names, target="normal", rng=0)
    mapped = dmtest.run_tests(to_normal(held), names, target="normal", rng=0)
    assert max(outcome.pvalue for outcome in raw) < 0.01
    assert min(outcome.pvalue for outcome in mapped) > 0.05
    assert 1 <= to_normal.rounds <= 100


def test_gaussianise_goes_back_and_generates() -> None:
    """The inverse undoes the map, far outside as well; normal draws become the mixture."""
    to_normal = gaussianise(mixture(8000, 0), rng=0)
    wide = np.random.default_rng(2).uniform(-30.0, 30.0, size=(200, 2))
    assert_allclose(to_normal.inverse(to_normal(wide)), wide, atol=1e-6)
    drawn = to_normal.inverse(np.random.default_rng(3).standard_normal((4000, 2)))
    truth = mixture(4000, 4)
    assert_allclose(drawn.mean(0), truth.mean(0), atol=0.15)
    assert_allclose(np.cov(drawn.T), np.cov(truth.T), atol=0.3)


def test_one_column_is_known_in_closed_form() -> None:
    """Of one column the map is Phi^-1 of the cdf; the flow's density is the law's."""
    x = np.random.default_rng(5).exponential(size=(20_000, 1))
    to_normal = gaussianise(x, rng=0)
    grid = np.linspace(0.1, 3.0, 30)[:, None]
    assert_allclose(to_normal(grid), norm.ppf(-np.expm1(-grid)), atol=0.05)
    assert_allclose(to_normal.log_density(grid), -grid[:, 0], atol=0.2)


def test_density_is_the_jacobians() -> None:
    """log_density agrees with numerical derivatives of the map."""
    to_normal = gaussianise(mixture(2000, 0), rounds=4, rng=0)
    at, h = np.array([[0.31, 0.17], [2.9, 0.8], [-1.2, 3.7]]), 1e-7
    steps = [(to_normal(at + h * e) - to_normal(at - h * e)) / (2 * h) for e in np.eye(2)]
    volume = np.log(np.abs(np.linalg.det(np.stack(steps, axis=2))))
    expected = norm.logpdf(to_normal(at)).sum(axis=1) + volume
    assert_allclose(to_normal.log_density(at), expected, atol=1e-5)


def test_what_is_normal_stays() -> None:
    """A correlated normal needs whitening and next to nothing else; rounds are as asked for."""
    z = np.random.default_rng(6).standard_normal((5000, 3)) @ np.triu(np.ones((3, 3))) + 2.0
    to_normal = gaussianise(z[:4000], rng=0)
    mapped = to_normal(z[4000:])
    assert_allclose(np.cov(mapped.T), np.eye(3), atol=0.15)
    assert dmtest.run_test(mapped, "energy", target="normal", rng=0).pvalue > 0.01
    assert gaussianise(z, rounds=2, rng=0).rounds == 2
    assert_array_equal(gaussianise(z[:4000], rng=0)(z[4000:]), mapped)


def test_repeated_values_have_one_score() -> None:
    """Rounded columns are mapped monotonically, atoms to one value each."""
    z = np.round(np.random.default_rng(7).standard_normal((1000, 2)))
    to_normal = gaussianise(z, rounds=0, rng=0)
    mapped = to_normal(z)
    for column, made in zip(z.T, mapped.T, strict=True):
        values = [np.unique(made[column == value]) for value in np.unique(column)]
        assert all(len(one) == 1 for one in values)
        assert (np.diff(np.concatenate(values)) > 0).all()


@pytest.mark.parametrize(
    ("z", "options", "message"),
    [
        (np.zeros((99, 2)), {}, "n = 99 rows"),
        (np.ones((200, 2)) * [[1.0, 2.0]], {}, "column 0 does not vary"),
        (np.arange(200.0)[:, None] * [[1.0, 2.0]], {}, "2 columns have rank 1"),
        (
            np.tile([[0.0, 0.0], [1.0, 1.0], [2.0, 5.0]], (60, 1)),
            {},
            "normal scores of its 2 columns have rank 1",
        ),
        (mixture(200, 0), {"rotation": "ica"}, "rotation: got 'ica'"),
        (mixture(200, 0), {"rounds": -1}, "rounds: got -1"),
    ],
)
def test_what_cannot_be_gaussianised(z: Any, options: Any, message: str) -> None:
    """Too few rows, constant and dependent columns are refused with the cure."""
    refused(message, gaussianise, z, **options)


def test_maps_take_rows_like_the_training_ones() -> None:
    """Other widths and NaN are refused, in both directions."""
    to_normal = gaussianise(mixture(200, 0), rounds=1, rng=0)
    refused(r"z: got shape \(4, 3\)", to_normal, np.zeros((4, 3)))
    refused("y: got shape", to_normal.inverse, np.full((4, 2), np.nan))
