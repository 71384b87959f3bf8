"""Kullback-Leibler divergence of the fitted normal from N(0, I) and its parts, in nats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, ndtri

from dmtest.data.groups import Groups
from dmtest.effects.groups import clustered_variance
from dmtest.information.columns import first_order, gamma_quantile, unseen
from dmtest.information.moments import normal_part
from dmtest.results import effect_table as table
from dmtest.results.effect_table import Estimates
from dmtest.results.estimate import Estimate, WidenedEstimate
from dmtest.runtime.parallel import ROW_TILE, blocks, run_tasks
from dmtest.runtime.typing import Vector
from dmtest.statistics.influence import heaviest_tail
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import independent_columns

# Most groups behind the design effect.
MOST_GROUPS = 20_000
# In the order of `unbiased_parts`.
PARTS = (table.KL_MEAN, table.KL_SCALE, table.KL_CORRELATION, table.KL_FITTED)


def gaussian_estimates(
    canonical: Canonical,
    *,
    skewed: bool = False,
    groups: Groups | None = None,
    whole: tuple[int, Vector, Vector] | None = None,
) -> Estimates:
    """Estimate KL(N(m, S) || N(0, I)) = |m|^2/2 + sum (s_i^2 - 1 - log s_i^2)/2 - log det(R)/2.

    For normal data the estimates are unbiased: |m|^2, the variances and the log-determinant
    (E log det is a sum of digammas) are replaced by unbiased estimates (:func:`unbiased_parts`).
    A part cannot be negative, its estimate can; reports show 0 then. The variance is that of the
    influence function over rows (delta method), plus the chi-squared variance that is left where
    the part is 0. Other laws bias the log-determinant by their kurtosis; the interval is widened by
    that.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d), with their mean and 1/n covariance.
    skewed : bool
        Whether to compute the skewness of the chi-squared part. Checks need it; the limits of
        a report do not use it.
    groups : Groups or None
        Groups of rows that depend on each other. The variance is then that of the sums of the
        influence over groups, and biases are those of :func:`effective_rows` rows.
    whole : (int, ndarray, ndarray), optional
        Number, mean and 1/n covariance of all rows, where `canonical` holds some of them.

    Returns
    -------
    dict of EffectRow to Estimate
        The divergence and its three parts, in nats. Where the covariance is singular: the
        divergence alone, with value None.
    """
    d = canonical.rows.shape[1]
    n, mean, covariance = whole or (len(canonical.rows), canonical.mean, canonical.covariance)
    counts, fewest = [float(n), float(n)], float(n)
    if groups is not None and len(independent_columns(covariance, n)) == d:
        *counts, fewest = effective_rows(canonical.rows, mean, covariance, groups)
    few = fewest <= d + 1
    values = None if few else estimable_parts(mean, covariance, n, counts)
    if values is None:
        why = f"it takes more than {d + 1} rows" if few else "the divergence is infinite"
        if few and n > d + 1:
            why = f"{why}, and groups leave about {fewest:.3g}"
        note = f"not estimable: the covariance of n = {n} rows is singular in d = {d}; {why}"
        return {table.KL_FITTED: Estimate(value=None, note=note)}
    spread, excess = influence_moments(canonical.rows, mean, covariance, groups)
    variance = spread / n + _second_order(covariance, counts)
    bias = excess / counts[1]
    third = _third_order(covariance, n) if skewed else np.zeros(len(PARTS))
    return {
        PARTS[j]: WidenedEstimate(
            value=float(values[j]),
            error=float(np.sqrt(variance[j])),
            skewness=float(third[j]) / float(variance[j]) ** 1.5 if variance[j] > 0.0 else 0.0,
            below=max(0.0, float(bias[j])),
            above=max(0.0, -float(bias[j])),
        )
        for j in (3, 0, 1, 2)
    }


def fitted_bounds(canonical: Canonical, estimate: Estimate, alpha: float) -> tuple[float, float]:
    """Bound the divergence of the fitted normal from both sides, each bound at 1 - `alpha`.

    It is nearly a square, so the variance of its estimate is a part in proportion to it and a part
    of second order. Both bounds solve for the divergence whose own variance puts the estimate so
    many standard errors off (a score interval): with the variance at the estimate, samples that are
    by chance near the target would have bounds that are too low. The upper one is infinite where
    the tails leave the covariance to rows that the sample may lack.

    Parameters
    ----------
    canonical : Canonical
        Independent rows on normal scale.
    estimate : Estimate
        The estimate of the whole, with a value and an error.
    alpha : float
    """
    assert estimate.value is not None
    rows = np.asarray(canonical.rows, dtype=np.float64)
    part = normal_part(rows, 0.0)
    error = float(part.influence.std(ddof=1)) / float(np.sqrt(len(rows)))
    share = error**2 / max(part.value, 1e-300)
    tail = heaviest_tail(np.einsum("ij,ij->i", rows, rows))

    def solved(value: float, sign: int, second: float) -> float:
        z = first_order(part.influence, alpha, below=sign < 0) / (error or 1.0)
        slope = 0.5 * z * z * share
        root = np.sqrt(2.0 * slope * max(value, 0.0) + slope**2 + (second * part.spread) ** 2)
        return float(value + slope + sign * root)

    below, above = (getattr(estimate, side, 0.0) for side in ("below", "above"))
    upper = solved(estimate.value, 1, float(ndtri(alpha))) + above + unseen(part.influence, tail)
    lower = solved(estimate.value, -1, gamma_quantile(alpha, part.skewness)) - below
    return max(0.0, lower), max(0.0, upper)


def estimable_parts(
    mean: Vector, covariance: Vector, n: int, counts: Sequence[float] | None = None
) -> Vector | None:
    """Return `unbiased_parts`, or None where the 1/n covariance of the rows is singular.

    `counts` are the effective rows of the mean and of the covariance; by default both are n.
    """
    d = len(mean)
    first, second = counts or (n, n)
    if min(first, second) <= d + 1 or len(independent_columns(covariance, n)) < d:
        return None
    parts = unbiased_parts(mean, covariance, second)
    if first != second:
        location = unbiased_parts(mean, covariance, first)[0]
        parts[[0, 3]] += location - parts[0]
    return parts


def unbiased_parts(mean: Vector, covariance: Vector, n: float) -> Vector:
    """Parts from mean, scale and correlation, and their sum, unbiased for normal data: (4,)."""
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


def effective_rows(
    rows: NDArray[Any], mean: Vector, covariance: Vector, groups: Groups
) -> tuple[float, float, float]:
    """Return the rows that would give mean and covariance their variance, were they independent.

    They are n over Kish's design effect (1965): the squared length of sums over groups, over that
    of rows. It is taken of the whitened rows z for the mean, of zz' - I for the covariance, and of
    z along the direction where it is largest; in at most MOST_GROUPS groups.
    """
    n, d = rows.shape
    inverse = np.linalg.inv(np.linalg.cholesky(covariance)).T
    order = np.argsort(groups.codes, kind="stable")
    ends = np.cumsum(np.bincount(groups.codes, minlength=groups.count))
    chosen = np.unique(np.linspace(0, groups.count - 1, MOST_GROUPS).astype(np.intp))
    whole, single, outer = np.zeros(2), np.zeros(2), np.zeros((d, d))
    for g in chosen:
        start, end = (0 if g == 0 else ends[g - 1]), ends[g]
        z = (np.asarray(rows[order[start:end]], dtype=np.float64) - mean) @ inverse
        k, own = end - start, np.square(z).sum(axis=1)
        gram = z @ z.T if k <= d else z.T @ z
        # |sum (zz' - I)|^2 = |Z'Z|^2 - 2 k tr Z'Z + k^2 d over the k rows of a group.
        second = float(np.square(gram).sum()) - 2.0 * k * float(own.sum()) + k * k * d
        total = z.sum(axis=0)
        outer += np.outer(total, total)
        whole += float(total @ total), second
        single += float(own.sum()), float((np.square(own) - 2.0 * own + d).sum())
    counts = n * single / np.maximum(whole, 1e-300)
    worst = n * single[0] / (d * float(np.linalg.eigvalsh(outer)[-1]))
    first, second, least = np.minimum(n, [*counts, worst]).tolist()
    return first, second, least


def _second_order(covariance: Vector, counts: Sequence[float]) -> Vector:
    """Variance of each part where its influence vanishes: shape (4,).

    There a part is half the squared length of the error of the mean, a quarter of that of the
    log variances, or half that of the correlations; `counts` are the rows of mean and covariance.
    """
    d = len(covariance)
    sd = np.sqrt(np.diagonal(covariance))
    correlation = covariance / np.outer(sd, sd)
    location = float(np.square(covariance).sum())
    scale = float((correlation**4).sum())
    pairs = d * (d - 1) / 2.0
    first, second = counts
    parts = np.array([location / first**2, scale / second**2, pairs / second**2])
    return np.asarray(0.5 * np.append(parts, parts.sum()))


def _third_order(covariance: Vector, n: int) -> Vector:
    """Third cumulant of each part where its influence vanishes: shape (4,).

    There a part is half a sum of squares of independent normals of variances w / n, with third
    cumulant sum w^3 / n^3. The w are the eigenvalues of S for the mean, those of the matrix of
    squared correlations for the scale, and 1 for each pair of columns.
    """
    d = len(covariance)
    sd = np.sqrt(np.diagonal(covariance))
    squared = np.square(covariance / np.outer(sd, sd))
    location, scale = (float((np.linalg.eigvalsh(a) ** 3).sum()) for a in (covariance, squared))
    pairs = d * (d - 1) / 2.0
    return np.array([location, scale, pairs, location + scale + pairs]) / float(n) ** 3


def influence_moments(
    rows: NDArray[Any], mean: Vector, covariance: Vector, groups: Groups | None = None
) -> tuple[Vector, Vector]:
    """Variance over rows of each part's influence function, and n times its bias: (4,) each.

    The variance is multiplied by the design effect of groups. The bias is what the kurtosis adds to
    that of normal rows: the variance of a column's variance is (kurtosis - 1) / n, and the
    log-determinant is biased by Mardia's kurtosis in the same way.
    """
    variances = np.diagonal(covariance).copy()
    inverse = np.linalg.inv(np.linalg.cholesky(covariance)).T
    d = len(mean)

    def influence(part: slice) -> tuple[Vector, Vector]:
        y = np.asarray(rows[part], dtype=np.float64) - mean
        square = y * y
        location = y @ mean
        scale = 0.5 * ((square @ (1.0 - 1.0 / variances)) - float((variances - 1.0).sum()))
        length = np.square(y @ inverse).sum(axis=1)
        whole = location + 0.5 * (square.sum(axis=1) - variances.sum()) - 0.5 * (length - d)
        correlation = whole - location - scale if d > 1 else np.zeros(len(y))
        fourth = np.zeros(4)
        fourth[1] = np.square(square / variances).sum()
        fourth[3] = np.square(length).sum()
        return np.stack([location, scale, correlation, whole]), fourth

    def tile(part: slice) -> Vector:
        values, fourth = influence(part)
        return np.stack([values.sum(axis=1), np.square(values).sum(axis=1), fourth])

    parts = blocks(len(rows), ROW_TILE)
    if groups is not None:
        pieces = list(run_tasks(influence, parts))
        spread = clustered_variance(np.concatenate([v for v, _ in pieces], axis=1).T, groups)
        fourth = np.sum([sums for _, sums in pieces], axis=0) / len(rows)
    else:
        total = np.zeros((3, 4))
        for sums in run_tasks(tile, parts):
            total += sums
        first, second, fourth = total / len(rows)
        spread = np.maximum(second - first**2, 0.0)
    excess = 0.25 * (fourth - np.array([0.0, 3.0 * d, 0.0, d * (d + 2.0)]))
    excess[2] = excess[3] - excess[1]
    return spread, excess
