"""Summaries: the report of the array, the same bits in any chunks and parts, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from numpy.typing import NDArray

import dmtest
from dmtest.errors import InputError
from dmtest.results.report import Report
from dmtest.summaries.reservoir import keys_of
from dmtest.summaries.sources import is_stream
from dmtest.summaries.totals import TILE
from tests.support.calls import python

Rows = NDArray[np.floating[Any]]
N, KEPT = 2 * TILE + 1500, 1000
X = np.random.default_rng(7).standard_normal((N, 3))
CUTS = (0, 5, 4000, TILE, TILE + 1, 2 * TILE + 700, N)


def chunks(x: Rows, size: int) -> Iterator[Rows]:
    return (x[i : i + size] for i in range(0, len(x), size))


def parts(x: Rows = X, **options: Any) -> list[dmtest.Summary]:
    options = {"rows": KEPT} | options
    pairs = pairwise(CUTS)
    return [dmtest.Summary(first=a, **options).update(x[a:b]) for a, b in pairs]


def content(made: Report) -> dict[str, Any]:
    """Return a report's content less the time it took."""
    found = made.to_dict()
    del found["computed"]["seconds"], found["computed"]["created"]
    return found


def report(data: Any, **options: Any) -> dict[str, Any]:
    return content(dmtest.report(data, **({"replicates": 99} | options)))


def refused(message: str) -> Any:
    return pytest.raises(InputError, match=message)


@pytest.mark.parametrize("target", ["normal", "uniform"])
def test_a_summary_that_keeps_all_rows_gives_the_report_of_the_array(target: str) -> None:
    rng = np.random.default_rng(2)
    x = rng.random((900, 3)) if target == "uniform" else rng.standard_normal((900, 3))
    x[:5] = x[5:10]  # repeated rows are a finding of both
    whole = report(x.astype(np.float32), target=target, rng=3)
    made = dmtest.Summary(target, rng=3)
    for one in chunks(x.astype(np.float32), 77):
        made.update(one)
    assert report(made) == whole


def test_a_stream_gives_the_report_of_the_array() -> None:
    assert report(chunks(X[:900], 100), rng=5) == report(X[:900], rng=5)


def test_chunks_parts_and_their_order_change_no_bit() -> None:
    whole = dmtest.Summary(rows=KEPT).update(X)
    expected = report(whole)
    assert expected["n"] == N
    streamed = dmtest.Summary.of(chunks(X, 999), rows=KEPT)
    merged = dmtest.Summary(rows=KEPT)
    for j in (3, 0, 5, 1, 4, 2):
        merged.merge(dmtest.Summary.from_bytes(parts()[j].to_bytes()))
    assert report(streamed) == expected
    assert report(merged) == expected
    assert merged.to_bytes() == whole.to_bytes() == streamed.to_bytes()


def test_merge_of_merges() -> None:
    a, b, c, d, e, f = parts()
    left, right = f.merge(b), c.merge(e).merge(a)
    whole = dmtest.Summary(rows=KEPT).update(X)
    assert right.merge(d).merge(left).to_bytes() == whole.to_bytes()


@pytest.mark.parametrize("shift", [0.0, 1e6])
def test_moments(shift: float) -> None:
    x = X + shift
    summary = parts(x)[2]
    for one in (*parts(x)[:2], *parts(x)[3:]):
        summary.merge(one)
    assert_allclose(summary.mean, x.mean(axis=0), rtol=1e-12, atol=1e-14)
    exact = np.cov(x.astype(np.longdouble).T.astype(float) - shift, bias=True)
    assert_allclose(summary.covariance, exact, rtol=1e-8 if shift else 1e-12, atol=1e-9)
    moments = summary.complete().tree.total()
    assert moments is not None
    slices = (x - shift) @ summary.complete().directions.T
    for power in (2, 3, 4):
        central = ((slices - slices.mean(axis=0)) ** power).mean(axis=0)
        assert_allclose(moments.central[:, power - 1], central, rtol=1e-7, atol=1e-9)
    if not shift:
        assert_allclose(moments.central[:, 3], central, rtol=1e-10)


