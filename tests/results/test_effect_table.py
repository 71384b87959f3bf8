"""The table of effects and the estimates it shows: limits, cut-offs, names spelled once."""

from __future__ import annotations

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtri

import dmtest
from dmtest.results import effect_table as table
from dmtest.results.effect_table import EffectRow, effects_of
from dmtest.results.estimate import (
    Estimate,
    RatioEstimate,
    ResampledEstimate,
    WidenedEstimate,
)

ROWS = [row for row in vars(table).values() if isinstance(row, EffectRow)]
PACKAGE = Path(dmtest.__file__).parent


def literals(path: Path) -> set[str]:
    """Return the strings of a module that are no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    plain = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return {
        str(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and id(node) not in plain
    }


def test_names_are_spelled_once() -> None:
    """A name with a hyphen is a string of the table alone: nothing else can drift from it."""
    names = {row.name for row in ROWS if "-" in row.name}
    assert len(names) >= 15
    for path in PACKAGE.rglob("*.py"):
        if path.name != "effect_table.py":
            assert not names & literals(path), path


def test_reports_and_checks_fill_in_every_text() -> None:
    """No brace is left, and every effect of a report has its row."""
    rng = np.random.default_rng(0)
    x = 1.2 * rng.standard_t(5, (300, 3))
    reports = [
        dmtest.report(x, augmented=x + 0.1, rng=0, replicates=199),
        dmtest.compare(x, rng.standard_normal((300, 3)), rng=0, replicates=199),
        dmtest.compare(x, rng.standard_normal((300, 3)), rotation=True, rng=0, replicates=199),
    ]
    effects = [effect for one in reports for effect in one.effects.values()]
    by = dmtest.report(x, by=np.arange(300) % 2, tests="radius", rng=0)
    effects += by.effects.values()
    assert {effect.name for effect in effects} == {row.name for row in ROWS}
    departures = dmtest.write_baseline(x, replicates=199).scores
    texts = [f"{one.label} {one.unit} {one.note}" for one in (*effects, *departures)]
    assert not [text for text in texts if "{" in text]


def test_limits_are_those_of_the_errors_distribution() -> None:
    """Normal without skewness, shifted to the long tail with it, quantiles of draws."""
    reach = ndtri(0.95)
    assert_allclose(Estimate(value=1.0, error=2.0).limits(0.9), [1 - 2 * reach, 1 + 2 * reach])
    low, high = Estimate(value=1.0, error=2.0, skewness=0.5).limits(0.9) or (0.0, 0.0)
    assert high - 1.0 > 1.0 - low
    draws = np.linspace(-1.0, 3.0, 401)
    resampled = ResampledEstimate(value=1.0, error=draws.std(ddof=1), draws=draws)
    assert_allclose(resampled.limits(0.9), [1.0 - 2.8, 1.0 + 0.8])
    assert Estimate(value=1.0).limits(0.9) is None
    assert Estimate(value=None, error=1.0).limits(0.9) is None


@pytest.mark.parametrize(
    ("row", "value", "shown"),
    [
        (table.KL_MEAN, -0.2, 0.0),
        (table.SLICED_WASSERSTEIN, 0.25, 0.5),
        (table.SLICED_WASSERSTEIN, -0.25, 0.0),
        (table.CLASSIFIER_ACCURACY, 1.1, 1.0),
        (table.MEAN_LENGTHS, -0.2, -0.2),
    ],
)
def test_a_report_cuts_off_what_cannot_be(row: EffectRow, value: float, shown: float) -> None:
    """Squares are shown as roots; a signed difference keeps its sign."""
    effect = effects_of({row: Estimate(value=value, error=0.01)})[row.name]
    assert effect.value == shown
    assert None not in (effect.low, effect.high)
    assert effect.low <= shown <= effect.high or math.isclose(effect.high, shown)


def test_what_is_not_estimable_says_why() -> None:
    """The note of the estimate replaces that of the row; there are no limits."""
    effect = table.KL_MARGINS.effect(Estimate(value=None, error=None, note="not estimable: x"))
    assert (effect.value, effect.low, effect.high, effect.confidence) == (None,) * 4
    assert effect.note == "not estimable: x"


def test_an_estimate_without_limits_says_so() -> None:
    """Without an error, or with one of 0, there is no interval; without an upper limit, half."""
    for bare in (Estimate(value=1.0), Estimate(value=0.0, error=0.0)):
        effect = table.KL_MARGINS.effect(bare)
        assert (effect.low, effect.high, effect.confidence) == (None,) * 3
        assert effect.note == f"{table.KL_MARGINS.note}; no interval"
    effect = table.KL_MARGINS.effect(Estimate(value=1.0, error=0.1, unbounded=True))
    assert effect.high is None
    assert_allclose(effect.low, 1.0 - 0.1 * ndtri(0.975))
    assert "no upper limit" in effect.note


@pytest.mark.parametrize("row", [table.KL_DEPENDENCE, table.SLICED_WASSERSTEIN])
def test_an_interval_is_never_only_0(row: EffectRow) -> None:
    """An estimate far below 0 has the upper limit of 0, not one that is cut off."""
    at_zero, below = (row.effect(Estimate(value=v, error=0.01)) for v in (0.0, -0.5))
    assert (below.value, below.low) == (0.0, 0.0)
    assert None not in (below.high, at_zero.high)
    assert_allclose(below.high, at_zero.high)
    assert below.high > 0.0


def test_limits_on_other_scales() -> None:
    """Logarithms: one factor both ways; a bias that is bounded moves one end only."""
    low, high = RatioEstimate(value=2.0, error=0.5).limits(0.95) or (0.0, 0.0)
    assert_allclose([low * high, high / 2.0], [4.0, np.exp(ndtri(0.975) * 0.25)])
    assert RatioEstimate(value=0.0, error=0.5).limits(0.95) == (-math.inf, math.inf)
    plain = Estimate(value=1.0, error=0.1, skewness=0.2).limits(0.95) or (0.0, 0.0)
    widened = WidenedEstimate(value=1.0, error=0.1, skewness=0.2, below=0.3).limits(0.95)
    assert_allclose(widened, [plain[0] - 0.3, plain[1]])
