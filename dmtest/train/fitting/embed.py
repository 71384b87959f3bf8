"""Embeddings f(X) of data, and f(X') of one augmentation of every row."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dmtest.train.fitting.module import as_float
from dmtest.train.model.augment import Augmentation
from dmtest.train.model.draws import Draws
from dmtest.train.model.encoders import Encoder

ROWS = 2048


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
def embeddings(encoder: Encoder, images: Tensor) -> NDArray[np.float32]:
    """Return f(X): shape (n, dim)."""
    encoder.eval()
    parts = [encoder(as_float(part)) for part in torch.split(images, ROWS)]
    return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)


@torch.no_grad()
def augmented_embeddings(
    encoder: Encoder, images: Tensor, augment: Augmentation, seed: int
) -> NDArray[np.float32]:
    """Return f(X') with one augmentation a row: shape (n, dim)."""
    encoder.eval()
    parts = []
    for step, part in enumerate(torch.split(images, ROWS)):
        clean = as_float(part)
        draws = Draws(seed, step, len(clean), slice(0, len(clean)), clean.device)
        parts.append(encoder(augment(clean, draws)))
    return np.asarray(torch.cat(parts).cpu().numpy(), dtype=np.float32)
