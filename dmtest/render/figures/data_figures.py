"""Figures of the data: quantiles of slices, histograms of columns, the spectrum."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

from dmtest.errors import InputError
from dmtest.render import wording
from dmtest.render.figures.palette import LIGHT, Palette, dots, frame, title
from dmtest.results.figures import CoordinateFigure, ScatterFigure, SliceFigure, array

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from dmtest.results.report import Report

Stored = TypeVar("Stored", SliceFigure, CoordinateFigure)


def qq(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw observed against expected quantiles of one slice, with its 95% band.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    report : Report
        Has the slice in ``report.figures.slices``.
    which : int
        Index of the slice there.
    palette : Palette
        Colours.
    """
    figure = _figure_at(report.figures.slices, "slices", which)
    x, y, low, high = _quantiles(figure)
    span = _limits(x)
    tall = _limits(np.concatenate([x, y]))
    theirs, ours = _sides(report)
    ax.set(xlim=span, ylim=tall, xlabel=f"{theirs} quantile", ylabel=f"{ours} quantile")
    ax.fill_between(x, *_closed(low, high, tall), color=palette.band, linewidth=0)
    ax.plot(span, span, color=palette.muted, linewidth=0.9, zorder=2)
    dots(ax, x, y, 2.6, palette.data)
    outside = figure.outside
    dots(ax, x[outside], y[outside], 2.6, palette.bad)
    title(ax, figure.title, palette)
    frame(ax, palette)
    return ax


