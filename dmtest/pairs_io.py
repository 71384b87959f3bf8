"""Pairs of embeddings from an archive or from two files, with the noise level kept beside them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from dmtest.errors import InputError
from dmtest.sample import Sample, as_sample

__all__ = ["read_pairs"]


def read_pairs(
    file: str | os.PathLike[str], key: str | None, augmented: str
) -> tuple[Sample, Sample, dict[str, float]]:
    """Read f(X) and f(X'), and the numbers `sigma` and `epsilon` of an archive that has them.

    Parameters
    ----------
    file : path
        An ``.npz`` archive with both arrays, or any file of f(X).
    key : str or None
        Name of f(X) in an archive: "embeddings" by default.
    augmented : str
        Name of f(X') in the archive, or a file.
    """
    path = Path(file)
    if path.suffix != ".npz":
        if not Path(augmented).exists():
            raise InputError(
                f"augmented: there is no file {augmented!r}; name the one that holds f(X')."
            )
        return as_sample(path, key=key), as_sample(augmented), {}
    first = as_sample(path, key=key or "embeddings")
    second = (
        as_sample(Path(augmented)) if Path(augmented).exists() else as_sample(path, key=augmented)
    )
    stored = {}
    with np.load(path, allow_pickle=False) as archive:
        for name in {"sigma", "epsilon"} & set(archive.files):
            value = archive[name]
            if value.size != 1 or value.dtype.kind not in "fiu":
                raise InputError(f"{name}: in {path.name!r} it is no single number; give --{name}.")
            stored[name] = float(value.reshape(()))
    return first, second, stored