def test_the_kept_rows_are_those_of_the_smallest_keys() -> None:
    numbers, rows = dmtest.Summary(rows=KEPT, rng=9).update(X).sample()
    keys = keys_of(np.arange(N), 9)
    assert_array_equal(numbers, np.sort(np.argsort(keys, kind="stable")[:KEPT]))
    assert_array_equal(rows, X[numbers])
    assert not np.array_equal(dmtest.Summary(rows=KEPT).update(X).sample()[0], numbers)


def test_keys_are_uniform() -> None:
    keys = keys_of(np.arange(100_000), 1) / 2.0**64
    assert np.abs(np.histogram(keys, 50, (0, 1))[0] - 2000).max() < 5 * np.sqrt(2000)
    assert abs(np.corrcoef(keys[1:], keys[:-1])[0, 1]) < 5 / np.sqrt(len(keys))


def test_statistics_are_those_of_all_rows() -> None:
    names = ["anderson-darling", "kolmogorov-smirnov", "epps-pulley", "dagostino-pearson"]
    names += ["jarque-bera", "radius", "covariance-ledoit-wolf"]
    made = dmtest.report(dmtest.Summary(rows=KEPT).update(X), tests=names)
    whole = dmtest.report(X, tests=names, rng=0)
    for one, exact in zip(made.outcomes, whole.outcomes, strict=True):
        assert one.test == exact.test
        assert one.rows == N
        assert one.statistic == pytest.approx(exact.statistic, rel=2e-2, abs=1e-4), one.test
        if "counts in cells" in one.method:
            # The p-value allows for the bounds: never below that of the statistic.
            assert exact.pvalue <= one.pvalue <= exact.pvalue + 0.02
        else:
            assert one.statistic == pytest.approx(exact.statistic, rel=1e-10)
            assert one.pvalue == pytest.approx(exact.pvalue, rel=1e-9)


@pytest.mark.parametrize("departure", ["shift", "scale", "heavy"])
def test_departures_are_found(departure: str) -> None:
    x = {
        "shift": X + 0.1,
        "scale": X * 1.1,
        "heavy": np.random.default_rng(1).standard_t(4, X.shape) / np.sqrt(2.0),
    }[departure]
    made = dmtest.report(dmtest.Summary(rows=KEPT).update(x), replicates=99)
    assert made.verdict == "mismatch"
    assert made.pvalue < 0.01


@pytest.mark.parametrize("factors", [(0.0, 0.0, 0.0), (1.0, 0.0, 1.0)])
def test_constant_columns_are_impossible_as_those_of_an_array(factors: tuple[float, ...]) -> None:
    whole = dmtest.report(X * factors, replicates=99, rng=0)
    streamed = dmtest.report(dmtest.Summary(rows=KEPT).update(X * factors), replicates=99)
    assert streamed.pvalue == whole.pvalue == 0.0
    assert streamed.n == whole.n == N
    assert {f.code for f in whole.warnings} <= {f.code for f in streamed.warnings}


def test_uniform_rows_outside_the_cube() -> None:
    u = np.random.default_rng(1).random((N, 2))
    assert dmtest.report(dmtest.Summary("uniform", rows=KEPT).update(u)).pvalue > 0.01
    u[-1, 0], u[7, 1] = 1.5, 1.0
    made = dmtest.report(dmtest.Summary("uniform", rows=KEPT).update(u), replicates=99)
    assert made.pvalue == 0.0
    assert {"outside-support", "saturated", "streamed"} <= {f.code for f in made.warnings}


def test_one_column() -> None:
    made = dmtest.report(dmtest.Summary(rows=KEPT).update(X[:, 0]), replicates=99)
    assert (made.d, made.n, made.verdict) == (1, N, "compatible")


