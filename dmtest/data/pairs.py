"""Positive pairs of embeddings, from one container or two files, and their noise level."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dmtest.data.readers.formats import by_suffix
from dmtest.data.readers.remote import is_url, local_path, public_url
from dmtest.errors import InputError


class PairFiles(NamedTuple):
    """Where f(X) and f(X') are.

    Attributes
    ----------
    first, second : path or URL
    keys : tuple of (str or None)
        Names of the arrays in the files.
    levels : dict
        Noise levels "sigma" and "epsilon" that an archive holds.
    """

    first: str | os.PathLike[str]
    second: str | os.PathLike[str]
    keys: tuple[str | None, str | None]
    levels: dict[str, float]


@contextmanager
def pair_files(
    file: str | os.PathLike[str], key: str | None, augmented: str
) -> Iterator[PairFiles]:
    """Yield where f(X) and f(X') are, and `sigma` and `epsilon` where an ``.npz`` archive has them.

    Parameters
    ----------
    file : path or URL
        A container of both arrays by name (``.npz``, HDF5, Zarr, safetensors, torch), or any file
        of f(X). A URL is fetched once for both arrays.
    key : str or None
        Name of f(X) in the file. Default: "embeddings".
    augmented : str
        Name of f(X') in the same file, or another file or URL.
    """
    separate = is_url(augmented) or os.path.exists(augmented)
    with _local(file) as path:
        if not separate and not _by_name(path):
            raise InputError(
                f"augmented: there is no file {augmented!r}; name the one that holds f(X')."
            )
        keys = (_key(path, key, separate), None if separate else augmented)
        levels = _noise_levels(path) if path.suffix == ".npz" else {}
        yield PairFiles(path, augmented if separate else path, keys, levels)


@contextmanager
def _local(file: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a local path; messages about a URL name the URL."""
    if not is_url(file):
        yield Path(os.path.expanduser(file))
        return
    with local_path(str(file)) as path:
        try:
            yield path
        except InputError as problem:
            raise InputError(str(problem).replace(str(path), public_url(str(file)))) from problem


def _by_name(path: Path) -> bool:
    """Whether a file of this kind holds several arrays by name."""
    kind = by_suffix(path.name)
    return kind is not None and kind.key.startswith("the name of")


def _key(path: Path, key: str | None, separate: bool) -> str | None:
    # f(X) needs a name only where f(X') is in the same file.
    return key if key is not None or separate or not _by_name(path) else "embeddings"


def _noise_levels(path: Path) -> dict[str, float]:
    levels = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in {"sigma", "epsilon"} & set(archive.files):
            value = archive[name]
            if value.size != 1 or value.dtype.kind not in "fiu":
                raise InputError(
                    f"{name}: the value in {path.name!r} is no single number; pass --{name}."
                )
            levels[name] = float(value.reshape(()))
    return levels
