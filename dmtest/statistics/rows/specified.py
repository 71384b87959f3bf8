"""Statistics for N(0, I): mean, covariance, lengths and directions of rows."""

from __future__ import annotations

import numpy as np
from scipy.special import chdtrc, gammainc, gammaincc, polygamma, psi

from dmtest.engines.rows import RowView, Values
from dmtest.errors import InputError
from dmtest.runtime.parallel import ROW_TILE, blocks


def mean(view: RowView) -> Values:
    """Squared length of the mean, times n: n |mean|^2."""
    value = float(view.n * (view.mean @ view.mean))
    return value, value


def mean_law(statistic: float, view: RowView) -> float:
    """Chi-squared with d degrees of freedom, exactly."""
    return float(chdtrc(view.d, statistic))


def covariance_lrt(view: RowView) -> Values:
    """(n-1) (tr S - log det S - d) for the 1/(n-1) covariance S. Anderson (2003), 10.8.

    Raises
    ------
    InputError
        If there are not more rows than columns.
    """
    n, d = view.n, view.d
    if n <= d:
        raise InputError(
            f"data: covariance-lrt takes more rows than columns; got n = {n}, d = {d}; use "
            f"covariance-ledoit-wolf."
        )
    unbiased = view.covariance * (n / (n - 1.0))
    sign, log_det = np.linalg.slogdet(unbiased)
    value = float((n - 1.0) * (np.trace(unbiased) - log_det - d)) if sign > 0 else float("inf")
    return value, value


def covariance_lrt_law(statistic: float, view: RowView) -> float:
    """Gamma with the exact mean and variance of the statistic under N(0, I).

    tr S and log det S are sums of independent log and linear parts of chi-squared variables
    with n - i degrees of freedom (Bartlett's decomposition).
    """
    n, d = view.n, view.d
    m = n - 1.0
    half = 0.5 * (m - np.arange(d))
    average = m * (d * np.log(0.5 * m) - psi(half).sum())
    # var(m tr S) = 2 m d, cov(m tr S, log det S) = 2 d.
    variance = 2.0 * m * d - 4.0 * m * d + m**2 * polygamma(1, half).sum()
    return float(gammaincc(average**2 / variance, statistic * average / variance))


def covariance_nagao(view: RowView) -> Values:
    """(n/2) tr (S - I)^2 for the 1/n covariance S. Nagao (1973)."""
    value = float(0.5 * view.n * np.square(view.covariance - np.eye(view.d)).sum())
    return value, value


def covariance_ledoit_wolf(view: RowView) -> Values:
    """(n d/2) W, W = tr (S-I)^2 / d - (d/n) (tr S / d)^2 + d/n. Ledoit & Wolf (2002).

    It allows more columns than rows. S is the 1/(n-1) covariance, and n - 1 replaces n in W,
    because the mean is fitted.
    """
    m, d = view.n - 1.0, view.d
    unbiased = view.covariance * (view.n / m)
    gap = np.square(unbiased - np.eye(d)).sum() / d
    w = gap - d / m * (np.trace(unbiased) / d) ** 2 + d / m
    value = float(0.5 * m * d * w)
    return value, value


def covariance_law(statistic: float, view: RowView) -> float:
    """Chi-squared with d(d+1)/2 degrees of freedom in the limit."""
    return float(chdtrc(0.5 * view.d * (view.d + 1.0), statistic))


def covariance_ledoit_wolf_mean(n: float, d: int) -> float:
    """Exact mean under N(0, I), by moments of the Wishart law with n - 1 degrees of freedom."""
    return 0.5 * d * (d + 1.0) - d / (n - 1.0)


def covariance_ledoit_wolf_scale(n: float, d: int) -> float:
    """Standard deviation of its limit law."""
    return float(np.sqrt(d * (d + 1.0)))


def radius_mean(n: float, d: int) -> float:
    """Exact mean of A^2, whatever n (Anderson & Darling 1954)."""
    return 1.0


def radius(view: RowView) -> Values:
    """Anderson-Darling A^2 of |x|^2 against the chi-squared with d degrees of freedom."""
    half, n = 0.5 * np.sort(view.squared), view.n
    tiny = np.finfo(np.float64).tiny
    below = np.log(np.maximum(gammainc(0.5 * view.d, half), tiny))
    above = np.log(np.maximum(gammaincc(0.5 * view.d, half), tiny))
    weights = (2.0 * np.arange(1, n + 1) - 1.0) / n
    value = float(-n - (weights * (below + above[::-1])).sum())
    return value, value


def direction(view: RowView) -> Values:
    """Rayleigh's and Bingham's statistics of x/|x|, each standardised by its limit, added up.

    (R - d)/sqrt(2d) + (B - q)/sqrt(2q), q = (d-1)(d+2)/2, for R = n d |mean u|^2 and B =
    n d (d+2)/2 tr(T - I/d)^2 with T the mean of u u'. Without standardisation R,
    with d degrees of freedom, would vanish beside B, with q. In one dimension R alone.
    """
    n, d = view.n, view.d
    inverse = 1.0 / np.sqrt(np.maximum(view.squared, np.finfo(np.float64).tiny))
    first, second = np.zeros(d), np.zeros((d, d))
    for part in blocks(n, ROW_TILE):
        unit = view.rows[part] * inverse[part, None]
        first += unit.sum(axis=0)
        second += unit.T @ unit
    rayleigh = d * (first @ first) / n
    value = float((rayleigh - d) / np.sqrt(2.0 * d))
    if d > 1:
        q = 0.5 * (d - 1.0) * (d + 2.0)
        bingham = 0.5 * n * d * (d + 2.0) * np.square(second / n - np.eye(d) / d).sum()
        value += float((bingham - q) / np.sqrt(2.0 * q))
    return value, value
