"""The report in a terminal: Rich on a screen, plain text in a pipe or a log."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dmtest.render import table_rows, wording

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from dmtest.results.check import CheckResult
    from dmtest.results.report import Report

TONES = {
    "mismatch": "bold red",
    "compatible": "bold green",
    "equivalent": "bold green",
    "inconclusive": "bold yellow",
}
# The mark of advice on the sentence above it.
ADVICE = "\N{RIGHTWARDS ARROW}"
# Replacements for output that is limited to ASCII.
FOLDED = str.maketrans(
    {
        ADVICE: "->",
        "≤": "<=",
        "≥": ">=",
        "✕": "x",
        "○": "o",
        "≈": "~",
        wording.TIMES: "x",
        "±": "+-",
        "·": "|",
    }
)


def render(report: Report, console: Console | None = None) -> None:
    """Print a report on a console.

    Parameters
    ----------
    report : Report
    console : rich.console.Console, optional
        Standard output by default.
    """
    from rich.console import Console

    (console or Console(highlight=False)).print(report)


def text(report: Report | CheckResult, width: int = 80) -> str:
    """Return a report or a check as plain text, `width` characters wide."""
    from rich.console import Console

    buffer = io.StringIO()
    console = Console(
        file=buffer,
        width=width,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
    )
    console.print(report)
    return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def parts(report: Report, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Yield the parts of the report, from the verdict to the facts of the run.

    Parameters
    ----------
    report : Report
    options : rich.console.ConsoleOptions
        They say whether the output is limited to ASCII.
    """
    writer = _Writer(options.ascii_only)
    yield writer.verdict(report)
    yield from writer.diagnosis(report)
    if report.effects:
        yield writer.line("")
        yield writer.effects(report)
    if report.outcomes:
        yield writer.line("")
        yield from writer.tests(report)
    unsaid = table_rows.unsaid(report)
    if unsaid:
        yield writer.line("\nFindings about the data", "bold")
        for item in unsaid:
            yield writer.item("!", table_rows.warning_line(item))
            if item.advice:
                yield writer.item(ADVICE, wording.clean(item.advice))
    yield writer.line("")
    yield writer.line(_facts_line(report), "dim")


class _Writer:
    """Builds the parts for one console, in its character set.

    Texts include names from files, so Rich's markup and emoji codes are never interpreted.
    """

    def __init__(self, ascii_only: bool) -> None:
        self.ascii_only = ascii_only

    def line(self, content: str, style: str = "") -> Text:
        """Return one paragraph."""
        from rich.text import Text

        folded = content.translate(FOLDED) if self.ascii_only else content
        if self.ascii_only:
            folded = folded.encode("ascii", errors="backslashreplace").decode()
        return Text(folded, style=style, overflow="fold")

    def item(self, mark: str, content: str) -> Table:
        """Return one item of a list, its lines aligned."""
        from rich.table import Table

        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(width=3, justify="right")
        grid.add_column(overflow="fold")
        grid.add_row(self.line(mark), self.line(content))
        return grid

    def verdict(self, report: Report) -> RenderableType:
        """Return the panel with the verdict and the evidence for it."""
        from rich.console import Group
        from rich.panel import Panel

        words = wording.verdict(report)
        pvalue, note = wording.evidence(report)
        target = wording.clean(report.target)
        lines = [
            self.line(words.sentence, "bold"),
            self.line(f"{pvalue}{f' ({note})' if note else ''}"),
            self.line(
                f"{wording.scope(report)}, alpha = {report.alpha:g} · "
                f"{wording.size(report)} · "
                + ("two samples" if wording.two_samples(report) else f"target {target}")
            ),
        ]
        if words.aside:
            lines.insert(1, self.line(words.aside))
        tone = TONES[report.verdict]
        title = self.line(f"{words.symbol} {words.headline}", tone)
        return Panel(Group(*lines), title=title, title_align="left", border_style=tone)

    def diagnosis(self, report: Report) -> Iterator[RenderableType]:
        """Yield the diagnosis."""
        sentences = table_rows.diagnosis(report)
        title = "What is wrong" if report.verdict == "mismatch" else "What was found"
        yield self.line(title, "bold")
        for place, (sentence, advice) in enumerate(
            zip(sentences, table_rows.advice(report), strict=True), 1
        ):
            yield self.item(f"{place}." if len(sentences) > 1 else "", sentence)
            if advice:
                yield self.item(ADVICE, advice)

    def effects(self, report: Report) -> Table:
        """Return the table of effect sizes."""
        rows = table_rows.effect_rows(report)
        levels = {row.confidence for row in rows if row.interval}
        level = levels.pop() if len(levels) == 1 else ""
        table = self.table("Effect", "Estimate>", "Unit", f"{level} interval".strip().capitalize())
        for row in rows:
            own = f" ({row.confidence})" if row.interval and row.confidence and not level else ""
            note = "" if row.estimable else row.note
            self.add(table, row.label, row.value, row.unit, (row.interval + own) or note)
        return table

    def tests(self, report: Report) -> Iterator[RenderableType]:
        """Yield the table of tests and the key to their calibration."""
        rows = table_rows.test_rows(report)
        table = self.table("Test", "Statistic>", "p-value>", "Adjusted p>", "Worst slice>", "Cal.")
        for row in rows:
            worst = f"{row.worst_pvalue} (#{row.worst_slice})" if row.worst_slice else ""
            error = f" ±{row.error}" if row.error else ""
            adjusted = f"{row.adjusted} {'✕' if row.rejects else ' '}"
            cells = (row.test, row.statistic, row.pvalue + error, adjusted, worst, row.letter)
            self.add(table, *cells, style="bold" if row.rejects else "")
        table.columns[0].min_width = min(max(len(row.test) for row in rows), 24)
        yield table
        if any(row.rejects for row in rows):
            yield self.item(" ✕", f"rejects at alpha = {report.alpha:g} (Holm-adjusted)")
        for letter, way in table_rows.calibrations(rows):
            yield self.item(f" {letter}", way)

    def table(self, *columns: str) -> Table:
        """Return an empty table; columns whose name ends in > are aligned to the right."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for name in columns:
            right = name.endswith(">")
            table.add_column(
                name.rstrip(">"), justify="right" if right else "left", overflow="fold"
            )
        return table

    def add(self, table: Table, *cells: str, style: str = "") -> None:
        """Add one row."""
        table.add_row(*(self.line(cell) for cell in cells), style=style)


def _facts_line(report: Report) -> str:
    """Return the facts of the run in one line."""
    facts = dict(table_rows.facts(report))
    parts = [f"dmtest {facts['version']}"] if "version" in facts else []
    parts += [facts[key] for key in ("source", "dtype") if key in facts]
    parts += [f"{facts[key]} {key}" for key in ("slices", "replicates") if key in facts]
    parts += [f"seed {report.seed}"]
    parts += [facts["time"]] if "time" in facts else []
    return " · ".join(parts)
