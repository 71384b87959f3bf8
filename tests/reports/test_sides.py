"""Comparisons of samples that are read in parts: which they are, moments, what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dmtest
from dmtest.errors import InputError
from dmtest.results.report import Report
from dmtest.summaries import sides
from dmtest.summaries import summary as summaries

N, KEPT = 20_000, 700
RNG = np.random.default_rng(1)
X, Y = (RNG.standard_normal((N, 3), dtype=np.float32) for _ in range(2))
OPTIONS: dict[str, Any] = {"rng": 4, "replicates": 99}


@pytest.fixture(autouse=True)
def few_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "ROWS", KEPT)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sides, "ALL_ROWS", 1000)


def numbers(made: Report) -> list[Any]:
    effects = [(e.name, e.value, e.low, e.high) for e in made.effects.values()]
    return [made.pvalue, made.n, *[(o.test, o.statistic, o.method) for o in made.outcomes], effects]


@pytest.mark.usefixtures("parts")
def test_arrays_files_streams_and_summaries_give_the_same(tmp_path: Path) -> None:
    import pandas as pd

    np.save(tmp_path / "x.npy", X)
    pd.DataFrame(Y, columns=["a", "b", "c"]).to_parquet(tmp_path / "y.parquet", row_group_size=777)
    whole = dmtest.compare(X, Y, **OPTIONS)
    others = {
        "files": dmtest.compare(tmp_path / "x.npy", tmp_path / "y.parquet", **OPTIONS),
        "stream": dmtest.compare((X[i : i + 999] for i in range(0, N, 999)), Y, **OPTIONS),
        "summaries": dmtest.compare(
            dmtest.Summary(rng=4).update(X), dmtest.Summary(rng=4).update(Y), **OPTIONS
        ),
    }
    for name, made in others.items():
        assert numbers(made) == numbers(whole), name
    assert whole.provenance.reference_rows == N
    assert whole.warnings[0].code == "streamed"
    assert f"of {2 * KEPT:,} of {2 * N:,} rows drawn at random" in whole.outcomes[0].method
    assert whole.to_html()


@pytest.mark.usefixtures("parts")
def test_moments_are_of_all_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shift that a few hundred rows cannot show has a narrow interval all the same."""
    shifted = Y + np.float32(0.1)
    streamed = dmtest.compare(X, shifted, **OPTIONS).effects["mean-difference"]
    monkeypatch.setattr(sides, "ALL_ROWS", 1 << 28)
    whole = dmtest.compare(X, shifted, **OPTIONS).effects["mean-difference"]
    assert whole.value is not None
    assert_allclose(streamed.value, whole.value, rtol=1e-5)
    assert_allclose(streamed.high, whole.high, rtol=1e-5)


@pytest.mark.usefixtures("parts")
def test_a_difference_of_covariances_covers_that_of_all_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wide = Y * np.float32([1.3, 1.0, 1.0])
    streamed = dmtest.compare(X, wide, **OPTIONS).effects["covariance-difference"]
    monkeypatch.setattr(sides, "ALL_ROWS", 1 << 28)
    whole = dmtest.compare(X, wide, **OPTIONS).effects["covariance-difference"]
    assert whole.value is not None
    assert_allclose(streamed.value, whole.value, rtol=1e-3)
    assert streamed.low is not None
    assert streamed.high is not None
    assert_allclose(streamed.high - streamed.low, whole.high - whole.low, rtol=0.3)  # type: ignore[operator]


@pytest.mark.usefixtures("parts")
@pytest.mark.parametrize(("scale", "verdict"), [(1.0, "compatible"), (1.5, "mismatch")])
def test_verdicts(scale: float, verdict: str) -> None:
    made = dmtest.compare(X, Y * np.float32(scale), replicates=99, rng=0)
    assert made.verdict == verdict
    assert bool(made.diagnosis) == (verdict == "mismatch")


@pytest.mark.usefixtures("parts")
def test_a_file_compared_with_itself_is_noticed() -> None:
    assert "same-rows" in [one.code for one in dmtest.compare(X, X, **OPTIONS).warnings]


def test_few_rows_beside_many() -> None:
    made = dmtest.compare(dmtest.Summary().update(X), Y[:400], **OPTIONS)
    assert (made.n, made.provenance.reference_rows) == (N, 400)


def test_memory_bounds_what_is_kept(tmp_path: Path) -> None:
    least = 2 * (summaries.FIXED + summaries.COPIES * 3 * 4 * summaries.LEAST)
    with pytest.raises(InputError, match="memory: got 500 bytes; a report of 3 columns takes at"):
        dmtest.compare(X, Y, memory=1000, **OPTIONS)
    # Enough for all rows at once, so these are used.
    assert dmtest.compare(X, Y, memory=least, **OPTIONS).warnings == ()
    with pytest.raises(InputError, match=r"memory: got 1,000 bytes, and rotation= needs all rows"):
        dmtest.compare(X, Y, memory=1000, rotation=True)
    np.save(tmp_path / "x.npy", np.asfortranarray(X[:300]))  # read at once
    with pytest.raises(InputError, match=r"memory: got 1,000 bytes; samples that are read at once"):
        dmtest.compare(tmp_path / "x.npy", tmp_path / "x.npy", memory=1000)


def test_what_is_refused() -> None:
    summary = dmtest.Summary().update(X)
    with pytest.raises(InputError, match="groups: does not apply to a summary or a stream"):
        dmtest.compare(summary, Y, groups=np.arange(N))
    with pytest.raises(InputError, match="reference: is a summary for target 'uniform'"):
        dmtest.compare(summary, dmtest.Summary("uniform").update(np.abs(Y) / 10))
    with pytest.raises(InputError, match="reference: has 2 columns and the data have 3"):
        dmtest.compare(summary, dmtest.Summary().update(Y[:, :2]))
    bad = Y.copy()
    bad[5] = np.nan
    with pytest.raises(InputError, match="reference: chunk: 1 of"):
        dmtest.compare(summary, iter([bad]))
