"""Training data from arrays, in memory or in files: features, or images with channels last."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.data import load
from dmtest.errors import InputError
from dmtest.train.data.images import Part, Split, class_codes, split_rows

Halves: TypeAlias = dict[str, tuple[str, str]]

# Names of arrays in archives with a split of their own: Keras' mnist.npz and MedMNIST.
OWN_SPLIT: tuple[Halves, ...] = (
    {"train": ("x_train", "y_train"), "test": ("x_test", "y_test")},
    {"train": ("train_images", "train_labels"), "test": ("test_images", "test_labels")},
)
MOST_CHANNELS = 4


def read_array(source: Any, labels: ArrayLike | None, split: Split, name: str = "source") -> Part:
    """Return one split of an array of (n, d) features, or of (n, h, w) or (n, h, w, c) images.

    Images are integers from 0 to 255, floats from 0 to 1, or booleans.

    Parameters
    ----------
    source : array_like
    labels : array_like, shape (n,), optional
    split : {"train", "test", "all"}
    name : str
        Name of the source in error messages.

    Returns
    -------
    Part
    """
    return split_rows(_part(source, labels, name), split, name=name)


def read_file(path: Path, labels: ArrayLike | None, split: Split) -> Part:
    """Read an array from a file; in an npz file ``images`` and ``labels``, or else its first array.

    Archives with ``x_train``, ``y_train``, ``x_test`` and ``y_test``, or with ``train_images``
    and so on, have a split of their own.
    """
    names = _array_names(path)
    for halves in OWN_SPLIT:
        if halves["train"][0] in names and halves["test"][0] in names:
            if labels is not None:
                raise InputError(f"labels: {path} has its own split; leave them out.")
            return _own_split(path, names, halves, split)
    if not names:
        return read_array(load.read(path).array, labels, split, str(path))
    key = "images" if "images" in names else names[0]
    if labels is None and "labels" in names and key != "labels":
        labels = load.read(path, "labels").array
    return read_array(load.read(path, key).array, labels, split, f"{path}[{key!r}]")


def _array_names(path: Path) -> list[str]:
    """Return the names of the arrays in an npz file; none for any other or unreadable file."""
    if path.suffix.lower() != ".npz" or not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        return [member.removesuffix(".npy") for member in archive.namelist()]


def _own_split(path: Path, names: list[str], halves: Halves, split: Split) -> Part:
    train, test = (load.read(path, halves[half][0]).array for half in ("train", "test"))
    if train.shape[1:] != test.shape[1:] or train.dtype != test.dtype:
        kinds = f"{train.shape} {train.dtype} and {test.shape} {test.dtype}"
        raise InputError(f"{path}: training and test images do not fit together ({kinds}).")
    missing = [label for _, label in halves.values() if label not in names]
    if len(missing) == 1:
        raise InputError(f"{path}: has no {missing[0]!r}; add it or take the other labels out.")
    labels = None
    if not missing:
        labels = [load.read(path, halves[half][1]).array for half in ("train", "test")]
        for half, rows, codes in zip(("train", "test"), (train, test), labels, strict=True):
            _check_lengths(len(codes), len(rows), f"{path}[{halves[half][1]!r}]")
    # Both halves together, so that their labels have one coding.
    joined = None if labels is None else np.concatenate(labels)
    part = _part(np.concatenate([train, test]), joined, str(path))
    rows = np.arange(len(part.images))
    cut = len(train)
    return part.take({"train": rows[:cut], "test": rows[cut:], "all": rows}[split])


def _part(source: Any, labels: ArrayLike | None, name: str) -> Part:
    values = np.asarray(source)
    if values.dtype.kind not in "iufb":
        raise InputError(f"{name}: got {type(source).__name__} of {values.dtype}; give numbers.")
    if values.ndim not in (2, 3, 4) or 0 in values.shape:
        raise InputError(
            f"{name}: got shape {values.shape}; give (n, d) features, or (n, h, w) or (n, h, w, c) "
            f"images."
        )
    images = _features(values, name) if values.ndim == 2 else _pixels(values, name)
    if labels is None:
        return Part(images, None, ())
    codes, classes = class_codes(np.asarray(labels), "labels")
    _check_lengths(len(codes), len(images), "labels")
    return Part(images, codes, classes)


def _check_lengths(labels: int, rows: int, name: str) -> None:
    if labels != rows:
        raise InputError(f"{name}: got {labels} labels for {rows} rows; give one for each.")


def _features(values: NDArray[Any], name: str) -> NDArray[np.float32]:
    """Return features as float32; refuse values that are not finite in that type."""
    with np.errstate(over="ignore"):
        features = values.astype(np.float32)
    if bad := int(np.count_nonzero(~np.isfinite(features).all(axis=1))):
        raise InputError(
            f"{name}: {bad} of {len(values)} rows have values that are not finite in float32; take "
            f"them out or rescale."
        )
    return features


def _pixels(values: NDArray[Any], name: str) -> NDArray[Any]:
    """Return images (n, c, h, w), uint8 or float32."""
    values = values[..., None] if values.ndim == 3 else values
    if values.shape[3] > MOST_CHANNELS:
        raise InputError(
            f"{name}: got shape {values.shape}, images with {values.shape[3]} channels; channels "
            f"come last, (n, h, w, c), and there are at most {MOST_CHANNELS}."
        )
    whole = values.dtype.kind in "iu"
    low, high = values.min(), values.max()
    if not 0 <= low <= high <= (255 if whole else 1):  # false for NaN as well
        raise InputError(
            f"{name}: pixels of type {values.dtype} run from {low} to {high}; give whole numbers "
            f"from 0 to 255 or floats from 0 to 1."
        )
    planes = values.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(planes, dtype=np.uint8 if whole else np.float32)
