"""Random numbers of a training step, the same for any number of processes."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


class Draws:
    """Random numbers of one step, drawn for the whole batch and cut to the rows of this process.

    They depend only on the seed, the step and the order of the calls. Two processes that share a
    batch therefore get the numbers of a single process, and a resumed run those of an
    uninterrupted one.

    Parameters
    ----------
    seed, step : int
    total : int
        Rows of the whole batch.
    rows : slice
        Rows of this process.
    device : torch.device
    """

    def __init__(self, seed: int, step: int, total: int, rows: slice, device: torch.device) -> None:
        words = np.random.SeedSequence([seed, step]).generate_state(2, np.uint32)
        self.generator = torch.Generator(device=device)
        self.generator.manual_seed(int(words[0]) << 31 | int(words[1]) >> 1)
        self.total, self.rows, self.device = total, rows, device

    def normal(self, *shape: int) -> Tensor:
        """Return N(0, 1) numbers of shape (rows of this process, *shape)."""
        size = (self.total, *shape)
        return torch.randn(size, generator=self.generator, device=self.device)[self.rows]

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return uniform numbers on [low, high) of shape (rows of this process, *shape)."""
        size = (self.total, *shape)
        unit = torch.rand(size, generator=self.generator, device=self.device)[self.rows]
        return low + (high - low) * unit

    @property
    def count(self) -> int:
        """Number of rows of this process."""
        return len(range(*self.rows.indices(self.total)))
