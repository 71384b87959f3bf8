"""The pictures of the page: an SVG, what it shows in words, and its caption."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.render import wording
from dmtest.render.figures import data_figures, effect_figures, stored_figures
from dmtest.render.page import explain, svg

if TYPE_CHECKING:
    from markupsafe import Markup
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmtest.results.report import Report

__all__ = [
    "Plate",
    "coordinates",
    "decomposition",
    "detectability",
    "profile",
    "slices",
    "spectrum",
]


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
    head, rows : tuple
        The numbers that were drawn, as a table; empty when they are in the text.
    """

    title: str
    caption: str
    drawings: tuple[Markup, ...]
    details: tuple[tuple[str, str], ...] = ()
    head: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


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

    return svg.render(paint, size=(width, height), name=name, label=wording.clean(label))


def slices(report: Report) -> list[Plate]:
    """Return a Q-Q plot and its deviations for each slice in the report."""
    return [_slice(report, k) for k in range(len(report.pictures.get("slices") or []))]


def _slice(report: Report, which: int) -> Plate:
    picture = stored_figures.slice_at(report, which)
    title = str(picture.get("title") or f"Slice {picture.get('slice', which)}")
    outside, total = int(stored_figures.outside(picture).sum()), len(picture["observed"])
    seen = (
        f"All {total} quantiles lie inside the simultaneous 95% band."
        if not outside
        else f"{outside} of {total} quantiles lie outside the simultaneous 95% band."
    )
    ours, theirs = (
        ("data", "reference") if wording.two_samples(report) else ("observed", "expected")
    )
    label = f"{title}: {ours} against {theirs} quantiles. {seen}"
    minus = f"{title}: {ours} minus {theirs} quantiles. {seen}"
    details = []
    if picture.get("pvalue") is not None:
        alone = wording.equals(wording.pvalue(picture["pvalue"]))
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
            _panel(data_figures.qq, report, f"q{which}", label, which=which),
            _panel(data_figures.deviation, report, f"v{which}", minus, which=which),
        ),
        tuple(details),
    )


def _fixed(value: float) -> str:
    """Return a number of order one with three decimals: a column of them lines up."""
    return f"{round(value, 3) + 0.0:.3f}" if abs(value) < 100 else wording.number(value)


def coordinates(report: Report) -> list[Plate]:
    """Return a histogram for each coordinate in the report, the worst first."""
    found = []
    for which in range(len(report.pictures.get("coordinates") or [])):
        picture = stored_figures.coordinate_at(report, which)
        numbers = ", ".join(
            f"{short} {_fixed(picture[key])}"
            for short, key in (("mean", "mean"), ("sd", "sd"), ("KS", "ks"))
            if picture.get(key) is not None
        )
        if stored_figures.heights(picture)[2]:
            numbers += "; heights not on one scale"
        other = "reference's histogram" if wording.two_samples(report) else "target's density"
        label = f"Histogram of {picture['name']} against the {other}: {numbers}"
        options = {"which": which, "size": (2.7, 1.5), "margins": (0.08, 0.25)}
        drawing = _panel(data_figures.coordinates, report, f"c{which}", label, **options)
        found.append(Plate(str(picture["name"]), numbers, (drawing,)))
    return found


def spectrum(report: Report) -> Plate | None:
    """Return the covariance spectrum, or None when the report has none."""
    if not report.pictures.get("spectrum"):
        return None
    picture = stored_figures.spectrum(report)
    values, low, high, _ = (
        stored_figures.numbers(picture[k]) for k in stored_figures.SPECTRUM_NUMBERS
    )
    above, below = int(np.sum(values > high)), int(np.sum(values < low))
    two = wording.two_samples(report)
    expected = "around the reference's (the line)" if two else "expected from N(0, I)"
    if np.isnan(low).all():
        seen = f"{len(values)} eigenvalues" + (", the reference's as a line." if two else ".")
    elif above + below:
        seen = (
            f"Of {len(values)} eigenvalues, {above} lie above and {below} below the 95% band "
            f"{expected} at this n and d."
        )
    else:
        seen = f"All {len(values)} eigenvalues lie inside the 95% band {expected}."
    ends = f"Largest {wording.number(values[0])}, smallest {wording.number(values[-1])}."
    label = f"Covariance spectrum. {seen} {ends}"
    drawing = _panel(data_figures.spectrum, report, "s", label, size=(4.4, 2.9))
    return Plate("Covariance spectrum", f"{seen} {ends}", (drawing,))


