"""Sliced Wasserstein-2 distance to the target, debiased, with a confidence interval."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, ndtri

from dmtest.battery.one_sample import Battery
from dmtest.calibration.nulls import NullPlan, SliceNull, null_of
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.slices import project
from dmtest.results.effect_table import SLICED_WASSERSTEIN, WORST_SLICE, Estimates
from dmtest.results.estimate import Estimate, WidenedEstimate
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.influence import heaviest_tail, mean_skewness
from dmtest.statistics.slices.wasserstein import NULL_ROWS, growth, squared_wasserstein
from dmtest.targets.canonical import Canonical

NULL_REPLICATES = 199
# Most rows behind the variance of the estimate.
VARIANCE_ROWS = 20_000
# Shape of the tail of influences from which on their variance is infinite.
HEAVIEST = 0.5
# Sampling variance over that of the null from which on the influence is more than noise.
CLEAR = 1.0
# Columns from which on the distance of a dead coordinate is a series.
SERIES = 1000


def sliced_estimates(
    canonical: Canonical, battery: Battery, seed: int, *, shared: bool = False
) -> Estimates:
    """Estimate the squared sliced distance from the target, and that of the worst slice.

    The mean under the null at this n, which is the bias, is subtracted. The variance is the sum
    of three parts: the sampling of rows (the influence function of W2^2 is the Kantorovich
    potential: del Barrio & Loubes 2019), the choice of directions, and the variance under the
    null, which is left where the potential vanishes. The estimate is skewed, because rows in the
    tails count by their squares: limits are Hall's (1992) transformed ones. The bias of other laws
    differs from the null's: it is as large as the difference between halves of the sample and the
    whole, and the interval is widened by what the null does not explain. There is no upper limit
    where the potential, if it is more than noise, has a tail of infinite variance. Coverage is too
    low where fewer slices than dimensions, say below 32, may miss a departure in few directions.

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
    n, k = battery.null.n, len(squared)
    null = _null(battery.null, seed)
    influence = _influence(canonical, battery.directions, seed)
    sampling, skewness = influence.variance / battery.null.n, influence.skewness
    bias = float(null[:, 0].mean())
    excess = influence.bias / n - bias
    noise = float(null[:, 0].var(ddof=1))
    if shared:
        centred = null[:, 0] - bias
        variance = sampling + noise
        skewness = float(np.mean(centred**3)) / variance**1.5 if variance > 0.0 else 0.0
    else:
        variance = sampling + direction_variance(squared, canonical.rows.shape[1])
        variance += noise
        skewness *= (sampling / variance) ** 1.5 / np.sqrt(n)
    mean = SLICED_WASSERSTEIN.filled(
        k=k, scale="after whitening" if canonical.fitted else "on normal scale"
    )
    usual = float(np.sqrt(np.quantile(null[:, 1], 0.95)))
    worst = WORST_SLICE.filled(worst=int(squared.argmax()), k=k, usual=usual)
    return {
        mean: WidenedEstimate(
            value=float(squared.mean()) - bias,
            error=float(np.sqrt(variance)),
            skewness=float(skewness),
            unbounded=influence.heavy and sampling > CLEAR * noise,
            below=max(0.0, excess),
            above=max(0.0, -excess),
        ),
        worst: Estimate(value=float(squared.max())),
    }


def sliced_yardsticks(d: int) -> dict[str, float]:
    """Return the sliced distance of named departures of one of d columns, in standard deviations.

    Along a direction with weight w on a column that is constant, the standard deviation is
    sqrt(1 - w^2) instead of 1; over directions 1 - w^2 has a Beta((d - 1)/2, 1/2) law, whose mean
    root is known. A column that is off by 1 moves the slice by w.
    """
    if d == 1:
        squared = 1.0
    elif d > SERIES:
        squared = 0.75 / (d * (d + 2.0))  # the difference below has no digits left
    else:
        root = 2.0 * gammaln(0.5 * d) - gammaln(0.5 * (d - 1)) - gammaln(0.5 * (d + 1))
        squared = 2.0 - 1.0 / d - 2.0 * float(np.exp(root))
    return {"dead coordinate": squared**0.5, "coordinate off by 1 sd": d**-0.5}


def _null(null: SliceNull, seed: int) -> Vector:
    """Mean and largest W2^2 over slices of null samples of the data's n: shape (replicates, 2)."""
    rows = min(null.n, NULL_ROWS)
    plan = NullPlan(seed=seed, replicates=NULL_REPLICATES, calibration="monte-carlo")
    (sample,) = null_of(null.at(rows), [SQUARED_WASSERSTEIN], plan, shipped=True)
    return (sample.values * rows + growth(null.n)) / null.n


class _Influence(NamedTuple):
    """The influence function of the mean W2^2 over rows.

    `heavy` says whether its upper tail is one of infinite variance, and `bias` is n times the bias
    of the mean W2^2.
    """

    variance: float
    skewness: float
    heavy: bool
    bias: float


def _influence(canonical: Canonical, directions: Vector, seed: int) -> _Influence:
    """Compute the influence of rows, and the bias from the difference of halves to the whole."""
    x = canonical.rows
    step = max(1, len(x) // VARIANCE_ROWS)
    slices = project(np.ascontiguousarray(x[::step]), directions)
    m = slices.shape[1]
    first = stream(seed, "wasserstein/halves").permutation(m) < m // 2
    target = _normal_places(m)
    targets = {True: _normal_places(m // 2), False: _normal_places(m - m // 2)}

    def of_slice(values: NDArray[Any]) -> tuple[Vector, float, float]:
        # Equal values have equal influences, so their order is of no account.
        order = np.argsort(values)
        ordered = values[order].astype(np.float64)
        z = _standardised(ordered) if canonical.fitted else ordered
        inner = np.concatenate([[0.0], np.cumsum(0.5 * (target[1:] + target[:-1]) * np.diff(z))])
        weight = float(np.mean(z * target)) if canonical.fitted else 1.0
        potential = np.empty(m)
        potential[order] = weight * z**2 - 2.0 * inner
        mine = first[order]
        apart = 0.0
        for part, places in targets.items():
            half = ordered[mine == part]
            half = _standardised(half) if canonical.fitted else half
            apart += 0.5 * float(np.square(half - places).mean())
        return potential, apart, float(np.square(z - target).mean())

    total, halves, whole = np.zeros(m), 0.0, 0.0
    for potential, one_halves, one_whole in run_tasks(of_slice, list(slices)):
        total += potential
        halves += one_halves
        whole += one_whole
    total = (total - total.mean()) / len(slices)
    return _Influence(
        variance=float(total.var(ddof=1)),
        skewness=mean_skewness(total) * float(np.sqrt(m)),
        heavy=heaviest_tail(total, 0.0) >= HEAVIEST,
        bias=m * (halves - whole) / len(slices),
    )


def _standardised(values: Vector) -> Vector:
    return np.asarray((values - values.mean()) / (values.std() or 1.0))


def _normal_places(m: int) -> Vector:
    """Quantiles of N(0, 1) at the middles of m cells."""
    return np.asarray(ndtri((np.arange(m) + 0.5) / m))


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
        "skewness": lambda view: _ratio(view.central[:, 2], view.central[:, 1] ** 1.5),
        "kurtosis": lambda view: _ratio(view.central[:, 3], view.central[:, 1] ** 2) - 3.0,
    }


def _ratio(moment: Vector, scale: Vector) -> Vector:
    """Return a moment of slices on their own scale; 0 for a slice whose values are equal."""
    return np.asarray(moment / np.where(scale > 0.0, scale, np.inf))
