"""Deep InfoMax beside loops over pairs, its options, files and command."""

from __future__ import annotations

import copy
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from dmtest import train
from dmtest.cli import main as cli
from dmtest.train.data.load import load_images
from dmtest.train.fitting.deep_infomax import DeepInfoMax
from dmtest.train.fitting.loop import train as run_loop
from dmtest.train.fitting.module import Batches
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.matching import random_directions, sigreg, vicreg
from dmtest.train.model.augment import identity
from dmtest.train.model.draws import Draws
from dmtest.train.model.feature_map import MapEncoder, occluded
from dmtest.train.model.map_critics import Coordinates, GlobalCritic, LocalCritic, LocalObjective
from dmtest.train.model.objectives import build_objective
from tests.support.calls import python, refused

CPU = torch.device("cpu")
QUICK: dict[str, Any] = {"epochs": 2, "batch": 256, "evaluate": False, "rng": 0}
OBJECTIVES = ("infonce", "donsker-varadhan", "jsd", "nwj")
Matrix = NDArray[np.float64]


def config(shape: tuple[int, ...] = (1, 8, 8), **changes: Any) -> dict[str, Any]:
    """Return the settings of a small encoder."""
    plain = {"shape": list(shape), "dim": 5, "target": "normal", "head": None}
    return plain | {"channels": 3, "hidden": 16} | changes


def draws(rows: int, step: int = 0) -> Draws:
    """Return the draws of one step."""
    return Draws(0, step, rows, slice(0, rows), CPU)


def module(weights: dict[str, float], prior: dict[str, float] | None = None, **changes: Any) -> Any:
    """Return a training step on 12 random images, without a trainer."""
    torch.manual_seed(0)
    pool = torch.rand(12, 1, 8, 8)
    options = {"objective": "infonce", "epochs": 1, "batch": 12, "dim": 5} | changes
    settings = Settings.of(**options).resolved(12)
    encoder = MapEncoder(config())
    return DeepInfoMax(pool, encoder, weights, prior or {}, 0.0, identity, settings, seed=0)


# Objectives, beside plain loops


def slow(name: str, scores: Matrix) -> float:
    """Value of an objective of one matrix of scores, pair by pair."""
    k = len(scores)
    own = [scores[i, i] for i in range(k)]
    others = [scores[i, j] for i in range(k) for j in range(k) if i != j]
    if name == "infonce":
        return sum(
            scores[i, i] - math.log(sum(math.exp(scores[i, j]) for j in range(k)) / k)
            for i in range(k)
        ) / k  # fmt: skip
    if name == "donsker-varadhan":
        return sum(own) / k - math.log(sum(map(math.exp, others)) / len(others))
    if name == "nwj":
        return sum(own) / k - sum(map(math.exp, others)) / len(others) + 1.0
    joint = sum(math.log1p(math.exp(-one)) for one in own) / k
    return -joint - sum(math.log1p(math.exp(one)) for one in others) / len(others)


def head(layers: Any, x: Matrix) -> Matrix:
    """Two linear layers with a leaky rectifier between them, of one row."""
    (first, second) = (
        (part.weight.detach().numpy().reshape(len(part.weight), -1), part.bias.detach().numpy())
        for part in (layers[0], layers[2])
    )
    h = first[0] @ x + first[1]
    return np.asarray(second[0] @ np.where(h > 0.0, h, 0.01 * h) + second[1])


def slow_global(critic: GlobalCritic, maps: Matrix, y: Matrix) -> Matrix:
    """Scores of whole maps, pair by pair."""
    found = np.empty((len(y), len(maps)))
    for i, j in np.ndindex(found.shape):
        found[i, j] = head(critic.of_y, y[i]) @ head(critic.of_map[1], maps[j].ravel()) / 8.0
    return found


def slow_local(critic: LocalCritic, maps: Matrix, y: Matrix) -> list[Matrix]:
    """Scores at every location, pair by pair."""
    stack = []
    for row, column in np.ndindex(maps.shape[2:]):
        found = np.empty((len(y), len(maps)))
        for i, j in np.ndindex(found.shape):
            patch = maps[j, :, row, column]
            found[i, j] = head(critic.of_y, y[i]) @ head(critic.of_map, patch) / 8.0
        stack.append(found)
    return stack


