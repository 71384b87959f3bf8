"""Self-supervised methods, recipes, LARS, and the augmentations of appendix C beside slow twins."""

from __future__ import annotations

import colorsys
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from PIL import Image

from dmtest import train
from dmtest.cli import main as cli
from dmtest.train.losses.views import barlow_twins, prediction
from dmtest.train.model import paper_augment as paper
from dmtest.train.model.draws import Draws
from dmtest.train.model.methods import METHODS, build_method
from dmtest.train.model.projection import CIFAR_MEAN, CIFAR_STD, Projector, Standardise
from tests.support.calls import python, refused

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"epochs": 2, "batch": 256, "evaluate": False, "rng": 0}


def draws(rows: int, seed: int = 0) -> Draws:
    """Return the draws of one step."""
    return Draws(seed, 0, rows, slice(0, rows), CPU)


def images(n: int, channels: int = 3, side: int = 32, seed: int = 0) -> torch.Tensor:
    """Return random images with values in [0, 1]."""
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(seed))


# LARS


def test_a_lars_step_equals_a_hand_computation() -> None:
    """Two steps of a matrix and a bias, in float64: ratios clipped and not."""
    weight = torch.tensor([[0.3, -0.4], [1.2, 0.0]], dtype=torch.float64, requires_grad=True)
    bias = torch.tensor([0.5, -0.5], dtype=torch.float64, requires_grad=True)
    optimiser = train.LARS([weight, bias], lr=0.3, momentum=0.9, trust=0.02, weight_decay=1e-4)
    w, b = weight.detach().numpy().copy(), bias.detach().numpy().copy()
    velocity_w, velocity_b = np.zeros_like(w), np.zeros_like(b)
    ratios = []
    for scale in (1.0, 1e-3):
        gradient, slope = scale * np.array([[0.5, 0.1], [-0.2, 0.3]]), np.array([0.1, -0.2])
        weight.grad, bias.grad = torch.from_numpy(gradient.copy()), torch.from_numpy(slope.copy())
        optimiser.step()
        size, length = np.sqrt((w**2).sum()), np.sqrt((gradient**2).sum())
        ratio = min(0.02 * size / (length + 1e-4 * size + 1e-8) / 0.3, 1.0)
        ratios.append(ratio)
        velocity_w = 0.9 * velocity_w + ratio * (gradient + 1e-4 * w)
        velocity_b = 0.9 * velocity_b + slope
        w, b = w - 0.3 * velocity_w, b - 0.3 * velocity_b
        assert_allclose(weight.detach().numpy(), w, rtol=0, atol=1e-7)
        assert_allclose(bias.detach().numpy(), b, rtol=0, atol=1e-7)
    assert ratios[0] < 1.0 == ratios[1]


def test_lars_without_clipping_and_at_nothing() -> None:
    weight = torch.full((2, 2), 1.0, dtype=torch.float64, requires_grad=True)
    optimiser = train.LARS([weight], lr=0.1, momentum=0.0, trust=0.5, weight_decay=0.0, clip=False)
    weight.grad = torch.full((2, 2), 1e-3, dtype=torch.float64)
    optimiser.step()  # the ratio is .5 * 2 / .002 = 500: a step of .05, half a tenth of the weight
    assert_allclose(weight.detach().numpy(), 0.95, atol=1e-6)
    for start, slope in ((0.0, 1.0), (1.0, 0.0)):
        still = torch.full((2, 2), start, requires_grad=True)
        one = train.LARS([still], lr=0.1, momentum=0.0, weight_decay=0.0)
        still.grad = torch.full((2, 2), slope)
        one.step()
        assert_allclose(still.detach().numpy(), start - 0.1 * slope, atol=1e-7)


# Augmentations


