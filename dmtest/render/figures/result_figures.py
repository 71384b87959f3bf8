"""Figures of checks, training runs and bounds: p-values, curves, rows, and nats on one axis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.render import wording
from dmtest.render.figures.class_figures import COLOURS
from dmtest.render.figures.palette import LIGHT, Palette, dots, frame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from dmtest.results.check import CheckResult, CheckRow

# Smallest p-value that is drawn at its place.
LEAST = 1e-16
# Part of the capacity below 0 at which bounds are cut off: those of a poor critic are huge.
BELOW = 0.35


def compared(result: CheckResult) -> list[CheckRow]:
    """Return the rows of a check that have a p-value and a limit of it."""
    return [row for row in result.rows if row.pvalue is not None and row.kind != "limit"]


def pvalues(ax: Axes, result: CheckResult, *, palette: Palette = LIGHT) -> Axes:
    """Draw the adjusted p-value of every comparison with the baseline, on a log axis."""
    from dmtest.render.figures.canvas import drawable

    rows = compared(result)
    ends = (-0.6, len(rows) - 0.4)
    ax.set(xscale="log", xlim=(0.3 * LEAST, 4.0), ylim=ends[::-1])
    ax.plot([result.alpha] * 2, ends, "--", color=palette.muted, linewidth=1.0)
    for place, row in enumerate(rows):
        shown = max(float(row.pvalue or 0.0), LEAST)
        colour = palette.bad if row.passed is False else palette.data
        ax.plot([shown, 1.0], [place, place], color=palette.fill, linewidth=1.6, zorder=1)
        ax.plot(shown, place, "o", color=colour, markersize=5, zorder=3)
    ax.set_xticks([1e-16, 1e-12, 1e-8, 1e-4, 1.0], ["≤1e-16", "1e-12", "1e-8", "1e-4", "1"])
    ax.minorticks_off()
    ax.set_yticks(range(len(rows)), [drawable(wording.clean(row.name)) for row in rows])
    ax.set(xlabel="adjusted p-value")
    frame(ax, palette)
    ax.grid(visible=False, axis="y")
    return ax


def information(ax: Axes, fit: Any, *, palette: Palette = LIGHT) -> Axes:
    """Draw the bound of the information over the epochs of a training run, with the capacity."""
    values = np.array(fit.history["information"], dtype=np.float64)
    capacity = fit.noise.capacity(fit.embeddings.shape[1])
    ends = [*values[np.isfinite(values)]]
    if math.isfinite(capacity):
        # The bound of an untrained critic is far below 0, which would flatten the rest.
        ends = [*np.maximum(ends, -BELOW * capacity), capacity]
    ax.set(xlabel="epoch", ylabel="bound of the information (nats)")
    _curve(ax, values, ends, palette)
    if math.isfinite(capacity):
        ax.axhline(capacity, color=palette.muted, linewidth=1.0, linestyle="--")
    return ax


def history(ax: Axes, fit: Any, series: str, *, palette: Palette = LIGHT) -> Axes:
    """Draw one series of a training run's history over the epochs."""
    values = np.array(fit.history[series], dtype=np.float64)
    words = {"loss": "loss", "invariance_error": "E|f(X') - f(X)|²"}
    ax.set(xlabel="epoch", ylabel=words[series])
    ends = values[np.isfinite(values)].tolist()
    _curve(ax, values, ends if series == "loss" else [*ends, 0.0], palette)
    return ax


def _curve(ax: Axes, values: Any, ends: list[float], palette: Palette) -> None:
    epochs = np.arange(1, len(values) + 1)
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    margin = 0.06 * (high - low) or 1.0
    ax.set(xlim=(1 - 0.02 * len(values), 1.02 * len(values) + 0.5))
    ax.set(ylim=(low - margin, high + margin))
    one = "o-" if len(values) < 8 else "-"
    ax.plot(epochs, values, one, color=palette.data, linewidth=1.3, markersize=3)
    frame(ax, palette)


