"""Empirical characteristic functions of slices, and Epps-Pulley's integral over them, in torch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

# End of the integral, where the density of N(0, 1) is below 1e-9 of its peak.
EDGE = 6.6
# Most pairs of values in one block.
PAIRS = 1 << 24


class _Characteristic(torch.autograd.Function):
    """Means of cos and sin, one frequency at a time: memory does not grow with their number."""

    @staticmethod
    def forward(ctx: Any, slices: Tensor, step: float, nodes: int) -> Tensor:
        """Map slices (k, n) to (2, k, nodes)."""
        ctx.save_for_backward(slices)
        ctx.step, ctx.nodes = step, nodes
        parts = [
            torch.stack([cosine.mean(dim=1), sine.mean(dim=1)])
            for _, cosine, sine in _waves(slices, step, nodes)
        ]
        return torch.stack(parts, dim=2)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Return the gradient by the slices, from operations that are differentiable themselves."""
        (slices,) = ctx.saved_tensors
        (gradient,) = gradients
        total = torch.zeros_like(slices)
        for j, (t, cosine, sine) in enumerate(_waves(slices, ctx.step, ctx.nodes)):
            real, imaginary = gradient[0, :, j, None], gradient[1, :, j, None]
            total = total + (imaginary * cosine - real * sine) * t
        return total / slices.shape[1], None, None


def _waves(slices: Tensor, step: float, nodes: int) -> Iterator[tuple[float, Tensor, Tensor]]:
    """Yield t, cos(t y) and sin(t y) for t = step, 2 step, ..., mostly by rotation.

    The angle-addition formulas are cheaper than a cosine and a sine. Every sixteenth angle is
    computed directly, so that rounding errors do not accumulate.
    """
    first = slices * step
    cosine = turn_cosine = first.cos()
    sine = turn_sine = first.sin()
    for j in range(1, nodes + 1):
        if j % 16 == 0:
            angle = slices * (step * j)
            cosine, sine = angle.cos(), angle.sin()
        elif j > 1:
            cosine, sine = (
                cosine * turn_cosine - sine * turn_sine,
                sine * turn_cosine + cosine * turn_sine,
            )
        yield step * j, cosine, sine


def characteristic(slices: Tensor, step: float, nodes: int) -> Tensor:
    """Real and imaginary parts of each slice's characteristic function at step, 2 step, ...

    Parameters
    ----------
    slices : Tensor, shape (k, n)
    step : float
        Distance of two frequencies.
    nodes : int
        Number of frequencies.

    Returns
    -------
    Tensor, shape (2, k, nodes)
    """
    return _Characteristic.apply(slices, step, nodes)  # type: ignore[no-any-return,no-untyped-call]


def grid(low: float, high: float) -> tuple[float, int]:
    """Return step and number of the frequencies that values between `low` and `high` need.

    The trapezoidal rule with step 2 pi / P replaces exp(-D^2/2) by its P-periodic sum. P exceeds
    the largest distance by 6.8 and the largest value by 9.6, so that the periodic images add less
    than 1e-9 of a null value, as in :func:`dmtest.kernels.charfun.epps_pulley_sum`.
    """
    largest = max(abs(low), abs(high))
    period = max(high - low + 6.8, largest + 9.6, 14.8)
    step = 2.0 * math.pi / period
    return step, math.ceil(EDGE / step)


def epps_pulley_value(slices: Tensor) -> Tensor:
    """Epps-Pulley's statistic of slices that follow N(0, 1) under the null: (k, n) to (k,).

    The trapezoidal rule computes it while it needs fewer nodes than there are rows; beyond, for
    slices with a spread of hundreds, the closed form over all pairs does.
    """
    n = slices.shape[1]
    low, high = torch.aminmax(slices.detach())
    step, nodes = grid(float(low), float(high))
    if nodes <= max(n, 64):
        return from_characteristic(characteristic(slices, step, nodes), step, n)
    size = max(1, PAIRS // (n * n))
    parts = [
        checkpoint(_closed_form, part, use_reentrant=False, preserve_rng_state=False)
        for part in torch.split(slices, size)
    ]
    return torch.cat(parts)


def from_characteristic(values: Tensor, step: float, n: int) -> Tensor:
    """N times the integral of |phi_n - exp(-t^2/2)|^2 over N(0, 1), from (2, k, nodes): (k,)."""
    nodes = values.shape[2]
    t = step * torch.arange(1, nodes + 1, dtype=values.dtype, device=values.device)
    normal = torch.exp(-0.5 * t.square())
    squared = (values[0] - normal).square() + values[1].square()
    return (2.0 * n * step / math.sqrt(2.0 * math.pi)) * (squared * normal).sum(dim=1)


def unbiased_distance(values: Tensor, step: float, n: int) -> Tensor:
    """Unbiased estimate of the limit of `from_characteristic` / n for large n: (k,).

    It leaves out the n pairs j = k, which add (1 - E exp(-D^2/2)) / n.
    """
    nodes = values.shape[2]
    t = step * torch.arange(1, nodes + 1, dtype=values.dtype, device=values.device)
    squared = (values.square().sum(dim=0) * torch.exp(-0.5 * t.square())).sum(dim=1)
    mass = step / math.sqrt(2.0 * math.pi) * (1.0 + 2.0 * squared)
    return from_characteristic(values, step, n) / n - (1.0 - mass) / (n - 1.0)


def _closed_form(slices: Tensor) -> Tensor:
    n = slices.shape[1]
    apart = slices[:, :, None] - slices[:, None, :]
    pairs = torch.exp(-0.5 * apart.square()).sum(dim=(1, 2)) / n
    single = torch.exp(-0.25 * slices.square()).sum(dim=1)
    return pairs - math.sqrt(2.0) * single + n / math.sqrt(3.0)
