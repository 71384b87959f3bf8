"""Advice: one for every code of a finding, and all of its code runs."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

import dmtest
from dmtest.results.advice import ADVICE, DIFFERENCE
from dmtest.results.outcome import Finding
from dmtest.words import counted, of_many
from tests.support.advice import follow

PACKAGE = Path(dmtest.__file__).parent
# Codes that are computed: in `targets.rounding`, `reports.ranks` and `reports.causes`.
COMPUTED = {"ranks", "low-precision", "integer-data", "lattice", "few-values"}
COMPUTED |= {"overconfident", "underconfident", "too-narrow", "too-wide", "worst-direction"}


def codes() -> set[str]:
    """Return the codes that the package writes as text; findings of training have own advice."""
    found = set(COMPUTED)
    for path in PACKAGE.rglob("*.py"):
        if "train" in path.relative_to(PACKAGE).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Finding":
                first = node.args[0] if node.args else None
                if isinstance(first, ast.Constant):
                    found.add(str(first.value))
    return found


def test_every_code_has_advice_and_every_advice_a_code() -> None:
    assert codes() - set(ADVICE) == set(), "add advice in dmtest/results/advice.py"
    assert set(ADVICE) - codes() == set(), "no finding has these codes"


@pytest.mark.parametrize("code", sorted(ADVICE))
def test_a_finding_brings_the_advice_on_its_code(code: str) -> None:
    finding = Finding(code, "Something.")
    assert finding.advice == ADVICE[code] == finding.to_dict()["advice"]
    assert Finding(code, "Something.", advice="Do this.").advice == "Do this."
    assert len(ADVICE[code]) < 330, "an advice is two or three sentences"
    assert ADVICE[code].count("`") % 2 == 0


def test_a_code_of_others_has_none() -> None:
    assert Finding("mine", "Something.").advice == ""


ADVISED = [*ADVICE.items(), *((f"difference: {k}", v) for k, v in DIFFERENCE.items())]


@pytest.mark.parametrize(("code", "advice"), [pair for pair in ADVISED if "`" in pair[1]])
def test_the_code_of_an_advice_runs(
    code: str, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).standard_normal((120, 6))
    assert follow(advice, x, "normal", tmp_path)


def test_counts_in_sentences() -> None:
    assert (counted(1, "row"), counted(1234, "row")) == ("1 row", "1,234 rows")
    said = [of_many(*pair, "column", "is", "are") for pair in ((1, 3), (2, 3), (2, 2), (3, 3))]
    assert said == [
        "1 of 3 columns is",
        "2 of 3 columns are",
        "Both columns are",
        "All 3 columns are",
    ]
    assert of_many(1, 1, "column", "is", "are") == "The only column is"
