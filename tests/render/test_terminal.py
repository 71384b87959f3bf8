"""A report in a terminal: at most 40 lines, nothing cut at any width, the same every time.

``DMTEST_WRITE_SNAPSHOTS=1 python -m pytest tests/render/test_terminal.py`` writes the snapshots
anew; look at what changed before you commit it.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dmtest.render import table_rows, wording
from dmtest.render.text import several, terminal
from dmtest.results.check import CheckResult, CheckRow
from dmtest.results.outcome import Effect, Finding
from dmtest.results.report import Report
from tests.support import fake_report
from tests.support.fake_report import BUILDERS

FOLDER = Path(__file__).parents[1] / "references" / "terminal"
WIDTHS = (60, 80, 120, 200)
widths = pytest.mark.parametrize("width", WIDTHS)
every = pytest.mark.parametrize("build", BUILDERS, ids=lambda build: build.__name__)


def wide() -> Report:
    """A report whose names and numbers are as long as they get."""
    report = fake_report.mismatch()
    long = "henze-jimenez-gamero-meintanis"
    outcomes = [
        replace(
            one,
            test=long if place == 1 else one.test,
            statistic=-123_456.0,
            pvalue=0.0123,
            pvalue_error=0.00987,
            worst_slice=1040 if one.worst_slice is not None else None,
            worst_pvalue=0.00321 if one.worst_pvalue is not None else None,
        )
        for place, one in enumerate(report.outcomes)
    ]
    name = "embedding_dimension_with_a_very_long_name_1040"
    unit = "times the normal's"
    effects = dict(report.effects)
    for j in range(3):
        label = f"Wasserstein-2 distance of the worst slice (number 104{j})"
        effects[f"extra-{j}"] = Effect(
            name=f"extra-{j}",
            label=label,
            value=-1.234e-7,
            low=-1.234e-7,
            high=123.0,
            confidence=0.95,
            unit=unit,
            note="a note",
        )
    finding = Finding("x", f"Columns {name} and {name.upper()} are constant.", 2)
    return replace(
        report,
        outcomes=tuple(outcomes),
        effects=effects,
        diagnosis=(finding, *report.diagnosis),
        warnings=(finding, replace(finding, code="y", message=name * 5)),
    )


def shown(report: Report, width: int, whole: bool = False) -> str:
    return terminal.text(terminal.Whole(report) if whole else report, width)


@pytest.mark.parametrize("build", [*BUILDERS, wide], ids=lambda build: build.__name__)
@widths
def test_a_report_takes_at_most_40_lines(build: Any, width: int) -> None:
    report = build()
    lines = shown(report, width).splitlines()
    assert len(lines) <= terminal.LINES
    assert max(map(len, lines)) <= width
    whole = shown(report, width, whole=True)
    assert "--verbose" not in whole
    if len(whole.splitlines()) > terminal.LINES:
        assert "--verbose" in shown(report, width)


@pytest.mark.parametrize("build", [*BUILDERS, wide], ids=lambda build: build.__name__)
@widths
def test_nothing_is_cut(build: Any, width: int) -> None:
    """Every number, mark and head of every table is there in one piece, whatever the width."""
    report = build()
    text = shown(report, width, whole=True)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    words = set(re.split(r"\s{2,}|\n", text)) | set(text.split())
    for row in table_rows.test_rows(report):
        for cell in (row.statistic, row.adjusted, row.pvalue):
            assert any(cell in word for word in words), cell
        assert row.test in text
        if row.worst_slice:
            assert f"{row.worst_pvalue} (#{row.worst_slice})" in text
    for effect in table_rows.effect_rows(report):
        for cell in (effect.value, effect.interval):
            if effect.estimable:
                assert cell in text, cell
    heads = ["Test", "Statistic", "p-value", "Adjusted p", "Worst slice", "Cal."]
    for head in heads if report.outcomes else []:
        assert re.search(rf"(^|  ){re.escape(head)}(  |$)", text, flags=re.MULTILINE), head


@widths
def test_labels_take_at_most_three_lines(width: int) -> None:
    text = shown(wide(), width, whole=True)
    head, _, *table = text[text.index("Effect ") : text.index("\nTest ")].splitlines()
    place, groups = head.index("Estimate"), []
    for line in table:
        if not line.strip() or line.startswith("    "):
            break  # notes follow
        if line[place:].strip():
            groups.append(1)
        else:
            groups[-1] += 1
    assert len(groups) == len(wide().effects)
    assert max(groups) <= (3 if width < 80 else 2)


@every
def test_the_first_screen_answers_first(build: Any) -> None:
    """Verdict, then distance, then cause, then tables, then what was left out."""
    report = build()
    text = " ".join(shown(report, 80).split())
    order = [wording.verdict(report).headline, "What "]
    if report.effects:
        order.append("Effect ")
    if report.outcomes:
        order.append("Test ")
    order.append(f"seed {report.seed}")
    places = [text.index(word) for word in order]
    assert places == sorted(places)


def test_the_strongest_evidence_stays() -> None:
    """What is left out is the weaker part of each list, and it is counted."""
    report = fake_report.mismatch()
    short, rows = shown(report, 80), table_rows.test_rows(report)
    there = [row.test in short for row in rows]
    assert there == sorted(there, reverse=True)
    assert 2 <= sum(there) < len(rows)
    assert f"{len(rows) - sum(there)} more tests" in " ".join(short.split())


@widths
def test_snapshot(width: int) -> None:
    """The layout does not change unnoticed."""
    for name, whole in (("report", False), ("verbose", True)):
        text = shown(fake_report.mismatch(), width, whole) + "\n"
        path = FOLDER / f"{name}-{width}.txt"
        if os.environ.get("DMTEST_WRITE_SNAPSHOTS"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        assert path.read_text(encoding="utf-8") == text


@widths
def test_a_table_of_files_is_not_cut(width: int) -> None:
    found: list[tuple[str, Report | str]] = [
        ("runs/2026-11-29/encoder-with-a-long-name/embeddings-step-100000.npy", wide()),
        ("b.npy", fake_report.compatible()),
        ("c.npy", "there is no such file"),
    ]
    text = terminal.text(several.Several(found, [0.0123, 0.4]), width)  # type: ignore[arg-type]
    assert max(map(len, text.splitlines())) <= width
    for cell in ("✕ mismatch", "○ compatible", "not read", "≤ 0.012", "0.400", "Distance", " sd"):
        assert cell in text
    assert "runs/2026-11" in text


@widths
def test_a_check_is_not_cut(width: int) -> None:
    """Numbers and outcomes are whole, whatever gives way."""
    row = CheckRow(
        name="sliced-wasserstein-2",
        kind="effect",
        label="x",
        passed=True,
        message="Fine.",
        value=0.000503,
        baseline=0.000281,
        pvalue=0.0577,
        limit=0.0286,
        unit="squared standard deviations",
    )
    limit = replace(row, name="max-smoothed-kl", kind="limit", passed=False, limit=0.001)
    rows = (row, limit, replace(row, passed=None, name="kl-mean"))
    result = CheckResult(passed=False, alpha=0.05, rows=rows, report=fake_report.compatible())
    text = terminal.text(result, width)
    assert max(map(len, text.splitlines())) <= width
    for cell in ("0.000503", "0.000281", "0.0577", "p > 0.0286", "≤ 0.00100", "pass", "FAIL"):
        assert cell in text, text
