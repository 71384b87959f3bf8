"""Shipped nulls: replicates of the default battery's tests without a simulation.

For a grid of n and d the file has the location, scale and standardised quantiles of every
statistic under the null, and for every d the joint ranks of all statistics in one set of
replicates. Replicates at other n and d combine the two: quantiles by cubic interpolation in
log n and log d, in the order of the ranks at the nearest d. They are used like simulated
replicates, also for min-p over tests. ``benchmarks/nulls`` builds the file and measures the
error of interpolation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from dmtest.catalogue.spec import OneSampleTest, RowTest, SliceTest
from dmtest.runtime.typing import Vector

PATH = Path(__file__).parent / "data" / "nulls.npz"
# Slices of the shipped nulls, replicates that their joint ranks give, and their largest n.
SLICES, RANKED, MOST_ROWS = 64, 2000, 10_000
# Probabilities of the quantiles: denser in the tails.
LEVELS = ndtr(np.linspace(-3.3, 3.3, 67))


def column_names(slices: Sequence[SliceTest], rows: Sequence[RowTest]) -> list[str]:
    """Return the file's columns: mean and worst slice of a slice test, one of a test of rows."""
    names = [f"{spec.name}/{view}" for spec in slices for view in ("slices", "worst")]
    return names + [spec.name for spec in rows]


def holds(parameters: str, n: int, d: int, specs: Sequence[OneSampleTest]) -> bool:
    """Whether the file has the nulls of all these tests at this n and d."""
    if any(spec.space in ("cube", "sphere") for spec in specs):
        return False  # other tests by the same names
    if not set(_columns_of(specs)) <= set(_load()[f"{parameters}/columns"]):
        return False
    return all(_neighbourhood(parameters, n, at) is not None for at in (min(d, SLICES), d))


def _columns_of(specs: Sequence[OneSampleTest]) -> list[str]:
    """Return the columns of tests, those of slices first."""
    slices = [spec for spec in specs if isinstance(spec, SliceTest)]
    return column_names(slices, [spec for spec in specs if isinstance(spec, RowTest)])


def shipped_replicates(
    parameters: str, n: int, d: int, specs: Sequence[OneSampleTest]
) -> Vector | None:
    """Return replicates of tests, interpolated in n and d; None if the file has none.

    Parameters
    ----------
    parameters : {"known", "fitted"}
    n, d : int
        Rows and columns that the null is calibrated at.
    specs : sequence of SliceTest or RowTest

    Returns
    -------
    ndarray, shape (replicates, tests, 2), or None
        Mean and worst slice of a slice test; a statistic of rows twice. None if (n, d) is off
        the grid, or a test is not in the file.
    """
    if not holds(parameters, n, d, specs):
        return None
    table, labels = _load(), _columns_of(specs)
    names = table[f"{parameters}/columns"]
    # From d = SLICES on the slices are SLICES independent columns.
    slice_labels = [name for name in labels if "/" in name]
    rows = [spec for spec in specs if isinstance(spec, RowTest)]
    means = {spec.name: spec.null_mean(n, d) for spec in rows if spec.null_mean is not None}
    parts = (
        _interpolate(parameters, n, min(d, SLICES), slice_labels, {}),
        _interpolate(parameters, n, d, labels[len(slice_labels) :], means),
    )
    place, scale, shape = (np.concatenate(pair) for pair in zip(*parts, strict=True))
    positions = [names.index(name) for name in labels]
    order = table[f"{parameters}/ranks"][int(np.abs(np.log(table["d"] / d)).argmin())][:, positions]
    probability = (np.arange(len(order)) + 0.5) / len(order)
    quantiles = np.stack([np.interp(probability, LEVELS, q) for q in shape])
    values = place + scale * np.take_along_axis(quantiles.T, order.astype(np.intp), axis=0)
    out = np.empty((len(order), len(specs), 2))
    position = {name: j for j, name in enumerate(labels)}
    for j, spec in enumerate(specs):
        views = (f"{spec.name}/slices", f"{spec.name}/worst")
        both = views if isinstance(spec, SliceTest) else (spec.name, spec.name)
        for side, name in enumerate(both):
            out[:, j, side] = values[:, position[name]]
    return out


