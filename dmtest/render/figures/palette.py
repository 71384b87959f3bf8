"""Parts shared by all figures: colours, frame, title, points."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a figure, by role."""

    ink: str = "#1c2430"
    muted: str = "#5a6472"
    grid: str = "#dfe4ea"
    data: str = "#0b5fb0"
    fill: str = "#b9d3ee"
    band: str = "#e3e7ec"
    bad: str = "#b3261e"


READABLE = 4.5  # contrast that WCAG 2.1 requires of small text
LIGHT = Palette()
DARK = Palette(
    ink="#e7ebf0",
    muted="#a5afbc",
    grid="#323b47",
    data="#74b5f5",
    fill="#2c5175",
    band="#3a434f",
    bad="#ff8d80",
)


def readable_palette(ax: Axes) -> Palette:
    """Return the palette that is readable on the background of a figure.

    The background behind a transparent figure is unknown: it is taken to be the inverse of the
    text colour in matplotlib's style.
    """
    from matplotlib import rcParams
    from matplotlib.colors import to_rgba

    backgrounds = [to_rgba(one.get_facecolor()) for one in (ax.figure, ax.figure.figure)]
    opaque = [rgba[:3] for rgba in backgrounds if rgba[3] > 0.5]
    background = (
        opaque[0] if opaque else tuple(1.0 - v for v in to_rgba(rcParams["text.color"])[:3])
    )
    best = max((LIGHT, DARK), key=lambda palette: contrast(palette.muted, background))
    if contrast(best.muted, background) >= READABLE:
        return best
    best = max((LIGHT, DARK), key=lambda palette: contrast(palette.ink, background))
    return replace(best, muted=best.ink)


def contrast(one: Any, other: Any) -> float:
    """Return the contrast of two colours by WCAG 2.1, from 1 to 21."""
    from matplotlib.colors import to_rgb

    parts = np.array([to_rgb(one), to_rgb(other)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    low, high = np.sort(linear @ (0.2126, 0.7152, 0.0722) + 0.05)
    return float(high / low)


def frame(ax: Axes, palette: Palette) -> None:
    """Draw a pale grid, and remove the box and the tick marks."""
    for side in ("top", "right", "left", "bottom"):
        ax.spines[side].set_visible(False)
    ax.grid(visible=True, color=palette.grid, linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(which="both", length=0, colors=palette.muted, labelsize=8)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(color=palette.muted, fontsize=8.5)


def title(ax: Axes, text: str, palette: Palette) -> None:
    """Set a title at the left, without characters that the font lacks."""
    from dmtest.render.figures.canvas import drawable

    ax.set_title(drawable(text), loc="left", fontsize=9.5, color=palette.ink, parse_math=False)


def dots(ax: Axes, x: NDArray[Any], y: NDArray[Any], size: float, colour: str) -> None:
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


def key(ax: Axes, marks: list[tuple[str, str, str]], place: Any, palette: Palette) -> None:
    """Draw a legend inside a figure.

    Parameters
    ----------
    ax : matplotlib Axes
    marks : list of (str, str, str)
        Kind (dot, band, line or dashes), name of a colour of the palette, and label.
    place : str
        Corner, as matplotlib names it.
    palette : Palette
    """
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def handle(kind: str, name: str) -> Any:
        colour = getattr(palette, name)
        if kind == "band":
            return Patch(facecolor=colour, linewidth=0)
        if kind == "dot":
            return Line2D([], [], marker="o", linestyle="", markersize=3.5, color=colour)
        style: Any = {"line": "-", "dashes": "--"}[kind]
        return Line2D([], [], linewidth=1.2, linestyle=style, color=colour)

    ax.legend(
        [handle(kind, name) for kind, name, _ in marks],
        [label for _, _, label in marks],
        loc=place,
        fontsize=7.5,
        labelcolor=palette.muted,
        frameon=False,
        handlelength=1.3,
        borderaxespad=0.2,
    )
