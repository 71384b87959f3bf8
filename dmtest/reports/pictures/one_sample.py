"""The numbers behind the figures of a report on one sample, and parts shared with two samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaincinv, ndtr, ndtri, stdtrit

from dmtest.battery.one_sample import Battery
from dmtest.catalogue.slices import ANDERSON_DARLING
from dmtest.effects.coordinates import Coordinates, column_name, column_names, histogram
from dmtest.effects.detectability import Detectability
from dmtest.effects.directions.one_sample import Direction, loadings
from dmtest.effects.profile import KLProfile
from dmtest.engines.slices import SliceView, project
from dmtest.results import serial
from dmtest.results.figures import (
    CoordinateFigure,
    Figures,
    Numbers,
    PowerFigure,
    ProfileFigure,
    ScatterFigure,
    SliceFigure,
    SpectrumFigure,
    numbers,
)
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

# Most quantiles of a slice; most columns with a histogram.
POINTS, SHOWN = 161, 12
# Most columns with a spectrum; most eigenvalues shown; draws behind their band.
LARGEST_SPECTRUM, EIGENVALUES, SPECTRA = 1024, 512, 39
# Columns of a scatter, and most rows in it.
SCATTERED, ROWS = range(2, 7), 400
# Null samples behind the band of a slice.
BANDS = 999


# Shared by the figures of one sample and of two


def seven_digits(values: NDArray[Any]) -> Numbers:
    """Return numbers with seven digits: the figure is the same, the page half as large."""
    return numbers([float(f"{value:.7g}") for value in values])


def chosen_slices(departures: Vector) -> Iterator[tuple[Literal["worst", "typical"], int, str]]:
    """Yield role, index and title of the slice that departs most, and of the median one."""
    order = np.argsort(departures, kind="stable")
    count = len(order)
    index = int(order[-1])
    yield "worst", index, "The data" if count == 1 else f"Slice {index}, the worst of {count}"
    if count > 1:
        index = int(order[count // 2])
        yield "typical", index, f"Slice {index}, a typical one of {count}"


def eigenvalue_spread(draws: Vector) -> tuple[float, Vector]:
    """Return the width and scale of a simultaneous 95% band for ordered eigenvalues.

    Parameters
    ----------
    draws : ndarray, shape (b, d)
        Eigenvalues under the null, in order.

    Returns
    -------
    width : float
        Half width in standard deviations: a quantile of Student's t, which allows for the few
        draws, by a union bound.
    spread : ndarray, shape (d,)
        Standard deviations of the eigenvalues.
    """
    count, d = draws.shape
    spread = draws.std(axis=0, ddof=1)
    reach = min(5, d // 4)
    padded = np.pad(spread, reach, mode="edge")
    # Neighbours have similar spreads: with smoothing no spread is too small by chance.
    smooth = np.array([padded[j : j + 2 * reach + 1].mean() for j in range(d)])
    return float(stdtrit(3 * (count - 1), 1.0 - 0.025 / d)), np.maximum(spread, smooth)


# One sample


def sample_figures(
    canonical: Canonical,
    battery: Battery,
    x: NDArray[Any],
    names: Sequence[str] | None,
    *,
    coordinates: Coordinates,
    directions: Sequence[Direction],
    profile: KLProfile | None,
    power: Detectability | None,
    seed: int,
) -> Figures:
    """Return the numbers behind all figures of a report on one sample.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    battery : Battery
        The tests, with the slices.
    x : ndarray, shape (n, d)
        The rows as they came.
    names : sequence of str or None
        Names of the columns.
    coordinates : Coordinates
        Description of the columns.
    directions : sequence of Direction
        Directions that were searched for.
    profile, power : optional
        The divergence after noise, and the power on blocks.
    seed : int
    """
    return Figures(
        slices=slice_figures(canonical, battery, names),
        coordinates=coordinate_figures(coordinates, cube_rows(canonical, coordinates.m), names),
        spectrum=spectrum_figure(canonical, seed),
        scatter=scatter_figure(canonical, x, names, seed),
        directions=tuple(one.figure(names, canonical) for one in directions),
        profile=profile_figure(profile),
        detectability=power_figure(power),
    )


def slice_figures(
    canonical: Canonical, battery: Battery, names: Sequence[str] | None
) -> tuple[SliceFigure, ...]:
    """Return Q-Q plots of the worst and of a typical slice, with simultaneous 95% bands."""
    assert battery.directions is not None
    roles = list(chosen_slices(battery.extras["squared-wasserstein"]))
    slices = project(canonical.rows, battery.directions[[index for _, index, _ in roles]])
    view = SliceView(slices, canonical.parameters)
    positions = _positions(view.n)
    theoretical = ndtri((positions + 0.5) / view.n)
    low, high = _band(view.n)
    pvalues = _pvalues(view)
    figures = []
    for i, (role, index, title) in enumerate(roles):
        observed = (view.sorted[i, positions].astype(np.float64) - view.loc[i]) / view.scale[i]
        figures.append(
            SliceFigure(
                role=role,
                slice=index,
                title=title,
                theoretical=seven_digits(theoretical),
                observed=seven_digits(observed),
                low=seven_digits(low),
                high=seven_digits(high),
                loadings=loadings(battery.directions[index], names, canonical),
                pvalue=pvalues[i],
            )
        )
    return tuple(figures)


def _positions(n: int) -> NDArray[np.intp]:
    """Return the ranks to show, evenly spaced in normal scores, the extremes included."""
    edge = float(ndtri(0.5 / n))
    ranks = ndtr(np.linspace(edge, -edge, min(POINTS, n))) * n - 0.5
    return np.unique(np.clip(np.rint(ranks), 0, n - 1).astype(np.intp))


@lru_cache(maxsize=8)
def _band(n: int) -> tuple[Vector, Vector]:
    """Return a simultaneous 95% band of order statistics of N(0, 1) with equal local levels.

    The limits of each point are exact quantiles (uniform order statistics are beta) at the local
    level for which 95% of samples are inside at all points (Aldor-Noiman et al. 2013). Samples
    are drawn jointly as cumulative gammas. The band belongs to n: all reports of n rows share it.
    """
    rng, positions = stream(0, "pictures/band"), _positions(n)
    shapes = np.diff(np.concatenate([[-1], positions, [n]])).astype(np.float64)
    draws = np.cumsum(rng.standard_gamma(shapes, size=(BANDS, len(shapes))), axis=1)
    below, above = positions + 1.0, n - positions.astype(np.float64)
    cdf = betainc(below, above, draws[:, :-1] / draws[:, -1:])
    level = float(np.quantile(np.minimum(cdf, 1.0 - cdf).min(axis=1), 0.05))
    low, high = betaincinv(below, above, level), betaincinv(below, above, 1.0 - level)
    return np.asarray(ndtri(low)), np.asarray(ndtri(high))


def _pvalues(view: SliceView) -> list[float]:
    """Return the published Anderson-Darling p-value of each single slice."""
    statistics = ANDERSON_DARLING.statistic(view)
    law = ANDERSON_DARLING.published[view.parameters]
    return [float(p) for p in np.atleast_1d(law(statistics, view.n))]


def coordinate_figures(
    coordinates: Coordinates, cube: NDArray[Any] | None, names: Sequence[str] | None
) -> tuple[CoordinateFigure, ...]:
    """Return histograms of the columns farthest from their target, worst first.

    Parameters
    ----------
    coordinates : Coordinates
    cube : ndarray, shape (m, d), or None
        The same rows in the unit cube, for a uniform target.
    names : sequence of str, optional
    """
    figures = []
    for j in map(int, np.argsort(-coordinates.ks, kind="stable")[:SHOWN]):
        mean, sd = float(coordinates.mean[j]), float(coordinates.sd[j])
        values = np.asarray(coordinates.values[:, j], dtype=np.float64)
        if cube is not None:
            values = np.asarray(cube[:, j], dtype=np.float64)
            edges, density = histogram(values, 0.0, 1.0)
            mean, sd = float(values.mean()), float(values.std())
        elif coordinates.fitted:
            edges, density = histogram((values - mean) / (sd or 1.0), -4.0, 4.0)
        else:
            reach = float(np.clip(np.abs(values).max(), 4.0, 12.0))
            edges, density = histogram(values, -reach, reach)
        figures.append(
            CoordinateFigure(
                name=column_name(names, j),
                ks=float(coordinates.ks[j]),
                reference=None if cube is None else "uniform",
                edges=seven_digits(edges),
                density=seven_digits(density),
                mean=mean,
                sd=sd,
            )
        )
    return tuple(figures)


def cube_rows(canonical: Canonical, count: int) -> NDArray[Any] | None:
    """Return `count` rows in the unit cube, for a uniform target; None for others."""
    if canonical.cube is None:
        return None
    step = -(-len(canonical.cube) // count)
    return np.asarray(np.clip(canonical.cube[::step], 0.0, 1.0))


def scatter_figure(
    canonical: Canonical, x: NDArray[Any], names: Sequence[str] | None, seed: int
) -> ScatterFigure | None:
    """Return rows of few columns with what their target looks like; None for other samples.

    A fitted normal is drawn in the units of the data, other targets where their tests are: on
    normal scale, in the unit cube, or on the unit sphere.

    Parameters
    ----------
    canonical : Canonical
    x : ndarray, shape (n, d)
        The sample.
    names : sequence of str, optional
    seed : int
    """
    d = x.shape[1]
    if d not in SCATTERED or (not canonical.fitted and canonical.rows.shape[1] != d):
        return None
    law: Literal["normal", "cube", "sphere"] = "normal"
    mean, covariance = np.zeros(d), np.eye(d)
    rows: NDArray[Any] = canonical.rows
    if canonical.fitted:
        rows, mean, covariance = x, canonical.mean, canonical.covariance
    elif canonical.cube is not None:
        rows, law = canonical.cube, "cube"
    elif canonical.unit is not None:
        rows, law = canonical.unit, "sphere"
    n = len(rows)
    kept = slice(None) if n <= ROWS else stream(seed, "pictures/scatter").permutation(n)[:ROWS]
    normal = law == "normal"
    return ScatterFigure(
        names=column_names(names, d),
        points=tuple(numbers([float(f"{v:.5g}") for v in rows[kept, j]]) for j in range(d)),
        law=law,
        mean=seven_digits(mean) if normal else (),
        covariance=tuple(map(seven_digits, covariance)) if normal else (),
    )


def spectrum_figure(canonical: Canonical, seed: int) -> SpectrumFigure | None:
    """Return the eigenvalues of the covariance, and their band for N(0, I) at this n and d.

    There is no band for any-normal, which allows every spectrum.
    """
    n = len(canonical.rows)
    d = len(canonical.mean)
    if d > LARGEST_SPECTRUM or d < 2:
        return None
    observed = seven_digits(np.linalg.eigvalsh(canonical.covariance)[::-1][:EIGENVALUES])
    if canonical.fitted or n <= d:
        none = (None,) * len(observed)
        return SpectrumFigure(observed=observed, low=none, high=none, reference=none)
    low, middle, high = _spectrum_band(n, d, seed)
    return SpectrumFigure(
        observed=observed,
        low=seven_digits(low[:EIGENVALUES]),
        high=seven_digits(high[:EIGENVALUES]),
        reference=seven_digits(middle[:EIGENVALUES]),
    )


def _spectrum_band(n: int, d: int, seed: int) -> tuple[Vector, Vector, Vector]:
    """Return low, middle and high of a band of ordered eigenvalues for N(0, I).

    It contains all eigenvalues of about 95% of samples; its middle is the mean of a few draws.
    """
    count = SPECTRA if d <= 128 else SPECTRA // 2
    draws = np.array([_null_spectrum(n, d, seed, i) for i in range(count)])
    middle = draws.mean(axis=0)
    width, spread = eigenvalue_spread(draws)
    width *= np.sqrt(1.0 + 1.0 / count)
    return middle - width * spread, middle, middle + width * spread


def _null_spectrum(n: int, d: int, seed: int, index: int) -> Vector:
    """Eigenvalues of the 1/n covariance of n rows of N(0, I), by Bartlett's decomposition."""
    rng = stream(seed, "pictures/spectrum", index)
    factor = np.tril(rng.standard_normal((d, d)), -1)
    factor[np.diag_indices(d)] = np.sqrt(rng.chisquare(n - 1 - np.arange(d)))
    return np.asarray(np.linalg.eigvalsh(factor @ factor.T / n)[::-1])


def profile_figure(profile: KLProfile | None) -> ProfileFigure | None:
    """Return the numbers of the divergence after noise."""
    return None if profile is None else serial.record(ProfileFigure, serial.plain(profile))


def power_figure(power: Detectability | None) -> PowerFigure | None:
    """Return the numbers of the power on disjoint blocks."""
    return None if power is None else serial.record(PowerFigure, serial.plain(power))
