"""The canvas of figures. It alone imports matplotlib at its top: import this module late."""

from __future__ import annotations

import io
import sys
from typing import Any

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

# Any: matplotlib's stubs require the literal name of each parameter.
SETTINGS: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dmtest",
    "path.simplify": False,
    "axes.unicode_minus": True,
}


class ReportFigure(Figure):
    """A Figure that notebooks show although pyplot is not imported.

    On matplotlib's white background it is shown as SVG in the colours of the notebook, light or
    dark. A background from a style is kept; then, or where HTML is not shown, it is a PNG.
    """

    def _repr_html_(self) -> str | None:
        from dmtest.render.page import svg

        white = self.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
        return svg.notebook(self) if white else None

    def show(self, *_: Any, **options: Any) -> None:
        """Show the figure in a window; pyplot is imported if it has not been."""
        import matplotlib.pyplot as plt

        if self.canvas.manager is None:
            manager = plt.figure().canvas.manager
            if manager is not None:
                manager.canvas.figure = self
                self.set_canvas(manager.canvas)
        plt.show(**options)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=144)
        return buffer.getvalue()


def new_figure(**options: Any) -> ReportFigure:
    """Return a figure that ``plt.show()`` and ``plt.savefig()`` know if pyplot has been imported.

    Notebooks show what a cell returns; a figure that pyplot knew, they would show twice.
    """
    plt: Any = sys.modules.get("matplotlib.pyplot")
    if plt is None or "inline" in plt.get_backend().lower():
        return ReportFigure(**options)
    figure: ReportFigure = plt.figure(FigureClass=ReportFigure, **options)
    if getattr(type(figure.canvas), "required_interactive_framework", None) is None:
        # No window shows or closes it: pyplot keeps the last one only, so that a loop over
        # reports needs no closing.
        for earlier in _hidden:
            plt.close(earlier)
        _hidden[:] = [figure]
    return figure


_hidden: list[ReportFigure] = []


def drawable(text: str) -> str:
    """Return text with characters that the font lacks replaced: each would raise a warning."""
    known = get_font(findfont(FontProperties())).get_charmap()
    shown = (c if ord(c) in known or ord(c) < 128 else "\N{REPLACEMENT CHARACTER}" for c in text)
    return "".join("?" if ord(c) < 32 else c for c in shown)


def svg(width: float, height: float, paint: Any) -> str:
    """Return the SVG text of a new figure, under fixed settings.

    Parameters
    ----------
    width, height : float
        Size in inches.
    paint : callable
        Function that draws on the Figure.
    """
    with rc_context():
        rcdefaults()  # a user's style must not change the page
        rcParams.update(SETTINGS)
        figure = Figure(figsize=(width, height))
        paint(figure)
        return _svg_text(figure)


def svg_of(figure: Figure) -> str:
    """Return the SVG text of a figure as it is, on a transparent background."""
    with rc_context(SETTINGS):
        return _svg_text(figure)


def _svg_text(figure: Figure) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()
