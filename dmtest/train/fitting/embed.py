"""Embeddings f(X) of data, and f(X') of one augmentation of every row, on the data's device."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmtest.train.fitting.module import as_float
from dmtest.train.model.augment import Augmentation
from dmtest.train.model.draws import Draws

# Maps (n, ...) pixels to (n, dim): an encoder in evaluation mode, or a part of it.
Encode: TypeAlias = Callable[[Tensor], Tensor]
# Rows of a block, and on a GPU the share of its free memory that a block may take, if a row takes
# so many times the bytes of its pixels.
ROWS, SHARE, BYTES = 2048, 0.25, 512


def block_rows(images: Tensor) -> int:
    """Return how many rows are encoded at once: 2,048, and more where a GPU has room."""
    if images.device.type != "cuda":
        return ROWS
    free, _ = torch.cuda.mem_get_info(images.device)
    each = 4 * max(1, images[0].numel()) * BYTES
    return max(ROWS, int(SHARE * free) // each)


def pair_batches(
    images: Tensor, augment: Augmentation, seed: int, rows: int = ROWS
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield X and X' batch by batch; a last batch of a single row is left out."""
    for step, start in enumerate(range(0, len(images), rows)):
        clean = as_float(images[start : start + rows])
        if len(clean) < 2:
            return
        draws = Draws(seed, step, len(clean), slice(0, len(clean)), clean.device)
        yield clean, augment(clean, draws)


@torch.no_grad()
def embeddings(encode: Encode, images: Tensor) -> Tensor:
    """Return f(X) block by block, where the images are: shape (n, dim)."""
    return torch.cat([encode(as_float(part)) for part in torch.split(images, block_rows(images))])


@torch.no_grad()
def augmented_embeddings(
    encode: Encode, images: Tensor, augment: Augmentation, seed: int
) -> Tensor:
    """Return f(X') with one augmentation a row: shape (n, dim).

    Blocks are of one size on every device, because the draws of a block depend on its rows.
    """
    parts = []
    for step, part in enumerate(torch.split(images, ROWS)):
        clean = as_float(part)
        draws = Draws(seed, step, len(clean), slice(0, len(clean)), clean.device)
        parts.append(encode(augment(clean, draws)))
    return torch.cat(parts)


def fetch(rows: Tensor) -> NDArray[np.float32]:
    """Copy results to the host: the one place where evaluation does it."""
    return np.asarray(rows.cpu().numpy(), dtype=np.float32)
