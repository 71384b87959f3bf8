"""Every statistic has the value of its definition in 40 digits, up to rounding in float64."""

from __future__ import annotations

import numpy as np
import pytest
from mpmath import mp, mpf

import dmtest
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import DrawTest, SliceTest, Spec
from dmtest.engines.slices import SliceView
from tests.support import exact
from tests.support.references import label

pytestmark = pytest.mark.usefixtures("no_cache")

# Relative errors beyond 1e-12, with their reason.
APPROXIMATE = {
    "epps-pulley-lines": 1e-9,  # a sum over nodes instead of all pairs
    "energy-cube": 1e-8,  # quadrature, whose docstring says so
    "pcvm-sphere": 1e-10,  # interpolation between angles
    "pad-sphere": 1e-10,
    "energy-residuals": 1e-11,  # terms of the size n cancel
    "energy-normal": 1e-11,
    "henze-jimenez-gamero-residuals": 1e-10,
    "mmd-cube": 1e-11,
}
COLUMNS = {"energy-cube": 1}  # of a value in closed form
FEW = {"henze-jimenez-gamero-meintanis-residuals": 12}  # rows, of a sum over quadruples
# Maxima over directions, and statistics of random numbers.
WITHOUT = {
    *(f"{name}-residuals" for name in ("malkovich-afifi-skewness", "malkovich-afifi-kurtosis")),
    *("cox-small-residuals", "pudelko-residuals"),
    *("sliced-wasserstein-two-sample", "classifier-two-sample"),
    *(label(row) for row in ROWS if isinstance(row, DrawTest)),
}


@pytest.fixture(autouse=True)
def digits() -> None:
    mp.dps = exact.DIGITS


def draw(space: str, n: int, d: int, seed: int = 4) -> np.ndarray:
    rng = np.random.default_rng(seed)
    if space == "cube":
        return rng.random((n, d)) ** 1.1
    x = 1.1 * rng.standard_normal((n, d)) + 0.2
    return np.asarray(x / np.linalg.norm(x, axis=1)[:, None]) if space == "sphere" else x


def error(value: float, truth: object) -> float:
    return float(abs(mpf(value) / truth - 1))


def test_every_row_has_a_value_or_a_reason() -> None:
    known = {*exact.ROWS, *exact.TWO_SAMPLES}
    known |= {label(row) for row in ROWS if isinstance(row, SliceTest)}
    assert known | WITHOUT == {label(row) for row in ROWS}
    assert not known & WITHOUT


@pytest.mark.parametrize(
    "row", [row for row in ROWS if label(row) not in WITHOUT], ids=lambda row: label(row)
)
def test_it_is_right_up_to_rounding(row: Spec) -> None:
    name = label(row)
    rtol = APPROXIMATE.get(name, 1e-12)
    x = draw(row.space, FEW.get(name, 30), COLUMNS.get(name, 3))
    if isinstance(row, SliceTest):
        column = [value for value, *_ in exact.exact(x)]
        for parameters in ("fitted", "known"):
            view = SliceView(np.ascontiguousarray(x[:, :1].T), parameters)
            value = float(row.statistic(view)[0])
            assert error(value, exact.slices(row.name, column, parameters == "known")) < rtol
    elif name in exact.TWO_SAMPLES:
        y = 1.3 * draw(row.space, 20, 3, 5)
        found = dmtest.run_test(x, row.name, dmtest.Reference(y), replicates=19, rng=0)
        truth = exact.TWO_SAMPLES[name](exact.exact(x), exact.exact(y))
        assert error(found.statistic, truth) < rtol
    else:
        found = dmtest.run_test(x, row.name, row.targets[0], replicates=19, rng=0)
        assert error(found.statistic, exact.ROWS[name](exact.exact(x))) < rtol
