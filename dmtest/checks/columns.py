"""Columns that an encoder has lost: constant ones, and copies of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmtest.data.structure import constant_columns, repeated_columns
from dmtest.effects.coordinates import column_names
from dmtest.render.wording import number
from dmtest.results.check import CheckRow

# Most columns that a sentence names.
NAMED = 5


@dataclass(frozen=True, slots=True)
class Lost:
    """A column without information of its own, and the sentence about it."""

    column: int
    name: str
    sentence: str


def lost_columns(
    x: NDArray[np.floating], then: NDArray[np.floating] | None, names: Sequence[str] | None
) -> list[Lost]:
    """Find columns that are constant or equal to an earlier one, and are not in the baseline.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Fresh rows.
    then : ndarray, shape (m, d), or None
        Rows of the baseline.
    names : sequence of str, optional
        Names of the columns.
    """
    places = column_names(names, x.shape[1])
    known = {} if then is None else _defects(then)
    lost = []
    for j, source in sorted(_defects(x).items()):
        if j in known and (known[j] is None) == (source is None):
            continue
        spread = "" if then is None else f"; in the baseline its sd is {number(_sd(then[:, j]))}"
        what = f"is constant ({number(float(x[0, j]))})"
        if source is not None:
            what = f"equals column {places[source]} in every row"
            spread = "" if then is None else "; in the baseline it does not"
        lost.append(Lost(j, places[j], f"Column {places[j]} {what}{spread}."))
    return lost


def _sd(column: NDArray[np.floating]) -> float:
    return float(column.std(dtype=np.float64))


def _defects(x: NDArray[np.floating]) -> dict[int, int | None]:
    """Return columns that are constant (None) or equal to an earlier column (its position)."""
    constant = constant_columns(x)
    varying = np.setdiff1d(np.arange(x.shape[1]), constant)
    return dict.fromkeys(constant.tolist()) | repeated_columns(x, varying)


def columns_row(lost: Sequence[Lost]) -> CheckRow:
    """Fail if columns were lost, and name them."""
    sentence = "Every column varies, and none repeats another that it did not repeat before."
    if lost:
        sentence = " ".join(one.sentence for one in lost[:NAMED])
        if len(lost) > NAMED:
            sentence += f" So do {len(lost) - NAMED} more columns."
    return CheckRow(
        name="columns",
        kind="columns",
        label="Columns",
        passed=not lost,
        message=sentence,
        value=float(len(lost)),
        unit="lost",
        where=", ".join(one.name for one in lost[:NAMED]),
    )
