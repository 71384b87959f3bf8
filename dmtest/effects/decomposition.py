"""KL(P || N(0, I)) in parts: mean, scale, correlation, margins' shape, residual dependence.

For the population, KL = |m|^2/2 + sum (s_i^2 - 1 - log s_i^2)/2 - log det(R)/2 + sum J_i + D,
where J_i is the negentropy of column i and D the rest of KL(P || N(m, S)).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import digamma, gammaln

from dmtest.effects.gaussian import PARTS, gaussian_estimates, unbiased_parts
from dmtest.results import effect_table as table
from dmtest.results.effect_table import Estimates
from dmtest.results.estimate import Estimate, ResampledEstimate
from dmtest.runtime.parallel import run_tasks, workers
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import independent_columns, mean_and_covariance, whiten_independent

# Most rows of a density estimate; replicates behind its bias: of one column, and jointly.
ROWS, REPLICATES, JOINT_REPLICATES = 20_000, 40, 12
# Most columns, and most nats of bias, of a joint density estimate; its neighbours.
JOINT_COLUMNS, JOINT_BIAS, NEIGHBOURS = 12, 0.15, 5
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
    normal samples of this shape is removed. The error combines a bootstrap of the rows'
    contributions with the standard deviation of the estimate for normal samples.

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
    margins = (sample - sample.mean(axis=0)) / spread
    ties = min(len(np.unique(column)) for column in margins.T) < 0.5 * m
    if ties:
        return {
            table.KL_MARGINS: _not_estimable(
                "coordinates take few distinct values, so they have no density"
            )
        }
    ratios_of_rows = _margin_ratios(margins)
    bias, error = _margin_null(m, seed)
    total = ratios_of_rows.sum(axis=1)
    value = float(total.mean()) - d * bias
    parts = {table.KL_MARGINS: _with_draws(value, _bootstrap(total, np.sqrt(d) * error, seed))}
    if d > 1:
        parts[table.KL_DEPENDENCE] = _residual(sample, total - d * bias, seed)
    return parts


def _not_estimable(why: str) -> Estimate:
    return Estimate(value=None, note=f"not estimable: {why}")


def _residual(rows: Vector, margins: Vector, seed: int) -> Estimate:
    """Estimate the joint negentropy less that of the margins, in nats."""
    m, d = rows.shape
    at = min(m, max(REFUSED_ROWS, d + 2)) if d > JOINT_COLUMNS else m
    if m <= d:
        return _not_estimable(f"n = {m} rows are no more than the d = {d} columns")
    bias, error = _joint_null(at, d, seed)
    if abs(bias) > JOINT_BIAS or d > JOINT_COLUMNS:
        needed = np.log10(at) + 0.5 * d * np.log10(max(abs(bias), JOINT_BIAS) / JOINT_BIAS)
        rows_needed = f"10^{needed:.0f}" if needed > 6 else f"{10.0**needed:,.0f}"
        return _not_estimable(
            f"in d = {d} nearest neighbours of {at} rows are off by {bias:+.2g} "
            f"nats for a normal; it would take about n = {rows_needed}"
        )
    mean, covariance = rows.mean(axis=0), np.atleast_2d(np.cov(rows.T, bias=True))
    if len(independent_columns(covariance, m)) < d:
        return _not_estimable("the covariance is singular, so there is no density")
    whitened = np.asarray(whiten_independent(rows, mean, covariance)[0], dtype=np.float64)
    ratios, smoother = _joint_ratios(whitened), _joint_ratios(whitened, 3 * NEIGHBOURS)
    if ratios is None or smoother is None:
        return _not_estimable("repeated rows, so there is no density")
    each = ratios - bias - margins
    # The change with the neighbourhood is a bias that normal samples do not have.
    coarse = float(smoother.mean()) - _joint_null(m, d, seed, 3 * NEIGHBOURS)[0]
    drift = coarse - float((ratios - bias).mean())
    return _with_draws(float(each.mean()), _bootstrap(each, float(np.hypot(error, drift)), seed))


def _bootstrap(each: Vector, spread: float, seed: int) -> Vector:
    """Resampled errors of the mean contribution of rows, plus normal noise of sd `spread`."""
    m = len(each)
    rng = stream(seed, "decomposition/contributions")
    centred = each - each.mean()
    means = np.array([centred[rng.integers(m, size=m)].mean() for _ in range(RESAMPLES)])
    return np.asarray(means + spread * rng.standard_normal(RESAMPLES))


def _margin_ratios(z: Vector) -> Vector:
    """Log ratio of the estimated density to the normal one, at every value: shape (m, d)."""
    m = len(z)
    width = max(2, int(np.sqrt(m) / 2))

    def column(values: Vector) -> Vector:
        order = np.argsort(values, kind="stable")
        x = values[order]
        above = np.minimum(np.arange(m) + width, m - 1)
        below = np.maximum(np.arange(m) - width, 0)
        gap = np.maximum(x[above] - x[below], 1e-300)
        log = np.log((above - below) / (m + 1.0)) - np.log(gap)
        out = np.empty(m)
        out[order] = log + 0.5 * x**2 + LOG_NORMAL
        return out

    return np.stack(list(run_tasks(column, list(z.T))), axis=1)


@lru_cache(maxsize=64)
def _margin_null(m: int, seed: int) -> tuple[float, float]:
    """Mean and standard deviation of the estimate of one margin, for normal samples."""
    draws = stream(seed, f"decomposition/margins/{m}").standard_normal((m, REPLICATES))
    draws = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    values = _margin_ratios(draws).mean(axis=0)
    return float(values.mean()), float(values.std(ddof=1))


def _joint_ratios(y: Vector, neighbours: int = NEIGHBOURS) -> Vector | None:
    """Log ratio of the nearest-neighbour density to the normal one, at every row: shape (m,)."""
    from scipy.spatial import cKDTree

    m, d = y.shape
    tree = cKDTree(y)
    distances = np.asarray(tree.query(y, k=[neighbours + 1], workers=workers())[0])[:, 0]
    if (distances == 0.0).any():
        return None
    ball = 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1.0)
    log = digamma(neighbours) - digamma(m) - ball - d * np.log(distances)
    return np.asarray(log + 0.5 * np.square(y).sum(axis=1) + d * LOG_NORMAL)


@lru_cache(maxsize=64)
def _joint_null(m: int, d: int, seed: int, neighbours: int = NEIGHBOURS) -> tuple[float, float]:
    """Mean and standard deviation of the joint estimate for whitened normal samples."""
    values = []
    for b in range(JOINT_REPLICATES if d <= JOINT_COLUMNS else 1):
        x = stream(seed, f"decomposition/joint/{m}/{d}", b).standard_normal((m, d))
        mean, covariance = x.mean(axis=0), np.atleast_2d(np.cov(x.T, bias=True))
        whitened, _ = whiten_independent(x, mean, covariance)
        ratios = _joint_ratios(np.asarray(whitened), neighbours)
        assert ratios is not None  # draws of a density do not repeat
        values.append(ratios.mean())
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else np.inf
    return float(np.mean(values)), spread
