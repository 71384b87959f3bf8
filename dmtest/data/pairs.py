"""Pairs of embeddings from a container or from two files, with the noise level kept beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from dmtest.data.readers.formats import by_suffix
from dmtest.data.readers.remote import fetched, is_url, shown
from dmtest.data.sample import Sample, as_sample
from dmtest.errors import InputError


def read_pairs(
    file: str | os.PathLike[str], key: str | None, augmented: str
) -> tuple[Sample, Sample, dict[str, float]]:
    """Read f(X) and f(X'), and the numbers `sigma` and `epsilon` of an archive that has them.

    Parameters
    ----------
    file : path or URL
        A file that holds both arrays by name (``.npz``, HDF5, Zarr, safetensors, torch), or any
        file of f(X).
    key : str or None
        Name of f(X) in the file: "embeddings" by default.
    augmented : str
        Name of f(X') in the same file, or a file or URL of its own.
    """
    own = is_url(augmented) or os.path.exists(augmented)
    with _local(file) as (path, name):
        first = replace(as_sample(path, key=_key(path, key, own)), source=name)
        if own:
            second = as_sample(augmented)
        elif _by_name(path):
            second = replace(as_sample(path, key=augmented), source=name)
        else:
            raise InputError(
                f"augmented: there is no file {augmented!r}; name the one that holds f(X')."
            )
        return first, second, _stored(path) if path.suffix == ".npz" else {}


@contextmanager
def _local(file: str | os.PathLike[str]) -> Iterator[tuple[Path, str]]:
    """Yield a path to read, and the name to show: a URL is fetched once for all that it holds."""
    if not is_url(file):
        yield Path(os.path.expanduser(file)), str(file)
        return
    with fetched(str(file)) as path:
        try:
            yield path, shown(str(file))
        except InputError as problem:
            raise InputError(str(problem).replace(str(path), shown(str(file)))) from problem


def _by_name(path: Path) -> bool:
    """Whether a file of this kind holds several arrays by name."""
    kind = by_suffix(path.name)
    return kind is not None and kind.key.startswith("the name of")


def _key(path: Path, key: str | None, own: bool) -> str | None:
    # f(X) alone in a file needs no name; beside f(X') it does.
    return key if key is not None or own or not _by_name(path) else "embeddings"


def _stored(path: Path) -> dict[str, float]:
    stored = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in {"sigma", "epsilon"} & set(archive.files):
            value = archive[name]
            if value.size != 1 or value.dtype.kind not in "fiu":
                raise InputError(f"{name}: in {path.name!r} it is no single number; give --{name}.")
            stored[name] = float(value.reshape(()))
    return stored
