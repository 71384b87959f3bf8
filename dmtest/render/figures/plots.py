"""Drawing of figures with matplotlib: one, several, and an overview of all.

Every figure is drawn by a function ``panel(ax, report, ...)`` that returns its Axes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dmtest.errors import InputError
from dmtest.render import wording
from dmtest.render.figures import class_figures, data_figures, effect_figures
from dmtest.render.figures.palette import Palette, key, readable_palette

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
    "scatter": data_figures.scatter,
    "spectrum": data_figures.spectrum,
    "coordinates": data_figures.coordinates,
    "classes": class_figures.classes,
}


# Marks of the legend of a figure, and its corner, which the figure leaves free. The page has
# legends of its own, in text.
LEGENDS: dict[str, tuple[str, tuple[tuple[str, str, str], ...]]] = {
    "profile": (
        "upper right",
        (("band", "fill", "estimated bracket"), ("band", "band", "limits")),
    ),
    "detectability": (
        "center right",
        (("line", "data", "power"), ("band", "band", "limits"), ("dashes", "muted", "mean p")),
    ),
    "qq": (
        "upper left",
        (
            ("dot", "data", "data"),
            ("dot", "bad", "outside the band"),
            ("band", "band", "95% band"),
            ("line", "muted", "{other}"),
        ),
    ),
    "scatter": ("upper right", (("dot", "data", "rows"), ("line", "ink", "target"))),
    "spectrum": (
        "upper right",
        (("dot", "data", "data"), ("band", "band", "95% band"), ("line", "muted", "{other}")),
    ),
    "coordinates": ("upper right", (("band", "fill", "data"), ("line", "ink", "{other}"))),
}


def _legend(ax: Axes, panel: str, report: Report, palette: Palette) -> None:
    if panel not in LEGENDS:
        return
    spectrum = report.figures.spectrum
    bandless = panel == "spectrum" and spectrum is not None and set(spectrum.low) == {None}
    place, marks = LEGENDS[panel]
    other = wording.other(report)
    shown = [(k, c, t.format(other=other)) for k, c, t in marks if not bandless or k == "dot"]
    key(ax, shown, place, palette)


def names(report: Report) -> tuple[str, ...]:
    """Return the names of the figures that the report has numbers for."""
    figures = report.figures
    available = {
        "effects": bool(report.effects),
        "decomposition": len(effect_figures.parts(report)) > 1,
        "profile": figures.profile is not None,
        "detectability": figures.detectability is not None,
        "qq": bool(figures.slices),
        "deviation": bool(figures.slices),
        "scatter": figures.scatter is not None,
        "spectrum": figures.spectrum is not None,
        "coordinates": bool(figures.coordinates),
        "classes": report.classes is not None and report.classes.scatter is not None,
    }
    return tuple(name for name in PANELS if available[name])


def _overview_panels(report: Report) -> list[tuple[str, dict[str, int]]]:
    """Return the figures of the overview, as names and options."""
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
    """Draw one figure, or several beside each other.

    Parameters
    ----------
    panels : str or sequence of str
        Keys of `PANELS`.
    report : Report
        Report with the numbers.
    ax : matplotlib Axes, optional
        Where to draw a single figure; a new one by default.
    **options
        Options of the figures. Without ``palette=``, the colours are readable on the background
        of the Axes, also in a dark style of matplotlib.

    Raises
    ------
    InputError
        If there is no such figure, if the report has no numbers for it, or if several are to be
        drawn on one Axes.
    """
    listed = [panels] if isinstance(panels, str) else list(panels)
    _check(listed, report, ax)
    axes = [ax] if ax is not None else _axes(listed, report)
    for panel, place in zip(listed, axes, strict=True):
        palette = options.get("palette") or readable_palette(place)
        PANELS[panel](place, report, **{**options, "palette": palette})
        _legend(place, panel, report, palette)
    return axes[0].figure.figure  # the root, when ax is in a subfigure


def _check(listed: Sequence[str], report: Report, ax: Axes | None) -> None:
    """Raise for names that the report has no figure of; the message lists the others."""
    for panel in listed:
        if panel not in PANELS:
            raise InputError(f"panels: must be among {', '.join(PANELS)}; got {panel!r}")
    available = names(report)
    for panel in listed:
        if panel not in available:
            raise InputError(
                f"panels: this report has no numbers for {panel!r}; it has them for "
                f"{', '.join(available) or 'none'}"
            )
    if not listed or (ax is not None and len(listed) > 1):
        raise InputError(
            f"panels: got {len(listed)} names; pass one with ax=, or leave ax out"
            if listed
            else "panels: got no name; pass at least one, or None for all of them"
        )


def _axes(listed: Sequence[str], report: Report) -> list[Axes]:
    """Create a figure with an Axes for each name."""
    from dmtest.render.figures.canvas import new_figure

    across = min(len(listed), 3)
    down = math.ceil(len(listed) / across)
    wide = "effects" in listed
    size = (7.5 if wide and across == 1 else 4.8 if across == 1 else 3.6 * across, 3.4 * down)
    if wide:
        size = (max(size[0], 7.5 * across), max(size[1], 0.5 + 0.27 * len(report.effects)))
    figure = new_figure(figsize=size, layout="constrained")
    return [figure.add_subplot(down, across, place + 1) for place in range(len(listed))]


def overview(report: Report) -> Figure:
    """Draw all figures that the report has numbers for, on one page."""
    from dmtest.render.figures.canvas import new_figure

    jobs = _overview_panels(report)
    rows = math.ceil(len(jobs) / 3)
    tall = 0.45 + 0.27 * len(report.effects)
    heights = [tall, *([2.7 * rows] if jobs else [])]
    figure = new_figure(figsize=(10.5, 0.5 + sum(heights)), layout="constrained")
    words = wording.verdict(report)
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    first = parts[0].add_subplot()
    palette = readable_palette(first)
    figure.suptitle(
        f"{words.headline}: {wording.evidence(report)[0]}, alpha = {report.alpha:g}, "
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
        if options.get("which", 0) == 0:
            _legend(ax, panel, report, palette)
    return figure
