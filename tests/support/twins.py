"""Slow twins of kernels and statistics: from definitions, numpy, scipy and statsmodels only.

Nothing here imports dmtest's kernels, engines or statistics. Every function takes one row.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, stats
from scipy.spatial.distance import cdist, pdist
from scipy.special import betaincinv, gamma, hyp1f1, log_ndtr, ndtr, ndtri
from statsmodels.stats.diagnostic import lilliefors

Vector = NDArray[np.float64]


def standardised(y: Vector) -> Vector:
    """Subtract the mean, divide by the n - 1 standard deviation."""
    return np.asarray((y - y.mean()) / y.std(ddof=1))


# Kernels


def power_sums(row: Vector, pivot: float) -> Vector:
    """Sum the first four powers about `pivot`."""
    return np.array([((row.astype(np.longdouble) - pivot) ** j).sum() for j in (1, 2, 3, 4)], float)


def edf_sums(row: Vector, loc: float, scale: float) -> Vector:
    """Compute the five sums of the edf kernel, of a row in any order."""
    z = (np.sort(row.astype(np.float64)) - loc) / scale
    n = len(z)
    i = np.arange(1, n + 1)
    u = ndtr(z)
    logs = ((2 * i - 1) * log_ndtr(z) + (2 * (n - i) + 1) * log_ndtr(-z)).sum() / n
    above, below = (i / n - u).max(), (u - (i - 1) / n).max()
    return np.array([above, below, ((u - (i - 0.5) / n) ** 2).sum(), (u - 0.5).sum(), logs])


def centred_products(left: Vector, right: Vector, first: int) -> float:
    """Sum over pairs of rows the products of the centred discrepancy's kernel."""
    total = 0.0
    for j, a in enumerate(left):
        for k, b in enumerate(right):
            if k > first + j:
                total += np.prod(1.0 + 0.5 * (np.abs(a) + np.abs(b) - np.abs(a - b)))
    return total


def spacing_mean(row: Vector, window: int) -> float:
    """Mean log of the spacings of order 2 m, the ends clamped."""
    y = np.sort(row.astype(np.float64))
    i = np.arange(len(y))
    gaps = y[np.minimum(i + window, len(y) - 1)] - y[np.maximum(i - window, 0)]
    with np.errstate(divide="ignore"):
        return float(np.log(gaps).mean())


def harmonic_sums(row: Vector, loc: float, scale: float, nodes: int) -> Vector:
    """Sum cos(j x) and sin(j x), j = 1..nodes, x = (row - loc) scale."""
    x = np.outer(np.arange(1, nodes + 1), (row.astype(np.float64) - loc) * scale)
    return np.stack([np.cos(x).sum(axis=1), np.sin(x).sum(axis=1)])


def epps_pulley(z: Vector) -> float:
    """BHEP with d = 1 and beta = 1, in closed form."""
    n = len(z)
    pairs = np.exp(-0.5 * (z[:, None] - z[None, :]) ** 2).sum()
    return float(pairs / n - np.sqrt(2) * np.exp(-0.25 * z * z).sum() + n / np.sqrt(3))


def anderson_darling(z: Vector) -> float:
    """A^2 from the logarithms of the cdf and of the survival function."""
    z = np.sort(z)
    n = len(z)
    i = np.arange(1, n + 1)
    return float(-n - ((2 * i - 1) * (log_ndtr(z) + log_ndtr(-z[::-1]))).sum() / n)


def watson(z: Vector) -> float:
    """U^2 from W^2 and the mean of the cdf."""
    square = stats.cramervonmises(z, "norm").statistic
    return float(square - len(z) * (ndtr(z).mean() - 0.5) ** 2)


def kuiper(z: Vector) -> float:
    """V as the sum of the two one-sided distances."""
    sides = [stats.kstest(z, "norm", alternative=a).statistic for a in ("greater", "less")]
    return float(sum(sides))