def slow_coordinates(part: Coordinates, maps: Matrix, y: Matrix) -> float:
    """Cross-entropy of the location, feature by feature."""
    first, last = part.of_map, part.rest[1]
    values = []
    for n, row, column in np.ndindex(len(maps), *maps.shape[2:]):
        h = first.weight.detach().numpy()[:, :, 0, 0] @ maps[n, :, row, column]
        h = h + first.bias.detach().numpy() + part.of_y.weight.detach().numpy() @ y[n]
        h = np.where(h > 0.0, h, 0.01 * h)
        out = last.weight.detach().numpy()[:, :, 0, 0] @ h + last.bias.detach().numpy()
        values.append(math.log(np.exp(out).sum()) - out[row * maps.shape[3] + column])
    return float(np.mean(values))


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("kind", ["global", "local"])
def test_a_step_equals_loops_over_pairs(kind: str, objective: str) -> None:
    """Value of a batch, and the slope of its loss in map and embedding by finite differences.

    At the first step Donsker-Varadhan's moving average is the batch itself, so that the slope is
    that of the value.
    """
    torch.manual_seed(1)
    shape = (2, 2, 3)
    critic = (GlobalCritic if kind == "global" else LocalCritic)(shape, 3).double()
    part: Any = build_objective(objective) if kind == "global" else LocalObjective(objective, 6)
    maps = torch.randn(4, *shape, dtype=torch.float64, requires_grad=True)
    y = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    loss, value = part.double()(critic(maps, y))
    loss.backward()

    def twin(maps: Matrix, y: Matrix) -> float:
        if isinstance(critic, GlobalCritic):
            return slow(objective, slow_global(critic, maps, y))
        return float(np.mean([slow(objective, one) for one in slow_local(critic, maps, y)]))

    a, b = maps.detach().numpy(), y.detach().numpy()
    assert_allclose(float(value), twin(a, b), rtol=1e-9, atol=1e-12)
    for array, gradient in ((a, maps.grad), (b, y.grad)):
        assert gradient is not None
        for place in list(np.ndindex(array.shape))[::5]:
            start, slopes = array[place], []
            for step in (1e-5, -1e-5):
                array[place] = start + step
                slopes.append(-twin(a, b))
            array[place] = start
            assert_allclose(
                float(gradient[place]), (slopes[0] - slopes[1]) / 2e-5, rtol=1e-5, atol=1e-8
            )


def test_the_loss_is_the_weighted_sum_of_its_terms() -> None:
    """Global, local, coordinates and two priors, each computed alone from the same parts."""
    weights = {"global": 0.3, "local": 2.0, "coordinates": 0.7}
    step = module(weights, {"sigreg": 5.0, "covariance": 0.25}, objective="jsd")
    step.double()
    maps = torch.rand(12, 6, 2, 2, dtype=torch.float64)
    y = torch.randn(12, 5, dtype=torch.float64)
    loss, values = step.losses(maps, y, 0)
    assert step.watched == ("loss", "global", "local", "coordinates", "prior")
    a, b = maps.detach().numpy(), y.detach().numpy()
    broad = slow("jsd", slow_global(step.critics["global-critic"], a, b))
    stack = slow_local(step.critics["local-critic"], a, b)
    narrow = float(np.mean([slow("jsd", one) for one in stack]))
    where = slow_coordinates(step.coordinates, a, b)
    prior = 5.0 * sigreg(y, random_directions(5, 64, 0, 0)) / 12 + 0.25 * vicreg(y, y, 0.0) / 25.0
    assert_allclose([one.item() for one in values[:3]], [broad, narrow, where], rtol=1e-9)
    assert_allclose(values[3].item(), prior.item(), rtol=1e-6)
    total = -0.3 * broad - 2.0 * narrow + 0.7 * where + prior
    assert_allclose(float(loss.detach()), total.item(), rtol=1e-6)


