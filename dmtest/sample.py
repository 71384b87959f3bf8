"""The one validation gate: whatever the caller has becomes a `Sample`, or one clear sentence.

Data that is already float32 or float64 is never copied, and every look at it goes in chunks of
rows, so that a memory-mapped file larger than the memory stays on disk.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dmtest.errors import InputError
from dmtest.io import (
    Columns,
    Loaded,
    from_arrow,
    listing,
    pick,
    positions,
    read,
    rounding,
    unique_names,
)
from dmtest.outcome import Finding

__all__ = ["Sample", "as_sample"]

MINIMUM_ROWS = 8
CELLS = 2**19  # per chunk: 4 MiB of float64
DISTINCT = 1000  # distinct values are counted up to this
LOOKUP = 2**16  # integers that span less than this are counted by looking them up
TINY = 1e-300
LOW_PRECISION = ("float16", "bfloat16", "float8")
TEXT = ("text", "convert it with x.astype(float)")
REFUSED = {  # by kind of dtype: what it holds and the cure
    "O": ("Python objects", "convert it with np.asarray(x, dtype=float)"),
    "c": ("complex numbers", "pass both parts side by side, np.hstack([x.real, x.imag])"),
    "M": ("dates", "leave them out, or pass time differences as numbers"),
    "m": ("time differences", "divide by a unit, such as x / np.timedelta64(1, 's')"),
    "V": ("records", "convert it with numpy.lib.recfunctions.structured_to_unstructured"),
    **dict.fromkeys("SUT", TEXT),
}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Rows that passed the gate: finite, two-dimensional, float and read-only.

    Attributes
    ----------
    x : ndarray of shape (n, d)
        float32 or float64; a view of the caller's memory or file where that was possible.
    names : tuple of str or None
        Column names, where the data had any.
    dtype : str
        What came in, such as ``"bfloat16"``.
    source : str or None
        The file it came from.
    findings : tuple of Finding
        What a reader of any result has to know about the data.
    """

    x: NDArray[np.floating[Any]] = field(repr=False)
    names: tuple[str, ...] | None = None
    dtype: str = "float64"
    source: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.x.shape[0])

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.x.shape[1])


def as_sample(
    data: Any,
    *,
    key: str | None = None,
    columns: Columns | None = None,
    nonfinite: Literal["error", "drop"] = "error",
) -> Sample:
    """Check data once and put it in the one form that everything else computes with.

    Parameters
    ----------
    data : Sample, path, array, tensor, data frame, Arrow table or list of lists
        n rows of d numbers; one dimension is n x 1. Integers and booleans become float64,
        half precision becomes float32. A frame's index is not data, and its nulls are NaN.
    key : str, optional
        Which array of an archive, or which column of lists of a table.
    columns : str, int or iterable of them, optional
        Names or 0-based positions of the columns to keep.
    nonfinite : {"error", "drop"}
        What to do with rows that have a NaN or an infinity. Dropping copies the other rows.

    Returns
    -------
    Sample
        The data, with findings about what was changed and what looks wrong. float32 values
        whose squares would overflow when summed come back as float64.

    Raises
    ------
    InputError
        If the data cannot be used; the sentence says why and what to do.
    """
    if nonfinite not in ("error", "drop"):
        raise InputError(f"nonfinite: must be 'error' or 'drop'; got {nonfinite!r}")
    if isinstance(data, Sample):
        if key is not None or columns is not None:
            raise InputError("columns: data is a Sample already; choose them when it is made")
        return data
    loaded = _collect(data, key, columns)
    dtype = loaded.dtype or loaded.array.dtype.name
    array = _two_dimensional(loaded.array)
    x, changes = _as_float(array, dtype)
    scan = _scan(x)
    if not scan.finite.all():
        kept, dropped = _finite_rows(x, scan.finite, loaded.names, nonfinite)
        x, changes, scan = kept, (*changes, dropped), _scan(kept)
    x, widened = _room_for_squares(x, scan)
    view = x.view()
    view.flags.writeable = False
    seen = _look(view, scan, loaded.names)
    findings = (*loaded.findings, *changes, *widened, *seen)
    return Sample(view, loaded.names, dtype, loaded.source or None, findings)


# Whatever it is, as one array