def _interpolate(
    parameters: str, n: int, d: int, labels: list[str], means: Mapping[str, float]
) -> tuple[Vector, Vector, Vector]:
    """Interpolate location, scale and standardised quantiles; `means` are exact locations."""
    table, neighbours = _load(), _neighbourhood(parameters, n, d)
    assert neighbours is not None
    rows, columns = neighbours
    cell = np.ix_(rows, columns, [table[f"{parameters}/columns"].index(name) for name in labels])
    place, scale = table[f"{parameters}/place"][cell], table[f"{parameters}/scale"][cell]
    quantiles = table[f"{parameters}/quantiles"][cell].astype(np.float64)
    ns, ds = table["n"][rows], table["d"][columns]
    weights = np.outer(_lagrange(ns, n), _lagrange(ds, d))
    new_scale = np.exp(np.einsum("nd,ndc->c", weights, np.log(scale)))
    location = _location(place, scale, weights, new_scale)
    location = np.array([means.get(name, m) for name, m in zip(labels, location, strict=True)])
    return location, new_scale, np.einsum("nd,ndcq->cq", weights, quantiles)


def _location(place: Vector, scale: Vector, weights: Vector, new_scale: Vector) -> Vector:
    """Interpolate the location, by logarithms where its ratio to the scale would lose digits."""
    ratio = np.einsum("nd,ndc->c", weights, place / scale) * new_scale
    with np.errstate(invalid="ignore", divide="ignore"):
        positive = np.exp(np.einsum("nd,ndc->c", weights, np.log(place)))
        below_one = 1.0 - np.exp(np.einsum("nd,ndc->c", weights, np.log1p(-place)))
    least, most = place.min(axis=(0, 1)), place.max(axis=(0, 1))
    location = np.where(least > 0.0, positive, ratio)
    return np.asarray(np.where((least > 0.5) & (most < 1.0), below_one, location))


def _neighbourhood(
    parameters: str, n: int, d: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
    """Return grid points around (n, d), as many as the grid has there in both directions."""
    table = _load()
    available = ~np.isnan(table[f"{parameters}/place"][:, :, 0])
    stencils = _stencils(table["n"], n), _stencils(table["d"], d)
    pairs = [(rows, columns) for rows in stencils[0] for columns in stencils[1]]
    pairs.sort(key=lambda pair: -min(len(pair[0]), len(pair[1])) - 0.1 * len(pair[0]))
    return next((pair for pair in pairs if available[np.ix_(*pair)].all()), None)


def _stencils(grid: NDArray[Any], value: int) -> list[NDArray[np.intp]]:
    """Return runs of up to four grid points, first those with the value in the middle.

    A value on the grid is the only run; one beyond the ends of the grid has none.
    """
    if not grid[0] <= value <= grid[-1]:
        return []
    exact = np.flatnonzero(grid == value)
    if len(exact):
        return [exact]
    right = int(np.searchsorted(grid, value))
    starts = ((right - 2, 4), (right - 1, 4), (right - 3, 4), (right - 1, 3), (right - 2, 3))
    runs = [*starts, (right - 1, 2)]
    return [
        np.arange(first, first + size)
        for first, size in runs
        if first >= 0 and first + size <= len(grid)
    ]


def _lagrange(points: NDArray[Any], value: int) -> Vector:
    """Weights of Lagrange's polynomial in logarithms of grid points."""
    x, at = np.log(points.astype(np.float64)), np.log(value)
    weights = np.ones(len(x))
    for j in range(len(x)):
        others = np.delete(x, j)
        weights[j] = np.prod((at - others) / (x[j] - others))
    return weights


@lru_cache(maxsize=1)
def _load() -> dict[str, Any]:
    with np.load(PATH, allow_pickle=False) as file:
        table = {name: file[name] for name in file.files}
    for parameters in ("known", "fitted"):
        key = f"{parameters}/columns"
        table[key] = [str(name) for name in table[key]]
    return table
