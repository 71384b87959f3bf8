"""Cases of groups E, F and G: memory, statistics by class, and files."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_array_equal

import dmtest
from dmtest.effects.directions import two_sample as directions_two_sample
from tests.support.calls import refused

ROOT = Path(__file__).parents[2]


def test_comparing_files_copies_neither(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """E2, SeldonIO/alibi-detect#597: out of memory at 10^6 rows.

    Memory does not grow with the columns, apart from the search for directions, which uses at most
    10,000 rows of each half and here 200. Whole runs were measured for docs/limits.md.
    """
    monkeypatch.setattr(directions_two_sample, "ROWS", 200)
    rng, n = np.random.default_rng(0), 10_000
    options = {"tests": "energy", "replicates": 19, "budget": 1e8, "rng": 0}
    dmtest.compare(rng.standard_normal((200, 3)), rng.standard_normal((200, 3)), **options)
    peaks = []
    for d in (16, 256):
        for name in "ab":
            np.save(tmp_path / f"{name}.npy", rng.standard_normal((n, d), dtype=np.float32))
        tracemalloc.start()
        dmtest.compare(tmp_path / "a.npy", tmp_path / "b.npy", **options)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    copy = 2 * n * 256 * 8  # in float64
    assert peaks[1] < 1.5 * copy, peaks
    assert peaks[1] - peaks[0] < 0.7 * copy, peaks


def test_statistics_by_class_are_reports_by_class() -> None:
    """E3, kkirchheim/pytorch-ood#93, and F9, #59: no test has classes, a report has."""
    assert not [row.name for row in dmtest.list_tests() if "class" in row.name.split("-")]
    x = np.random.default_rng(0).standard_normal((200, 3))
    names = np.repeat(["cats", "dogs"], 100)
    x[:100, 1] += 1.0
    by = dmtest.report(x, by=names, rng=0).classes
    assert by is not None
    assert {name: by[name].verdict for name in by} == {"cats": "mismatch", "dogs": "compatible"}


@pytest.mark.parametrize("first", ["the", "2012", "12"])
def test_glove_without_a_header(tmp_path: Path, first: str) -> None:
    """G3, RaRe-Technologies/gensim#2566: no header, or a first word that is a number."""
    x = np.round(np.random.default_rng(3).standard_normal((20, 5)), 5)
    words = [first, *(f"w{j}" for j in range(19))]
    lines = [" ".join([word, *map(str, row)]) for word, row in zip(words, x, strict=True)]
    path = tmp_path / "glove.6B.5d.txt"
    path.write_text("\n".join(lines) + "\n")
    assert_array_equal(dmtest.load(path), x)


def test_half_precisions_of_safetensors(tmp_path: Path) -> None:
    """G5: bfloat16 is read, and said, since rounding may be detected; float8 is refused."""
    torch = pytest.importorskip("torch")
    save = pytest.importorskip("safetensors.torch").save_file
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(5))
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):
        path = tmp_path / f"{str(dtype).rsplit('.', maxsplit=1)[-1]}.safetensors"
        save({"x": x.to(dtype)}, path)
        if dtype is not torch.bfloat16:
            refused("F8_E4M3, which NumPy lacks; save it as F32 or BF16", dmtest.load, path)
            continue
        made = dmtest.report(path, tests="anderson-darling", rng=0)
        assert [one.code for one in made.warnings if one.code == "low-precision"]
        assert_array_equal(dmtest.load(path), x.to(dtype).float().numpy())
