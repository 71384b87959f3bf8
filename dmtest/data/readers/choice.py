"""Which of the arrays in a container is meant, and whether it can be had at all."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import Columns, listing, pick, positions
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

DEFAULT = "embeddings"


def choose(
    held: Mapping[str, tuple[int, ...]], key: str | None, where: str
) -> tuple[str, tuple[Finding, ...]]:
    """Name of the array that `key` means, and a finding where it was not the only one.

    Parameters
    ----------
    held : mapping of str to tuple of int
        Names, with / between levels, and shapes of all arrays in the container.
    key : str or None
        A full name, or a last part of one that no other name has. None stands for the only array,
        or for the one called "embeddings".
    where : str
        The container, for messages.
    """
    kept = listing(f"{name!r} {shape}" for name, shape in held.items())
    if key is None and len(held) == 1:
        return next(iter(held)), ()
    wanted = DEFAULT if key is None else key if key in held else key.strip("/")
    found = [wanted] if wanted in held else [n for n in held if n.rpartition("/")[2] == wanted]
    if len(found) > 1:
        raise InputError(
            f"key: {where} has several {wanted!r}; choose from {listing(map(repr, found))}"
        )
    if not found and key is None:
        raise InputError(f"{where}: name one of its arrays with key=: {kept or 'it has none'}")
    if not found:
        raise InputError(f"key: {where} has no {key!r}; it holds {kept or 'nothing'}")
    if key is not None:
        return found[0], ()
    message = f"The file holds {len(held)} arrays ({kept}) and {found[0]!r} was read."
    return found[0], (Finding("archive-key", message, len(held)),)


def only_numbers(dtype: np.dtype[Any], where: str) -> None:
    """Refuse text, records and objects; objects would have to be unpickled."""
    if dtype.hasobject:
        raise InputError(
            f"{where}: holds objects or text, which are not read because unpickling can run any "
            "code; save the numbers with a numeric dtype"
        )
    if dtype.kind not in "biufc":
        raise InputError(f"{where}: holds no numbers (dtype {dtype}); choose another array")


def room(shape: tuple[int, ...], itemsize: int, where: str) -> None:
    """Refuse an array that is larger than the memory, as a hostile header may claim to be."""
    wanted = math.prod(shape) * itemsize
    if not hasattr(os, "sysconf"):  # Windows refuses such an allocation itself
        return
    have = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if wanted > have:
        raise InputError(
            f"{where}: an array of shape {shape} takes {wanted / 2**30:,.0f} GiB of memory and "
            f"this computer has {have / 2**30:,.0f}; save a part of it, or all as .npy, which is "
            "mapped"
        )


def take(
    source: Any, columns: Columns | None, names: tuple[str, ...] | None, where: str
) -> NDArray[Any]:
    """Read an array that stays on disk until it is indexed, only as far as `columns` reach."""
    shape, itemsize = tuple(source.shape), source.dtype.itemsize
    if columns is None or len(shape) != 2:
        room(shape, itemsize, where)
        return pick(np.asarray(source[...]), columns)
    chosen = positions(columns, names, shape[1])
    first, stop = min(chosen), max(chosen) + 1
    room((shape[0], stop - first), itemsize, where)
    return pick(np.asarray(source[:, first:stop]), [j - first for j in chosen])
