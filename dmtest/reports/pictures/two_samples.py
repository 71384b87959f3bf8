"""The numbers behind the figures of a report on two samples."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dmtest.effects.coordinates import column_name
from dmtest.effects.directions.one_sample import loadings
from dmtest.effects.two_sample import Moments
from dmtest.engines.labelled_slices import LabelledStatistic
from dmtest.engines.pool import Labels, Pool
from dmtest.reports.pictures.one_sample import (
    EIGENVALUES,
    LARGEST_SPECTRUM,
    POINTS,
    SHOWN,
    SPECTRA,
    chosen_slices,
    eigenvalue_spread,
    seven_digits,
)
from dmtest.results.figures import (
    CoordinateFigure,
    Numbers,
    SliceFigure,
    SpectrumFigure,
)
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.typing import Vector

# Most permutations behind the band of a slice; most bins of a histogram.
BANDS, BINS = 499, 60
# Most rows times squared columns with a band of the spectrum.
SPECTRUM_WORK = 500_000_000


def column_distances(pool: Pool) -> Vector:
    """Kolmogorov-Smirnov distance of the two samples in each column: shape (d,)."""

    def task(part: slice) -> Vector:
        distances = []
        for j in range(part.start, part.stop):
            x, y = np.sort(pool.x[:, j]), np.sort(pool.y[:, j])
            grid = np.concatenate([x, y])
            difference = np.searchsorted(x, grid, side="right") / pool.n
            difference -= np.searchsorted(y, grid, side="right") / pool.m
            distances.append(float(np.abs(difference).max()))
        return np.array(distances)

    return np.concatenate(list(run_tasks(task, blocks(pool.d, 16))))


def column_figures(
    pool: Pool, distances: Vector, names: Sequence[str] | None
) -> tuple[CoordinateFigure, ...]:
    """Return histograms of the columns that differ most, in both samples."""
    figures = []
    for j in map(int, np.argsort(-distances, kind="stable")[:SHOWN]):
        x, y = (np.asarray(a[:, j], dtype=np.float64) for a in (pool.x, pool.y))
        low, high = np.quantile(np.concatenate([x, y]), [0.002, 0.998])
        bins = int(np.clip(np.sqrt(min(len(x), len(y))), 8, BINS))
        room = 0.05 * (high - low) or 0.5
        room = max(room, bins * float(np.spacing(max(abs(low), abs(high)))))  # bins have widths
        edges = np.linspace(low - room, high + room, bins + 1)
        ours, theirs = (
            np.histogram(np.clip(a, edges[0], edges[-1]), edges)[0] / (len(a) * np.diff(edges))
            for a in (x, y)
        )
        figures.append(
            CoordinateFigure(
                name=column_name(names, j),
                ks=float(distances[j]),
                edges=seven_digits(edges),
                density=seven_digits(ours),
                reference="sample",
                reference_density=seven_digits(theirs),
                mean=float(x.mean()),
                sd=float(x.std()),
            )
        )
    return tuple(figures)


def pair_slice_figures(
    pool: Pool, drawn: LabelledStatistic, names: Sequence[str] | None, replicates: int
) -> tuple[SliceFigure, ...]:
    """Return Q-Q plots of data against reference, of the worst and of a typical slice."""
    assert drawn.slices is not None
    assert drawn.distances is not None
    lines = drawn.slices
    scaled = drawn.distances / np.where(lines.spread > 0.0, lines.spread, 1.0)[:, None]
    marks = Labels(pool.n, pool.m, min(replicates, BANDS), pool.seed)
    figures = []
    for role, k, title in chosen_slices(scaled[:, 0]):
        exceeding = np.count_nonzero(scaled[k, 1:] >= scaled[k, 0] * (1.0 - 1e-11))
        expected, observed, low, high = _quantiles(lines.values[k], lines.order[k], marks)
        figures.append(
            SliceFigure(
                role=role,
                slice=k,
                title=title,
                theoretical=seven_digits(expected),
                observed=seven_digits(observed),
                low=seven_digits(low),
                high=seven_digits(high),
                loadings=loadings(lines.directions[k], names),
                pvalue=(1.0 + exceeding) / scaled.shape[1],
            )
        )
    return tuple(figures)


def _quantiles(values: Vector, order: NDArray[np.int32], labels: Labels) -> tuple[Vector, ...]:
    """Return quantiles of reference and data, in sds of the reference, and a simultaneous band.

    The 95% band is that of the difference under permutation, at the local level for which 95% of
    permutations are inside at all points.
    """
    fewer = min(labels.n, labels.m)
    at = (np.arange(min(POINTS, fewer)) + 0.5) / min(POINTS, fewer)
    ours = (at * labels.n).astype(np.intp)
    theirs = (at * labels.m).astype(np.intp)
    differences = []
    first: tuple[Vector, Vector] | None = None
    for batch in labels.batches():
        for marks in labels.marks(batch):
            mine = marks[order] == 1
            pair = values[mine][ours], values[~mine][theirs]
            if first is None:
                first = pair
                y = values[~mine]
                middle, spread = float(y.mean()), float(y.std()) or 1.0
            else:
                differences.append(pair[0] - pair[1])
    assert first is not None
    draws = np.sort(np.stack(differences), axis=0)
    places = np.argsort(np.argsort(np.stack(differences), axis=0, kind="stable"), axis=0)
    count = len(draws)
    closest = np.minimum(places, count - 1 - places).min(axis=1)
    level = int(np.quantile(closest, 0.05, method="lower"))
    low, high = draws[level], draws[count - 1 - level]
    observed, expected = ((a - middle) / spread for a in first)
    return expected, observed, expected + low / spread, expected + high / spread


def pair_spectrum_figure(pool: Pool, ours: Moments, theirs: Moments) -> SpectrumFigure | None:
    """Return eigenvalues of both covariances, and a permutation band around the reference's."""
    d = pool.d
    if not 2 <= d <= LARGEST_SPECTRUM:
        return None
    observed, reference = (
        np.linalg.eigvalsh(one.covariance)[::-1][:EIGENVALUES] for one in (ours, theirs)
    )
    low: Numbers = (None,) * len(observed)
    high = low
    if pool.total * d**2 <= SPECTRUM_WORK and min(pool.n, pool.m) > d:
        width = _spectrum_width(pool)[:EIGENVALUES]
        low, high = seven_digits(reference - width), seven_digits(reference + width)
    return SpectrumFigure(
        observed=seven_digits(observed), low=low, high=high, reference=seven_digits(reference)
    )


def _spectrum_width(pool: Pool) -> Vector:
    """Return the half width of the band of each eigenvalue, from permuted differences."""
    rows = pool.rows(slice(0, pool.total))
    marks = Labels(pool.n, pool.m, SPECTRA, pool.seed).marks(slice(1, SPECTRA + 1))

    def one(b: int) -> Vector:
        mine = marks[b] == 1
        pair = (np.linalg.eigvalsh(np.cov(rows[w].T, ddof=0))[::-1] for w in (mine, ~mine))
        return np.asarray(next(pair) - next(pair))

    width, spread = eigenvalue_spread(np.stack(list(run_tasks(one, range(SPECTRA)))))
    return width * spread
