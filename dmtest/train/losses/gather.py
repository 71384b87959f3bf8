"""Rows of all processes, with gradients, for the statistic of a whole batch."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed
from torch import Tensor


def gather_rows(rows: Tensor, group: Any = None) -> Tensor:
    """Return the rows of all processes, in the order of their ranks, with gradients.

    Gradients flow back to the own rows of every process and are summed over the processes. If
    each of W processes computes the same loss from the gathered rows, the average over processes
    in DistributedDataParallel is then exactly the gradient of that loss, without a factor W.

    Parameters
    ----------
    rows : Tensor, shape (n, d)
        The rows of this process; n may differ between processes.
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
    # Collectives need equal shapes: rows of zeros are appended and cut off again.
    padded = torch.nn.functional.pad(rows, (0, 0, 0, max(sizes) - len(rows)))
    groups = () if group is None else (group,)
    parts = all_gather(padded, *groups)  # type: ignore[no-untyped-call]
    return torch.cat([part[:size] for part, size in zip(parts, sizes, strict=True)])