def embedded(
    ax: Axes,
    fit: Any,
    rows: Any,
    pair: tuple[int, int],
    reach: float,
    *,
    kept: Any = None,
    coloured: bool = True,
    palette: Palette = LIGHT,
) -> Axes:
    """Draw rows in two columns, by class where it is known, within the target's region.

    Parameters
    ----------
    ax : matplotlib Axes
    fit : dmtest.train.Fit
        Has the target and the labels.
    rows : ndarray, shape (n, d)
        Held-out embeddings, or an exact sample from the target.
    pair : (int, int)
        Columns to draw; with one column, the row numbers are the second axis.
    reach : float
        Largest size of a coordinate that is drawn; half of that is the centre of the cube.
    kept : ndarray, optional
        Places of the rows among the held-out ones, whose labels colour them.
    coloured : bool
        Whether the rows have labels.
    palette : Palette
    """
    i, j = pair
    x = np.asarray(rows[:, i], dtype=np.float64)
    flat = rows.shape[1] == 1
    y = np.arange(len(x), dtype=np.float64) if flat else np.asarray(rows[:, j], dtype=np.float64)
    law = fit.target if isinstance(fit.target, str) else ""
    span = (0.5 - reach, 0.5 + reach) if law == "uniform" else (-reach, reach)
    ax.set(xlim=span, ylim=(-0.03 * len(x), 1.03 * len(x)) if flat else span)
    ax.set(xlabel=f"column {i}", ylabel="row" if flat else f"column {j}")
    if law == "normal" and not flat:
        turn = np.linspace(0.0, 2.0 * np.pi, 200)
        for share in (0.5, 0.95):
            radius = math.sqrt(-2.0 * math.log(1.0 - share))
            ax.plot(
                radius * np.cos(turn), radius * np.sin(turn), color=palette.muted, linewidth=0.9
            )
    elif law == "uniform" and not flat:
        ax.plot([0, 1, 1, 0, 0], [0, 0, 1, 1, 0], color=palette.muted, linewidth=0.9)
    labels = None if fit.labels is None or not coloured else fit.labels[kept]
    classes = [] if labels is None else np.unique(labels).tolist()
    if not 1 < len(classes) <= len(COLOURS):
        dots(ax, x, y, 2.2, palette.data)
    else:
        for code, name in enumerate(classes):
            own = labels == name
            dots(ax, x[own], y[own], 2.2, COLOURS[code])
            middle = float(np.median(x[own])), float(np.median(y[own]))
            style: Any = {"fontsize": 8.5, "fontweight": "bold", "ha": "center", "va": "center"}
            ax.text(*middle, str(name), color=palette.ink, zorder=4, **style)
    frame(ax, palette)
    return ax


def nats(ax: Axes, pairs: Any, *, palette: Palette = LIGHT) -> Axes:
    """Draw the bounds of positive pairs on one axis in nats, with the capacity as a line."""
    rows = bounds_drawn(pairs)
    floor = -BELOW * pairs.capacity
    finite = [v for _, low, high, at in rows for v in (low, high, at) if v is not None]
    finite = [v for v in finite if math.isfinite(v)]
    left = max(floor, min(0.0, *finite)) if finite else floor
    right = 1.08 * max(pairs.capacity + max(pairs.correction, 0.0), *finite, 0.1)
    margin = 0.03 * (right - left)
    ax.set(xlim=(left - margin, right), ylim=(len(rows) - 0.4, -0.95))
    ax.axvline(pairs.capacity, color=palette.muted, linewidth=1.0, linestyle="--")
    ax.axvline(0.0, color=palette.grid, linewidth=1.0)
    for place, (label, low, high, at) in enumerate(rows):
        start = left if low is None else max(low, left)
        end = right if high is None or not math.isfinite(high) else max(high, left)
        ax.plot([start, end], [place, place], color=palette.data, linewidth=2.2, zorder=2)
        if at is not None and math.isfinite(at):
            marker = "o" if at >= left else "<"
            ax.plot(max(at, left), place, marker, color=palette.data, markersize=5.0, zorder=3)
        ax.text(left, place - 0.36, label, fontsize=8, color=palette.ink, va="center")
    ax.set(xlabel="nats")
    frame(ax, palette)
    ax.set_yticks([])
    return ax


def bounds_drawn(pairs: Any) -> list[tuple[str, float | None, float | None, float | None]]:
    """Return name, ends of the interval and value of each bound that is drawn."""
    rows: list[tuple[str, float | None, float | None, float | None]] = []
    for one in (pairs.donsker_varadhan, pairs.nwj, pairs.infonce):
        value = float(one)
        low, high = (value, value) if one.low is None else (one.low, one.high)
        rows.append((f"I(f(X'); f(X)+Z) at least: {one.method}", low, high, value))
    channel = pairs.channel
    rows.append(("I(f(X); f(X)+Z)", channel.low, channel.high, None))
    rows.append(("weak-invariance gap, at most", 0.0, pairs.invariance_gap, pairs.invariance_gap))
    rows.append(("KL after noise, at most", 0.0, pairs.smoothed_kl, pairs.smoothed_kl))
    return rows