def vasicek(z: Vector, window: int | None = None) -> float:
    """Exponentiate scipy's entropy estimate."""
    with np.errstate(divide="ignore"):
        entropy = stats.differential_entropy(z, method="vasicek", window_length=window)
    return float(np.exp(entropy))


def vasicek_known(z: Vector, window: int | None = None) -> float:
    """Entropy against the cross-entropy from N(0, 1), in units of exp."""
    return float(vasicek(z, window) * np.exp(-0.5 * (np.mean(z**2) - 1.0)))


def dagostino_pearson(y: Vector) -> float:
    """Add the squared scores of scipy, which replaces a skewness of exactly 0 by another."""
    skewness = 0.0 if stats.skew(y) == 0.0 else stats.skewtest(y).statistic
    return float(skewness**2 + stats.kurtosistest(y).statistic ** 2)


def dagostino_pearson_known(z: Vector) -> float:
    """Johnson's and Wilson & Hilferty's transformations of the means of z^3 and z^4."""
    n = len(z)
    beta2 = 3.0 + (10395.0 / 15.0**2 - 3.0) / n
    w2 = -1.0 + np.sqrt(2.0 * (beta2 - 1.0))
    y = np.mean(z**3) / np.sqrt(15.0 / n) * np.sqrt((w2 - 1.0) / 2.0)
    first = np.sign(y) * np.log(abs(y) + np.sqrt(y * y + 1.0)) / np.sqrt(np.log(np.sqrt(w2)))
    root = 9504.0 / 96.0**1.5 / np.sqrt(n)
    a = 6.0 + 8.0 / root * (2.0 / root + np.sqrt(1.0 + 4.0 / root**2))
    x = (np.mean(z**4) - 3.0) * np.sqrt(n / 96.0)
    cube = (1.0 - 2.0 / a) / (1.0 + x * np.sqrt(2.0 / (a - 4.0)))
    second = (1.0 - 2.0 / (9.0 * a) - np.sign(cube) * abs(cube) ** (1 / 3)) / np.sqrt(2 / (9.0 * a))
    return float(first**2 + second**2)


def jarque_bera_known(z: Vector) -> float:
    """Squares of the means of z^3 and z^4 - 3 over their variances."""
    n = len(z)
    return float(np.mean(z**3) ** 2 * n / 15.0 + (np.mean(z**4) - 3.0) ** 2 * n / 96.0)


def scores(n: int) -> Vector:
    """Blom's approximate normal scores."""
    return np.asarray(ndtri((np.arange(1, n + 1) - 0.375) / (n + 0.25)))


def royston(n: int) -> Vector:
    """Weights of Shapiro-Wilk's W, Applied Statistics algorithm R94."""
    m = scores(n)
    u, c = n**-0.5, m / np.sqrt(m @ m)
    high = ((((-2.706056 * u + 4.434685) * u - 2.07119) * u - 0.147981) * u + 0.221157) * u + c[-1]
    next_ = ((((-3.582633 * u + 5.682633) * u - 1.752461) * u - 0.293762) * u + 0.042981) * u
    next_ += c[-2]
    inner = m[2:-2] * np.sqrt((1.0 - 2.0 * high**2 - 2.0 * next_**2) / (m[2:-2] @ m[2:-2]))
    return np.concatenate([[-high, -next_], inner, [next_, high]])


def share_known(z: Vector, line: Vector) -> float:
    """Share of the sum of squares that the line y = b explains."""
    return float(1.0 - ((np.sort(z) - line) ** 2).sum() / (z**2).sum())


def francia(y: Vector) -> float:
    """Squared correlation of the sorted values and the scores."""
    return float(np.corrcoef(np.sort(y), scores(len(y)))[0, 1] ** 2)


def francia_of_means(y: Vector) -> float:
    """Squared correlation of the sorted values and the means of N(0, 1) between its quantiles."""
    edges = ndtri(np.arange(len(y) + 1) / len(y))
    means = [
        integrate.quad(lambda x: x * stats.norm.pdf(x), low, high, epsabs=1e-13)[0]
        for low, high in pairwise(edges)
    ]
    return float(np.corrcoef(np.sort(y), means)[0, 1] ** 2)


