"""Maps of a sample that leave a statistic unchanged: their names, words and what each implies.

Every test declares its maps (`Spec.invariances`). tests/catalogue/test_invariance.py holds that a
statistic keeps its value under all that its row declares, and loses it under every other one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple, TypeAlias

Invariance: TypeAlias = Literal[
    "row-order",
    "row-signs",
    "row-lengths",
    "row-rotations",
    "column-order",
    "column-reflections",
    "column-scales",
    "column-ranks",
    "reflection",
    "shift",
    "scale",
    "rotation",
    "triangular",
    "affine",
    "exchange",
]


class Maps(NamedTuple):
    """A set of maps of the rows x of a sample."""

    words: str
    implies: tuple[Invariance, ...] = ()


MAPS: dict[Invariance, Maps] = {
    "row-order": Maps("another order of the rows"),
    "row-signs": Maps("a sign for each row", ("reflection",)),
    "row-lengths": Maps("a positive factor for each row", ("scale",)),
    "row-rotations": Maps("a rotation for each row", ("row-signs", "rotation")),
    "column-order": Maps("another order of the columns"),
    "column-reflections": Maps("reflections of single columns", ("reflection",)),
    "column-scales": Maps("a positive factor for each column", ("scale",)),
    "column-ranks": Maps("an increasing map for each column", ("column-scales", "shift")),
    "reflection": Maps("-x (in the cube 1 - x)"),
    "shift": Maps("x + a"),
    "scale": Maps("c x with c > 0"),
    "rotation": Maps("Q x with Q orthogonal", ("column-order", "column-reflections")),
    "triangular": Maps(
        "L x + a with L lower triangular of positive diagonal", ("column-scales", "shift")
    ),
    "affine": Maps("A x + a with A of full rank", ("rotation", "triangular")),
    "exchange": Maps("the exchange of the two samples"),
}


def implied(names: Iterable[Invariance]) -> frozenset[Invariance]:
    """Return these maps and all that they contain, and the order of rows."""
    todo: list[Invariance] = ["row-order", *names]
    found: set[Invariance] = set()
    while todo:
        name = todo.pop()
        found.add(name)
        todo += MAPS[name].implies
    return frozenset(found)


def spoken(names: Iterable[Invariance]) -> str:
    """Return a clause for readers: the order of rows, and the words of these maps."""
    return "; ".join(MAPS[name].words for name in ("row-order", *names))
