"""Training step as a LightningModule: both views in one pass, scores of all pairs of a batch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from dmtest.errors import DmtestError
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
WARM_UP = 0.05


class TrainingError(DmtestError):
    """Training cannot continue: the loss is not finite."""


def as_float(images: Tensor) -> Tensor:
    """Return a batch as floats; uint8 images are scaled to [0, 1]."""
    return images.float().div_(255.0) if images.dtype == torch.uint8 else images


class Batches:
    """Row numbers of every step of one epoch, in an order that depends on seed and epoch only."""

    def __init__(self, n: int, batch: int, seed: int, epoch: int) -> None:
        self.n, self.batch, self.seed, self.epoch = n, min(batch, n), seed, epoch

    def __len__(self) -> int:
        return self.n // self.batch

    def __iter__(self) -> Iterator[Tensor]:
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        for step in range(len(self)):
            yield torch.from_numpy(order[step * self.batch : (step + 1) * self.batch])


class InfoMax(lightning.LightningModule):
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
    seed : int
        Seed of batches, augmentations and noise.
    """

    history: Tensor

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
        super().__init__()
        self.pool = pool  # not a buffer: checkpoints leave it out
        self.encoder, self.critic, self.objective = encoder, critic, objective
        self.noise, self.augment, self.penalty = noise, augment, penalty
        self.settings, self.seed = settings, seed
        # A buffer, so that other processes and checkpoints return it.
        self.register_buffer("history", torch.full((settings.epochs, len(HISTORY)), math.nan))
        self.sums = torch.zeros(len(HISTORY), dtype=torch.float64)

    def on_fit_start(self) -> None:
        """Move the data to the device once."""
        self.pool = self.pool.to(self.device)

    def train_dataloader(self) -> Batches:
        """Return the batches of the present epoch."""
        return Batches(len(self.pool), self.settings.batch, self.seed, self.current_epoch)

    def transfer_batch_to_device(self, batch: Any, device: torch.device, index: int) -> Any:
        """Leave row numbers on the CPU."""
        return batch

    def views(self, rows: Tensor, draws: Draws) -> tuple[Tensor, Tensor]:
        """Return X and X' of some rows."""
        clean = as_float(self.pool[rows.to(self.pool.device)])
        return clean, self.augment(clean, draws)

    def training_step(self, index: Tensor, batch: int) -> Tensor:
        """Return the loss of one batch."""
        whole = len(index) - len(index) % processes()
        share = whole // processes()
        own = slice(process() * share, (process() + 1) * share)
        draws = Draws(self.seed, self.global_step, whole, own, self.device)
        clean, other = self.views(index[:whole][own], draws)
        f, g = self.encoder.pair(clean, other)
        with torch.autocast(self.device.type, enabled=False):
            loss, bound = self.losses(f, g, draws, own.start)
        if batch % 16 == 0 and not torch.isfinite(loss.detach()):
            raise TrainingError(
                f"the loss is {float(loss.detach())} in step {self.global_step} (epoch "
                f"{self.current_epoch}); lower learning_rate, raise {self.noise.name}, or take "
                f"objective='infonce', which cannot overflow."
            )
        error = (f.detach() - g.detach()).square().sum(1).mean()
        values = torch.stack([mean_over_processes(loss), bound, mean_over_processes(error)])
        self.sums = self.sums.to(values.device) + values.double()
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
            loss, bound = self.objective(self.critic(gather_rows(g), y), offset)
        if self.penalty is not None:
            all_rows = gather_rows(f)
            loss = loss + self.penalty(all_rows, gather_rows(g), self.seed, self.global_step)
        return loss, bound

    def on_train_epoch_end(self) -> None:
        """Store the means over the epoch."""
        steps = len(Batches(len(self.pool), self.settings.batch, self.seed, 0))
        means = (self.sums / steps).to(self.history)
        self.sums = torch.zeros_like(self.sums)
        self.history[self.current_epoch] = means
        if not torch.isfinite(means[0]):
            raise TrainingError(
                f"the loss is not finite in epoch {self.current_epoch}; lower learning_rate or "
                f"raise {self.noise.name}."
            )
        self.log_dict(dict(zip(HISTORY, means, strict=True)))

    def configure_optimizers(self) -> Any:
        """Return Adam, with its learning rate and schedule."""
        peak = self.settings.learning_rate
        groups = [{"params": list(self.encoder.parameters()), "lr": peak}]
        if self.critic is not None and (weights := list(self.critic.parameters())):
            groups.append({"params": weights, "lr": peak * self.critic.rate})
        optimiser = torch.optim.Adam(groups, lr=peak)
        if self.settings.schedule == "constant":
            return optimiser
        steps = len(self.train_dataloader()) * self.settings.epochs
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: cosine(step, steps))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def cosine(step: int, steps: int) -> float:
    """Learning rate at a step over the peak: a linear rise, then half a cosine to zero."""
    rise = max(1.0, WARM_UP * steps)
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, (step - rise) / max(1.0, steps - rise))))
