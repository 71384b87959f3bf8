"""KL(P || N(0, I)) in parts: mean, scale, correlation, margins' shape, residual dependence.

The identity of the population: |m|^2/2 + sum (s_i^2 - 1 - log s_i^2)/2 - log det(R)/2 + sum J_i
+ D, with J_i the negentropy of coordinate i and D what is left of KL(P || N(m, S)).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln

from dmtest.effects.gaussian import gaussian_effects, unbiased_parts
from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import run_tasks, workers
from dmtest.runtime.streams import stream
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import independent_columns, mean_and_covariance, whiten_independent

__all__ = ["ShapePart", "decompose", "shape_estimates", "shape_parts"]

Vector = NDArray[np.float64]

# Rows that densities are estimated from at most, replicates that their bias is taken from.
ROWS, REPLICATES, JOINT_REPLICATES = 20_000, 40, 12
# Columns and nats of bias above which the joint density is not estimated.
JOINT_COLUMNS, JOINT_BIAS, NEIGHBOURS = 12, 0.15, 5
RESAMPLES = 400
# Rows that tell how hopeless it is in more columns than that.
REFUSED_ROWS = 500
LOG_NORMAL = 0.5 * np.log(2.0 * np.pi)


def decompose(canonical: Canonical, seed: int, confidence: float = 0.95) -> list[Effect]:
    """Return the parts as effects, in nats: those of the fitted normal, then the shape."""
    parts = [] if canonical.fitted else _resampled(canonical, seed, confidence)
    return parts + shape_parts(canonical, seed, confidence)


def _resampled(canonical: Canonical, seed: int, confidence: float) -> list[Effect]:
    """Give the fitted normal's parts intervals by resampling rows (basic bootstrap).

    A resample's unbiased parts are compared with the parts of the sample's own moments, which
    are the truth that it was drawn from.
    """
    effects = gaussian_effects(canonical, confidence)
    if effects[0].value is None:
        return effects
    rows, (n, d) = canonical.rows, canonical.rows.shape
    truth = _plain_parts(canonical.mean, canonical.covariance)
    estimate = unbiased_parts(canonical.mean, canonical.covariance, n)

    def task(b: int) -> Vector | None:
        weights = stream(seed, "decomposition/rows", b).multinomial(n, np.full(n, 1.0 / n))
        chosen = rows[np.repeat(np.arange(n), weights)]
        mean, covariance = mean_and_covariance(chosen)
        if len(independent_columns(covariance, n)) < d:
            return None  # few rows, many of them more than once
        return unbiased_parts(mean, covariance, n)

    drawn = [one for one in run_tasks(task, range(RESAMPLES)) if one is not None]
    if len(drawn) < RESAMPLES // 2:
        return effects
    tail = 0.5 * (1.0 - confidence)
    low, high = np.quantile(np.array(drawn) - truth, [1.0 - tail, tail], axis=0)
    order = (3, 0, 1, 2)
    return [
        replace(
            effect,
            low=float(max(0.0, estimate[j] - low[j])),
            high=float(max(0.0, estimate[j] - high[j])),
            note=f"{effect.note}; interval from {len(drawn)} resamples of the rows",
        )
        for effect, j in zip(effects, order, strict=True)
    ]


def _plain_parts(mean: Vector, covariance: Vector) -> Vector:
    """Mean, scale, correlation and whole of N(mean, covariance): shape (4,)."""
    variances = np.diagonal(covariance)
    location = 0.5 * float(mean @ mean)
    scale = 0.5 * float((variances - 1.0 - np.log(variances)).sum())
    logdet = float(np.linalg.slogdet(covariance)[1])
    correlation = 0.5 * (float(np.log(variances).sum()) - logdet)
    return np.array([location, scale, correlation, location + scale + correlation])


class ShapePart(NamedTuple):
    """A part of the divergence that takes densities, before it is cut off at 0.

    Attributes
    ----------
    name : str
    value : float or None
        Nats; may be negative. None where it is not estimable.
    errors : ndarray or None
        Draws of the estimate's error.
    note : str
    """

    name: str
    value: float | None
    errors: Vector | None
    note: str


def shape_parts(
    canonical: Canonical, seed: int, confidence: float = 0.95, rows: int = ROWS
) -> list[Effect]:
    """Give the margins' negentropies and the residual dependence (`shape_estimates`) intervals."""
    return [_effect(part, confidence) for part in shape_estimates(canonical, seed, rows)]


