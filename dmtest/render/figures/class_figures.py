"""The figure of classes: a scatter plot of rows, with the names of the classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmtest.errors import InputError
from dmtest.render import wording
from dmtest.render.figures.palette import LIGHT, Palette, dots, frame, readable_palette, title
from dmtest.results.figures import array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmtest.results.classes import ClassReports
    from dmtest.results.report import Report

# Colours of classes, readable on light and on dark: after the last one they begin again.
COLOURS = (
    *("#2b7bba", "#d1603d", "#2f9e77", "#b0609f", "#a68a1c"),
    *("#5b7fd6", "#8c6d5a", "#6f8f2f", "#c05070", "#4f9aa8"),
)
# Name of the second direction of the plane in which the means of the classes differ most.
PLANE = "direction 2"
# Most classes whose names are drawn.
NAMED = 20


def classes(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the rows by class: in two columns, or in the plane in which the means differ most.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    report : Report
        Has the figure in ``report.classes.scatter``.
    palette : Palette
        Colours.
    """
    assert report.classes is not None  # as `plots.names` says
    return scatter(ax, report.classes, palette)


def drawn(reports: ClassReports, ax: Axes | None) -> Figure:
    """Draw the scatter plot of classes on an Axes, or in a figure of its own."""
    from dmtest.render.figures.canvas import ReportFigure

    if ax is None:
        ax = ReportFigure(figsize=(5.2, 4.2), layout="constrained").add_subplot()
    return scatter(ax, reports, readable_palette(ax)).figure.figure


def scatter(ax: Axes, reports: ClassReports, palette: Palette) -> Axes:
    """Draw the rows by class.

    Raises
    ------
    InputError
        If there is no figure.
    """
    from dmtest.render.figures.canvas import drawable

    figure = reports.scatter
    if figure is None:
        raise InputError("plot: rows have no normal scale under this target, so there is no figure")
    x, y, codes = array(figure.x), array(figure.y), np.array(figure.codes)
    flat = not figure.axes[1]
    plane = figure.circle is not None or figure.axes[1] == PLANE
    reach = figure.circle or 0.0
    spans = [
        (min(float(values.min()), -reach), max(float(values.max()), reach))
        if figure.circle
        else (float(values.min()), float(values.max()))
        for values in (x, y)
    ]
    if plane:  # one unit for both directions, so that a circle is round
        width = 0.5 * max(high - low for low, high in spans)
        spans = [(0.5 * (low + high) - width, 0.5 * (low + high) + width) for low, high in spans]
        ax.set_aspect("equal", adjustable="box")
    margins = [0.06 * (high - low) or 1.0 for low, high in spans]
    limits = [
        (low - margin, high + margin) for (low, high), margin in zip(spans, margins, strict=True)
    ]
    ax.set(xlim=limits[0], ylim=limits[1])
    names = [drawable(wording.clean(axis)) for axis in figure.axes]
    ax.set_xlabel(names[0], parse_math=False)
    ax.set_ylabel(names[1], parse_math=False)
    if flat:
        ax.set_yticks([])
    if figure.circle:
        turn = np.linspace(0.0, 2.0 * np.pi, 200)
        circle = figure.circle * np.cos(turn), figure.circle * np.sin(turn)
        ax.plot(*circle, color=palette.muted, linewidth=0.9, zorder=2)
    for code in range(len(figure.classes)):
        own = codes == code
        dots(ax, x[own], y[own], 2.4, COLOURS[code % len(COLOURS)])
    if len(figure.classes) <= NAMED:
        for code, name in enumerate(figure.classes):
            own = codes == code
            if own.any():
                ax.text(
                    float(np.median(x[own])),
                    float(np.median(y[own])),
                    drawable(wording.clean(name)),
                    color=palette.ink,
                    fontsize=9,
                    fontweight="bold",
                    ha="center",
                    va="center",
                    zorder=4,
                    parse_math=False,
                )
    title(ax, "Rows by class", palette)
    frame(ax, palette)
    return ax
