"""Damaged files of every kind: refused in one sentence, or read as what they hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dmtest.data.readers.formats import FORMATS
from tests.support.corpus import JSON, cases, judge, search

NAMES = [row.name for row in FORMATS]


@pytest.mark.parametrize("kind", [*NAMES, *JSON])
def test_damaged_files(kind: str, tmp_path: Path) -> None:
    if kind == "torch":
        pytest.importorskip("torch")
    fell = []
    for case in cases(kind, np.random.default_rng(22), 30):
        verdict = judge(case, tmp_path)
        if verdict.what in ("crashed", "misread"):
            fell.append(f"{case.label} ({case.suffix}): {verdict.what}: {verdict.said}")
    assert not fell, "\n".join(fell)


@pytest.mark.parametrize("kind", NAMES)
def test_a_search_for_new_lines(kind: str, tmp_path: Path) -> None:
    if kind == "torch":
        pytest.importorskip("torch")
    found = list(search(kind, np.random.default_rng(5), 40, tmp_path))
    assert [v.said for _, v in found if v.what in ("crashed", "misread")] == []
    assert sum(verdict.what == "refused" for _, verdict in found) > 9
