"""Arrays on a device: the numbers of the host, by torch and by the strict array API on the CPU."""

from __future__ import annotations

from typing import Any

import array_api_strict
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

import dmtest
from dmtest.engines import device, gram
from dmtest.engines.directions import default_directions
from dmtest.engines.gram import PairSum
from dmtest.engines.slices import project
from dmtest.errors import InputError
from dmtest.kernels import pairs as kernels
from dmtest.summaries import summary as summaries
from dmtest.summaries.tree import moments_from, moments_of

LIBRARIES = {"torch": torch.asarray, "strict": array_api_strict.asarray}
RNG = np.random.default_rng(0)


@pytest.fixture
def cpu_is_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "ACCELERATORS", ("cpu",))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(8192, 5), (1500, 70), (7, 1)])
def test_sums_of_a_tile_are_those_of_the_host(
    library: str, kind: str, shape: tuple[int, int]
) -> None:
    x = (RNG.standard_normal(shape) * 3.0 + 50.0).astype(kind)
    directions = default_directions(64 if shape[1] > 1 else 1, shape[1])
    slices = np.empty((len(directions), len(x)), kind)
    found = device.tile_sums(LIBRARIES[library](x), directions, slices)
    host = project(x, directions)
    rounding = {"float32": 1e-6, "float64": 1e-14}[kind]
    assert_allclose(slices, host, atol=rounding * np.abs(host).max())
    wide = x.astype(np.float64)
    assert_allclose(found.squared, (wide**2).sum(axis=1), rtol=1e-14)
    sums = (found.rows, found.products, found.slice_pivots, found.slices)
    ours, theirs = moments_from(len(x), found.pivots, *sums), moments_of(x, host)
    assert_allclose(ours.mean, theirs.mean, rtol=1e-6 if kind == "float32" else 1e-13)
    # Products of float32 are summed in float32 in runs of 1,024 rows.
    scale = 9.0 * len(x)
    assert_allclose(ours.square, theirs.square, rtol=1e-5, atol=scale * 1e-5)
    tolerance = {"float32": 2e-4, "float64": 1e-9}[kind]
    assert_allclose(ours.slices, theirs.slices, rtol=tolerance, atol=tolerance * scale)


REQUESTS = (
    PairSum(kernels.mass, near=0.3),
    PairSum(kernels.mass, far=0.05),
    PairSum(kernels.mass, far=0.3),
    PairSum(kernels.mass, distance=True),
    PairSum(kernels.inner, near=0.3),
    PairSum(kernels.norms, near=0.3),
    PairSum(kernels.quartic, constants=(0.1, 1.0, -2.0, 0.5, 0.2)),
    PairSum(kernels.cosine_quartic, constants=(0.1, 1.0, -2.0, 0.5, 0.2)),
)


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize(("n", "d"), [(2300, 3), (5000, 40), (1, 2)])
def test_sums_over_pairs_are_those_of_the_host(library: str, n: int, d: int) -> None:
    x = RNG.standard_normal((n, d))
    other = PairSum(kernels.stein, constants=(0.4, float(d)))  # computed on the host
    host = gram.pair_sums(x, [*REQUESTS, other])
    with device.pairs_on(LIBRARIES[library](np.zeros(1))):
        found = gram.pair_sums(x, [*REQUESTS, other])
    single = gram.tile_dtype(n, d) == np.float32
    for request, value in host.items():
        if np.isinf(value):
            assert found[request] == value
        else:
            assert_allclose(found[request], value, rtol=1e-4 if single else 1e-10, err_msg=request)
    # Within a task of a pool nothing runs on the device.
    with device.pairs_on(LIBRARIES[library](np.zeros(1))):
        assert gram.pair_sums(x, REQUESTS, threads=False) == gram.pair_sums(
            x, REQUESTS, threads=False
        )


