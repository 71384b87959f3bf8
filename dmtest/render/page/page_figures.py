"""The figures of the page: SVG drawings with descriptions and captions."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.render import wording
from dmtest.render.figures import class_figures, data_figures, effect_figures
from dmtest.render.page import explain, svg
from dmtest.results.effect_table import DIVERGENCE_PARTS, SMOOTHED_KL
from dmtest.results.figures import NoisePoint, array

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmtest.results.report import Report

# Columns of what named departures cost at a noise level.
YARDSTICKS = ("Dead coordinate", "Two-valued coordinate", "Collapse")


@dataclass(frozen=True, slots=True)
class PageFigure:
    """A titled group of drawings.

    Attributes
    ----------
    title : str
        Heading.
    caption : str
        What the figure shows, in a sentence or two.
    drawings : tuple of Markup
        ``<svg>`` elements, each with its own label for screen readers.
    details : tuple of (str, str)
        Names and numbers under the caption.
    head, rows : tuple
        The numbers of the figure as a table; empty if the text has them.
    legend : tuple of (str, str)
        Marks, which the style sheet draws, and what they stand for.
    """

    title: str
    caption: str
    drawings: tuple[Markup, ...]
    details: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    legend: tuple[tuple[str, str], ...] = ()


def drawing(
    panel: Callable[..., Axes], record: Any, name: str, label: str, **options: Any
) -> Markup:
    """Draw one figure of a record without its title, which the page sets as text."""
    width, height = options.pop("size", (3.9, 2.75))
    left, bottom = options.pop("margins", (0.62, 0.5))
    # Fixed margins: matplotlib's layout engine would take as long as everything else.
    box = (left / width, bottom / height, 1 - (left + 0.08) / width, 1 - (bottom + 0.08) / height)

    def paint(figure: Figure) -> None:
        ax = panel(figure.add_axes(box), record, palette=svg.SENTINELS, **options)
        ax.set_title("", loc="left")

    return svg.render(paint, size=(width, height), name=name, label=wording.clean(label))


def slices(report: Report) -> list[PageFigure]:
    """Return a Q-Q plot and the deviations for each slice of the report."""
    return [_slice(report, which) for which in range(len(report.figures.slices))]


def _slice(report: Report, which: int) -> PageFigure:
    figure = report.figures.slices[which]
    title, total, outside = figure.title, len(figure.observed), int(figure.outside.sum())
    summary = (
        f"All {total} quantiles lie inside the simultaneous 95% band."
        if not outside
        else f"{outside} of {total} quantiles lie outside the simultaneous 95% band."
    )
    ours, theirs = (
        ("data", wording.other(report))
        if wording.against_rows(report)
        else ("observed", "expected")
    )
    label = f"{title}: {ours} against {theirs} quantiles. {summary}"
    minus = f"{title}: {ours} minus {theirs} quantiles. {summary}"
    details = []
    if figure.pvalue is not None:
        text = wording.equals(wording.pvalue(figure.pvalue))
        caveat = ", not corrected for the choice of the slice" if figure.role == "worst" else ""
        details.append(("This slice alone", text + caveat))
    loadings = [f"{name}\N{NO-BREAK SPACE}{weight:+.2f}" for name, weight in figure.loadings]
    if loadings:
        details.append(("Largest weights", ", ".join(loadings)))
    return PageFigure(
        title,
        summary,
        (
            drawing(data_figures.qq, report, f"q{which}", label, which=which),
            drawing(data_figures.deviation, report, f"v{which}", minus, which=which),
        ),
        tuple(details),
        legend=_slice_legend(report),
    )


def _slice_legend(report: Report) -> tuple[tuple[str, str], ...]:
    return (
        ("dot", "data"),
        ("dot bad", "outside the band"),
        ("band", "95% band"),
        ("line", wording.other(report)),
    )


def _fixed(value: float) -> str:
    """Return a number below 100 with three decimals, so that columns of numbers are aligned."""
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else wording.number(value)


def coordinates(report: Report) -> list[PageFigure]:
    """Return a histogram for each column of the report, the worst first."""
    figures = []
    for which, figure in enumerate(report.figures.coordinates):
        numbers = ", ".join(
            f"{short} {_fixed(value)}"
            for short, value in (("mean", figure.mean), ("sd", figure.sd), ("KS", figure.ks))
            if value is not None
        )
        if data_figures.heights(figure)[2]:
            numbers += "; heights on different scales"
        other = wording.other(report)
        other += "'s histogram" if wording.against_rows(report) else "'s density"
        label = f"Histogram of {figure.name} against the {other}: {numbers}"
        options = {"which": which, "size": (2.7, 1.5), "margins": (0.08, 0.25)}
        drawn = drawing(data_figures.coordinates, report, f"c{which}", label, **options)
        legend = (("area", "data"), ("line", wording.other(report)))
        figures.append(PageFigure(figure.name, numbers, (drawn,), legend=legend))
    return figures


def spectrum(report: Report) -> PageFigure | None:
    """Return the covariance spectrum, or None if the report has none."""
    figure = report.figures.spectrum
    if figure is None:
        return None
    values, low, high = map(array, (figure.observed, figure.low, figure.high))
    above, below = int(np.sum(values > high)), int(np.sum(values < low))
    two, other = wording.against_rows(report), f"the {wording.other(report)}'s"
    expected = f"around {other} (the line)" if two else "expected from N(0, I)"
    if np.isnan(low).all():
        summary = f"{len(values)} eigenvalues" + (f", {other} as a line." if two else ".")
    elif above + below:
        summary = (
            f"Of {len(values)} eigenvalues, {above} lie above and {below} below the 95% band "
            f"{expected} at this n and d."
        )
    else:
        summary = f"All {len(values)} eigenvalues lie inside the 95% band {expected}."
    ends = f"Largest {wording.number(values[0])}, smallest {wording.number(values[-1])}."
    label = f"Covariance spectrum. {summary} {ends}"
    drawn = drawing(data_figures.spectrum, report, "s", label, size=(4.4, 2.9))
    legend: tuple[tuple[str, str], ...] = (("dot", "data"),)
    if not np.isnan(low).all():
        legend += (("dot bad", "outside the band"), ("band", "95% band"))
        legend += (("line", other if two else "N(0, I)"),)
    elif report.target == "any-normal":
        summary += " A normal may have any of them: there is no band."
    return PageFigure("Covariance spectrum", f"{summary} {ends}", (drawn,), legend=legend)


# Columns up to which one scatter, and then scatters of all pairs, are drawn.
PAIRED = 6


def scatter(report: Report, name: str = "x") -> PageFigure | None:
    """Return the rows of two columns, or of all pairs of columns; None for other samples."""
    figure = report.figures.scatter
    if figure is None:
        return None
    d = len(figure.names)
    shown = len(figure.points[0])
    some = "All" if shown == report.n else f"{shown:,} of {report.n:,}"
    what = {
        "normal": "The ellipses contain 50% and 95% of the rows of "
        + ("the fitted normal." if report.target == "any-normal" else "the target."),
        "cube": "The square is the target's cube.",
        "sphere": "The circle has the rows of the target on it (d = 2) or within it.",
    }[figure.law]
    pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
    drawings = []
    for i, j in pairs:
        label = f"{figure.names[j]} against {figure.names[i]}: {some.lower()} rows. {what}"
        options = {"pair": (i, j), "size": (2.9, 2.6)} if d > 2 else {"size": (3.9, 3.1)}
        drawings.append(drawing(data_figures.scatter, report, f"{name}{i}{j}", label, **options))
    legend = (("dot", "rows"), ("line", "target"))
    return PageFigure("Rows", f"{some} rows. {what}", tuple(drawings), legend=legend)


def first(report: Report) -> PageFigure | None:
    """Return the picture beside the verdict: the rows, the column, or the worst slice."""
    figures = report.figures
    if figures.scatter is not None and len(figures.scatter.names) == 2:
        return scatter(report, "h")
    if report.d == 1 and figures.coordinates:
        return _column(report, 0)
    if figures.slices:
        named = named_column(report)
        if named is not None:
            return _column(report, named)
        worst = figures.slices[0]
        other = wording.other(report)
        label = f"{worst.title}: quantiles of the data against those of the {other}."
        drawn = drawing(data_figures.qq, report, "h", label, which=0)
        title = "The slice that departs most" if report.d > 1 else worst.title
        return PageFigure(title, "", (drawn,), legend=_slice_legend(report))
    return classes(report)


# Findings about single columns, and other findings that have a picture, which come first.
OF_COLUMNS = ("clusters", "coordinates")
OTHERS = ("collapse", "correlation", "mean", "scale", "worst-direction", "outliers")


def named_column(report: Report) -> int | None:
    """Return the figure of the column that the diagnosis names before anything else with one."""
    shown = [one for one in report.diagnosis if one.code in (*OF_COLUMNS, *OTHERS)]
    if not shown or shown[0].code not in OF_COLUMNS:
        return None
    for which, figure in enumerate(report.figures.coordinates):
        if re.search(rf"(?<!\w){re.escape(figure.name)}(?!\w)", shown[0].message):
            return which
    return None


def _column(report: Report, which: int) -> PageFigure:
    figure = report.figures.coordinates[which]
    other = wording.other(report)
    label = f"Histogram of {figure.name} against the {other}."
    options = {"which": which, "margins": (0.12, 0.3)}
    drawn = drawing(data_figures.coordinates, report, "h", label, **options)
    title = "The data" if report.d == 1 else f"Column {wording.clean(figure.name)}"
    return PageFigure(title, "", (drawn,), legend=(("area", "data"), ("line", other)))


def profile(report: Report) -> PageFigure | None:
    """Return the divergence after noise, or None if the report has none."""
    figure = report.figures.profile
    if figure is None:
        return None
    point = figure.point
    level = f"{100 * figure.confidence:g}%"
    noise = wording.number(point.noise)
    if point.high is None:
        summary = (
            f"At noise {noise} the divergence is at least {wording.number(point.low)} nats "
            f"({level} confidence, all levels together), without an upper limit: {point.why}."
        )
    else:
        known = point.resolution is not None
        resolved = f", which these rows resolve to {wording.number(point.resolution)} nats,"
        summary = (
            f"At noise {noise}{resolved if known else ''} "
            f"the divergence is between {wording.number(point.low)} and "
            f"{wording.number(point.high)} nats ({level} confidence, all levels together)."
        )
    effect = report.effects.get(SMOOTHED_KL.name)
    if effect is not None and effect.yardsticks:
        summary += f" {wording.yardsticks(effect).capitalize()}."
    unresolved = sum(not one.informative for one in figure.points)
    if unresolved and point.informative:
        summary += (
            f" At {wording.plural(unresolved, 'level')} (crosses) there is no upper limit: these "
            f"rows do not resolve the noise, or their tails are too heavy."
        )
    details = []
    if figure.slices:
        highest = max(figure.slices, key=lambda one: one.upper or 0.0)
        directions = wording.plural(len(figure.slices), "single direction")
        details.append(
            (
                f"Over {directions}, noise {wording.number(highest.noise)}",
                f"the largest is {highest.label} with {wording.number(highest.lower)} to "
                f"{wording.number(highest.upper)} nats",
            )
        )
    for one in figure.subspaces:
        text = f"{wording.number(one.lower)} to {wording.number(one.upper)} nats"
        details.append((f"{one.label}, noise {wording.number(one.noise)}".capitalize(), text))
    label = f"Divergence from the target after noise, over noise levels. {summary}"
    drawn = drawing(effect_figures.profile, report, "p", label, size=(4.4, 2.9))
    head = ("Noise", "Estimate", f"{level} limits", "Resolved", *YARDSTICKS)
    rows = tuple(map(_profile_row, figure.points))
    legend: tuple[tuple[str, str], ...] = (("area", "estimated bracket"),)
    legend += (("band", f"{level} limits"),)
    if unresolved:
        legend += (("cross", "not resolved by a batch"),)
    return PageFigure(
        "Divergence after noise", summary, (drawn,), tuple(details), head, rows, legend
    )


def _profile_row(point: NoisePoint) -> tuple[str, ...]:
    lower, upper, low, high = (
        "no limit" if value is None else wording.number(value)
        for value in (point.lower, point.upper, point.low, point.high)
    )
    resolved = "yes" if point.informative else "no"
    costs = (
        "" if value is None else wording.number(value)
        for value in (point.dead, point.two_valued, point.collapse)
    )
    limits = f"{low} to {high}"
    return wording.number(point.noise), f"{lower} to {upper}", limits, resolved, *costs


def decomposition(report: Report) -> PageFigure | None:
    """Return the parts of the divergence, or None if fewer than two could be estimated."""
    parts = effect_figures.parts(report)
    if len(parts) < 2:
        return None
    name, most = max(parts, key=lambda part: float(part[1].value or 0.0))
    estimated = dict(parts)
    missing = [
        row.cause
        for row in DIVERGENCE_PARTS
        if row.name in report.effects and row.cause not in estimated
    ]
    summary = (
        f"The largest part is that of the {name}, {wording.number(most.value)} nats."
        if most.value
        else "No part is above zero after the bias of a finite sample is removed."
    )
    if missing:
        summary += f" Not estimable: {', '.join(missing)}."
    numbers = "; ".join(f"{part}: {wording.number(effect.value)} nats" for part, effect in parts)
    label = f"Parts of the divergence with their intervals. {summary} {numbers}"
    options = {"size": (4.4, 2.9), "margins": (0.12, 0.5)}
    drawn = drawing(effect_figures.decomposition, report, "k", label, **options)
    return PageFigure("Where the divergence comes from", summary, (drawn,))


def detectability(report: Report) -> PageFigure | None:
    """Return the power curve, or None if the report has none."""
    figure = report.figures.detectability
    if figure is None:
        return None
    summary = explain.power_sentence(figure)
    summary += " The dashed line is the mean p-value."
    label = f"Power of {figure.test} against the number of rows. {summary}"
    drawn = drawing(effect_figures.detectability, report, "n", label, size=(4.4, 2.9))
    head = ("Rows", "Power", "95% limits, each", "Mean p-value")
    columns = (figure.sizes, figure.rates, figure.low, figure.high, figure.mean_pvalues)
    rows = tuple(
        (wording.count(n), _fixed(rate), f"{_fixed(low)} to {_fixed(high)}", wording.number(mean))
        for n, rate, low, high, mean in zip(*columns, strict=True)
    )
    legend = (("line data", "power"), ("band", "95% limits"), ("dashes", "mean p-value"))
    return PageFigure("Power against the number of rows", summary, (drawn,), (), head, rows, legend)


def classes(report: Report) -> PageFigure | None:
    """Return the scatter plot of the rows by class."""
    if report.classes is None or report.classes.scatter is None:
        return None
    figure = report.classes.scatter
    caption = f"{wording.count(len(figure.x))} of {wording.count(report.n)} rows"
    caption += (
        " in the plane in which the means of the classes differ most."
        if figure.axes[1] == class_figures.PLANE
        else "."
    )
    if figure.circle:
        caption += " Under the target, 95% of all rows lie inside the circle."
    label = f"Scatter plot of the rows by class: {', '.join(figure.classes)}."
    drawn = drawing(class_figures.classes, report, "c", label, size=(4.6, 4.4))
    return PageFigure("Rows by class", caption, (drawn,))
