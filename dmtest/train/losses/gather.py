"""Rows of all processes, with gradients: what a statistic of a whole batch is computed from."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor

__all__ = ["gather_rows"]


def gather_rows(rows: Tensor, group: Any = None) -> Tensor:
    """Return the rows of all processes, in the order of their ranks, with gradients.

    Gradients flow back to every process's own rows and are summed over the processes.
    Where each of W processes computes the same loss from the gathered rows,
    DistributedDataParallel's average over processes is then exactly the gradient of that
    loss: no factor W to correct for.

    Parameters
    ----------
    rows : Tensor, shape (n, d)
        n may differ between processes.
    group : optional
        The process group; by default all processes.

    Returns
    -------
    Tensor, shape (n of all processes, d)
        Without an initialised process group, or with one process, `rows` itself.
    """
    dist = torch.distributed
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size(group) == 1:
        return rows
    from torch.distributed.nn.functional import all_gather

    count = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(count) for _ in range(dist.get_world_size(group))]
    dist.all_gather(counts, count, group=group)
    sizes = [int(c) for c in counts]
    # Collectives take equal shapes: rows that are filled up with zeros are cut off again.
    filled = torch.nn.functional.pad(rows, (0, 0, 0, max(sizes) - len(rows)))
    given = () if group is None else (group,)
    parts = all_gather(filled, *given)  # type: ignore[no-untyped-call]
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
