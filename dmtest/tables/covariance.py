"""The minimum covariance determinant (MCD): location and covariance that outliers do not move."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtr, chdtri

from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

Mask: TypeAlias = NDArray[np.bool_]

# Random starts, starts that are followed to the end, and most steps.
STARTS, FOLLOWED, STEPS = 200, 5, 40
# Most rows that starts are compared on; the best ones go on with all rows.
START_ROWS = 600
# Share of the rows' variance that is added to the covariance of a start, whose rows are few.
RIDGE = 1e-6
# Rows within this quantile of the squared distance are used by the final estimate.
WITHIN = 0.975
# A correlation matrix with a smaller eigenvalue is singular.
SINGULAR = 1e-12
# Shares of the rows in the subset of least determinant, until its covariance is regular. The
# first has the largest breakdown point.
SHARES = (0.5, 0.75, 1.0)


class Robust(NamedTuple):
    """Squared robust distances of rows, shape (n,), and what they were computed with.

    Attributes
    ----------
    squared : ndarray
    used : ndarray of bool
        Rows that the final estimate is the covariance of.
    share : float
        Share of the rows in the subset of least determinant; 1 is the classical estimate.
    """

    squared: Vector
    used: Mask
    share: float


def robust_distances(x: Vector, seed: int, share: float | None = None) -> Robust | None:
    """Distances of the rows by the reweighted MCD; None if their covariance is singular.

    The estimate is of Rousseeuw (1984), by the algorithm of Rousseeuw & Van Driessen (1999). The
    covariance of the half of the rows with the smallest determinant is scaled so that the median
    distance is that of a normal; rows within its .975 quantile give the final estimate, scaled to
    be consistent at the normal. Where more than half of the rows lie in a subspace (equal values of
    a column, say) the subset takes three quarters, or all.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        More than 2 d rows.
    seed : int
    share : float, optional
        The share of the rows in the subset; by default the smallest that is regular.
    """
    spread = x.std(axis=0)
    if not (spread > 0.0).all():
        return None
    y = (x - x.mean(axis=0)) / spread
    equal = max(int(np.unique(column, return_counts=True)[1].max()) for column in y.T)
    for one in SHARES if share is None else (share,):
        if equal >= _size(len(y), y.shape[1], one):
            continue
        found = _distances_at(y, one, seed)
        if found is not None:
            return found
    return None


def _distances_at(x: Vector, share: float, seed: int) -> Robust | None:
    n, d = x.shape
    chosen: Mask = np.ones(n, np.bool_)
    if share < 1.0:
        chosen = _least_determinant(x, _size(n, d, share), seed)
    mean, covariance = _moments(x, chosen)
    if _singular(covariance):
        return None
    squared = _distances(x, mean, covariance)
    used: Mask = np.ones(n, np.bool_)
    if share < 1.0:
        edge = float(chdtri(d, 1.0 - WITHIN))
        used = np.asarray(squared * (float(chdtri(d, 0.5) / np.median(squared))) <= edge)
        mean, covariance = _moments(x, used)
        if _singular(covariance):
            return None
        covariance *= WITHIN / float(chdtr(d + 2, edge))
    count = int(used.sum())
    return Robust(_distances(x, mean, covariance) * ((count - 1.0) / count), used, share)


def _size(n: int, d: int, share: float) -> int:
    """Rows of the subset: (n + d + 1) / 2 for the share 1/2, n for 1."""
    half = (n + d + 1) // 2
    return int(2 * half - n + 2 * (n - half) * share)


def _moments(x: Vector, chosen: Mask) -> tuple[Vector, Vector]:
    """Mean and 1/m covariance of the m chosen rows, for every choice: (..., n) to (..., d)."""
    weights = chosen / chosen.sum(axis=-1, keepdims=True)
    mean = weights @ x
    y = (x - mean[..., None, :]) * np.sqrt(weights)[..., None]
    return mean, np.swapaxes(y, -1, -2) @ y


def _distances(x: Vector, mean: Vector, covariance: Vector) -> Vector:
    """Squared Mahalanobis distances of the rows: shape (..., n)."""
    inverse = np.linalg.inv(np.linalg.cholesky(covariance))
    z = (x - mean[..., None, :]) @ np.swapaxes(inverse, -1, -2)
    return np.asarray(np.square(z).sum(axis=-1))


def _nearest(squared: Vector, h: int) -> Mask:
    """Mark the h rows with the smallest distances."""
    marked: Mask = np.zeros(squared.shape, np.bool_)
    np.put_along_axis(marked, np.argpartition(squared, h - 1, axis=-1)[..., :h], True, axis=-1)
    return marked


def _least_determinant(x: Vector, h: int, seed: int) -> Mask:
    """Mark the h rows whose covariance has the smallest determinant: (n,)."""
    n, d = x.shape
    rng = stream(seed, f"outliers/starts/{n}/{d}")
    rows = np.arange(n) if n <= START_ROWS else np.sort(rng.permutation(n)[:START_ROWS])
    m = len(rows)
    part, size, ridge = x[rows], max(2, round(h * m / n)), RIDGE * np.eye(d)
    marks = _nearest(rng.random((STARTS, m)), min(2 * d + 1, m))
    for _ in range(3):
        mean, covariance = _moments(part, marks)
        marks = _nearest(_distances(part, mean, covariance + ridge), size)
    mean, covariance = _moments(part, marks)
    best = np.argsort(np.linalg.slogdet(covariance + ridge)[1])[:FOLLOWED]
    mean, covariance = mean[best], covariance[best]
    chosen: Mask = np.zeros((len(best), n), np.bool_)
    for _ in range(STEPS):
        after = _nearest(_distances(x, mean, covariance + ridge), h)
        if (after == chosen).all():
            break
        chosen = after
        mean, covariance = _moments(x, chosen)
    return np.asarray(chosen[np.linalg.slogdet(covariance + ridge)[1].argmin()])


def _singular(covariance: Vector) -> bool:
    """Whether a covariance is singular to working precision, whatever the units of columns."""
    variances = np.diagonal(covariance)
    if (variances <= SINGULAR).any():
        return True
    scale = np.sqrt(variances)
    return bool(np.linalg.eigvalsh(covariance / np.outer(scale, scale))[0] < SINGULAR)
