"""Other ways to match a distribution, as terms of the loss: what the trainer is compared with."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from dmtest.errors import InputError

__all__ = ["Penalty", "build_penalty"]

# f(X), f(X'), seed and step to a number.
Penalty = Callable[[Tensor, Tensor, int, int], Tensor]


def build_penalty(name: str | None, dim: int, target: str) -> nn.Module | None:
    """Return the penalty `name`; None for none."""
    if name is None:
        return None
    raise InputError(f"matching: {name!r} is not there yet.")
