"""Every test keeps its value under the maps that its row declares, and under no other one.

Tolerances, relative: 1e-8 in float64, with maps of condition 100 and far shifts; 1e-5 in float32,
whose rows are rounded after the map, with maps of condition 5. A statistic of ranks among a large
draw moves by a whole rank where float32 makes ties: 5e-3. Far p-values may differ ten times as
much. A map that is not declared has to change the value of one of two samples by 1e-5.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.catalogue.invariances import MAPS, Invariance, implied
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import SliceTest, Spec
from tests.support.references import label
from tests.support.samples import mixing, unit

pytestmark = pytest.mark.usefixtures("no_cache")

N, D = 100, 4
Map = Callable[[np.ndarray, np.random.Generator, float], np.ndarray]
MIDDLE = {"cube": 0.5}  # where a space is reflected


def triangular(x: np.ndarray, rng: np.random.Generator, condition: float) -> np.ndarray:
    """Map by a lower triangle with a positive diagonal, which moves no slice's direction."""
    factor = np.tril(rng.standard_normal((D, D)))
    factor[np.diag_indices(D)] = np.geomspace(1.0 / condition, condition, D)
    return np.asarray(x @ factor.T + condition * np.array([10.0, 0.0, -0.05, 0.5]))


def rotations(x: np.ndarray, rng: np.random.Generator, condition: float) -> np.ndarray:
    """Rotate each row on its own."""
    return np.stack([row @ mixing(rng, D, 1.0) for row in x])


# A map of rows, its random numbers, and how far it may go. Reflections are at 0.
OF_ROWS: dict[Invariance, Map] = {
    "row-order": lambda x, rng, c: x[rng.permutation(len(x))],
    "row-signs": lambda x, rng, c: x * rng.choice([-1.0, 1.0], (len(x), 1)),
    "row-lengths": lambda x, rng, c: x * rng.uniform(1.0, c, (len(x), 1)),
    "row-rotations": rotations,
    "column-order": lambda x, rng, c: x[:, [2, 0, 3, 1]],
    "column-reflections": lambda x, rng, c: x * [1.0, -1.0, -1.0, 1.0],
    "column-scales": lambda x, rng, c: x * [1.0, c, 1.0 / c, 5.0],
    "column-ranks": lambda x, rng, c: np.sinh(x) + x,
    "reflection": lambda x, rng, c: -x,
    "shift": lambda x, rng, c: x + np.array([c, -3.0, 0.0, 1.0]),
    "scale": lambda x, rng, c: c * x,
    "rotation": lambda x, rng, c: x @ mixing(rng, D, 1.0),
    "triangular": triangular,
    "affine": lambda x, rng, c: x @ mixing(rng, D, c) + np.array([c, -3.0, 0.0, 1.0]),
}
# Maps after which a row is still a point of the space.
ANY = tuple(OF_ROWS)
STAY: dict[str, tuple[Invariance, ...]] = {
    "lines": ANY,
    "residuals": ANY,
    "normal": ANY,
    "cube": ("row-order", "column-order", "column-reflections", "reflection"),
    "sphere": (
        *("row-order", "row-signs", "column-order", "column-reflections", "reflection", "rotation"),
    ),
    "draws": ANY,
    "two-sample": (*ANY, "exchange"),
}


def draw(space: str, seed: int) -> np.ndarray:
    """Draw rows that are not of the null: skewed, dependent, off centre."""
    rng = np.random.default_rng(seed)
    if space == "cube":
        return rng.beta(1.3, 1.0, (N, D))
    x = rng.gamma(1.5, 1.0, (N, D)) @ (np.eye(D) + 0.3 * rng.standard_normal((D, D))) - 1.2
    return unit(x) if space == "sphere" else x


