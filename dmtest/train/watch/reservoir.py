"""A bounded sample of the rows seen, the same whatever processes and batches they came in."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from dmtest.runtime.streams import stream

__all__ = ["empty_reservoir", "merged", "offered", "priorities", "rows_held"]


def empty_reservoir(size: int, d: int) -> Tensor:
    """Room for `size` rows: column 0 is a row's priority, infinite where there is none yet."""
    room = torch.zeros((size, d + 1), dtype=torch.float64)
    room[:, 0] = torch.inf
    return room


def priorities(rows: Tensor, seed: int) -> Tensor:
    """Numbers in [0, 1) that depend on a row's values and the seed alone: shape (n,).

    A multilinear hash of the bits, finished like splitmix64. Of any set of different rows, those
    with the smallest numbers are then a uniform sample without replacement, whatever batches or
    processes they came in: merging keeps the smallest again. Equal rows are kept or left
    together.
    """
    rng = stream(seed, "train/reservoir")
    odd = 2 * rng.integers(1 << 62, size=rows.shape[1]) + 1
    multipliers = torch.from_numpy(odd.astype(np.int64)).to(rows.device)
    # 0.0 and -0.0 are one value.
    bits = (rows.to(torch.float64) + 0.0).view(torch.int64)
    mixed = bits ^ _shifted(bits, 32)
    # Without the last term a row of zeros would come first under every seed.
    total = (mixed * multipliers).sum(dim=1) + int(rng.integers(1 << 62))
    for shift, factor in ((30, -4658895280553007687), (27, -7723592293110705685)):
        total = (total ^ _shifted(total, shift)) * factor
    total = total ^ _shifted(total, 31)
    return _shifted(total, 11).to(torch.float64) / float(1 << 53)


def _shifted(words: Tensor, by: int) -> Tensor:
    """Shift right without the sign, which torch's shift would carry along."""
    return (words >> by) & ((1 << (64 - by)) - 1)


def offered(held: Tensor, rows: Tensor, seed: int) -> Tensor:
    """Return the reservoir after it was offered more rows."""
    values = rows.to(torch.float64)
    ranked = torch.cat([priorities(values, seed)[:, None], values], dim=1)
    return _smallest(torch.cat([held, ranked]), len(held))


def merged(stacked: Tensor) -> Tensor:
    """Merge reservoirs of one size: (processes, size, d + 1) to (size, d + 1)."""
    return _smallest(stacked.flatten(0, 1), stacked.shape[1])


def rows_held(held: Tensor) -> Tensor:
    """Rows in the reservoir, in the order of their priorities: (at most size, d)."""
    return held[torch.isfinite(held[:, 0]), 1:]


def _smallest(ranked: Tensor, size: int) -> Tensor:
    order = torch.argsort(ranked[:, 0], stable=True)[:size]
    return ranked[order]
