"""Sliced Wasserstein-2 distance to the target, debiased, with a confidence interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from dmtest.battery.one_sample import Battery
from dmtest.calibration.nulls import NullPlan, ShippedKey, SliceNull, null_of
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.slices import project
from dmtest.results.effect_table import SLICED_WASSERSTEIN, WORST_SLICE, Estimates
from dmtest.results.estimate import Estimate
from dmtest.runtime.typing import Vector
from dmtest.statistics.slices.wasserstein import NULL_ROWS, growth, squared_wasserstein
from dmtest.targets.canonical import Canonical

NULL_REPLICATES = 199
# Rows that the interval's variance is estimated from.
VARIANCE_ROWS = 20_000


def sliced_estimates(
    canonical: Canonical, battery: Battery, seed: int, *, shared: bool = False
) -> Estimates:
    """Estimate the squared sliced distance, and return that of the worst slice.

    The squared distance is debiased by its mean under the null at this n. Its standard
    error joins the sampling error of the rows (the influence function of W2^2 is the
    Kantorovich potential: del Barrio & Loubes 2019), the choice of directions and the
    null's own standard deviation, which is what is left when the potential vanishes.
    Rows in the tails weigh in squared, which skews the estimate: limits are Hall's (1992)
    transformed ones. Their coverage falls short where a single slice has heavy
    tails (Student's t with 5 degrees of freedom: 0.82 to 0.87 instead of 0.95) and where
    fewer slices than dimensions, say below 32, may miss a departure in few directions.

    A single slice of several dimensions says nothing on how slices differ; the interval
    is then that of this slice.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    battery : Battery
        Of these rows, run with `describe_slices`.
    seed : int
    shared : bool
        Whether the estimate is compared with another one along the same directions: their
        choice is then no error, and the skewness is that of the null.

    Returns
    -------
    dict of EffectRow to Estimate
        Of squares, in squared standard deviations of the target: mean over slices, with the
        mean of the null taken off, and largest of a slice as it is, without an error.
    """
    assert battery.directions is not None
    assert battery.null is not None
    squared = battery.extras[SQUARED_WASSERSTEIN.name]
    n, k = len(canonical.rows), len(squared)
    null = _null(battery.null, canonical.rows.shape[1], seed)
    sampling, skewness = _influence(canonical, battery.directions)
    sampling /= battery.null.n
    if shared:
        centred = null[:, 0] - null[:, 0].mean()
        variance = sampling + float(centred.var(ddof=1))
        skewness = float(np.mean(centred**3)) / variance**1.5 if variance > 0.0 else 0.0
    else:
        variance = sampling + direction_variance(squared, canonical.rows.shape[1])
        variance += float(null[:, 0].var(ddof=1))
        skewness *= (sampling / variance) ** 1.5 / np.sqrt(n)
    mean = SLICED_WASSERSTEIN.filled(
        k=k, scale="after whitening" if canonical.fitted else "on normal scale"
    )
    usual = float(np.sqrt(np.quantile(null[:, 1], 0.95)))
    worst = WORST_SLICE.filled(worst=int(squared.argmax()), k=k, usual=usual)
    return {
        mean: Estimate(
            value=float(squared.mean() - null[:, 0].mean()),
            error=float(np.sqrt(variance)),
            skewness=float(skewness),
        ),
        worst: Estimate(value=float(squared.max())),
    }


def _null(null: SliceNull, columns: int, seed: int) -> Vector:
    """Mean and largest W2^2 over slices of null samples, brought to the data's n."""
    rows = min(null.n, NULL_ROWS)
    plan = NullPlan(seed=seed, replicates=NULL_REPLICATES, calibration="monte-carlo")
    key = ShippedKey(null.parameters, columns)
    (sample,) = null_of(null.at(rows), [SQUARED_WASSERSTEIN], plan, key)
    return (sample.values * rows + growth(null.n)) / null.n


def _influence(canonical: Canonical, directions: Vector) -> tuple[float, float]:
    """Variance and skewness over rows of the influence of a row on the mean W2^2."""
    x = canonical.rows
    step = max(1, len(x) // VARIANCE_ROWS)
    lines = project(np.ascontiguousarray(x[::step]), directions)
    m = lines.shape[1]
    target = ndtri((np.arange(m) + 0.5) / m)
    total = np.zeros(m)
    for line in lines:
        order = np.argsort(line, kind="stable")
        z = line[order].astype(np.float64)
        if canonical.fitted:
            z = (z - z.mean()) / z.std()
        inner = np.concatenate([[0.0], np.cumsum(0.5 * (target[1:] + target[:-1]) * np.diff(z))])
        weight = float(np.mean(z * target)) if canonical.fitted else 1.0
        total[order] += weight * z**2 - 2.0 * inner
    total = (total - total.mean()) / len(lines)
    variance = float(total.var(ddof=1))
    return variance, float(np.mean(total**3)) / variance**1.5 if variance > 0.0 else 0.0


def direction_variance(values: Vector, d: int) -> float:
    """Variance, from the choice of random directions, of the mean of a function over them.

    Directions are orthonormal within blocks of d, so block means are independent. A few
    of them are a poor estimate of their variance: it is joined, as if it had two degrees
    of freedom, with a bound from the spread of single slices. Of the even functions on the
    sphere, harmonics of degree 4 correlate most between orthogonal directions: 3 / (d^2 - 1).
    """
    k = len(values)
    width = min(k, d)
    if d == 1 or k == 1:
        return 0.0
    correlation = 3.0 / (d * d - 1.0)
    bound = float(values.var(ddof=1)) / k * (1.0 + (width - 1) * correlation)
    bound /= max(1.0 - correlation, 0.5)
    count = k // width
    if count == 1:
        return bound
    means = values[: count * width].reshape(count, width).mean(axis=1)
    return float((means.var(ddof=1) / count * (count - 1) + 2.0 * bound) / (count + 1))


def describe_slices() -> dict[str, Any]:
    """Statistics of slices that the report describes them with, beside the tests'."""
    return {
        SQUARED_WASSERSTEIN.name: squared_wasserstein,
        "skewness": lambda view: view.central[:, 2] / view.central[:, 1] ** 1.5,
        "kurtosis": lambda view: view.central[:, 3] / view.central[:, 1] ** 2 - 3.0,
    }
