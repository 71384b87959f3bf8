"""The numbers behind a report's pictures: small lists, so that JSON can hold them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, ndtr, ndtri

from dmtest.battery.one_sample import Battery
from dmtest.effects.coordinates import Coordinates, histogram
from dmtest.effects.directions import loadings
from dmtest.engines.slices import SliceView, project
from dmtest.runtime.streams import stream
from dmtest.statistics.slices.edf import anderson_darling
from dmtest.targets.targets import Canonical

__all__ = ["coordinate_pictures", "slice_pictures", "spectrum_picture"]

Vector = NDArray[np.float64]

POINTS = 161
ENVELOPES = 999
LARGEST_SPECTRUM = 1024
SHOWN_EIGENVALUES = 512
SPECTRA = 39


def slice_pictures(
    canonical: Canonical, battery: Battery, names: Sequence[str] | None, seed: int
) -> list[dict[str, Any]]:
    """Q-Q plots of the worst and of a typical slice, with simultaneous 95 % bands."""
    assert battery.directions is not None
    squared = battery.extras["squared-wasserstein"]
    order = np.argsort(squared, kind="stable")
    chosen = [("worst", int(order[-1]))]
    if len(order) > 1:
        chosen.append(("typical", int(order[len(order) // 2])))
    picked = [index for _, index in chosen]
    lines = project(canonical.rows, battery.directions[picked])
    view = SliceView(lines, canonical.parameters)
    positions = _positions(view.n)
    theoretical = ndtri((positions + 0.5) / view.n)
    low, high = _band(view.n, positions, seed)
    pvalues = _pvalues(view)
    pictures = []
    for i, (role, index) in enumerate(chosen):
        observed = (view.sorted[i, positions].astype(np.float64) - view.loc[i]) / view.scale[i]
        title = "The data" if len(order) == 1 else f"Slice {index}, the {role} of {len(order)}"
        pictures.append(
            {
                "role": role,
                "slice": index,
                "title": title.replace("the typical", "a typical one"),
                "theoretical": _rounded(theoretical),
                "observed": _rounded(observed),
                "low": _rounded(low),
                "high": _rounded(high),
                "loadings": loadings(battery.directions[index], names, canonical),
                "pvalue": pvalues[i],
            }
        )
    return pictures


def _positions(n: int) -> NDArray[np.intp]:
    """Order statistics to show: evenly spaced in normal scores, the extremes included."""
    edge = float(ndtri(0.5 / n))
    wanted = ndtr(np.linspace(edge, -edge, min(POINTS, n))) * n - 0.5
    return np.unique(np.clip(np.rint(wanted), 0, n - 1).astype(np.intp))


def _band(n: int, positions: NDArray[np.intp], seed: int) -> tuple[Vector, Vector]:
    """Simultaneous 95 % band of the order statistics of N(0, 1), of equal local levels.

    Each point's limits are its own exact quantiles (uniform order statistics are beta), at
    the one local level that keeps 95 % of samples inside everywhere (Aldor-Noiman et al.
    2013). Samples are drawn jointly as cumulative gammas.
    """
    rng = stream(seed, "pictures/band")
    shapes = np.diff(np.concatenate([[-1], positions, [n]])).astype(np.float64)
    draws = np.cumsum(rng.standard_gamma(shapes, size=(ENVELOPES, len(shapes))), axis=1)
    below, above = positions + 1.0, n - positions.astype(np.float64)
    cdf = betainc(below, above, draws[:, :-1] / draws[:, -1:])
    level = float(np.quantile(np.minimum(cdf, 1.0 - cdf).min(axis=1), 0.05))
    low, high = betaincinv(below, above, level), betaincinv(below, above, 1.0 - level)
    return np.asarray(ndtri(low)), np.asarray(ndtri(high))


def _pvalues(view: SliceView) -> list[float | None]:
    """Return the published Anderson-Darling p-value of each slice on its own."""
    from dmtest.statistics.laws.slice_laws import PUBLISHED

    formula = PUBLISHED["anderson-darling", view.parameters]
    return [float(p) for p in np.atleast_1d(formula(anderson_darling(view), view.n))]


def coordinate_pictures(
    coordinates: Coordinates,
    original: NDArray[Any] | None,
    names: Sequence[str] | None,
    count: int = 12,
) -> list[dict[str, Any]]:
    """Histograms of the coordinates furthest from their target, worst first.

    Parameters
    ----------
    coordinates : Coordinates
    original : ndarray or None
        The same rows on the unit interval, where the target is the uniform cube.
    names : sequence of str, optional
    """
    order = np.argsort(-coordinates.ks, kind="stable")[:count]
    pictures = []
    for j in map(int, order):
        mean, sd = float(coordinates.mean[j]), float(coordinates.sd[j])
        values = np.asarray(coordinates.values[:, j], dtype=np.float64)
        picture: dict[str, Any] = {"name": _name(names, j), "ks": float(coordinates.ks[j])}
        if original is not None:
            values = np.asarray(original[:, j], dtype=np.float64)
            edges, density = histogram(values, 0.0, 1.0)
            mean, sd = float(values.mean()), float(values.std())
            picture["reference"] = "uniform"
        elif coordinates.fitted:
            edges, density = histogram((values - mean) / (sd or 1.0), -4.0, 4.0)
        else:
            reach = float(np.clip(np.abs(values).max(), 4.0, 12.0))
            edges, density = histogram(values, -reach, reach)
        picture |= {
            "edges": _rounded(edges),
            "density": _rounded(density),
            "mean": mean,
            "sd": sd,
        }
        pictures.append(picture)
    return pictures


def spectrum_picture(canonical: Canonical, seed: int) -> dict[str, Any] | None:
    """Eigenvalues of the covariance, and the range they have for N(0, I) at this n and d.

    Under any-normal every spectrum is allowed, so there is no range to show.
    """
    n = len(canonical.rows)
    d = len(canonical.mean)
    if d > LARGEST_SPECTRUM or d < 2:
        return None
    observed = np.linalg.eigvalsh(canonical.covariance)[::-1][:SHOWN_EIGENVALUES]
    none = [None] * len(observed)
    picture: dict[str, Any] = {"observed": _rounded(observed)}
    if canonical.fitted or n <= d:
        return picture | {"low": none, "high": none, "reference": none}
    low, middle, high = _spectrum_band(n, d, seed)
    return picture | {
        "low": _rounded(low[:SHOWN_EIGENVALUES]),
        "high": _rounded(high[:SHOWN_EIGENVALUES]),
        "reference": _rounded(middle[:SHOWN_EIGENVALUES]),
    }


def _spectrum_band(n: int, d: int, seed: int) -> tuple[Vector, Vector, Vector]:
    """Band that holds all ordered eigenvalues of about 95 % of samples of N(0, I), and middle.

    Mean and standard deviation of each eigenvalue come from a few draws; the width is the
    union bound's normal quantile with a Student-t's allowance for their number.
    """
    from scipy.special import stdtrit

    count = SPECTRA if d <= 128 else SPECTRA // 2
    draws = np.array([_null_spectrum(n, d, seed, i) for i in range(count)])
    middle, spread = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    # Neighbours fluctuate alike: smoothing keeps a chance small spread from narrowing the band.
    reach = min(5, d // 4)
    padded = np.pad(spread, reach, mode="edge")
    smooth = np.array([padded[j : j + 2 * reach + 1].mean() for j in range(d)])
    spread = np.maximum(spread, smooth)
    width = float(stdtrit(3 * (count - 1), 1.0 - 0.025 / d)) * np.sqrt(1.0 + 1.0 / count)
    return middle - width * spread, middle, middle + width * spread


def _null_spectrum(n: int, d: int, seed: int, index: int) -> Vector:
    """Eigenvalues of the 1/n covariance of N(0, I), by Bartlett's decomposition."""
    rng = stream(seed, "pictures/spectrum", index)
    factor = np.tril(rng.standard_normal((d, d)), -1)
    factor[np.diag_indices(d)] = np.sqrt(rng.chisquare(n - 1 - np.arange(d)))
    return np.asarray(np.linalg.eigvalsh(factor @ factor.T / n)[::-1])


def _name(names: Sequence[str] | None, j: int) -> str:
    return f"x{j}" if names is None else str(names[j])


def _rounded(values: NDArray[Any]) -> list[float]:
    """Seven digits draw the same picture and halve the page."""
    return [float(f"{value:.7g}") for value in values]
