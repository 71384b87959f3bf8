"""Kullback-Leibler divergence of the fitted normal from N(0, I), in parts, in nats."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, ndtri

from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.targets.targets import Canonical
from dmtest.targets.transforms import independent_columns

__all__ = ["PARTS", "gaussian_effects", "influence_variance", "unbiased_parts"]

Vector = NDArray[np.float64]
PARTS = ("mean", "scale", "correlation", "fitted-normal")
LABELS = {
    "fitted-normal": "KL of the fitted normal from N(0, I)",
    "mean": "of this, from the mean",
    "scale": "of this, from the variances",
    "correlation": "of this, from correlations",
}


def gaussian_effects(canonical: Canonical, confidence: float = 0.95) -> list[Effect]:
    """Estimate KL(N(m, S) || N(0, I)) = |m|^2/2 + sum (s_i^2 - 1 - log s_i^2)/2 - log det(R)/2.

    The finite-sample bias is removed, exactly under normality: |m|^2, the variances and the
    log-determinant (E log det is a sum of digammas) are each replaced by their unbiased
    estimates (:func:`unbiased_parts`). No part can be negative, so what is shown is cut off
    at 0; an estimate that was below it reads 0. Intervals are by
    the delta method: the influence of a row on each part, averaged over rows, joined with
    the chi-squared variance that is left when the part is 0.

    Returns
    -------
    list of Effect
        The whole and its three parts; value None where the covariance is singular.
    """
    n, d = canonical.rows.shape
    mean, covariance = canonical.mean, canonical.covariance
    if n <= d + 1 or len(independent_columns(covariance, n)) < d:
        why = f"it takes more than {d + 1} rows" if n <= d + 1 else "the divergence is infinite"
        note = f"not estimable: the covariance of n = {n} rows is singular in d = {d}; {why}"
        return [_effect("fitted-normal", None, None, confidence, note)]
    values = unbiased_parts(mean, covariance, n)
    variance = influence_variance(canonical.rows, mean, covariance) / n
    variance += _second_order(covariance, n)
    margins = float(ndtri(0.5 + 0.5 * confidence)) * np.sqrt(variance)
    note = "bias of finite n removed, cut off at 0"
    order = (3, 0, 1, 2)
    return [_effect(PARTS[j], float(values[j]), float(margins[j]), confidence, note) for j in order]


def unbiased_parts(mean: Vector, covariance: Vector, n: int) -> Vector:
    """Mean, scale, correlation and whole, each unbiased for normal data: shape (4,)."""
    d = len(mean)
    variances = np.diagonal(covariance)
    i = np.arange(1, d + 1)
    log_one = float(digamma((n - 1) / 2.0) + np.log(2.0 / n))
    log_all = float(digamma((n - i) / 2.0).sum() + d * np.log(2.0 / n))
    location = 0.5 * (float(mean @ mean) - float(variances.sum()) / (n - 1))
    spread = variances * (n / (n - 1.0))
    scale = 0.5 * float((spread - 1.0 - (np.log(variances) - log_one)).sum())
    logdet = float(np.linalg.slogdet(covariance)[1]) - log_all
    whole = 0.5 * (float(mean @ mean) + float(variances.sum()) - d - logdet)
    correlation = whole - location - scale if d > 1 else 0.0
    return np.array([location, scale, correlation, whole])


def _second_order(covariance: Vector, n: int) -> Vector:
    """Variance of each part where its influence vanishes: shape (4,).

    There a part is half the squared length of the error of the mean, a quarter of that of
    the variances' logarithms, or half that of the correlations.
    """
    d = len(covariance)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    location = float(np.square(covariance).sum())
    scale = float((correlation**4).sum())
    pairs = d * (d - 1) / 2.0
    return np.array([location, scale, pairs, location + scale + pairs]) / (2.0 * n * n)


def influence_variance(rows: NDArray[Any], mean: Vector, covariance: Vector) -> Vector:
    """Variance over rows of each part's influence function: shape (4,)."""
    variances = np.diagonal(covariance).copy()
    inverse = np.linalg.inv(np.linalg.cholesky(covariance)).T
    d = len(mean)

    def tile(part: slice) -> Vector:
        y = np.asarray(rows[part], dtype=np.float64) - mean
        square = y * y
        location = y @ mean
        scale = 0.5 * ((square @ (1.0 - 1.0 / variances)) - float((variances - 1.0).sum()))
        length = np.square(y @ inverse).sum(axis=1)
        whole = location + 0.5 * (square.sum(axis=1) - variances.sum()) - 0.5 * (length - d)
        correlation = whole - location - scale if d > 1 else np.zeros(len(y))
        influence = np.stack([location, scale, correlation, whole])
        return np.stack([influence.sum(axis=1), np.square(influence).sum(axis=1)])

    total = np.zeros((2, 4))
    for sums in run_tasks(tile, blocks(len(rows), ROW_TILE)):
        total += sums
    first, second = total / len(rows)
    spread: Vector = np.maximum(second - first**2, 0.0)
    return spread


def _effect(
    part: str, value: float | None, margin: float | None, confidence: float, note: str
) -> Effect:
    low = high = None
    if value is not None and margin is not None:
        low, high = max(0.0, value - margin), max(0.0, value + margin)
        value = max(0.0, value)
    return Effect(
        name=f"kl-{part}",
        label=LABELS[part],
        value=value,
        low=low,
        high=high,
        confidence=None if value is None else confidence,
        unit="nats",
        note=note,
    )
