"""Objects in memory: arrays, tensors, data frames and lists, without importing their libraries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.readers.columns import Columns, Loaded, pick, positions, unique_names
from dmtest.data.readers.kinds.arrow import from_arrow
from dmtest.errors import InputError

LOW_PRECISION = ("float16", "bfloat16", "float8")


def from_object(data: Any, key: str | None, columns: Columns | None) -> Loaded:
    """Convert an object in memory to one array, with its column names if it has any."""
    roots = {base.__module__.partition(".")[0] for base in type(data).__mro__}
    what = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    if "torch" in roots:
        loaded = from_torch(data)
    elif "cupy" in roots and hasattr(data, "get"):
        loaded = Loaded(np.asarray(data.get()))
    elif frame := _from_frame(data, key, columns, roots):
        return frame
    else:
        loaded = Loaded(_from_anything(data, what))
    if key is not None:
        raise InputError(f"key: only files and tables have keys; leave out key={key!r}")
    return Loaded(pick(loaded.array, columns), dtype=loaded.dtype)


def _from_frame(
    data: Any, key: str | None, columns: Columns | None, roots: set[str]
) -> Loaded | None:
    """Read a data frame, a series or an Arrow table; return None for everything else."""
    if "pandas" in roots and (hasattr(data, "iloc") or hasattr(data, "to_frame")):
        return _from_pandas(data, key, columns)
    if "polars" in roots and hasattr(data, "to_frame"):
        loaded = _from_table(data.to_frame(), key, columns)
        return loaded if data.name else Loaded(loaded.array, dtype=loaded.dtype)
    if hasattr(data, "collect"):
        raise InputError(f"data: a {type(data).__name__} is not computed yet; pass data.collect()")
    if hasattr(data, "__arrow_c_stream__") and hasattr(data, "columns"):
        return _from_table(data, key, columns)
    return None


def _from_table(table: Any, key: str | None, columns: Columns | None) -> Loaded:
    import pyarrow as pa

    arrow = pa.table(table)
    return from_arrow(arrow.schema, arrow.select, key, columns)


def _from_pandas(data: Any, key: str | None, columns: Columns | None) -> Loaded:
    import pyarrow as pa

    frame = data.to_frame() if data.ndim == 1 else data
    labels = list(frame.columns)
    numbered = labels == list(range(len(labels)))  # the default labels of pandas
    names, findings = unique_names([str(label) for label in labels])
    plain = set(frame.dtypes)
    if key is None and len(plain) == 1 and getattr(next(iter(plain)), "kind", "O") in "biuf":
        values = frame.to_numpy(copy=False)
        if values.dtype.kind in "biuf":  # nullable types of pandas may become objects
            indices = positions(
                columns if columns is not None else range(len(names)), names, len(names)
            )
            column_names = None if numbered else tuple(names[j] for j in indices)
            return Loaded(pick(values, indices), column_names, findings)

    def as_arrow(j: int) -> Any:
        try:
            return pa.array(frame.iloc[:, j], from_pandas=True)
        except (pa.ArrowException, ValueError, TypeError):  # refused later, if the column is read
            return pa.nulls(len(frame), pa.binary())

    arrow = pa.table([as_arrow(j) for j in range(len(names))], names=list(names))
    loaded = from_arrow(arrow.schema, arrow.select, key, columns)
    column_names = None if numbered else loaded.names
    return Loaded(loaded.array, column_names, findings + loaded.findings, "", loaded.dtype)


def from_torch(tensor: Any, what: str = "data") -> Loaded:
    """Convert a tensor to an array that shares its memory where possible.

    `what` names the tensor in messages.
    """
    dtype = str(tensor.dtype).removeprefix("torch.")
    if str(tensor.layout) != "torch.strided":
        raise InputError(f"{what}: a tensor of layout {tensor.layout}; pass it as x.to_dense()")
    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if dtype.startswith(LOW_PRECISION):  # NumPy has no such types
            tensor = tensor.float()
        return Loaded(tensor.numpy(), dtype=dtype)
    except (RuntimeError, TypeError) as problem:
        raise InputError(
            f"{what}: a {dtype} tensor on {tensor.device} has no values NumPy can read; pass it as "
            "x.float().cpu()"
        ) from problem


def _from_anything(data: Any, what: str) -> NDArray[Any]:
    if isinstance(data, np.ma.MaskedArray) and np.ma.getmaskarray(data).any():
        hidden = np.count_nonzero(np.ma.getmaskarray(data))
        raise InputError(
            f"data: {hidden} cells are masked; pass x.filled(np.nan) with nonfinite='drop', or "
            "only the rows without a mask"
        )
    if isinstance(data, np.ndarray):
        return np.asarray(data)
    if hasattr(data, "toarray") or hasattr(data, "todense"):
        raise InputError(f"data: a {what} is sparse; pass data.toarray()")
    try:
        if hasattr(data, "__array__"):
            return np.asarray(data)
        if hasattr(data, "__dlpack__"):
            return np.from_dlpack(data)
        if isinstance(data, Sequence):
            return np.asarray(data)
    except (TypeError, ValueError, RuntimeError, BufferError) as problem:
        reason = str(problem).partition("\n")[0]
        if "inhomogeneous" in reason:
            reason = "its rows differ in length"
        raise InputError(
            f"data: this {what} cannot become an array ({reason}); pass rows of equal length that "
            "hold numbers, in the memory of this computer"
        ) from problem
    raise InputError(
        f"data: cannot use a {what}; pass an array of shape (n, d), a data frame or a path"
    )