@pytest.mark.parametrize("channels", [1, 3])
def test_crops_equal_pillow(channels: int) -> None:
    """Pillow's crop and BICUBIC resize of floats, box by box."""
    x, boxes = images(24, channels), paper.crop_boxes(draws(24), 32, 32)
    assert bool((boxes[:, 2] * boxes[:, 3] < 32 * 32).any())
    found = paper.resized(x, boxes, (32, 32))
    for row, (top, left, h, w) in enumerate(boxes.int().tolist()):
        for channel in range(channels):
            plane = Image.fromarray(x[row, channel].numpy())
            cut = plane.crop((left, top, left + w, top + h))
            expected = np.asarray(cut.resize((32, 32), Image.Resampling.BICUBIC))
            assert_allclose(found[row, channel].numpy(), expected, atol=2e-5)


def test_shrinking_is_antialiased_as_in_pillow() -> None:
    x = images(3, 1, side=48)
    boxes = torch.tensor([[0.0, 0, 48, 48], [5, 3, 40, 21], [10, 10, 9, 30]])
    found = paper.resized(x, boxes, (16, 12))
    for row, (top, left, h, w) in enumerate(boxes.int().tolist()):
        cut = Image.fromarray(x[row, 0].numpy()).crop((left, top, left + w, top + h))
        expected = np.asarray(cut.resize((12, 16), Image.Resampling.BICUBIC))
        assert_allclose(found[row, 0].numpy(), expected, atol=2e-5)


def test_boxes_have_the_printed_areas_and_ratios() -> None:
    boxes = paper.crop_boxes(draws(20_000), 32, 32)
    top, left, h, w = boxes.T
    assert bool(((top >= 0) & (left >= 0) & (top + h <= 32) & (left + w <= 32)).all())
    area, ratio = h * w / 1024, (w / h).log()
    assert 0.06 < float(area.min()) < 0.1
    assert 0.9 < float(area.max()) <= 1.0
    assert abs(float(ratio.mean())) < 0.01
    assert float(ratio.abs().max()) < 0.45  # log(4/3) and the rounding of small boxes
    tall = paper.crop_boxes(draws(500), 64, 4)  # no box fits most tries: the middle is taken
    assert bool(((tall[:, 2] <= 64) & (tall[:, 3] <= 4)).all())


def slow_jitter(image: np.ndarray[Any, Any], factors: list[float], order: list[int]) -> Any:
    """ColorJitter of one image (h, w, 3) in [0, 1], pixel by pixel."""

    def luma(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return pixels @ np.array([0.299, 0.587, 0.114])

    for which in order:
        factor = factors[which]
        if which == 0:
            image = np.clip(factor * image, 0.0, 1.0)
        elif which == 1:
            image = np.clip(factor * image + (1.0 - factor) * luma(image).mean(), 0.0, 1.0)
        elif which == 2:
            image = np.clip(factor * image + (1.0 - factor) * luma(image)[..., None], 0.0, 1.0)
        else:
            turned = np.empty_like(image)
            for place in np.ndindex(image.shape[:2]):
                h, s, v = colorsys.rgb_to_hsv(*image[place])
                turned[place] = colorsys.hsv_to_rgb((h + factor) % 1.0, s, v)
            image = turned
    return image


def test_jitter_equals_a_slow_twin() -> None:
    """All changes, in the order of every image; grey and black pixels are among them."""
    x = images(12, side=6).double()
    x[:, :, 0, 0], x[:, :, 0, 1] = 0.0, 0.4
    factors, order = paper.jitter_of(draws(12))
    assert len({tuple(row) for row in order.tolist()}) > 5
    assert bool((factors >= torch.tensor([0.6, 0.6, 0.8, -0.1])).all())
    assert bool((factors <= torch.tensor([1.4, 1.4, 1.2, 0.1])).all())
    found = paper.jittered(x, (factors.double(), order))
    for row in range(12):
        image = x[row].permute(1, 2, 0).numpy()
        expected = slow_jitter(image, factors[row].double().tolist(), order[row].tolist())
        assert_allclose(found[row].permute(1, 2, 0).numpy(), expected, atol=1e-9)


def test_the_whole_augmentation_has_its_shares() -> None:
    """Half are jittered, a fifth are grey, half are mirrored; all stay in [0, 1]."""
    x = images(1, side=16).expand(4000, 3, 16, 16)
    made = paper.paper_image(x, draws(4000))
    assert 0.0 <= float(made.min()) < float(made.max()) <= 1.0
    gray = (made.max(dim=1).values - made.min(dim=1).values).amax(dim=(1, 2)) < 1e-6
    assert abs(float(gray.float().mean()) - 0.2) < 4 * np.sqrt(0.16 / 4000)
    ramp = torch.linspace(0.2, 0.8, 16).expand(4000, 3, 16, 16)
    slope = paper.paper_image(ramp, draws(4000, 1)).mean(dim=(1, 2)).diff(dim=1).mean(dim=1)
    assert abs(float((slope < 0).float().mean()) - 0.5) < 4 * np.sqrt(0.25 / 4000)
    noisy = paper.paper_noise(torch.zeros(2000, 1, 4, 4), draws(2000))
    assert abs(float(noisy.std()) - 0.6) < 0.01
    assert bool((noisy != 0).all())  # no row stays clean


def test_normalize_is_the_printed_one() -> None:
    x = images(5)
    layer = Standardise(CIFAR_MEAN, CIFAR_STD)
    for channel, (mean, std) in enumerate(
        zip((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616), strict=True)
    ):
        assert_allclose(layer(x)[:, channel], (x[:, channel] - mean) / std, rtol=1e-5, atol=1e-6)


# Methods


def test_losses_of_views_equal_plain_loops() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 40, 3))
    one, other = torch.from_numpy(a), torch.from_numpy(b)
    standard = [(z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5) for z in (a, b)]
    expected = 0.0
    for i in range(3):
        for j in range(3):
            c = float(np.mean(standard[0][:, i] * standard[1][:, j]))
            expected += (1.0 - c) ** 2 if i == j else 5e-3 * c**2
    assert_allclose(float(barlow_twins(one, other)), expected, rtol=1e-10)
    cosines = [x @ y / np.linalg.norm(x) / np.linalg.norm(y) for x, y in zip(a, b, strict=True)]
    assert_allclose(float(prediction(one, other)), -np.mean(cosines), rtol=1e-10)
    other.requires_grad_(True)
    assert not prediction(one, other).requires_grad
    refused("two views", barlow_twins, one, other[:, :2])


