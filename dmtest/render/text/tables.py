"""Tables of columns, rows and classes in a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dmtest.render.tables import SENTENCES, Part, parts_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

WIDTH = 100
# Columns of a table whose numbers always fit.
FEW = 6


def text(table: Any) -> str:
    """Return a table as plain text, at most 100 characters wide."""
    from rich.console import Console

    console = Console(
        file=io.StringIO(),
        width=WIDTH,
        color_system=None,
        force_terminal=False,
        force_jupyter=False,
        legacy_windows=False,
        highlight=False,
    )
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def parts(
    table: Any,
    line: Callable[[str, str], Text] | None = None,
    width: int = WIDTH,
    most: Sequence[int] | None = None,
) -> Iterator[RenderableType]:
    """Yield the parts of a table of columns, rows or classes.

    Parameters
    ----------
    table : Univariate, Outliers or ClassReports
    line : callable, optional
        Text of a content and a style, in the character set of the console.
    width : int
        Characters of a line. Sentences stand below the table where it is narrow.
    most : sequence of int, optional
        Most rows of each part, of which those that are marked come first; notes and sentences
        are then left out.
    """
    for i, part in enumerate(parts_of(table)):
        if most is not None:
            part = _shortened(part, most[i])
        elif width < WIDTH:
            part = _below(part)
        if part.title or part.rows or part.notes:
            yield from _drawn(part, line or _line, first=i == 0)


def _shortened(part: Part, most: int) -> Part:
    """Return at most so many rows of a part, without sentences and notes."""
    marked = part.marked or (False,) * len(part.rows)
    kept = sorted(sorted(range(len(part.rows)), key=lambda i: not marked[i])[:most])
    last = -1 if part.head and part.head[-1] == SENTENCES else None
    return Part(
        part.title,
        part.head[:last],
        tuple(part.rows[i][:last] for i in kept),
        tuple(marked[i] for i in kept),
    )


def _below(part: Part) -> Part:
    """Return a part with the sentences of its last column below it."""
    if not part.head or part.head[-1] != SENTENCES:
        return part
    said = tuple(f"{row[0]}: {row[-1]}" for row in part.rows if row[-1])
    return Part(
        part.title,
        part.head[:-1],
        tuple(row[:-1] for row in part.rows),
        part.marked,
        (*part.notes, *said),
    )


def _line(content: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(content, style=style, overflow="fold")


def _drawn(part: Part, line: Callable[[str, str], Text], first: bool) -> Iterator[RenderableType]:
    """Yield the title, the table and the notes of one part."""
    from rich import box
    from rich.table import Table

    if not first:
        yield line("", "")
    if part.title:
        yield line(part.title, "bold")
    if part.rows:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
        for name in part.head:
            right = name.endswith(">")
            table.add_column(
                name.rstrip(">"),
                justify="right" if right else "left",
                overflow="fold",
                no_wrap=right and len(part.head) <= FEW,
            )
        for i, row in enumerate(part.rows):
            style = "bold" if part.marked and part.marked[i] else ""
            table.add_row(*(line(cell, style) for cell in row))
        yield table
    for note in part.notes:
        yield line(note, "dim")
