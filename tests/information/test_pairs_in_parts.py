"""Bounds of many pairs: the pairs that a summary keeps, whatever the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmtest
from dmtest import information
from dmtest.errors import InputError
from dmtest.summaries import sides
from dmtest.summaries import summary as summaries

N, KEPT = 20_000, 4000
RNG = np.random.default_rng(1)
X = RNG.standard_normal((N, 2), dtype=np.float32)
Y = np.float32(0.95) * X + np.float32(0.3) * RNG.standard_normal((N, 2), dtype=np.float32)
OPTIONS: dict[str, Any] = {"sigma": 1.0, "rng": 4}


@pytest.fixture(autouse=True)
def few_rows_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summaries, "ROWS", KEPT)
    monkeypatch.setattr(sides, "ALL_ROWS", 1000)


def chunks(x: Any, size: int) -> Any:
    return (x[i : i + size] for i in range(0, len(x), size))


def test_arrays_files_streams_and_summaries_give_the_bounds_of_the_kept_pairs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = information.pair_bounds(X, Y, **OPTIONS)
    assert (made.n, made.total) == (KEPT, N)
    assert "4,000 of 20,000 pairs" in repr(made)
    assert "4,000 of 20,000 pairs" in made.to_html()
    np.save(tmp_path / "x.npy", X)
    np.savez(tmp_path / "both.npz", embeddings=X, augmented=Y)
    both = tmp_path / "both.npz"
    keys = ("embeddings", "augmented")
    summary = dmtest.Summary(rng=4).update(Y)
    assert information.pair_bounds(chunks(X, 999), chunks(Y, 500), **OPTIONS) == made
    assert information.pair_bounds(tmp_path / "x.npy", summary, **OPTIONS) == made
    assert information.pair_bounds(both, both, keys=keys, **OPTIONS) == made
    numbers, kept = summary.sample()
    monkeypatch.setattr(sides, "ALL_ROWS", 1 << 28)
    few = information.pair_bounds(X[numbers], kept, **OPTIONS)
    assert (few.total, few.smoothed_kl, few.infonce) == (None, made.smoothed_kl, made.infonce)


def test_pairs_of_two_types_keep_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of float64 take more bytes, so fewer are kept: a part of the others."""
    monkeypatch.setattr(summaries, "BYTES", 1 << 15)
    monkeypatch.setattr(summaries, "FEWEST", 100)
    made = information.pair_bounds(X, Y.astype(np.float64), **OPTIONS)
    assert made.n == (1 << 15) // 16
    assert made.information_low > 0.2  # rows that are no pairs have none


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match=r"augmented: got shape \(19000, 2\) for data"):
        information.pair_bounds(X, chunks(Y[:19_000], 900), **OPTIONS)
    with pytest.raises(InputError, match="they keep different rows; make both with the same rng"):
        information.pair_bounds(X, dmtest.Summary(rng=5).update(Y), **OPTIONS)
    with pytest.raises(InputError, match="memory: got 500 bytes; a report of 2 columns takes"):
        information.pair_bounds(X, Y, memory=1000, **OPTIONS)
    with pytest.raises(InputError, match="embeddings lie in the unit cube"):
        information.pair_bounds(X, Y, epsilon=0.1, rng=0)


def test_the_command_line_reads_two_arrays_of_one_file_in_parts(tmp_path: Path) -> None:
    from dmtest.cli.main import main

    np.savez(tmp_path / "both.npz", embeddings=X, augmented=Y, sigma=1.0)
    least = 2 * (summaries.FIXED + summaries.COPIES * 8 * 2048)
    assert main(["bounds", str(tmp_path / "both.npz"), "--memory", str(least)]) == 0