def wasserstein_mean(n: int, exact: int) -> float:
    """Mean of n W2^2 under N(0, 1): outer order statistics by quadrature, of the rest the limit."""
    t = np.linspace(-7.9, 7.9, 301)
    weights = stats.norm.pdf(t) * (t[1] - t[0])
    i = np.arange(1, exact + 1)[:, None]
    z = ndtri(betaincinv(i, n + 1 - i, ndtr(t)[None]))
    edges = ndtri(np.arange(exact + 1) / n)
    density = stats.norm.pdf(edges)
    products = np.concatenate([[0.0], edges[1:] * density[1:]])
    second = 1.0 / n - np.diff(products)
    outer = (z * z @ weights) / n + 2.0 * (z @ weights) * np.diff(density) + second
    inner = np.linspace(edges[-1], -edges[-1], 20_001)
    limit = integrate.trapezoid(ndtr(inner) * ndtr(-inner) / stats.norm.pdf(inner), inner)
    return float(2.0 * n * outer.sum() + limit)


def squared_wasserstein(z: Vector) -> float:
    """W2^2 to N(0, 1): the cost of moving each cell of the normal to its value, by quadrature."""
    edges = ndtri(np.arange(len(z) + 1) / len(z))
    cost = 0.0
    for value, low, high in zip(np.sort(z), edges[:-1], edges[1:], strict=True):

        def integrand(x: float, value: float = value) -> float:
            return float((value - x) ** 2 * stats.norm.pdf(x))

        cost += integrate.quad(integrand, low, high, epsabs=1e-13)[0]
    return cost


Statistic = Callable[..., float]

# (test, parameters) -> statistic of a raw row; the sources of the fitted ones are others'.
STATISTICS: dict[tuple[str, str], Statistic] = {
    ("dagostino-pearson", "fitted"): dagostino_pearson,
    ("dagostino-pearson", "known"): dagostino_pearson_known,
    ("jarque-bera", "fitted"): lambda y: stats.jarque_bera(y).statistic,
    ("jarque-bera", "known"): jarque_bera_known,
    ("anderson-darling", "fitted"): lambda y: anderson_darling(standardised(y)),
    ("anderson-darling", "known"): anderson_darling,
    ("cramer-von-mises", "fitted"): lambda y: (
        stats.cramervonmises(standardised(y), "norm").statistic
    ),
    ("cramer-von-mises", "known"): lambda y: stats.cramervonmises(y, "norm").statistic,
    ("kolmogorov-smirnov", "fitted"): lambda y: lilliefors(y)[0],
    ("kolmogorov-smirnov", "known"): lambda y: stats.kstest(y, "norm").statistic,
    ("kuiper", "fitted"): lambda y: kuiper(standardised(y)),
    ("kuiper", "known"): kuiper,
    ("watson", "fitted"): lambda y: watson(standardised(y)),
    ("watson", "known"): watson,
    ("shapiro-wilk", "fitted"): lambda y: stats.shapiro(y).statistic,
    ("shapiro-wilk", "known"): lambda y: share_known(y, np.sqrt(len(y) - 1) * royston(len(y))),
    ("shapiro-francia", "fitted"): francia,
    ("shapiro-francia", "known"): lambda y: share_known(y, scores(len(y))),
    ("epps-pulley", "fitted"): lambda y: epps_pulley(standardised(y)),
    ("epps-pulley", "known"): epps_pulley,
    ("vasicek", "fitted"): lambda y, **p: vasicek(standardised(y), **p),
    ("vasicek", "known"): vasicek_known,
}


# Statistics of a sample


