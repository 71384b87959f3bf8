"""The HTML page and the notebook's fragment in a real browser.

Runs where there is a Chromium or Chrome. Without one the tests are skipped, and fail where
DMTEST_REQUIRE_BROWSER is set.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import browser, fake_report
from tests.support.pages import CONTRAST, STICKING_OUT

BUILDERS = fake_report.BUILDERS
every = pytest.mark.parametrize("build", [b.__name__ for b in BUILDERS])
COLUMN = """[...document.querySelectorAll("table.sortable tbody tr")].map((row) => {
  const cell = row.cells[%d]; return cell.dataset.key ?? cell.textContent.trim(); })"""
HEADS = """[...document.querySelectorAll("table.sortable thead th")]
  .map((head) => [head.textContent, head.getAttribute("aria-sort")])"""


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[browser.Browser]:
    with browser.opened(browser.needed(), tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("pages")
    found = {}
    for build in BUILDERS:
        path = folder / f"{build.__name__}.html"
        build().to_html(path)
        found[build.__name__] = path.as_uri()
    return found


@pytest.fixture
def show(chromium: browser.Browser, pages: dict[str, str]) -> Iterator[Callable[..., browser.Page]]:
    shown: list[browser.Page] = []

    def open_page(name: str, **view: Any) -> browser.Page:
        shown.append(chromium.open(pages.get(name, name), **view))
        return shown[-1]

    yield open_page
    for page in shown:
        page.close()


def test_a_missing_browser_skips_or_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.delenv(browser.REQUIRED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="install chromium"):
        browser.needed()
    monkeypatch.setenv(browser.REQUIRED, "1")
    with pytest.raises(pytest.fail.Exception, match="is set"):
        browser.needed()


@every
@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_loads_quietly_and_asks_for_nothing(
    show: Any, pages: dict[str, str], build: str, script: bool
) -> None:
    page = show(build, script=script)
    assert (page.complaints(), page.requests()) == ([], [pages[build]])
    assert page.evaluate("document.querySelectorAll('script').length") == 1


def test_the_browser_tells_of_errors_and_requests(show: Any, tmp_path: Path) -> None:
    """The two lists above could otherwise be empty for the wrong reason."""
    path = tmp_path / "bad.html"
    path.write_text("<script>missing()</script><img src='nothing.png'>", encoding="utf-8")
    page = show(path.as_uri())
    assert any("missing is not defined" in text for text in page.complaints())
    assert any(url.endswith("nothing.png") for url in page.requests())


def test_policy_stops_what_the_page_does_not_hold(show: Any) -> None:
    page = show("mismatch")
    page.evaluate("document.body.append(Object.assign(new Image(), {src: 'x.png'}))")
    page.evaluate(
        "document.body.append(Object.assign(document.createElement('script'),"
        " {textContent: 'window.ran = 1'}))"
    )
    assert page.evaluate("window.ran === undefined")
    assert any("Content Security Policy" in text for text in page.complaints())


@every
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_can_be_read(show: Any, build: str, dark: bool) -> None:
    page = show(build, dark=dark)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(18, 22, 28)" if dark else "rgb(255, 255, 255)")
    ratio, text, count = page.evaluate(CONTRAST)
    assert count > 30
    assert ratio >= 4.5, text


@every
@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_nothing_sticks_out(show: Any, build: str, width: int) -> None:
    page = show(build, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate(STICKING_OUT) == []


def test_a_phone_shows_the_evidence_without_scrolling_sideways(show: Any) -> None:
    page = show("mismatch", width=390, height=844)
    edge = "document.querySelector('table.sortable tbody tr').cells[%d].getBoundingClientRect()"
    assert page.evaluate(f"{edge % 2}.right") <= 390  # the adjusted p-value
    interval = "document.querySelector('.effects td.limits').getBoundingClientRect().right"
    assert page.evaluate(interval) <= 390
    assert page.evaluate("document.querySelector('.pvalue').getBoundingClientRect().bottom") <= 844
    page.evaluate("document.querySelector('#tests .scroll').scrollLeft = 200")
    assert page.evaluate(f"{edge % 0}.left") == pytest.approx(16, abs=1)  # names stay in sight


def test_tests_are_sorted_by_the_mouse(show: Any) -> None:
    page = show("mismatch")
    names = page.evaluate(COLUMN % 0)
    assert [head for head, way in page.evaluate(HEADS) if way] == ["Adjusted p"]
    click = "document.querySelectorAll('table.sortable th button')[%d].click()"
    for column in (2, 3, 4, 5):
        for way in ("ascending", "descending"):
            page.evaluate(click % column)
            if column == 2 and way == "ascending":
                page.evaluate(click % column)  # it begins ascending, so the first click turns it
            assert [w for _, w in page.evaluate(HEADS)].count(None) == 7
            assert page.evaluate(HEADS)[column][1] == way
            keys = page.evaluate(COLUMN % column)
            known = [float(key) for key in keys if key]
            assert known == sorted(known, reverse=way == "descending")
            assert "" not in keys[: len(known)]  # what has no number comes last
    page.evaluate(click % 0)
    assert page.evaluate(COLUMN % 0) == sorted(names)


def test_tests_are_sorted_by_the_keyboard_and_it_is_said(show: Any) -> None:
    page = show("mismatch")
    page.evaluate("document.querySelector('#tests .scroll').focus()")
    for key, way in (("Enter", "ascending"), ("Space", "descending")):
        if key == "Enter":
            page.press("Tab")
        page.press(key)
        assert page.evaluate(HEADS)[0] == ["Test", way]
        said = "document.querySelector('[role=status]').textContent"
        assert page.evaluate(said) == f"Sorted by Test, {way}"
    assert page.evaluate("document.activeElement.textContent") == "Test"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(outline) == "solid"


def test_numbers_that_are_missing_are_sorted_last(show: Any) -> None:
    page = show("odd")
    click = "document.querySelectorAll('table.sortable th button')[4].click()"
    for _ in range(2):
        page.evaluate(click)
        assert page.evaluate(COLUMN % 4)[-1] == ""


def test_without_script_everything_is_there_but_the_buttons(show: Any) -> None:
    read = "document.body.innerText"
    page = show("mismatch", script=False)
    text = page.evaluate(read)
    assert all(outcome.test in text for outcome in fake_report.mismatch().outcomes)
    assert page.evaluate("document.querySelectorAll('button').length") == 0
    page.evaluate("document.querySelector('details.bibtex summary').click()")
    assert "@article{henze1990," in page.evaluate(read)


def test_keys_reach_the_verdict_first(show: Any) -> None:
    page = show("mismatch")
    page.press("Tab")
    box = "document.activeElement.getBoundingClientRect().left"
    assert page.evaluate("document.activeElement.textContent") == "Skip to the verdict"
    assert page.evaluate(box) >= 0
    page.press("Enter")
    assert page.evaluate("document.activeElement.id") == "verdict"


def test_a_screen_reader_is_told_what_there_is(show: Any) -> None:
    page = show("mismatch")
    tree = page.tree()
    named = {(role, name) for role, name in tree}
    assert ("heading", "Mismatch") in named
    assert ("table", "Effect sizes and their intervals") in named
    assert any(
        role == "table" and name.startswith("Tests, strongest evidence") for role, name in tree
    )
    assert ("button", "Adjusted p") in named
    for role in ("image", "table", "region", "link", "button", "navigation"):
        names = [name for kind, name in tree if kind == role]
        assert names, role
        assert all(names), role
    pictures = [name for role, name in tree if role == "image"]
    assert any("quantiles lie outside the simultaneous 95% band" in name for name in pictures)


@every
def test_it_prints(show: Any, build: str) -> None:
    page = show(build, width=690, media="print", dark=True)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    wide = "[...document.querySelectorAll('table')].map((t) => t.getBoundingClientRect().right)"
    if build != "odd":  # its names are hundreds of characters long
        assert max(page.evaluate(wide), default=0) <= 691
    paper = page.pdf()
    assert paper.startswith(b"%PDF")
    assert 1 <= paper.count(b"/Type /Page\n") <= (14 if build == "odd" else 6)


THEMES = {
    "jupyterlab light": ("data-jp-theme-light='true'", "#ffffff", "#212121"),
    "jupyterlab dark": ("data-jp-theme-light='false'", "#111111", "#e0e0e0"),
    "vs code light": ("class='vscode-light'", "#ffffff", "#3b3b3b"),
    "vs code dark": ("class='vscode-dark'", "#1f1f1f", "#cccccc"),
    "vs code high contrast": ("class='vscode-high-contrast'", "#000000", "#ffffff"),
    "dark, and not known": ("", "#181818", "#dddddd"),
}


@pytest.fixture(scope="module")
def fragments() -> dict[str, str]:
    return {build.__name__: build()._repr_html_() for build in BUILDERS}


@pytest.fixture(scope="module")
def figures() -> dict[str, str]:
    found = {build.__name__: build().plot()._repr_html_() for build in BUILDERS}
    return {name: text for name, text in found.items() if text is not None}


@every
@pytest.mark.parametrize("theme", THEMES)
def test_notebooks_show_it_in_their_theme(
    show: Any,
    fragments: dict[str, str],
    figures: dict[str, str],
    tmp_path: Path,
    build: str,
    theme: str,
) -> None:
    """Report and figure: every text has the contrast that small print needs."""
    mark, paper, ink = THEMES[theme]
    path = tmp_path / "notebook.html"
    path.write_text(
        f"<!DOCTYPE html><meta charset='utf-8'><link rel='icon' href='data:,'>"
        f"<body {mark} style='background: {paper}; color: {ink}'>{fragments[build]}"
        f"{figures[build]}",
        encoding="utf-8",
        errors="backslashreplace",
    )
    # The system's scheme is the opposite: the notebook's own counts.
    page = show(path.as_uri(), script=False, dark="dark" not in theme)
    page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
    ratio, text, _ = page.evaluate(CONTRAST)
    assert ratio >= 4.5, text
    assert (page.complaints(), page.requests()) == ([], [path.as_uri()])


def test_a_fragment_styles_nothing_but_itself(
    show: Any, fragments: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "notebook.html"
    path.write_text(
        "<!DOCTYPE html><meta charset='utf-8'><link rel='icon' href='data:,'>"
        "<p>text <code>x</code></p><ol><li>one</ol><details><summary>s</summary></details>"
        "<table class='tests'><thead><tr><th class='num'>a<tbody><tr class='rejects'><th>b"
        "<td class='limits'>c</table><div id='here'></div>",
        encoding="utf-8",
    )
    page = show(path.as_uri())
    state = """JSON.stringify([...document.querySelectorAll("body :not(#here, #here *)")]
      .map((e) => [...getComputedStyle(e)].map((n) => getComputedStyle(e).getPropertyValue(n))))"""
    before = page.evaluate(state)
    held = json.dumps(fragments["mismatch"])
    page.evaluate(f"document.querySelector('#here').innerHTML = {held}; 1")
    chip = "getComputedStyle(document.querySelector('#here .chip')).backgroundColor"
    assert (page.evaluate(chip), page.evaluate(state)) == ("rgb(163, 33, 26)", before)
