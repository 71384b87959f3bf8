"""The trainer's parts against closed forms, dmtest's numpy twins and torch's own layers."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats

from dmtest import bounds, information
from dmtest.train.model import augment as augments
from dmtest.train.model.augment import AUGMENTATIONS, build_augmentation
from dmtest.train.model.critics import CRITICS, build_critic
from dmtest.train.model.draws import Draws
from dmtest.train.model.encoders import BACKBONES, build_encoder, recalibrate
from dmtest.train.model.heads import BatchNorm, build_head
from dmtest.train.model.noise import Noise, as_noise
from dmtest.train.model.objectives import OBJECTIVES, build_objective
from tests.support.calls import refused

CPU = torch.device("cpu")
NORMAL, UNIFORM = Noise("normal", 0.4), Noise("uniform", 0.2)


def draws(rows: int, seed: int = 0) -> Draws:
    """Return the draws of one step."""
    return Draws(seed, 0, rows, slice(0, rows), CPU)


def points(n: int, d: int, seed: int = 0, cube: bool = False) -> torch.Tensor:
    """Return normal or uniform points."""
    rng = np.random.default_rng(seed)
    made = rng.random((n, d)) if cube else rng.standard_normal((n, d))
    return torch.from_numpy(made)


# Draws


def test_draws_do_not_depend_on_how_a_batch_is_shared() -> None:
    whole = draws(10)
    parts = [Draws(0, 0, 10, rows, CPU) for rows in (slice(0, 4), slice(4, 10))]
    for kind in ("normal", "uniform"):
        expected = getattr(whole, kind)(3, 2)
        found = torch.cat([getattr(part, kind)(3, 2) for part in parts])
        assert torch.equal(expected, found)


def test_draws_differ_by_seed_and_step() -> None:
    made = [Draws(*key, 4, slice(0, 4), CPU).normal(2) for key in ((0, 0), (0, 1), (1, 0))]
    assert not torch.equal(made[0], made[1])
    assert not torch.equal(made[0], made[2])


# Noise


def test_noise_has_its_moments() -> None:
    n = 200_000
    z = NORMAL.draw(1, draws(n)).numpy()
    u = UNIFORM.draw(1, draws(n)).numpy()
    assert abs(z.std() - 0.4) < 5 * 0.4 / math.sqrt(2 * n)
    assert abs(u.min() + 0.2) < 1e-4
    assert abs(u.max() - 0.2) < 1e-4


@pytest.mark.parametrize("target", ["normal", "uniform"])
def test_capacity_sets_the_noise(target: str) -> None:
    assert_allclose(as_noise(target, 3, capacity=4.0).capacity(3), 4.0, rtol=1e-10)


def test_matched_information_of_the_uniform_target_is_below_capacity() -> None:
    assert UNIFORM.matched_information(2) == pytest.approx(2 * (0.2 - math.log(0.4)))
    assert UNIFORM.matched_information(2) < UNIFORM.capacity(2)
    assert Noise("normal", 0.0).matched_information(2) == math.inf


@pytest.mark.parametrize(
    ("target", "given", "names"),
    [
        ("normal", {"epsilon": 0.1}, "sigma="),
        ("uniform", {"sigma": 0.1}, "epsilon="),
        ("normal", {"sigma": 0.1, "capacity": 2.0}, "give one"),
        ("normal", {"sigma": -1.0}, ">= 0"),
        ("normal", {"capacity": 0.0}, "positive"),
        ("sphere", {}, "'normal' and 'uniform'"),
    ],
)
def test_noise_that_is_refused(target: str, given: dict[str, float], names: str) -> None:
    refused(names, as_noise, target, 2, **given)


# Heads


@pytest.mark.parametrize("shape", [(32, 5), (16, 5, 4, 4)])
def test_batch_norm_equals_torch(shape: tuple[int, ...]) -> None:
    ours = BatchNorm(5)
    theirs = torch.nn.BatchNorm1d(5) if len(shape) == 2 else torch.nn.BatchNorm2d(5)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    for _ in range(2):
        assert_allclose(ours(x).detach(), theirs(x).detach(), atol=1e-6)
    assert_allclose(ours(x, reference=len(x)).detach(), theirs(x).detach(), atol=1e-5)
    assert_allclose(ours.running_var, theirs.running_var, rtol=1e-5)
    assert_allclose(ours.eval()(x).detach(), theirs.eval()(x).detach(), atol=1e-5)


def test_moments_are_those_of_the_reference_rows() -> None:
    norm = BatchNorm(2, affine=False)
    clean, other = points(500, 2).float(), 3.0 + points(500, 2, seed=1).float()
    out = norm(torch.cat([clean, other]), reference=500)
    assert_allclose(out[:500].mean(0), 0.0, atol=1e-6)
    assert_allclose(out[:500].std(0, unbiased=False), 1.0, atol=1e-4)
    assert out[500:].mean() > 2.0


def test_running_moments_without_momentum_are_the_mean_over_batches() -> None:
    norm = BatchNorm(2, affine=False, momentum=None)
    batches = [points(50, 2, seed=i).float() + i for i in range(3)]
    for batch in batches:
        norm(batch)
    assert_allclose(norm.running_mean, np.mean([b.mean(0).numpy() for b in batches], axis=0), 1e-5)


def test_heads_have_their_support() -> None:
    h = 5.0 * points(200, 3).float()
    for name in ("cube", "sigmoid"):
        out = build_head(name, "uniform", 3)(h)
        assert 0.0 <= out.min() < out.max() <= 1.0
    assert_allclose(build_head(None, "normal", 3)(h).square().mean(), 1.0, rtol=1e-3)
    u = build_head(None, "uniform", 3)(points(4000, 3).float())
    assert stats.kstest(u[:, 0].numpy(), "uniform").pvalue > 1e-4


@pytest.mark.parametrize(("name", "target"), [("normal", "uniform"), ("cube", "normal")])
def test_heads_refuse_the_other_target(name: str, target: str) -> None:
    refused("does not go with target", build_head, name, target, 2)


# Encoders


def test_convnet_is_table_2() -> None:
    encoder = build_encoder("convnet", (1, 24, 24), 2)
    kinds = [type(layer).__name__ for layer in encoder.backbone]
    block = ["Conv2d", "MaxPool2d", "BatchNorm", "LeakyReLU"]
    assert kinds == [*block * 3, "Flatten", "Linear", "LeakyReLU", "Linear"]
    convolutions = [layer for layer in encoder.backbone if isinstance(layer, torch.nn.Conv2d)]
    channels = [(c.in_channels, c.out_channels, c.kernel_size) for c in convolutions]
    assert channels == [(1, 32, (3, 3)), (32, 64, (3, 3)), (64, 128, (3, 3))]
    dense = [layer for layer in encoder.backbone if isinstance(layer, torch.nn.Linear)]
    assert [(one.in_features, one.out_features) for one in dense] == [(128, 128), (128, 2)]


@pytest.mark.parametrize("name", BACKBONES)
def test_encoders_map_images_to_rows(name: str) -> None:
    encoder = build_encoder(name, (3, 24, 24), 5)
    x = torch.rand(6, 3, 24, 24)
    f, g = encoder.pair(x, x)
    assert f.shape == g.shape == (6, 5)
    assert_allclose(f.detach(), g.detach(), atol=1e-5)


def test_recalibration_makes_evaluation_equal_training() -> None:
    encoder = build_encoder("mlp", (8,), 2)
    x = points(400, 8).float()
    recalibrate(encoder, [(x, x)])
    encoder.train()
    trained = encoder.pair(x, x)[0].detach()
    encoder.eval()
    # running variances are unbiased, batch variances are not
    assert_allclose(encoder(x).detach(), trained, atol=2e-2)


@pytest.mark.parametrize(
    ("name", "shape", "words"),
    [
        ("alexnet", (1, 24, 24), "choose one of"),
        ("convnet", (64,), "takes images"),
        ("convnet", (1, 8, 8), "at least 22"),
    ],
)
def test_encoders_that_are_refused(name: str, shape: tuple[int, ...], words: str) -> None:
    refused(words, build_encoder, name, shape, 2)


# Critics


def test_dual_critic_is_theorem_4_1() -> None:
    x, y = points(7, 3), points(5, 3, seed=1)
    expected = bounds.gaussian_dual_critic(x.numpy()[None], y.numpy()[:, None], 0.4)
    expected = np.asarray(expected) + bounds.gaussian_capacity(3, 0.4)
    assert_allclose(build_critic("dual", 3, NORMAL)(x, y), expected, rtol=1e-10)


def test_calibrated_critic_is_a_ratio_of_densities() -> None:
    critic = build_critic("calibrated", 2, NORMAL).double()
    with torch.no_grad():
        critic.gain.copy_(torch.tensor([0.9, 0.7], dtype=torch.float64))
        critic.log_width.copy_(torch.tensor([-0.5, 0.2], dtype=torch.float64))
    x, y = points(6, 2), points(4, 2, seed=1)
    width, gain = np.exp([-0.5, 0.2]), np.array([0.9, 0.7])
    joint = stats.norm.logpdf(y.numpy()[:, None], gain * x.numpy()[None], width).sum(-1)
    alone = stats.norm.logpdf(y.numpy(), 0.0, math.hypot(1.0, 0.4)).sum(-1)[:, None]
    assert_allclose(critic(x, y).detach(), joint - alone, rtol=1e-6)


def test_uniform_dual_tends_to_the_exact_one() -> None:
    critic = build_critic("dual", 2, UNIFORM).double()
    critic.log_scale.fill_(math.log(1e-5))
    x = points(40, 2, cube=True)
    y = x + 0.2 * (2.0 * points(40, 2, seed=1, cube=True) - 1.0)
    found = critic(x, y).detach().numpy()
    exact = np.asarray(bounds.uniform_dual_critic(x.numpy()[None], y.numpy()[:, None], 0.2))
    near = np.isfinite(exact)
    gaps = np.abs(np.abs(y.numpy()[:, None] - x.numpy()[None]) - 0.2).min(-1)
    assert_allclose(found[near & (gaps > 1e-3)], exact[near & (gaps > 1e-3)], rtol=1e-5, atol=1e-5)
    assert (found[~near & (gaps > 1e-3)] < -50.0).all()


def test_learned_critic_scores_pairs_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    critic = build_critic("learned", 2, NORMAL)
    x, y = points(9, 2).float(), points(7, 2, seed=1).float()
    layer = torch.nn.Linear(4, 256)  # Table 2's Dense(dim + dim, 256) on the pair itself
    with torch.no_grad():
        layer.weight.copy_(torch.cat([critic.of_x.weight, critic.of_y.weight], 1))
        layer.bias.copy_(critic.of_x.bias)
    twin = [[critic.rest(layer(torch.cat([a, b]))).item() for a in x] for b in y]
    assert_allclose(critic(x, y).detach(), twin, rtol=1e-4, atol=1e-6)
    whole = torch.autograd.grad(critic(x, y).square().sum(), list(critic.parameters()))
    monkeypatch.setattr("dmtest.train.model.critics.PAIRS", 20)
    parts = torch.autograd.grad(critic(x, y).square().sum(), list(critic.parameters()))
    for one, other in zip(whole, parts, strict=True):
        assert_allclose(one, other, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "noise"), [("dual", Noise("normal", 0.0)), ("calibrated", Noise("uniform", 0.0))]
)
def test_critics_that_need_noise(name: str, noise: Noise) -> None:
    refused("is 0; choose", build_critic, name, 2, noise)


# Objectives


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("infonce", information.infonce),
        ("donsker-varadhan", information.donsker_varadhan),
        ("jsd", information.jsd),
    ],
)
def test_objectives_equal_the_estimators(name: str, twin: object) -> None:
    scores = points(12, 12)
    _, bound = build_objective(name)(scores)
    assert_allclose(bound, float(twin(scores.numpy())), rtol=1e-10)  # type: ignore[operator]


def test_nwj_is_on_the_scale_of_information() -> None:
    scores = points(12, 12)
    expected = float(information.nwj(scores.numpy() + 1.0))
    assert_allclose(build_objective("nwj")(scores)[1], expected, rtol=1e-10)


@pytest.mark.parametrize("name", ["infonce", "nwj", "jsd"])
def test_blocks_of_rows_average_to_the_whole(name: str) -> None:
    scores = points(12, 12)
    whole = build_objective(name)(scores)[0]
    parts = [build_objective(name)(scores[i : i + 4], offset=i)[0] for i in (0, 4, 8)]
    assert_allclose(torch.stack(parts).mean(), whole, rtol=1e-12)


def test_donsker_varadhan_gradient_is_over_the_moving_average() -> None:
    objective = build_objective("donsker-varadhan")
    first, second = points(6, 6), points(6, 6, seed=1).requires_grad_()
    objective(first)
    loss, _ = objective(second)
    loss.backward()
    off = ~np.eye(6, dtype=bool)
    means = [np.exp(s.detach().numpy()[off]).mean() for s in (first, second)]
    memory = 0.99 * means[0] + 0.01 * means[1]
    expected = np.where(off, np.exp(second.detach().numpy()) / memory / 30.0, -1.0 / 6.0)
    assert_allclose(second.grad, expected, rtol=1e-5)


@pytest.mark.parametrize(("critic", "objective"), list(product(CRITICS, OBJECTIVES)))
@pytest.mark.parametrize("noise", [NORMAL, UNIFORM], ids=lambda n: n.target)
def test_any_critic_goes_with_any_objective(critic: str, objective: str, noise: Noise) -> None:
    x = points(16, 2, cube=noise.target == "uniform").float().requires_grad_()
    y = x + noise.draw(2, draws(16))
    loss, bound = build_objective(objective)(build_critic(critic, 2, noise)(x, y))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(bound)
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize("noise", [NORMAL, UNIFORM], ids=lambda n: n.target)
def test_dual_critic_reaches_the_information_of_a_match(noise: Noise) -> None:
    """X' = X and f(X) as the target wants it: InfoNCE tends to what theory says."""
    found = []
    for seed in range(4):
        x = points(1500, 1, seed=seed, cube=noise.target == "uniform")
        y = x + noise.draw(1, draws(1500, seed))
        critic = build_critic("dual", 1, noise).double()
        if noise.target == "uniform":
            critic.log_scale.fill_(math.log(1e-4))
        with torch.no_grad():
            found.append(float(build_objective("infonce")(critic(x, y))[1]))
    error = np.std(found) / 2.0 + 0.01
    assert abs(np.mean(found) - noise.matched_information(1)) < 4.0 * error


