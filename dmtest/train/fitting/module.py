"""Training step as a LightningModule: both views in one pass, scores of all pairs of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor, nn

from dmtest.errors import DmtestError
from dmtest.train.fitting.optimisers import build_optimiser
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.distributed import mean_over_processes, process, processes
from dmtest.train.losses.gather import gather_rows
from dmtest.train.losses.penalties import Penalty
from dmtest.train.model.augment import Augmentation
from dmtest.train.model.critics import Critic
from dmtest.train.model.draws import Draws
from dmtest.train.model.encoders import Encoder
from dmtest.train.model.noise import Noise
from dmtest.train.model.objectives import Objective

HISTORY = ("loss", "information", "invariance_error")
# What the objective's value is called where it is not in nats (Jensen-Shannon).
SCORE = "score"
WARM_UP = 0.05


class TrainingError(DmtestError):
    """Training cannot continue: the loss is not finite."""


def as_float(images: Tensor) -> Tensor:
    """Return a batch as floats; uint8 images are scaled to [0, 1]."""
    return images.float().div_(255.0) if images.dtype == torch.uint8 else images


class Batches:
    """Row numbers of every step of one epoch, in an order that depends on seed and epoch only.

    They are moved to `device` once an epoch, so that no step waits for a copy.
    """

    def __init__(
        self, n: int, batch: int, seed: int, epoch: int, device: torch.device | None = None
    ) -> None:
        self.n, self.batch, self.seed, self.epoch = n, min(batch, n), seed, epoch
        self.device = device

    def __len__(self) -> int:
        return self.n // self.batch

    def __iter__(self) -> Iterator[Tensor]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        rows = torch.from_numpy(order).to(self.device)
        for step in range(len(self)):
            yield rows[step * self.batch : (step + 1) * self.batch]


class Training(lightning.LightningModule):
    """What all training steps share: data on the device, batches, history, optimiser.

    Parameters
    ----------
    pool : Tensor, shape (n, ...)
        The training data, from which batches are selected by index.
    encoder : torch module
    augment : callable
    settings : Settings
        Resolved for the rows of `pool`.
    seed : int
        Seed of batches, augmentations and noise.
    watched : tuple of str
        Names of what a step measures, the loss first.
    """

    history: Tensor

    def __init__(
        self,
        pool: Tensor,
        encoder: nn.Module,
        augment: Augmentation,
        settings: Settings,
        seed: int,
        watched: tuple[str, ...],
    ) -> None:
        super().__init__()
        assert settings.epochs is not None, "settings are resolved"
        assert settings.batch is not None, "settings are resolved"
        self.pool = pool  # not a buffer: checkpoints leave it out
        self.encoder, self.augment = encoder, augment
        self.settings, self.seed = settings, seed
        self.watched, self.epochs, self.batch = watched, settings.epochs, settings.batch
        # A buffer, so that other processes and checkpoints return it.
        self.register_buffer("history", torch.full((self.epochs, len(watched)), math.nan))
        self.sums = torch.zeros(len(watched), dtype=torch.float64)

    @property
    def best(self) -> tuple[str, str]:
        """Name of what says when training is over, and whether its "max" or "min" is best."""
        return "loss", "min"

    def on_fit_start(self) -> None:
        """Move the data and the sums to the device once; set what is global in this process."""
        if self.settings.scores == "tf32":
            torch.set_float32_matmul_precision("high")
        if self.settings.deterministic:
            torch.use_deterministic_algorithms(True)
        self.pool = self.pool.to(self.device)
        # New, because processes that were spawned share the memory of tensors they were given.
        self.sums = torch.zeros(len(self.watched), dtype=torch.float64, device=self.device)

    def train_dataloader(self) -> Batches:
        """Return the batches of the present epoch."""
        return Batches(len(self.pool), self.batch, self.seed, self.current_epoch, self.pool.device)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Leave row numbers where the data are."""
        return batch

    def share(self, index: Tensor) -> tuple[Tensor, Draws]:
        """Return the rows of this process, and the random numbers of the step for them."""
        whole = len(index) - len(index) % processes()
        part = whole // processes()
        own = slice(process() * part, (process() + 1) * part)
        return index[:whole][own], Draws(self.seed, self.global_step, whole, own, self.device)

    def measure(self, *values: Tensor) -> None:
        """Add what a step measures to the sums of the epoch, without waiting for the device."""
        self.sums += torch.stack([value.detach() for value in values]).double()

    def on_train_epoch_end(self) -> None:
        """Store the means over the epoch; stop if the loss is not finite."""
        steps = len(Batches(len(self.pool), self.batch, self.seed, 0))
        means = (self.sums / steps).to(self.history)
        self.sums = torch.zeros_like(self.sums)
        self.history[self.current_epoch] = means
        if not torch.isfinite(means[0]):
            raise TrainingError(
                f"the loss is not finite in epoch {self.current_epoch}; lower learning_rate"
                f"{self.other_cures}."
            )
        self.log_dict(dict(zip(self.watched, means, strict=True)))

    other_cures = ""

    def groups(self) -> list[dict[str, Any]]:
        """Return groups of parameters with their learning rates."""
        peak, decay = self.settings.learning_rate, self.settings.weight_decay
        return [{"params": list(self.encoder.parameters()), "lr": peak, "weight_decay": decay}]

    def configure_optimizers(self) -> Any:
        """Return the optimiser, with its learning rates and schedule."""
        optimiser = build_optimiser(self.settings.optimiser, self.groups())
        if self.settings.schedule == "constant":
            return optimiser
        steps = len(self.train_dataloader()) * self.epochs
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cosine(step, steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def curves(self) -> dict[str, list[float]]:
        """Return what was measured, by name and epoch, up to an early stop."""
        finished = torch.isfinite(self.history[:, 0])
        found = {name: self.history[finished, i].tolist() for i, name in enumerate(self.watched)}
        return {name: values for name, values in found.items() if np.isfinite(values).any()}


class InfoMax(Training):
    """Noise-injected Deep InfoMax.

    Training maximises a lower bound of I(f(X'); f(X) + Z) over encoder and critic (arXiv
    2410.06993, sections 3 and 4).

    Parameters
    ----------
    pool : Tensor, shape (n, ...)
        The training data, from which batches are selected by index.
    encoder, critic, objective, noise, augment, penalty
        Parts of the model. Without an objective (None), `penalty` alone is trained on.
    settings : Settings
        Resolved for the rows of `pool`.
    seed : int
        Seed of batches, augmentations and noise.
    """

    encoder: Encoder

    def __init__(
        self,
        pool: Tensor,
        encoder: Encoder,
        critic: Critic | None,
        objective: Objective | None,
        noise: Noise,
        augment: Augmentation,
        penalty: Penalty | None,
        settings: Settings,
        seed: int,
    ) -> None:
        watched = list(HISTORY)
        if objective is not None and not objective.nats:
            watched[1] = SCORE
        super().__init__(pool, encoder, augment, settings, seed, tuple(watched))
        self.critic, self.objective = critic, objective
        self.noise, self.penalty = noise, penalty
        self.other_cures = f", raise {noise.name}, or take objective='infonce'"

    @property
    def best(self) -> tuple[str, str]:
        """The objective's value if there is an objective, else the loss."""
        return ("loss", "min") if self.objective is None else (self.watched[1], "max")

    def views(self, rows: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return X and X' of some rows."""
        clean = as_float(self.pool[rows])
        return clean, self.augment(clean, draws)

    def training_step(self, index: Tensor, batch: int) -> Tensor:
        """Return the loss of one batch."""
        rows, draws = self.share(index)
        clean, other = self.views(rows, draws)
        f, g = self.encoder.pair(clean, other)
        with torch.autocast(self.device.type, enabled=False):
            loss, bound = self.losses(f, g, draws, draws.rows.start)
        error = (f.detach() - g.detach()).square().sum(1).mean()
        self.measure(mean_over_processes(loss), bound, mean_over_processes(error))
        return loss

    def losses(self, f: Tensor, g: Tensor, draws: Draws, offset: int) -> tuple[Tensor, Tensor]:
        """Return the loss, and the bound of information in nats (NaN without an objective).

        Parameters
        ----------
        f, g : Tensor, shape (rows of this process, dim)
            f(X) and f(X').
        draws : Draws
            Random numbers of the step.
        offset : int
            Number of the first of these rows in the whole batch.
        """
        loss, bound = f.new_zeros(()), f.new_full((), math.nan)
        if self.objective is not None and self.critic is not None:
            y = f + self.noise.draw(f.shape[1], draws)
            short = self.settings.scores == "bf16"
            with torch.autocast(self.device.type, torch.bfloat16, enabled=short):
                scores = self.critic(gather_rows(g), y)
                loss, bound = self.objective(scores.float(), offset)
        if self.penalty is not None:
            all_rows = gather_rows(f)
            loss = loss + self.penalty(all_rows, gather_rows(g), self.seed, self.global_step)
        return loss, bound

    def groups(self) -> list[dict[str, Any]]:
        """Return the encoder's parameters and the critic's, which may have another rate."""
        groups = super().groups()
        if self.critic is not None and (weights := list(self.critic.parameters())):
            rate = self.settings.learning_rate * self.critic.rate
            groups.append({"params": weights, "lr": rate, "weight_decay": 0.0})
        return groups


def cosine(step: int, steps: int) -> float:
    """Learning rate at a step over the peak: a linear rise, then half a cosine to zero."""
    rise = max(1.0, WARM_UP * steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - rise) / max(1.0, steps - rise))))
