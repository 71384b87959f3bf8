"""Sums, means and maxima over the processes that train together."""

from __future__ import annotations

import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn import functional as differentiable


def processes() -> int:
    """Return the number of processes that train together, 1 without a process group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def process() -> int:
    """Return the rank of this process."""
    return dist.get_rank() if dist.is_available() and dist.is_initialized() else 0


def sum_over_processes(x: Tensor) -> Tensor:
    """Return the sum over processes, with its gradient."""
    if processes() == 1:
        return x
    total: Tensor = differentiable.all_reduce(x.contiguous())  # type: ignore[no-untyped-call]
    return total


def mean_over_processes(x: Tensor) -> Tensor:
    """Return the mean over processes of a number that needs no gradient."""
    if processes() == 1:
        return x.detach()
    total = x.detach().clone()
    dist.all_reduce(total)
    return total / processes()


def max_over_processes(x: Tensor) -> Tensor:
    """Return the largest of the processes' numbers, without a gradient."""
    if processes() == 1:
        return x.detach()
    most = x.detach().clone()
    dist.all_reduce(most, dist.ReduceOp.MAX)
    return most
