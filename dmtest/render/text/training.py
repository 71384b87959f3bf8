"""A training run in a terminal: trained, untrained and perfect encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dmtest.render import training_rows

if TYPE_CHECKING:
    from rich.console import RenderableType


def training_table(fit: Any) -> RenderableType:
    """Return the result of :func:`dmtest.train.fit` for a terminal.

    Parameters
    ----------
    fit : dmtest.train.Fit
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    first, *others = training_rows.HEAD
    table.add_column(first)
    for head in others:
        table.add_column(head, justify="right")
    for name, cells in training_rows.rows(fit):
        table.add_row(Text(name), *(Text(cell) for cell in cells))
    return Group(Text(training_rows.title(fit)), Text(""), table, Text(""), *_closing(fit))


def _closing(fit: Any) -> list[Any]:
    from rich.text import Text

    verification = fit.verification
    lines = []
    if verification.violations:
        lines += [Text(f"! {sentence}", style="bold red") for sentence in verification.violations]
    elif agreement := training_rows.agreement(verification):
        lines.append(Text(agreement))
    if fit.report is not None:
        p = f"p = {fit.report.pvalue:.2g}"
        lines.append(Text(f"Report on the held-out rows: {fit.report.verdict} ({p})."))
        lines += [Text(f"  {i}. {f.message}") for i, f in enumerate(fit.report.diagnosis, start=1)]
    return lines
