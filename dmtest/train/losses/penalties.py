"""Other losses that match a distribution, as terms of the training loss, for comparisons."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmtest.errors import InputError
from dmtest.train.fitting.settings import Settings
from dmtest.train.losses.matching import AdversarialPrior, random_directions, sigreg, vicreg

DIRECTIONS = 64
# Values of the cube are clipped to [EDGE, 1 - EDGE]: 4.75 on normal scale, within the range of the
# statistic.
EDGE = 1e-6


class Penalty(nn.Module):
    """A term of the loss: a number from f(X) and f(X') of all processes, seed and step.

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
        """Return a distance of the rows from the target."""
        raise TypeError("a Penalty is one of PENALTIES")

    def forward(self, f: Tensor, g: Tensor, seed: int, step: int) -> Tensor:
        """Return the weighted term, plus the invariance error if there is no objective."""
        term = self.weight * self.matching(f, step, seed)
        return term + functional.mse_loss(f, g) if self.alone else term


class SigReg(Penalty):
    """LeJEPA's regulariser divided by n: sliced Epps-Pulley on new directions in every step.

    The uniform target is matched on normal scale (probability integral transform). Unlike in
    LeJEPA, the coordinate axes can be directions too: their mean is added with its own weight.
    Rows are f(X) alone, one view of every item; the weight multiplies the statistic divided by n,
    so LeJEPA's lam with batches of n rows is a weight of about n lam / (1 - lam) here.
    """

    def __init__(self, settings: Settings, target: str, seed: int) -> None:
        super().__init__(settings, target, seed)
        self.uniform, self.axes = target == "uniform", settings.matching_axes

    def matching(self, f: Tensor, step: int, seed: int) -> Tensor:
        """Return the statistic of f divided by the number of rows."""
        z = torch.special.ndtri(f.clamp(EDGE, 1.0 - EDGE)) if self.uniform else f
        directions = random_directions(f.shape[1], DIRECTIONS, seed, step, f.device)
        value = sigreg(z, directions)
        if self.axes:
            value = value + self.axes * sigreg(z, torch.eye(f.shape[1], device=f.device))
        return value / len(f)


class Covariance(Penalty):
    """VICReg's variance and covariance terms: second moments and nothing beyond."""

    def forward(self, f: Tensor, g: Tensor, seed: int, step: int) -> Tensor:
        """Return the loss of VICReg divided by its weight of invariance, 25."""
        invariance = 25.0 if self.alone else 0.0
        return self.weight * vicreg(f, g, invariance) / 25.0


class Adversarial(Penalty):
    """The discriminator of adversarial autoencoders, trained for one step before each use."""

    def __init__(self, settings: Settings, target: str, seed: int) -> None:
        super().__init__(settings, target, seed)
        if settings.devices > 1:
            raise InputError("matching: 'adversarial' trains on one device; set devices=1.")
        prior = "uniform" if target == "uniform" else "normal"
        self.prior = AdversarialPrior(settings.dim, prior, seed=seed)  # type: ignore[arg-type]

    def matching(self, f: Tensor, step: int, seed: int) -> Tensor:
        """Train the discriminator for one step and return the loss of the encoder."""
        self.prior.step(f, step)
        return self.prior.loss(f)


PENALTIES: dict[str, tuple[tuple[str, ...], Callable[[Settings, str, int], Penalty]]] = {
    "sigreg": (("normal", "uniform"), SigReg),
    "covariance": (("normal",), Covariance),
    "adversarial": (("normal", "uniform"), Adversarial),
}


def build_penalty(settings: Settings, target: str, seed: int) -> Penalty | None:
    """Return the penalty that the settings name, or None.

    Raises
    ------
    InputError
        If the penalty is for the other target.
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
