"""The pages of evidence are what their script makes, and nothing that is registered is missing."""

from __future__ import annotations

import runpy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dmtest.catalogue.registry import ROWS
from dmtest.data.readers.formats import FORMATS

DOCS = Path(__file__).parents[2] / "docs"
MADE: dict[str, Any] = runpy.run_path(str(DOCS / "make_validation.py"))
PAGE = (DOCS / "validation.md").read_text(encoding="utf-8")


def section(title: str) -> list[list[str]]:
    """Return the cells of the table of a section, without its head."""
    text = PAGE[PAGE.index(f"## {title}") :].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


@pytest.mark.parametrize("name", MADE["PAGES"])
def test_the_page_is_what_the_script_makes(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == MADE["PAGES"][name]()


@pytest.mark.parametrize("title", ["Tests: what they", "Tests: size, power"])
def test_every_test_has_its_row(title: str) -> None:
    found = [tuple(cells[:2]) for cells in section(title)]
    assert found == [MADE["named"](row) for row in ROWS]


def test_every_interval_has_its_row() -> None:
    names = {cells[0].strip("`") for cells in section("Intervals")}
    assert names == set(MADE["EFFECTS"]) - {*MADE["DESCRIPTIVE"]} | {
        "mean_pvalue",
        "channel_bracket",
    }


def test_effects_without_an_interval_have_none() -> None:
    """What the page leaves out is printed without limits."""
    import numpy as np

    import dmtest

    x = np.random.default_rng(0).standard_normal((300, 3))
    effects = dict(dmtest.report(x, tests=["mean"], augmented=x + 0.1, rng=0).effects)
    for rotation in (False, True):
        found = dmtest.compare(x[:150], x[150:], rotation=rotation, replicates=99, rng=0)
        effects |= found.effects
    for name in MADE["DESCRIPTIVE"]:
        assert effects[name].low is effects[name].high is None, name


def test_every_reader_has_its_row() -> None:
    names = {cells[0].strip("`") for cells in section("Readers")}
    assert names >= {row.name for row in FORMATS}


def test_no_cell_is_empty() -> None:
    for line in PAGE.splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            assert all(cell.strip() for cell in line.strip("|").split("|")), line


def test_what_was_not_measured_is_an_error() -> None:
    row = replace(ROWS[0], name="unheard-of")
    with pytest.raises(KeyError, match=r"unheard-of.*benchmarks\.trust\.precision"):
        MADE["error_cells"](row)
    with pytest.raises(ValueError, match="nothing is known of size"):
        MADE["table"](("test", "size"), [("x", " ")])


def test_every_study_is_shown_with_its_command() -> None:
    for study, command in MADE["STUDIES"].items():
        assert f"`{study}`" in PAGE
        assert f"`{command}`" in PAGE
        module = command.removeprefix("python -m ").split(",")[0].split()[0]
        assert (DOCS.parent / f"{module.replace('.', '/')}.py").exists(), module
