"""The pages of checks and bounds: well formed, readable, and true to the numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import dmtest
from dmtest.information.pairs import pair_bounds
from dmtest.render.figures import result_figures
from tests.support import browser
from tests.support.pages import CONTRAST, STICKING_OUT, Page, faults

MARKUP = "<b>z</b> & \x1b[31m.npy"


@cache
def made() -> dict[str, Any]:
    """Make results of every kind: outcomes of a check, bounds of both noises, broken bounds."""
    rng = np.random.default_rng(4)
    z = rng.standard_normal((400, 4))
    accepted = dmtest.write_baseline(z, rng=0)
    worse = 1.4 * z + 0.3
    views = z + 0.05 * rng.standard_normal(z.shape)
    u, v = rng.random((400, 3)), rng.random((400, 3))
    normal = pair_bounds(z, views, sigma=0.5, rng=0)
    return {
        "failed": dmtest.check(worse, accepted, max_kl=0.01, rng=0),
        "passed": dmtest.check(rng.standard_normal((400, 4)), accepted, rng=0),
        "limits": dmtest.check(worse, max_kl=0.01, min_rank=2, rng=0),
        "normal": normal,
        "uniform": pair_bounds(u, v, epsilon=0.2, rng=0),
        "broken": replace(normal, violations=(f"Theorem 3.4: {MARKUP} is broken",)),
        "few": pair_bounds(z[:64], views[:64], sigma=3.0, rng=0),
    }


CASES = ("failed", "passed", "limits", "normal", "uniform", "broken", "few")
every = pytest.mark.parametrize("name", CASES)


@every
def test_pages_are_well_formed_accessible_and_self_contained(name: str) -> None:
    text = made()[name].to_html()
    assert faults(text) == []
    page = Page(text)
    assert page.scripts == []
    policy = next(a["content"] for a in page.all("meta") if "http-equiv" in a)
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")


def test_faults_are_found() -> None:
    """The list above could otherwise be empty for the wrong reason."""
    good = made()["passed"].to_html()
    bad = re.sub(r"<(/?)h2", r"<\1h3", good)
    assert "h3 after h1" in faults(bad)
    assert "no id nothing" in faults(good.replace('href="#rows"', 'href="#nothing"'))
    assert "<img {'src'}>" in faults(good.replace("<footer", "<img src='x'><footer"))


def test_a_page_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    text = made()["failed"].to_html(tmp_path / "check.html")
    assert (tmp_path / "check.html").read_text(encoding="utf-8") == text
    text = made()["normal"].to_html(tmp_path / "bounds.html", source="z.npz")
    assert "z.npz" in Page(text).text
    assert (tmp_path / "bounds.html").read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["failed", "passed", "limits"])
def test_a_check_says_what_failed_and_shows_every_row(name: str) -> None:
    result = made()[name]
    page = Page(result.to_html())
    failed = len(result.failures)
    assert ("Check passed" in page.text) == result.passed
    for row in result.failures:
        assert row.message in page.text
    for row in result.rows:
        assert row.name in page.text
        assert row.passed is not None or row.message in page.text
    assert page.text.count("✕ FAIL") == failed
    for finding in result.report.diagnosis:
        assert finding.message in page.text
    compared = result_figures.compared(result)
    labels = [a.get("aria-label", "") for a in page.all("svg")]
    label = next((text for text in labels if text.startswith("Adjusted p-values of")), "")
    assert bool(label) == bool(compared)
    if compared:
        small = sum(row.passed is False for row in compared)
        assert f"of {len(compared)} comparisons" in label
        assert f"{small} below the level" in label


def test_what_was_not_compared_is_not_counted_as_passed() -> None:
    result = made()["passed"]
    some = replace(result.rows[-1], passed=None, message="It cannot be compared.")
    text = Page(replace(result, rows=(*result.rows[:-1], some)).to_html()).text
    assert f"{len(result.rows) - 1} of {len(result.rows)} rows passed, 1 not compared" in text
    assert "What was not compared It cannot be compared." in text


@pytest.mark.parametrize("name", ["normal", "uniform", "broken", "few"])
def test_bounds_show_the_numbers_of_the_terminal(name: str) -> None:
    from dmtest.render import bounds_rows

    pairs = made()[name]
    page = Page(pairs.to_html())
    for quantity, nats, note in bounds_rows.rows(pairs):
        assert f"{quantity} {nats} {note}" in page.text
    assert ("An inequality is broken" in page.text) == bool(pairs.violations)
    assert "No inequality of the theory is broken" not in page.text or not pairs.violations
    law = {"gaussian": "N(0, ", "uniform": "the uniform law on [-0.2, 1.2]^3"}[pairs.noise]
    assert law in page.text or pairs.violations


def test_texts_of_others_are_escaped() -> None:
    text = made()["broken"].to_html(source=MARKUP)
    assert "<b>z</b>" not in text
    assert "\x1b" not in text
    assert "&lt;b&gt;z&lt;/b&gt;" in text


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.opened(browser.needed(), tmp_path_factory.mktemp("profile")) as running:
        yield running


@every
def test_pages_are_readable_in_every_form(
    chromium: browser.Browser, tmp_path: Path, name: str
) -> None:
    """Light, dark, narrow and printed: contrast, nothing sticks out, few pages."""
    path = tmp_path / f"{name}.html"
    made()[name].to_html(path)
    for width, dark in ((1280, False), (1280, True), (390, False), (320, True)):
        page = chromium.open(path.as_uri(), width=width, dark=dark)
        ratio, text, count = page.evaluate(CONTRAST)
        assert (count > 30, ratio >= 4.5) == (True, True), text
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(STICKING_OUT) == []
        assert (page.complaints(), page.requests()) == ([], [path.as_uri()])
        page.close()
    page = chromium.open(path.as_uri(), width=690, media="print")
    wide = "[...document.querySelectorAll('table')].map((t) => t.getBoundingClientRect().right)"
    assert max(page.evaluate(wide)) <= 691
    assert 1 <= page.pdf().count(b"/Type /Page\n") <= 4
    page.close()
