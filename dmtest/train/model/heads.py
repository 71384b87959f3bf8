"""Batch normalisation over views and processes, and heads that fix moments or support."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmtest.errors import InputError
from dmtest.train.losses.distributed import processes, sum_over_processes


class BatchNorm(nn.Module):
    """Batch normalisation of (n, c) or (n, c, h, w), optionally with moments of the first rows.

    In training the moments are those of the first `reference` rows (all by default) of all
    processes jointly. Two views in one pass, the clean one first, are then both normalised by the
    moments of the clean view; separate passes would make f differ between views.

    Parameters
    ----------
    features : int
        Number c of channels or columns.
    affine : bool
        Whether a scale and a shift are learned.
    momentum : float or None
        Weight of a batch in the running moments; None averages all batches since
        :meth:`reset`.
    eps : float
        Constant that is added to the variance.
    """

    running_mean: Tensor
    running_var: Tensor
    batches: Tensor

    def __init__(
        self, features: int, affine: bool = True, momentum: float | None = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.momentum, self.eps = momentum, eps
        self.weight = nn.Parameter(torch.ones(features)) if affine else None
        self.bias = nn.Parameter(torch.zeros(features)) if affine else None
        self.register_buffer("running_mean", torch.zeros(features))
        self.register_buffer("running_var", torch.ones(features))
        self.register_buffer("batches", torch.zeros((), dtype=torch.long))
        self.seen = 0  # batches since a reset, on the host: reading the buffer would wait

    def reset(self) -> None:
        """Reset the running moments to 0 and 1."""
        self.running_mean.zero_()
        self.running_var.fill_(1.0)
        self.batches.zero_()
        self.seen = 0

    def forward(self, x: Tensor, reference: int | None = None) -> Tensor:
        """Normalise `x`, in training by the moments of its first `reference` rows."""
        if not self.training:
            return functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        self.batches += 1
        self.seen += 1
        share = 1.0 / self.seen if self.momentum is None else self.momentum
        if reference is None and processes() == 1:
            return functional.batch_norm(
                x,
                self.running_mean,
                self.running_var,
                self.weight,
                self.bias,
                training=True,
                momentum=share,
                eps=self.eps,
            )
        axes = [axis for axis in range(x.ndim) if axis != 1]
        rows = (x if reference is None else x[:reference]).float()
        count = float(rows.numel() // rows.shape[1]) * processes()
        mean = sum_over_processes(rows.sum(axes)) / count
        shape = [1, -1] + [1] * (x.ndim - 2)
        variance = sum_over_processes((rows - mean.view(shape)).square().sum(axes)) / count
        with torch.no_grad():
            self.running_mean.lerp_(mean.detach(), share)
            unbiased = variance.detach() * (count / max(count - 1.0, 1.0))
            self.running_var.lerp_(unbiased, share)
        out = (x - mean.view(shape)) * torch.rsqrt(variance + self.eps).view(shape)
        if self.weight is not None and self.bias is not None:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out


class NormalHead(nn.Module):
    """Mean 0 and variance 1 in every column: the moments of Theorem 3.4."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = BatchNorm(dim, affine=False)

    def forward(self, h: Tensor, reference: int | None = None) -> Tensor:
        """Map (n, dim) to (n, dim)."""
        out: Tensor = self.norm(h, reference)
        return out


class SigmoidHead(nn.Module):
    """Values in the unit cube, by a sigmoid: the support of Theorem 3.5."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, h: Tensor, reference: int | None = None) -> Tensor:
        """Map (n, dim) to (n, dim)."""
        return torch.sigmoid(h)


class CubeHead(nn.Module):
    """Values in the unit cube, by the normal head and then the normal cdf of every column."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.norm = BatchNorm(dim, affine=False)

    def forward(self, h: Tensor, reference: int | None = None) -> Tensor:
        """Map (n, dim) to (n, dim)."""
        out: Tensor = torch.special.ndtr(self.norm(h, reference))
        return out


class FreeHead(nn.Module):
    """No constraint, for losses that shape the distribution themselves."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, h: Tensor, reference: int | None = None) -> Tensor:
        """Return `h`."""
        return h


HEADS: dict[str, tuple[tuple[str, ...], Callable[[int], nn.Module]]] = {
    "normal": (("normal",), NormalHead),
    "sigmoid": (("uniform",), SigmoidHead),
    "cube": (("uniform",), CubeHead),
    "free": (("normal",), FreeHead),
}


def build_head(name: str | None, target: str, dim: int) -> nn.Module:
    """Return the head `name` ("normal", "sigmoid", "cube", "free"), by default the target's.

    Raises
    ------
    InputError
        If there is no such head, or it does not fit the target.
    """
    name = name or {"normal": "normal", "uniform": "cube"}[target]
    if name not in HEADS:
        raise InputError(f"head: got {name!r}; choose one of {', '.join(map(repr, HEADS))}.")
    targets, make = HEADS[name]
    if target not in targets:
        raise InputError(
            f"head: {name!r} does not go with target {target!r}; choose "
            f"{' or '.join(repr(head) for head, (fits, _) in HEADS.items() if target in fits)}."
        )
    return make(dim)
