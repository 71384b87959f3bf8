"""What the plots and captions read from ``Report.pictures``: checks, limits, counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dmtest.results.outcome import Effect
    from dmtest.results.report import Report

__all__ = [
    "SLICE_NUMBERS",
    "SPECTRUM_NUMBERS",
    "available",
    "closed",
    "coordinate_at",
    "detectability",
    "eigenvalue_range",
    "heights",
    "inner",
    "limits",
    "names",
    "numbers",
    "outside",
    "parts",
    "profile",
    "reference",
    "slice_at",
    "spectrum",
]

SLICE_NUMBERS = ("theoretical", "observed", "low", "high")
# Parts of the divergence that add up, by the name of their effect.
PARTS = {
    "kl-mean": "mean",
    "kl-scale": "variances",
    "kl-correlation": "correlations",
    "kl-margins": "shapes of the coordinates",
    "kl-dependence": "dependence beyond correlation",
}
SPECTRUM_NUMBERS = ("observed", "low", "high", "reference")


def numbers(values: Sequence[float | None]) -> NDArray[np.float64]:
    """Return a list of numbers as an array, NaN where there is None."""
    return np.array(values, dtype=np.float64)


def _item(report: Report, kind: str, which: int) -> dict[str, Any]:
    items = report.pictures.get(kind) or []
    if not 0 <= which < len(items):
        raise InputError(
            f"which: this report has pictures of {len(items)} {kind}, counted from 0; got {which}"
        )
    return dict(items[which])


def slice_at(report: Report, which: int) -> dict[str, Any]:
    """Return the numbers of one slice."""
    return _item(report, "slices", which)


def coordinate_at(report: Report, which: int) -> dict[str, Any]:
    """Return the numbers of one coordinate."""
    return _item(report, "coordinates", which)


def spectrum(report: Report) -> dict[str, Any]:
    """Return the numbers of the covariance spectrum."""
    found = report.pictures.get("spectrum")
    if not found:
        raise InputError("panel: this report has no covariance spectrum; choose another panel")
    return dict(found)


def parts(report: Report) -> list[tuple[str, Effect]]:
    """Return the parts of the divergence that could be estimated, with a name for each."""
    found = [(name, report.effects.get(key)) for key, name in PARTS.items()]
    return [
        (name, effect)
        for name, effect in found
        if effect is not None and effect.value is not None and np.isfinite(effect.value)
    ]


def names(report: Report) -> tuple[str, ...]:
    """Return the panels that the report has numbers for."""
    there = {
        "effects": bool(report.effects),
        "decomposition": len(parts(report)) > 1,
        "profile": bool(report.pictures.get("profile")),
        "detectability": bool(report.pictures.get("detectability")),
        "qq": bool(report.pictures.get("slices")),
        "deviation": bool(report.pictures.get("slices")),
        "spectrum": bool(report.pictures.get("spectrum")),
        "coordinates": bool(report.pictures.get("coordinates")),
    }
    return tuple(name for name, drawn in there.items() if drawn)


def available(report: Report) -> list[tuple[str, dict[str, int]]]:
    """Return the panels of the overview, as names and options, that can be drawn."""
    several = {"qq": ("slices", 2), "coordinates": ("coordinates", 6)}
    jobs: list[tuple[str, dict[str, int]]] = []
    for panel in names(report):
        if panel in several:
            kind, most = several[panel]
            many = min(len(report.pictures[kind]), most)
            jobs += [(panel, {"which": which}) for which in range(many)]
        elif panel not in ("effects", "deviation"):
            jobs.append((panel, {}))
    return jobs


def profile(report: Report) -> dict[str, Any]:
    """Return the numbers of the divergence over noise levels."""
    found = report.pictures.get("profile")
    if not found:
        raise InputError("panel: this report has no profile of divergence; choose another panel")
    return dict(found)


def detectability(report: Report) -> dict[str, Any]:
    """Return the numbers of power against subsample size."""
    found = report.pictures.get("detectability")
    if not found:
        raise InputError(
            "panel: this report has no power curve, since no test rejects; choose another panel"
        )
    return dict(found)


def limits(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return axis limits with a margin around the finite values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return -1.0, 1.0
    low, high = float(values.min()), float(values.max())
    margin = 0.04 * (high - low) or 0.5
    return low - margin, high + margin


def inner(low: NDArray[np.float64], high: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Return the band where it is narrow enough to set the scale of an axis.

    At the extremes a simultaneous band opens widely; drawn in full, it would
    flatten everything else.
    """
    width = high - low
    finite = width[np.isfinite(width)]
    if not len(finite):
        return [low[:0]]
    keep = width <= 4 * np.median(finite)
    return [low[keep], high[keep]]


def closed(
    low: NDArray[np.float64], high: NDArray[np.float64], ends: tuple[float, float]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a band whose open ends reach the edge of the axis."""
    return np.where(np.isnan(low), ends[0], low), np.where(np.isnan(high), ends[1], high)


def outside(picture: dict[str, Any]) -> NDArray[np.bool_]:
    """Return which quantiles of a slice lie outside its band."""
    _, observed, low, high = (numbers(picture[k]) for k in SLICE_NUMBERS)
    return (observed < low) | (observed > high)  # comparisons with NaN are false


def reference(picture: dict[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a grid and the density of the target on it, wide enough for the data."""
    edges = numbers(picture["edges"])
    if picture.get("reference") == "sample":
        heights = np.repeat(numbers(picture["reference_density"]), 2)
        return np.repeat(edges, 2), np.concatenate([[0.0], heights, [0.0]])
    if picture.get("reference") == "uniform":
        low, high = min(-0.05, float(edges[0])), max(1.05, float(edges[-1]))
        grid = np.array([low, 0, 0, 1, 1, high])
        return grid, np.array([0.0, 0, 1, 1, 0, 0])
    grid = np.linspace(min(-3.5, float(edges[0])), max(3.5, float(edges[-1])), 121)
    return grid, np.exp(-np.square(grid) / 2) / np.sqrt(2 * np.pi)


def heights(
    picture: dict[str, Any],
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return the heights of a histogram and of the target, and whether each has its own scale.

    Where one peak is far above the other (a coordinate that has collapsed), a
    common scale would flatten one of them into the axis.
    """
    density, target = np.nan_to_num(numbers(picture["density"])), reference(picture)[1]
    peak, top = float(density.max(initial=0.0)), float(target.max())
    if peak > 4 * top or 0 < 4 * peak < top:
        return density * (top / peak), target, True
    return density, target, False


def eigenvalue_range(
    values: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[bool, float, float]:
    """Return whether eigenvalues need a logarithmic axis, and its limits.

    Eigenvalues that are zero up to rounding fall below the axis.
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
