"""Gaussian-process regression of simulated laws over shapes, with the error of every value.

A value that was simulated at many shapes, each with a known standard error, is a smooth
function of the shape: the regression estimates it at any shape from all of them (Rasmussen &
Williams 2006, 2.2 and 2.7). Its posterior standard deviation is the error that remains.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

Vector = NDArray[np.float64]
# Prior standard deviation of the trend's coefficients, in standard deviations of the values.
TREND = 10.0


@dataclass(frozen=True)
class Smoother:
    """A regression of values at shapes: a trend, and a smooth departure from it.

    Attributes
    ----------
    at, trend : ndarray, shapes (m, c) and (m, t)
        Coordinates of the shapes, and the terms of the trend there.
    spread, lengths : float, ndarray of shape (c,)
        Standard deviation and length scales of the departure.
    steep : float
        Prior standard deviation of the trend's coefficients.
    """

    at: Vector
    trend: Vector
    spread: float
    lengths: Vector
    steep: float

    def covariance(self, a: Vector, b: Vector, left: Vector, right: Vector) -> Vector:
        """Prior covariance of values at `a` and at `b` with terms `left` and `right`."""
        return _covariance(a, b, left, right, self.spread, self.lengths, self.steep)

    def predict(
        self, values: Vector, errors: Vector, at: Vector, trend: Vector
    ) -> tuple[Vector, Vector]:
        """Posterior mean and standard deviation at new shapes.

        Parameters
        ----------
        values, errors : ndarray, shape (m,)
            Simulated values and their standard errors; infinite where there is no value.
        at, trend : ndarray, shapes (q, c) and (q, t)

        Returns
        -------
        mean, deviation : ndarray, shape (q,)
        """
        use = np.isfinite(errors) & np.isfinite(values)
        inner = self.covariance(self.at[use], self.at[use], self.trend[use], self.trend[use])
        factor = cho_factor(inner + np.diag(errors[use] ** 2), lower=True)
        cross = self.covariance(at, self.at[use], trend, self.trend[use])
        mean = cross @ cho_solve(factor, values[use])
        prior = self.spread**2 + self.steep**2 * np.square(trend).sum(axis=1)
        explained = np.einsum("ij,ji->i", cross, cho_solve(factor, cross.T))
        return mean, np.sqrt(np.maximum(prior - explained, 0.0))


def fit(at: Vector, trend: Vector, values: Vector, errors: Vector) -> Smoother:
    """Choose spread and length scales by the likelihood of one or several sets of values.

    Parameters
    ----------
    at, trend : ndarray, shapes (m, c) and (m, t)
    values, errors : ndarray, shape (m, s)
        Several values of a shape, such as quantiles, which share the smoother.

    Returns
    -------
    Smoother
        The best of a grid, which is refined twice.
    """
    reach = np.maximum(np.ptp(at, axis=0), 1e-3)
    known = np.isfinite(errors) & np.isfinite(values)
    typical = max(
        float(np.std(y[use])) for y, use in zip(values.T, known.T, strict=True) if use.any()
    )
    typical = max(typical, 1e-9)
    steep = TREND * typical

    def cost(spread: float, lengths: Vector) -> float:
        total = 0.0
        for y, e, use in zip(values.T, errors.T, known.T, strict=True):
            x, terms = at[use], trend[use]
            inner = _covariance(x, x, terms, terms, spread, lengths, steep)
            factor = cho_factor(inner + np.diag(e[use] ** 2 + 1e-12 * steep**2), lower=True)
            total += float(y[use] @ cho_solve(factor, y[use]))
            total += 2.0 * float(np.log(np.diag(factor[0])).sum())
        return total

    best = np.log(np.array([0.1 * typical, *(0.5 * reach)]))
    for step in (1.6, 0.8, 0.4):
        offsets = step * np.array([-1.0, 0.0, 1.0])
        tried = [best + np.array(move) for move in product(offsets, repeat=len(best))]
        best = min(tried, key=lambda logs: cost(float(np.exp(logs[0])), np.exp(logs[1:])))
    return Smoother(at, trend, float(np.exp(best[0])), np.exp(best[1:]), steep)


def _covariance(
    a: Vector, b: Vector, left: Vector, right: Vector, spread: float, lengths: Vector, steep: float
) -> Vector:
    """Matern covariance of smoothness 5/2, plus the trend's."""
    gap = (a[:, None, :] - b[None, :, :]) / lengths
    r = np.sqrt(5.0 * np.square(gap).sum(axis=2))
    departure = (1.0 + r + r * r / 3.0) * np.exp(-r)
    return np.asarray(spread**2 * departure + steep**2 * left @ right.T)
