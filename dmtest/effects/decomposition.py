"""KL(P || N(0, I)) in parts: mean, scale, correlation, margins' shape, residual dependence.

For the population, KL = |m|^2/2 + sum (s_i^2 - 1 - log s_i^2)/2 - log det(R)/2 + sum J_i + D,
where J_i is the negentropy of column i and D the rest of KL(P || N(m, S)).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import digamma, gammaln, ndtri

from dmtest.effects.gaussian import PARTS, gaussian_estimates, unbiased_parts
from dmtest.results import effect_table as table
from dmtest.results.effect_table import Estimates
from dmtest.results.estimate import Estimate, ResampledEstimate, WidenedEstimate
from dmtest.runtime.parallel import run_tasks, workers
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.influence import heaviest_tail, mean_error, mean_skewness
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import independent_columns, mean_and_covariance, whiten

# Most rows of a density estimate; replicates behind its bias: of one column, and jointly.
ROWS, REPLICATES, JOINT_REPLICATES = 20_000, 40, 20
# Most columns, and most nats of bias, of a joint density estimate; its neighbours, and how many
# times as many a coarser one has.
JOINT_COLUMNS, JOINT_BIAS, NEIGHBOURS, COARSER = 12, 0.15, 5, 3
# Shape of the tail of contributions from which on there is no upper limit. Their variance is
# infinite from 1/2 on, but exponential tails look like that in thousands of rows, and intervals
# cover there.
HEAVIEST = 0.6
RESAMPLES = 400
# Rows that show how large the bias is in more columns than that.
REFUSED_ROWS = 500
LOG_NORMAL = 0.5 * np.log(2.0 * np.pi)


def decompose(canonical: Canonical, seed: int) -> Estimates:
    """Estimate the parts in nats: those of the fitted normal, then the shape."""
    parts = {} if canonical.fitted else _resampled(canonical, seed)
    return parts | density_estimates(canonical, seed)


def _resampled(canonical: Canonical, seed: int) -> Estimates:
    """Estimate the parts of the fitted normal, with limits by resampling rows (basic bootstrap).

    An error is a resample's unbiased parts less the parts of the sample's own moments: these are
    the truth for a resample.
    """
    estimates = gaussian_estimates(canonical)
    if estimates[table.KL_FITTED].value is None:
        return estimates
    rows, (n, d) = canonical.rows, canonical.rows.shape
    truth = _plain_parts(canonical.mean, canonical.covariance)

    def task(b: int) -> Vector | None:
        weights = stream(seed, "decomposition/rows", b).multinomial(n, np.full(n, 1.0 / n))
        resample = rows[np.repeat(np.arange(n), weights)]
        mean, covariance = mean_and_covariance(resample)
        if len(independent_columns(covariance, n)) < d:
            return None  # few distinct rows
        return unbiased_parts(mean, covariance, n)

    draws = [one for one in run_tasks(task, range(RESAMPLES)) if one is not None]
    if len(draws) < RESAMPLES // 2:
        return estimates
    errors = dict(zip(PARTS, (np.array(draws) - truth).T, strict=True))
    return {
        row: _with_draws(
            one.value, errors[row], f"{row.note}; interval from {len(draws)} resamples of the rows"
        )
        for row, one in estimates.items()
    }


def _with_draws(value: float | None, draws: Vector, note: str = "") -> Estimate:
    return ResampledEstimate(value=value, error=float(draws.std(ddof=1)), draws=draws, note=note)


def _plain_parts(mean: Vector, covariance: Vector) -> Vector:
    """Mean, scale, correlation and whole of N(mean, covariance): shape (4,)."""
    variances = np.diagonal(covariance)
    location = 0.5 * float(mean @ mean)
    scale = 0.5 * float((variances - 1.0 - np.log(variances)).sum())
    logdet = float(np.linalg.slogdet(covariance)[1])
    correlation = 0.5 * (float(np.log(variances).sum()) - logdet)
    return np.array([location, scale, correlation, location + scale + correlation])


def density_estimates(canonical: Canonical, seed: int, rows: int = ROWS) -> Estimates:
    """Estimate the margins' negentropies and the residual dependence, in nats.

    Entropies of margins come from spacings, the joint one from nearest neighbours. The bias of
    normal samples of this shape is removed; how far the estimate changes with the width of the
    spacings, or with the number of neighbours, bounds the bias that is left, and the interval is
    widened by that. The error is that of the rows' contributions and of the null. The sum of
    negentropies has no upper limit where the largest contributions do not exclude a tail of
    infinite variance.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    seed : int
    rows : int
        Most rows to use; evenly spaced.

    Returns
    -------
    dict of EffectRow to Estimate
        Nats. The value is None, with the reason as its note, where there are too few rows or no
        density; the dependence is left out where the margins have none, or for one column.
    """
    n, d = canonical.rows.shape
    sample = np.asarray(canonical.rows[:: -(-n // rows)], dtype=np.float64)
    m = len(sample)
    spread = sample.std(axis=0)
    if m < 50 or not (spread > 0.0).all():
        return {
            table.KL_MARGINS: _not_estimable(
                "it takes 50 rows" if m < 50 else "a column is constant"
            )
        }
    columns = (sample - sample.mean(axis=0)) / spread
    ties = min(len(np.unique(column)) for column in columns.T) < 0.5 * m
    if ties:
        return {
            table.KL_MARGINS: _not_estimable(
                "coordinates take few distinct values, so they have no density"
            )
        }
    parts: Estimates = {table.KL_MARGINS: _margins(columns, seed)}
    if d > 1:
        parts[table.KL_DEPENDENCE] = _dependence(columns, seed)
    return parts


def _not_estimable(why: str) -> Estimate:
    return Estimate(value=None, note=f"not estimable: {why}")


def _margins(columns: Vector, seed: int) -> Estimate:
    """Estimate the sum of the negentropies of standardised columns, shape (m, d)."""
    m, d = columns.shape
    width = _width(m)
    each = _margin_ratios(columns, width)
    null = _margin_null(m, seed)
    # The logarithm of a variance is biased by its relative variance, which the kurtosis gives.
    kurtosis = float(np.mean(np.square(np.square(columns)), axis=0).sum()) - 3.0 * d
    value = float(each.mean()) - d * null.mean + 0.25 * kurtosis / m
    # The bias is proportional to the width: at twice the width it is twice as large.
    drift = float((_margin_ratios(columns, 2 * width) - each).mean()) - d * null.drift
    return WidenedEstimate(
        value=value,
        error=float(np.hypot(mean_error(each), np.sqrt(d) * null.spread)),
        skewness=mean_skewness(each),
        unbounded=heaviest_tail(each, 0.0) >= HEAVIEST,
        below=max(0.0, drift),
        above=max(0.0, -drift),
    )


def _dependence(columns: Vector, seed: int) -> Estimate:
    """Estimate the dependence beyond correlation of standardised columns, in nats.

    The information that columns share does not change with their margins. So its density ratio is
    estimated after every column is brought to normal scores by its ranks, where independent columns
    are N(0, I) whatever their tails, and the part of the correlation is taken off:
    -log det(R) / 2.
    """
    m, d = columns.shape
    at = min(m, max(REFUSED_ROWS, d + 2)) if d > JOINT_COLUMNS else m
    if m <= d:
        return _not_estimable(f"n = {m} rows are no more than the d = {d} columns")
    null = _joint_null(at, d, seed)
    if abs(null.mean) > JOINT_BIAS or d > JOINT_COLUMNS:
        needed = np.log10(at) + 0.5 * d * np.log10(max(abs(null.mean), JOINT_BIAS) / JOINT_BIAS)
        rows_needed = f"10^{needed:.0f}" if needed > 6 else f"{10.0**needed:,.0f}"
        return _not_estimable(
            f"in d = {d} nearest neighbours of {at} rows are off by {null.mean:+.2g} "
            f"nats for a normal; it would take about n = {rows_needed}"
        )
    scores = _normal_scores(columns)
    covariances = columns.T @ columns / m, scores.T @ scores / m
    if min(len(independent_columns(one, m)) for one in covariances) < d:
        return _not_estimable("the covariance is singular, so there is no density")
    fine, coarse = _joint_ratios(scores)
    each = fine - _normal_ratios(columns, covariances[0])
    value = float(each.mean()) - null.mean
    # The bias grows as the neighbourhood's squared radius, (k / m)^(2 / d).
    drift = float((coarse - fine).mean()) - null.drift
    bias, bias_error = np.array([drift, null.drift_spread]) / (COARSER ** (2.0 / d) - 1.0)
    if abs(bias) > JOINT_BIAS:
        return _not_estimable(
            f"{NEIGHBOURS} and {COARSER * NEIGHBOURS} neighbours of {m} rows disagree: {value:.2g} "
            f"and {value + drift:.2g} nats"
        )
    return WidenedEstimate(
        value=value,
        error=float(np.hypot(mean_error(each), null.spread)),
        skewness=mean_skewness(each),
        below=max(0.0, float(bias_error + bias)),
        above=max(0.0, float(bias_error - bias)),
    )


class _Null(NamedTuple):
    """Means and standard deviations, for normal samples, of an estimate and of its change."""

    mean: float
    spread: float
    drift: float
    drift_spread: float

    @classmethod
    def of(cls, fine: Vector, coarse: Vector) -> _Null:
        """Summarise estimates of replicates, shape (replicates,), and coarser ones."""
        spreads = [
            float(one.std(ddof=1)) if len(one) > 1 else np.inf for one in (fine, coarse - fine)
        ]
        return cls(float(fine.mean()), spreads[0], float((coarse - fine).mean()), spreads[1])


def _width(m: int) -> int:
    """Half of the values that a spacing spans: its bias, which is width / m, is then small."""
    return max(2, round(0.5 * float(np.cbrt(m))))


def _margin_ratios(z: Vector, width: int) -> Vector:
    """Log ratio of the estimated density to the normal one, summed over columns: shape (m,)."""
    m = len(z)
    above = np.minimum(np.arange(m) + width, m - 1)
    below = np.maximum(np.arange(m) - width, 0)
    expected = digamma(above - below) - digamma(m + 1.0) + LOG_NORMAL

    def column(values: Vector) -> Vector:
        order = np.argsort(values, kind="stable")
        x = values[order]
        gap = np.maximum(x[above] - x[below], 1e-300)
        out = np.empty(m)
        out[order] = expected - np.log(gap) + 0.5 * x**2
        return out

    total = np.zeros(m)
    for one in run_tasks(column, list(z.T)):
        total += one
    return total


@lru_cache(maxsize=64)
def _margin_null(m: int, seed: int) -> _Null:
    """Estimate the negentropy of one margin of normal samples."""
    draws = stream(seed, f"decomposition/margins/{m}").standard_normal((m, REPLICATES))
    draws = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    width = _width(m)
    fine, coarse = (
        np.array([_margin_ratios(one[:, None], w).mean() for one in draws.T])
        for w in (width, 2 * width)
    )
    return _Null.of(fine, coarse)


def _normal_scores(x: Vector) -> Vector:
    """Normal scores of the ranks of every column, with variance 1: shape (m, d)."""
    m = len(x)
    places = ndtri((np.arange(m) + 0.5) / m)
    places /= places.std()
    out = np.empty(x.shape)
    for j, values in enumerate(x.T):
        out[np.argsort(values, kind="stable"), j] = places
    return out


def _normal_ratios(y: Vector, correlation: Vector) -> Vector:
    """Log ratio of N(0, R) to N(0, I) at every row of y: shape (m,)."""
    inverse = np.linalg.inv(correlation)
    logdet = float(np.linalg.slogdet(correlation)[1])
    forms = np.einsum("ij,ij->i", y @ inverse, y) - np.square(y).sum(axis=1)
    return np.asarray(-0.5 * (logdet + forms))


def _joint_ratios(z: Vector) -> tuple[Vector, Vector]:
    """Log ratio of the nearest-neighbour density to N(0, I) at every row, fine and coarse.

    No value of a column of `z` is repeated, so no distance is 0.
    """
    from scipy.spatial import cKDTree

    m, d = z.shape
    covariance = z.T @ z / m
    y = np.asarray(whiten(z, np.zeros(d), covariance))
    counts = [NEIGHBOURS, COARSER * NEIGHBOURS]
    distances = np.asarray(
        cKDTree(y).query(y, k=[count + 1 for count in counts], workers=workers())[0]
    )
    ball = 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1.0)
    log = digamma(counts) - digamma(m) - ball - d * np.log(distances)
    rest = 0.5 * np.square(z).sum(axis=1) + d * LOG_NORMAL
    rest -= 0.5 * float(np.linalg.slogdet(covariance)[1])
    fine, coarse = (log + rest[:, None]).T
    return fine, coarse


@lru_cache(maxsize=64)
def _joint_null(m: int, d: int, seed: int) -> _Null:
    """Estimate the dependence of normal samples."""
    values = []
    for b in range(JOINT_REPLICATES if d <= JOINT_COLUMNS else 1):
        x = stream(seed, f"decomposition/joint/{m}/{d}", b).standard_normal((m, d))
        ratios = _joint_ratios(_normal_scores(x))
        columns = (x - x.mean(axis=0)) / x.std(axis=0)
        part = _normal_ratios(columns, columns.T @ columns / m).mean()
        values.append([one.mean() - part for one in ratios])
    return _Null.of(*np.array(values).T)
