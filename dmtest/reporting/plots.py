"""Plots of a report: panels that draw on one Axes, and a page of all of them.

Every panel is ``panel(ax, report, ...)`` and returns its Axes. Nothing here
touches pyplot, so there is no global state and no figure to close.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.errors import InputError
from dmtest.reporting import pictures, tables, words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dmtest.reporting.model import Report

__all__ = [
    "LIGHT",
    "PANELS",
    "Palette",
    "coordinates",
    "detectability",
    "deviation",
    "draw",
    "effects",
    "overview",
    "profile",
    "qq",
    "spectrum",
]


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a panel, by what they stand for."""

    ink: str = "#1c2430"
    muted: str = "#5a6472"
    grid: str = "#dfe4ea"
    data: str = "#0b5fb0"
    fill: str = "#b9d3ee"
    band: str = "#e3e7ec"
    bad: str = "#b3261e"


LIGHT = Palette()


def _frame(ax: Axes, palette: Palette) -> None:
    """Leave only what carries numbers: a pale grid, no box, no tick marks."""
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=True, color=palette.grid, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(which="both", length=0, colors=palette.muted, labelsize=8)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(color=palette.muted, fontsize=8.5)


def _title(ax: Axes, text: str, palette: Palette) -> None:
    from dmtest.reporting.figure import drawable

    ax.set_title(drawable(text), loc="left", fontsize=9.5, color=palette.ink, parse_math=False)


def _dots(ax: Axes, x: NDArray[Any], y: NDArray[Any], size: float, colour: str) -> None:
    """Draw points as one path of near-zero dashes with round caps.

    An SVG marker costs about 90 bytes, a dash in one path about 20.
    """
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    keep = np.isfinite(x) & np.isfinite(y)
    x, y = x[keep], y[keep]
    if not len(x):
        return
    low, high = ax.get_xlim()
    ends = np.stack([np.stack([x, y], 1), np.stack([x + 1e-5 * (high - low), y], 1)], 1)
    path = Path(ends.reshape(-1, 2), [Path.MOVETO, Path.LINETO] * len(x))
    ax.add_patch(
        PathPatch(
            path,
            fill=False,
            edgecolor=colour,
            linewidth=size,
            capstyle="round",
            zorder=3,
            snap=False,  # snapping to pixels would leave dashes of no length
        )
    )


