"""A page of HTML as a machine reads it, and what is wrong with it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "link", "br", "img", "input", "hr"}
SVG_TAGS = {"path", "tspan", "use", "text", "g", "rect", "circle", "line"}
# What would load something, and is not allowed.
LOADING = {"img", "iframe", "object", "embed", "base", "form"}

# The smallest contrast of all texts with what is behind them, and the text that has it.
CONTRAST = """(() => {
  const canvas = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const pixel = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = (c) => { const f = c.slice(0, 3).map((v) => v / 255)
    .map((v) => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * f[0] + 0.7152 * f[1] + 0.0722 * f[2]; };
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = pixel(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; }
    return [255, 255, 255, 255]; };
  let worst = [99, ""], count = 0;
  const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walk.nextNode()) {
    const e = walk.currentNode.parentElement;
    if (!walk.currentNode.data.trim() || e.closest("style, script, .hidden, .skip")) continue;
    const style = getComputedStyle(e);
    const [ground, drawn] = [behind(e), pixel(e.closest("svg") ? style.fill : style.color)];
    const ink = light(drawn.map((v, i) => (v * drawn[3] + ground[i] * (255 - drawn[3])) / 255));
    const paper = light(ground);
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05);
    count += 1;
    if (ratio < worst[0]) worst = [ratio, walk.currentNode.data.trim()];
  }
  return [...worst, count];
})()"""
# Elements that stick out of the window, but for what is inside a part that scrolls.
STICKING_OUT = """[...document.querySelectorAll("main *, header *, footer *")].filter((e) =>
  !e.closest(".scroll, svg, .hidden") && e.getBoundingClientRect().right > innerWidth + 1)
  .map((e) => e.outerHTML.slice(0, 80))"""


class Page(HTMLParser):
    """Collects elements and fails on tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.scripts: list[str] = []
        self.stack: list[str] = []
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect an element that has to be closed."""
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"attribute twice in <{tag}>"
        self.elements.append((tag, {k: v or "" for k, v in attrs}))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect an element that closes itself."""
        self.elements.append((tag, {k: v or "" for k, v in attrs}))

    def handle_endtag(self, tag: str) -> None:
        """Check that the innermost open element is closed."""
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect scripts apart from the text that is read."""
        if self.stack and self.stack[-1] == "script":
            self.scripts.append(data)
        elif not self.stack or self.stack[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """All that is read, with single spaces."""
        return " ".join(" ".join(self.words).split())

    def all(self, *tags: str) -> list[dict[str, str]]:
        """Return the attributes of all elements of these kinds."""
        return [attributes for tag, attributes in self.elements if tag in tags]


def faults(text: str) -> list[str]:
    """Return what is wrong: ids, headings, words of pictures, heads of tables, loaded parts."""
    page = Page(text)
    wrong = [] if text.startswith("<!DOCTYPE html>") else ["no doctype"]
    wrong += [] if page.all("html")[0].get("lang") == "en" else ["no language"]
    for tag in ("title", "h1", "main", "header", "footer"):
        if len(page.all(tag)) != 1:
            wrong.append(f"{len(page.all(tag))} times <{tag}>")
    ids = [a["id"] for _, a in page.elements if "id" in a]
    wrong += [f"id twice: {name}" for name in set(ids) if ids.count(name) > 1]
    targets = [a["href"][1:] for _, a in page.elements if a.get("href", "").startswith("#")]
    named = [name for _, a in page.elements for name in a.get("aria-labelledby", "").split()]
    clips = re.findall(r'clip-path="url\(#([^)]*)\)', text)
    wrong += [f"no id {name}" for name in {*targets, *named, *clips} - set(ids)]
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    wrong += [f"h{b} after h{a}" for a, b in pairwise([0, *levels]) if b > a + 1]
    for one in page.all("svg"):
        silent = one.get("role") != "img" or len(one.get("aria-label", "")) <= 20
        if one.get("aria-hidden") != "true" and silent:
            wrong.append(f"a picture without words: {one}")
    wrong += [f"<th> without scope: {a}" for a in page.all("th") if "scope" not in a]
    for one in page.all("div", "pre"):
        if "scroll" in one.get("class", ""):
            keyboard = (one.get("tabindex"), one.get("role")) == ("0", "group")
            if not keyboard or not (one.get("aria-label") or one.get("aria-labelledby")):
                wrong.append(f"a part that scrolls, but not by the keyboard: {one}")
    wrong += re.findall(r"https?:|@import|//[a-z]+\.", text)
    for tag, one in page.elements:
        names = {"src", "srcset", "style"} & set(one)
        if tag in LOADING or (names and tag not in SVG_TAGS):
            wrong.append(f"<{tag} {names or ''}>")
        if one.get("href", "#")[0] != "#" and one["href"] != "data:,":
            wrong.append(f"a link to {one['href']}")
        wrong += [f"{name} in <{tag}>" for name in one if name.startswith("on")]
    if set(re.findall(r"url\((.)", text)) - {"#"}:
        wrong.append("url() of something else")
    return wrong
