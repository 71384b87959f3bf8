"""A check in a terminal: the outcome, sentences about failures, and all rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dmtest.render import wording
from dmtest.render.text.terminal import FOLDED

if TYPE_CHECKING:
    from rich.console import ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from dmtest.results.check import CheckResult, CheckRow

NARROW = 72  # columns of a terminal with room for units
MARKS = {True: ("pass", "green"), False: ("FAIL", "bold red"), None: ("-", "dim")}


def headline(result: CheckResult) -> str:
    """Return one line: passed or failed, against which baseline or limits."""
    report = result.report
    rows = f"{wording.size(report)} {wording.clean(report.provenance.source or 'data')}"
    if result.passed:
        outcome = "Check passed"
    else:
        outcome = (
            f"Check failed: {wording.plural(len(result.failures), 'row')} of {len(result.rows)}"
        )
    against = "absolute limits"
    if result.baseline is not None:
        against = (
            f"the baseline {wording.clean(result.baseline['source'])} "
            f"({wording.count(result.baseline['n'])} rows, {result.baseline['verdict']})"
        )
    return f"{outcome} ({rows} against {against}, alpha = {result.alpha:g})"


def line(result: CheckResult) -> str:
    """Return a check in one line of ASCII, for logs: the outcome and what failed."""
    failed = "; ".join(f"{row.name}: {row.message}" for row in result.failures)
    text = f"{headline(result)}{f'; {failed}' if failed else ''}"
    return wording.clean(text).translate(FOLDED).encode("ascii", "backslashreplace").decode()


def sentences(result: CheckResult) -> list[tuple[str, str]]:
    """Return a mark and a sentence for each failure, row not compared, and finding."""
    marked = [("✕", wording.clean(row.message)) for row in result.failures]
    marked += [("-", wording.clean(row.message)) for row in result.rows if row.passed is None]
    return marked + [("!", wording.clean(one.message)) for one in result.warnings]


def parts(result: CheckResult, options: ConsoleOptions) -> Iterator[RenderableType]:
    """Yield the parts of the text: outcome, sentences, all rows."""
    ascii_only = options.ascii_only
    yield _text(headline(result), ascii_only, "bold green" if result.passed else "bold red")
    items = sentences(result)
    if items:
        yield _text("", ascii_only)
        yield _listed(items, ascii_only)
    yield _text("", ascii_only)
    yield _table(result, ascii_only, options.max_width)


def _text(content: str, ascii_only: bool, style: str = "") -> Text:
    from rich.text import Text

    if ascii_only:
        content = content.translate(FOLDED).encode("ascii", errors="backslashreplace").decode()
    return Text(content, style=style, overflow="fold")


def _listed(items: list[tuple[str, str]], ascii_only: bool) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 1))
    for mark, content in items:
        style = "red" if mark == "✕" else ""
        grid.add_row(_text(f"  {mark}", ascii_only, style), _text(content, ascii_only))
    return grid


def _table(result: CheckResult, ascii_only: bool, width: int) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(
        box=box.ASCII2 if ascii_only else box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    table.show_edge = False
    # Only names give way, so that no number is ever cut; a narrow terminal has no units.
    table.add_column("Check", overflow="fold")
    names = ("Now", "Then", "Unit", "p-value", "Limit", "")
    kept = [j for j, name in enumerate(names) if name != "Unit" or width >= NARROW]
    for j in kept:
        left = names[j] in ("Unit", "")
        table.add_column(names[j], justify="left" if left else "right", no_wrap=True)
    for row in result.rows:
        word, style = MARKS[row.passed]
        name, *texts = cells(row)
        shown = [*(_text(wording.clean(text), ascii_only) for text in texts)]
        shown.append(_text(word, ascii_only, style))
        table.add_row(_text(wording.clean(name), ascii_only), *(shown[j] for j in kept))
    return table


def cells(row: CheckRow) -> tuple[str, ...]:
    """Return the cells of a row: name, value now and then, unit, p-value and limit."""
    pvalue = "" if row.pvalue is None else wording.pvalue(row.pvalue)
    values = (_value(row, row.value), _value(row, row.baseline))
    return row.name, *values, _unit(row), pvalue, _bound(row)


UNITS = {"global p": "p", "standard deviations": "sd", "squared standard deviations": "sd^2"}


def _unit(row: CheckRow) -> str:
    """Return the unit if it is short enough for a column."""
    unit = UNITS.get(row.unit, row.unit)
    return unit if len(unit) <= 9 else ""


def _bound(row: CheckRow) -> str:
    if row.limit is None:
        return ""
    if row.kind == "limit":
        return f"{'≥' if row.name == 'min-rank' else '≤'} {wording.number(row.limit)}"
    return f"p > {row.limit:.3g}"


def _value(row: CheckRow, value: float | None) -> str:
    """Return a number as text; an estimate that bias removal took below 0 counts as 0."""
    if value is None:
        return ""
    return wording.number(max(0.0, value) if row.kind == "effect" else value)