def deviation(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw observed minus expected quantiles of one slice, with its 95% band.

    The numbers are those of `qq`, on a scale that makes the band of a large sample visible.
    """
    figure = _figure_at(report.figures.slices, "slices", which)
    x, y, low, high = _quantiles(figure)
    ends = _limits(np.concatenate([y - x, *_inner(low - x, high - x)]))
    ax.set(xlim=_limits(x), ylim=ends)
    theirs, ours = _sides(report)
    ax.set(xlabel=f"{theirs} quantile", ylabel=f"{ours} - {theirs}")
    edges = _closed(low - x, high - x, ends)
    ax.fill_between(x, *edges, color=palette.band, linewidth=0)
    ax.axhline(0, color=palette.muted, linewidth=0.9)
    dots(ax, x, y - x, 2.6, palette.data)
    outside = figure.outside
    dots(ax, x[outside], (y - x)[outside], 2.6, palette.bad)
    title(ax, f"{figure.title}: deviation", palette)
    frame(ax, palette)
    return ax


def _figure_at(figures: Sequence[Stored], kind: str, which: int) -> Stored:
    if not 0 <= which < len(figures):
        raise InputError(
            f"which: this report has figures of {len(figures)} {kind}, counted from 0; got {which}"
        )
    return figures[which]


def _quantiles(figure: SliceFigure) -> tuple[NDArray[np.float64], ...]:
    """Return expected and observed quantiles, and the limits of their band."""
    return tuple(map(array, (figure.theoretical, figure.observed, figure.low, figure.high)))


def _limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return axis limits with a margin around the finite values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def _inner(low: NDArray[np.float64], high: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the band where it is narrow enough to set the scale of an axis.

    At the extremes a simultaneous band is so wide that all else would look flat.
    """
    width = high - low
    finite = width[np.isfinite(width)]
    if not len(finite):
        return [low[:0]]
    keep = width <= 4 * np.median(finite)
    return [low[keep], high[keep]]


def _closed(
    low: NDArray[np.float64], high: NDArray[np.float64], ends: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a band whose open ends reach the limits of the axis."""
    return np.where(np.isnan(low), ends[0], low), np.where(np.isnan(high), ends[1], high)


def _sides(report: Report) -> tuple[str, str]:
    """Return the names of the expected and of the observed quantiles."""
    if wording.against_rows(report):
        return wording.other(report), "data"
    return "expected", "observed"


def coordinates(ax: Axes, report: Report, which: int = 0, *, palette: Palette = LIGHT) -> Axes:
    """Draw the histogram of one column against the density of the target.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    report : Report
        Has the column in ``report.figures.coordinates``.
    which : int
        Index of the column there; the worst is first.
    palette : Palette
        Colours.
    """
    figure = _figure_at(report.figures.coordinates, "coordinates", which)
    edges, grid = array(figure.edges), _target_density(figure)[0]
    density, reference, _ = heights(figure)
    top = 1.08 * max(float(density.max(initial=0.0)), float(reference.max()))
    ax.stairs(density, edges, fill=True, color=palette.fill, zorder=1)
    ax.stairs(density, edges, color=palette.data, linewidth=0.8, zorder=2)
    ax.plot(grid, reference, color=palette.ink, linewidth=1.1, zorder=3)
    ax.set(xlim=(grid[0], grid[-1]), ylim=(0, top))
    title(ax, figure.name, palette)
    frame(ax, palette)
    ax.set_yticks([])
    return ax


def _target_density(
    figure: CoordinateFigure,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a grid wide enough for the data, and the density of the target on it."""
    edges = array(figure.edges)
    if figure.reference_density is not None:
        steps = np.repeat(array(figure.reference_density), 2)
        return np.repeat(edges, 2), np.concatenate([[0.0], steps, [0.0]])
    if figure.reference == "uniform":
        low, high = min(-0.05, float(edges[0])), max(1.05, float(edges[-1]))
        grid = np.array([low, 0, 0, 1, 1, high])
        return grid, np.array([0.0, 0, 1, 1, 0, 0])
    grid = np.linspace(min(-3.5, float(edges[0])), max(3.5, float(edges[-1])), 121)
    return grid, np.exp(-np.square(grid) / 2) / np.sqrt(2 * np.pi)


def heights(
    figure: CoordinateFigure,
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return heights of a histogram and of the target, and whether their scales differ.

    If one peak is far above the other (in a collapsed column), one of them would look flat on a
    common scale.
    """
    density, target = np.nan_to_num(array(figure.density)), _target_density(figure)[1]
    peak, top = float(density.max(initial=0.0)), float(target.max())
    if peak > 4 * top or 0 < 4 * peak < top:
        return density * (top / peak), target, True
    return density, target, False


# Quantiles of |z|^2 along two axes: ellipses with 50% and 95% of a normal's rows.
ELLIPSES = (-2.0 * np.log(0.5), -2.0 * np.log(0.05))


def scatter(
    ax: Axes, report: Report, pair: tuple[int, int] = (0, 1), *, palette: Palette = LIGHT
) -> Axes:
    """Draw two columns against each other, with the target: ellipses, the unit cube or circle.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.
    report : Report
        Has 2 to 6 columns in ``report.figures.scatter``.
    pair : (int, int)
        Columns of the horizontal and of the vertical axis.
    palette : Palette
        Colours.
    """
    figure = report.figures.scatter
    if figure is None:
        raise InputError("panel: this report has no scatter; choose another panel")
    i, j = pair
    count = len(figure.names)
    if not (0 <= i < count and 0 <= j < count and i != j):
        raise InputError(f"pair: needs two of the columns 0 to {count - 1}; got {pair}")
    x, y = array(figure.points[i]), array(figure.points[j])
    outlines = list(_outlines(figure, i, j))
    wide = _limits(np.concatenate([x, *(line[0] for line in outlines)]))
    tall = _limits(np.concatenate([y, *(line[1] for line in outlines)]))
    spread = [array(row) for row in figure.covariance]
    if figure.law != "normal" or np.array_equal(spread, np.eye(count)):
        # Both axes have one scale, so that a circle is one.
        half = 0.5 * max(wide[1] - wide[0], tall[1] - tall[0])
        centres = [0.5 * sum(ends) for ends in (wide, tall)]
        wide, tall = ((at - half, at + half) for at in centres)
        ax.set_aspect("equal", adjustable="box", anchor="W")
    ax.set(xlim=wide, ylim=tall)
    from dmtest.render.figures.canvas import drawable

    ax.set_xlabel(drawable(figure.names[i]), parse_math=False)
    ax.set_ylabel(drawable(figure.names[j]), parse_math=False)
    dots(ax, x, y, 2.4, palette.data)
    for line in outlines:
        ax.plot(*line, color=palette.ink, linewidth=1.0, zorder=4)
    title(ax, "Rows", palette)
    frame(ax, palette)
    return ax


def _outlines(figure: ScatterFigure, i: int, j: int) -> Iterator[NDArray[np.float64]]:
    """Yield lines of the target in two columns, shape (2, k) each."""
    angle = np.linspace(0.0, 2.0 * np.pi, 73)
    circle = np.stack([np.cos(angle), np.sin(angle)])
    if figure.law == "cube":
        yield np.array([[0.0, 1, 1, 0, 0], [0.0, 0, 1, 1, 0]])
    elif figure.law == "sphere":
        yield circle
    else:
        mean, covariance = array(figure.mean), np.array([array(row) for row in figure.covariance])
        part = covariance[np.ix_([i, j], [i, j])]
        values, axes = np.linalg.eigh(part)
        root = axes * np.sqrt(np.maximum(values, 0.0))
        for quantile in ELLIPSES:
            yield mean[[i, j], None] + np.sqrt(quantile) * root @ circle


def spectrum(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the eigenvalues of the covariance with the band expected from N(0, I)."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

    figure = report.figures.spectrum
    if figure is None:
        raise InputError("panel: this report has no covariance spectrum; choose another panel")
    values, low, high, middle = map(
        array, (figure.observed, figure.low, figure.high, figure.reference)
    )
    rank = np.arange(1, len(values) + 1)
    logarithmic, bottom, top = _eigenvalue_range(values, low, high)
    if logarithmic:
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        ax.yaxis.set_minor_formatter(NullFormatter())
    ax.set(ylim=(bottom, top), xlim=(0.5, len(values) + 0.5))
    ax.set(xlabel="rank of eigenvalue", ylabel="variance")
    if not np.isnan(low).all():  # any-normal allows every spectrum
        ax.fill_between(rank, *_closed(low, high, (bottom, top)), color=palette.band, lw=0)
    if not np.isnan(middle).all():
        ax.plot(rank, middle, color=palette.muted, linewidth=0.9)
    else:
        ax.plot(rank, np.maximum(values, bottom), color=palette.fill, linewidth=0.9, zorder=2)
    outside = (values < low) | (values > high)
    visible = values >= bottom
    dots(ax, rank[visible], values[visible], 2.6, palette.data)
    dots(ax, rank[visible & outside], values[visible & outside], 2.6, palette.bad)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7))
    title(ax, "Covariance spectrum", palette)
    frame(ax, palette)
    return ax


def _eigenvalue_range(
    values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[bool, float, float]:
    """Return whether eigenvalues need a logarithmic axis, and its limits.

    Eigenvalues that are 0 up to rounding are below the limits.
    """
    every = np.concatenate([values, low, high])
    every = every[np.isfinite(every)]
    top = float(every.max(initial=1e-300))
    positive = every[every > 1e-10 * top]
    bottom = float(positive.min(initial=top))
    if top < 12 * bottom:
        return False, min(0.0, float(every.min(initial=0.0))), 1.06 * top
    margin = (top / bottom) ** 0.05
    return True, bottom / margin, top * margin
