"""Figures of the size of a departure: effects, parts of the divergence, noise, power."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.errors import InputError
from dmtest.render import table_rows
from dmtest.render.figures.palette import LIGHT, Palette, frame, title
from dmtest.results.effect_table import DIVERGENCE_PARTS
from dmtest.results.figures import array

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dmtest.results.outcome import Effect
    from dmtest.results.report import Report


def effects(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the effects with their intervals, on one scale for each unit."""
    from dmtest.render.figures.canvas import drawable

    rows = table_rows.effect_rows(report)
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
    # Labels are left of the bars and numbers right of them, inside the axes.
    ax.set(xlim=(-160, 300), ylim=(max(len(rows), 1) - 0.4, -0.6))
    ax.axis("off")
    title(ax, "Effects (one scale for each unit)", palette)
    return ax


def profile(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the bracket of the divergence after noise against the noise level, on log axes.

    Parameters
    ----------
    ax, report, palette
        As for `qq`; the numbers are in ``report.figures.profile``.
    """
    figure = report.figures.profile
    if figure is None:
        raise InputError("panel: this report has no profile of divergence; choose another panel")
    points = sorted(figure.points, key=lambda point: point.noise)
    x = np.array([point.noise for point in points])
    low, lower = array([point.low for point in points]), array([point.lower for point in points])
    upper, high = array([point.upper for point in points]), array([point.high for point in points])
    ends = np.concatenate([low, lower, upper, high])
    positive = ends[np.isfinite(ends) & (ends > 0.0)]
    floor = max(float(positive.min(initial=1.0)) / 2.0, 1e-5)
    top = max(float(positive.max(initial=1.0)) * 2.0, 10.0 * floor)
    ax.set(xscale="log", yscale="log", xlim=(0.9 * x[0], 1.1 * x[-1]), ylim=(floor, top))
    ax.set(xlabel=f"noise ({'sd' if figure.noise == 'gaussian' else 'half width'})")
    ax.set(ylabel="KL after noise (nats)")
    ax.fill_between(
        x, np.fmax(low, floor), np.nan_to_num(high, nan=top), color=palette.band, linewidth=0
    )
    ax.fill_between(x, np.fmax(lower, floor), upper, color=palette.fill, linewidth=0)
    ax.plot(x, upper, color=palette.data, linewidth=1.2)
    visible = np.where(lower > floor, lower, np.nan)
    ax.plot(x, visible, color=palette.data, linewidth=1.2)
    unresolved = np.array([not point.informative for point in points])
    at_top = np.full(int(unresolved.sum()), top / 1.3)
    ax.plot(x[unresolved], at_top, "x", color=palette.bad, markersize=5)
    ax.plot(x, array([point.dead for point in points]), ":", color=palette.muted, linewidth=1.0)
    tolerance = report.provenance.tolerance
    if tolerance:
        ax.plot(x[[0, -1]], [tolerance, tolerance], "--", color=palette.bad, linewidth=1.0)
    ax.set_xticks(x, [f"{value:.2g}" for value in x])
    ax.minorticks_off()
    title(ax, "Divergence after noise", palette)
    frame(ax, palette)
    return ax


def detectability(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the power of the battery and its mean p-value against the rows of disjoint blocks.

    Parameters
    ----------
    ax, report, palette
        As for `qq`; the numbers are in ``report.figures.detectability``.
    """
    figure = report.figures.detectability
    if figure is None:
        raise InputError(
            "panel: this report has no power curve, which takes 160 rows; choose another panel"
        )
    x = np.array(figure.sizes, dtype=np.float64)
    rates, low, high, mean = map(
        array, (figure.rates, figure.low, figure.high, figure.mean_pvalues)
    )
    span = (0.9 * x[0], 1.1 * x[-1])
    ax.set(xscale="log", xlim=span, ylim=(-0.03, 1.03), xlabel="rows")
    ax.set(ylabel="power, mean p-value")
    ax.fill_between(x, low, high, color=palette.band, linewidth=0)
    ax.plot(x, rates, "o-", color=palette.data, linewidth=1.2, markersize=3)
    ax.plot(x, mean, "--", color=palette.muted, linewidth=1.0)
    ax.plot(span, [0.5, 0.5], ":", color=palette.muted, linewidth=0.8)
    ax.set_xticks(x, [f"{value:,.0f}" for value in x], rotation=30 if len(x) > 6 else 0)
    ax.minorticks_off()
    title(ax, f"Power of {figure.test}", palette)
    frame(ax, palette)
    return ax


def parts(report: Report) -> list[tuple[str, Effect]]:
    """Return the parts of the divergence that could be estimated, with their names."""
    candidates = [(row.cause, report.effects.get(row.name)) for row in DIVERGENCE_PARTS]
    return [
        (name, effect)
        for name, effect in candidates
        if effect is not None and effect.value is not None and np.isfinite(effect.value)
    ]


def decomposition(ax: Axes, report: Report, *, palette: Palette = LIGHT) -> Axes:
    """Draw the parts of the divergence with their intervals, in nats.

    Parameters
    ----------
    ax, report, palette
        As for `qq`; the numbers are among ``report.effects``.
    """
    from dmtest.render.figures.canvas import drawable

    estimated = parts(report)
    for place, (name, effect) in enumerate(estimated):
        value = float(effect.value or 0.0)
        ax.barh(place, value, height=0.5, color=palette.fill, zorder=2)
        ax.plot(value, place, "o", color=palette.data, markersize=4, zorder=4)
        if effect.low is not None and effect.high is not None:
            ends = [effect.low, effect.high]
            ax.plot(ends, [place, place], color=palette.data, linewidth=1.6, zorder=3)
        ax.text(0.0, place - 0.42, drawable(name), fontsize=8.5, color=palette.ink, zorder=5)
    ends = [v for _, e in estimated for v in (e.value, e.high) if v is not None and np.isfinite(v)]
    ax.set(ylim=(len(estimated) - 0.5, -0.85), xlim=(0.0, 1.06 * max(ends, default=0.0) or 1.0))
    ax.set(xlabel="divergence (nats)")
    title(ax, "Where the divergence comes from", palette)
    frame(ax, palette)
    ax.set_yticks([])
    return ax
