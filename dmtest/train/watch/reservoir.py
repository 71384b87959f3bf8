"""A uniform sample of bounded size that does not depend on the order of batches and processes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dmtest.runtime.streams import stream


def empty_reservoir(size: int, d: int) -> Tensor:
    """Return an empty reservoir, (size, d + 1): column 0 is a row's priority, infinite if empty."""
    reservoir = torch.zeros((size, d + 1), dtype=torch.float64)
    reservoir[:, 0] = torch.inf
    return reservoir


def priorities(rows: Tensor, seed: int) -> Tensor:
    """Numbers in [0, 1) that depend only on the values of a row and on the seed: shape (n,).

    A multilinear hash of the bits, finished like splitmix64. The rows with the smallest numbers are
    a uniform sample without replacement of any set of different rows, independently of batches and
    processes; a merge takes the smallest again. Equal rows are in the sample together or not at
    all.
    """
    rng = stream(seed, "train/reservoir")
    odd = 2 * rng.integers(1 << 62, size=rows.shape[1]) + 1
    multipliers = torch.from_numpy(odd.astype(np.int64)).to(rows.device)
    # -0.0 + 0 is 0.0, so both zeros hash alike.
    bits = (rows.to(torch.float64) + 0.0).view(torch.int64)
    mixed = bits ^ _shift_right(bits, 32)
    # The last term keeps a row of zeros from having the smallest number under every seed.
    total = (mixed * multipliers).sum(dim=1) + int(rng.integers(1 << 62))
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        total = (total ^ _shift_right(total, shift)) * factor
    total = total ^ _shift_right(total, 31)
    return _shift_right(total, 11).to(torch.float64) / float(1 << 53)


def _shift_right(words: Tensor, by: int) -> Tensor:
    """Shift right and fill with zeros, where torch's shift would fill with the sign."""
    return (words >> by) & ((1 << (64 - by)) - 1)


def add_rows(reservoir: Tensor, rows: Tensor, seed: int) -> Tensor:
    """Return the reservoir after more rows (n, d)."""
    values = rows.to(torch.float64)
    ranked = torch.cat([priorities(values, seed)[:, None], values], dim=1)
    return _smallest(torch.cat([reservoir, ranked]), len(reservoir))


def merge_reservoirs(stacked: Tensor) -> Tensor:
    """Merge the reservoirs of all processes: (processes, size, d + 1) to (size, d + 1)."""
    return _smallest(stacked.flatten(0, 1), stacked.shape[1])


def reservoir_rows(reservoir: Tensor) -> Tensor:
    """Return the rows of a reservoir in the order of their priorities: (at most size, d)."""
    return reservoir[torch.isfinite(reservoir[:, 0]), 1:]


def _smallest(ranked: Tensor, size: int) -> Tensor:
    order = torch.argsort(ranked[:, 0], stable=True)[:size]
    return ranked[order]
