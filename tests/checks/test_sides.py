"""Checks and baselines of many rows: streams and large files give the same in bounded memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmtest
from dmtest.errors import InputError
from dmtest.results.check import CheckResult
from dmtest.summaries import sides
from dmtest.summaries import summary as summaries

N, KEPT = 20_000, 900
RNG = np.random.default_rng(1)
X, Y = (RNG.standard_normal((N, 3), dtype=np.float32) for _ in range(2))


@pytest.fixture(autouse=True)
def few_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "ROWS", KEPT)
    monkeypatch.setattr(sides, "ALL_ROWS", 1000)


def chunks(x: Any, size: int = 777) -> Any:
    return (x[i : i + size] for i in range(0, len(x), size))


def numbers(made: CheckResult) -> list[Any]:
    rows = [(row.name, row.passed, row.value, row.pvalue, row.error) for row in made.rows]
    return [made.passed, made.report.n, made.report.pvalue, rows]


def test_arrays_files_streams_and_summaries_give_the_same_check(tmp_path: Path) -> None:
    good = dmtest.write_baseline(X)
    assert good.n == N
    assert len(good.sample) == KEPT
    limits: dict[str, Any] = {"max_kl": 1.0, "max_mean": 0.5, "max_correlation": 0.5}
    limits |= {"min_detectable_n": 100}
    whole = dmtest.check(Y, good, **limits)
    assert whole.passed
    assert whole.report.n == N
    np.save(tmp_path / "y.npy", Y)
    np.savez(tmp_path / "y.npz", Y)
    others = {
        "file": dmtest.check(tmp_path / "y.npy", good, **limits),
        "archive": dmtest.check(tmp_path / "y.npz", good, **limits),
        "stream": dmtest.check(chunks(Y), good, **limits),
        "summary": dmtest.check(dmtest.Summary(rng=0).update(Y), good, **limits),
        "baseline of a stream": dmtest.check(Y, dmtest.write_baseline(chunks(X)), **limits),
    }
    for name, made in others.items():
        assert numbers(made) == numbers(whole), name
    stored = dmtest.write_baseline(chunks(X), tmp_path / "good.json")
    assert stored.digest == good.digest
    assert numbers(dmtest.check(Y, tmp_path / "good.json", **limits)) == numbers(whole)


def test_means_and_covariances_are_of_all_rows() -> None:
    shifted = Y + np.array([0.0, 0.04, 0.0])
    made = dmtest.check(shifted, max_mean=0.01, rng=3)
    (row,) = made.rows
    mean = shifted.mean(axis=0)
    assert row.value == pytest.approx(abs(mean).max(), rel=1e-10)
    assert row.where == "x1"
    assert not row.passed


def test_a_regression_is_found_and_the_same_rows_are_noticed() -> None:
    good = dmtest.write_baseline(X)
    worse = dmtest.check(1.2 * Y, good)
    assert {"verdict", "variance", "kl-scale"} <= {row.name for row in worse.failures}
    again = dmtest.check(chunks(X), good)
    assert "same-rows" in {finding.code for finding in again.warnings}
    assert "same-rows" not in {finding.code for finding in dmtest.check(Y, good).warnings}


def test_the_cube_and_other_targets() -> None:
    cube = np.random.default_rng(2).random((N, 2))
    good = dmtest.write_baseline(chunks(cube), target="uniform")
    assert dmtest.check(chunks(np.random.default_rng(3).random((N, 2))), good).report.n == N
    with pytest.raises(InputError, match="data: is a summary for target 'normal'"):
        dmtest.check(dmtest.Summary().update(cube), good)
    # A target that is fitted to all rows has all rows.
    fitted = dmtest.write_baseline(2.0 * X[:3000] + 1.0, target="any-normal")
    assert len(fitted.sample) == 3000
    with pytest.raises(InputError, match="target: does not apply to a summary or a stream"):
        dmtest.check(chunks(X), fitted)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="slices: does not apply to a summary or a stream"):
        dmtest.write_baseline(chunks(X), slices=8)
    with pytest.raises(InputError, match="groups: does not apply to a summary or a stream"):
        dmtest.check(chunks(X), max_kl=1.0, groups=np.arange(N))
    with pytest.raises(InputError, match="memory: got 500 bytes; a report of 3 columns takes"):
        dmtest.check(X, max_kl=1.0, memory=500)
    with pytest.raises(InputError, match="memory: got 1,000 bytes; samples that are read at once"):
        dmtest.check(X, max_kl=1.0, memory=1000, groups=np.arange(N))
    bad = X.copy()
    bad[7] = np.nan
    with pytest.raises(InputError, match="data: chunk: 1 of"):
        dmtest.check(bad, max_kl=1.0)


def test_a_check_on_the_command_line(tmp_path: Path) -> None:
    from dmtest.cli.main import main

    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", Y)
    memory = str(summaries.FIXED + summaries.COPIES * 12 * 2048)
    good = str(tmp_path / "good.json")
    options = ["--memory", memory, "--quiet"]
    assert main(["check", str(tmp_path / "x.npy"), "--write-baseline", good, *options]) == 0
    assert main(["check", str(tmp_path / "y.npy"), "--baseline", good, *options]) == 0
