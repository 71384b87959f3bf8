"""Samples that tests draw, and what they bring them to."""

from __future__ import annotations

import numpy as np

from dmtest.engines.rows import RowView
from dmtest.targets.transforms import mean_and_covariance, whiten


def mixing(rng: np.random.Generator, d: int, condition: float = 100.0) -> np.ndarray:
    """Draw a d by d matrix of this condition number.

    A matrix of normals has no bound: at 1e10 nothing that is computed from whitened rows has
    eight digits left.
    """
    left, right = (np.linalg.qr(rng.standard_normal((d, d)))[0] for _ in range(2))
    return np.asarray(left * np.geomspace(1.0, 1.0 / condition, d) @ right)


def unit(x: np.ndarray) -> np.ndarray:
    """Divide rows by their lengths."""
    return np.asarray(x / np.linalg.norm(x, axis=1)[:, None])


def whitened(x: np.ndarray) -> np.ndarray:
    """Return residuals: fitted mean and covariance taken out."""
    return whiten(x, *mean_and_covariance(x))


def view_of(x: np.ndarray) -> RowView:
    """Return what tests of residuals are given."""
    mean, covariance = mean_and_covariance(x)
    return RowView(whiten(x, mean, covariance), np.linalg.cholesky(covariance))
