"""Training data from folders of png and jpeg images, one subfolder a class, through Pillow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import listing
from dmtest.errors import InputError
from dmtest.train.data.images import Part, Split, split_rows

SUFFIXES = (".png", ".jpg", ".jpeg")
TRAIN, TESTS = "train", ("test", "val")

Pixels = NDArray[np.uint8]


def read_folder(folder: Path, split: Split, size: tuple[int, int] | None) -> Part:
    """Read a folder of images: one subfolder a class, or images alone, which then have no labels.

    A folder that holds exactly ``train`` and ``test`` (or ``val``) has a split of its own; any
    other is split as arrays are. Grey images become RGB where others are in colour. Images of
    different sizes require `size`, (height, width) in pixels, to which each is resized.
    """
    subfolders = _visible(folder, folders=True)
    names = {path.name for path in subfolders}
    tests = names.intersection(TESTS)
    if TRAIN in names and len(tests) == 1 and names == {TRAIN, *tests}:
        _no_files(folder)
        return _own_split(folder, split, tests.pop(), size)
    return split_rows(_read_classes(folder, size), split, name=str(folder))


def _own_split(folder: Path, split: Split, test: str, size: tuple[int, int] | None) -> Part:
    halves = {"train": [TRAIN], "test": [test], "all": [TRAIN, test]}[split]
    classes = [
        tuple(path.name for path in _visible(folder / half, folders=True)) for half in (TRAIN, test)
    ]
    if classes[0] != classes[1]:
        odd = sorted(set(classes[0]) ^ set(classes[1]))
        raise InputError(
            f"{folder}: {TRAIN} and {test} do not hold the same classes ({listing(odd)} in only "
            f"one of them); add the missing folders."
        )
    parts = [_read_classes(folder / half, size) for half in halves]
    if len(parts) == 1:
        return parts[0]
    shapes = {part.images.shape[2:] for part in parts}
    if len(shapes) > 1:
        raise _unequal(folder, shapes)
    if parts[0].images.shape[1] != parts[1].images.shape[1]:
        colour = max(part.images.shape[1] for part in parts)
        parts = [_with_channels(part, colour) for part in parts]
    return parts[0].append(parts[1])


def _with_channels(part: Part, channels: int) -> Part:
    return part._replace(images=np.repeat(part.images, channels // part.images.shape[1], axis=1))


def _read_classes(folder: Path, size: tuple[int, int] | None) -> Part:
    subfolders = _visible(folder, folders=True)
    if not subfolders:
        return Part(_read_images(folder, _image_paths(folder), size), None, ())
    _no_files(folder)
    paths, labels = [], []
    for label, subfolder in enumerate(subfolders):
        members = _image_paths(subfolder)
        paths += members
        labels += [label] * len(members)
    classes = tuple(path.name for path in subfolders)
    return Part(_read_images(folder, paths, size), np.array(labels, dtype=np.int64), classes)


def _visible(folder: Path, *, folders: bool) -> list[Path]:
    """Return subfolders or files, sorted by name, without hidden ones, which are not data."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.is_dir() == folders and not path.name.startswith(".") and path.name != "Thumbs.db"
    )


def _no_files(folder: Path) -> None:
    if loose := _visible(folder, folders=False):
        raise InputError(
            f"{folder}: holds {len(loose)} files beside its folders "
            f"({listing(path.name for path in loose)}); move them into a class or away."
        )


def _image_paths(folder: Path) -> list[Path]:
    """Return all images under a folder; refuse any other file that is not hidden."""
    paths = []
    for place, inner, _ in os.walk(folder):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        paths += _visible(Path(place), folders=False)
    other = [path.name for path in paths if not path.name.lower().endswith(SUFFIXES)]
    if other:
        raise InputError(
            f"{folder}: {len(other)} files are not png or jpeg ({listing(other)}); convert or "
            f"remove them."
        )
    if not paths:
        raise InputError(f"{folder}: holds no png or jpeg images; add some or remove the folder.")
    return paths


def _read_images(folder: Path, paths: list[Path], size: tuple[int, int] | None) -> Pixels:
    """Read images into one array (n, c, h, w)."""
    images = [_read_image(path, size) for path in paths]
    shapes = {image.shape[:2] for image in images}
    if len(shapes) > 1:
        raise _unequal(folder, shapes)
    channels = max(image.shape[2] for image in images)
    height, width = images[0].shape[:2]
    pixels = np.empty((len(images), channels, height, width), dtype=np.uint8)
    for row, image in zip(pixels, images, strict=True):
        row[:] = image.transpose(2, 0, 1)  # one grey plane fills all three channels
    return pixels


def _unequal(folder: Path, shapes: set[Any]) -> InputError:
    kinds = listing(f"{height} x {width}" for height, width in sorted(shapes))
    return InputError(f"{folder}: images have unequal sizes ({kinds}); pass size= to resize them.")


def _read_image(path: Path, size: tuple[int, int] | None) -> Pixels:
    """Read one image as (h, w, 1) or (h, w, 3)."""
    from PIL import Image

    problems = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)
    try:
        with Image.open(path, formats=("PNG", "JPEG")) as file:
            image = file.copy()
    except problems as problem:
        raise InputError(
            f"{path}: cannot be read as an image, so it is truncated, corrupt or misnamed "
            f"({str(problem).partition(chr(10))[0]}); write it again."
        ) from problem
    if "A" in image.getbands() or "transparency" in image.info:
        image = image.convert("RGBA")
        if image.getchannel("A").getextrema() != (255, 255):
            raise InputError(f"{path}: has transparent pixels; put it on a background first.")
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr"):
        raise InputError(f"{path}: has pixels of mode {image.mode!r}; save it with 8 bits each.")
    image = image.convert("L" if image.mode in ("1", "L") else "RGB")
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    pixels: Pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
