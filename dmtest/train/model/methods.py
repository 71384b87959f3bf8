"""Self-supervised methods as objectives: a loss of the outlets of two views.

Noise is added to the outlet of the second view before the method sees it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from dmtest.errors import InputError
from dmtest.train.losses.matching import simclr, vicreg
from dmtest.train.losses.views import barlow_twins, prediction
from dmtest.train.model.projection import Projector, perceptron

TEMPERATURE = 0.2
# Most units of a predictor's hidden layer; share of BYOL's target that stays, at the start.
HIDDEN, SLOW = 512, 0.99

Loss = Callable[[Tensor, Tensor], Tensor]


class Method(nn.Module):
    """A loss of z1 and z2, the outlets of two views of all processes: SimCLR, VICReg, Barlow Twins.

    Parameters
    ----------
    loss : callable
    """

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, z1: Tensor, z2: Tensor, t1: Tensor, t2: Tensor) -> Tensor:
        """Return the loss; `t1` and `t2` are the targets of methods that have some."""
        return self.loss(z1, z2)

    def targets(self, z1: Tensor, z2: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is predicted of two views: their own outlets."""
        return z1, z2

    def after_step(self, encoder: Projector, share: float) -> None:
        """Change what a method keeps besides the encoder; `share` of the run is over."""


class SimSiam(Method):
    """A predictor on each view predicts the outlet of the other, which gets no gradient."""

    def __init__(self, dim: int) -> None:
        super().__init__(prediction)
        self.predictor = perceptron([dim, min(HIDDEN, max(dim // 4, 16)), dim], norm=True)

    def forward(self, z1: Tensor, z2: Tensor, t1: Tensor, t2: Tensor) -> Tensor:
        """Return the mean over both directions."""
        p1, p2 = self.predictor(z1), self.predictor(z2)
        return 0.5 * (self.loss(p1, t2) + self.loss(p2, t1))


class BYOL(SimSiam):
    """SimSiam whose targets are by a slow copy of the encoder, a moving average of its weights."""

    def __init__(self, encoder: Projector) -> None:
        super().__init__(encoder.dim)
        self.slow = copy.deepcopy(encoder).requires_grad_(False)

    @torch.no_grad()
    def targets(self, z1: Tensor, z2: Tensor, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor]:
        """Return the slow encoder's outlets of both views."""
        return self.slow.pair(one, other)

    @torch.no_grad()
    def after_step(self, encoder: Projector, share: float) -> None:
        """Move the slow weights; their inertia rises to 1 along half a cosine."""
        move = (1.0 - SLOW) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
        for slow, fast in zip(self.slow.parameters(), encoder.parameters(), strict=True):
            slow.lerp_(fast, move)


METHODS = ("simclr", "vicreg", "barlow-twins", "simsiam", "byol")


def build_method(name: str, encoder: Projector, temperature: float = TEMPERATURE) -> Method:
    """Return the method `name` for an encoder.

    Parameters
    ----------
    name : {"simclr", "vicreg", "barlow-twins", "simsiam", "byol"}
    encoder : Projector
    temperature : float
        For "simclr" only.

    Raises
    ------
    InputError
        If there is no such method.
    """
    if name not in METHODS:
        raise InputError(f"method: got {name!r}; choose one of {', '.join(map(repr, METHODS))}.")
    if name == "simsiam":
        return SimSiam(encoder.dim)
    if name == "byol":
        return BYOL(encoder)
    losses: dict[str, Loss] = {
        "simclr": partial(simclr, temperature=temperature),
        "vicreg": vicreg,
        "barlow-twins": barlow_twins,
    }
    return Method(losses[name])
