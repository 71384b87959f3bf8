"""Other ways to match a distribution, as terms of the loss: what the trainer is compared with."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmtest.errors import InputError
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.matching import AdversarialPrior, random_directions, sigreg, vicreg

__all__ = ["PENALTIES", "Penalty", "build_penalty"]

DIRECTIONS = 64
# Values of the cube are kept from 0 and 1: 4.75 on normal scale, within the statistic's range.
EDGE = 1e-6


class Penalty(nn.Module):
    """A term of the loss; f(X), f(X') of all processes, seed and step to a number.

    Parameters
    ----------
    settings : Settings
    target : {"normal", "uniform"}
    seed : int
    """

    def __init__(self, settings: Settings, target: str, seed: int) -> None:
        super().__init__()
        self.weight, self.alone = settings.matching_weight, settings.objective == "none"

    def matching(self, f: Tensor, step: int, seed: int) -> Tensor:
        """Return how far the rows are from the target."""
        raise TypeError("a Penalty is one of PENALTIES")

    def forward(self, f: Tensor, g: Tensor, seed: int, step: int) -> Tensor:
        """Return the term; without an objective, with the invariance that it would bring."""
        term = self.weight * self.matching(f, step, seed)
        return term + functional.mse_loss(f, g) if self.alone else term


class SigReg(Penalty):
    """LeJEPA's regulariser over n: sliced Epps-Pulley on new directions in every step.

    The uniform target is matched on normal scale (probability integral transform). The coordinates
    may be directions too, which LeJEPA's are not: their mean is added with a weight of its own.
    """

    def __init__(self, settings: Settings, target: str, seed: int) -> None:
        super().__init__(settings, target, seed)
        self.uniform, self.axes = target == "uniform", settings.matching_axes

    def matching(self, f: Tensor, step: int, seed: int) -> Tensor:
        """Return the statistic of f over its rows."""
        z = torch.special.ndtri(f.clamp(EDGE, 1.0 - EDGE)) if self.uniform else f
        directions = random_directions(f.shape[1], DIRECTIONS, seed, step, f.device)
        value = sigreg(z, directions)
        if self.axes:
            value = value + self.axes * sigreg(z, torch.eye(f.shape[1], device=f.device))
        return value / len(f)


class Covariance(Penalty):
    """VICReg's variance and covariance terms: second moments and nothing beyond."""

    def forward(self, f: Tensor, g: Tensor, seed: int, step: int) -> Tensor:
        """Return the loss of VICReg, over its weight of invariance."""
        invariance = 25.0 if self.alone else 0.0
        return self.weight * vicreg(f, g, invariance) / 25.0


class Adversarial(Penalty):
    """The discriminator of adversarial autoencoders; it is trained one step before each use."""

    def __init__(self, settings: Settings, target: str, seed: int) -> None:
        super().__init__(settings, target, seed)
        if settings.devices > 1:
            raise InputError("matching: 'adversarial' trains on one device; set devices=1.")
        prior = "uniform" if target == "uniform" else "normal"
        self.prior = AdversarialPrior(settings.dim, prior, seed=seed)  # type: ignore[arg-type]

    def matching(self, f: Tensor, step: int, seed: int) -> Tensor:
        """Return the encoder's loss."""
        self.prior.step(f, step)
        return self.prior.loss(f)


PENALTIES: dict[str, tuple[tuple[str, ...], Callable[[Settings, str, int], Penalty]]] = {
    "sigreg": (("normal", "uniform"), SigReg),
    "covariance": (("normal",), Covariance),
    "adversarial": (("normal", "uniform"), Adversarial),
}


def build_penalty(settings: Settings, target: str, seed: int) -> Penalty | None:
    """Return the penalty of the settings, or None.

    Raises
    ------
    InputError
        If it is for the other target.
    """
    if settings.matching is None:
        return None
    targets, make = PENALTIES[settings.matching]
    if target not in targets:
        raise InputError(
            f"matching: {settings.matching!r} is for target {targets[0]!r}; got {target!r}."
        )
    with torch.random.fork_rng(devices=[]):
        return make(settings, target, seed)
