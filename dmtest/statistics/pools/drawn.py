"""Statistics of a sample against a large draw of the law that it should follow.

Each takes the large draw, as whitened scores of shape (m, r), and returns the statistic as a
function of samples of shape (n, r), with all that depends on the draw computed once. Its values
are ratios to their means under the law: near 1 for a sample of the law, larger is worse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

# From the rows of a sample to its values, larger is worse: shape (c,).
Measured: TypeAlias = Callable[[Vector], Vector]

# Bandwidths as shares of the median distance; frequencies of each; rows of the median.
WIDTHS, FREQUENCIES, MEDIAN_ROWS = (0.25, 0.5, 1.0), 128, 1000
# Most columns with products of all pairs.
PRODUCTS = 256
# Variances below this are rounding.
TINY = 1e-12


def mmd(draw: Vector, seed: int, bandwidth: float | None = None) -> Measured:
    """Squared maximum mean discrepancy to the draw, over its mean under the law.

    Gaussian kernel (Gretton et al. 2012) from 128 random frequencies (Rahimi & Recht 2007), one
    value a bandwidth: `bandwidth`, or 1/4, 1/2 and 1 times the median distance of drawn rows.
    """
    from scipy.spatial.distance import pdist

    r = draw.shape[1]
    middle = float(np.median(pdist(draw[:MEDIAN_ROWS]))) or 1.0
    widths = [share * middle for share in WIDTHS] if bandwidth is None else [bandwidth]
    rng = stream(seed, "sampled/frequencies")
    frequencies = np.concatenate(
        [rng.standard_normal((r, FREQUENCIES)) / width for width in widths], axis=1
    )

    def waves(rows: Vector) -> NDArray[np.float32]:
        # Single precision takes a fifth of the time; its error is far below the noise of means.
        angle = (rows @ frequencies).astype(np.float32)
        return np.concatenate([np.cos(angle), np.sin(angle)], axis=1)

    mean, spread = _mean_and_variance(draw, waves)
    shape = (2, len(widths), FREQUENCIES)
    expected = spread.reshape(shape).sum(axis=(0, 2))
    expected[expected < TINY] = np.inf

    def measured(rows: Vector) -> Vector:
        squared = np.square(waves(rows).mean(axis=0, dtype=np.float64) - mean).reshape(shape)
        return np.asarray(len(rows) * squared.sum(axis=(0, 2)) / expected)

    return measured


def moments(draw: Vector, seed: int) -> Measured:
    """Squared differences of moments to the draw's, each over its variance under the law.

    Four values: the mean over columns of those of the means; over pairs of columns of those of
    the products (beyond 256 columns of the squares only); that of the mean row length; and the
    largest of all.
    """
    r = draw.shape[1]
    pairs = np.triu_indices(r) if r <= PRODUCTS else (np.arange(r), np.arange(r))

    def products(rows: Vector) -> Vector:
        if r > PRODUCTS:
            return np.asarray(np.square(rows).mean(axis=0))
        return np.asarray((rows.T @ rows / len(rows))[pairs])

    def lengths(rows: Vector) -> Vector:
        return np.asarray(np.sqrt(np.einsum("ij,ij->i", rows, rows)))

    def all_of(rows: Vector) -> Vector:
        return np.concatenate([rows.mean(axis=0), products(rows), [lengths(rows).mean()]])

    centre = all_of(draw)
    variance = np.concatenate(
        [
            draw.var(axis=0),
            products(np.square(draw)) - np.square(centre[r:-1]),
            [lengths(draw).var()],
        ]
    )
    variance[variance < TINY] = np.inf

    def measured(rows: Vector) -> Vector:
        squared = len(rows) * np.square(all_of(rows) - centre) / variance
        return np.array([squared[:r].mean(), squared[r:-1].mean(), squared[-1], squared.max()])

    return measured


def _mean_and_variance(
    draw: Vector, features: Callable[[Vector], NDArray[np.float32]], tile: int = 4096
) -> tuple[Vector, Vector]:
    """Return mean and variance of features of rows, by tiles of rows."""
    total = square = np.zeros(1)
    for start in range(0, len(draw), tile):
        part = features(draw[start : start + tile])
        total = total + part.sum(axis=0, dtype=np.float64)
        square = square + np.square(part).sum(axis=0, dtype=np.float64)
    mean = total / len(draw)
    return mean, square / len(draw) - np.square(mean)