def _collect(data: Any, key: str | None, columns: Columns | None) -> Loaded:
    if isinstance(data, (str, os.PathLike)):
        return read(data, key, columns)
    roots = {base.__module__.partition(".")[0] for base in type(data).__mro__}
    what = f"{type(data).__module__}.{type(data).__qualname__}".removeprefix("builtins.")
    if "torch" in roots:
        loaded = _from_torch(data)
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
    """Read a data frame, a series of one or an Arrow table; None for everything else."""
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
    numbered = labels == list(range(len(labels)))  # pandas made them up
    names, findings = unique_names([str(label) for label in labels])
    plain = set(frame.dtypes)
    if key is None and len(plain) == 1 and getattr(next(iter(plain)), "kind", "O") in "biuf":
        values = frame.to_numpy(copy=False)
        if values.dtype.kind in "biuf":  # pandas' own nullable types may come out as objects
            keep = positions(
                columns if columns is not None else range(len(names)), names, len(names)
            )
            kept = None if numbered else tuple(names[j] for j in keep)
            return Loaded(pick(values, keep), kept, findings)

    def as_arrow(j: int) -> Any:
        try:
            return pa.array(frame.iloc[:, j], from_pandas=True)
        except (pa.ArrowException, ValueError, TypeError):  # refused later, if it is chosen
            return pa.nulls(len(frame), pa.binary())

    arrow = pa.table([as_arrow(j) for j in range(len(names))], names=list(names))
    loaded = from_arrow(arrow.schema, arrow.select, key, columns)
    kept = None if numbered else loaded.names
    return Loaded(loaded.array, kept, findings + loaded.findings, "", loaded.dtype)


