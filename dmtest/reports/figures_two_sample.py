"""The numbers behind the pictures of a report on two samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.effects.directions import loadings
from dmtest.effects.two_sample import Moments
from dmtest.engines.labelled_lines import Drawn
from dmtest.engines.pool import Labels, Pool
from dmtest.runtime.parallel import blocks, run_tasks

__all__ = [
    "column_distances",
    "columns_pictured",
    "slices_pictured",
    "spectrum_pictured",
]

Vector = NDArray[np.float64]

POINTS, BANDS, SPECTRA = 161, 499, 39
SHOWN, BINS = 12, 60
# Rows times squared columns up to which a band of the spectrum is permuted; columns shown.
SPECTRUM_WORK, EIGENVALUES = 500_000_000, 512


def column_distances(pool: Pool) -> Vector:
    """Kolmogorov-Smirnov distance of the two samples in every column: shape (d,)."""

    def task(part: slice) -> Vector:
        found = []
        for j in range(part.start, part.stop):
            x, y = np.sort(pool.x[:, j]), np.sort(pool.y[:, j])
            grid = np.concatenate([x, y])
            apart = np.searchsorted(x, grid, side="right") / pool.n
            apart -= np.searchsorted(y, grid, side="right") / pool.m
            found.append(float(np.abs(apart).max()))
        return np.array(found)

    return np.concatenate(list(run_tasks(task, blocks(pool.d, 16))))


def columns_pictured(
    pool: Pool, distances: Vector, names: Sequence[str] | None
) -> list[dict[str, Any]]:
    """Histograms of the columns that differ most, with the reference's."""
    pictures = []
    for j in map(int, np.argsort(-distances, kind="stable")[:SHOWN]):
        x, y = (np.asarray(a[:, j], dtype=np.float64) for a in (pool.x, pool.y))
        low, high = np.quantile(np.concatenate([x, y]), [0.002, 0.998])
        room = 0.05 * (high - low) or 0.5
        bins = int(np.clip(np.sqrt(min(len(x), len(y))), 8, BINS))
        edges = np.linspace(low - room, high + room, bins + 1)
        ours, theirs = (
            np.histogram(np.clip(a, edges[0], edges[-1]), edges)[0] / (len(a) * np.diff(edges))
            for a in (x, y)
        )
        pictures.append(
            {
                "name": f"x{j}" if names is None else str(names[j]),
                "ks": float(distances[j]),
                "edges": _rounded(edges),
                "density": _rounded(ours),
                "reference": "sample",
                "reference_density": _rounded(theirs),
                "mean": float(x.mean()),
                "sd": float(x.std()),
            }
        )
    return pictures


def slices_pictured(
    pool: Pool, drawn: Drawn, names: Sequence[str] | None, replicates: int
) -> list[dict[str, Any]]:
    """Q-Q plots of data against reference along the worst and a typical slice."""
    assert drawn.lines is not None
    assert drawn.per_line is not None
    lines = drawn.lines
    scaled = drawn.per_line / np.where(lines.spread > 0.0, lines.spread, 1.0)[:, None]
    order = np.argsort(scaled[:, 0], kind="stable")
    chosen = [("worst", int(order[-1]))]
    if len(order) > 1:
        chosen.append(("typical", int(order[len(order) // 2])))
    marks = Labels(pool.n, pool.m, min(replicates, BANDS), pool.seed)
    pictures = []
    for role, k in chosen:
        title = "The data" if len(order) == 1 else f"Slice {k}, the {role} of {len(order)}"
        ranked = np.count_nonzero(scaled[k, 1:] >= scaled[k, 0] * (1.0 - 1e-11))
        picture = _quantiles(lines.values[k], lines.order[k], marks)
        pictures.append(
            {
                "role": role,
                "slice": k,
                "title": title.replace("the typical", "a typical one"),
                **picture,
                "loadings": loadings(lines.directions[k], names),
                "pvalue": (1.0 + ranked) / scaled.shape[1],
            }
        )
    return pictures


def _quantiles(values: Vector, order: NDArray[np.int32], labels: Labels) -> dict[str, Any]:
    """Quantiles of both samples, in the reference's sds, and a simultaneous 95% band.

    The band is that of the difference under permutation, at the one local level which keeps
    95% of the permutations inside everywhere.
    """
    fewer = min(labels.n, labels.m)
    at = (np.arange(min(POINTS, fewer)) + 0.5) / min(POINTS, fewer)
    ours = (at * labels.n).astype(np.intp)
    theirs = (at * labels.m).astype(np.intp)
    apart = []
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
                apart.append(pair[0] - pair[1])
    assert first is not None
    draws = np.sort(np.stack(apart), axis=0)
    places = np.argsort(np.argsort(np.stack(apart), axis=0, kind="stable"), axis=0)
    count = len(draws)
    closest = np.minimum(places, count - 1 - places).min(axis=1)
    level = int(np.quantile(closest, 0.05, method="lower"))
    low, high = draws[level], draws[count - 1 - level]
    observed, expected = ((a - middle) / spread for a in first)
    return {
        "theoretical": _rounded(expected),
        "observed": _rounded(observed),
        "low": _rounded(expected + low / spread),
        "high": _rounded(expected + high / spread),
    }


def spectrum_pictured(pool: Pool, ours: Moments, theirs: Moments) -> dict[str, Any] | None:
    """Eigenvalues of both covariances, and a permuted band around the reference's."""
    d = pool.d
    if not 2 <= d <= 1024:
        return None
    observed, reference = (
        np.linalg.eigvalsh(one.covariance)[::-1][:EIGENVALUES] for one in (ours, theirs)
    )
    picture: dict[str, Any] = {"observed": _rounded(observed), "reference": _rounded(reference)}
    if pool.total * d**2 > SPECTRUM_WORK or min(pool.n, pool.m) <= d:
        none = [None] * len(observed)
        return picture | {"low": none, "high": none}
    from scipy.special import stdtrit

    rows = pool.rows(slice(0, pool.total))
    marks = Labels(pool.n, pool.m, SPECTRA, pool.seed).marks(slice(1, SPECTRA + 1))

    def one(b: int) -> Vector:
        mine = marks[b] == 1
        pair = (np.linalg.eigvalsh(np.cov(rows[w].T, ddof=0))[::-1] for w in (mine, ~mine))
        return np.asarray(next(pair) - next(pair))

    apart = np.stack(list(run_tasks(one, range(SPECTRA))))
    spread = apart.std(axis=0, ddof=1)
    reach = min(5, d // 4)
    padded = np.pad(spread, reach, mode="edge")
    # Neighbours vary alike: smoothing keeps a chance small spread from narrowing the band.
    smooth = np.array([padded[j : j + 2 * reach + 1].mean() for j in range(d)])
    width = float(stdtrit(3 * (SPECTRA - 1), 1.0 - 0.025 / d)) * np.maximum(spread, smooth)
    low, high = reference - width[:EIGENVALUES], reference + width[:EIGENVALUES]
    return picture | {"low": _rounded(low), "high": _rounded(high)}


def _rounded(values: NDArray[Any]) -> list[float]:
    """Seven digits draw the same picture and halve the page."""
    return [float(f"{value:.7g}") for value in values]