@pytest.mark.parametrize("method", METHODS)
def test_methods_train_and_repeat(method: str) -> None:
    """The loss falls, the seed decides, and outlets of held-out rows are centred."""
    made = train.ssl("digits", method, sigma=0.3, **QUICK | {"epochs": 6})
    assert made.history["loss"][-1] < made.history["loss"][0]
    assert made.embeddings.shape == made.augmented.shape == (500, 64)
    assert made.features.shape == (500, 512)
    again = train.ssl("digits", method, sigma=0.3, **QUICK | {"epochs": 6})
    assert np.array_equal(made.embeddings, again.embeddings)
    # Outlet moments are of clean rows: without recalibration means were off by .44.
    assert np.abs(made.embeddings.mean(axis=0)).max() < 0.2
    assert_allclose(made.embeddings.std(axis=0).mean(), 1.0, atol=0.06)


def test_noise_is_on_the_second_view_alone() -> None:
    """Of two equal views the outlets differ by the noise, whose size is sigma."""
    seen: list[torch.Tensor] = []
    from dmtest.train.model import methods

    original = methods.Method.forward

    def caught(self: Any, z1: Any, z2: Any, t1: Any, t2: Any) -> Any:
        seen.append((z2 - z1).detach())
        return original(self, z1, z2, t1, t2)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(methods.Method, "forward", caught)
        train.ssl("digits", "vicreg", sigma=0.5, augment="none", **QUICK)
        noise = torch.cat(seen)
        assert abs(float(noise.std()) - 0.5) < 0.01
        seen.clear()
        train.ssl("digits", "vicreg", sigma=0.0, augment="none", **QUICK)
    assert float(torch.cat(seen).abs().max()) < 1e-6


