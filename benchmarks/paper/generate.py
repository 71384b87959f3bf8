"""Figures 3 and 4: a conditional GAN on MNIST whose condition is the matched embedding.

The encoder f is trained to N(0, I) in two columns, as for Figure 2 but for less time. Generator G
and discriminator see the condition c = f(x) of a training image. Beside the adversarial loss
(hinge, spectral normalisation) G minimises |f(G(c, n) + noise) - c|^2, so that pictures keep their
condition. The noise is that which f was trained to ignore: without it, G could add what f sees and
people do not. Pictures are drawn with the running mean of G's weights. They are judged on held-out
images, and on conditions that are drawn from N(0, I).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

import dmtest
from benchmarks.paper.mnist import CROP
from benchmarks.paper.runs import FOLDER, IMAGES, run
from dmtest import train
from dmtest.train.data.load import load_images

# As for Figure 2, in a sixth of the time.
ENCODER: dict[str, Any] = {"sigma": 0.1, "crop": CROP, "encoder": "mlp", "critic": "separable"}
ENCODER |= {"matching": "sigreg", "matching_weight": 20.0, "epochs": 40}
NOISE, WIDTH, BATCH, STEPS, RATE = 24, 32, 64, 14_000, 2e-3
WEIGHT, MEMORY = 5.0, 0.998  # of the embedding's error; of the running mean of weights
CLASSES, SHOWN = 10, 64
CERTAIN = 0.9  # a picture is legible if the classifier gives one class this probability
NOISY = 0.6  # standard deviation of the noise that f was trained to ignore


class Generator(nn.Module):
    """Condition (n, 2) and noise (n, 24) to pictures (n, 1, 24, 24)."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        side, wide = CROP // 4, 2 * width
        self.layers = nn.Sequential(
            nn.Linear(2 + NOISE, wide * side * side),
            nn.Unflatten(1, (wide, side, side)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
            nn.ConvTranspose2d(wide, width, 4, 2, 1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, 1, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, condition: Tensor, noise: Tensor) -> Tensor:
        """Return pictures."""
        pictures: Tensor = self.layers(torch.cat([condition, noise], dim=1))
        return pictures


class Discriminator(nn.Module):
    """Pictures with their condition to scores (n,): high is real."""

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__()
        self.seen = nn.Sequential(*_convolutions(width, spectral_norm))
        flat = 2 * width * (CROP // 4) ** 2
        self.told = nn.Sequential(spectral_norm(nn.Linear(2, 64)), nn.LeakyReLU(0.2))
        self.score = nn.Sequential(
            spectral_norm(nn.Linear(flat + 64, 128)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(128, 1)),
        )

    def forward(self, pictures: Tensor, condition: Tensor) -> Tensor:
        """Return scores."""
        both = torch.cat([self.seen(pictures), self.told(condition)], dim=1)
        scores: Tensor = self.score(both).squeeze(1)
        return scores


def _convolutions(width: int, wrap: Any) -> list[nn.Module]:
    return [
        wrap(nn.Conv2d(1, width, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        wrap(nn.Conv2d(width, 2 * width, 4, 2, 1)),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
    ]


def generator(
    encoder: nn.Module,
    pictures: Tensor,
    codes: Tensor,
    seed: int,
    steps: int = STEPS,
    weight: float = WEIGHT,
) -> Generator:
    """Train a generator on pictures (n, 1, 24, 24) and their codes (n, 2)."""
    torch.manual_seed(seed)
    made, mean, judge = Generator(), Generator(), Discriminator()
    mean.load_state_dict(made.state_dict())
    rates = {made: RATE / 2.0, judge: RATE}
    adam = {n: torch.optim.Adam(n.parameters(), lr=r, betas=(0.0, 0.99)) for n, r in rates.items()}
    falls = [torch.optim.lr_scheduler.LinearLR(one, 1.0, 0.05, steps) for one in adam.values()]

    def step(net: nn.Module, loss: Tensor) -> None:
        adam[net].zero_grad()  # type: ignore[index]
        loss.backward()  # type: ignore[no-untyped-call]
        adam[net].step()  # type: ignore[index]

    encoder.requires_grad_(False)
    for number in range(steps):
        rows = torch.randint(len(pictures), (BATCH,))
        wanted = codes[torch.randint(len(codes), (BATCH,))]
        fake = made(wanted, torch.randn(BATCH, NOISE))
        both = torch.cat([pictures[rows], fake.detach()])
        real, false = judge(both, torch.cat([codes[rows], wanted])).chunk(2)
        step(judge, torch.relu(1.0 - real).mean() + torch.relu(1.0 + false).mean())
        judge.requires_grad_(False)
        # The weight rises until half of the steps are made: pictures first, then their embeddings.
        now = weight * min(1.0, 2.0 * number / steps)
        seen = fake + NOISY * torch.rand(BATCH, 1, 1, 1) * torch.randn_like(fake)
        error = (encoder(seen) - wanted).square().mean()
        step(made, now * error - judge(fake, wanted).mean())
        judge.requires_grad_(True)
        with torch.no_grad():
            for kept, new in zip(mean.parameters(), made.parameters(), strict=True):
                kept.lerp_(new, 1.0 - MEMORY)
        for fall in falls:
            fall.step()
    return _with_moments(mean, codes)


def _with_moments(net: Generator, codes: Tensor) -> Generator:
    """Compute the moments of normalisation anew: those of the mean of weights are its own."""
    for layer in net.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.momentum = None  # a mean over all batches that follow
    with torch.no_grad():
        for _ in range(50):
            net(codes[torch.randint(len(codes), (256,))], torch.randn(256, NOISE))
    return net.eval()


def classifier(pictures: Tensor, labels: Tensor, seed: int, epochs: int = 3) -> nn.Module:
    """Train a classifier of real pictures, which judges generated ones."""
    torch.manual_seed(seed)
    flat = WIDTH * (CROP // 4) ** 2
    layers = [*_convolutions(WIDTH // 2, lambda layer: layer), nn.Linear(flat, CLASSES)]
    net = nn.Sequential(*layers)
    adam = torch.optim.Adam(net.parameters(), lr=2e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(pictures)).split(128):
            adam.zero_grad()
            nn.functional.cross_entropy(net(pictures[rows]), labels[rows]).backward()
            adam.step()
    return net.eval()


@torch.no_grad()
def in_parts(net: Any, *rows: Tensor) -> Tensor:
    """Return the outputs of many rows."""
    parts = zip(*(one.split(1000) for one in rows), strict=True)
    return torch.cat([net(*part) for part in parts])


def judged(
    net: Callable[[Tensor, Tensor], Tensor],
    encoder: nn.Module,
    named: nn.Module,
    held: tuple[Tensor, Tensor],
    training: tuple[Tensor, Tensor],
    seed: int,
) -> dict[str, Any]:
    """Measure pictures of the codes of held-out images, and of N(0, I).

    Parameters
    ----------
    net : callable
        Generator: conditions (n, 2) and noise (n, 24) to pictures (n, 1, 24, 24).
    encoder, named : torch modules
        Encoder, and classifier of pictures.
    held, training : pairs of tensors
        Pictures and labels.
    seed : int
    """
    chance = torch.Generator().manual_seed(seed + 1000)
    pictures, labels = held
    codes = in_parts(encoder, pictures)
    n = len(codes)

    def drawn(condition: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        made = in_parts(net, condition, torch.randn(n, NOISE, generator=chance))
        return made, in_parts(encoder, made), in_parts(named, made).softmax(dim=1)

    like, again, likely = drawn(codes)
    prior = torch.randn(n, 2, generator=chance)
    free, read, classes = drawn(prior)
    report = dmtest.report(read.double().numpy(), "normal", rng=seed)
    sources = dmtest.report(codes.double().numpy(), "normal", rng=seed)
    real = in_parts(named, pictures).softmax(dim=1)
    order = torch.randperm(n, generator=chance)
    near = _nearest(in_parts(encoder, training[0]), codes)
    return {
        "n": n,
        "error": _squares(again, codes),
        "error, unconditional": _squares(read, prior),
        "shuffled": _squares(again, codes[order]),
        "noisy": _squares(in_parts(encoder, _noisy(like, chance)), again),
        "noisy, real": _squares(in_parts(encoder, _noisy(pictures, chance)), codes),
        "sliced W2": _distance(report),
        "sliced W2 of f(x)": _distance(sources),
        "p": float(report.pvalue),
        "verdict": report.verdict,
        "total variation": _variation(classes, real),
        "shares": torch.bincount(classes.argmax(1), minlength=CLASSES).tolist(),
        "agreement": float((likely.argmax(1) == labels).double().mean()),
        "ceiling": float((training[1][near] == labels).double().mean()),
        "legible": float((classes.amax(1) > CERTAIN).double().mean()),
        "legible, real": float((real.amax(1) > CERTAIN).double().mean()),
        "accuracy": float((real.argmax(1) == labels).double().mean()),
        "images": [_bytes(one[:SHOWN]) for one in (pictures, like, free, _plane(net, chance))],
    }


def _noisy(pictures: Tensor, chance: torch.Generator) -> Tensor:
    return pictures + NOISY * torch.randn(pictures.shape, generator=chance)


def _plane(net: Any, chance: torch.Generator) -> Tensor:
    """Return pictures of one noise vector, the condition at the quantiles of N(0, I)."""
    side = int(SHOWN**0.5)
    at = torch.special.ndtri((torch.arange(side) + 0.5) / side)
    condition = torch.cartesian_prod(-at, at).flip(1)  # rows from the top, columns from the left
    with torch.no_grad():
        pictures: Tensor = net(condition, torch.randn(1, NOISE, generator=chance).repeat(SHOWN, 1))
    return pictures


def _squares(x: Tensor, y: Tensor) -> list[float]:
    """Return the mean squared difference in every column."""
    return [float(v) for v in (x - y).double().square().mean(dim=0)]


def _distance(report: Any) -> float:
    return float(report.effects["sliced-wasserstein-2"].value)


def _variation(x: Tensor, y: Tensor) -> float:
    """Return the total variation between the shares of classes of two sets of rows."""
    one, other = (torch.bincount(z.argmax(1), minlength=CLASSES) / len(z) for z in (x, y))
    return float(0.5 * (one - other).abs().sum())


def _nearest(x: Tensor, y: Tensor) -> Tensor:
    """Return for each row of y the number of the nearest row of x."""
    return torch.cat([torch.cdist(part, x).argmin(dim=1) for part in y.split(500)])


def _bytes(pictures: Tensor) -> NDArray[np.uint8]:
    return (255.0 * pictures[:, 0]).round().byte().numpy()


def loaded(data: str, split: Any) -> tuple[Tensor, Tensor]:
    """Return the middles of MNIST's images, (n, 1, 24, 24), and their labels."""
    part = load_images(data, split=split)
    edge = (part.images.shape[2] - CROP) // 2
    pictures = part.tensor()[:, :, edge : edge + CROP, edge : edge + CROP].contiguous()
    return pictures, torch.tensor(part.labels)


def encoder_of(data: str, seed: int) -> tuple[nn.Module, float]:
    """Return the encoder of a seed, trained once, and the CPU seconds that it took."""
    folder = FOLDER / "generate-encoders" / str(seed)
    cost = folder / "cpu-seconds"
    if not cost.exists():
        began = time.process_time()
        train.fit(data, rng=seed, evaluate=False, out=folder, **ENCODER)
        cost.write_text(f"{time.process_time() - began:.1f}\n", encoding="utf-8")
    return train.load_encoder(folder).eval(), float(cost.read_text(encoding="utf-8"))


def one(data: str, seed: int, weight: float = WEIGHT, steps: int = STEPS) -> dict[str, Any]:
    """Train encoder, generator and classifier, and judge."""
    training, held = loaded(data, "train"), loaded(data, "test")
    encoder, cost = encoder_of(data, seed)
    after = time.process_time()
    net = generator(encoder, training[0], in_parts(encoder, training[0]), seed, steps, weight)
    end = time.process_time()
    named = classifier(*training, seed)
    found = judged(net, encoder, named, held, training, seed)
    images = found.pop("images")
    if seed == 0 and weight == WEIGHT:
        names = ("encoded", "conditional", "unconditional", "quantiles")
        np.savez_compressed(IMAGES, **dict(zip(names, images, strict=True)))
    seconds = {"CPU s, encoder": cost, "CPU s, generator": end - after}
    return {"seed": seed, "weight": weight, "steps": steps, "generation": found | seconds}


def generate(data: str, seeds: int, steps: int = STEPS) -> None:
    """Run all seeds, and then the first without the embedding's error."""
    for weight, count in ((WEIGHT, seeds), (0.0, min(seeds, 1))):
        for seed in range(count):
            run(
                "generate",
                f"{weight:g}-{steps}-{seed}",
                lambda seed=seed, weight=weight: one(data, seed, weight, steps),  # type: ignore[misc]
            )
