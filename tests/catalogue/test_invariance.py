"""Every row of the catalogue keeps its value under the maps that its target allows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import Spec
from tests.support.references import label
from tests.support.samples import mixing, unit

pytestmark = pytest.mark.usefixtures("no_cache")

N, D = 100, 4
Map = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def triangular(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Map by a lower triangle with a positive diagonal, which moves no slice's direction."""
    factor = np.tril(rng.standard_normal((D, D)))
    factor[np.diag_indices(D)] = [0.01, 1.0, 3.0, 100.0]
    return x @ factor.T + [1e3, 0.0, -5.0, 50.0]


MAPS: dict[str, Map] = {
    "order of rows": lambda x, rng: x[rng.permutation(len(x))],
    "order of columns": lambda x, rng: x[:, rng.permutation(D)],
    "signs of columns": lambda x, rng: x * [1.0, -1.0, -1.0, 1.0],
    "scales of columns": lambda x, rng: x * [1.0, 30.0, 0.1, 5.0],
    "shift": lambda x, rng: np.add(x, [100.0, -3.0, 0.0, 1.0]),
    "rotation": lambda x, rng: x @ mixing(rng, D, 1.0),
    "affine": lambda x, rng: x @ mixing(rng, D) + [100.0, -3.0, 0.0, 1.0],
    "triangular": triangular,
    "reflection": lambda x, rng: 1.0 - x,
}
OF_COLUMNS = ("shift", "order of columns", "signs of columns")
# What a space allows; rows that allow other maps have their own.
ALLOWED = {
    "lines": ("triangular",),
    "residuals": ("affine",),
    "normal": ("rotation",),
    "cube": ("order of columns", "reflection"),
    "sphere": ("rotation",),
    "two-sample": ("shift",),
    "draws": ("shift", "scales of columns"),
    # Of the columns as they come.
    "royston-residuals": (*OF_COLUMNS, "scales of columns"),
    "doornik-hansen-residuals": (*OF_COLUMNS, "scales of columns"),
    "generalised-shapiro-wilk-residuals": OF_COLUMNS,
    "energy-two-sample": ("shift", "rotation"),
    "mmd-two-sample": ("shift", "rotation"),
    # A hash of its values puts a row into a fold.
    "classifier-two-sample": (),
}


def draw(space: str) -> np.ndarray:
    """Draw rows that are not of the null."""
    rng = np.random.default_rng(8)
    if space == "cube":
        return rng.beta(1.3, 1.0, (N, D))
    x = rng.standard_t(4, (N, D)) + 0.2
    return unit(x) if space == "sphere" else x


CASES = [
    pytest.param(row, name, target, id=f"{label(row)}-{name}-{target}")
    for row in ROWS
    for name in ("order of rows", *ALLOWED.get(label(row), ALLOWED[row.space]))
    # Slices of the rows as they are allow nothing else.
    for target in (
        row.targets[:2] if (row.space, name[:5]) == ("lines", "order") else row.targets[:1]
    )
]


@pytest.mark.parametrize(("row", "name", "target"), CASES)
def test_it_does_not_depend_on(row: Spec, name: str, target: str) -> None:
    """On the order of rows, and on what the target leaves open."""

    def mapped(z: np.ndarray) -> np.ndarray:
        return MAPS[name](z, np.random.default_rng(3))

    x, found = draw(row.space), []
    for view in (lambda z: z, mapped):
        if row.space == "two-sample":  # the map is the same of both
            mine, goal = view(x[N // 2 :]), dmtest.Reference(view(x[: N // 2]))
        elif row.space == "draws":  # the order of rows is that of the data only
            of_law = (lambda z: z) if name == "order of rows" else view
            goal = dmtest.Sampled(lambda n, rng, f=of_law: f(rng.normal(size=(n, D))))
            mine = view(x)
        else:
            mine, goal = view(x), target
        found.append(dmtest.run_test(mine, row.name, goal, replicates=19, rng=0))
    rtol = 1e-10 if name == "order of rows" else 1e-8
    assert_allclose(found[1].statistic, found[0].statistic, rtol=rtol)
    if row.space == "lines":
        assert_allclose(found[1].worst_statistic, found[0].worst_statistic, rtol=1e-8)
        assert_allclose(found[1].pvalue, found[0].pvalue, rtol=1e-8)
        assert found[1].worst_slice == found[0].worst_slice
