"""Where, what and when to inject: noise at the outlet, the features or the input of one view."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any
from unittest import mock

import numpy as np
import torch
from scipy import stats

from benchmarks.paper.digits import neighbours
from benchmarks.paper.runs import run
from dmtest import bounds, train
from dmtest.train.data.load import load_images
from dmtest.train.fitting.module import InfoMax
from dmtest.train.model.draws import Draws

SEEDS = range(3)
SIGMA, D = 0.3, 2
# Arms that differ from the first one in one thing each: place, law, schedule.
ARMS: dict[str, dict[str, str]] = {
    "outlet, normal, constant": {},
    "no noise": {"place": "nowhere"},
    "features": {"place": "features"},
    "input": {"place": "input"},
    "Laplace": {"law": "laplace"},
    "uniform": {"law": "uniform"},
    "annealed": {"schedule": "annealed"},
    "learned per column": {"schedule": "learned"},
}
# Strengths of augmentation and noise levels of the grid in which the objective breaks.
STRENGTHS, LEVELS = (0.3, 0.6, 1.2, 2.4), (0.03, 0.1, 0.3, 1.0)
# Columns, classes and rows of runs in which one of them varies.
COLUMNS, CLASSES, ROWS = (1, 2, 4, 8, 16), (2, 5, 10), (3_000, 10_000, 30_000, 60_000)
COMMON: dict[str, Any] = {"encoder": "mlp", "critic": "separable", "crop": 24, "batch": 1024}
EPOCHS = 8


class Injected(InfoMax):
    """Noise-injected Deep InfoMax whose noise is elsewhere, of another law or not constant.

    All laws have the standard deviation sigma: of the outlet, whose columns have 1, or of the
    features or pixels, in units of the standard deviation of each in the batch.
    """

    def __init__(
        self, place: str, law: str, schedule: str, *arguments: Any, **options: Any
    ) -> None:
        super().__init__(*arguments, **options)
        self.place, self.law, self.schedule = place, law, schedule
        d = self.settings.dim
        self.log_levels = torch.nn.Parameter(torch.zeros(d), requires_grad=schedule == "learned")

    def level(self) -> torch.Tensor:
        """Return sigma, or one a column: falling to 0, or with sigma as geometric mean."""
        sigma = torch.tensor(self.noise.level)
        if self.schedule == "annealed":
            steps = len(self.train_dataloader()) * self.epochs
            return 2.0 * sigma * (1.0 - self.global_step / steps)
        return sigma * (self.log_levels - self.log_levels.mean()).exp()

    def drawn(self, shape: tuple[int, ...], draws: Draws) -> torch.Tensor:
        """Return noise of variance 1."""
        if self.law == "normal":
            return draws.normal(*shape)
        u = draws.uniform(*shape, low=-1.0, high=1.0)
        if self.law == "uniform":
            return 3.0**0.5 * u
        return -(0.5**0.5) * u.sign() * torch.log1p(-u.abs().clamp(max=1.0 - 1e-7))

    def training_step(self, index: torch.Tensor, batch: int) -> torch.Tensor:
        """Return the loss of one batch."""
        rows, draws = self.share(index)
        clean, other = self.views(rows, draws)
        n, encoder = len(clean), self.encoder
        if self.place in ("outlet", "nowhere"):
            f, g = encoder.pair(clean, other)
            y = f
            if self.place == "outlet":
                y = f + self.level() * self.drawn(f.shape[1:], draws)
        else:
            if self.place == "input":
                noisy = clean + self.noise.level * clean.std(0) * self.drawn(clean.shape[1:], draws)
                h = encoder.backbone(torch.cat([clean, other, noisy]))
            else:
                body, last = encoder.backbone[:-1], encoder.backbone[-1]
                h = body(torch.cat([clean, other]))
                spread = h[:n].detach().std(0)
                noisy = h[:n] + self.noise.level * spread * self.drawn(h.shape[1:], draws)
                h = last(torch.cat([h, noisy]))
            f, g, y = encoder.head(h, n).split(n)
        assert self.critic is not None
        assert self.objective is not None
        loss, bound = self.objective(self.critic(g, y), 0)
        self.measure(loss, bound, (f.detach() - g.detach()).square().sum(1).mean())
        return loss

    def groups(self) -> list[dict[str, Any]]:
        """Return the parameters, and the levels if they are learned."""
        own = [{"params": [self.log_levels], "weight_decay": 0.0}]
        return super().groups() + (own if self.schedule == "learned" else [])


def injection(data: str) -> None:
    """Run the arms, the grid of augmentation and noise, and the scaling of rows, d and classes."""
    for seed, (name, arm) in itertools.product(SEEDS, ARMS.items()):
        slug = f"arm-{name.replace(', ', '-').replace(' ', '-').lower()}-{seed}"
        run("injection", slug, partial(_arm, data, name, arm, seed))
    for strength, level in itertools.product(STRENGTHS, LEVELS):
        given = {"augment_scale": strength, "sigma": level}
        run("injection", f"grid-{strength}-{level}", partial(_plain, data, "grid", given))
    for d in COLUMNS:
        run("injection", f"columns-{d}", partial(_plain, data, "columns", {"dim": d}))
    for n in ROWS:
        run("injection", f"rows-{n}", partial(_plain, data, "rows", {}, rows=n))
    for c in CLASSES:
        run("injection", f"classes-{c}", partial(_plain, data, "classes", {}, classes=c))


def _arm(data: str, name: str, arm: dict[str, str], seed: int) -> dict[str, Any]:
    """Train with noise elsewhere: the trainer builds another module and is the same otherwise."""
    given = {"place": "outlet", "law": "normal", "schedule": "constant"} | arm
    modules: list[Injected] = []

    def build(*arguments: Any, **options: Any) -> Injected:
        modules.append(Injected(*given.values(), *arguments, **options))
        return modules[-1]

    with mock.patch("dmtest.train.fitting.api.InfoMax", build):
        made = train.fit(
            data, dim=D, sigma=SIGMA, rng=seed, evaluate=False, epochs=EPOCHS, **COMMON
        )
    levels = None if arm.get("schedule") != "learned" else modules[0].level().tolist()
    return _measured(made) | {"method": name, "levels": levels}


def _plain(
    data: str,
    part: str,
    given: dict[str, Any],
    rows: int | None = None,
    classes: int | None = None,
) -> dict[str, Any]:
    """Train with the noise at the outlet."""
    options = COMMON | {"dim": D, "sigma": SIGMA, "epochs": EPOCHS} | given
    if rows is None and classes is None:
        made = train.fit(data, rng=0, evaluate=False, **options)
    else:
        images = load_images(data, split="train")
        chosen = np.flatnonzero(images.labels < (classes or 10))[: rows or 10_000 * (classes or 0)]
        side = slice(2, -2)
        pixels = images.images[chosen][:, 0, side, side]
        # A fifth of them are held out. As many steps as the others have, whatever the rows.
        options["epochs"] = max(1, round(EPOCHS * 60_000 / (0.8 * len(chosen))))
        options["batch"] = min(1024, len(chosen) // 8)
        del options["crop"]
        made = train.fit(pixels, labels=images.labels[chosen], rng=0, evaluate=False, **options)
    return _measured(made) | {"method": part, "rows": rows, "classes": classes}


def _measured(made: Any) -> dict[str, Any]:
    z = made.embeddings.astype(np.float64)
    error = float(np.square(z - made.augmented).mean())
    return {
        "d": z.shape[1],
        "sigma": made.noise.level,
        "seed": made.seed,
        "steps": made.steps,
        "neighbours": neighbours(z, made.labels),
        "kolmogorov": [float(stats.kstest(c, "norm").statistic) for c in z.T],
        "information": made.history["information"][-1],
        "predicted": float(bounds.gaussian_tradeoff(z.shape[1], made.noise.level, error)),
        "invariance_error": error,
        "augment_scale": made.settings.augment_scale,
    }
