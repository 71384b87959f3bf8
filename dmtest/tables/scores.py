"""A score and a p-value for every row, and the rows that stand out."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, chdtr, chdtrc, chdtri, ndtr

from dmtest.calibration.multiplicity import holm
from dmtest.errors import InputError
from dmtest.results.outcome import Finding
from dmtest.runtime import cache
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.tables.covariance import SHARES, Mask, robust_distances
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import mean_and_covariance, varying_columns

Rule = Literal["holm", "benjamini-hochberg", "adjusted-quantile", "quantile"]
RULES: tuple[Rule, ...] = get_args(Rule)
# Up to this many rows the p-value of a robust distance comes from normal samples of n rows.
SIMULATED = 600
# Rows of all normal samples together, and the fewest and most samples.
NULL_ROWS, FEWEST, MOST = 120_000, 199, 999
# The null of robust distances: raise it with every change that alters a distance.
REVISION = 1


class RowScores(NamedTuple):
    """Scores of rows, larger is farther out, with their p-values.

    Attributes
    ----------
    squared : ndarray, shape (n,)
        Squared distances; chi-squared with d degrees of freedom under the target, or nearly.
    pvalues : ndarray, shape (n,)
    d : int
    score, method : str
        What the distance is, and how its p-value was calibrated.
    findings : tuple of Finding
    """

    squared: Vector
    pvalues: Vector
    d: int
    score: str
    method: str
    findings: tuple[Finding, ...] = ()


def specified_scores(canonical: Canonical) -> RowScores:
    """Scores of rows that follow N(0, I) under a fully specified target; p-values are exact.

    A row stands out by its length or by its largest coordinate: in many columns the length hides
    a single large one. The p-value is twice the smaller of both.
    """
    rows = canonical.rows
    d = rows.shape[1]
    squared: Vector = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    largest = np.abs(rows).max(axis=1).astype(np.float64)
    pvalues = chdtrc(d, squared)
    method = "exact: the length of the row, chi-squared"
    if d > 1:
        with np.errstate(divide="ignore"):  # a row of zeros
            by_largest = -np.expm1(d * np.log1p(-2.0 * ndtr(-largest)))  # 1 - (1 - 2 Phi(-m))^d
        pvalues = np.minimum(1.0, 2.0 * np.minimum(pvalues, by_largest))
        method += ", and its largest coordinate (twice the smaller p-value)"
    pvalues = np.maximum(pvalues, np.finfo(np.float64).tiny)  # no row has probability 0
    return RowScores(squared, np.asarray(pvalues), d, "length on normal scale", method)


def robust_scores(x: NDArray[Any], seed: int, what: str) -> RowScores:
    """Scores of rows that follow some normal law: robust distances, with calibrated p-values.

    Up to 600 rows the null of a distance is simulated: the same estimate of normal samples of
    this shape, on which it does not depend otherwise. Above, distances of rows that the estimate
    uses are beta and of the others F (Cerioli 2010).

    Raises
    ------
    InputError
        If there are no more rows than columns.
    """
    n, columns = x.shape
    if n <= columns + 1:
        raise InputError(
            f"{what}: distances of rows in d = {columns} columns take at least {columns + 2} rows; "
            f"got n = {n}, so pass fewer columns"
        )
    mean, covariance = mean_and_covariance(x)
    kept = varying_columns(x, mean, covariance)
    findings: tuple[Finding, ...] = ()
    if len(kept) < columns:
        left = columns - len(kept)
        text = (
            f"{left} {'column is' if left == 1 else 'columns are'} constant or linear "
            f"combinations of the others; distances are in the {len(kept)} that are not."
        )
        findings = (Finding("rank-deficient", text, left),)
    y = np.asarray(x[:, kept], dtype=np.float64)
    d = y.shape[1]
    found = robust_distances(y, seed) if n > 2 * d else None
    if found is None:
        text = (
            f"n = {n} rows in d = {d} columns are too few for robust distances, or too many of "
            f"them lie in a subspace; classical ones were used, which outliers can mask."
        )
        squared = _classical(y)
        pvalues = betainc_tail(squared * (n / (n - 1.0) ** 2), d, n)
        method = "exact under normality: beta distribution"
        findings += (Finding("classical-distances", text, None),)
        return RowScores(squared, pvalues, d, "Mahalanobis distance", method, findings)
    if found.share > SHARES[0]:
        text = (
            f"More than half of the rows have equal values in a column or lie in a subspace: the "
            f"robust covariance is of {found.share:.0%} of the rows instead of half."
        )
        findings += (Finding("exact-fit", text, None),)
    squared = found.squared
    if n <= SIMULATED:
        null = _null(n, d, found.share)
        better = np.searchsorted(null, squared, side="left")
        pvalues = np.asarray((1.0 + len(null) - better) / (len(null) + 1.0))
        method = f"monte carlo ({len(null) // n} normal samples of this shape)"
    else:
        m = int(found.used.sum())
        beta = betainc_tail(squared * (m / (m - 1.0) ** 2), d, m)
        ratio = squared * (m * (m - d) / ((m + 1.0) * (m - 1.0) * d))
        # P(F > f) of d and m - d degrees of freedom.
        tail = betainc(0.5 * (m - d), 0.5 * d, (m - d) / (m - d + d * ratio))
        pvalues = np.where(found.used, beta, tail)
        method = "approximate: beta and F distributions (Cerioli 2010)"
    name = "robust Mahalanobis distance (reweighted MCD)"
    return RowScores(squared, np.asarray(pvalues), d, name, method, findings)


def betainc_tail(share: Vector, d: int, n: int) -> Vector:
    """Upper tail of the beta law of n D^2 / (n - 1)^2, D by the n - 1 covariance."""
    inside = np.clip(share, 0.0, 1.0)
    return np.asarray(betainc(0.5 * (n - d - 1), 0.5 * d, 1.0 - inside))


def _classical(x: Vector) -> Vector:
    y = x - x.mean(axis=0)
    basis = np.linalg.qr(y)[0]
    return np.asarray(np.square(basis).sum(axis=1) * (len(x) - 1.0))


@lru_cache(maxsize=32)
def _null(n: int, d: int, share: float) -> Vector:
    """Squared robust distances of all rows of normal samples, in ascending order."""
    samples = int(min(MOST, max(FEWEST, NULL_ROWS // n)))
    key = {"kind": "robust distances", "n": n, "d": d, "share": share, "revision": REVISION}
    name = cache.entry_name(key | {"numpy": np.__version__})
    values = cache.read(name, n)
    if len(values) != samples:

        def task(b: int) -> Vector:
            x = stream(0, f"outliers/null/{n}/{d}", b).standard_normal((n, d))
            found = robust_distances(x, 0, share)
            assert found is not None  # draws of a density span all columns
            return found.squared

        values = np.array(list(run_tasks(task, range(samples))))
        cache.write(name, values)
    return np.sort(values, axis=None)


def benjamini_hochberg(pvalues: ArrayLike) -> Vector:
    """Benjamini & Hochberg's (1995) adjusted p-values: the smallest rate at which each rejects."""
    p = np.asarray(pvalues, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    steps = p[order] * (p.size / np.arange(1.0, p.size + 1.0))
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1.0, np.minimum.accumulate(steps[::-1])[::-1])
    return adjusted


