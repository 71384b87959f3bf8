"""Whitening and the probability integral transform to normal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.errors import InputError
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks

Matrix = NDArray[np.float64]


def mean_and_covariance(x: NDArray[Any], single: bool = False) -> tuple[Matrix, Matrix]:
    """Return mean (d,) and 1/n covariance (d, d) in float64, by tiles of rows.

    With `single`, rows are float32 of mean near 0: products of a tile are in float32, too, and
    tiles are added in float64.
    """
    n, d = x.shape
    pivot = np.zeros(d) if single else np.asarray(x[:256]).mean(axis=0, dtype=np.float64)

    def tile(rows: slice) -> tuple[Matrix, Matrix]:
        y = np.asarray(x[rows]) if single else np.asarray(x[rows]) - pivot
        return y.sum(axis=0, dtype=np.float64), y.T @ y

    total, square = np.zeros(d), np.zeros((d, d))
    for first, second in run_tasks(tile, blocks(n, ROW_TILE)):
        total += first
        square += second
    shift = total / n
    covariance = square / n - np.outer(shift, shift)
    return pivot + shift, 0.5 * (covariance + covariance.T)


def cholesky(covariance: NDArray[Any]) -> Matrix:
    """Return the lower Cholesky factor in float64."""
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)


def unit_rows(x: NDArray[Any]) -> Matrix:
    """Divide rows by their lengths; a factor of a covariance becomes one of the correlation."""
    return np.asarray(x / np.sqrt(np.square(x).sum(axis=1))[:, None])


def independent_columns(covariance: Matrix, n: int, noise: float = 0.0) -> NDArray[np.intp]:
    """Return a largest set of columns that are not combinations of others, in ascending order.

    The method is a Cholesky factorisation of the correlation matrix with pivoting. A column is a
    combination of the columns before it if they leave less than ``max(n, d) * eps + noise`` of
    its variance unexplained.
    """
    from scipy.linalg import lapack

    scale = np.sqrt(np.diagonal(covariance))
    alive = np.flatnonzero(scale > 0.0)
    correlation = covariance[np.ix_(alive, alive)] / np.outer(scale[alive], scale[alive])
    tolerance = max(n, len(covariance)) * np.finfo(np.float64).eps + noise
    _, pivots, rank, _ = lapack.dpstrf(correlation, tol=tolerance, lower=1)
    return np.sort(alive[pivots[:rank] - 1])


def whiten(x: NDArray[Any], mean: Matrix, covariance: Matrix) -> NDArray[Any]:
    """Return rows L^-1 (x - mean) with L the lower Cholesky factor of `covariance`.

    For X = G A' + m with A lower triangular this is exactly the whitened G, so statistics of
    the result are pivotal, also along fixed directions. The dtype is that of `x`.
    """
    from scipy.linalg import lapack

    factor = np.linalg.cholesky(covariance)
    inverse = lapack.dtrtri(factor, lower=1)[0].T
    out = np.empty(x.shape, dtype=x.dtype)

    def tile(rows: slice) -> None:
        out[rows] = (np.asarray(x[rows]) - mean) @ inverse

    for _ in run_tasks(tile, blocks(len(x), ROW_TILE)):
        pass
    return out


def rounding_noise(mean: Matrix, covariance: Matrix, dtype: np.dtype[Any]) -> float:
    """Upper bound of the share of rounding to `dtype` in the variance of a column.

    A value is rounded by up to half an ulp, eps/2 of its size. For instance, float32 softmax rows
    sum to 1, so the residual of the last column is rounding and not data. At most 1e-6.
    """
    variance = np.diagonal(covariance)
    varying = variance > 0.0
    ratio = 1.0 + mean[varying] ** 2 / variance[varying]
    share = len(covariance) * float(np.finfo(dtype).eps) ** 2 / 3.0
    return float(min(1e-6, share * ratio.max(initial=1.0)))


def varying_columns(x: NDArray[Any], mean: Matrix, covariance: Matrix) -> NDArray[np.intp]:
    """Return the independent columns of `x`, with allowance for the rounding of its values.

    Raises
    ------
    InputError
        If every column is constant.
    """
    columns = independent_columns(covariance, len(x), rounding_noise(mean, covariance, x.dtype))
    if not len(columns):
        raise InputError("data: every column is constant; pass columns that vary.")
    return columns


def whiten_independent(
    x: NDArray[Any], mean: Matrix, covariance: Matrix
) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Whiten a largest set of columns that are not combinations of others; return both."""
    columns = varying_columns(x, mean, covariance)
    part = x if len(columns) == x.shape[1] else np.ascontiguousarray(x[:, columns])
    return whiten(part, mean[columns], covariance[np.ix_(columns, columns)]), columns


def normal_scores(u: NDArray[Any], resolution: float) -> Matrix:
    """Phi^-1(u), with values nearer to 0 or 1 than half of `resolution` moved to that distance.

    `resolution` is the ulp of the input below 1: the input cannot resolve smaller distances to 1,
    and both ends are treated alike.
    """
    out = np.empty(u.shape)

    def tile(rows: slice) -> None:
        part = np.asarray(u[rows], dtype=np.float64)
        lower = part < 0.5
        tail = np.maximum(np.where(lower, part, 1.0 - part), 0.5 * resolution)
        score = ndtri(tail)
        out[rows] = np.where(lower, score, -score)

    for _ in run_tasks(tile, blocks(len(u), ROW_TILE)):
        pass
    return out