def test_a_tensor_on_the_cpu_is_no_device() -> None:
    assert not device.on_device(torch.zeros(3))
    assert not device.on_device(np.zeros(3))
    assert not device.on_device("cupy")


@pytest.mark.usefixtures("cpu_is_a_device")
@pytest.mark.parametrize("target", ["normal", "uniform"])
def test_a_summary_of_rows_on_a_device(target: str) -> None:
    n = 2 * 8192 + 1500
    x = RNG.random((n, 5)) if target == "uniform" else RNG.standard_normal((n, 5))
    x = x.astype(np.float32)
    host = dmtest.Summary(target, rows=900).update(x)
    made = dmtest.Summary.of(torch.asarray(x), target, rows=900)
    assert_array_equal(made.sample()[0], host.sample()[0])
    assert_array_equal(made.sample()[1], host.sample()[1])
    # Two thirds of the counts may differ where a value lies on the edge of a cell: few do.
    ours, theirs = made.complete().tally.counts[..., 0], host.complete().tally.counts[..., 0]
    assert np.abs(ours - theirs).sum() < 1e-3 * ours.sum()
    assert_array_equal(made.complete().lengths.counts, host.complete().lengths.counts)
    assert_allclose(made.mean, host.mean, atol=1e-7)
    assert_allclose(made.covariance, host.covariance, atol=1e-6)
    assert dmtest.Summary.of(torch.asarray(x), target, columns=[0, 3], rows=900).d == 2
    # Parts of the host and of the device merge.
    left = dmtest.Summary(target, rows=900).update(x[:9000])
    right = dmtest.Summary(target, rows=900, first=9000).update(torch.asarray(x[9000:]))
    assert_allclose(left.merge(right).covariance, host.covariance, atol=1e-6)


@pytest.mark.usefixtures("cpu_is_a_device")
def test_a_report_of_rows_on_a_device(monkeypatch: pytest.MonkeyPatch) -> None:
    options: dict[str, Any] = {"rng": 4, "replicates": 99, "effects": False}
    x = RNG.standard_normal((20_000, 4), dtype=np.float32)
    for kept in (50_000, 600):  # all rows, and some of them
        monkeypatch.setattr(summaries, "ROWS", kept)
        host, made = dmtest.report(x, **options), dmtest.report(torch.asarray(x), **options)
        assert made.pvalue == pytest.approx(host.pvalue, rel=1e-3)
        assert (made.n, made.verdict, made.warnings) == (20_000, host.verdict, host.warnings)
        for ours, theirs in zip(made.outcomes, host.outcomes, strict=True):
            assert ours.statistic == pytest.approx(theirs.statistic, rel=1e-4, abs=1e-6)
    assert device.place_of_pairs() is None


@pytest.mark.usefixtures("cpu_is_a_device")
def test_types_and_refusals() -> None:
    half = torch.asarray(RNG.standard_normal((9000, 2))).to(torch.bfloat16)
    summary = dmtest.Summary(rows=100).update(half)
    assert summary.kind == ("float32", "bfloat16")
    assert summary.changes[0].code == "low-precision"
    whole = dmtest.Summary(rows=100).update(torch.arange(20).reshape(10, 2))
    assert whole.kind == ("float64", "int64")
    assert dmtest.Summary().update(torch.zeros(9) + 0.5).d == 1
    bad = torch.zeros((10, 2))
    bad[3, 1] = torch.nan
    with pytest.raises(InputError, match=r"chunk: 1 of 10 rows are not finite \(first: row 3\)"):
        dmtest.Summary().update(bad)
    with pytest.raises(InputError, match="values up to 1e\\+30 are too large"):
        dmtest.Summary().update(bad.nan_to_num() + 1e30)
    with pytest.raises(InputError, match=r"got shape \(2, 2, 2\) of float32"):
        dmtest.Summary().update(torch.zeros((2, 2, 2)))
    with pytest.raises(InputError, match="has 3 columns and earlier rows 2"):
        summary.update(torch.zeros((4, 3)))