def test_byol_moves_its_target_slowly() -> None:
    config = {"backbone": "mlp", "shape": [4], "widths": [8], "norm": True}
    encoder = Projector(config)
    method = build_method("byol", encoder)
    before = [weight.clone() for weight in method.slow.parameters()]
    with torch.no_grad():
        for weight in encoder.parameters():
            weight.add_(1.0)
    method.after_step(encoder, 0.0)
    for old, slow in zip(before, method.slow.parameters(), strict=True):
        assert_allclose(slow.detach(), old + 0.01, atol=1e-6)
    method.after_step(encoder, 1.0)
    for old, slow in zip(before, method.slow.parameters(), strict=True):
        assert_allclose(slow.detach(), old + 0.01, atol=1e-6)
    assert not any(weight.requires_grad for weight in method.slow.parameters())


TWO = """
import sys, json, torch
torch.set_num_threads(1)
from dmtest import train
if __name__ == "__main__":
    made = train.ssl("digits", sys.argv[2], encoder="mlp", sigma=0.3, epochs=2, batch=256,
                     evaluate=False, rng=0, devices=int(sys.argv[1]), device="cpu",
                     optimiser="lars", learning_rate=0.1)
    print(json.dumps([made.history, made.embeddings.astype(float).tolist()]))
"""


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Moments and pairs are those of the whole batch; LARS would show a wrong size of gradients."""
    script = tmp_path / "two.py"
    script.write_text(TWO)
    found = []
    for count in ("1", "2"):
        out = python(script, count, "byol")
        assert out.returncode == 0, out.stderr[-2000:]
        found.append(json.loads(out.stdout.splitlines()[-1]))
    for name in found[0][0]:
        assert_allclose(found[1][0][name], found[0][0][name], rtol=1e-4, atol=1e-5)
    assert_allclose(found[1][1], found[0][1], atol=5e-3)


def test_evaluation_files_and_encoder(tmp_path: Path) -> None:
    made = train.ssl("digits", "simclr", sigma=0.3, **QUICK | {"evaluate": True, "out": tmp_path})
    assert made.report is not None
    assert (made.report.n, made.report.d) == (500, 64)
    assert None not in (made.downstream, made.baseline_downstream)
    assert {"probe-top1", "knn-accuracy"} <= set(made.downstream.values)
    assert made.findings[0].code == "few-steps"
    assert "simclr trained on digits" in repr(made)
    encoder = train.load_encoder(tmp_path)
    from dmtest.train.data.load import load_images

    x = torch.from_numpy(load_images("digits", split="test").images)
    with torch.no_grad():
        assert_allclose(encoder(x).numpy(), made.embeddings, atol=1e-5)
        assert_allclose(encoder.features(x).numpy(), made.features, atol=1e-5)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "dino"}, "'barlow-twins'"),
        ({"critic": "dual"}, "critic"),
        ({"matching": "sigreg"}, "matching"),
        ({"widths": ()}, "widths"),
        ({"sigma": -1.0}, "sigma"),
        ({"encoder": "vit"}, "encoder"),
        ({"temperature": 0.0}, "temperature"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    refused(words, train.ssl, "digits", **QUICK | options)


# Recipes


def write_cifar(folder: Path, rows: int = 40) -> Path:
    """Write a synthetic CIFAR-10 in its binary version."""
    rng = np.random.default_rng(0)
    for number in (*range(1, 6), 0):
        labels = np.arange(rows) % 10
        pixels = rng.integers(0, 256, (rows, 3072)) // 2 + 10 * labels[:, None]
        name = f"data_batch_{number}.bin" if number else "test_batch.bin"
        np.column_stack([labels, pixels]).astype(np.uint8).tofile(folder / name)
    return folder


def write_mnist(folder: Path) -> Path:
    """Write synthetic idx files."""
    rng = np.random.default_rng(0)
    for part, n in (("train", 128), ("t10k", 100)):
        head = np.array([2051, n, 28, 28], dtype=">i4").tobytes()
        (folder / f"{part}-images-idx3-ubyte").write_bytes(
            head + rng.integers(0, 256, (n, 28, 28)).astype(np.uint8).tobytes()
        )
        head = np.array([2049, n], dtype=">i4").tobytes()
        labels = (np.arange(n) % 10).astype(np.uint8).tobytes()
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(head + labels)
    return folder


def test_recipes_are_appendix_c() -> None:
    mnist = train.recipe("paper-mnist")
    assert {"optimiser": "adam", "learning_rate": 1e-3, "schedule": "constant"}.items() <= (
        mnist.items()
    )
    assert (mnist["batch"], mnist["epochs"], mnist["augment_scale"]) == (1024, 2000, 0.6)
    assert (mnist["encoder"], mnist["critic"], mnist["crop"]) == ("convnet", "learned", 24)
    for name, widths in (("paper-simclr", (2048, 256)), ("paper-vicreg", (2048, 2048, 2048))):
        made = train.recipe(name)
        assert (made["widths"], made["batch"], made["epochs"]) == (widths, 256, 800)
        assert (made["optimiser"], made["learning_rate"]) == ("lars", 0.3)
        assert (made["weight_decay"], made["encoder"]) == (1e-4, "resnet18")
    assert train.recipe("paper-simclr")["temperature"] == 0.2
    settings = train.LARS([torch.zeros(1, requires_grad=True)]).defaults
    assert (settings["momentum"], settings["trust"], settings["clip"]) == (0.9, 0.02, True)
    refused("'paper-mnist'", train.recipe, "paper-imagenet")


def test_recipes_run_two_steps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From idx and CIFAR files; the batch alone is smaller, so that a CPU can."""
    (tmp_path / "mnist").mkdir()
    (tmp_path / "cifar").mkdir()
    mnist, cifar = write_mnist(tmp_path / "mnist"), write_cifar(tmp_path / "cifar")
    options = train.recipe("paper-mnist") | {"epochs": 1, "batch": 64}
    made = train.fit(str(mnist), sigma=0.1, evaluate=False, rng=0, **options)
    assert made.steps == 2
    assert made.embeddings.shape == (100, 2)
    for name, columns in (("paper-simclr", 256), ("paper-vicreg", 2048)):
        options = train.recipe(name) | {"epochs": 1, "batch": 100, "encoder": "resnet18-narrow"}
        run = train.ssl(str(cifar), sigma=0.1, evaluate=False, rng=0, **options)
        assert run.steps == 2
        assert run.embeddings.shape == (40, columns)
        assert np.isfinite(run.embeddings).all()
    words = ["train", "--data", str(cifar), "--recipe", "paper-simclr", "--epochs", "1"]
    words += ["--batch", "100", "--encoder", "resnet18-narrow", "--sigma", "0.3"]
    assert cli.main([*words, "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["method"], plain["sigma"], plain["steps"]) == ("simclr", 0.3, 2)
    assert plain["settings"]["optimiser"] == "lars"
    assert cli.main(words) == 0
    assert "simclr with sigma = 0.3 at the outlet" in " ".join(capsys.readouterr().out.split())
    assert cli.main([*words, "--critic", "dual"]) == 2
    assert "--critic: is not for method 'simclr'" in capsys.readouterr().err
    assert cli.main(["train", "--recipe", "paper-gpt"]) == 2


def test_the_device_script_prints_the_papers_figures(tmp_path: Path) -> None:
    """On a CPU and synthetic images: the script of a GPU runs, and its last line is JSON."""
    script = Path(__file__).parents[2] / "benchmarks" / "device" / "paper.sh"
    environment = os.environ | {"DMTEST_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", str(script), str(write_mnist(tmp_path)), "2"],
        env=environment,
        capture_output=True,
        text=True,
        cwd=script.parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["steps"] == 2
    assert found["violations"] == []
    assert set(found["mean_pvalues"]) == {"dagostino-pearson", "shapiro-wilk", "henze-zirkler"}


def test_the_recipes_resnet_takes_a_step(tmp_path: Path) -> None:
    """The full ResNet-18 and head, on four rows."""
    cifar = write_cifar(tmp_path, rows=10)
    options = train.recipe("paper-simclr") | {"epochs": 1, "batch": 25}
    made = train.ssl(str(cifar), sigma=0.1, evaluate=False, rng=0, **options)
    assert made.features.shape == (10, 512)
    assert made.steps == 2