# Augmentations


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("channels", [1, 3])
def test_augmentations_keep_shape_and_some_rows(name: str, channels: int) -> None:
    x = torch.rand(64, channels, 12, 12, generator=torch.Generator().manual_seed(0))
    augment = build_augmentation(name, tuple(x.shape[1:]))
    out = augment(x, draws(64))
    assert out.shape == x.shape
    assert torch.isfinite(out).all()
    same = (out == x).flatten(1).all(1).sum()
    if name.startswith("paper-"):  # noise, or a crop of every row
        assert same == 0
    else:
        assert same == 64 if name == "none" else 0 < same < 32
    assert torch.equal(out, augment(x, draws(64)))


def test_a_crop_of_everything_is_the_image() -> None:
    x = torch.rand(4, 1, 9, 9)
    same = augments.resized_crop(x, draws(4), scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=False)
    assert_allclose(same, x, atol=1e-5)
    turned = augments.resized_crop(x, draws(4), scale=(1.0, 1.0), ratio=(1.0, 1.0), flip=True)
    for one, image in zip(turned, x, strict=True):
        assert any(torch.allclose(one, other, atol=1e-5) for other in (image, image.flip(-1)))


@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (3, 2, 1, 4), (1, 1, 1, 1)])
def test_strokes_grow_by_the_largest_neighbour(shape: tuple[int, ...]) -> None:
    """The numbers of max pooling with a stride of one, edges included."""
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    assert torch.equal(augments.largest_beside(x), torch.nn.functional.max_pool2d(x, 3, 1, 1))


@pytest.mark.parametrize(
    ("name", "shape", "scale", "words"),
    [
        ("crop", (1, 8, 8), None, "choose one of"),
        ("image", (64,), None, "takes images"),
        ("none", (64,), 0.5, "augment_scale"),
    ],
)
def test_augmentations_that_are_refused(
    name: str, shape: tuple[int, ...], scale: float | None, words: str
) -> None:
    refused(words, build_augmentation, name, shape, scale)
