"""Random samples near and far from their targets, and what a reader sees of their reports."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import numpy as np

import dmtest
from dmtest.render.text import terminal
from dmtest.results.report import Report


def random_case(seed: int) -> tuple[np.ndarray, Any]:
    """Draw a sample and a target: some exact, some a little off, some far off."""
    rng = np.random.default_rng([42, seed])
    n, d = int(rng.choice([20, 50, 120, 300, 700])), int(rng.choice([1, 2, 3, 6, 12]))
    off = float(rng.choice([0.0, 0.0, 0.05, 0.1, 0.3, 1.0]))
    kind = rng.choice(["shift", "scale", "skew", "tails", "one", "copies", "zeros", "steps"])
    x = rng.standard_normal((n, d))
    if kind == "shift":
        x = x + off
    elif kind == "scale":
        x = x * (1.0 + off)
    elif kind == "skew":
        x = x + off * (x**2 - 1.0)
    elif kind == "tails":
        x = x / np.sqrt(rng.chisquare(4.0, (n, 1)) / 4.0) ** off
    elif kind == "one":
        x[:, 0] = np.sign(x[:, 0]) * np.abs(x[:, 0]) ** (1.0 + off)
    elif kind == "copies":
        count = int(off * n / 2)
        x[:count] = x[n - count :]
    elif kind == "zeros":
        x[rng.random((n, d)) < off / 2] = 0.0
    elif off:
        x = np.round(x / off) * off
    target = rng.choice(["normal", "any-normal", "uniform", "sphere", "reference"])
    if target == "uniform":
        from scipy.special import ndtr

        return ndtr(x), "uniform"
    if target == "sphere" and d > 1:
        return x, dmtest.Sphere(normalise=True)
    if target == "reference":
        return x, dmtest.Reference(rng.standard_normal((n, d)))
    return x, "any-normal" if target == "any-normal" and n > 2 * d else "normal"


class Tables(HTMLParser):
    """The rows of the tables of tests of a page: class of the row and its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.rows: list[tuple[str, list[str]]] = []
        self.inside = ""
        self.row: list[str] | None = None
        self.kind = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Enter a table, a row or a cell."""
        kind = dict(attrs).get("class") or ""
        if tag == "table":
            self.inside = kind
        elif tag == "tr" and "tests" in self.inside:
            self.row, self.kind = [], kind
        elif tag in ("td", "th") and self.row is not None:
            self.row.append("")

    def handle_endtag(self, tag: str) -> None:
        """Leave a row or a table."""
        if tag == "tr" and self.row is not None:
            self.rows.append((self.kind, self.row))
            self.row = None
        elif tag == "table":
            self.inside = ""

    def handle_data(self, data: str) -> None:
        """Add text to a cell."""
        if self.row:
            self.row[-1] += data


def number(text: str) -> float:
    """Return a shown p-value as a number."""
    return float(re.sub(r"[^0-9.e+-]", "", text.split("±")[0].split("of")[0]))


def contradictions(report: Report) -> list[str]:
    """Return what does not agree: verdict, marks, numbers and words, in terminal and page."""
    wrong = []
    mismatch = report.verdict == "mismatch"
    page = Tables(report.to_html())
    marked = [cells for kind, cells in page.rows if kind == "rejects"]
    if mismatch != bool(marked):
        wrong.append(f"page: {report.verdict} with {len(marked)} marked rows")
    tests = [
        cells
        for _, cells in page.rows
        if len(cells) > 4 and cells[1].strip() in ("✕ rejects", "\N{EN DASH}")
    ]
    for cells in tests:
        if ("rejects" in cells[1]) != (number(cells[2]) <= report.alpha):
            wrong.append(f"page: {cells[0]} with adjusted p {cells[2]} is {cells[1]}")
    for width in (60, 80, 120):
        text = terminal.text(report, width)
        lines = [line for line in text.splitlines() if re.search(r"[0-9] ✕", line)]
        if mismatch != bool(lines):
            wrong.append(f"terminal at {width}: {report.verdict} with {len(lines)} marked lines")
        for line in lines:
            shown = re.search(r"([0-9.e+-]+) ✕", line)
            if shown is None or number(shown.group(1)) > report.alpha * 1.001:
                wrong.append(f"terminal: marked {line!r}")
    text = " ".join(str(report).split())
    if re.search(r"p [<≤] 1e-16 \(Monte Carlo", text):
        wrong.append("an error of a p-value of 0")
    search = [p for o, p in zip(report.outcomes, report.adjusted, strict=True)
              if o.test == "worst-direction"]  # fmt: skip
    if "confirm it" in text and search and search[0] > report.alpha:
        wrong.append(f"confirmed at adjusted p = {search[0]}")
    if mismatch != bool(report.diagnosis):
        wrong.append(f"{report.verdict} with {len(report.diagnosis)} sentences")
    messages = [one.message for one in (*report.diagnosis, *report.warnings)]
    for message in messages:
        if re.search(
            r"\b1 (rows|columns|values|of 1)\b|\b1 of \d+ \w+ (are|depart|have)\b", message
        ):
            wrong.append(f"plural: {message}")
        if re.search(r"\b[2-9] (row|column|value)\b", message):
            wrong.append(f"singular: {message}")
    smallest = min(report.adjusted, default=report.pvalue)
    if not np.isclose(smallest, report.pvalue):
        wrong.append(f"smallest adjusted p {smallest}, global p {report.pvalue}")
    return wrong
