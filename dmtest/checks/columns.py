"""Columns that an encoder has lost: constant ones, and copies of others.

They are found before anything is tested, because little can be computed from them; tests run on
the other columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmtest.checks.changes import columns_of
from dmtest.data.sample import Sample
from dmtest.render.wording import number
from dmtest.results.check import CheckRow
from dmtest.results.report import Report
from dmtest.targets.ranks import Ranks
from dmtest.targets.targets import AnyNormal, Normal, Product, Target, Uniform

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
    places = columns_of(x.shape[1], names)
    known = {} if then is None else _defects(then)
    lost = []
    for j, source in _defects(x).items():
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
    constant = x.max(axis=0) == x.min(axis=0)
    first: dict[bytes, int] = {}
    defects: dict[int, int | None] = {}
    for j in range(x.shape[1]):
        if constant[j]:
            defects[j] = None
            continue
        source = first.setdefault((np.ascontiguousarray(x[:, j]) + 0.0).tobytes(), j)
        if source != j:
            defects[j] = source
    return defects


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


def same_for_fewer_columns(target: Target) -> bool:
    """Whether the target of some of the columns is the target itself."""
    if isinstance(target, Normal):
        return target.mean is None and target.cov is None
    if isinstance(target, Uniform):
        return target.low.ndim == target.high.ndim == 0
    if isinstance(target, Product):
        return not isinstance(target.margins, tuple)
    return isinstance(target, AnyNormal | Ranks)


def report_of_lost(sample: Sample, target: Target, lost: Sequence[Lost], level: float) -> Report:
    """Return the report on a sample of which no column is left to test."""
    names = ", ".join(one.name for one in lost[:NAMED])
    return Report(
        verdict="mismatch",
        pvalue=0.0,
        pvalue_method=f"exact: the target gives no constant or equal columns ({names})",
        alpha=level,
        target=target.name,
        n=sample.n,
        d=sample.d,
        seed=0,
    )
