"""Choice of one array in a container, and checks that it can be read."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import Columns, listing, pick, positions
from dmtest.data.readers.guard import admit
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

DEFAULT = "embeddings"


def choose(
    shapes: Mapping[str, tuple[int, ...]], key: str | None, where: str
) -> tuple[str, tuple[Finding, ...]]:
    """Return the name of the array that `key` selects, and a finding if there were others.

    Parameters
    ----------
    shapes : mapping of str to tuple of int
        Shapes of all arrays in the container, by name; levels of a name are joined by /.
    key : str or None
        A full name, or the last part of a name if no other name has it. None selects the only
        array, or the one called "embeddings".
    where : str
        Name of the container, for messages.
    """
    contents = listing(f"{name!r} {shape}" for name, shape in shapes.items())
    if key is None and len(shapes) == 1:
        return next(iter(shapes)), ()
    name = DEFAULT if key is None else key if key in shapes else key.strip("/")
    matches = [name] if name in shapes else [n for n in shapes if n.rpartition("/")[2] == name]
    if len(matches) > 1:
        raise InputError(
            f"key: {where} has several {name!r}; choose from {listing(map(repr, matches))}"
        )
    if not matches and key is None:
        raise InputError(f"{where}: name one of its arrays with key=: {contents or 'it has none'}")
    if not matches:
        raise InputError(f"key: {where} has no {key!r}; it holds {contents or 'nothing'}")
    if key is not None:
        return matches[0], ()
    message = f"The file holds {len(shapes)} arrays ({contents}) and {matches[0]!r} was read."
    return matches[0], (Finding("archive-key", message, len(shapes)),)


def only_numbers(dtype: np.dtype[Any], where: str) -> None:
    """Refuse text, records and objects; reading objects would mean unpickling them."""
    if dtype.hasobject:
        raise InputError(
            f"{where}: holds objects or text, which are not read because unpickling can run any "
            "code; save the numbers with a numeric dtype"
        )
    if dtype.kind not in "biufc":
        raise InputError(f"{where}: holds no numbers (dtype {dtype}); choose another array")


def take(
    source: Any,
    columns: Columns | None,
    names: tuple[str, ...] | None,
    path: Path,
    where: str,
    packed: bool = True,
) -> NDArray[Any]:
    """Read an array that stays on disk until it is indexed, from the first to the last column."""
    shape, itemsize = tuple(source.shape), source.dtype.itemsize
    if columns is None or len(shape) != 2:
        admit(path, where=where, needs=math.prod(shape) * itemsize, packed=packed)
        return pick(np.asarray(source[...]), columns)
    indices = positions(columns, names, shape[1])
    first, stop = min(indices), max(indices) + 1
    admit(path, where=where, needs=shape[0] * (stop - first) * itemsize, packed=packed)
    return pick(np.asarray(source[:, first:stop]), [j - first for j in indices])
