"""A training run as a table: trained, untrained and perfect encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dmtest.render.wording import number

if TYPE_CHECKING:
    from rich.console import RenderableType

# Mean p-value of a perfect match; Henze-Zirkler's on 100 rows is slightly below 1/2.
PERFECT = 0.5
SCORES = (
    ("gnb-auc", "Gaussian naive Bayes, ROC AUC"),
    ("knn-accuracy", "Nearest neighbours, accuracy"),
    ("mlp-accuracy", "Perceptron, accuracy"),
    ("probe-top1", "Linear probe, accuracy"),
    ("silhouette", "Silhouette"),
)


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

    after, before = fit.verification, fit.baseline
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Held-out rows")
    for head in ("Trained", "Untrained", "Perfect"):
        table.add_column(head, justify="right")
    for name, cells in (*_rows(after, before), *_downstream(fit)):
        table.add_row(Text(name), *(Text(cell) for cell in cells))
    noise = fit.noise
    title = Text(
        f"{fit.source}: {after.n:,} held-out rows in d = {after.d}, target {_target(fit)}, "
        f"{noise.name} = {noise.level:.3g}; trained {len(fit.history['loss'])} epochs "
        f"({fit.steps:,} steps of {fit.settings.batch:,} rows, {fit.settings.critic} critic) in "
        f"{fit.seconds:.1f} s, seed {fit.seed}"
    )
    return Group(title, Text(""), table, Text(""), *_closing(fit))


def self_supervised_table(fit: Any) -> RenderableType:
    """Return the result of :func:`dmtest.train.ssl` for a terminal.

    Parameters
    ----------
    fit : dmtest.train.SelfSupervisedFit
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    n, width = fit.features.shape
    title = Text(
        f"{fit.source}: {fit.method} with sigma = {fit.sigma:.3g} at the outlet; {n:,} held-out "
        f"rows, {width:,} features, {fit.embeddings.shape[1]:,} columns; trained "
        f"{len(fit.history['loss'])} epochs ({fit.steps:,} steps of {fit.settings.batch:,} rows) "
        f"in {fit.seconds:.1f} s, seed {fit.seed}"
    )
    lines: list[Any] = [title, Text("")]
    if fit.downstream is not None:
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        table.add_column("Features of held-out rows")
        for head in ("Trained", "Untrained"):
            table.add_column(head, justify="right")
        for name, label in SCORES:
            if name in fit.downstream.values:
                pair = (fit.downstream[name], fit.baseline_downstream[name])
                table.add_row(Text(label), *(Text(f"{value:.3f}") for value in pair))
        lines += [table, Text("")]
    return Group(*lines, *_findings(fit), *_reported(fit, "outlet"))


def _rows(after: Any, before: Any) -> list[tuple[str, tuple[str, ...]]]:
    perfect = number(after.matched_information, 3) if math.isfinite(after.capacity) else "no limit"
    rows = [
        (
            "I(f(X'); f(X)+Z), best lower bound, nats",
            (_nats(after.information), _nats(before.information), perfect),
        ),
        ("Invariance gap, nats", (_nats(after.invariance_gap), _nats(before.invariance_gap), "0")),
        (
            f"KL after noise{_noise(after)}, limits, nats",
            (_pair(after.smoothed_kl), _pair(before.smoothed_kl), _pair(after.smoothed_exact)),
        ),
        ("KL before noise, estimate, nats", (_nats(after.kl), _nats(before.kl), "0")),
        (
            "Kolmogorov-Smirnov distance, worst column",
            (*(number(max(one.kolmogorov), 2) for one in (after, before)), "0"),
        ),
    ]
    for name, score in after.mean_pvalues.items():
        other = before.mean_pvalues[name].mean
        cells = (f"{score.mean:.2f}", f"{other:.2f}", f"{PERFECT:.2f}")
        rows.append((f"Mean p, {name}", cells))
    return rows


def _downstream(fit: Any) -> list[tuple[str, tuple[str, ...]]]:
    if fit.downstream is None:
        return []
    after, before = fit.downstream.values, fit.baseline_downstream.values
    return [
        (label, (f"{after[name]:.3f}", f"{before[name]:.3f}", ""))
        for name, label in SCORES
        if name in after
    ]


def _closing(fit: Any) -> list[Any]:
    from rich.text import Text

    verification = fit.verification
    lines = []
    if verification.violations:
        lines += [Text(f"! {sentence}", style="bold red") for sentence in verification.violations]
    elif verification.inequalities:
        lines.append(
            Text(
                f"All {len(verification.inequalities)} inequalities of the theory that could be "
                f"checked hold within their intervals."
            )
        )
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


def _target(fit: Any) -> str:
    """Name of the target; of a mapped one, that the rows below are of the normal outlet."""
    if fit.target in ("normal", "uniform"):
        return str(fit.target)
    name = fit.target if isinstance(fit.target, str) else fit.target.name
    return f"{name} (information and distances: of the normal outlet before the map)"


def _nats(value: float | None) -> str:
    return "not estimable" if value is None else number(float(value), 3)


def _pair(limits: Any) -> str:
    if limits is None:
        return "too few rows"
    return " to ".join(number(value, 2) if value < float("inf") else "?" for value in limits)


def _noise(one: Any) -> str:
    return "" if one.smoothed_noise is None else f" {number(one.smoothed_noise, 2)}"