# Steps


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_one_step_of_training_by_hand(objective: str) -> None:
    """The trainer's first step: Adam moves a weight by the rate against its gradient's sign."""
    step = module({"local": 1.0, "global": 0.5}, objective=objective)
    twin = copy.deepcopy(step)
    run_loop(step, step.settings, folder=None, resume=False, progress=None)
    maps, y = twin.encoder.views(twin.pool[next(iter(Batches(12, 12, 0, 0)))])
    total = torch.zeros(())
    for name, weight in (("local", 1.0), ("global", 0.5)):
        scores = twin.critics[f"{name}-critic"](maps, y)
        blocks = scores if name == "local" else scores[None]
        off = ~torch.eye(12, dtype=torch.bool)
        for block in blocks:
            own, others = block.diagonal(), block[off]
            value = {
                "infonce": (own - block.exp().mean(1).log()).mean(),
                "donsker-varadhan": own.mean() - others.exp().mean().log(),
                "nwj": own.mean() - others.exp().mean(),
                "jsd": -(1 + (-own).exp()).log().mean() - (1 + others.exp()).log().mean(),
            }[objective]
            total = total - weight * value / len(blocks)
    weights = [*twin.encoder.parameters(), *twin.critics.parameters()]
    gradients = torch.autograd.grad(total, weights)
    moved = [*step.encoder.parameters(), *step.critics.parameters()]
    checked = 0
    for old, new, slope in zip(weights, moved, gradients, strict=True):
        clear = slope.abs() > 1e-5  # below it float32 does not tell the sign
        expected = old - 2e-3 * slope / (slope.abs() + 1e-8)
        assert_allclose(new[clear].detach(), expected[clear].detach(), rtol=0, atol=2e-5)
        checked += int(clear.sum())
    assert checked > 0.5 * sum(weight.numel() for weight in weights)


def test_coordinates_start_at_chance_and_are_learned() -> None:
    """The cross-entropy begins near log 4 with four locations, and falls."""
    made = train.dim("digits", coordinates=1.0, **QUICK | {"epochs": 8})
    assert made.history["coordinates"][0] < math.log(4) + 0.2
    assert made.history["coordinates"][-1] < 0.7 * math.log(4)


# The encoder


@pytest.mark.parametrize(
    ("shape", "map_shape", "conv"),
    [((1, 8, 8), (6, 2, 2), 12), ((1, 28, 28), (6, 7, 7), 108), ((3, 32, 34), (6, 8, 8), 192)],
)
def test_shapes(shape: tuple[int, ...], map_shape: tuple[int, ...], conv: int) -> None:
    encoder = MapEncoder(config(shape)).eval()
    x = torch.rand(4, *shape)
    found = {name: tuple(level.shape) for name, level in encoder.levels(x).items()}
    assert found == {"conv": (4, conv), "fc": (4, 16), "embedding": (4, 5)}
    maps, y = encoder.views(x)
    assert tuple(maps.shape[1:]) == encoder.map_shape == map_shape
    assert torch.equal(y, encoder(x))
    assert torch.equal(encoder.features(x), encoder.levels(x)["fc"])


def test_a_location_sees_a_patch() -> None:
    """Of 28 pixels, the location at the corner depends on the nearest ten alone."""
    encoder = MapEncoder(config((1, 28, 28))).eval()
    x = torch.rand(1, 1, 28, 28, requires_grad=True)
    encoder.views(x)[0][0, :, 0, 0].sum().backward()
    assert x.grad is not None
    seen = x.grad[0, 0] != 0
    assert 0 < int(seen.any(1).sum()) <= 10
    assert bool(seen[:10, :10].any())
    assert not bool(seen[10:].any() | seen[:, 10:].any())


def test_the_embedding_does_not_see_what_is_occluded() -> None:
    """The map is that of whole images, the embedding that of images with a hole."""
    encoder = MapEncoder(config()).eval()
    x = torch.rand(6, 1, 8, 8)
    holed = occluded(x, draws(6), 0.5)
    maps, y = encoder.views(x, holed)
    assert_allclose(maps.detach(), encoder.views(x)[0].detach(), atol=1e-6)
    assert_allclose(y.detach(), encoder(holed).detach(), atol=1e-6)


def test_rectangles_have_their_size_and_all_places() -> None:
    x = torch.ones(4000, 2, 8, 10)
    holed = occluded(x, draws(4000), 0.4)  # 3 x 4 pixels
    assert torch.equal(holed[:, 0], holed[:, 1])
    hidden = holed[:, 0] == 0
    assert bool((hidden.any(2).sum(1) == 3).all())
    assert bool((hidden.any(1).sum(1) == 4).all())
    assert bool((hidden.sum((1, 2)) == 12).all())
    top, left = (hidden.any(2).int().argmax(1), hidden.any(1).int().argmax(1))
    for first, places in ((top, 6), (left, 7)):
        share = np.bincount(first.numpy(), minlength=places) / 4000
        assert len(share) == places
        assert np.abs(share - 1 / places).max() < 4 * math.sqrt(1 / places / 4000)
    assert not torch.equal(hidden, occluded(x, draws(4000, 1), 0.4)[:, 0] == 0)


