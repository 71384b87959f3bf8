"""What a training set is: images or rows of features, their labels, and how they are split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.runtime.streams import stream

__all__ = ["SPLITS", "Images", "Part", "Split", "choose", "coded", "resized"]

Split: TypeAlias = Literal["train", "test", "all"]
SPLITS = ("train", "test", "all")
# Share of the rows of a source without a split of its own that are kept for the test.
TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """A data set in memory.

    Attributes
    ----------
    images : ndarray, shape (n, c, h, w) or (n, d)
        uint8 from 0 to 255 or float32 from 0 to 1; features are float32 as they were given.
    labels : ndarray of int64, shape (n,), or None
        Positions in `classes`.
    classes : tuple of str
        Empty without labels.
    name : str
    """

    images: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_image(self) -> bool:
        """Whether rows are images and not plain features."""
        return self.images.ndim == 4

    def tensor(self, device: Any = None) -> Any:
        """Return a new float32 tensor: images from 0 to 1, features as they are. Needs torch."""
        import torch

        held = torch.tensor(self.images).to(device)
        return held.float().div_(255.0) if held.dtype == torch.uint8 else held


class Part(NamedTuple):
    """What a reader returns: arrays that are checked, before any split and resizing."""

    images: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Part:
        """Return some of the rows."""
        labels = None if self.labels is None else self.labels[rows]
        return Part(self.images[rows], labels, self.classes)

    def joined(self, other: Part) -> Part:
        """Return the rows of both, these first; their classes are the same."""
        labels = None
        if self.labels is not None and other.labels is not None:
            labels = np.concatenate([self.labels, other.labels])
        return Part(np.concatenate([self.images, other.images]), labels, self.classes)


def coded(values: NDArray[Any], name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as positions among their sorted distinct values, and these as names."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1:
        raise InputError(f"{name}: got labels of shape {values.shape}; give one label a row.")
    if flat.dtype.kind not in "iubU":
        raise InputError(
            f"{name}: got labels of type {flat.dtype}; give whole numbers or names of classes."
        )
    classes, codes = np.unique(flat, return_inverse=True)
    return codes.astype(np.int64), tuple(str(value) for value in classes)


def choose(part: Part, split: Split, held_out: int | None = None, name: str = "data") -> Part:
    """Split a source that has no split of its own: the same way every time, class by class.

    Every class gives the test its share of rows (the largest remainders are rounded up), chosen
    by a random stream that is always the same; rows keep their order.

    Parameters
    ----------
    part : Part
    split : {"train", "test", "all"}
    held_out : int, optional
        Rows of the test; a fifth by default, and at least one.
    name : str
        For the message.
    """
    if split == "all":
        return part
    n = len(part.images)
    if n < 2:
        raise InputError(f"{name}: one row cannot be split; take split='all'.")
    wanted = max(1, round(TEST_SHARE * n)) if held_out is None else held_out
    groups = np.zeros(n, dtype=np.int64) if part.labels is None else part.labels
    counts = np.bincount(groups)
    shares = counts * (wanted / n)
    quotas = np.floor(shares).astype(np.int64)
    # Rounding to 9 digits: equal remainders must not be told apart by rounding errors.
    order = np.argsort(-np.round(shares - quotas, 9), kind="stable")
    quotas[order[: wanted - quotas.sum()]] += 1
    keys = stream(0, "train/split").random(n)
    held = np.zeros(n, dtype=bool)
    for group, quota in enumerate(quotas):
        members = np.flatnonzero(groups == group)
        held[members[np.argsort(keys[members])[:quota]]] = True
    return part.take(np.flatnonzero(held == (split == "test")))


def resized(images: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize (n, c, h, w) with Pillow's bilinear filter, which averages where it shrinks."""
    if images.shape[2:] == size:
        return images
    from PIL import Image

    made = np.empty((*images.shape[:2], *size), dtype=images.dtype)
    for row, image in enumerate(images):
        for channel, plane in enumerate(image):
            small = Image.fromarray(np.ascontiguousarray(plane)).resize(
                (size[1], size[0]), Image.Resampling.BILINEAR
            )
            made[row, channel] = np.asarray(small)
    return made
