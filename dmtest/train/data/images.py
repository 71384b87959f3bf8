"""Training sets: images or rows of features, with labels and a split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.runtime.streams import stream

Split: TypeAlias = Literal["train", "test", "all"]
SPLITS = ("train", "test", "all")
# Share of test rows in a source without a split of its own.
TEST_SHARE = 0.2


@dataclass(frozen=True, slots=True, eq=False)
class Images:
    """A training or test set in memory.

    Attributes
    ----------
    images : ndarray, shape (n, c, h, w) or (n, d)
        uint8 from 0 to 255, or float32 from 0 to 1; features are float32, unscaled.
    labels : ndarray of int64, shape (n,), or None
        Positions in `classes`.
    classes : tuple of str
        Names of the classes; empty without labels.
    name : str
        Name of the source.
    """

    images: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]
    name: str

    def __len__(self) -> int:
        return len(self.images)

    @property
    def is_image(self) -> bool:
        """Whether rows are images rather than features."""
        return self.images.ndim == 4

    def tensor(self, device: Any = None) -> Any:
        """Return a new float32 tensor: images from 0 to 1, features unscaled. Needs torch."""
        import torch

        rows = torch.tensor(self.images).to(device)
        return rows.float().div_(255.0) if rows.dtype == torch.uint8 else rows


class Part(NamedTuple):
    """Arrays that a reader returns: checked, but not yet split or resized."""

    images: NDArray[Any]
    labels: NDArray[np.int64] | None
    classes: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Part:
        """Return the rows with these numbers."""
        labels = None if self.labels is None else self.labels[rows]
        return Part(self.images[rows], labels, self.classes)

    def append(self, other: Part) -> Part:
        """Return these rows and then those of a part with the same classes."""
        labels = None
        if self.labels is not None and other.labels is not None:
            labels = np.concatenate([self.labels, other.labels])
        return Part(np.concatenate([self.images, other.images]), labels, self.classes)


def class_codes(values: NDArray[Any], name: str) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Return labels as positions among their sorted distinct values, and those values as names."""
    flat = values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values
    if flat.ndim != 1:
        raise InputError(f"{name}: got labels of shape {values.shape}; give one label a row.")
    if flat.dtype.kind not in "iubU":
        raise InputError(
            f"{name}: got labels of type {flat.dtype}; give whole numbers or names of classes."
        )
    classes, codes = np.unique(flat, return_inverse=True)
    return codes.astype(np.int64), tuple(str(value) for value in classes)


def split_rows(part: Part, split: Split, test_rows: int | None = None, name: str = "data") -> Part:
    """Return one split of a source that has no split of its own: always the same rows.

    The test holds each class in proportion (the largest remainders are rounded up), its rows chosen
    by a random stream with a fixed seed. Rows keep their order.

    Parameters
    ----------
    part : Part
    split : {"train", "test", "all"}
    test_rows : int, optional
        Number of test rows; by default a fifth of all, and at least one.
    name : str
        Name of the source in error messages.

    Returns
    -------
    Part
    """
    if split == "all":
        return part
    n = len(part.images)
    if n < 2:
        raise InputError(f"{name}: one row cannot be split; take split='all'.")
    count = max(1, round(TEST_SHARE * n)) if test_rows is None else test_rows
    groups = np.zeros(n, dtype=np.int64) if part.labels is None else part.labels
    counts = np.bincount(groups)
    shares = counts * (count / n)
    quotas = np.floor(shares).astype(np.int64)
    # Rounded to 9 digits, so that rounding errors do not order equal remainders.
    order = np.argsort(-np.round(shares - quotas, 9), kind="stable")
    quotas[order[: count - quotas.sum()]] += 1
    keys = stream(0, "train/split").random(n)
    is_test = np.zeros(n, dtype=bool)
    for group, quota in enumerate(quotas):
        members = np.flatnonzero(groups == group)
        is_test[members[np.argsort(keys[members])[:quota]]] = True
    return part.take(np.flatnonzero(is_test == (split == "test")))


def resize(images: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Resize (n, c, h, w) with Pillow's bilinear filter, which averages where it shrinks."""
    if images.shape[2:] == size:
        return images
    from PIL import Image

    pixels = np.empty((*images.shape[:2], *size), dtype=images.dtype)
    for row, image in enumerate(images):
        for channel, plane in enumerate(image):
            small = Image.fromarray(np.ascontiguousarray(plane)).resize(
                (size[1], size[0]), Image.Resampling.BILINEAR
            )
            pixels[row, channel] = np.asarray(small)
    return pixels
