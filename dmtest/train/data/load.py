"""Data for the trainer: arrays, MNIST and Fashion-MNIST, CIFAR, folders of images, the digits.

Nothing is downloaded: sources are on disk, in memory, or come with scikit-learn.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.train.data.arrays import read_array, read_file
from dmtest.train.data.cifar import cifar_version, read_cifar
from dmtest.train.data.folders import read_folder
from dmtest.train.data.idx import holds_idx, read_idx
from dmtest.train.data.images import SPLITS, Images, Part, Split, choose, resized

__all__ = ["Images", "load_images"]

# Folders that well-known archives and tools put the files into.
INNER = ("raw", "MNIST/raw", "FashionMNIST/raw", "cifar-10-batches-bin", "cifar-100-binary")
DIGITS_TEST = 500


def load_images(
    source: str | os.PathLike[str] | ArrayLike = "digits",
    *,
    split: Split = "train",
    size: int | tuple[int, int] | None = None,
    labels: ArrayLike | None = None,
) -> Images:
    """Load a data set to train or test on.

    Parameters
    ----------
    source : str, path or array_like
        - ``"digits"``: 1,797 images of 8 x 8 that come with scikit-learn;
        - an array: (n, d) features, (n, h, w) or (n, h, w, c) images, either whole numbers from
          0 to 255 or floats from 0 to 1;
        - a file with one, of any kind :func:`dmtest.load` reads; of an ``.npz`` file ``images``
          and ``labels``, or its first array;
        - a folder with idx files (MNIST, Fashion-MNIST, EMNIST), plain or gzipped;
        - a folder with the binary version of CIFAR-10 or CIFAR-100 (its fine labels);
        - a folder of png and jpeg images, with a subfolder for each class.
    split : {"train", "test", "all"}
        idx files, CIFAR, folders ``train`` and ``test`` and archives with ``x_train`` and
        ``x_test`` have their own. Of other sources a fifth is the test (of the digits 500), every
        class by its share, the same rows every time.
    size : int or (height, width), optional
        Resize images to this, bilinearly; proportions are not kept.
    labels : array_like, shape (n,), optional
        Whole numbers or names, for arrays and files without labels of their own.

    Returns
    -------
    Images

    Raises
    ------
    InputError
        If the source is missing, malformed or of another kind.

    Examples
    --------
    >>> digits = load_images("digits", split="test")
    >>> digits.images.shape, digits.labels.shape, digits.classes[:3]
    ((500, 1, 8, 8), (500,), ('0', '1', '2'))
    """
    if split not in SPLITS:
        raise InputError(f"split: got {split!r}; choose one of {', '.join(SPLITS)}.")
    shape = _shape(size)
    part, name = _read(source, split, shape, labels)
    if shape is not None:
        if part.images.ndim == 2:
            raise InputError(f"size: {name} has features, not images; leave size out.")
        part = part._replace(images=resized(part.images, shape))
    return Images(part.images, part.labels, part.classes, name)


def _shape(size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if size is None:
        return None
    sides = size if isinstance(size, tuple | list) else (size, size)
    if len(sides) != 2:
        raise InputError(f"size: got {size!r}; give one number or (height, width).")
    return whole("size", sides[0], 1), whole("size", sides[1], 1)


def _read(
    source: Any, split: Split, size: tuple[int, int] | None, labels: ArrayLike | None
) -> tuple[Part, str]:
    """Find the reader of a source; give its rows and its name."""
    if not isinstance(source, str | os.PathLike):
        return read_array(source, labels, split), "array"
    if isinstance(source, str) and source == "digits":
        _no_labels(labels, source)
        return choose(_digits(), split, DIGITS_TEST), "digits"
    path = Path(os.path.expanduser(source))
    if not os.path.exists(path):
        raise InputError(
            f"source: there is no file or folder {str(path)[:300]!r}; check the path, or take "
            f"'digits'."
        )
    name = path.resolve().name
    if path.is_dir():
        _no_labels(labels, str(path))
        return _from_folder(path, split, size), name
    if path.name.lower().removesuffix(".gz").endswith("ubyte"):
        raise InputError(f"source: {path} is one idx file; pass the folder that it is in.")
    return read_file(path, labels, split), path.stem


def _no_labels(labels: ArrayLike | None, source: str) -> None:
    if labels is not None:
        raise InputError(f"labels: {source} has its own labels; leave them out.")


def _from_folder(folder: Path, split: Split, size: tuple[int, int] | None) -> Part:
    try:
        for place in (folder, *(folder / inner for inner in INNER)):
            if not place.is_dir():
                continue
            if holds_idx(place):
                return read_idx(place, split)
            if version := cifar_version(place):
                return read_cifar(place, version, split)
        if (folder / "data_batch_1").exists() or (folder / "cifar-10-batches-py").exists():
            raise InputError(
                f"{folder}: is CIFAR's python version, pickles that could run any code and are "
                f"not read; take the binary version."
            )
        return read_folder(folder, split, size)
    except PermissionError as problem:
        raise InputError(f"{folder}: may not be read by this user; change its mode.") from problem


def _digits() -> Part:
    """scikit-learn's digits: grey levels from 0 to 16, here from 0 to 1."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels: NDArray[np.float32] = (images / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    return Part(pixels, labels.astype(np.int64), tuple(map(str, range(10))))