# Runs


@pytest.mark.parametrize(
    "options",
    [
        {"objective": "jsd"},
        {"local_weight": 0.0, "global_weight": 1.0, "objective": "donsker-varadhan"},
        {"global_weight": 0.5, "occlude": 0.4, "coordinates": 0.1},
        {"prior": {"sigreg": 10.0, "adversarial": 0.1}},
        {"prior": "adversarial", "target": "uniform"},
    ],
    ids=["jsd", "global", "options", "mixture", "uniform"],
)
def test_runs_repeat_and_the_seed_decides(options: dict[str, Any]) -> None:
    """The loss falls; the same seed gives the same bits, another one other embeddings."""
    made, again = (train.dim("digits", **QUICK | options) for _ in range(2))
    assert made.history["loss"][-1] < made.history["loss"][0]
    assert made.history == again.history
    assert np.array_equal(made.embeddings, again.embeddings)
    assert made.embeddings.shape == (500, 64)
    assert made.features.shape == (500, 256)
    assert made.train_embeddings.shape == (1297, 64)
    other = train.dim("digits", **QUICK | options | {"rng": 1})
    assert not np.array_equal(made.embeddings, other.embeddings)
    if options.get("target") == "uniform":
        assert 0.0 <= made.embeddings.min() < made.embeddings.max() <= 1.0
    else:  # the outlet has the moments of clean rows, also with occlusion
        assert_allclose(made.embeddings.mean(axis=0), 0.0, atol=0.25)
        assert_allclose(made.embeddings.std(axis=0).mean(), 1.0, atol=0.07)


def test_the_prior_brings_the_embedding_nearer_to_the_target() -> None:
    """By a distance that no term trains, and from an outlet that nothing else normalises."""
    from scipy import stats

    far = {}
    for name, prior in (("without", None), ("with", {"sigreg": 20.0})):
        options = QUICK | {"epochs": 10, "batch": 128, "head": "free"}
        made = train.dim("digits", dim=4, prior=prior, **options)
        far[name] = max(stats.kstest(column, "norm").statistic for column in made.embeddings.T)
    assert far["with"] < 0.6 * far["without"]


def test_local_training_helps_classes() -> None:
    """A linear probe of eight columns beats that of the untrained encoder by 3 standard errors."""
    made = train.dim("digits", dim=8, evaluate=True, rng=0, epochs=30, batch=64, channels=16)
    assert made.downstream is not None
    assert made.baseline_downstream is not None
    name = "svm-accuracy"
    gain = made.downstream[name] - made.baseline_downstream[name]
    assert gain > 3 * math.hypot(
        made.downstream.errors[name], made.baseline_downstream.errors[name]
    )
    assert made.feature_downstream is not None
    assert made.dependence is not None
    assert made.dependence.kind == "lower bound"
    text = repr(made)
    assert "local Deep InfoMax (infonce) trained on digits" in text
    assert "dependence" in text


def test_files_encoder_and_resuming(tmp_path: Path) -> None:
    """What is written returns; a run in two parts has the bits of one."""
    options = QUICK | {"epochs": 4, "prior": {"adversarial": 0.5, "sigreg": 1.0}}
    made = train.dim("digits", out=tmp_path, **options | {"evaluate": True})
    assert made.report is not None
    assert (made.report.n, made.report.d) == (500, 64)
    encoder = train.load_encoder(tmp_path)
    x = torch.from_numpy(load_images("digits", split="test").images)
    with torch.no_grad():
        assert_allclose(encoder(x).numpy(), made.embeddings, atol=1e-5)
        assert_allclose(encoder.features(x).numpy(), made.features, atol=1e-5)
    with np.load(tmp_path / "embeddings.npz") as file:
        kinds = {"embeddings", "features", "train_embeddings", "train_features"}
        assert set(file.files) == kinds | {"labels", "train_labels"}
        assert np.array_equal(file["embeddings"], made.embeddings)
    history = json.loads((tmp_path / "history.json").read_text())
    assert history["prior"] == {"adversarial": 0.5, "sigreg": 1.0}
    assert history["dependence"] == float(made.dependence)
    assert (tmp_path / "report.html").is_file()
    again = train.dim("digits", out=tmp_path, resume=True, **options)  # nothing is left to do
    assert np.array_equal(again.embeddings, made.embeddings)


