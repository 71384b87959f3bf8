"""Summaries that Dask makes: the same bits with threads, processes and a worker that is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dmtest
from dmtest.errors import InputError
from dmtest.results.report import Report

dask = pytest.importorskip("dask")
array = pytest.importorskip("dask.array")
frames = pytest.importorskip("dask.dataframe")
distributed = pytest.importorskip("distributed")

N = 60_000
X = 1.01 * np.random.default_rng(3).standard_normal((N, 3), dtype=np.float32)
OPTIONS: dict[str, Any] = {"rng": 4, "effects": False}


@pytest.fixture(scope="module")
def whole() -> Report:
    return dmtest.report(X, **OPTIONS)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Two processes on this machine."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50
    ) as one:
        yield one


def assert_same(made: Report, whole: Report) -> None:
    assert (made.n, made.d, made.verdict, made.seed) == (whole.n, whole.d, whole.verdict, 4)
    assert made.pvalue == whole.pvalue
    for one, other in zip(made.outcomes, whole.outcomes, strict=True):
        assert (one.test, one.pvalue, one.statistic) == (other.test, other.pvalue, other.statistic)


@pytest.mark.parametrize("chunks", [(60_000, 3), (17_001, 2), ((8192, 40_000, 11_808), (3,))])
def test_arrays_of_any_chunks(chunks: Any, whole: Report) -> None:
    assert_same(dmtest.report(array.from_array(X, chunks=chunks), **OPTIONS), whole)


def test_an_array_of_unknown_chunks(whole: Report) -> None:
    rows = array.from_array(np.concatenate([X, -X]), chunks=(25_000, 3))
    kept = array.from_array(np.arange(2 * N) < N, chunks=25_000)
    assert_same(dmtest.report(rows[kept], **OPTIONS), whole)


def test_data_frames_and_their_columns(whole: Report) -> None:
    import pandas as pd

    frame = frames.from_pandas(pd.DataFrame(X, columns=["a", "b", "c"]), npartitions=5)
    made = dmtest.report(frame, **OPTIONS)
    assert_same(made, whole)
    summary = dmtest.Summary.of(frame, rng=4)
    assert summary.names == ("a", "b", "c")
    picked = dmtest.Summary.of(frame[["a", "c"]], rng=4)
    assert picked.mean.tolist() == dmtest.Summary.of(X[:, [0, 2]], rng=4).mean.tolist()


def test_columns_of_an_array() -> None:
    rows = array.from_array(X, chunks=(20_000, 3))
    one = dmtest.Summary.of(rows, rng=4, columns=[0, 2])
    assert one.to_bytes() == dmtest.Summary.of(X, rng=4, columns=[0, 2]).to_bytes()


def test_files_and_arrays_by_the_default_scheduler(whole: Report, tmp_path: Path) -> None:
    import pandas as pd

    np.save(tmp_path / "x.npy", X)
    pd.DataFrame(X, columns=["a", "b", "c"]).to_parquet(tmp_path / "x.parquet", row_group_size=9999)
    for data in (X, tmp_path / "x.npy", tmp_path / "x.parquet"):
        assert_same(dmtest.report(data, engine="dask", **OPTIONS), whole)


def test_two_processes(cluster: Any, whole: Report, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", X)
    file = tmp_path / "x.npy"
    assert_same(dmtest.report(file, engine=cluster, **OPTIONS), whole)
    assert_same(dmtest.report(file, engine=cluster.scheduler_address, **OPTIONS), whole)
    with distributed.Client(cluster) as client:
        assert_same(dmtest.report(X, engine=client, **OPTIONS), whole)
        # The current client.
        assert_same(dmtest.report(array.from_array(X, chunks=(9000, 3)), **OPTIONS), whole)


def rows_or_death(x: NDArray[Any], marker: str) -> NDArray[Any]:
    """Return rows; the first call ends its process."""
    try:
        os.close(os.open(marker, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return x
    os._exit(1)


def test_a_worker_that_dies_changes_nothing(cluster: Any, whole: Report, tmp_path: Path) -> None:
    marker = str(tmp_path / "died")
    blocks = array.from_array(X, chunks=(9000, 3)).map_blocks(
        rows_or_death, marker, dtype=X.dtype, meta=X[:0]
    )
    with distributed.Client(cluster, set_as_default=False) as client:
        made = dmtest.report(blocks, engine=client, **OPTIONS)
    assert os.path.exists(marker)
    assert_same(made, whole)


def test_what_is_refused(cluster: Any) -> None:
    rows = array.from_array(X, chunks=(20_000, 3))
    for options, text in (
        ({"engine": "spark"}, "engine: got 'spark'; give 'dask', the address of a scheduler"),
        ({"labels": np.arange(N)}, "labels: does not apply to a summary or a stream"),
        ({"key": "x"}, "key: does not apply"),
        (
            {"target": "any-normal"},
            "target: a summary needs .normal. or .uniform., got",
        ),
    ):
        with pytest.raises(InputError, match=text):
            dmtest.report(rows, **options)
    with pytest.raises(InputError, match=r"labels: does not apply with engine=, where rows are"):
        dmtest.report(X, labels=np.arange(N), engine="dask")
    with pytest.raises(InputError, match="engine: a summary has read its rows already"):
        dmtest.report(dmtest.Summary().update(X), engine="dask")
    with pytest.raises(InputError, match=r"data: got shape \(2, 2, 2\)"):
        dmtest.report(array.ones((2, 2, 2)))
    bad = X.copy()
    bad[50_000, 1] = np.nan
    with pytest.raises(InputError, match=r"chunk: 1 of .* rows are not finite \(first: row 50000"):
        dmtest.report(bad, engine=cluster, rng=0)


def test_no_scheduler(monkeypatch: pytest.MonkeyPatch) -> None:
    from dmtest.summaries import cluster as module

    monkeypatch.setattr(module, "TIMEOUT", 0.2)
    with pytest.raises(InputError, match=r"engine: no scheduler answers at 'tcp://127.0.0.1:9'"):
        dmtest.report(X, engine="tcp://127.0.0.1:9", rng=0)


def test_few_rows_and_empty_parts_give_the_report_of_the_array() -> None:
    few = X[:500]
    rows = array.concatenate([array.from_array(few[:0]), array.from_array(few, chunks=(70, 3))])
    made, whole = dmtest.report(rows, rng=4), dmtest.report(few, rng=4)
    assert_same(made, whole)
    assert made.effects == whole.effects
    with pytest.raises(InputError, match="summary: has no rows yet"):
        dmtest.report(rows[:0])


def test_parts_keep_the_rows_that_may_be_among_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fewer bytes travel; the summary is the same, also where the parts keep too few at first."""
    from dmtest.summaries import cluster, reservoir

    options: dict[str, Any] = {"target": "normal", "rows": 500, "rng": 3}
    x = np.random.default_rng(0).standard_normal((20_000, 4))
    whole = dmtest.Summary.of(x, rows=500, rng=3).to_bytes()
    alone = cluster._part(lambda: x[:8192], (), options, None, None)
    among = cluster._part(lambda: x[:8192], (), options, None, None, 1_000_000)
    assert dmtest.Summary.from_bytes(alone).sample()[0].size == 500
    assert dmtest.Summary.from_bytes(among).sample()[0].size < 30
    calls: list[Any] = []
    made = cluster._part

    def counted(*arguments: Any) -> bytes:
        calls.append(arguments[-1])
        return made(*arguments)

    monkeypatch.setattr(cluster, "_part", counted)
    monkeypatch.setattr(cluster, "PART_ROWS", 8192)
    assert cluster.summarise(x, options, engine=None).to_bytes() == whole
    assert set(calls) == {20_000 - 2 * 8192}
    monkeypatch.setattr(reservoir, "MARGIN", -20.0)
    assert cluster.summarise(x, options, engine=None).to_bytes() == whole
    assert None in calls
