"""KL(P || N(0, I)) in parts: mean, scale, correlation, margins' shape, residual dependence.

The identity of the population: |m|^2/2 + sum (s_i^2 - 1 - log s_i^2)/2 - log det(R)/2 + sum J_i
+ D, with J_i the negentropy of coordinate i and D what is left of KL(P || N(m, S)).
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

# Rows that densities are estimated from at most, replicates that their bias is taken from.
ROWS, REPLICATES, JOINT_REPLICATES = 20_000, 40, 12
# Columns and nats of bias above which the joint density is not estimated.
JOINT_COLUMNS, JOINT_BIAS, NEIGHBOURS = 12, 0.15, 5
RESAMPLES = 400
# Rows that tell how hopeless it is in more columns than that.
REFUSED_ROWS = 500
LOG_NORMAL = 0.5 * np.log(2.0 * np.pi)


def decompose(canonical: Canonical, seed: int) -> Estimates:
    """Estimate the parts, in nats: those of the fitted normal, then the shape."""
    parts = {} if canonical.fitted else _resampled(canonical, seed)
    return parts | density_estimates(canonical, seed)


def _resampled(canonical: Canonical, seed: int) -> Estimates:
    """Estimate the fitted normal's parts, with limits by resampling rows (basic bootstrap).

    A resample's unbiased parts are compared with the parts of the sample's own moments, which
    are the truth that it was drawn from.
    """
    estimates = gaussian_estimates(canonical)
    if estimates[table.KL_FITTED].value is None:
        return estimates
    rows, (n, d) = canonical.rows, canonical.rows.shape
    truth = _plain_parts(canonical.mean, canonical.covariance)

    def task(b: int) -> Vector | None:
        weights = stream(seed, "decomposition/rows", b).multinomial(n, np.full(n, 1.0 / n))
        chosen = rows[np.repeat(np.arange(n), weights)]
        mean, covariance = mean_and_covariance(chosen)
        if len(independent_columns(covariance, n)) < d:
            return None  # few rows, many of them more than once
        return unbiased_parts(mean, covariance, n)

    drawn = [one for one in run_tasks(task, range(RESAMPLES)) if one is not None]
    if len(drawn) < RESAMPLES // 2:
        return estimates
    errors = dict(zip(PARTS, (np.array(drawn) - truth).T, strict=True))
    return {
        row: _with_draws(
            one.value, errors[row], f"{row.note}; interval from {len(drawn)} resamples of the rows"
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

    Margins: entropies from spacings. Jointly: entropy from nearest neighbours. The bias that
    normal samples of this shape have is removed. Errors join the bootstrap of rows'
    contributions with the error that normal samples show.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    seed : int
    rows : int
        Rows that are used at most, evenly spaced.

    Returns
    -------
    dict of EffectRow to Estimate
        Value None, and the reason as a note, for what the rows do not support; the margins
        alone where these are not estimable, or there is one column.
    """
    n, d = canonical.rows.shape
    used = np.asarray(canonical.rows[:: -(-n // rows)], dtype=np.float64)
    m = len(used)
    spread = used.std(axis=0)
    if m < 50 or not (spread > 0.0).all():
        return {
            table.KL_MARGINS: _missing("it takes 50 rows" if m < 50 else "a column is constant")
        }
    margins = (used - used.mean(axis=0)) / spread
    ties = min(len(np.unique(column)) for column in margins.T) < 0.5 * m
    if ties:
        return {
            table.KL_MARGINS: _missing(
                "coordinates take few distinct values, so they have no density"
            )
        }
    of_rows = _margin_ratios(margins)
    bias, error = _margin_null(m, seed)
    total = of_rows.sum(axis=1)
    value = float(total.mean()) - d * bias
    parts = {table.KL_MARGINS: _with_draws(value, _bootstrap(total, np.sqrt(d) * error, seed))}
    if d > 1:
        parts[table.KL_DEPENDENCE] = _residual(used, total - d * bias, seed)
    return parts


def _missing(why: str) -> Estimate:
    return Estimate(value=None, note=f"not estimable: {why}")


def _residual(rows: Vector, margins: Vector, seed: int) -> Estimate:
    """Estimate the joint negentropy less the margins'."""
    m, d = rows.shape
    at = min(m, max(REFUSED_ROWS, d + 2)) if d > JOINT_COLUMNS else m
    if m <= d:
        return _missing(f"n = {m} rows are no more than the d = {d} columns")
    bias, error = _joint_null(at, d, seed)
    if abs(bias) > JOINT_BIAS or d > JOINT_COLUMNS:
        wanted = np.log10(at) + 0.5 * d * np.log10(max(abs(bias), JOINT_BIAS) / JOINT_BIAS)
        wanted_text = f"10^{wanted:.0f}" if wanted > 6 else f"{10.0**wanted:,.0f}"
        return _missing(
            f"in d = {d} nearest neighbours of {at} rows are off by {bias:+.2g} "
            f"nats for a normal; it would take about n = {wanted_text}"
        )
    mean, covariance = rows.mean(axis=0), np.atleast_2d(np.cov(rows.T, bias=True))
    if len(independent_columns(covariance, m)) < d:
        return _missing("the covariance is singular, so there is no density")
    whitened = np.asarray(whiten_independent(rows, mean, covariance)[0], dtype=np.float64)
    ratios, smoother = _joint_ratios(whitened), _joint_ratios(whitened, 3 * NEIGHBOURS)
    if ratios is None or smoother is None:
        return _missing("repeated rows, so there is no density")
    each = ratios - bias - margins
    # How much the answer moves with the neighbourhood is bias that normal samples do not show.
    coarse = float(smoother.mean()) - _joint_null(m, d, seed, 3 * NEIGHBOURS)[0]
    moved = coarse - float((ratios - bias).mean())
    return _with_draws(float(each.mean()), _bootstrap(each, float(np.hypot(error, moved)), seed))


def _bootstrap(each: Vector, spread: float, seed: int) -> Vector:
    """Errors of the mean of rows' contributions, resampled, with the estimator's own spread."""
    m = len(each)
    rng = stream(seed, "decomposition/contributions")
    centred = each - each.mean()
    means = np.array([centred[rng.integers(m, size=m)].mean() for _ in range(RESAMPLES)])
    return np.asarray(means + spread * rng.standard_normal(RESAMPLES))


def _margin_ratios(z: Vector) -> Vector:
    """Log of the density over the normal's, of every value of every column: (m, d)."""
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
    """Mean and standard deviation of one margin's estimate for normal samples."""
    draws = stream(seed, f"decomposition/margins/{m}").standard_normal((m, REPLICATES))
    draws = (draws - draws.mean(axis=0)) / draws.std(axis=0)
    values = _margin_ratios(draws).mean(axis=0)
    return float(values.mean()), float(values.std(ddof=1))


def _joint_ratios(y: Vector, neighbours: int = NEIGHBOURS) -> Vector | None:
    """Log of the nearest-neighbour density over the normal's, of every row."""
    from scipy.spatial import cKDTree

    m, d = y.shape
    found = cKDTree(y).query(y, k=[neighbours + 1], workers=workers())[0]
    distances = np.asarray(found)[:, 0]
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
