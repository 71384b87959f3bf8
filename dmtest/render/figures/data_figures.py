"""Panels of the data: quantiles of slices, histograms of coordinates, the spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dmtest.render import wording
from dmtest.render.figures import stored_figures
from dmtest.render.figures.palette import LIGHT, Palette, dots, frame, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dmtest.results.report import Report

__all__ = ["coordinates", "deviation", "qq", "spectrum"]


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
    picture = stored_figures.slice_at(report, which)
    x, y, low, high = (stored_figures.numbers(picture[k]) for k in stored_figures.SLICE_NUMBERS)
    span = stored_figures.limits(x)
    tall = stored_figures.limits(np.concatenate([x, y]))
    theirs, ours = _sides(report)
    ax.set(xlim=span, ylim=tall, xlabel=f"{theirs} quantile", ylabel=f"{ours} quantile")
    ax.fill_between(x, *stored_figures.closed(low, high, tall), color=palette.band, linewidth=0)
    ax.plot(span, span, color=palette.muted, linewidth=0.9, zorder=2)
    dots(ax, x, y, 2.6, palette.data)
    outside = stored_figures.outside(picture)
    dots(ax, x[outside], y[outside], 2.6, palette.bad)
    title(ax, str(picture.get("title", "Q-Q plot")), palette)
    frame(ax, palette)
    return ax


def deviation(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw observed minus expected quantiles of one slice, with its 95% band.

    The same numbers as `qq`, at a scale where the band of a large sample can
    still be seen.
    """
    picture = stored_figures.slice_at(report, which)
    x, y, low, high = (stored_figures.numbers(picture[k]) for k in stored_figures.SLICE_NUMBERS)
    ends = stored_figures.limits(np.concatenate([y - x, *stored_figures.inner(low - x, high - x)]))
    ax.set(xlim=stored_figures.limits(x), ylim=ends)
    theirs, ours = _sides(report)
    ax.set(xlabel=f"{theirs} quantile", ylabel=f"{ours} - {theirs}")
    edges = stored_figures.closed(low - x, high - x, ends)
    ax.fill_between(x, *edges, color=palette.band, linewidth=0)
    ax.axhline(0, color=palette.muted, linewidth=0.9)
    dots(ax, x, y - x, 2.6, palette.data)
    outside = stored_figures.outside(picture)
    dots(ax, x[outside], (y - x)[outside], 2.6, palette.bad)
    title(ax, f"{picture.get('title', 'Q-Q plot')}: deviation", palette)
    frame(ax, palette)
    return ax


def _sides(report: Report) -> tuple[str, str]:
    """Return what quantiles are compared with, and what they are."""
    return ("reference", "data") if wording.two_samples(report) else ("expected", "observed")


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
    picture = stored_figures.coordinate_at(report, which)
    edges, grid = stored_figures.numbers(picture["edges"]), stored_figures.reference(picture)[0]
    density, reference, _ = stored_figures.heights(picture)
    top = 1.08 * max(float(density.max(initial=0.0)), float(reference.max()))
    ax.stairs(density, edges, fill=True, color=palette.fill, zorder=1)
    ax.stairs(density, edges, color=palette.data, linewidth=0.8, zorder=2)
    ax.plot(grid, reference, color=palette.ink, linewidth=1.1, zorder=3)
    ax.set(xlim=(grid[0], grid[-1]), ylim=(0, top))
    title(ax, str(picture["name"]), palette)
    frame(ax, palette)
    ax.set_yticks([])
    return ax


def spectrum(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the eigenvalues of the covariance with the band expected from N(0, I)."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    picture = stored_figures.spectrum(report)
    values, low, high, middle = (
        stored_figures.numbers(picture[k]) for k in stored_figures.SPECTRUM_NUMBERS
    )
    rank = np.arange(1, len(values) + 1)
    logarithmic, bottom, top = stored_figures.eigenvalue_range(values, low, high)
    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(ylim=(bottom, top), xlim=(0.5, len(values) + 0.5))
    ax.set(xlabel="rank of eigenvalue", ylabel="variance")
    ax.fill_between(
        rank, *stored_figures.closed(low, high, (bottom, top)), color=palette.band, lw=0
    )
    ax.plot(rank, middle, color=palette.muted, linewidth=0.9)
    outside = (values < low) | (values > high)
    shown = values >= bottom
    dots(ax, rank[shown], values[shown], 2.6, palette.data)
    dots(ax, rank[shown & outside], values[shown & outside], 2.6, palette.bad)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    title(ax, "Covariance spectrum", palette)
    frame(ax, palette)
    return ax
