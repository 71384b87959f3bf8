"""Training data from the binary version of CIFAR-10 and CIFAR-100; pickles are never read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmtest.data.readers.columns import listing
from dmtest.errors import InputError
from dmtest.train.data.images import Part, Split

PIXELS = 3 * 32 * 32
BATCH = re.compile(r"data_batch_([0-9]+)\.bin")


class Version(NamedTuple):
    """Format of one set: label bytes before the pixels (the last counts), classes, file names."""

    labels: int
    classes: int
    names: str
    test: str


TEN = Version(1, 10, "batches.meta.txt", "test_batch.bin")
HUNDRED = Version(2, 100, "fine_label_names.txt", "test.bin")


def cifar_version(folder: Path) -> Version | None:
    """Return which of the two sets a folder holds, or None."""
    names = {path.name for path in folder.iterdir()}
    ten = TEN.test in names or any(BATCH.fullmatch(name) for name in names)
    hundred = bool({"train.bin", HUNDRED.test} & names)
    if ten and hundred:
        raise InputError(f"{folder}: holds both CIFAR-10 and CIFAR-100; put them in two folders.")
    return TEN if ten else HUNDRED if hundred else None


def read_cifar(folder: Path, version: Version, split: Split) -> Part:
    """Read images (n, 3, 32, 32) and their labels; for CIFAR-100 the fine labels."""
    paths = [] if split == "test" else _training(folder, version)
    if split != "train":
        paths.append(folder / version.test)
    parts = [_batch(path, version) for path in paths]
    whole = parts[0]
    if len(parts) > 1:
        labels = [part.labels for part in parts if part.labels is not None]
        images = np.concatenate([part.images for part in parts])
        whole = Part(images, np.concatenate(labels), ())
    return whole._replace(classes=_names(folder, version))


def _training(folder: Path, version: Version) -> list[Path]:
    if version is HUNDRED:
        return [folder / "train.bin"]
    numbers = sorted(
        int(match[1]) for path in folder.iterdir() if (match := BATCH.fullmatch(path.name))
    )
    if not numbers:
        raise InputError(f"{folder}: has no data_batch_1.bin; add it or take split='test'.")
    if numbers != list(range(1, len(numbers) + 1)):
        raise InputError(
            f"{folder}: holds data_batch_*.bin numbered {listing(numbers, 9)}, with a gap; add the "
            f"missing file."
        )
    return [folder / f"data_batch_{number}.bin" for number in numbers]


def _batch(path: Path, version: Version) -> Part:
    if not path.is_file():
        raise InputError(f"{path}: there is no such file; add it or take the other split.")
    record = version.labels + PIXELS
    size = path.stat().st_size
    if size == 0 or size % record:
        raise InputError(
            f"{path}: has {size} bytes, not a multiple of the {record} of one image of "
            f"CIFAR-{version.classes}; it is truncated or another file."
        )
    rows = np.fromfile(path, np.uint8).reshape(-1, record)
    labels = rows[:, version.labels - 1].astype(np.int64)
    if labels.max() >= version.classes:
        bad = labels >= version.classes
        raise InputError(
            f"{path}: {int(bad.sum())} labels are outside 0 to {version.classes - 1} (the first "
            f"is {labels[bad][0]}, of row {int(np.argmax(bad))}); the file is corrupt."
        )
    images = np.ascontiguousarray(rows[:, version.labels :]).reshape(-1, 3, 32, 32)
    return Part(images, labels, ())


def _names(folder: Path, version: Version) -> tuple[str, ...]:
    """Return the class names from the text file beside the data; numbers without that file."""
    path = folder / version.names
    if not path.is_file():
        return tuple(map(str, range(version.classes)))
    try:
        names = path.read_text(encoding="utf-8").split()
    except UnicodeDecodeError as problem:
        raise InputError(f"{path}: is not text; write it again or remove it.") from problem
    if len(names) != version.classes:
        raise InputError(
            f"{path}: names {len(names)} classes, CIFAR-{version.classes} has {version.classes}; "
            f"write it again or remove it."
        )
    return tuple(names)
