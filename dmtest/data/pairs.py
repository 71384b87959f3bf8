"""Positive pairs of embeddings, from one container or two files, and their noise level."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmtest.data.readers.formats import by_suffix
from dmtest.data.readers.remote import is_url, local_path, public_url
from dmtest.data.sample import Sample, as_sample
from dmtest.errors import InputError


def read_pairs(
    file: str | os.PathLike[str], key: str | None, augmented: str
) -> tuple[Sample, Sample, dict[str, float]]:
    """Read f(X) and f(X'), and `sigma` and `epsilon` where an ``.npz`` archive holds them.

    Parameters
    ----------
    file : path or URL
        A container of both arrays by name (``.npz``, HDF5, Zarr, safetensors, torch), or any file
        of f(X).
    key : str or None
        Name of f(X) in the file. Default: "embeddings".
    augmented : str
        Name of f(X') in the same file, or another file or URL.

    Returns
    -------
    f(X), f(X') : Sample, shape (n, d) each
    levels : dict
        Noise levels "sigma" and "epsilon" that the archive holds.
    """
    separate = is_url(augmented) or os.path.exists(augmented)
    with _local(file) as (path, name):
        first = replace(as_sample(path, key=_key(path, key, separate)), source=name)
        if separate:
            second = as_sample(augmented)
        elif _by_name(path):
            second = replace(as_sample(path, key=augmented), source=name)
        else:
            raise InputError(
                f"augmented: there is no file {augmented!r}; name the one that holds f(X')."
            )
        return first, second, _noise_levels(path) if path.suffix == ".npz" else {}


@contextmanager
def _local(file: str | os.PathLike[str]) -> Iterator[tuple[Path, str]]:
    """Yield a local path and the name for messages; a URL is fetched once for both arrays."""
    if not is_url(file):
        yield Path(os.path.expanduser(file)), str(file)
        return
    with local_path(str(file)) as path:
        try:
            yield path, public_url(str(file))
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
