"""The pictures of the page: an SVG, what it shows in words, and its caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.reporting import pictures, plots, svg, words

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmtest.reporting.model import Report

__all__ = ["Plate", "coordinates", "detectability", "profile", "slices", "spectrum"]


@dataclass(frozen=True, slots=True)
class Plate:
    """A titled group of drawings.

    Attributes
    ----------
    title : str
        Heading.
    caption : str
        What there is to see, in a sentence or two.
    drawings : tuple of Markup
        ``<svg>`` elements, each with its own label for screen readers.
    details : tuple of (str, str)
        Names and numbers under the caption.
    """

    title: str
    caption: str
    drawings: tuple[Markup, ...]
    details: tuple[tuple[str, str], ...] = ()


def _panel(
    panel: Callable[..., Axes], report: Report, name: str, label: str, **options: Any
) -> Markup:
    """Draw one panel without its title, which the page sets as text."""
    width, height = options.pop("size", (3.9, 2.75))
    left, bottom = options.pop("margins", (0.62, 0.5))
    # Fixed margins: matplotlib's layout engine would take as long as all the rest.
    box = (left / width, bottom / height, 1 - (left + 0.08) / width, 1 - (bottom + 0.08) / height)

    def paint(figure: Figure) -> None:
        ax = panel(figure.add_axes(box), report, palette=svg.SENTINELS, **options)
        ax.set_title("", loc="left")

    return svg.render(paint, size=(width, height), name=name, label=words.clean(label))


def slices(report: Report) -> list[Plate]:
    """Return a Q-Q plot and its deviations for each slice in the report."""
    return [_slice(report, k) for k in range(len(report.pictures.get("slices") or []))]


def _slice(report: Report, which: int) -> Plate:
    picture = pictures.slice_at(report, which)
    title = str(picture.get("title") or f"Slice {picture.get('slice', which)}")
    outside, total = int(pictures.outside(picture).sum()), len(picture["observed"])
    seen = (
        f"All {total} quantiles lie inside the simultaneous 95% band."
        if not outside
        else f"{outside} of {total} quantiles lie outside the simultaneous 95% band."
    )
    label = f"{title}: observed against expected quantiles. {seen}"
    minus = f"{title}: observed minus expected quantiles. {seen}"
    details = []
    if picture.get("pvalue") is not None:
        alone = words.equals(words.pvalue(picture["pvalue"]))
        chosen = ", not corrected for having been picked" if picture.get("role") == "worst" else ""
        details.append(("This slice alone", alone + chosen))
    loadings = [
        f"{name}\N{NO-BREAK SPACE}{weight:+.2f}" for name, weight in picture.get("loadings") or []
    ]
    if loadings:
        details.append(("Largest weights", ", ".join(loadings)))
    return Plate(
        title,
        seen,
        (
            _panel(plots.qq, report, f"q{which}", label, which=which),
            _panel(plots.deviation, report, f"v{which}", minus, which=which),
        ),
        tuple(details),
    )


def _fixed(value: float) -> str:
    """Return a number of order one with three decimals: a column of them lines up."""
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else words.number(value)


def coordinates(report: Report) -> list[Plate]:
    """Return a histogram for each coordinate in the report, the worst first."""
    found = []
    for which in range(len(report.pictures.get("coordinates") or [])):
        picture = pictures.coordinate_at(report, which)
        numbers = ", ".join(
            f"{short} {_fixed(picture[key])}"
            for short, key in (("mean", "mean"), ("sd", "sd"), ("KS", "ks"))
            if picture.get(key) is not None
        )
        if pictures.heights(picture)[2]:
            numbers += "; heights not on one scale"
        label = f"Histogram of {picture['name']} against the target's density: {numbers}"
        options = {"which": which, "size": (2.7, 1.5), "margins": (0.08, 0.25)}
        drawing = _panel(plots.coordinates, report, f"c{which}", label, **options)
        found.append(Plate(str(picture["name"]), numbers, (drawing,)))
    return found


def spectrum(report: Report) -> Plate | None:
    """Return the covariance spectrum, or None when the report has none."""
    if not report.pictures.get("spectrum"):
        return None
    picture = pictures.spectrum(report)
    values, low, high, _ = (pictures.numbers(picture[k]) for k in pictures.SPECTRUM_NUMBERS)
    above, below = int(np.sum(values > high)), int(np.sum(values < low))
    two = report.target == "reference" or report.target.startswith("reference(")
    expected = "the reference's (the line)" if two else "N(0, I)"
    if np.isnan(low).all():
        seen = f"{len(values)} eigenvalues" + (f" against {expected}." if two else ".")
    elif above + below:
        seen = (
            f"Of {len(values)} eigenvalues, {above} lie above and {below} below the band "
            f"expected from {expected} at this n and d."
        )
    else:
        seen = f"All {len(values)} eigenvalues lie inside the band expected from {expected}."
    ends = f"Largest {words.number(values[0])}, smallest {words.number(values[-1])}."
    label = f"Covariance spectrum. {seen} {ends}"
    drawing = _panel(plots.spectrum, report, "s", label, size=(5.6, 2.9))
    return Plate("Covariance spectrum", f"{seen} {ends}", (drawing,))


def profile(report: Report) -> Plate | None:
    """Return the divergence after noise, or None when the report has none."""
    if not report.pictures.get("profile"):
        return None
    found = pictures.profile(report)
    point = found["points"][found["default"]]
    noise = words.number(point["noise"])
    high = "unbounded" if point["high"] is None else f"{words.number(point['high'])} nats"
    seen = (
        f"At noise {noise}, the default for {words.plural(found['batch'], 'row')} a batch, the "
        f"divergence is between {words.number(point['low'])} and {high}, at "
        f"{100 * found['confidence']:g}% for all levels together."
    )
    blind = sum(not one["informative"] for one in found["points"])
    if blind:
        seen += (
            f" At {words.plural(blind, 'level')} (crosses) the noise is too small for a batch to "
            f"resolve: there the upper end says nothing of the data."
        )
    details = []
    if found["slices"]:
        highest = max(found["slices"], key=lambda one: float(one["upper"] or 0.0))
        lines = words.plural(len(found["slices"]), "single direction")
        details.append(
            (
                f"Over {lines}, noise {words.number(highest['noise'])}",
                f"the largest is {highest['label']} with {words.number(highest['lower'])} to "
                f"{words.number(highest['upper'])} nats",
            )
        )
    for one in found["subspaces"]:
        text = f"{words.number(one['lower'])} to {words.number(one['upper'])} nats"
        details.append((f"{one['label']}, noise {words.number(one['noise'])}".capitalize(), text))
    label = f"Divergence from the target after noise, over noise levels. {seen}"
    drawing = _panel(plots.profile, report, "p", label, size=(4.4, 2.9))
    return Plate("Divergence after noise", seen, (drawing,), tuple(details))


def detectability(report: Report) -> Plate | None:
    """Return the power curve, or None when the report has none."""
    if not report.pictures.get("detectability"):
        return None
    found = pictures.detectability(report)
    parts = []
    for one in found["thresholds"]:
        power = f"{100 * one['power']:g}%"
        if one["n"] is not None:
            parts.append(f"{power} of the time with {words.count(round(one['n']))} rows")
    top = words.count(found["sizes"][-1])
    seen = (
        f"Somebody with {found['test']} notices " + ", ".join(parts) + "."
        if parts
        else f"Subsamples of up to {top} rows were not enough, or {found['sizes'][0]} were."
    )
    seen += " The dashed line is the mean p-value."
    label = f"Power of {found['test']} against the number of rows. {seen}"
    drawing = _panel(plots.detectability, report, "n", label, size=(4.4, 2.9))
    return Plate("How many rows it takes to notice", seen, (drawing,))