def henze_zirkler(x: Vector, beta: float | None = None) -> float:
    """T_beta from scipy's Mahalanobis distances with the 1/n covariance."""
    n, d = x.shape
    b = ((2 * d + 1) * n / 4) ** (1 / (d + 4)) / np.sqrt(2) if beta is None else beta
    inverse = np.linalg.inv(np.cov(x.T, ddof=0).reshape(d, d))
    pairs = 2 * np.exp(-0.5 * b**2 * pdist(x, "mahalanobis", VI=inverse) ** 2).sum() + n
    centred = x - x.mean(axis=0)
    length = np.einsum("ij,jk,ik->i", centred, inverse, centred)
    single = np.exp(-0.5 * b**2 / (1 + b**2) * length).sum()
    return float(pairs / n - 2 * (1 + b**2) ** (-d / 2) * single + n * (1 + 2 * b**2) ** (-d / 2))


def bhep(y: Vector, b2: float) -> float:
    """BHEP of rows as they are, with b^2: n MMD^2 from N(0, I) with kernel exp(-b^2 D / 2)."""
    n, d = y.shape
    pairs = np.exp(-0.5 * b2 * cdist(y, y, "sqeuclidean")).sum() / n
    single = np.exp(-0.5 * b2 / (1 + b2) * (y**2).sum(axis=1)).sum()
    return float(pairs - 2 * (1 + b2) ** (-d / 2) * single + n * (1 + 2 * b2) ** (-d / 2))


def energy(x: Vector) -> float:
    """Energy distance from N(0, I) times n, with E|x - Z| as scipy's 1F1."""
    n, d = x.shape
    mean = np.sqrt(2) * gamma(0.5 * (d + 1)) / gamma(0.5 * d)
    towards = mean * hyp1f1(-0.5, 0.5 * d, -0.5 * (x**2).sum(axis=1)).sum()
    return float(2 * towards - n * np.sqrt(2) * mean - cdist(x, x).sum() / n)


def stein(x: Vector) -> float:
    """Stein's operator, score -x, on both arguments of (1 + |x - y|^2 / d)^(-1/2), over pairs."""
    n, d = x.shape
    gap = x[:, None] - x[None]
    q = 1.0 + (gap**2).sum(axis=2) / d
    slope = -gap / d * q[..., None] ** -1.5  # by the first argument; by the second its negative
    both = q**-1.5 - 3.0 * (gap**2).sum(axis=2) / d**2 * q**-2.5
    total = x @ x.T * q**-0.5 + (x[:, None] * slope).sum(axis=2) - (x[None] * slope).sum(axis=2)
    return float((total + both).sum() / n)


def covariance_ledoit_wolf(x: Vector) -> float:
    """(n-1) d/2 W of the 1/(n-1) covariance."""
    n, d = x.shape
    s = np.cov(x.T)
    w = np.trace((s - np.eye(d)) @ (s - np.eye(d))) / d
    w += d / (n - 1) * (1.0 - (np.trace(s) / d) ** 2)
    return float((n - 1) * d / 2 * w)


def direction(x: Vector) -> float:
    """Rayleigh's and Bingham's statistics, standardised, added up."""
    n, d = x.shape
    y = x / np.linalg.norm(x, axis=1)[:, None]
    t = y.T @ y / n - np.eye(d) / d
    r, b = n * d * np.square(y.mean(axis=0)).sum(), n * d * (d + 2) / 2 * np.square(t).sum()
    q = (d - 1) * (d + 2) / 2
    return float((r - d) / np.sqrt(2 * d) + (b - q) / np.sqrt(2 * q))


def mmd_cube(u: Vector) -> float:
    """MMD^2 from the uniform times n, kernel exp(-6 D / d), by Gauss-Legendre quadrature."""
    n, d = u.shape
    nodes, weights = np.polynomial.legendre.leggauss(60)
    t, w = 0.5 * (nodes + 1), 0.5 * weights
    once = np.exp(-6 / d * (u[..., None] - t) ** 2) @ w
    both = w @ np.exp(-6 / d * (t[:, None] - t) ** 2) @ w
    pairs = np.exp(-6 / d * cdist(u, u, "sqeuclidean")).sum() / n
    return float(pairs - 2 * once.prod(axis=1).sum() + n * both**d)


