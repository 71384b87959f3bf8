"""The bounds of positive pairs in a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmtest.render import bounds_rows

if TYPE_CHECKING:
    from rich.console import RenderableType


def bounds_table(pairs: Any) -> RenderableType:
    """Return the bounds of positive pairs as a table, with the inequalities they break.

    Parameters
    ----------
    pairs : dmtest.information.pairs.PairBounds
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for head in bounds_rows.HEAD:
        table.add_column(head, justify="right" if head == "Nats" else "left")
    for cells in bounds_rows.rows(pairs):
        table.add_row(*map(Text, cells))
    notes = [Text(f"! {broken}", style="bold red") for broken in pairs.violations]
    return Group(Text(bounds_rows.title(pairs)), Text(""), table, *notes)
