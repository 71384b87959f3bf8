"""Safetensors: the library checks the header, and the tensor is mapped at its offset."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from dmtest.data.readers.choice import choose
from dmtest.data.readers.columns import Columns, Loaded, pick
from dmtest.data.readers.guard import DamagedError, admit, once
from dmtest.errors import InputError

DTYPES = {
    **{"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?"},
    **{"I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1"},
    **{"U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1"},
}


def read_safetensors(path: Path, key: str | None, columns: Columns | None) -> Loaded:
    """Map one tensor; bfloat16, which NumPy lacks, becomes float32 in memory without rounding."""
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        admit(path, needs=min(length, path.stat().st_size))
        header = json.loads(stream.read(length), object_pairs_hook=once)
    try:
        with safe_open(path, framework="numpy") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
            name, findings = choose(shapes, key, str(path))
            stored = file.get_slice(name).get_dtype()
    except SafetensorError as problem:
        raise DamagedError("its header does not describe its values") from problem
    where, shape = f"{path}[{name!r}]", shapes[name]
    if stored not in DTYPES:
        raise InputError(f"{where}: is {stored}, which NumPy lacks; save it as F32 or BF16")
    if 0 in shape:
        raise InputError(f"{where}: is empty, shape {shape}; choose another tensor")
    offset = 8 + length + int(header[name]["data_offsets"][0])
    values = pick(np.memmap(path, DTYPES[stored], "r", offset, shape), columns)
    if stored == "BF16":  # the upper half of a float32
        admit(path, where=where, needs=8 * values.size)
        values = (values.astype(np.uint32) << 16).view(np.float32)
    dtype = {"BF16": "bfloat16"}.get(stored, "")
    return Loaded(values, None, findings, str(path), dtype)