def _from_torch(tensor: Any) -> Loaded:
    dtype = str(tensor.dtype).removeprefix("torch.")
    if str(tensor.layout) != "torch.strided":
        raise InputError(f"data: a tensor of layout {tensor.layout}; pass data.to_dense()")
    try:
        tensor = tensor.detach().cpu().resolve_conj().resolve_neg()
        if dtype.startswith(LOW_PRECISION):  # NumPy has no such types
            tensor = tensor.float()
        return Loaded(tensor.numpy(), dtype=dtype)
    except (RuntimeError, TypeError) as problem:
        raise InputError(
            f"data: a {dtype} tensor on {tensor.device} has no values NumPy can read; pass "
            "data.float().cpu()"
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


# One form


def _two_dimensional(array: NDArray[Any]) -> NDArray[Any]:
    """Refuse what holds no numbers or has no rows; make a vector one column."""
    dtype = array.dtype
    if dtype.kind not in "biuf" and not dtype.name.startswith(LOW_PRECISION):
        held, cure = REFUSED.get(dtype.kind, ("no numbers", TEXT[1]))
        raise InputError(f"data: holds {held} (dtype {dtype}); {cure}")
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        cure = "x.reshape(len(x), -1)" if array.ndim else "one row per observation"
        raise InputError(f"data: must have shape (n, d); got shape {array.shape}; pass {cure}")
    n, d = array.shape
    if n == 0 or d == 0:
        raise InputError(f"data: is empty, shape ({n}, {d}); pass at least {MINIMUM_ROWS} rows")
    if n < MINIMUM_ROWS:
        raise InputError(f"data: has {n} rows of {d} values; pass at least {MINIMUM_ROWS} rows")
    return array


def _as_float(
    array: NDArray[Any], dtype: str
) -> tuple[NDArray[np.floating[Any]], tuple[Finding, ...]]:
    """Make it float32 or float64; what is already is not copied."""
    findings: tuple[Finding, ...] = ()
    if any(part.startswith(LOW_PRECISION) for part in dtype.split(", ")):
        message = f"Values came as {dtype}: rounding makes ties and may itself be detected."
        findings = (Finding("low-precision", message),)
    if array.dtype.name.startswith(LOW_PRECISION):
        return array.astype(np.float32), findings
    if array.dtype.kind in "biu":
        x = array.astype(np.float64)
        return x, findings + (rounding(x, "data") if array.dtype.itemsize == 8 else ())
    if array.dtype.itemsize > 8:
        message = f"Values came as {dtype} and were rounded to float64."
        with np.errstate(over="ignore"):  # becomes inf, which the scan reports
            return array.astype(np.float64), (Finding("longdouble", message),)
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array if array.flags.aligned else array.copy(), findings


# One look


class _Scan(NamedTuple):
    low: NDArray[np.floating[Any]]
    high: NDArray[np.floating[Any]]
    finite: NDArray[np.bool_]  # per row
    keys: NDArray[np.float64]  # equal for equal rows
    whole: bool  # every value is an integer


def _chunks(n: int, d: int) -> Iterator[slice]:
    step = max(1, CELLS // d)
    return (slice(start, start + step) for start in range(0, n, step))


def _scan(x: NDArray[np.floating[Any]]) -> _Scan:
    """Go over the rows once.

    A row's key is a weighted sum of it. Rows are laid out in the same way in every chunk, so
    that equal rows are summed in the same order and their keys are equal to the last bit.
    """
    n, d = x.shape
    low, high = np.full(d, np.inf, x.dtype), np.full(d, -np.inf, x.dtype)
    finite, keys = np.ones(n, np.bool_), np.empty(n, np.float64)
    whole = True
    weights = np.random.default_rng(0).uniform(0.5, 1.0, d) / _scale(x)  # no randomness wanted
    for rows in _chunks(n, d):
        chunk = np.ascontiguousarray(x[rows])
        least, most = chunk.min(axis=0), chunk.max(axis=0)
        if not (np.isfinite(least).all() and np.isfinite(most).all()):
            finite[rows] = np.isfinite(chunk).all(axis=1)
        np.minimum(low, least, out=low)
        np.maximum(high, most, out=high)
        with np.errstate(all="ignore"):
            keys[rows] = np.multiply(chunk, weights, dtype=np.float64).sum(axis=1)
        whole = whole and bool((chunk == np.floor(chunk)).all())
    return _Scan(low, high, finite, keys, whole)


def _scale(x: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Rough size of each column, so that no column drowns the others in a key."""
    head = np.abs(x[:64].astype(np.float64))
    size = np.where(np.isfinite(head), head, 0.0).max(axis=0)
    return np.where(size > TINY, size, 1.0)


def _finite_rows(
    x: NDArray[np.floating[Any]],
    finite: NDArray[np.bool_],
    names: tuple[str, ...] | None,
    nonfinite: str,
) -> tuple[NDArray[np.floating[Any]], Finding]:
    n, bad = len(finite), int(np.count_nonzero(~finite))
    row = int(np.argmin(finite))
    column = int(np.argmin(np.isfinite(x[row])))
    label = repr(names[column]) if names else column
    verb = "is" if bad == 1 else "are"
    found = f"{bad} of {n} rows {verb} not finite (first: row {row}, column {label})"
    if nonfinite == "error":
        raise InputError(f"data: {found}; pass nonfinite='drop' to test the others")
    if n - bad < MINIMUM_ROWS:
        raise InputError(f"data: {found}; at least {MINIMUM_ROWS} finite rows are needed")
    return x[finite], Finding("nonfinite-rows", f"{found} and were dropped.", bad)


def _room_for_squares(
    x: NDArray[np.floating[Any]], scan: _Scan
) -> tuple[NDArray[np.floating[Any]], tuple[Finding, ...]]:
    """Widen float32 whose sum of squares could overflow; float64 has nowhere to go."""
    largest = float(max(scan.high.max(), -scan.low.min()))
    if largest <= math.sqrt(float(np.finfo(x.dtype).max) / x.size):
        return x, ()
    if x.dtype == np.float64 and largest > math.sqrt(float(np.finfo(np.float64).max) / x.size):
        raise InputError(f"data: values up to {largest:.3g} overflow when squared; rescale them")
    message = f"Values up to {largest:.3g} overflow float32 when squared and became float64."
    return x.astype(np.float64), (Finding("large-values", message),)


def _look(
    x: NDArray[np.floating[Any]], scan: _Scan, names: tuple[str, ...] | None
) -> list[Finding]:
    """Say what looks wrong with the data, whatever the target."""
    n, d = x.shape
    findings = []
    constant = np.flatnonzero(scan.low == scan.high)
    if constant.size:
        held = listing([repr(names[j]) if names else int(j) for j in constant])
        message = f"{constant.size} of {d} columns are constant: {held}."
        findings.append(Finding("constant-columns", message, int(constant.size)))
    if repeats := _repeats(x, scan.keys):
        message = f"{repeats} of {n} rows repeat an earlier row exactly."
        findings.append(Finding("duplicate-rows", message, repeats))
    if n <= d:
        message = (
            f"{n} rows in {d} dimensions: the sample covariance is singular, so nothing that "
            f"needs its inverse can be estimated with fewer than {d + 1} rows."
        )
        findings.append(Finding("few-rows", message, n))
    if scan.whole:
        count = _distinct(x, float(scan.low.min()), float(scan.high.max()))
        number = f"{count} or more" if count == DISTINCT else str(count)
        message = f"All values are integers ({number} distinct), which no continuous target has."
        findings.append(Finding("integer-data", message, count))
    return findings


def _repeats(x: NDArray[np.floating[Any]], keys: NDArray[np.float64]) -> int:
    """Rows equal to the row before them in the order of the keys."""
    ordered = np.sort(keys)
    if not np.any(ordered[1:] == ordered[:-1]):
        return 0
    order = np.argsort(keys, kind="stable")
    tied = np.flatnonzero(keys[order[1:]] == keys[order[:-1]])
    count = 0
    for part in _chunks(len(tied), x.shape[1]):
        here = tied[part]
        count += int((x[order[here]] == x[order[here + 1]]).all(axis=1).sum())
    return count


def _distinct(x: NDArray[np.floating[Any]], low: float, high: float) -> int:
    """Count the distinct integers, up to `DISTINCT`."""
    n, d = x.shape
    if high - low < LOOKUP:
        seen = np.zeros(int(high - low) + 1, np.bool_)
        for rows in _chunks(n, d):
            seen[(x[rows] - low).astype(np.intp)] = True
        return min(int(seen.sum()), DISTINCT)
    found = np.empty(0, x.dtype)
    for rows in _chunks(n, d):
        found = np.union1d(found, x[rows])
        if len(found) >= DISTINCT:
            return DISTINCT
    return len(found)
