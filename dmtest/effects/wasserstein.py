"""Sliced Wasserstein-2 distance to the target, debiased, with a confidence interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import ndtri

from dmtest.battery.one_sample import Battery
from dmtest.calibration.nulls import NullPlan, SliceNull, null_of
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.slices import project
from dmtest.results.effect_table import SLICED_WASSERSTEIN, WORST_SLICE, Estimates
from dmtest.results.estimate import Estimate
from dmtest.runtime.typing import Vector
from dmtest.statistics.slices.wasserstein import NULL_ROWS, growth, squared_wasserstein
from dmtest.targets.canonical import Canonical

NULL_REPLICATES = 199
# Most rows behind the variance of the estimate.
VARIANCE_ROWS = 20_000


def sliced_estimates(
    canonical: Canonical, battery: Battery, seed: int, *, shared: bool = False
) -> Estimates:
    """Estimate the squared sliced distance from the target, and that of the worst slice.

    The mean under the null at this n, which is the bias, is subtracted. The variance is the sum
    of three parts: the sampling of rows (the influence function of W2^2 is the Kantorovich
    potential: del Barrio & Loubes 2019), the choice of directions, and the variance under the
    null, which is left where the potential vanishes. The estimate is skewed, because rows in the
    tails count by their squares: limits are Hall's (1992) transformed ones. Their coverage is too
    low for a single slice with heavy tails (Student's t with 5 degrees of freedom: 0.82 to 0.87
    instead of 0.95), and where fewer slices than dimensions, say below 32, may miss a departure
    in few directions.

    One slice of several dimensions does not show how slices differ: the interval is then one for
    this slice.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    battery : Battery
        Tests of these rows, run with `describe_slices`.
    seed : int
    shared : bool
        Whether the estimate is compared with another one along the same directions. Their
        choice is then no source of error, and the skewness is that of the null.

    Returns
    -------
    dict of EffectRow to Estimate
        Squared distances, in squared standard deviations of the target: the mean over slices,
        and the largest one, which has no error and no bias correction.
    """
    assert battery.directions is not None
    assert battery.null is not None
    squared = battery.extras[SQUARED_WASSERSTEIN.name]
    n, k = len(canonical.rows), len(squared)
    null = _null(battery.null, seed)
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


def _null(null: SliceNull, seed: int) -> Vector:
    """Mean and largest W2^2 over slices of null samples of the data's n: shape (replicates, 2)."""
    rows = min(null.n, NULL_ROWS)
    plan = NullPlan(seed=seed, replicates=NULL_REPLICATES, calibration="monte-carlo")
    (sample,) = null_of(null.at(rows), [SQUARED_WASSERSTEIN], plan, shipped=True)
    return (sample.values * rows + growth(null.n)) / null.n


def _influence(canonical: Canonical, directions: Vector) -> tuple[float, float]:
    """Variance and skewness, over rows, of the influence function of the mean W2^2."""
    x = canonical.rows
    step = max(1, len(x) // VARIANCE_ROWS)
    slices = project(np.ascontiguousarray(x[::step]), directions)
    m = slices.shape[1]
    target = ndtri((np.arange(m) + 0.5) / m)
    total = np.zeros(m)
    for values in slices:
        order = np.argsort(values, kind="stable")
        z = values[order].astype(np.float64)
        if canonical.fitted:
            z = (z - z.mean()) / z.std()
        inner = np.concatenate([[0.0], np.cumsum(0.5 * (target[1:] + target[:-1]) * np.diff(z))])
        weight = float(np.mean(z * target)) if canonical.fitted else 1.0
        total[order] += weight * z**2 - 2.0 * inner
    total = (total - total.mean()) / len(slices)
    variance = float(total.var(ddof=1))
    return variance, float(np.mean(total**3)) / variance**1.5 if variance > 0.0 else 0.0


def direction_variance(values: Vector, d: int) -> float:
    """Variance of a mean over random directions that is due to their choice.

    Directions are orthonormal within blocks of d, so means of blocks are independent. Few blocks
    estimate the variance poorly: it is averaged with a bound from the variance of single slices,
    which counts as two degrees of freedom. The bound uses that, among even functions on the
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
    """Return the statistics of slices that a report needs besides those of the tests, by name."""
    return {
        SQUARED_WASSERSTEIN.name: squared_wasserstein,
        "skewness": lambda view: view.central[:, 2] / view.central[:, 1] ** 1.5,
        "kurtosis": lambda view: view.central[:, 3] / view.central[:, 1] ** 2 - 3.0,
    }
