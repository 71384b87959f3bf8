"""What version 0.1.0 wrote is read, and gives the results that it gave."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmtest
from tests.support.references import PATH
from tests.support.tables import classical

# Other processors and other versions of numpy and scipy round in other places.
TOLERANCE = 1e-9
STORED = json.loads(gzip.decompress((PATH / "baseline.json.gz").read_bytes()))
NUMBERS = ("verdict", "pvalue", "outcomes", "adjusted", "effects", "rows", "passed")


def compare(now: Any, then: Any, where: str = "") -> None:
    """Hold that numbers are the same up to rounding, and everything else is the same."""
    if isinstance(then, dict):
        for name in then:
            compare(now[name], then[name], f"{where}/{name}")
    elif isinstance(then, list):
        assert len(now) == len(then), where
        for i, (one, other) in enumerate(zip(now, then, strict=True)):
            compare(one, other, f"{where}/{i}")
    elif isinstance(then, float):
        assert math.isclose(now, then, rel_tol=TOLERANCE, abs_tol=1e-12), (where, now, then)
    elif not where.endswith(("label", "note", "method", "unit")):  # words may get better
        assert now == then, where


def numbers(content: dict[str, Any]) -> dict[str, Any]:
    return {name: content[name] for name in NUMBERS if name in content}


@pytest.fixture
def baseline(tmp_path: Path) -> Path:
    path = tmp_path / "baseline.json"
    path.write_text(json.dumps(STORED["baseline"]), encoding="utf-8")
    return path


def test_it_is_of_an_earlier_version() -> None:
    assert STORED["version"] == STORED["baseline"]["version"] == "0.1.0"
    assert STORED["baseline"]["schema"] == STORED["report"]["schema"] == 1


def test_a_report_is_read_and_made_again() -> None:
    read = dmtest.Report.from_json(json.dumps(STORED["report"]))
    assert json.loads(read.to_json()) == STORED["report"]
    made = dmtest.report(classical()["setosa"], "any-normal", rng=1)
    compare(numbers(json.loads(made.to_json())), numbers(STORED["report"]))


@pytest.mark.parametrize("name", ["same", "check", "skewed"])
def test_a_check_against_it_gives_what_it_gave(name: str, baseline: Path) -> None:
    flowers = classical()
    data = {
        "same": flowers["setosa"],
        "check": flowers["versicolor"],
        "skewed": np.exp(2.0 * flowers["setosa"]),
    }[name]
    found = json.loads(dmtest.check(data, baseline, rng=2).to_json())
    compare(numbers(found), numbers(STORED[name]))
    assert found["passed"] == (name != "skewed")


def test_a_changed_number_is_noticed() -> None:
    other = json.loads(json.dumps(STORED["report"]))
    other["outcomes"][0]["statistic"] *= 1.0 + 1e-6
    with pytest.raises(AssertionError, match="outcomes/0/statistic"):
        compare(other, STORED["report"])
