"""Table 1's question on Fashion-MNIST: what noise does to SimCLR and VICReg.

The encoder is Table 2's ConvNet: two cores cannot pay for two dozen runs of a ResNet-18.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch import nn

import dmtest
from benchmarks.paper.runs import run
from dmtest import train
from dmtest.train.data.load import load_images
from dmtest.train.fitting.embed import embeddings
from dmtest.train.fitting.module import Batches, as_float, cosine
from dmtest.train.losses.matching import simclr, vicreg
from dmtest.train.model.augment import build_augmentation
from dmtest.train.model.draws import Draws
from dmtest.train.model.encoders import convnet
from dmtest.train.model.heads import BatchNorm

SIGMAS = (0.0, 0.1, 0.3, 0.5)
BATCH, FEATURES, OUTLET = 256, 128, 64
STEPS = 200
RATE, TEMPERATURE = 2e-3, 0.2
PROBED = 10_000


class Model(nn.Module):
    """A ConvNet and a projection head; noise is added to the head's outlet."""

    def __init__(self, method: str, sigma: float) -> None:
        super().__init__()
        self.method, self.sigma = method, sigma
        self.backbone = convnet((1, 28, 28), FEATURES)
        self.head = nn.Sequential(
            nn.ReLU(), nn.Linear(FEATURES, 256), BatchNorm(256), nn.ReLU(), nn.Linear(256, OUTLET)
        )
        self.outlet = BatchNorm(OUTLET, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the features that are probed."""
        return self.backbone(x)

    def loss(self, views: list[torch.Tensor], draws: Draws) -> torch.Tensor:
        """Return the method's loss with noise at the outlet of both views."""
        z = self.outlet(self.head(self.backbone(torch.cat(views))))
        half = len(z) // 2
        first, second = (z[:half], z[half:])
        if self.sigma:
            first = first + self.sigma * draws.normal(OUTLET)
            second = second + self.sigma * draws.normal(OUTLET)
        if self.method == "simclr":
            return simclr(first, second, TEMPERATURE)
        return vicreg(first, second)


def table1(data: str, seeds: int) -> None:
    """Run both methods at every sigma."""
    for seed in range(seeds):
        for sigma in SIGMAS:
            for method in ("simclr", "vicreg"):
                run(
                    "table1",
                    f"{method}-{sigma:.1f}-{seed}",
                    lambda method=method, sigma=sigma, seed=seed: _one(  # type: ignore[misc]
                        data, method, sigma, seed
                    ),
                )


def _one(data: str, method: str, sigma: float, seed: int) -> dict[str, Any]:
    training, test = (load_images(data, split=split) for split in ("train", "test"))  # type: ignore[arg-type]
    torch.manual_seed(seed)
    model = Model(method, sigma).to(memory_format=torch.channels_last)
    # Nothing but the seed makes the untrained encoder: one method's runs have it.
    first = method == "simclr" and sigma == SIGMAS[0]
    before = _probed(model, training, test, seed) if first else None
    began = time.process_time()
    _train(model, torch.from_numpy(training.images), seed)
    seconds = time.process_time() - began
    after = _probed(model, training, test, seed)
    return {"method": method, "sigma": sigma, "seed": seed, "training_cpu_seconds": seconds} | {
        "probe": after,
        "untrained": before,
        "outlet": _reported(model, test, seed),
    }


def _train(model: Model, pool: torch.Tensor, seed: int) -> None:
    augment = build_augmentation("image", tuple(pool.shape[1:]))
    optimiser = torch.optim.Adam(model.parameters(), RATE, weight_decay=1e-5)
    model.train()
    step = 0
    while step < STEPS:
        for rows in Batches(len(pool), BATCH, seed, step // len(Batches(len(pool), BATCH, 0, 0))):
            draws = Draws(seed, step, BATCH, slice(0, BATCH), torch.device("cpu"))
            clean = as_float(pool[rows]).contiguous(memory_format=torch.channels_last)
            loss = model.loss([augment(clean, draws), augment(clean, draws)], draws)
            for group in optimiser.param_groups:
                group["lr"] = RATE * cosine(step, STEPS)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            step += 1
            if step == STEPS:
                break


def _probed(model: Model, training: Any, test: Any, seed: int) -> dict[str, float]:
    """Top-1 and top-5 accuracy of a logistic regression on the features."""
    rows = np.random.default_rng(seed).permutation(len(training.images))[:PROBED]
    z = embeddings(model, torch.from_numpy(training.images[rows]))  # type: ignore[arg-type]
    held = embeddings(model, torch.from_numpy(test.images))  # type: ignore[arg-type]
    scores = ("probe-top1", "probe-top5", "knn-accuracy")
    found = train.downstream(z, training.labels[rows], held, test.labels, rng=seed, scores=scores)
    return dict(found.values)


@torch.no_grad()
def _reported(model: Model, test: Any, seed: int) -> dict[str, Any]:
    """Report on the outlet of held-out images against N(0, I)."""
    model.eval()
    images = torch.from_numpy(test.images)
    z = torch.cat(
        [model.outlet(model.head(model.backbone(as_float(p)))) for p in images.split(2048)]
    )
    report = dmtest.report(z.numpy(), rng=seed, progress=False)
    return {
        "verdict": report.verdict,
        "pvalue": report.pvalue,
        "effects": {name: one.to_dict() for name, one in report.effects.items()},
        "diagnosis": [one.message for one in report.diagnosis],
    }
