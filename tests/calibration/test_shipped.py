"""The shipped nulls: current, complete, and of the right level on and between grid points."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.calibration import shipped
from dmtest.calibration.multiplicity import min_p, rank_pvalues
from dmtest.calibration.nulls import REVISION, RowNull, SliceNull, replicates_of
from dmtest.calibration.shipped import RANKED, _lagrange, _stencils, shipped_replicates
from dmtest.catalogue.registry import default_battery, find
from dmtest.catalogue.spec import Spec
from dmtest.engines.slices import Parameters

pytestmark = pytest.mark.usefixtures("no_cache")
TARGETS: dict[Parameters, str] = {"fitted": "any-normal", "known": "normal"}


def specs_of(parameters: Parameters) -> list[Spec]:
    found = [find(name, TARGETS[parameters]) for name in default_battery(TARGETS[parameters])]
    return [spec for spec in found if spec is not None]


def drawn(parameters: Parameters, n: int, d: int, specs: list[Spec], count: int) -> Any:
    """Simulate what the table stands for: (count, tests, 2)."""
    out = np.empty((count, len(specs), 2))
    slices = [j for j, spec in enumerate(specs) if spec.family == "slices"]
    null = SliceNull.of(parameters, n, d, 1 if d == 1 else shipped.SLICES, None)
    out[:, slices] = replicates_of(null, [specs[j] for j in slices], {}, count, 99)
    for space in ("residuals", "normal"):
        rows = [j for j, spec in enumerate(specs) if spec.space == space]
        if rows:
            chosen = [specs[j] for j in rows]
            out[:, rows] = replicates_of(RowNull(space, n, d), chosen, {}, count, 99)
    return out


@pytest.mark.parametrize("parameters", TARGETS)
def test_the_table_is_of_these_tests_and_of_this_revision(parameters: Parameters) -> None:
    table = shipped._load()
    # Otherwise: python -m benchmarks.nulls.build
    assert int(table["revision"]) == REVISION
    names = {name.split("/")[0] for name in table[f"{parameters}/columns"]}
    assert names == {*default_battery(TARGETS[parameters]), "squared-wasserstein"}
    place = table[f"{parameters}/place"][:, :, 0]
    assert (~np.isnan(place) == (table["n"][:, None] >= 2 * table["d"])).all()
    ranks = table[f"{parameters}/ranks"]
    assert (np.sort(ranks, axis=1) == np.arange(RANKED)[None, :, None]).all()


@pytest.mark.parametrize("parameters", TARGETS)
@pytest.mark.parametrize(("n", "d"), [(27, 2), (60, 5), (150, 12), (400, 1)])
def test_levels_on_and_between_grid_points(parameters: Parameters, n: int, d: int) -> None:
    specs, count = specs_of(parameters), 1500
    table = shipped_replicates(parameters, n, d, specs)
    assert table is not None
    observed = drawn(parameters, n, d, specs, count)
    badness, nulls = [], []
    for j, spec in enumerate(specs):
        for side in range(2 if spec.family == "slices" else 1):
            for sign in spec.signs:
                badness.append(sign * observed[:, j, side])
                nulls.append(sign * table[:, j, side])
    for values, null in zip(badness, nulls, strict=True):
        pvalues = np.asarray(rank_pvalues(values, null))
        for level in (0.05, 0.2):
            error = np.sqrt(level * (1.0 - level) * (1.0 / count + 1.0 / RANKED))
            assert abs((pvalues <= level).mean() - level) < 4.5 * error
    together = np.stack(nulls, axis=1)
    least = [min_p(one, together)[0] for one in np.stack(badness, axis=1)[:500]]
    error = np.sqrt(0.1 * 0.9 * (1.0 / 500 + 1.0 / RANKED))
    assert abs(np.mean(np.array(least) <= 0.1) - 0.1) < 4.0 * error


def test_what_is_off_the_grid_is_simulated() -> None:
    specs = specs_of("fitted")
    for n, d in ((19, 2), (20_000, 2), (1000, 300), (90, 40)):
        assert shipped_replicates("fitted", n, d, specs) is None
    kuiper = find("kuiper", "any-normal")
    assert kuiper is not None
    assert shipped_replicates("fitted", 100, 2, [kuiper]) is None
    # The cube's energy is another test by the name of the normal's.
    cube = find("energy", "uniform")
    assert cube is not None
    assert shipped_replicates("known", 100, 2, [cube]) is None


def test_interpolation_is_exact_for_cubics_in_the_logarithm() -> None:
    grid = np.array([20, 35, 60, 100, 200, 500])

    def cubic(x: Any) -> Any:
        return 1.0 + np.log(x) - 0.3 * np.log(x) ** 2 + 0.02 * np.log(x) ** 3

    for value in (21, 80, 450):
        for points in _stencils(grid, value):
            assert grid[points[0]] <= value <= grid[points[-1]]
            if len(points) == 4:
                made = _lagrange(grid[points], value) @ cubic(grid[points])
                assert_allclose(made, cubic(value), rtol=1e-10)
    assert [list(points) for points in _stencils(grid, 60)] == [[2]]
    assert _stencils(grid, 501) == []


def test_shipped_nulls_need_no_seed_and_no_simulation() -> None:
    x = np.random.default_rng(0).standard_normal((300, 4))
    first, second = (dmtest.run_test(x, "henze-zirkler", rng=seed) for seed in (0, 1))
    assert first.pvalue == second.pvalue
    assert first.method == f"monte carlo, {RANKED} replicates (shipped)"
    simulated = dmtest.run_test(x, "henze-zirkler", calibration="monte-carlo", rng=0)
    assert "shipped" not in simulated.method
    assert abs(simulated.pvalue - first.pvalue) < 0.08
    finer = dmtest.run_test(x, "henze-zirkler", replicates=4999, rng=0)
    assert finer.replicates == 4999
    assert "shipped" not in dmtest.run_test(x, "henze-zirkler", params={"beta": 1.0}).method


def test_many_rows_are_tested_on_a_subsample_that_is_said() -> None:
    x = np.random.default_rng(0).standard_normal((12_000, 2))
    made = dmtest.run_test(x, "mardia-skewness", rng=0)
    assert made.method.endswith("of 10000 of 12000 rows drawn at random (budget=)")
