"""Divergence after noise of the law with the same moments: a lower bound of that of the rows."""

from __future__ import annotations

import numpy as np

from dmtest.information.columns import Part, column_part
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.typing import Vector


def normal_part(x: Vector, s: float) -> Part:
    """Return KL(N(m, S + s^2 I) || N(0, (1 + s^2) I)), with m and S of the rows, shape (n, d)."""
    return normal_parts(x, np.array([s]))[0]


def normal_parts(x: Vector, levels: Vector) -> list[Part]:
    """Return `normal_part` at every level of the noise: the products with the rows serve all."""
    n, d = x.shape
    mean = x.mean(axis=0)
    covariance = np.zeros((d, d))
    for part in blocks(n, ROW_TILE):
        y = x[part] - mean
        covariance += y.T @ y / n
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    noisy = values + np.square(levels)[:, None]
    clean = np.flatnonzero(levels == 0.0)
    logs = np.log(noisy, where=noisy > 0.0, out=np.zeros_like(noisy)).sum(axis=1)
    if len(clean):
        # Without noise, columns of very different scales have eigenvalues that are lost in the
        # rounding of the largest: those of the correlations are not.
        scale = np.sqrt(np.diagonal(covariance))
        own, axes = np.linalg.eigh(covariance / scale / scale[:, None])
        own = np.maximum(own, np.finfo(np.float64).eps)
        logs[clean] = np.log(own).sum() + 2.0 * np.log(scale).sum()
    lengths, along, squared = np.empty((len(levels), n)), np.empty(n), np.empty(n)
    noise = np.setdiff1d(np.arange(len(levels)), clean)
    for part in blocks(n, ROW_TILE):
        y = x[part] - mean
        if len(noise):
            lengths[noise, part] = (1.0 / noisy[noise]) @ np.square(y @ vectors).T
        if len(clean):
            lengths[clean, part] = np.square((y / scale) @ axes) @ (1.0 / own)
        along[part], squared[part] = y @ mean, np.einsum("ij,ij->i", y, y)
    return [
        _normal_part(float(s), mean, values, log, length, along, squared)
        for s, log, length in zip(levels, logs, lengths, strict=True)
    ]


def _normal_part(
    s: float,
    mean: Vector,
    values: Vector,
    log_determinant: float,
    length: Vector,
    along: Vector,
    squared: Vector,
) -> Part:
    """Return the part at one level.

    Parameters
    ----------
    s : float
        Standard deviation of the noise.
    mean, values : ndarray, shape (d,)
        Mean of the rows, and eigenvalues of their covariance.
    log_determinant : float
        Of the covariance after noise.
    length, along, squared : ndarray, shape (n,)
        Of the deviations from the mean: squared lengths with the inverse covariance after noise,
        products with the mean, squared lengths.
    """
    n, v = len(along), 1.0 + s * s
    ratio = values / (values + s * s) if s > 0.0 else np.ones_like(values)
    trace = float(np.sum((values + s * s) / v - 1.0)) + len(values) * np.log(v)
    value = 0.5 * float(mean @ mean) / v + 0.5 * (trace - log_determinant)
    influence = along / v + 0.5 * (squared / v - length)
    fourth = float(np.square(length).mean())
    squares = float(np.sum(ratio**2))
    bias = (0.5 * float(ratio.sum()) + 0.25 * (fourth - squares)) / n
    # Of second order, as for a normal: |m|^2 / (2 v), and |W^(1/2) dS W^(1/2)|^2 / 4.
    fourths, cubes, sixths = (float(np.sum(ratio**k)) for k in (4, 3, 6))
    variance = 0.5 * float(np.sum(values**2)) / v**2 + 0.25 * (squares**2 + fourths)
    third = float(np.sum(values**3)) / v**3 + 0.5 * (cubes**2 + sixths)
    spread = float(np.sqrt(variance)) / n
    skewness = third / n**3 / spread**3 if spread > 0.0 else 0.0
    return Part(value, bias, influence, spread, skewness)


def columns_part(x: Vector, e: float) -> Part:
    """Return the sum over columns of their divergences from the trapezoid."""
    parts = [column_part(np.ascontiguousarray(column), e, "uniform") for column in x.T]
    spread = float(np.sqrt(sum(one.spread**2 for one in parts)))
    third = sum(one.skewness * one.spread**3 for one in parts)
    influence = np.sum([one.influence for one in parts], axis=0)
    value, bias = (float(sum(one)) for one in zip(*[(p.value, p.bias) for p in parts], strict=True))
    return Part(value, bias, influence, spread, third / spread**3 if spread > 0.0 else 0.0)
