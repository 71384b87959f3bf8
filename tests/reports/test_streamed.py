"""Reports of many rows: the same numbers of an array, a file, a stream and merged parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import dmtest
from dmtest.errors import InputError
from dmtest.results.figures import NO_FIGURES
from dmtest.results.report import Report
from dmtest.summaries import sides
from dmtest.summaries import summary as summaries

N, KEPT = 20_000, 600
OPTIONS: dict[str, Any] = {"replicates": 99, "rng": 4}
X = np.random.default_rng(3).standard_normal((N, 3), dtype=np.float32)


@pytest.fixture(autouse=True)
def few_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "ROWS", KEPT)


def chunks(x: NDArray[Any], size: int) -> Iterator[NDArray[Any]]:
    return (x[i : i + size] for i in range(0, len(x), size))


def content(made: Report) -> dict[str, Any]:
    """Return a report's content less its file and the time it took."""
    found = made.to_dict()
    for name in ("seconds", "created", "source"):
        found["computed"].pop(name, None)
    return found


@pytest.mark.parametrize("target", ["normal", "uniform"])
def test_array_file_stream_and_parts_give_the_same_report(target: str, tmp_path: Path) -> None:
    x = X if target == "normal" else np.random.default_rng(5).random(X.shape)
    x = x * 0.97  # a mismatch has a diagnosis, too
    whole = dmtest.report(x, target, **OPTIONS)
    assert whole.verdict == "mismatch"
    assert whole.n == N
    assert whole.outcomes[0].rows == N
    np.save(tmp_path / "x.npy", x)
    seed = OPTIONS["rng"]
    right = dmtest.Summary(target, first=7777, rng=seed).update(x[7777:])
    left = dmtest.Summary(target, rng=seed).update(x[:7777])
    merged = dmtest.Summary.from_bytes(right.merge(left).to_bytes())
    others = {
        "stream": dmtest.report(chunks(x, 999), target, **OPTIONS),
        "large chunks": dmtest.report(chunks(x, 16_384), target, **OPTIONS),
        "file": dmtest.report(tmp_path / "x.npy", target, **OPTIONS),
        "map": dmtest.report(np.load(tmp_path / "x.npy", mmap_mode="r"), target, **OPTIONS),
        "list of lists": dmtest.report(x.tolist(), target, **OPTIONS) if x.itemsize == 8 else whole,
        "parts": dmtest.report(merged, **OPTIONS),
    }
    for name, other in others.items():
        assert content(other) == content(whole), name