def adjusted_quantile(squared: Vector, d: int) -> float | None:
    """Squared distance beyond which rows are outliers (Filzmoser, Garrett & Reimann 2005).

    The largest excess of the chi-squared cdf over that of the rows, beyond the .975 quantile, is
    the share of outliers if it exceeds a critical value; None if it does not.
    """
    n = len(squared)
    edge = float(chdtri(d, 0.025))
    ordered = np.sort(squared)
    beyond = ordered >= edge
    below = np.arange(n) / n  # the cdf of the rows just before each of them
    excess = float(np.max((chdtr(d, ordered) - below)[beyond], initial=0.0))
    slope, start = (0.003, 0.24) if d <= 10 else (0.0018, 0.252)
    if excess <= (start - slope * d) / np.sqrt(n):
        return None
    return max(edge, float(np.quantile(ordered, 1.0 - excess)))


def standing_out(scores: RowScores, rule: Rule, alpha: float) -> tuple[Vector, Mask, float | None]:
    """Return adjusted p-values, the rows that stand out by a rule, and the squared cutoff."""
    if rule in ("holm", "benjamini-hochberg"):
        adjust = holm if rule == "holm" else benjamini_hochberg
        adjusted = adjust(scores.pvalues)
        return adjusted, np.asarray(adjusted <= alpha), None
    if rule == "quantile":
        cutoff: float | None = float(chdtri(scores.d, alpha))
    else:
        cutoff = adjusted_quantile(scores.squared, scores.d)
    limit = np.inf if cutoff is None else cutoff
    return scores.pvalues, np.asarray(scores.squared > limit), cutoff
