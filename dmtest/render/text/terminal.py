"""The report in a terminal: Rich on a screen, plain text in a pipe or a log."""

from __future__ import annotations

import io
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from dmtest.render import table_rows, wording
from dmtest.render.page import explain
from dmtest.render.tables import SHOWN
from dmtest.render.text import tables

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
    {"≤": "<=", "≥": ">=", "✕": "x", "○": "o", "≈": "~", wording.TIMES: "x", "±": "+-", "·": "|"}
    | {ADVICE: "->"}
)
# Lines of a report unless all of it is asked for.
LINES = 40
# What is shortened, with the fewest items that are left: one stage after another, and in each of
# them the longest first.
STAGES: tuple[dict[str, int], ...] = (
    {"advice": 1},
    {"tests": 5, "effects": 4, "classes": 5, "findings": 2, "rows": 3, "sentences": 4},
    {"findings": 0, "rows": 0, "shares": 0},
    {"tests": 3, "effects": 2, "classes": 2},
    {"sentences": 2},
    {"tests": 2},
    {"sentences": 1},
)
# Narrower than this, the unit of an effect follows its label.
UNIT_COLUMN = 100


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


def text(report: Report | CheckResult | Whole, width: int = 80) -> str:
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


@dataclass(frozen=True)
class Whole:
    """A report with nothing left out, for ``console.print``."""

    report: Report

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the parts of the report."""
        yield from parts(self.report, options, whole=True)


def parts(report: Report, options: ConsoleOptions, whole: bool = False) -> Iterator[RenderableType]:
    """Yield the parts of the report, from the verdict to the facts of the run.

    Parameters
    ----------
    report : Report
    options : rich.console.ConsoleOptions
        They say how wide the output is, and whether it is limited to ASCII.
    whole : bool
        Whether to show everything. By default lists and tables are shortened until the report
        takes at most `LINES` lines, as `STAGES` says.
    """
    from rich.console import Console

    writer = Writer(options.ascii_only, options.max_width)
    every = _counts(report)
    if whole:
        yield from _parts(writer, report, every, every)
        return
    measuring = Console(width=options.max_width, file=io.StringIO(), force_jupyter=False)
    shown = every | {"effects": sum(map(_main, table_rows.effect_rows(report)))}

    lines: dict[Hashable, int] = {}  # of every section, as far as it is shown: rendered once

    def fits() -> bool:
        total = 0
        for key, section in _sections(writer, report, shown, every):
            if key not in lines:
                rendered = (measuring.render_lines(one, options, pad=False) for one in section())
                lines[key] = sum(map(len, rendered))
            total += lines[key]
        return total <= LINES

    cut = []
    for name in _cuts(shown):
        if fits():
            break
        shown[name] -= 1
        cut.append(name)
    # The last cut may have freed more lines than were needed: what fits comes back.
    for name in reversed(cut):
        shown[name] += 1
        shown[name] -= not fits()
    yield from _parts(writer, report, shown, every)


def _cuts(shown: dict[str, int]) -> Iterator[str]:
    """Yield the names of the items to leave out, one at a time; `shown` is what there is."""
    for stage in STAGES:
        while True:
            longest = max(stage, key=lambda name: shown[name] - stage[name])
            if shown[longest] <= stage[longest]:
                break
            yield longest


def _counts(report: Report) -> dict[str, int]:
    """Return the number of items of everything that can be shortened."""
    classes, rows = report.classes, report.rows
    unsaid = table_rows.unsaid(report)
    return {
        "sentences": len(table_rows.diagnosis(report)),
        "effects": len(table_rows.effect_rows(report)),
        "tests": len(report.outcomes),
        "classes": 0 if classes is None else len(classes),
        "shares": 0 if classes is None else len(classes.effects),
        "rows": 0 if rows is None else min(len(rows.places), SHOWN),
        "findings": len(unsaid),
        "advice": len(list(filter(None, table_rows.advice(report))))
        + sum(bool(item.advice) for item in unsaid),
    }


def _main(row: table_rows.EffectRow) -> bool:
    """Whether a short report has an effect: an estimate that is no part of another."""
    return row.estimable and not row.part


def _parts(
    writer: Writer, report: Report, shown: dict[str, int], every: dict[str, int]
) -> Iterator[RenderableType]:
    for _, section in _sections(writer, report, shown, every):
        yield from section()


def _sections(
    writer: Writer, report: Report, shown: dict[str, int], every: dict[str, int]
) -> Iterator[tuple[Hashable, Callable[[], Iterable[RenderableType]]]]:
    """Yield the sections, each with a key of its name and of all that its length depends on."""
    whole = shown == every
    yield "verdict", partial(_verdict, writer, report)
    sentences, advice = shown["sentences"], shown["advice"]
    key: tuple[Hashable, ...] = ("diagnosis", sentences, advice)
    yield key, partial(writer.diagnosis, report, sentences, advice)
    if report.provenance.equivalence is not None:
        yield "criteria", partial(_criteria, writer, report)
    if report.effects and report.outcomes and shown["effects"]:
        key = ("effects", shown["effects"], whole)
        yield key, partial(_effects, writer, report, shown["effects"], whole)
    if report.outcomes:
        key = ("tests", shown["tests"], whole)
        yield key, partial(_tests, writer, report, shown["tests"], whole)
    for name, table, items in (
        ("classes", report.classes, ("classes", "shares")),
        ("rows", report.rows, ("rows",)),
    ):
        if table is not None:
            kept = None if whole else [shown[item] for item in items]
            yield (name, str(kept)), partial(_table, writer, table, kept)
    if shown["findings"] and table_rows.unsaid(report):
        given = sum(map(bool, table_rows.advice(report)[:sentences]))
        key = ("findings", shown["findings"], max(advice - given, 0))
        yield key, partial(writer.findings, report, shown["findings"], max(advice - given, 0))
    note = "" if whole else _left(every, shown)
    yield ("end", note), partial(_end, writer, report, note)


def _verdict(writer: Writer, report: Report) -> Iterator[RenderableType]:
    yield writer.verdict(report)
    if far := explain.magnitude(report):
        yield writer.line(far)
    yield writer.line("")


def _effects(writer: Writer, report: Report, most: int, whole: bool) -> Iterator[RenderableType]:
    yield writer.line("")
    yield from writer.effects(report, most, whole)
    for sentence in table_rows.yardsticks(report) if whole else []:
        yield writer.line(sentence, "dim")


def _criteria(writer: Writer, report: Report) -> Iterator[RenderableType]:
    yield writer.line("")
    yield writer.criteria(report)


def _tests(writer: Writer, report: Report, most: int, whole: bool) -> Iterator[RenderableType]:
    yield writer.line("")
    yield from writer.tests(report, most, whole)


def _table(writer: Writer, table: Any, kept: list[int] | None) -> Iterator[RenderableType]:
    yield writer.line("")
    yield from tables.parts(table, writer.line, writer.width, kept)


def _end(writer: Writer, report: Report, note: str) -> Iterator[RenderableType]:
    yield writer.line("")
    if note:
        yield writer.line(f"{note}: --verbose, or the page (--html)", "dim")
    yield writer.joined(_facts(report), "dim")


def _left(every: dict[str, int], shown: dict[str, int]) -> str:
    """Return what is not shown, such as "2 more effects, 1 more test"."""
    left = {name: count - shown[name] for name, count in every.items()}
    left["effects"] += left.pop("shares")
    advice = left.pop("advice")
    words = {name: (f"more {name.removesuffix('s')}", f"more {name}") for name in left}
    words["classes"] = ("more class", "more classes")
    parts = [wording.plural(many, *words[name]) for name, many in left.items() if many]
    return ", ".join(parts) or ("More advice" if advice else "")


class Writer:
    """Builds the parts for one console, in its character set.

    Texts include names from files, so Rich's markup and emoji codes are never interpreted.
    """

    def __init__(self, ascii_only: bool, width: int = 80) -> None:
        self.ascii_only = ascii_only
        self.width = width

    def line(self, content: str, style: str = "") -> Text:
        """Return one paragraph."""
        from rich.text import Text

        folded = content.translate(FOLDED) if self.ascii_only else content
        if self.ascii_only:
            folded = folded.encode("ascii", errors="backslashreplace").decode()
        return Text(folded, style=style, overflow="fold")

    def joined(self, facts: Sequence[str], style: str = "", margin: int = 0) -> Text:
        """Return facts with dots between them; a line is broken between two, not within one."""
        lines = [""]
        for fact in facts:
            longer = f"{lines[-1]} · {fact}" if lines[-1] else fact
            if lines[-1] and len(longer) > self.width - margin:
                lines.append(fact)
            else:
                lines[-1] = longer
        return self.line("\n".join(lines), style)

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
            self.joined(
                [
                    f"{wording.scope(report)}, alpha = {report.alpha:g}",
                    wording.size(report),
                    "two samples" if wording.two_samples(report) else f"target {target}",
                ],
                margin=4,
            ),
        ]
        if words.aside:
            lines.insert(1, self.line(words.aside))
        tone = TONES[report.verdict]
        title = self.line(f"{words.symbol} {words.headline}", tone)
        return Panel(Group(*lines), title=title, title_align="left", border_style=tone)

    def diagnosis(self, report: Report, most: int, advice: int) -> Iterator[RenderableType]:
        """Yield the diagnosis: at most so many sentences, and so many pieces of advice."""
        sentences = table_rows.diagnosis(report)
        title = "What is wrong" if report.verdict == "mismatch" else "What was found"
        yield self.line(title, "bold")
        pairs = list(zip(sentences, table_rows.advice(report), strict=True))[:most]
        for place, (sentence, cure) in enumerate(pairs, 1):
            yield self.item(f"{place}." if len(sentences) > 1 else "", sentence)
            if cure and advice:
                yield self.item(ADVICE, cure)
                advice -= 1

    def findings(self, report: Report, most: int, advice: int) -> Iterator[RenderableType]:
        """Yield what the diagnosis does not say: so many findings, and pieces of advice."""
        yield self.line("\nFindings about the data", "bold")
        for item in table_rows.unsaid(report)[:most]:
            yield self.item("!", table_rows.warning_line(item))
            if item.advice and advice:
                yield self.item(ADVICE, wording.clean(item.advice))
                advice -= 1

    def criteria(self, report: Report) -> Table:
        """Return the table of what equivalence takes."""
        table = self.table("Equivalence takes", "Estimate>", "Bound>", "Limit>", "")
        for row in table_rows.criterion_rows(report):
            self.add(table, row.label, row.estimate, row.bound, row.limit, "" if row.holds else "✕")
        return table

    def effects(self, report: Report, most: int, whole: bool) -> Iterator[RenderableType]:
        """Yield the table of effect sizes; why some have no estimate stands below it."""
        rows = [row for row in table_rows.effect_rows(report) if whole or _main(row)][:most]
        levels = {row.confidence for row in rows if row.interval}
        level = levels.pop() if len(levels) == 1 else ""
        limits = f"{level} interval".strip().capitalize()
        apart = self.width >= UNIT_COLUMN
        names = ("Effect", "Estimate>", *(["Unit"] if apart else []), limits)
        table = self.table(*names)
        for row in rows:
            own = f" ({row.confidence})" if row.interval and row.confidence and not level else ""
            label = f"  {row.label}" if row.part else row.label
            if not apart and row.unit:
                label += f", {row.unit}"
            unit = [row.unit] if apart else []
            self.add(table, label, row.value, *unit, row.interval + own)
        yield table
        for row in rows:
            if not row.estimable:
                yield self.item("", f"{row.label}: {row.note}")

    def tests(self, report: Report, most: int, whole: bool) -> Iterator[RenderableType]:
        """Yield the table of tests and, in a whole report, the key to their calibration."""
        rows = table_rows.test_rows(report)[:most]
        worst = [f"{row.worst_pvalue} (#{row.worst_slice})" * bool(row.worst_slice) for row in rows]
        letters = [row.letter for row in rows]
        origin = {"Worst slice>": worst, "Cal.": letters}
        # Errors, then one table instead of two, where they fit: no column is ever cut.
        both = self.evidence(rows, True, origin) if whole else None
        if both is not None and self.needed(both) <= self.width:
            yield both
        else:
            exact = self.evidence(rows, True, {})
            yield exact if self.needed(exact) <= self.width else self.evidence(rows, False, {})
            if whole:
                table = self.table("Test", *origin)
                for row, *cells in zip(rows, *origin.values(), strict=True):
                    self.add(table, row.test, *cells)
                yield self.line("")
                yield table
        if any(row.rejects for row in rows):
            yield self.item(" ✕", f"rejects at alpha = {report.alpha:g} (Holm-adjusted)")
        for letter, way in table_rows.calibrations(rows) if whole else ():
            yield self.item(f" {letter}", way)

    def evidence(
        self, rows: Sequence[table_rows.TestRow], errors: bool, more: Mapping[str, list[str]]
    ) -> Table:
        """Return the table of statistics and p-values, with more columns of these names."""
        table = self.table("Test", "Statistic>", "p-value>", "Adjusted p>", *more)
        for row, *cells in zip(rows, *more.values(), strict=True):
            error = f" ±{row.error}" if errors and row.error else ""
            numbers = (
                row.statistic,
                row.pvalue + error,
                f"{row.adjusted} {'✕' if row.rejects else ' '}",
            )
            self.add(table, row.test, *numbers, *cells, style="bold" if row.rejects else "")
        return table

    def needed(self, table: Table) -> int:
        """Return the width at which nothing in a table is folded."""
        from rich.console import Console
        from rich.measure import Measurement

        console = Console(width=1000, file=io.StringIO(), force_jupyter=False)
        return Measurement.get(console, console.options, table).maximum

    def table(self, *columns: str) -> Table:
        """Return an empty table; columns whose name ends in > are aligned to the right."""
        from rich import box
        from rich.table import Table

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for place, name in enumerate(columns):
            right = name.endswith(">")
            # Only the first column gives way, so that numbers and units are never cut.
            table.add_column(
                name.rstrip(">"),
                justify="right" if right else "left",
                overflow="fold",
                no_wrap=place > 0,
            )
        return table

    def add(self, table: Table, *cells: str, style: str = "") -> None:
        """Add one row."""
        table.add_row(*(self.line(cell) for cell in cells), style=style)


def _facts(report: Report) -> list[str]:
    """Return the facts of the run that stand at the end."""
    facts = dict(table_rows.facts(report))
    parts = [f"dmtest {facts['version']}"] if "version" in facts else []
    parts += [facts[key] for key in ("source", "dtype") if key in facts]
    parts += [f"{facts[key]} {key}" for key in ("slices", "replicates") if key in facts]
    parts += [f"seed {report.seed}"]
    parts += [facts["time"]] if "time" in facts else []
    return parts
