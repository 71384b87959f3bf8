"""Classes of rows, for a report on each class: labels, their names, and what is no class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.groups import label_values
from dmtest.errors import InputError

FEWEST = 8  # rows of a class: those of a report
MOST = 1000  # classes, each of which gets a report
CONTINUOUS = 10  # most classes whose labels have fractions


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """The class of every row.

    Attributes
    ----------
    codes : ndarray, shape (n,)
        Number of the class of every row, from 0.
    names : tuple of str
        Names of the classes: numbers in ascending order, text in alphabetical order.
    name : str or None
        Column, key or file of the labels; None for an array.
    """

    codes: NDArray[np.intp]
    names: tuple[str, ...]
    name: str | None = None

    @property
    def counts(self) -> NDArray[np.intp]:
        """Rows of every class."""
        return np.bincount(self.codes, minlength=len(self.names))

    @property
    def entropy(self) -> float:
        """Entropy of the shares of the classes, in nats."""
        shares = self.counts / len(self.codes)
        return float(-(shares * np.log(shares)).sum())


def as_labels(labels: Any, n: int, what: str, name: str | None = None) -> Labels:
    """Check the classes of n rows; errors begin with `what`.

    Raises
    ------
    InputError
        If there is not one label for each row, if a label is missing, if all rows have the same,
        if labels look continuous, or if a class has fewer than 8 rows (the class is named).
    """
    values = label_values(labels, n, what)
    if values.dtype.kind == "O" and len({type(one) for one in values.tolist()}) > 1:
        values = np.array([str(one) for one in values.tolist()])
    try:
        distinct, codes = np.unique(values, return_inverse=True)
    except TypeError:
        raise InputError(f"{what}: labels have to be numbers or text; got lists") from None
    count = len(distinct)
    if count == 1:
        raise InputError(
            f"{what}: all {n} rows have the label {str(distinct[0])!r}; pass labels of two classes "
            f"or more, or leave {what} out"
        )
    numbers = _numbers(distinct)
    fractions = numbers is not None and bool((numbers % 1.0 != 0.0).any())
    if count > n // 2 or (fractions and count > CONTINUOUS):
        kind = "continuous values" if fractions else "names of rows"
        raise InputError(
            f"{what}: has {count:,} distinct values in {n:,} rows, which are {kind} and no "
            f"classes; pass the class of every row, such as np.digitize(values, cuts)"
        )
    if count > MOST:
        raise InputError(
            f"{what}: has {count:,} classes; a report on each takes at most {MOST:,}, so join some"
        )
    names = [_text(one) for one in distinct.tolist()]
    if numbers is not None:  # as numbers also where a file of text holds them
        order = np.argsort(numbers, kind="stable")
        codes = np.argsort(order)[codes]
        names = [names[i] for i in order]
    found = Labels(codes.astype(np.intp), tuple(names), name)
    few = int(found.counts.argmin())
    if found.counts[few] < FEWEST:
        rows = int(found.counts[few])
        raise InputError(
            f"{what}: class {names[few]!r} has {rows} {'row' if rows == 1 else 'rows'}, and a "
            f"report takes {FEWEST}; join it with another class, or leave its rows out"
        )
    return found


def _text(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _numbers(distinct: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return the labels as finite numbers; None for text and dates."""
    if distinct.dtype.kind in "mM":
        return None
    try:
        numbers = distinct.astype(np.float64)
    except (TypeError, ValueError):
        return None
    return numbers if np.isfinite(numbers).all() else None
