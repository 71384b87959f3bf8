"""Training data from idx files (MNIST, Fashion-MNIST, EMNIST), plain or gzipped."""

from __future__ import annotations

import gzip
import re
import zlib
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import listing
from dmtest.errors import InputError
from dmtest.train.data.images import Part, Split

# train-images-idx3-ubyte, t10k-labels.idx1-ubyte.gz, emnist-digits-test-images-idx3-ubyte, ...
NAME = re.compile(
    r"(?:(?P<set>.+)[-_.])?(?P<split>train|t10k|test)[-_.]?(?P<what>images|labels)"
    r"[-_.]idx[13][-_.]ubyte(?P<gz>\.gz)?",
    re.IGNORECASE,
)
UBYTE = 0x08
# MNIST and its successors have ten classes; EMNIST's labels go further, without gaps.
CLASSES = 10
# Most bytes that one byte of gzip can expand to.
DEFLATE = 1032

What = Literal["images", "labels"]
Files = dict[tuple[bool, str], list[Path]]  # by (is test, images or labels)


def _idx_files(folder: Path) -> Files:
    """Return the idx files of a folder; a plain file hides its gzipped copy."""
    files: dict[tuple[bool, str], dict[str, Path]] = {}
    for path in sorted(folder.iterdir()):
        match = NAME.fullmatch(path.name)
        if match and path.is_file():
            key = (match["split"].lower() != "train", match["what"].lower())
            stem = path.name[: -len(match["gz"])] if match["gz"] else path.name
            # Sorted: the plain file comes before the same name with .gz.
            files.setdefault(key, {}).setdefault(stem, path)
    return {key: list(paths.values()) for key, paths in files.items()}


def holds_idx(folder: Path) -> bool:
    """Return whether a folder holds idx files under their usual names."""
    return bool(_idx_files(folder))


def read_idx(folder: Path, split: Split) -> Part:
    """Read the images and labels of one split, or of both, training images first."""
    files = _idx_files(folder)
    train = None if split == "test" else _part(folder, files, test=False)
    test = None if split == "train" else _part(folder, files, test=True)
    parts = [part for part in (train, test) if part is not None]
    labels = [part.labels for part in parts if part.labels is not None]
    if labels and len(labels) < len(parts):
        raise InputError(f"{folder}: only one of the two splits has labels; add the missing file.")
    if len({part.images.shape[1:] for part in parts}) > 1:
        shapes = " and ".join(str(part.images.shape[2:]) for part in parts)
        raise InputError(f"{folder}: training and test images differ in size ({shapes}).")
    first = parts[0] if len(parts) == 1 else parts[0].append(parts[1])
    classes = _classes(folder, files)
    return first._replace(classes=classes if first.labels is not None else ())


def _part(folder: Path, files: Files, test: bool) -> Part:
    path = _single_file(folder, files, test, "images")
    if path is None:
        raise InputError(
            f"{folder}: has no file of {'test' if test else 'training'} images; add "
            f"{'t10k' if test else 'train'}-images-idx3-ubyte or take the other split."
        )
    images = _array(path, "images")
    labelled = _single_file(folder, files, test, "labels")
    if labelled is None:
        return Part(images[:, None], None, ())
    labels = _array(labelled, "labels")
    if len(labels) != len(images):
        raise InputError(
            f"{labelled}: holds {len(labels)} labels for the {len(images)} images of "
            f"{path.name}; take files that belong together."
        )
    classes = len(_classes(folder, files))
    if labels.max() >= classes:
        bad = labels >= classes
        raise InputError(
            f"{labelled}: {int(bad.sum())} labels are outside 0 to {classes - 1} (the first is "
            f"{labels[bad][0]}, of row {int(np.argmax(bad))}); the file is corrupt or not labels."
        )
    return Part(images[:, None], labels.astype(np.int64), ())


def _classes(folder: Path, files: Files) -> tuple[str, ...]:
    """Return the classes: 0 to 9, or up to the largest training label where none is missing."""
    path = _single_file(folder, files, False, "labels")
    labels = set() if path is None else {int(one) for one in np.unique(_array(path, "labels"))}
    most = max(labels, default=0)
    gapless = labels >= set(range(1, most + 1))
    return tuple(map(str, range(max(CLASSES, most + 1) if gapless else CLASSES)))


def _single_file(folder: Path, files: Files, test: bool, what: What) -> Path | None:
    paths = files.get((test, what), [])
    if len(paths) > 1:
        names = listing(path.name for path in paths)
        raise InputError(f"{folder}: holds several files of one kind ({names}); keep one of them.")
    return paths[0] if paths else None


def _array(path: Path, what: What) -> NDArray[Any]:
    """Read one idx file of unsigned bytes: (n, h, w) images or (n,) labels."""
    ndim = 3 if what == "images" else 1
    zipped = path.name.lower().endswith(".gz")
    try:
        with gzip.open(path) if zipped else path.open("rb") as stream:
            head = stream.read(4 + 4 * ndim)
            _check_magic(path, head, ndim)
            shape = tuple(np.frombuffer(head, ">u4", offset=4).astype(int).tolist())
            expected = int(np.prod(shape, dtype=object))
            # One byte more than expected, to notice a file that is too long; no more than the
            # file can hold, whatever its header says.
            most = path.stat().st_size * (DEFLATE if zipped else 1)
            body = stream.read(min(expected, most) + 1)
    except (OSError, EOFError, zlib.error) as problem:
        raise InputError(
            f"{path}: cannot be read to its end, so it is truncated or corrupt "
            f"({str(problem).partition(chr(10))[0]}); write it again."
        ) from problem
    if expected == 0:
        raise InputError(f"{path}: holds no {what} (its header says {shape}); take another file.")
    if len(body) != expected:
        size = "more" if len(body) > expected else f"only {len(body)}"
        raise InputError(
            f"{path}: its header says {shape}, {expected} bytes, but there are {size}; "
            f"write it again."
        )
    return np.frombuffer(body, np.uint8).reshape(shape).copy()  # writable


def _check_magic(path: Path, head: bytes, ndim: int) -> None:
    if len(head) < 4 + 4 * ndim:
        raise InputError(f"{path}: ends within its header ({len(head)} bytes); write it again.")
    if head[:4] != bytes([0, 0, UBYTE, ndim]):
        cure = " (it is gzipped: end its name in .gz)" if head[:2] == b"\x1f\x8b" else ""
        raise InputError(
            f"{path}: starts with {head[:4].hex()}, an idx file of {ndim}-d unsigned bytes with "
            f"{bytes([0, 0, UBYTE, ndim]).hex()}; it is another file{cure}."
        )
