"""A training run in a terminal: trained, untrained and perfect encoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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
    from rich.console import Group
    from rich.text import Text

    table = _table(training_rows.HEAD, training_rows.rows(fit))
    return Group(Text(training_rows.title(fit)), Text(""), table, Text(""), *_closing(fit))


def self_supervised_table(fit: Any) -> RenderableType:
    """Return the result of :func:`dmtest.train.ssl` for a terminal.

    Parameters
    ----------
    fit : dmtest.train.SelfSupervisedFit
    """
    from rich.console import Group
    from rich.text import Text

    n, width = fit.features.shape
    title = Text(
        f"{fit.source}: {fit.method} with sigma = {fit.sigma:.3g} at the outlet; {n:,} held-out "
        f"rows, {width:,} features, {fit.embeddings.shape[1]:,} columns; {_trained(fit)}"
    )
    lines: list[Any] = [title, Text("")]
    if fit.downstream is not None:
        head = ("Features of held-out rows", "Trained", "Untrained")
        table = _table(head, training_rows.downstream(fit))
        lines += [table, Text("")]
    return Group(*lines, *_findings(fit), *_reported(fit, "outlet"))


def deep_infomax_table(fit: Any) -> RenderableType:
    """Return the result of :func:`dmtest.train.dim` for a terminal.

    Parameters
    ----------
    fit : dmtest.train.DeepInfoMaxFit
    """
    from rich.console import Group
    from rich.text import Text

    n, columns = fit.embeddings.shape
    title = Text(
        f"{fit.source}: {fit.method}; {n:,} held-out rows, {columns:,} columns, target "
        f"{fit.target}; {_trained(fit)}"
    )
    lines: list[Any] = [title, Text("")]
    rows: list[Any] = training_rows.downstream(fit)
    if fit.dependence is not None:
        pair = (fit.dependence, fit.baseline_dependence)
        rows.append(("Dependence of the columns, nats", tuple(f"{one:.3f}" for one in pair)))
    if rows:
        lines += [_table(("Embeddings of held-out rows", "Trained", "Untrained"), rows), Text("")]
    return Group(*lines, *_findings(fit), *_reported(fit, "embeddings"))


def _trained(fit: Any) -> str:
    """Return how long a run was, as its title ends."""
    return (
        f"trained {len(fit.history['loss'])} epochs ({fit.steps:,} steps of "
        f"{fit.settings.batch:,} rows) in {fit.seconds:.1f} s, seed {fit.seed}"
    )


def _table(head: Sequence[str], rows: Iterable[tuple[str, Iterable[str]]]) -> Any:
    """Return a table of named rows; all columns but the first are numbers."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    first, *others = head
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="right")
    for name, cells in rows:
        table.add_row(Text(name), *(Text(cell) for cell in cells))
    return table


def _closing(fit: Any) -> list[Any]:
    from rich.text import Text

    verification = fit.verification
    lines = []
    if verification.violations:
        lines += [Text(f"! {sentence}", style="bold red") for sentence in verification.violations]
    elif agreement := training_rows.agreement(verification):
        lines.append(Text(agreement))
    return lines + _findings(fit) + _reported(fit, "held-out rows")


def _findings(fit: Any) -> list[Any]:
    from rich.text import Text

    lines = []
    for finding in fit.findings:
        lines.append(Text(f"! {finding.message}", style="yellow"))
        lines.append(Text(f"  {finding.advice}"))
    return lines


def _reported(fit: Any, what: str) -> list[Any]:
    from rich.text import Text

    if fit.report is None:
        return []
    p = f"p = {fit.report.pvalue:.2g}"
    lines = [Text(f"Report on the {what}: {fit.report.verdict} ({p}).")]
    said = enumerate(fit.report.diagnosis, start=1)
    return lines + [Text(f"  {i}. {finding.message}") for i, finding in said]
