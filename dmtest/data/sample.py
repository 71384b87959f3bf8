"""Validation: the only place where a caller's data becomes a `Sample` or an `InputError`.

float32 and float64 data are never copied, and every pass over them is in chunks of rows, so that
a memory-mapped file larger than the memory stays on disk.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest.data.groups import Groups, as_groups, find_groups, label_values
from dmtest.data.inspection import Scan, check_range, findings_in, scan
from dmtest.data.labels import Labels, as_labels
from dmtest.data.load import read
from dmtest.data.readers.columns import Columns, as_list, rounding
from dmtest.data.readers.objects import LOW_PRECISION, from_object
from dmtest.data.structure import structural_findings
from dmtest.errors import InputError
from dmtest.results.outcome import Finding

MINIMUM_ROWS = 8
# What to do with fewer rows.
CURE_OF_FEW = (
    f"pass at least {MINIMUM_ROWS} rows, or rank single rows among a reference (docs: limits)"
)
TEXT = ("text", "convert it with x.astype(float)")
REFUSED = {  # kind of dtype: its name and the cure
    "O": ("Python objects", "convert it with np.asarray(x, dtype=float)"),
    "c": ("complex numbers", "pass both parts side by side, np.hstack([x.real, x.imag])"),
    "M": ("dates", "leave them out, or pass time differences as numbers"),
    "m": ("time differences", "divide by a unit, such as x / np.timedelta64(1, 's')"),
    "V": ("records", "convert it with numpy.lib.recfunctions.structured_to_unstructured"),
    **dict.fromkeys("SUT", TEXT),
}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Validated rows: finite, two-dimensional, float and read-only.

    Attributes
    ----------
    x : ndarray of shape (n, d)
        float32 or float64, row after row in memory; a view of the caller's memory or file where
        possible.
    names : tuple of str or None
        Column names, if the data had any.
    dtype : str
        Type of the data as passed in, such as ``"bfloat16"``.
    source : str or None
        File that the data came from.
    findings : tuple of Finding
        Facts about the data that matter for every result.
    groups : Groups or None
        The group of every row, where rows of one group depend on each other.
    labels : Labels or None
        The class of every row.
    places : ndarray or None
        Indices of the rows in the data as passed in; None where no row was left out.
    """

    x: NDArray[np.floating[Any]] = field(repr=False)
    names: tuple[str, ...] | None = None
    dtype: str = "float64"
    source: str | None = None
    findings: tuple[Finding, ...] = ()
    groups: Groups | None = None
    labels: Labels | None = None
    places: NDArray[np.intp] | None = None

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
    groups: Any = None,
    labels: Any = None,
    by: str = "labels",
) -> Sample:
    """Validate data and convert it to the one form that everything else computes with.

    Parameters
    ----------
    data : Sample, path, array, tensor, data frame, Arrow table or list of lists
        n rows of d numbers; one dimension is n x 1. Integers and booleans become float64,
        half precision becomes float32. A frame's index is not data, and its nulls are NaN.
    key : str, optional
        Name of the array in an archive, or of the column of lists in a table.
    columns : str, int or iterable of them, optional
        Names or 0-based positions of the columns to keep.
    nonfinite : {"error", "drop"}
        Whether rows with a NaN or an infinity are an error or are dropped. Dropping copies the
        other rows.
    groups : array_like or str, optional
        Label of every row; rows of one label depend on each other. Or the name of the column or
        array of `data` that holds the labels, or of a file of labels.
    labels : array_like or str, optional
        Class of every row, or a name as for `groups`.
    by : str
        The argument that gave `labels`; errors begin with it.

    Returns
    -------
    Sample
        The data, with findings about changes and irregularities. float32 values whose sum of
        squares could overflow become float64.

    Raises
    ------
    InputError
        If the data cannot be used. The message says why, and the cure.
    """
    if nonfinite not in ("error", "drop"):
        raise InputError(f"nonfinite: must be 'error' or 'drop'; got {nonfinite!r}")
    if isinstance(data, Sample):
        if labels is not None:
            return replace(as_sample(data, groups=groups), labels=as_labels(labels, data.n, by))
        if key is not None or columns is not None:
            raise InputError(
                "columns: data is a Sample already; pass key and columns to the first as_sample"
            )
        if groups is not None:
            return replace(data, groups=as_groups(groups, data.n))
        return data
    name = members = of_labels = None
    chosen = columns
    if groups is not None:
        data, members, columns, name = find_groups(data, groups, key, chosen)
    if labels is not None:
        data, labels, others, of_labels = find_groups(data, labels, key, chosen, by)
        if chosen is None and columns is not None and others is not None:
            columns = [one for one in as_list(columns) if one in as_list(others)]
        else:
            columns = others or columns
    collect = read if isinstance(data, (str, os.PathLike)) else from_object
    loaded = collect(data, key, columns)
    dtype = loaded.dtype or loaded.array.dtype.name
    array = _two_dimensional(loaded.array)
    x, changes = as_float(array, dtype)
    grouped = None if groups is None else as_groups(members, len(x), name)
    values = None if labels is None else label_values(labels, len(x), by)
    summary, places = scan(x), None
    if not summary.finite.all():
        x, finding = _finite_rows(x, summary.finite, loaded.names, nonfinite)
        grouped = None if grouped is None else grouped.where(summary.finite)
        values = None if values is None else values[summary.finite]
        places = np.flatnonzero(summary.finite)
        changes, summary = (*changes, finding), scan(x)
    classes = None if values is None else as_labels(values, len(x), by, of_labels)
    check_range(summary.low, summary.high, "data", loaded.names)
    x, widening = _room_for_squares(x, summary)
    view = x.view()
    view.flags.writeable = False
    irregularities = _irregularities(view, summary, loaded.names)
    findings = (*loaded.findings, *changes, *widening, *irregularities)
    source = loaded.source or None
    return Sample(view, loaded.names, dtype, source, findings, grouped, classes, places)


