"""Plots of a report: single panels, several of them, and a page of all.

Every panel is ``panel(ax, report, ...)`` and returns its Axes. Nothing here
touches pyplot, so there is no global state and no figure to close.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dmtest.errors import InputError
from dmtest.render import wording
from dmtest.render.figures import data_figures, effect_figures
from dmtest.render.figures.palette import fitting

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmtest.results.report import Report

PANELS: dict[str, Callable[..., Axes]] = {
    "effects": effect_figures.effects,
    "decomposition": effect_figures.decomposition,
    "profile": effect_figures.profile,
    "detectability": effect_figures.detectability,
    "qq": data_figures.qq,
    "deviation": data_figures.deviation,
    "spectrum": data_figures.spectrum,
    "coordinates": data_figures.coordinates,
}


def names(report: Report) -> tuple[str, ...]:
    """Return the panels that the report has numbers for."""
    figures = report.figures
    drawn = {
        "effects": bool(report.effects),
        "decomposition": len(effect_figures.parts(report)) > 1,
        "profile": figures.profile is not None,
        "detectability": figures.detectability is not None,
        "qq": bool(figures.slices),
        "deviation": bool(figures.slices),
        "spectrum": figures.spectrum is not None,
        "coordinates": bool(figures.coordinates),
    }
    return tuple(name for name in PANELS if drawn[name])


def _overview_panels(report: Report) -> list[tuple[str, dict[str, int]]]:
    """Return the panels of the overview, as names and options."""
    many = {
        "qq": min(len(report.figures.slices), 2),
        "coordinates": min(len(report.figures.coordinates), 6),
    }
    jobs: list[tuple[str, dict[str, int]]] = []
    for panel in names(report):
        if panel in many:
            jobs += [(panel, {"which": which}) for which in range(many[panel])]
        elif panel not in ("effects", "deviation"):
            jobs.append((panel, {}))
    return jobs


def draw(
    panels: str | Sequence[str], report: Report, ax: Axes | None = None, **options: Any
) -> Figure:
    """Draw one panel, or several beside each other.

    Parameters
    ----------
    panels : str or sequence of str
        Keys of `PANELS`.
    report : Report
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw a single panel; by default, on a figure of its own.
    **options
        Passed to the panels. Without ``palette=``, colours are those that can be read on the
        ground of the Axes: a dark style of matplotlib is honoured.

    Raises
    ------
    InputError
        When there is no such panel, the report has no numbers for it, or several panels are
        to go on one Axes.
    """
    wanted = [panels] if isinstance(panels, str) else list(panels)
    _check(wanted, report, ax)
    axes = [ax] if ax is not None else _axes(wanted, report)
    for panel, place in zip(wanted, axes, strict=True):
        PANELS[panel](place, report, **{"palette": fitting(place), **options})
    return axes[0].figure.figure  # the root, when ax is in a subfigure


def _check(wanted: Sequence[str], report: Report, ax: Axes | None) -> None:
    """Refuse panels that there are not, with the names of those that there are."""
    for panel in wanted:
        if panel not in PANELS:
            raise InputError(f"panels: must be among {', '.join(PANELS)}; got {panel!r}")
    there = names(report)
    for panel in wanted:
        if panel not in there:
            raise InputError(
                f"panels: this report has no numbers for {panel!r}; it has them for "
                f"{', '.join(there) or 'none'}"
            )
    if not wanted or (ax is not None and len(wanted) > 1):
        raise InputError(
            f"panels: got {len(wanted)} names; give one for an Axes, or leave ax out for several"
            if wanted
            else "panels: got no name; give at least one, or None for all of them"
        )


def _axes(wanted: Sequence[str], report: Report) -> list[Axes]:
    """Make a figure with a place for each panel."""
    from dmtest.render.figures.canvas import ReportFigure

    across = min(len(wanted), 3)
    down = math.ceil(len(wanted) / across)
    wide = "effects" in wanted
    size = (7.5 if wide and across == 1 else 4.8 if across == 1 else 3.6 * across, 3.4 * down)
    if wide:
        size = (max(size[0], 7.5 * across), max(size[1], 0.5 + 0.27 * len(report.effects)))
    figure = ReportFigure(figsize=size, layout="constrained")
    return [figure.add_subplot(down, across, place + 1) for place in range(len(wanted))]


def overview(report: Report) -> Figure:
    """Draw a page of all panels that the report has numbers for."""
    from dmtest.render.figures.canvas import ReportFigure

    jobs = _overview_panels(report)
    rows = math.ceil(len(jobs) / 3)
    tall = 0.45 + 0.27 * len(report.effects)
    heights = [tall, *([2.7 * rows] if jobs else [])]
    figure = ReportFigure(figsize=(10.5, 0.5 + sum(heights)), layout="constrained")
    said = wording.verdict(report)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    first = parts[0].add_subplot()
    palette = fitting(first)
    figure.suptitle(
        f"{said.headline}: {wording.evidence(report)[0]}, alpha = {report.alpha:g}, "
        f"n = {report.n:,}, d = {report.d:,}",
        x=0.01,
        ha="left",
        fontsize=12,
        fontweight="bold",
        color=palette.ink,
    )
    effect_figures.effects(first, report, palette=palette)
    for place, (panel, options) in enumerate(jobs):
        ax = parts[1].add_subplot(rows, 3, place + 1)
        PANELS[panel](ax, report, palette=palette, **options)
    return figure
