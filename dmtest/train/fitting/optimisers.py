"""Optimisers: Adam, and LARS with clipping (You, Gitman & Ginsburg 2017)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from dmtest.errors import InputError

MOMENTUM, TRUST = 0.9, 0.02
# Added to the denominator of the trust ratio.
SMALL = 1e-8


class LARS(torch.optim.Optimizer):
    """Stochastic gradient descent with a trust ratio for every weight matrix.

    For a weight w with gradient g, learning rate r, trust coefficient c and decay l::

        ratio = c |w| / (|g| + l |w|)        1 if w or g is 0
        ratio = min(ratio / r, 1)            with clipping: no step is above r
        v = m v + ratio (g + l w)
        w = w - r v

    Biases and the weights of normalisation (one axis) take plain steps with momentum and without
    decay. You, Gitman & Ginsburg (2017), arXiv 1708.03888; clipping is that of LARC.

    Parameters
    ----------
    params : iterable
        Parameters, or groups of them.
    lr : float
        Learning rate r.
    momentum, trust, weight_decay : float
        m, c and l.
    clip : bool
        Whether the rate of a weight is at most r.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 0.3,
        momentum: float = MOMENTUM,
        trust: float = TRUST,
        weight_decay: float = 1e-4,
        clip: bool = True,
    ) -> None:
        defaults = {"lr": lr, "momentum": momentum, "trust": trust, "weight_decay": weight_decay}
        super().__init__(params, defaults | {"clip": clip})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Take one step; return the closure's loss, if there is one."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                change = weight.grad if weight.ndim < 2 else _scaled(weight, group)
                state = self.state[weight]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(weight)
                velocity: Tensor = state["velocity"]
                velocity.mul_(group["momentum"]).add_(change)
                weight.sub_(group["lr"] * velocity)
        return loss


def _scaled(weight: Tensor, group: dict[str, Any]) -> Tensor:
    """Return ratio (g + l w); comparisons stay on the device."""
    gradient, decay = weight.grad, group["weight_decay"]
    assert gradient is not None
    size, slope = weight.norm(), gradient.norm()
    ratio = group["trust"] * size / (slope + decay * size + SMALL)
    if group["clip"]:
        # At a rate of 0 (the end of a schedule) no step is taken, whatever the ratio.
        ratio = (ratio / max(group["lr"], 1e-30)).clamp(max=1.0)
    ratio = torch.where((size > 0.0) & (slope > 0.0), ratio, torch.ones_like(ratio))
    change: Tensor = ratio * (gradient + decay * weight)
    return change


OPTIMISERS: dict[str, Callable[[list[dict[str, Any]]], torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "lars": LARS,
}


def build_optimiser(name: str, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    """Return the optimiser "adam" or "lars" of groups that have their own rate and decay."""
    if name not in OPTIMISERS:
        raise InputError(f"optimiser: got {name!r}; choose one of {', '.join(OPTIMISERS)}.")
    return OPTIMISERS[name](groups)
