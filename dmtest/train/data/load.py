"""Training data by name, path or array: the digits, idx files, CIFAR, folders of images.

Nothing is downloaded: sources are on disk, in memory, or part of scikit-learn.
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
from dmtest.train.data.images import SPLITS, Images, Part, Split, resize, split_rows

# Folders into which well-known archives and tools put the files.
INNER = ("raw", "MNIST/raw", "FashionMNIST/raw", "cifar-10-batches-bin", "cifar-100-binary")
DIGITS_TEST_ROWS = 500


def load_images(
    source: str | os.PathLike[str] | ArrayLike = "digits",
    *,
    split: Split = "train",
    size: int | tuple[int, int] | None = None,
    labels: ArrayLike | None = None,
) -> Images:
    """Load a training or test set.

    Parameters
    ----------
    source : str, path or array_like
        - ``"digits"``: the 1,797 images of 8 x 8 pixels in scikit-learn;
        - an array: (n, d) features, (n, h, w) or (n, h, w, c) images, either whole numbers from
          0 to 255 or floats from 0 to 1;
        - a file with one, of any kind that :func:`dmtest.load` reads; in an ``.npz`` file
          ``images`` and ``labels``, or else its first array;
        - a folder with idx files (MNIST, Fashion-MNIST, EMNIST), plain or gzipped;
        - a folder with the binary version of CIFAR-10 or CIFAR-100 (fine labels);
        - a folder of png and jpeg images, with a subfolder for each class.
    split : {"train", "test", "all"}
        idx files, CIFAR, folders ``train`` and ``test``, and archives with ``x_train`` and
        ``x_test`` have a split of their own. In other sources a fifth of the rows is the test
        (500 of the digits), in proportion to the classes and always the same rows.
    size : int or (height, width), optional
        Size in pixels to which images are resized bilinearly; proportions are not kept.
    labels : array_like, shape (n,), optional
        Whole numbers or names, for arrays and files without labels of their own.

    Returns
    -------
    Images
        Images (n, c, h, w) or features (n, d), with labels and class names.

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
        part = part._replace(images=resize(part.images, shape))
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
    """Return the rows and the name of a source, from the reader that it needs."""
    if not isinstance(source, str | os.PathLike):
        return read_array(source, labels, split), "array"
    if isinstance(source, str) and source == "digits":
        _no_labels(labels, source)
        return split_rows(_digits(), split, DIGITS_TEST_ROWS), "digits"
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
        raise InputError(f"source: {path} is one idx file; pass the folder that holds it.")
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
                f"never read; use the binary version."
            )
        return read_folder(folder, split, size)
    except PermissionError as problem:
        raise InputError(f"{folder}: may not be read by this user; change its mode.") from problem


def _digits() -> Part:
    """Return scikit-learn's digits, with grey levels from 0 to 1 instead of 0 to 16."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels: NDArray[np.float32] = (images / 16.0).astype(np.float32).reshape(-1, 1, 8, 8)
    return Part(pixels, labels.astype(np.int64), tuple(map(str, range(10))))
