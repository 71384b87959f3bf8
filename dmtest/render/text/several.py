"""Reports of several files: one line each, in a table or for logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmtest.render import table_rows, wording
from dmtest.render.text.terminal import FOLDED, TONES, Writer

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

    from dmtest.results.report import Report


NARROW = 80
LEVEL = re.compile(r" \((sd|half-width) [^)]*\)")  # the noise of a divergence, which may differ


@dataclass(frozen=True)
class Several:
    """Reports by the name of their file, with p-values adjusted for the number of files.

    A sentence stands for a report that could not be made; it has no p-value.
    """

    found: Sequence[tuple[str, Report | str]]
    adjusted: Sequence[float]

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield the table and what its p-values are adjusted for."""
        writer = Writer(options.ascii_only)
        reports = [result for _, result in self.found if not isinstance(result, str)]
        adjusted = iter(self.adjusted)
        # A narrow terminal has no room for all columns beside a name: the size gives way.
        sized = options.max_width >= NARROW
        size = ["Size>"] if sized else []
        table = writer.table("File", *size, "Verdict", "Global p>", "Adjusted>", "Distance>")
        table.columns[0].min_width = 12
        labels: dict[str, None] = {}
        for file, result in self.found:
            if isinstance(result, str):
                blank = [""] if sized else []
                writer.add(table, wording.clean(file), *blank, "not read", style="bold")
                continue
            verdict = f"{wording.verdict(result).symbol} {result.verdict}"
            pvalue = wording.evidence(result)[0].removeprefix("p ").removeprefix("= ")
            value = next(adjusted)
            floored = pvalue.startswith("≤") and value < 1.0
            corrected = f"≤ {value:.2g}" if floored else wording.pvalue(value)
            cells = (*([wording.size(result)] if sized else []), verdict, pvalue, corrected)
            row = table_rows.first_effect(result)
            far = "" if row is None else f"{row.value} {row.unit}".rstrip()
            labels |= {} if row is None else {LEVEL.sub("", row.label): None}
            writer.add(table, wording.clean(file), *cells, far, style=_tone(result))
        yield table
        if labels:
            yield writer.line(f"\nDistance: {'; '.join(labels)}.", "dim")
        if len(reports) > 1:
            alpha = " and ".join(dict.fromkeys(f"{one.alpha:g}" for one in reports))
            yield writer.line(
                f"Verdicts are of each file at alpha = {alpha}; adjusted p-values allow for "
                f"{len(reports)} files (Holm).",
                "dim",
            )


def _tone(report: Report) -> str:
    return TONES[report.verdict].removeprefix("bold ")


def line(file: str, report: Report | str) -> str:
    """Return a report in one line of ASCII, for logs.

    Parameters
    ----------
    file : str
        Name of the file.
    report : Report or str
        Its report, or the sentence that says why there is none.
    """
    if isinstance(report, str):
        text = f"error: {file}: {report}"
    else:
        far = table_rows.headline(report)
        parts = [
            f"{report.verdict}: {file}",
            f"{wording.size(report)}, target {report.target}",
            f"{wording.evidence(report)[0]} (alpha {report.alpha:g})",
            *([far] if far else []),
        ]
        text = "; ".join(parts)
    return wording.clean(text).translate(FOLDED).encode("ascii", "backslashreplace").decode()