def qq(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw observed against expected quantiles of one slice, with its 95% band.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    report : Report
        Holds the slice in ``report.pictures["slices"]``.
    which : int
        Which of them.
    palette : Palette
        Colours.
    """
    picture = pictures.slice_at(report, which)
    x, y, low, high = (pictures.numbers(picture[k]) for k in pictures.SLICE_NUMBERS)
    span = pictures.limits(x)
    tall = pictures.limits(np.concatenate([x, y]))
    ax.set(xlim=span, ylim=tall, xlabel="expected quantile", ylabel="observed quantile")
    ax.fill_between(x, *pictures.closed(low, high, tall), color=palette.band, linewidth=0)
    ax.plot(span, span, color=palette.muted, linewidth=0.9, zorder=2)
    _dots(ax, x, y, 2.6, palette.data)
    outside = pictures.outside(picture)
    _dots(ax, x[outside], y[outside], 2.6, palette.bad)
    _title(ax, str(picture.get("title", "Q-Q plot")), palette)
    _frame(ax, palette)
    return ax


def deviation(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw observed minus expected quantiles of one slice, with its 95% band.

    The same numbers as `qq`, at a scale where the band of a large sample can
    still be seen.
    """
    picture = pictures.slice_at(report, which)
    x, y, low, high = (pictures.numbers(picture[k]) for k in pictures.SLICE_NUMBERS)
    ends = pictures.limits(np.concatenate([y - x, *pictures.inner(low - x, high - x)]))
    ax.set(xlim=pictures.limits(x), ylim=ends)
    ax.set(xlabel="expected quantile", ylabel="observed - expected")
    edges = pictures.closed(low - x, high - x, ends)
    ax.fill_between(x, *edges, color=palette.band, linewidth=0)
    ax.axhline(0, color=palette.muted, linewidth=0.9)
    _dots(ax, x, y - x, 2.6, palette.data)
    outside = pictures.outside(picture)
    _dots(ax, x[outside], (y - x)[outside], 2.6, palette.bad)
    _title(ax, f"{picture.get('title', 'Q-Q plot')}: deviation", palette)
    _frame(ax, palette)
    return ax


def coordinates(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw the histogram of one coordinate against the target's density.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    report : Report
        Holds the coordinate in ``report.pictures["coordinates"]``.
    which : int
        Which of them, the worst first.
    palette : Palette
        Colours.
    """
    picture = pictures.coordinate_at(report, which)
    edges, grid = pictures.numbers(picture["edges"]), pictures.reference(picture)[0]
    density, reference, _ = pictures.heights(picture)
    top = 1.08 * max(float(density.max(initial=0.0)), float(reference.max()))
    ax.stairs(density, edges, fill=True, color=palette.fill, zorder=1)
    ax.stairs(density, edges, color=palette.data, linewidth=0.8, zorder=2)
    ax.plot(grid, reference, color=palette.ink, linewidth=1.1, zorder=3)
    ax.set(xlim=(grid[0], grid[-1]), ylim=(0, top))
    _title(ax, str(picture["name"]), palette)
    _frame(ax, palette)
    ax.set_yticks([])
    return ax


def spectrum(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the eigenvalues of the covariance with the band expected from N(0, I)."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    picture = pictures.spectrum(report)
    values, low, high, middle = (pictures.numbers(picture[k]) for k in pictures.SPECTRUM_NUMBERS)
    rank = np.arange(1, len(values) + 1)
    logarithmic, bottom, top = pictures.eigenvalue_range(values, low, high)
    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(ylim=(bottom, top), xlim=(0.5, len(values) + 0.5))
    ax.set(xlabel="rank of eigenvalue", ylabel="variance")
    ax.fill_between(rank, *pictures.closed(low, high, (bottom, top)), color=palette.band, lw=0)
    ax.plot(rank, middle, color=palette.muted, linewidth=0.9)
    outside = (values < low) | (values > high)
    shown = values >= bottom
    _dots(ax, rank[shown], values[shown], 2.6, palette.data)
    _dots(ax, rank[shown & outside], values[shown & outside], 2.6, palette.bad)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    _title(ax, "Covariance spectrum", palette)
    _frame(ax, palette)
    return ax


def effects(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the effect sizes with their intervals, one scale for each unit."""
    from dmtest.reporting.figure import drawable

    rows = tables.effect_rows(report)
    style: dict[str, Any] = {"fontsize": 8.5, "va": "center", "parse_math": False}
    for place, row in enumerate(rows):
        ax.plot([0, 100], [place, place], color=palette.grid, linewidth=0.8, zorder=1)
        if row.mark is not None:
            width = row.mark - row.zero
            ax.barh(place, width, left=row.zero, height=0.55, color=palette.fill, zorder=2)
            ax.plot(row.mark, place, "o", color=palette.data, markersize=4, zorder=3)
        if row.start is not None and row.end is not None:
            ax.plot([row.start, row.end], [place, place], color=palette.data, linewidth=1.6)
        ax.text(-5, place, drawable(row.label), ha="right", color=palette.ink, **style)
        bounds = f" [{row.interval}]" if row.interval else ""
        text = drawable(f"{row.value} {row.unit}{bounds}")
        ax.text(105, place, text, ha="left", color=palette.muted, **style)
    # Labels and numbers stand left and right of the bars, inside the axes.
    ax.set(xlim=(-160, 300), ylim=(max(len(rows), 1) - 0.4, -0.6))
    ax.axis("off")
    _title(ax, "Effect sizes (one scale for each unit)", palette)
    return ax


def profile(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the bracket of the divergence after noise, over noise levels, on logarithmic axes.

    Parameters
    ----------
    ax, report, palette
        As for `qq`; the numbers are in ``report.pictures["profile"]``.
    """
    found = pictures.profile(report)
    points = sorted(found["points"], key=lambda point: float(point["noise"]))
    x = np.array([point["noise"] for point in points])
    low, lower, upper, high = (
        pictures.numbers([point[name] for point in points])
        for name in ("low", "lower", "upper", "high")
    )
    ends = np.concatenate([low, lower, upper, high])
    positive = ends[np.isfinite(ends) & (ends > 0.0)]
    floor = max(float(positive.min(initial=1.0)) / 2.0, 1e-5)
    top = max(float(positive.max(initial=1.0)) * 2.0, 10.0 * floor)
    ax.set(xscale="log", yscale="log", xlim=(0.9 * x[0], 1.1 * x[-1]), ylim=(floor, top))
    ax.set(xlabel=f"noise ({'sd' if found['noise'] == 'gaussian' else 'half width'})")
    ax.set(ylabel="KL after noise (nats)")
    ax.fill_between(
        x, np.fmax(low, floor), np.nan_to_num(high, nan=top), color=palette.band, linewidth=0
    )
    ax.fill_between(x, np.fmax(lower, floor), upper, color=palette.fill, linewidth=0)
    ax.plot(x, upper, color=palette.data, linewidth=1.2)
    shown = np.where(lower > floor, lower, np.nan)
    ax.plot(x, shown, color=palette.data, linewidth=1.2)
    blind = np.array([not point["informative"] for point in points])
    ax.plot(x[blind], upper[blind], "x", color=palette.bad, markersize=5)
    tolerance = report.computed.get("tolerance")
    if tolerance:
        ax.plot(x[[0, -1]], [tolerance, tolerance], "--", color=palette.bad, linewidth=1.0)
    ax.set_xticks(x, [f"{value:.2g}" for value in x])
    ax.minorticks_off()
    _title(ax, "Divergence after noise", palette)
    _frame(ax, palette)
    return ax


def detectability(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the power of a test against the rows of subsamples, and the mean p-value.

    Parameters
    ----------
    ax, report, palette
        As for `qq`; the numbers are in ``report.pictures["detectability"]``.
    """
    found = pictures.detectability(report)
    x = np.array(found["sizes"], dtype=np.float64)
    rates, low, high, mean = (
        pictures.numbers(found[name]) for name in ("rates", "low", "high", "mean_pvalues")
    )
    span = (0.9 * x[0], 1.1 * x[-1])
    ax.set(xscale="log", xlim=span, ylim=(-0.03, 1.03), xlabel="rows")
    ax.set(ylabel="share rejected, mean p")
    ax.fill_between(x, low, high, color=palette.band, linewidth=0)
    ax.plot(x, rates, "o-", color=palette.data, linewidth=1.2, markersize=3)
    ax.plot(x, mean, "--", color=palette.muted, linewidth=1.0)
    ax.plot(span, [0.5, 0.5], ":", color=palette.muted, linewidth=0.8)
    ax.set_xticks(x, [f"{value:,.0f}" for value in x], rotation=30 if len(x) > 6 else 0)
    ax.minorticks_off()
    _title(ax, f"Power of {found['test']}", palette)
    _frame(ax, palette)
    return ax


PANELS: dict[str, Callable[..., Axes]] = {
    "effects": effects,
    "qq": qq,
    "deviation": deviation,
    "coordinates": coordinates,
    "spectrum": spectrum,
    "profile": profile,
    "detectability": detectability,
}


def draw(panel: str, report: Report, ax: Axes | None = None, **options: Any) -> Figure:
    """Draw one panel on `ax`, or on a figure of its own.

    Parameters
    ----------
    panel : str
        A key of `PANELS`.
    report : Report
        What to draw.
    ax : matplotlib Axes, optional
        Where to draw.
    **options
        Passed to the panel.

    Raises
    ------
    InputError
        When there is no such panel, or the report has no numbers for it.
    """
    from dmtest.reporting.figure import ReportFigure

    if panel not in PANELS:
        raise InputError(f"panel: must be one of {', '.join(PANELS)}; got {panel!r}")
    if ax is None:
        size = (7.5, 0.5 + 0.27 * len(report.effects)) if panel == "effects" else (4.8, 3.6)
        ax = ReportFigure(figsize=size, layout="constrained").add_subplot()
    PANELS[panel](ax, report, **options)
    return ax.figure.figure  # the root, when ax is in a subfigure


def overview(report: Report, *, palette: Palette = LIGHT) -> Figure:
    """Draw a page of all panels that the report has numbers for."""
    from dmtest.reporting.figure import ReportFigure

    jobs = pictures.available(report)
    rows = math.ceil(len(jobs) / 3)
    tall = 0.45 + 0.27 * len(report.effects)
    heights = [tall, *([2.7 * rows] if jobs else [])]
    figure = ReportFigure(figsize=(10.5, 0.5 + sum(heights)), layout="constrained")
    said = words.verdict(report)
    figure.suptitle(
        f"{said.headline}: {words.evidence(report)[0]}, alpha = {report.alpha:g}, "
        f"n = {report.n:,}, d = {report.d:,}",
        x=0.01,
        ha="left",
        fontsize=12,
        fontweight="bold",
        color=palette.ink,
    )
    parts = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[:, 0]
    effects(parts[0].add_subplot(), report, palette=palette)
    for place, (panel, options) in enumerate(jobs):
        ax = parts[1].add_subplot(rows, 3, place + 1)
        PANELS[panel](ax, report, palette=palette, **options)
    return figure
