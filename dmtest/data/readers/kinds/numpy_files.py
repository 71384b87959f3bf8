"""NumPy files; the header is read first, and pickled objects are refused."""

from __future__ import annotations

import zipfile
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.lib import format as npy_format

from dmtest.data.readers.choice import choose, room
from dmtest.data.readers.columns import Columns, Loaded, pick
from dmtest.errors import InputError


def _header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Return shape and dtype of an npy stream; a bare pickle counts as an array of objects."""
    if stream.peek(1)[:1] == b"\x80":
        return (), np.dtype(object)
    version = npy_format.read_magic(stream)
    try:  # the header is a Python literal, so a damaged one is bad syntax
        if version == (1, 0):
            shape, _, dtype = npy_format.read_array_header_1_0(stream)
        else:
            shape, _, dtype = npy_format.read_array_header_2_0(stream)
    except (SyntaxError, TokenError) as problem:
        raise ValueError("its header is no description of an array") from problem
    return shape, dtype


def _refuse_pickle(dtype: np.dtype[Any], what: str) -> None:
    if dtype.hasobject:
        raise InputError(
            f"{what}: holds pickled Python objects, which are not read because unpickling can run "
            "any code; save the numbers again with np.save and a numeric dtype"
        )


def read_npy(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map the array of an ``.npy`` file."""
    with path.open("rb") as stream:
        _refuse_pickle(_header(stream)[1], str(path))
    mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    return Loaded(pick(mapped, columns), source=str(path))


def read_npz(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Read one array of an archive."""
    with zipfile.ZipFile(path) as archive:
        headers = {}
        for member in archive.namelist():
            with archive.open(member) as stream:
                headers[member.removesuffix(".npy")] = _header(stream)
        shapes = {member: shape for member, (shape, _) in headers.items()}
        name, findings = choose(shapes, key, str(path))
        shape, dtype = headers[name]
        _refuse_pickle(dtype, f"{path}[{name!r}]")
        room(shape, dtype.itemsize, f"{path}[{name!r}]")
        with archive.open(f"{name}.npy") as stream:
            values = npy_format.read_array(stream, allow_pickle=False)
    return Loaded(pick(values, columns), None, findings, str(path))