def test_statistics_of_all_rows_are_those_of_the_steps_for_an_array(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many = dmtest.report(X, **OPTIONS)
    monkeypatch.setattr(summaries, "ROWS", N)
    whole = {one.test: one for one in dmtest.report(X, **OPTIONS).outcomes}
    for one in many.outcomes:
        if one.rows == N and "counts in cells" not in one.method:
            assert one.statistic == pytest.approx(whole[one.test].statistic, rel=1e-5)
        elif one.rows == N:
            assert one.pvalue >= whole[one.test].pvalue
            assert one.statistic == pytest.approx(whole[one.test].statistic, rel=1e-2)
    exact = {one.test for one in many.outcomes if one.rows == N}
    assert {"anderson-darling", "dagostino-pearson", "radius"} <= exact


def test_what_needs_all_rows_has_them() -> None:
    (watson,) = dmtest.report(X, tests="watson", **OPTIONS).outcomes
    assert watson.rows == N
    given = dmtest.report(X, directions=np.eye(3), **OPTIONS)
    assert "streamed" not in {finding.code for finding in given.warnings}
    labelled = dmtest.report(X[:2000], labels=np.arange(2000) % 2, **OPTIONS)
    assert labelled.classes is not None


def test_rows_that_are_not_finite() -> None:
    bad = X.copy()
    bad[77, 2] = np.nan
    with pytest.raises(InputError, match=r"data: 1 of 20000 rows is not finite \(first: row 77"):
        dmtest.report(bad)
    dropped = dmtest.report(bad, nonfinite="drop", **OPTIONS)
    assert {"streamed", "nonfinite-rows"} <= {finding.code for finding in dropped.warnings}
    without = dmtest.report(np.delete(X, 77, axis=0), **OPTIONS)
    assert (dropped.n, dropped.pvalue) == (N - 1, without.pvalue)


def test_a_tolerance_in_rows_keeps_enough_rows() -> None:
    asked = dmtest.report(X, tolerance_rows=1100, **OPTIONS).provenance.equivalence
    assert asked is not None
    assert "of 16 disjoint blocks" in asked.criteria[-1].note


def test_a_tolerance_in_nats(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "ROWS", N // 2)
    near = dmtest.report(X + np.float32(0.002), tolerance=0.3, **OPTIONS)
    assert near.verdict == "equivalent"
    assert dmtest.report(2.0 * X, tolerance=0.3, **OPTIONS).verdict == "mismatch"


def test_memory_bounds_the_rows_that_are_kept() -> None:
    d, rows = 3, 500
    memory = summaries.FIXED + summaries.COPIES * d * 4 * 2048
    assert summaries.rows_within(memory, d, 4) == min(2048, KEPT)
    assert summaries.rows_within(1 << 40, d, 4) == KEPT
    wide = summaries.FIXED + 3000 * summaries.COPIES * 4096 * 4
    assert summaries.rows_within(wide, 4096, 4) == min(3000, KEPT)
    with pytest.raises(InputError, match="memory: got 100 bytes; a report of 3 columns takes at"):
        dmtest.report(X, memory=100)
    with pytest.raises(InputError, match=r"memory: got 1\.5; give a whole number"):
        dmtest.report(X, memory=1.5)  # type: ignore[arg-type]
    made = dmtest.Summary(memory=memory, rng=4).update(X[: N - rows]).update(X[N - rows :])
    again = dmtest.Summary.from_bytes(made.to_bytes())
    assert again.rows == made.rows == KEPT


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("labels", {"labels": np.arange(N) % 3}),
        ("by", {"by": np.arange(N) % 3}),
        ("groups", {"groups": np.arange(N) // 2}),
        ("slices", {"slices": 8}),
        ("rows", {"rows": True}),
        ("tests", {"tests": "all"}),
        ("target", {"target": "any-normal"}),
    ],
)
@pytest.mark.parametrize("of_file", [True, False])
def test_memory_refuses_what_needs_all_rows(
    name: str, options: dict[str, Any], of_file: bool, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", X)
    data = tmp_path / "x.npy" if of_file else X
    with pytest.raises(InputError, match=f"memory: got 1,000 bytes; {name}= needs all rows at on"):
        dmtest.report(data, memory=1000, **options)


def test_memory_that_is_enough_for_all_rows_is_honoured() -> None:
    enough = summaries.FIXED + sides.WHOLE * X.nbytes
    made = dmtest.report(X, groups=np.arange(N) // 2, memory=enough, effects=False, rng=0)
    assert made.n == N
    with pytest.raises(InputError, match="memory: got 1,000 bytes; a report of 300 rows takes"):
        dmtest.report(X[:300], memory=1000)
    with pytest.raises(InputError, match="memory: got 1,000 bytes; groups= needs all rows"):
        dmtest.report(X.tolist(), groups=np.arange(N) // 2, memory=1000)


@pytest.mark.parametrize("rows", [400, N])
@pytest.mark.parametrize("scale", [1.0, 1.1])
def test_without_effects_the_verdict_is_the_same(rows: int, scale: float) -> None:
    x = scale * X[:rows]
    whole, brief = (dmtest.report(x, effects=wanted, **OPTIONS) for wanted in (True, False))
    for name in ("verdict", "pvalue", "adjusted", "warnings", "pvalue_method"):
        assert getattr(whole, name) == getattr(brief, name)
    assert [one.statistic for one in whole.outcomes] == [one.statistic for one in brief.outcomes]
    assert whole.effects
    assert not brief.effects
    assert not brief.diagnosis
    assert brief.figures == NO_FIGURES
    assert "Effect" not in str(brief)
    assert Report.from_json(brief.to_json()).verdict == whole.verdict
    assert brief.to_html()


def test_without_effects_a_tolerance_still_has_its_bounds() -> None:
    made = dmtest.report(X[:500], tolerance=0.5, effects=False, **OPTIONS)
    assert made.provenance.equivalence is not None
    assert made.effects


def test_a_report_by_class_without_effects() -> None:
    labels = np.arange(600) % 2
    made = dmtest.report(X[:600], labels=labels, effects=False, **OPTIONS)
    assert made.classes is not None
    assert not made.effects