def profile(report: Report) -> Plate | None:
    """Return the divergence after noise, or None when the report has none."""
    if not report.pictures.get("profile"):
        return None
    found = stored_figures.profile(report)
    point = found["points"][found["default"]]
    noise = wording.number(point["noise"])
    high = "unbounded" if point["high"] is None else f"{wording.number(point['high'])} nats"
    seen = (
        f"At noise {noise}, the default for {wording.plural(found['batch'], 'row')} a batch, the "
        f"divergence is between {wording.number(point['low'])} and {high}, at "
        f"{100 * found['confidence']:g}% for all levels together."
    )
    blind = sum(not one["informative"] for one in found["points"])
    if blind:
        seen += (
            f" At {wording.plural(blind, 'level')} (crosses) the noise is too small for a batch to "
            f"resolve: there the upper end says nothing of the data."
        )
    details = []
    if found["slices"]:
        highest = max(found["slices"], key=lambda one: float(one["upper"] or 0.0))
        lines = wording.plural(len(found["slices"]), "single direction")
        details.append(
            (
                f"Over {lines}, noise {wording.number(highest['noise'])}",
                f"the largest is {highest['label']} with {wording.number(highest['lower'])} to "
                f"{wording.number(highest['upper'])} nats",
            )
        )
    for one in found["subspaces"]:
        text = f"{wording.number(one['lower'])} to {wording.number(one['upper'])} nats"
        details.append((f"{one['label']}, noise {wording.number(one['noise'])}".capitalize(), text))
    label = f"Divergence from the target after noise, over noise levels. {seen}"
    drawing = _panel(effect_figures.profile, report, "p", label, size=(4.4, 2.9))
    level = f"{100 * found['confidence']:g}%"
    head = ("Noise", "Estimate", f"{level} limits", "Resolved by a batch")
    rows = tuple(_profile_row(one) for one in found["points"])
    return Plate("Divergence after noise", seen, (drawing,), tuple(details), head, rows)


def _profile_row(point: dict[str, Any]) -> tuple[str, ...]:
    lower, upper, low, high = (
        "no limit" if point[name] is None else wording.number(point[name])
        for name in ("lower", "upper", "low", "high")
    )
    resolved = "yes" if point["informative"] else "no"
    return wording.number(point["noise"]), f"{lower} to {upper}", f"{low} to {high}", resolved


def decomposition(report: Report) -> Plate | None:
    """Return the parts of the divergence, or None when fewer than two could be estimated."""
    parts = stored_figures.parts(report)
    if len(parts) < 2:
        return None
    name, most = max(parts, key=lambda part: float(part[1].value or 0.0))
    there = dict(parts)
    missing = [
        p for key, p in stored_figures.PARTS.items() if key in report.effects and p not in there
    ]
    seen = (
        f"The largest part is that of the {name}, {wording.number(most.value)} nats."
        if most.value
        else "No part is above zero once the bias of a finite sample is removed."
    )
    if missing:
        seen += f" Not estimable: {', '.join(missing)}."
    numbers = "; ".join(f"{part}: {wording.number(effect.value)} nats" for part, effect in parts)
    label = f"Parts of the divergence with their intervals. {seen} {numbers}"
    options = {"size": (4.4, 2.9), "margins": (0.12, 0.5)}
    drawing = _panel(effect_figures.decomposition, report, "k", label, **options)
    return Plate("Where the divergence comes from", seen, (drawing,))


def detectability(report: Report) -> Plate | None:
    """Return the power curve, or None when the report has none."""
    if not report.pictures.get("detectability"):
        return None
    found = stored_figures.detectability(report)
    seen = explain.noticed(found)
    seen += " The dashed line is the mean p-value."
    label = f"Power of {found['test']} against the number of rows. {seen}"
    drawing = _panel(effect_figures.detectability, report, "n", label, size=(4.4, 2.9))
    head = ("Rows", "Share rejected", "95% limits", "Mean p-value")
    keys = ("sizes", "rates", "low", "high", "mean_pvalues")
    rows = tuple(
        (wording.count(n), _fixed(rate), f"{_fixed(low)} to {_fixed(high)}", wording.number(mean))
        for n, rate, low, high, mean in zip(*(found[key] for key in keys), strict=True)
    )
    return Plate("How many rows it takes to notice", seen, (drawing,), (), head, rows)
