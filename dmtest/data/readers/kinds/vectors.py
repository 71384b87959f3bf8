"""Files of nearest-neighbour benchmarks: little-endian vectors, mapped.

``.fvecs .ivecs .bvecs`` (texmex): a row is its length d as int32, then d values.
``.fbin .ibin .u8bin .i8bin`` (big-ann): n and d as uint32, then n times d values.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dmtest.data.readers.columns import Columns, Loaded, pick
from dmtest.errors import InputError

VECS = {".fvecs": "<f4", ".ivecs": "<i4", ".bvecs": "u1"}
BIN = {".fbin": "<f4", ".ibin": "<i4", ".u8bin": "u1", ".i8bin": "i1"}
ROWS = 65_536  # rows whose lengths are compared at a time


def read_vecs(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map rows that begin with their length; every length is checked."""
    dtype = np.dtype(VECS[path.suffix.lower()])
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(4)
    d = int.from_bytes(head, "little", signed=True)
    if len(head) < 4 or d < 1:
        raise InputError(f"{path}: row 0 has {d} values; write the file again")
    step = 4 + d * dtype.itemsize
    n, rest = divmod(size, step)
    rows = np.memmap(path, np.uint8, "r", 0, (n, step)) if n else np.empty((0, step), np.uint8)
    for start in range(0, n, ROWS):
        lengths = np.ascontiguousarray(rows[start : start + ROWS, :4]).view("<i4")[:, 0]
        if (lengths != d).any():
            bad = int(np.argmax(lengths != d))
            raise InputError(
                f"{path}: row {start + bad} says that it has {lengths[bad]} values but row 0 has "
                f"{d}, so it is corrupt or no {path.suffix} file; write it again"
            )
    if rest:
        raise InputError(
            f"{path}: {n} rows of {d} values take {n * step} bytes but it has {size}, so it is "
            "truncated; copy it again"
        )
    return Loaded(pick(rows[:, 4:].view(dtype), columns), source=str(path))


def read_bin(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map rows after a header of n and d."""
    dtype = np.dtype(BIN[path.suffix.lower()])
    size = path.stat().st_size
    with path.open("rb") as stream:
        head = stream.read(8)
    n, d = (int.from_bytes(part, "little") for part in (head[:4], head[4:]))
    expected = 8 + n * d * dtype.itemsize
    if len(head) < 8 or size != expected:
        raise InputError(
            f"{path}: its header says {n} x {d} values, which take {expected} bytes, but it has "
            f"{size}, so it is truncated or corrupt; copy it again"
        )
    if not n * d:
        raise InputError(f"{path}: its header says {n} x {d} values; write the file again")
    return Loaded(pick(np.memmap(path, dtype, "r", 8, (n, d)), columns), source=str(path))
