"""Cases of group D: degenerate and repeated data, and tables that lie on their side."""

from __future__ import annotations

import numpy as np
import pytest

import dmtest
from dmtest.data.sample import as_sample
from tests.support.calls import refused


def codes(x: np.ndarray) -> dict[str, dmtest.Finding]:
    """Return the findings of a sample by code."""
    return {one.code: one for one in as_sample(x).findings}


def test_one_row_is_no_sample() -> None:
    """D4, shogun-toolbox/shogun#4631: one row gave p = NaN."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal((500, 16))
    refused("reference: has 1 row of 16 values", dmtest.compare, x, x[:1])
    refused("data: has 1 row of 16 values", dmtest.compare, x[:1], x)


def test_half_of_a_law_is_a_mismatch() -> None:
    """D7, kokkos/kokkos#592: a generator of normals that gave only positive values."""
    made = dmtest.report(np.abs(np.random.default_rng(7).standard_normal((500, 2))), rng=0)
    assert made.verdict == "mismatch"
    assert "The mean has length" in made.diagnosis[0].message


def test_streams_that_are_correlated() -> None:
    """D7, kokkos/kokkos#296: two interleaved streams with correlation .02."""
    rng = np.random.default_rng(296)
    first, other = rng.standard_normal((2, 50_000))
    stream = np.ravel(np.column_stack([first, 0.02 * first + np.sqrt(1 - 0.02**2) * other]))
    tests = ["covariance-lrt", "covariance-nagao"]
    made = dmtest.report(stream.reshape(-1, 2), tests=tests, rng=0)
    assert made.verdict == "mismatch"
    assert any("orrelat" in one.message for one in made.diagnosis)
    effect = made.effects["kl-correlation"]
    assert effect.low is not None
    assert 0.0 < effect.low <= -0.5 * np.log(1 - 0.02**2) <= (effect.high or 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_block_that_repeats_is_counted(dtype: type) -> None:
    """D7, LLNL/lbann#1832: repeated values went unnoticed; here in all columns or in some."""
    x = np.random.default_rng(1832).standard_normal((10_000, 8)).astype(dtype)
    assert codes(x) == {}
    whole, part = x.copy(), x.copy()
    whole[5000:6000] = x[:1000]
    assert codes(whole)["duplicate-rows"].count == 1000
    assert "partial-repeats" not in codes(whole)
    part[5000:6000, 2:5] = x[:1000, 2:5]
    found = codes(part)
    assert list(found) == ["partial-repeats"]
    assert found["partial-repeats"].count == 1000
    assert "2, 3, 4" in found["partial-repeats"].message
    part[7000:8000] = x[:1000]
    both = codes(part)
    assert both["duplicate-rows"].count == 1000
    assert both["partial-repeats"].count == 1000
    report = dmtest.report(part[:, 2:5][:200], tests="anderson-darling", rng=0)
    assert report.warnings == ()


def test_what_chance_repeats_is_no_finding() -> None:
    """D7: lattices, half precision, zeros and categories tie by chance or by their nature."""
    rng = np.random.default_rng(18)
    z = rng.standard_normal((4000, 8))
    z = z @ np.linalg.cholesky(0.9 * np.ones((8, 8)) + 0.1 * np.eye(8)).T
    for x in (
        z.astype(np.float16).astype(np.float64),
        np.round(z, 2),
        np.maximum(z, 0.0),
        rng.integers(0, 251, (4000, 3)) / 250.0,
        np.hstack([z, np.eye(10)[rng.integers(0, 10, 4000)]]),
        np.hstack([z, np.zeros((4000, 3))]),
        rng.standard_normal((4000, 2)).astype(np.float32),
        np.ones((9, 3)),
    ):
        assert "partial-repeats" not in codes(x)


def test_variances_in_place_of_deviations() -> None:
    """D8, scverse/scvi-tools#3789: variances passed where standard deviations were expected."""
    s = np.array([0.5, 0.8, 1.25, 2.0])
    x = s**2 * np.random.default_rng(8).standard_normal((1000, 4))
    made = dmtest.report(x, dmtest.Normal(cov=s**2), rng=0)
    assert made.verdict == "mismatch"
    assert made.diagnosis[0].message.startswith("Variances differ from 1")
    assert "x0" in made.diagnosis[0].message
    assert "x3" in made.diagnosis[0].message
    effect = made.effects["kl-scale"]
    truth = 0.5 * np.sum(s**2 - 1.0 - np.log(s**2))
    assert effect.low is not None
    assert effect.low <= truth <= (effect.high or 0.0)


def test_a_table_on_its_side_is_asked_about() -> None:
    """D9, lucidrains/denoising-diffusion-pytorch#213: a covariance over the wrong axis."""
    x = np.random.default_rng(213).standard_normal((2000, 64))
    found = codes(x.T)
    assert found["transposed"].message.endswith("pass the transpose (x.T).")
    assert found["few-rows"].count == 64
    for good in (x, x[:64], x[:40, :10]):
        assert "transposed" not in codes(good)
    named = dmtest.report(x[:, :4], tests="anderson-darling", rng=0)
    assert not named.warnings
