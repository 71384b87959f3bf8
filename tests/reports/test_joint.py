"""Causes in the joint shape: exact p-values, the pair and the direction that are named."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import dmtest
from dmtest.reports.causes.joint import curve
from tests.support.tables import classical


def test_the_bend_is_that_of_least_squares() -> None:
    """Against scipy: the t-test of the square in a regression on a column and its square."""
    x = np.random.default_rng(0).standard_normal((40, 3)) @ np.tri(3)
    best = []
    for i in range(3):
        for j in range(3):
            if i != j:
                a = (x[:, i] - x[:, i].mean()) / x[:, i].std()
                b = (x[:, j] - x[:, j].mean()) / x[:, j].std()
                # Partial regression: what is left of the square and of b after a line in a.
                square = a**2 - np.polyval(np.polyfit(a, a**2, 1), a)
                rest = b - np.polyval(np.polyfit(a, b, 1), a)
                slope = square @ rest / (square @ square)
                error = np.sqrt(np.sum((rest - slope * square) ** 2) / 37 / (square @ square))
                best.append((2 * stats.t.sf(abs(slope / error), 37), i, j, slope))
    pvalue, on, of, bend = min(best)
    found = curve(x)
    assert found is not None
    assert (found.on, found.of) == (on, of)
    assert found.bend == pytest.approx(bend)
    assert found.pvalue == pytest.approx(min(1.0, 6 * pvalue))


def test_curves_hold_their_level_under_normal_laws() -> None:
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(1500):
        found = curve(rng.standard_normal((25, 4)) @ (rng.standard_normal((4, 4)) + np.eye(4)))
        assert found is not None
        rejected += found.pvalue <= 0.05
    # Holm over 12 dependent tests: at most 5%, and not far below; the error is 0.56%.
    assert 0.02 < rejected / 1500 < 0.05 + 3 * 0.0056


def test_a_parabola_is_named_and_rounding_is_not() -> None:
    rng = np.random.default_rng(1)
    a = rng.standard_normal(60)
    x = np.column_stack([a, a**2 + 1e-9 * rng.standard_normal(60), rng.standard_normal(60)])
    found = curve(x)
    assert found is not None
    assert (found.on, found.of) == (0, 1)
    assert found.pvalue < 1e-100
    copies = np.column_stack([a, -3.0 * a + 1.0])
    found = curve(copies)
    assert found is not None
    assert found.pvalue > 0.9
    assert curve(np.column_stack([np.sign(a), np.sign(a[::-1])])) is not None
    assert curve(x[:, :1]) is None
    assert curve(x[:8]) is None


@pytest.mark.parametrize(
    ("name", "codes", "columns"),
    [
        ("usarrests", {"curved-pair", "one-sided"}, ("'Murder'", "'Rape'")),
        ("attitude", {"one-sided"}, ("'complaints'", "'raises'")),
        ("cars", {"curved-pair"}, ("'speed'", "'dist'")),
    ],
)
def test_tables_without_an_odd_column_have_a_cause(
    name: str, codes: set[str], columns: tuple[str, ...]
) -> None:
    table = {key.lower(): one for key, one in classical().items()}[name]
    report = dmtest.report(table, "any-normal", rng=0)
    assert report.verdict == "mismatch"
    found = {one.code: one.message for one in report.diagnosis}
    assert codes <= set(found)
    assert all(column in " ".join(found[code] for code in codes) for column in columns)
    assert "shape" not in found


def test_clear_causes_keep_joint_shapes_quiet() -> None:
    """A skewed column bends its pairs: the column is the cause, not the pair."""
    rng = np.random.default_rng(2)
    x = rng.standard_normal((300, 3))
    x[:, 1] = np.exp(x[:, 1]) + 0.3 * x[:, 0]
    codes = {one.code for one in dmtest.report(x, "any-normal", rng=0).diagnosis}
    assert "coordinates" in codes
    assert not codes & {"curved-pair", "one-sided"}