def _irregularities(
    x: NDArray[Any], summary: Scan, names: tuple[str, ...] | None
) -> tuple[Finding, ...]:
    findings = findings_in(x, summary, names)
    repeats = sum(one.count or 0 for one in findings if one.code == "duplicate-rows")
    return (*findings, *structural_findings(x, names, repeats))


def rows_of_class(sample: Sample, code: int) -> Sample:
    """Return the rows of one class, with findings of their own and without labels."""
    assert sample.labels is not None
    chosen = sample.labels.codes == code
    x = np.ascontiguousarray(sample.x[chosen])
    x.flags.writeable = False
    places = np.flatnonzero(chosen) if sample.places is None else sample.places[chosen]
    return replace(
        sample,
        x=x,
        findings=_irregularities(x, scan(x), sample.names),
        groups=None if sample.groups is None else sample.groups.where(chosen),
        labels=None,
        places=places,
    )


def one_row_each(sample: Sample, seed: int, draw: int = 0) -> Sample:
    """Return one row of each group, drawn at random; the sample itself where it has no groups.

    Raises
    ------
    InputError
        If there are too few groups.
    """
    groups = sample.groups
    if groups is None:
        return sample
    if groups.count < MINIMUM_ROWS:
        raise InputError(
            f"groups: {sample.n} rows in {groups.count} groups are {groups.count} independent "
            f"rows; at least {MINIMUM_ROWS} groups are needed"
        )
    view = sample.x[groups.draw(seed, draw)]
    view.flags.writeable = False
    text = (
        f"{sample.n:,} rows in {groups.count:,} groups: tests use one row of each group, drawn at "
        f"random with the seed of the run."
    )
    note = Finding("groups", text, groups.count)
    return replace(sample, x=view, groups=None, findings=(note, *sample.findings))


def _two_dimensional(array: NDArray[Any]) -> NDArray[Any]:
    """Refuse data without numbers or rows; turn a vector into one column."""
    dtype = array.dtype
    if dtype.kind not in "biuf" and not dtype.name.startswith(LOW_PRECISION):
        content, cure = REFUSED.get(dtype.kind, ("no numbers", TEXT[1]))
        raise InputError(f"data: holds {content} (dtype {dtype}); {cure}")
    if array.ndim == 1:
        array = array.reshape(-1, 1)
    if array.ndim != 2:
        cure = "x.reshape(len(x), -1)" if array.ndim else "one row per observation"
        raise InputError(f"data: must have shape (n, d); got shape {array.shape}; pass {cure}")
    n, d = array.shape
    if n == 0 or d == 0:
        raise InputError(f"data: is empty, shape ({n}, {d}); pass at least {MINIMUM_ROWS} rows")
    if n < MINIMUM_ROWS:
        rows, values = "row" if n == 1 else "rows", "value" if d == 1 else "values"
        raise InputError(f"data: has {n} {rows} of {d} {values}; {CURE_OF_FEW}")
    return array


def as_float(
    array: NDArray[Any], dtype: str
) -> tuple[NDArray[np.floating[Any]], tuple[Finding, ...]]:
    """Convert to float32 or float64, row after row in memory.

    An array of one of these types whose rows are whole is not copied. The bits of sums depend on
    the order in memory, which is that of the columns in most data frames.
    """
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
    array = array if array.flags.aligned else array.copy()
    whole = array.strides[1] == array.itemsize and array.strides[0] >= array.strides[1]
    if array.flags.c_contiguous or whole:
        return array, findings
    return np.ascontiguousarray(array), findings


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
    problem = f"{bad} of {n} rows {verb} not finite (first: row {row}, column {label})"
    if nonfinite == "error":
        raise InputError(f"data: {problem}; pass nonfinite='drop' to test the others")
    if n - bad < MINIMUM_ROWS:
        raise InputError(f"data: {problem}; at least {MINIMUM_ROWS} finite rows are needed")
    return x[finite], Finding("nonfinite-rows", f"{problem} and were dropped.", bad)


def _room_for_squares(
    x: NDArray[np.floating[Any]], summary: Scan
) -> tuple[NDArray[np.floating[Any]], tuple[Finding, ...]]:
    """Widen float32 whose sum of squares could overflow."""
    largest = float(max(summary.high.max(), -summary.low.min()))
    if largest <= math.sqrt(float(np.finfo(x.dtype).max) / x.size):
        return x, ()
    message = f"Values up to {largest:.3g} overflow float32 when squared and became float64."
    return x.astype(np.float64), (Finding("large-values", message),)