def test_images_in_colour_and_without_labels(tmp_path: Path) -> None:
    """CIFAR's shape, from an array; without labels there are no scores of classes."""
    x = np.random.default_rng(0).integers(0, 256, (400, 32, 32, 3)).astype(np.uint8)
    options = {"epochs": 1, "batch": 64, "rng": 0, "channels": 4, "dim": 3}
    made = train.dim(x, evaluate=True, **options)
    assert made.embeddings.shape == (80, 3)
    assert (made.downstream, made.dependence) == (None, None)  # 80 rows are too few
    assert made.report is not None
    assert made.encoder.map_shape == (8, 8, 8)


TWO = """
import sys, json, torch
torch.set_num_threads(1)
from dmtest import train
if __name__ == "__main__":
    made = train.dim("digits", global_weight=0.5, occlude=0.3, coordinates=0.1, channels=8,
                     prior={"sigreg": 5.0}, objective=sys.argv[2], epochs=2, batch=256,
                     evaluate=False, rng=0, devices=int(sys.argv[1]), device="cpu",
                     optimiser="lars", learning_rate=0.1)
    print(json.dumps([made.history, made.embeddings.astype(float).tolist()]))
"""


def test_two_processes_equal_one(tmp_path: Path) -> None:
    """Negatives, moments and priors are those of the whole batch."""
    script = tmp_path / "two.py"
    script.write_text(TWO)
    found = []
    for count in ("1", "2"):
        out = python(script, count, "donsker-varadhan")
        assert out.returncode == 0, out.stderr[-2000:]
        found.append(json.loads(out.stdout.splitlines()[-1]))
    for name in found[0][0]:
        assert_allclose(found[1][0][name], found[0][0][name], rtol=1e-4, atol=1e-5)
    assert_allclose(found[1][1], found[0][1], atol=5e-3)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"target": "sphere"}, "target: got 'sphere'"),
        ({"local_weight": 0.0}, "both are 0"),
        ({"local_weight": -1.0}, "local_weight"),
        ({"global_weight": math.nan}, "global_weight"),
        ({"prior": "mmd"}, "prior: got 'mmd'; choose from 'sigreg'"),
        ({"prior": {"sigreg": 0.0}}, "prior"),
        ({"prior": "covariance", "target": "uniform"}, "is for target 'normal'"),
        ({"occlude": 1.0}, "occlude: must be a share"),
        ({"coordinates": -0.1}, "coordinates"),
        ({"channels": 0}, "channels"),
        ({"dim": 0}, "dim"),
        ({"objective": "mine"}, "objective: got 'mine'"),
        ({"objective": "none"}, "objective: 'none' is for train.fit"),
        ({"matching": "sigreg"}, "in prior="),
        ({"critic": "dual"}, "critic: is for train.fit"),
        ({"size": 6}, "at least 8 x 8 pixels; got rows of shape \\(1, 6, 6\\)"),
        ({"data": np.zeros((40, 9), np.float32)}, "use train.fit for features"),
    ],
)
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    refused(words, train.dim, **{"data": "digits"} | QUICK | options)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """Recipes of Deep InfoMax, with options of the prior."""
    words = ["train", "--recipe", "deep-infomax-local", "--epochs", "2", "--batch", "256"]
    words += ["--objective", "jsd", "--matching", "sigreg", "--matching-weight", "5", "--quiet"]
    assert cli.main([*words[:-1], "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["method"] == "local Deep InfoMax (jsd)"
    assert (plain["prior"], plain["settings"]["dim"]) == ({"sigreg": 5.0}, 64)
    words[2:3] = ["deep-infomax-global"]
    assert cli.main([*words[:-1], "--dim", "16", "--target", "uniform"]) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "global Deep InfoMax (jsd); 500 held-out rows, 16 columns, target uniform" in text
    assert "Dependence of the columns, nats" in text
    assert "Linear support vector machine, accuracy" in text
    assert cli.main([*words, "--sigma", "0.3"]) == 2
    assert "--sigma: is not for method 'deep-infomax'" in capsys.readouterr().err