def shape_estimates(canonical: Canonical, seed: int, rows: int = ROWS) -> list[ShapePart]:
    """Estimate the margins' negentropies and the residual dependence.

    Margins: entropies from spacings. Jointly: entropy from nearest neighbours. The bias that
    normal samples of this shape have is removed. Errors join the bootstrap of rows'
    contributions with the error that normal samples show.
    """
    n, d = canonical.rows.shape
    used = np.asarray(canonical.rows[:: -(-n // rows)], dtype=np.float64)
    m = len(used)
    spread = used.std(axis=0)
    if m < 50 or not (spread > 0.0).all():
        why = "it takes 50 rows" if m < 50 else "a column is constant"
        return [ShapePart("kl-margins", None, None, f"not estimable: {why}")]
    margins = (used - used.mean(axis=0)) / spread
    ties = min(len(np.unique(column)) for column in margins.T) < 0.5 * m
    if ties:
        note = "not estimable: coordinates take few distinct values, so they have no density"
        return [ShapePart("kl-margins", None, None, note)]
    of_rows = _margin_ratios(margins)
    bias, error = _margin_null(m, seed)
    total = of_rows.sum(axis=1)
    value = float(total.mean()) - d * bias
    errors = _bootstrap(total, np.sqrt(d) * error, seed)
    note = "shape of the coordinates one by one; spacings, bias of normal samples removed"
    parts = [ShapePart("kl-margins", value, errors, note)]
    if d == 1:
        return parts
    return [*parts, _residual(used, total - d * bias, seed)]


def _residual(rows: Vector, margins: Vector, seed: int) -> ShapePart:
    """Estimate the joint negentropy less the margins'."""
    m, d = rows.shape
    at = min(m, max(REFUSED_ROWS, d + 2)) if d > JOINT_COLUMNS else m
    if m <= d:
        note = f"not estimable: n = {m} rows are no more than the d = {d} columns"
        return ShapePart("kl-dependence", None, None, note)
    bias, error = _joint_null(at, d, seed)
    if abs(bias) > JOINT_BIAS or d > JOINT_COLUMNS:
        wanted = np.log10(at) + 0.5 * d * np.log10(max(abs(bias), JOINT_BIAS) / JOINT_BIAS)
        wanted_text = f"10^{wanted:.0f}" if wanted > 6 else f"{10.0**wanted:,.0f}"
        note = (
            f"not estimable: in d = {d} nearest neighbours of {at} rows are off by {bias:+.2g} "
            f"nats for a normal; it would take about n = {wanted_text}"
        )
        return ShapePart("kl-dependence", None, None, note)
    mean, covariance = rows.mean(axis=0), np.atleast_2d(np.cov(rows.T, bias=True))
    if len(independent_columns(covariance, m)) < d:
        note = "not estimable: the covariance is singular, so there is no density"
        return ShapePart("kl-dependence", None, None, note)
    whitened = np.asarray(whiten_independent(rows, mean, covariance)[0], dtype=np.float64)
    ratios, smoother = _joint_ratios(whitened), _joint_ratios(whitened, 3 * NEIGHBOURS)
    if ratios is None or smoother is None:
        note = "not estimable: repeated rows, so there is no density"
        return ShapePart("kl-dependence", None, None, note)
    each = ratios - bias - margins
    # How much the answer moves with the neighbourhood is bias that normal samples do not show.
    coarse = float(smoother.mean()) - _joint_null(m, d, seed, 3 * NEIGHBOURS)[0]
    moved = coarse - float((ratios - bias).mean())
    errors = _bootstrap(each, float(np.hypot(error, moved)), seed)
    note = "dependence beyond correlation; nearest neighbours, bias of normal samples removed"
    return ShapePart("kl-dependence", float(each.mean()), errors, note)


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


LABELS = {
    "kl-margins": "Shape of the coordinates (sum of negentropies)",
    "kl-dependence": "Dependence beyond correlation",
}


def _effect(part: ShapePart, confidence: float) -> Effect:
    value, low, high = part.value, None, None
    if value is not None and part.errors is not None:
        tail = 0.5 * (1.0 - confidence)
        below, above = np.quantile(part.errors, [1.0 - tail, tail])
        low, high = float(max(0.0, value - below)), float(max(0.0, value - above))
        value = max(0.0, value)
    facts: dict[str, Any] = {"unit": "nats", "note": part.note}
    facts["confidence"] = None if value is None else confidence
    return Effect(name=part.name, label=LABELS[part.name], value=value, low=low, high=high, **facts)