def outcome(
    row: Spec, name: Invariance | None, target: str, dtype: type, seed: int
) -> dmtest.Outcome:
    """Run the test on the sample after a map, or as it is."""
    condition = 100.0 if dtype is np.float64 else 5.0

    def view(z: np.ndarray, mapped: bool = True) -> np.ndarray:
        if name is None or name == "exchange" or not mapped:
            return z.astype(dtype)
        middle = MIDDLE.get(row.space, 0.0)
        moved = OF_ROWS[name](z - middle, np.random.default_rng(3), condition) + middle
        return np.asarray(moved, dtype=dtype)

    x, goal = draw(row.space, seed).astype(dtype).astype(np.float64), target
    mine: Any = x
    if row.space == "two-sample":  # the map is the same of both
        halves = (x[: N // 2], x[N // 2 :])
        first, mine = halves[::-1] if name == "exchange" else halves
        return dmtest.run_test(view(mine), row.name, dmtest.Reference(view(first)), **QUICK)
    if row.space == "draws":  # a map of single rows is of the sample only
        of_law = name is None or not name.startswith("row")

        def law(n: int, rng: np.random.Generator) -> np.ndarray:
            return view(rng.normal(size=(n, D)), of_law)

        return dmtest.run_test(view(mine), row.name, dmtest.Sampled(law), **QUICK)
    return dmtest.run_test(view(mine), row.name, goal, **QUICK)


QUICK: dict[str, Any] = {"replicates": 19, "rng": 0}


KEPT: dict[tuple[str, str, type, int], dmtest.Outcome] = {}


def before_and_after(
    row: Spec, name: Invariance, target: str, dtype: type, seed: int
) -> tuple[dmtest.Outcome, dmtest.Outcome]:
    """Run the test on the sample as it is, once for all maps, and after a map."""
    key = (label(row), target, dtype, seed)
    if key not in KEPT:
        KEPT[key] = outcome(row, None, target, dtype, seed)
    return KEPT[key], outcome(row, name, target, dtype, seed)


def tolerance(row: Spec, name: Invariance, dtype: type) -> float:
    """Return the relative tolerance, which the module's docstring states."""
    if dtype is np.float64:
        return 1e-10 if name == "row-order" else 1e-8
    return 5e-3 if row.space == "draws" else 1e-5


def targets(row: Spec) -> tuple[str, ...]:
    """Return the target of fitted and that of known parameters, or a row's own one."""
    return row.targets[:2] if isinstance(row, SliceTest) else row.targets[:1]


DECLARED = [
    pytest.param(row, name, target, id=f"{label(row)}-{name}-{target}")
    for row in ROWS
    for target in targets(row)
    for name in STAY[row.space]
    if name in implied(row.invariances_for(target))
]
OTHER = [
    pytest.param(row, name, target, id=f"{label(row)}-{name}-{target}")
    for row in ROWS
    for target in targets(row)
    for name in STAY[row.space]
    if name not in implied(row.invariances_for(target))
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("row", "name", "target"), DECLARED)
def test_it_does_not_depend_on(row: Spec, name: Invariance, target: str, dtype: type) -> None:
    """On the order of rows, and on what its row declares: neither the statistic nor p."""
    plain, mapped = before_and_after(row, name, target, dtype, 8)
    rtol = tolerance(row, name, dtype)
    assert_allclose(mapped.statistic, plain.statistic, rtol=rtol)
    # The labels that permutations give to rows, and a null with the sample's own correlations,
    # are others: the law of p is the same, p itself is not.
    if row.space not in ("two-sample", "draws") and not getattr(row, "coloured", False):
        assert_allclose(mapped.pvalue, plain.pvalue, rtol=10.0 * rtol)
    if row.space == "lines":
        assert_allclose(mapped.worst_statistic, plain.worst_statistic, rtol=rtol)
        assert mapped.worst_slice == plain.worst_slice


@pytest.mark.parametrize(("row", "name", "target"), OTHER)
def test_it_depends_on_all_others(row: Spec, name: Invariance, target: str) -> None:
    """A map that is not declared changes the statistic of some sample."""

    def moved(seed: int) -> float:
        plain, mapped = before_and_after(row, name, target, np.float64, seed)
        return abs(mapped.statistic / plain.statistic - 1.0)

    assert moved(8) > 1e-5 or moved(9) > 1e-5, (
        f"{label(row)} is not changed by {MAPS[name].words}: declare {name!r}"
    )


def test_every_map_is_tried() -> None:
    assert {name for names in STAY.values() for name in names} == set(MAPS)
    declared = {name for row in ROWS for name in implied(row.invariances)}
    assert declared == set(MAPS)


def test_a_declaration_that_is_too_strong_or_too_weak_is_noticed() -> None:
    row = next(row for row in ROWS if row.name == "mean")
    with pytest.raises(AssertionError):
        test_it_does_not_depend_on(row, "shift", "normal", np.float64)
    with pytest.raises(AssertionError, match="declare 'rotation'"):
        test_it_depends_on_all_others(row, "rotation", "normal")