def test_rounded_values_are_reported_from_the_kept_rows() -> None:
    made = dmtest.report(dmtest.Summary(rows=KEPT).update(np.round(X, 2)), replicates=99)
    assert made.n == N
    assert "lattice" in made.warnings[0].message


def test_dependence_along_the_stream_is_a_finding() -> None:
    x = np.repeat(X[: N // 3], 3, axis=0)[:N]
    x = x + 1e-4 * np.random.default_rng(0).standard_normal(x.shape)
    made = dmtest.report(dmtest.Summary(rows=KEPT).update(x), replicates=99)
    assert {"grouped-rows", "serial-correlation"} & {f.code for f in made.warnings}


def test_rows_are_added_once() -> None:
    a, b = parts()[:2]
    a.merge(b)
    before = a.to_bytes()
    with refused(r"rows: 5 to 3,999 are in this summary already; give every part"):
        a.merge(b)
    assert a.to_bytes() == before


def test_missing_rows_are_a_finding() -> None:
    a, _, c = parts()[:3]
    made = dmtest.report(a.merge(c), replicates=99)
    assert made.n == 5 + TILE - 4000
    assert any(
        f.code == "missing-rows" and f.message.startswith("Rows 5 to 3,999 are missing")
        for f in made.warnings
    )


def test_bytes_hold_everything() -> None:
    for summary in (dmtest.Summary(), *parts(X.astype(np.float32)), *parts(rows=None)):
        again = dmtest.Summary.from_bytes(summary.to_bytes())
        assert again.to_bytes() == summary.to_bytes()
        assert (again.n, again.ranges, again.seed) == (summary.n, summary.ranges, summary.seed)
    again.update(X)
    assert again.n == N - CUTS[-2] + N


def test_damaged_bytes_are_refused() -> None:
    data = dmtest.Summary(rows=KEPT).update(X).to_bytes()
    for position in (*range(8, 400, 13), *range(400, len(data), 9973), len(data) - 1):
        bad = bytearray(data)
        bad[position] ^= 1
        with refused("data: .* bytes of a summary are damaged or incomplete; pass all"):
            dmtest.Summary.from_bytes(bytes(bad))
    for short in (data[:-1], data[:40], data[:16]):
        with refused("are damaged or incomplete"):
            dmtest.Summary.from_bytes(short)
    for other in (b"", b"\x80\x04", b"hello world", "text"):
        with refused("data: holds no summary"):
            dmtest.Summary.from_bytes(other)  # type: ignore[arg-type]
    with refused("is a summary of version 9, and this dmtest reads version 1"):
        dmtest.Summary.from_bytes(data[:6] + b"\x09\x00" + data[8:])


REFUSALS: list[tuple[Any, str]] = [
    (np.full((3, 3), np.nan), r"chunk: 3 of 3 rows are not finite \(first: row 100\)"),
    (np.ones((3, 2)), "chunk: has 2 columns and earlier rows 3; pass 3"),
    (np.ones((3, 3), np.float32), "chunk: has values of float32 and earlier rows of float64"),
    (np.ones((3, 3, 3)), r"chunk: got shape \(3, 3, 3\)"),
    (np.full((3, 3), 1e200), "chunk: values up to 1e\\+200 are too large; rescale"),
]


@pytest.mark.parametrize(("chunk", "message"), REFUSALS)
def test_refused_chunks_change_nothing(chunk: Any, message: str) -> None:
    summary = dmtest.Summary(rows=50).update(X[:100])
    before = summary.to_bytes()
    with refused(message):
        summary.update(chunk)
    assert summary.to_bytes() == before


def test_refused_arguments() -> None:
    with refused("target: a summary needs 'normal' or 'uniform', got 'any-normal'"):
        dmtest.Summary("any-normal")
    with refused("rows: got 3"):
        dmtest.Summary(rows=3)
    with refused("summary: has no rows yet"):
        dmtest.report(dmtest.Summary())
    with refused("other: has rng=1 and this summary rng=0; make all parts with the same rng"):
        dmtest.Summary().merge(dmtest.Summary(rng=1))
    with refused("other: got bytes; pass a Summary"):
        dmtest.Summary().merge(b"")  # type: ignore[arg-type]
    summary = dmtest.Summary(rows=KEPT).update(X)
    with refused("groups: does not apply to a summary or a stream"):
        dmtest.report(summary, groups=np.arange(N))
    with refused("target: the summary is of target 'normal'"):
        dmtest.report(summary, "uniform")
    with refused("tests: watson needs all rows, of which this summary of 17,884 keeps 1,000"):
        dmtest.report(summary, tests="watson")
    with refused("slices: a summary has its own fixed directions"):
        dmtest.report(summary, slices=4)


def test_sources(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    arrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    expected = dmtest.Summary(rows=KEPT).update(X)
    np.save(tmp_path / "x.npy", X)
    table = arrow.table({f"x{j}": X[:, j] for j in range(3)})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=3001)
    lists = arrow.table({"z": arrow.FixedSizeListArray.from_arrays(X.ravel(), 3)})
    pq.write_table(lists, tmp_path / "lists.parquet", row_group_size=5000)
    data = torch.utils.data.TensorDataset(torch.from_numpy(X), torch.zeros(N))
    sources: dict[str, Any] = {
        "array": X,
        "path of .npy": tmp_path / "x.npy",
        "memory map": np.load(tmp_path / "x.npy", mmap_mode="r"),
        "Fortran order": np.asfortranarray(X),
        "Parquet": str(tmp_path / "x.parquet"),
        "lists in Parquet": tmp_path / "lists.parquet",
        "loader": torch.utils.data.DataLoader(data, batch_size=1000),
        "tensors": (torch.from_numpy(one) for one in chunks(X, 2000)),
        "tuples": ((one, None) for one in chunks(X, 2000)),
    }
    for name, source in sources.items():
        made = dmtest.Summary.of(source, rows=KEPT)
        assert made.names == (("x0", "x1", "x2") if name == "Parquet" else None)
        made.names = None
        assert made.to_bytes() == expected.to_bytes(), name
    two = dmtest.Summary.of(tmp_path / "x.npy", columns=[0, 2], rows=KEPT)
    assert_allclose(two.mean, X[:, [0, 2]].mean(axis=0), rtol=1e-12)
    assert is_stream(sources["loader"])
    assert not is_stream(X)
    assert not is_stream([[1.0]])


def test_damaged_files(tmp_path: Path) -> None:
    (tmp_path / "x.parquet").write_bytes(b"no table")
    with refused(r"x\.parquet: cannot be read as a Parquet table"):
        dmtest.Summary.of(tmp_path / "x.parquet")


def test_progress_counts_rows() -> None:
    seen: list[tuple[str, int, int]] = []
    dmtest.Summary.of(X, rows=KEPT, progress=lambda *step: seen.append(step))
    assert seen[-1] == ("rows", N, N)


def test_representation() -> None:
    assert repr(dmtest.Summary()) == "Summary(n=0, d=unknown, target='normal', rows kept: all)"
    summary = dmtest.Summary(rows=KEPT).update(X)
    assert repr(summary) == "Summary(n=17,884, d=3, target='normal', rows kept: 1,000)"


def test_the_block_of_the_page_on_processes(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "streaming.md").read_text(encoding="utf-8")
    blocks = [part.split("```")[0] for part in page.split("```{code-block} python\n")[1:]]
    (code,) = [block for block in blocks if "multiprocessing" in block]
    np.save(tmp_path / "embeddings.npy", X)
    code = code.replace("250_000", "5_000").replace("print(dmtest.report(whole))", "print(whole)")
    (tmp_path / "run.py").write_text(
        code + "    open('whole', 'wb').write(whole.to_bytes())\n", encoding="utf-8"
    )
    root = str(Path(__file__).parents[2])
    done = python("run.py", cwd=tmp_path, env={"PYTHONPATH": root})
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "whole").read_bytes() == dmtest.Summary().update(X).to_bytes()
