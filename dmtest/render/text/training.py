"""A training run as a table: trained, untrained and perfect encoder."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from dmtest.render.wording import number

if TYPE_CHECKING:
    from rich.console import RenderableType

# What the mean p-value of a perfect match is: Henze-Zirkler's from 100 rows is a little below 1/2.
PERFECT = 0.5
SCORES = (
    ("gnb-auc", "Gaussian naive Bayes, ROC AUC"),
    ("knn-accuracy", "Nearest neighbours, accuracy"),
    ("mlp-accuracy", "Perceptron, accuracy"),
    ("probe-top1", "Linear probe, accuracy"),
    ("silhouette", "Silhouette"),
)


def training_table(made: Any) -> RenderableType:
    """Return the result of :func:`dmtest.train.fit` for a terminal.

    Parameters
    ----------
    made : dmtest.train.Fit
    """
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    found, before = made.verification, made.baseline
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("Held-out rows")
    for head in ("Trained", "Untrained", "Perfect"):
        table.add_column(head, justify="right")
    for name, cells in (*_rows(found, before), *_downstream(made)):
        table.add_row(Text(name), *(Text(cell) for cell in cells))
    noise = made.noise
    title = Text(
        f"{made.source}: {found.n:,} held-out rows in d = {found.d}, target {noise.target}, "
        f"{noise.name} = {noise.level:.3g}; trained {len(made.history['loss'])} epochs in "
        f"{made.seconds:.1f} s, seed {made.seed}"
    )
    return Group(title, Text(""), table, Text(""), *_closing(made))


def _rows(found: Any, before: Any) -> list[tuple[str, tuple[str, ...]]]:
    perfect = number(found.matched_information, 3) if math.isfinite(found.capacity) else "no limit"
    rows = [
        (
            "I(f(X'); f(X)+Z), best lower bound, nats",
            (_nats(found.information), _nats(before.information), perfect),
        ),
        ("Invariance gap, nats", (_nats(found.invariance_gap), _nats(before.invariance_gap), "0")),
        ("KL after noise, bracket, nats", (_pair(found), _pair(before), "0")),
        ("KL before noise, estimate, nats", (_nats(found.kl), _nats(before.kl), "0")),
        (
            "Kolmogorov-Smirnov distance, worst column",
            (*(number(max(one.kolmogorov), 2) for one in (found, before)), "0"),
        ),
    ]
    for name, score in found.mean_pvalues.items():
        other = before.mean_pvalues[name].mean
        cells = (f"{score.mean:.2f}", f"{other:.2f}", f"{PERFECT:.2f}")
        rows.append((f"Mean p, {name}", cells))
    return rows


def _downstream(made: Any) -> list[tuple[str, tuple[str, ...]]]:
    if made.downstream is None:
        return []
    after, before = made.downstream.values, made.baseline_downstream.values
    return [
        (label, (f"{after[name]:.3f}", f"{before[name]:.3f}", ""))
        for name, label in SCORES
        if name in after
    ]


def _closing(made: Any) -> list[Any]:
    from rich.text import Text

    found = made.verification
    lines = []
    if found.violations:
        lines += [Text(f"! {sentence}", style="bold red") for sentence in found.violations]
    elif found.inequalities:
        lines.append(
            Text(
                f"All {len(found.inequalities)} inequalities of the theory that could be checked "
                "hold within their intervals."
            )
        )
    if made.report is not None:
        p = f"p = {made.report.pvalue:.2g}"
        lines.append(Text(f"Report on the held-out rows: {made.report.verdict} ({p})."))
        lines += [Text(f"  {i}. {f.message}") for i, f in enumerate(made.report.diagnosis, start=1)]
    return lines


def _nats(value: float | None) -> str:
    return "not estimable" if value is None else number(float(value), 3)


def _pair(one: Any) -> str:
    if one.smoothed_kl is None:
        return "no noise"
    return " to ".join(number(value, 2) for value in one.smoothed_kl)
