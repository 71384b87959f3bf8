"""Groups of rows that depend on each other, such as views of one item: labels and draws."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.load import read
from dmtest.data.readers.columns import Columns, Loaded, listing
from dmtest.data.readers.formats import NAMED, by_suffix
from dmtest.data.readers.objects import from_torch
from dmtest.data.readers.remote import is_url
from dmtest.errors import InputError
from dmtest.runtime.streams import stream

Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Groups:
    """The group of every row; rows of different groups are independent.

    Attributes
    ----------
    codes : ndarray, shape (n,)
        Number of the group of every row, from 0.
    count : int
        Number of groups.
    name : str or None
        Column, key or file of the labels; None for an array.
    """

    codes: Codes
    count: int
    name: str | None = None

    @property
    def largest(self) -> int:
        """Rows of the largest group."""
        return int(np.bincount(self.codes).max())

    def where(self, kept: NDArray[np.bool_]) -> Groups:
        """Return the groups of the rows that are kept."""
        codes = np.unique(self.codes[kept], return_inverse=True)[1]
        return Groups(codes.astype(np.intp), int(codes.max(initial=-1)) + 1, self.name)

    def draw(self, seed: int, number: int = 0) -> Codes:
        """Return the indices of one random row of each group, in ascending order.

        Draws 0, 1, ... take the rows of a group in turn, so that g draws use every row of a
        group of g rows once.
        """
        n = len(self.codes)
        order = stream(seed, "groups/rows").permutation(n)
        order = order[np.argsort(self.codes[order], kind="stable")]
        sizes = np.bincount(self.codes, minlength=self.count)
        starts = np.cumsum(sizes) - sizes
        return np.asarray(np.sort(order[starts + number % sizes]), dtype=np.intp)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over the rows of each group: (n, k) to (count, k)."""
        columns = [np.bincount(self.codes, column, self.count) for column in values.T]
        return np.stack(columns, axis=1)


def as_groups(labels: Any, n: int, name: str | None = None) -> Groups | None:
    """Check the labels of n rows; None where every row has a group of its own.

    Raises
    ------
    InputError
        If there is not one label for each row, a label is missing, or all rows are in one group.
    """
    values = label_values(labels, n, "groups")
    if values.dtype.kind == "O":  # labels of several types cannot be sorted
        numbers: dict[Any, int] = {}
        try:
            codes = np.array([numbers.setdefault(one, len(numbers)) for one in values.tolist()])
        except TypeError:
            raise InputError("groups: labels have to be numbers or text; got lists") from None
        count = len(numbers)
    else:
        distinct, codes = np.unique(values, return_inverse=True)
        count = len(distinct)
    if count == 1:
        raise InputError(
            f"groups: all {n} rows are in one group, so no two are independent; pass the item of "
            f"every row, or leave groups out where rows are independent"
        )
    return None if count == n else Groups(codes.astype(np.intp), count, name)


def label_values(labels: Any, n: int, what: str) -> NDArray[Any]:
    """Return one label for each of n rows, none of them missing; errors begin with `what`.

    Raises
    ------
    InputError
        If there is not one label for each row, or a label is missing.
    """
    values = _labels(labels, what)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.shape != (n,):
        raise InputError(
            f"{what}: has shape {values.shape} for data of {n} rows; pass one label for each row"
        )
    missing = _missing(values)
    if missing.any():
        count = int(missing.sum())
        raise InputError(
            f"{what}: {count} of {n} labels {'is' if count == 1 else 'are'} missing (first: row "
            f"{int(missing.argmax())}); give such rows a label of their own, or leave them out"
        )
    return values


def _labels(labels: Any, what: str) -> NDArray[Any]:
    if any(base.__module__.partition(".")[0] == "torch" for base in type(labels).__mro__):
        return from_torch(labels, what).array
    try:
        return np.asarray(labels)
    except ValueError as problem:
        raise InputError(f"{what}: cannot become an array ({problem}); pass one label a row") from (
            problem
        )


def _missing(values: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind in "fc":
        return np.asarray(np.isnan(values))
    if values.dtype.kind in "mM":
        return np.asarray(np.isnat(values))
    if values.dtype.kind != "O":
        return np.zeros(values.shape, np.bool_)
    # NaN and pandas' missing value differ from themselves or are not comparable.
    absent = [one is None or type(one).__name__ == "NAType" or one != one for one in values]
    return np.array(absent, dtype=np.bool_)


def find_groups(
    data: Any, groups: Any, key: str | None, columns: Columns | None, what: str = "groups"
) -> tuple[Any, Any, Columns | None, str | None]:
    """Find labels that are named; an array of labels is returned as it is.

    Parameters
    ----------
    data : array, frame or path
    groups : array_like or str
        Labels, or the name of a column of a table, of an array in an archive, or of another file.
    key, columns
        As for :func:`dmtest.report`.
    what : str
        The argument that holds the labels; errors begin with it.

    Returns
    -------
    data : object
        Without the column of labels.
    labels : array_like
    columns : Columns or None
        Without the column of labels.
    name : str or None
        The name, if there was one.
    """
    if isinstance(groups, os.PathLike):
        groups = os.fspath(groups)
    if not isinstance(groups, str):
        return data, groups, columns, None
    if is_url(groups) or os.path.exists(groups):
        return data, _one_column(read(groups), groups, what), columns, groups
    if isinstance(data, str | os.PathLike):
        loaded = _named_in_file(data, groups, key, what)
        if columns is None and loaded.names is not None:
            columns = [name for name in loaded.names if name != groups]
        return data, _one_column(loaded, groups, what), columns, groups
    if not hasattr(data, "columns"):
        raise InputError(
            f"{what}: got the name {groups!r}, but the data has no names; pass an array with one "
            f"label for each row"
        )
    names = list(getattr(data, "column_names", data.columns))
    if groups not in names:
        known = listing(map(repr, names))
        raise InputError(f"{what}: there is no column {groups!r}; choose from {known}")
    if hasattr(data, "iloc"):  # pandas
        return data.drop(columns=[groups]), data[groups].to_numpy(), columns, groups
    if hasattr(data, "drop_columns"):  # Arrow
        labels = data.column(groups).to_numpy()
        return data.drop_columns([groups]), labels, columns, groups
    return data.drop([groups]), data[groups].to_numpy(), columns, groups  # polars


def _one_column(loaded: Loaded, name: str, what: str) -> NDArray[Any]:
    array = loaded.array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise InputError(
            f"{what}: {name!r} has shape {array.shape}; name an array with one label for each row"
        )
    return array


def _named_in_file(path: str | os.PathLike[str], name: str, key: str | None, what: str) -> Loaded:
    """Read a column of a table, with the names of the columns that hold data; or an array."""
    kind = by_suffix(os.fspath(path))
    try:
        if kind is not None and kind.columns != NAMED and not kind.key:
            raise InputError(
                f"{os.fspath(path)} is {kind.note} and has no names; pass another file of labels"
            )
        if kind is None or kind.columns == NAMED:
            split = key if kind is None else None  # of a folder of datasets
            return read(path, split, labels=name)
        return read(path, name)
    except InputError as problem:
        text = str(problem).removeprefix("key: ").removeprefix("columns: ")
        raise InputError(f"{what}: {text}") from None
