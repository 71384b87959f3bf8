"""The page of first screens: the first finding is the cause, and its advice runs and helps."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmtest
from dmtest.cli import main as cli
from dmtest.render.table_rows import code_spans
from dmtest.results.report import Report
from tests.support.advice import follow

ROOT = Path(__file__).parents[2]
SCREENS = runpy.run_path(str(ROOT / "docs" / "first_screens.py"))["SCREENS"]
PAGE = (ROOT / "docs" / "first-screens.md").read_text(encoding="utf-8")
FEW: dict[str, Any] = {"rng": 0, "replicates": 99, "progress": False}
# Advice that says what to change where the rows were made, and has no code.
ELSEWHERE = {"overconfident", "biased", "underconfident"}


def target_of(screen: Any) -> Any:
    return eval(screen.target, {"dmtest": dmtest})


def rows_of(screen: Any, path: Path) -> np.ndarray:
    """Return the rows of a screen; of the sentences a part, which has the same defects."""
    screen.made(path)
    x = np.asarray(dmtest.load(path))
    return x[:600] if screen.name == "sentences" else x


@pytest.mark.parametrize("screen", SCREENS, ids=lambda screen: screen.picture)
@pytest.mark.filterwarnings("ignore::dmtest.DataWarning")
def test_the_first_advice_runs_and_helps(screen: Any, tmp_path: Path) -> None:
    x, target = rows_of(screen, tmp_path / screen.file), target_of(screen)
    report = dmtest.report(x, target, **FEW)
    found = report.diagnosis
    assert [one.code for one in found[:1]] == [code for code in (screen.code,) if code]
    assert report.verdict == ("mismatch" if screen.code else "compatible")
    if not screen.code:
        return
    advice = found[0].advice
    has_code = any(is_code for _, is_code in code_spans(advice))
    assert has_code == (screen.code not in ELSEWHERE)
    for result in follow(advice, x, target, tmp_path):
        if isinstance(result, np.ndarray):
            result = dmtest.report(result, target, **FEW)
        if isinstance(result, Report) and screen.code not in ("grouped-rows", "serial-correlation"):
            assert screen.code not in [one.code for one in result.diagnosis]
        elif isinstance(result, Report):
            # Independent rows, or tests of one row of each group: no evidence is left.
            assert result.verdict == "compatible"


@pytest.mark.parametrize("screen", SCREENS[:2], ids=lambda screen: screen.picture)
def test_the_command_shows_it_first(
    screen: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    screen.made(tmp_path / screen.file)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "92")
    assert cli.main(screen.command.split()[1:]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    report = dmtest.report(screen.file, target_of(screen), rng=0, progress=False)
    assert report.diagnosis[0].message[:40] in " ".join(lines)


def test_the_page_shows_every_screen() -> None:
    shown = re.findall(r"\(pictures/(first-[\w-]+)\.png\)", PAGE)
    assert shown == [screen.picture for screen in SCREENS]
