"""Inputs at the edges of numbers and types: the answer is right, or one sentence refuses them.

The whole grid is ``python -m benchmarks.trust.edges``.
"""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.data.inspection import HUGE, MINUTE
from tests.support.calls import refused
from tests.support.edges import CALLS, INPUTS, rows, run

# Each of these inputs made a function fail once.
NUMBERS = (
    *("scale 1e-300", "scale 1e-150", "scale 1e-30", "scale 1e+15", "scale 1e+30", "scale 1e+100"),
    *("scale 1e-40 in float32", "scale 1e37 in float32", "offset 1e15", "offset 1e16"),
    *("one value of 1e10", "columns from 1e-20 to 1e20", "condition 1e20", "singular", "zeros"),
    *("constant", "one constant column", "8 rows", "8 equal rows"),
)
QUICK = ("univariate", "outliers of normal", "kl_decomposition", "monitor", "summary", "gaussian")
SLOW = ("report", "report of any-normal", "compare with itself", "check", "entropy_knn")
TYPES = (
    *("integers of 2**62", "bool", "float16 of 6e4", "longdouble of 1e400", "complex", "masked"),
    *("sparse", "nullable", "nullable integers", "categories", "ragged", "objects", "text"),
    *("dates", "records", "nan", "inf", "big-endian", "three dimensions", "no rows", "7 rows"),
)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(name: str) -> None:
    fell = {call: run(CALLS[call], INPUTS[name]) for call in (*QUICK, *SLOW)}
    assert {call: cell.said for call, cell in fell.items() if cell.what == "fell"} == {}


@pytest.mark.parametrize("name", TYPES)
def test_types(name: str) -> None:
    fell = {call: run(CALLS[call], INPUTS[name]) for call in ("univariate", "monitor", "summary")}
    assert {call: cell.said for call, cell in fell.items() if cell.what == "fell"} == {}


def test_the_grid_is_as_large_as_the_page_says() -> None:
    assert len(INPUTS) >= 60
    assert set(NUMBERS + TYPES) < set(INPUTS)
    assert set(QUICK + SLOW) < set(CALLS)


def test_the_limits_are_those_of_float32() -> None:
    """No float32 is refused for its size; what is refused can be cured as the sentence says."""
    assert float(np.finfo(np.float32).max) < HUGE
    assert float(np.finfo(np.float32).smallest_subnormal) > MINUTE
    x = rows(20)
    sentence = refused(
        r"column x\d has values up to .*; divide it by 1e60", dmtest.report, x * 1e60
    )
    assert "beyond 1e+39" in sentence
    assert dmtest.report(x * 1e60 / 1e60, "any-normal", rng=0, replicates=99).n == 20
    refused("multiply it by 1e61", dmtest.univariate, x / x[:, 0].max() * 3e-61)
    refused("x: column x0 has values up to", dmtest.information.entropy_knn, x[:, :1] * 1e50)


@pytest.mark.parametrize("power", [-80, -20, 20, 90])
def test_results_do_not_depend_on_the_scale(power: int) -> None:
    """Scales by powers of 2 change no bit of the p-values of any normal law."""
    x = rows(60)
    one, other = (dmtest.report(y, "any-normal", rng=0, replicates=99) for y in (x, x * 2.0**power))
    assert_allclose([o.pvalue for o in other.outcomes], [o.pvalue for o in one.outcomes], rtol=1e-9)


def test_no_pvalue_is_rounded_to_zero() -> None:
    x = rows(60) + 1e6
    outcome = dmtest.run_test(x, "mean", "normal")
    assert outcome.pvalue > 0.0
    assert min(dmtest.outliers(x, "normal").pvalues) > 0.0
    monitor = dmtest.Monitor("normal")
    assert monitor.update(x).pvalue > 0.0