def energy_interval(u: Vector) -> float:
    """Energy distance from the uniform on [0, 1] times n: E|x - U| = x^2 - x + 1/2."""
    n = len(u)
    return float(2 * (u**2 - u + 0.5).sum() - n / 3 - cdist(u, u).sum() / n)


def pad(x: Vector) -> float:
    """Evaluate the closed form in three dimensions; sphunif's quadrature is 1.3e-5 off it."""
    half = np.sqrt(np.clip(0.5 - 0.5 * (x @ x.T)[np.triu_indices(len(x), 1)], 0.0, 1.0))
    return float(1.0 + 2.0 / len(x) * (1.0 - 2.0 * np.log1p(half)).sum())


def royston_h(x: Vector) -> float:
    """H of Royston (1992), with scipy's Shapiro-Wilk p-values."""
    n, d = x.shape
    scores = ndtri(0.5 * np.array([stats.shapiro(column).pvalue for column in x.T])) ** 2
    r = np.abs(np.corrcoef(x.T)[np.triu_indices(d, 1)])
    v = 0.21364 + 0.015124 * np.log(n) ** 2 - 0.0018034 * np.log(n) ** 3
    c = (r**5 * (1 - 0.715 / v * (1 - r) ** 0.715)).mean()
    return float(d / (1 + (d - 1) * c) * scores.mean())


def generalised_shapiro_wilk(x: Vector) -> float:
    """Mean of scipy's W over the columns of S^(-1/2) (x - m)."""
    values, vectors = np.linalg.eigh(np.cov(x.T).reshape(x.shape[1], -1))
    y = (x - x.mean(axis=0)) @ (vectors / np.sqrt(values)) @ vectors.T
    return float(np.mean([stats.shapiro(column).statistic for column in y.T]))


# Row of the catalogue, by name and space -> statistic of a sample in that space.
ROWS: dict[str, Statistic] = {
    "royston-residuals": royston_h,
    "generalised-shapiro-wilk-residuals": generalised_shapiro_wilk,
    "henze-zirkler-residuals": henze_zirkler,
    "mmd-normal": lambda x: bhep(x, min(1.0, 5.0 / x.shape[1])),
    "energy-normal": energy,
    "stein-normal": stein,
    "mean-normal": lambda x: len(x) * np.square(x.mean(axis=0)).sum(),
    "covariance-lrt-normal": lambda x: (
        (len(x) - 1) * (np.trace(np.cov(x.T)) - np.log(np.linalg.det(np.cov(x.T))) - x.shape[1])
    ),
    "covariance-nagao-normal": lambda x: (
        len(x) / 2 * np.square(np.cov(x.T, bias=True) - np.eye(x.shape[1])).sum()
    ),
    "covariance-ledoit-wolf-normal": covariance_ledoit_wolf,
    "radius-normal": lambda x: anderson_darling(
        ndtri(stats.chi2(x.shape[1]).cdf((x**2).sum(axis=1)))
    ),
    "direction-normal": direction,
    "axis-kolmogorov-smirnov-cube": lambda u: (
        np.sqrt(len(u)) * max(stats.kstest(column, "uniform").statistic for column in u.T)
    ),
    "axis-anderson-darling-cube": lambda u: max(anderson_darling(ndtri(column)) for column in u.T),
    "centred-discrepancy-cube": lambda u: stats.qmc.discrepancy(u, method="CD"),
    "mmd-cube": mmd_cube,
    "energy-cube": energy_interval,
    "pad-sphere": pad,
}


def normal_divergence(mean: Vector, covariance: Vector) -> Vector:
    """KL(N(mean, covariance) || N(0, I)): of the mean, of the scale, of correlation, whole."""
    variances = np.diagonal(covariance)
    sd = np.sqrt(variances)
    correlation = covariance / np.outer(sd, sd)
    parts = [
        0.5 * float(mean @ mean),
        0.5 * float((variances - 1.0 - np.log(variances)).sum()),
        -0.5 * float(np.log(np.linalg.eigvalsh(correlation)).sum()),
    ]
    return np.array([*parts, sum(parts)])
