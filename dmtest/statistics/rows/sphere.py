"""Uniformity of rows of length 1: sums over pairs of functions of the angle between them.

The conventions are those of R's sphunif. Sums run over pairs j < k; g = cos theta_jk. The second
value, which is calibrated, leaves out what is constant under the null.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import betainc, chdtrc, gammaln

from dmtest.engines.gram import PairSum
from dmtest.engines.rows import Asks, RowView, Values
from dmtest.errors import InputError
from dmtest.runtime.typing import Vector

NODES = 1024


def rayleigh(view: RowView) -> Values:
    """Rayleigh's n d |mean|^2. Rayleigh (1919); Mardia & Jupp (2000)."""
    mean = np.asarray(view.mean)
    value = float(view.n * view.d * (mean @ mean))
    return value, value


def rayleigh_law(statistic: float, view: RowView) -> float:
    """Chi-squared with d degrees of freedom in the limit."""
    return float(chdtrc(view.d, statistic))


def bingham(view: RowView) -> Values:
    """Bingham's n d (d+2)/2 (tr T^2 - 1/d) for the mean T of x x'. Bingham (1974)."""
    n, d = view.n, view.d
    scatter = view.covariance + np.outer(view.mean, view.mean)
    scatter = scatter - np.eye(d) / d
    value = float(0.5 * n * d * (d + 2.0) * (np.square(scatter).sum()))
    return value, value


def bingham_law(statistic: float, view: RowView) -> float:
    """Chi-squared with (d-1)(d+2)/2 degrees of freedom in the limit."""
    return float(chdtrc(0.5 * (view.d - 1.0) * (view.d + 2.0), statistic))


def ajne(view: RowView) -> Asks:
    """n/4 - (1/(n pi)) sum theta. Ajne (1968); Prentice (1978)."""
    from dmtest.kernels import sphere as kernels

    return _ajne(view, (yield PairSum(kernels.angle)))


def gine_gn(view: RowView) -> Asks:
    """n/2 - (d-1)/(2n) (Gamma((d-1)/2) / Gamma(d/2))^2 sum sin theta. Gine (1975)."""
    from dmtest.kernels import sphere as kernels

    return _gine_gn(view, (yield PairSum(kernels.sine)))


def gine_fn(view: RowView) -> Asks:
    """4 Ajne + Gine's G_n. Gine (1975)."""
    from dmtest.kernels import sphere as kernels

    right, short = yield PairSum(kernels.angle), PairSum(kernels.sine)
    first, _ = _ajne(view, right)
    second, varying = _gine_gn(view, short)
    return 4.0 * first + second, 4.0 * first + varying


def _ajne(view: RowView, right: float) -> Values:
    value = float(0.25 + right / (view.n * np.pi))
    return value, value


def _gine_gn(view: RowView, short: float) -> Values:
    n, d = view.n, view.d
    factor = 0.5 * (d - 1.0) * np.exp(2.0 * (gammaln(0.5 * (d - 1)) - gammaln(0.5 * d)))
    varying = float(factor * short / n)
    return float(0.5 * n - factor * 0.5 * (n - 1.0)) + varying, varying


def bakshaev(view: RowView) -> Asks:
    """Energy on the sphere, n E|U - U'| - (2/n) sum |x_j - x_k|. Bakshaev (2010)."""
    from dmtest.kernels import sphere as kernels

    n, d = view.n, view.d
    short = yield PairSum(kernels.chord)
    # E|U - U'| = 2^(d-1) Gamma(d/2)^2 / (sqrt pi Gamma(d - 1/2)).
    log = (d - 1.0) * np.log(2.0) + 2.0 * gammaln(0.5 * d) - gammaln(d - 0.5)
    mean = float(np.exp(log) / np.sqrt(np.pi))
    varying = float(2.0 * short / n)
    return float(n * mean - np.sqrt(2.0) * (n - 1.0)) + varying, varying


def pcvm(view: RowView) -> Asks:
    """Cramer-von Mises statistic of slices, averaged over all directions.

    n int int (F_n,u - F)^2 dF du. Garcia-Portugues, Navarro-Esteban & Cuesta-Albertos (2023).
    """
    from dmtest.kernels import sphere as kernels

    pairs = yield PairSum(kernels.interpolant, constants=_pair_function(view.d, False))
    value = float(1.0 / 6.0 + 2.0 * pairs / view.n)
    return value, value


def pad(view: RowView) -> Asks:
    """Anderson-Darling statistic of slices, averaged over all directions; as :func:`pcvm`.

    For d = 3 the sum over all pairs of (1 - 2 log(1 + sin(theta/2))) / n, exactly; sphunif's
    quadrature is off by 1e-5 of the statistic there.
    """
    from dmtest.kernels import sphere as kernels

    pairs = yield PairSum(kernels.interpolant, constants=_pair_function(view.d, True))
    value = float(1.0 + 2.0 * pairs / view.n)
    return value, value


def cai_fan_jiang(view: RowView, regime: float = 3.0) -> Asks:
    """Largest |cosine|, as d log(1 - max g^2) and constants of n and d.

    Cai & Jiang (2012); Cai, Fan & Jiang (2013). `regime` 1 and 2 (d grows more slowly than
    log n, or as fast) add 4 log n - log log n; 3 adds 4 d/(d-2) log n - log d, for d > 2.
    A small value means rows too near to each other or to their opposites.
    """
    from dmtest.kernels import sphere as kernels

    n, d = view.n, view.d
    if regime not in (1.0, 2.0, 3.0):
        raise InputError(f"params: regime of cai-fan-jiang is 1, 2 or 3; got {regime!r}.")
    top = yield PairSum(kernels.largest_cosine, largest=True)
    varying = float(d * np.log(max(1.0 - top**2, 1e-300)))
    if regime == 3.0 and d > 2:
        return float(varying + 4.0 * d / (d - 2.0) * np.log(n) - np.log(d)), varying
    return float(varying + 4.0 * np.log(n) - np.log(np.log(n))), varying


def sobolev(view: RowView, degree: float = 3.0, upto: float | None = None) -> Asks:
    """Sum of squared means of the orthonormal harmonics of one or several degrees, times n.

    The degrees are `degree` to `upto`, by default `degree` alone: degree 1 is Rayleigh's, 2 is
    Bingham's statistic. Gine (1975); Prentice (1978).
    """
    from dmtest.kernels import sphere as kernels

    n, d = view.n, view.d
    first, last = int(degree), int(degree if upto is None else upto)
    if first != degree or first < 1 or last < first or (upto is not None and last != upto):
        raise InputError(
            f"params: degree and upto of sobolev are whole numbers, 1 <= degree <= upto; got "
            f"{degree!r} and {upto!r}."
        )
    weights = [0.0] * (first - 1) + [_harmonics(d, k) for k in range(first, last + 1)]
    pairs = yield PairSum(kernels.gegenbauer, constants=(float(d), *weights))
    varying = 2.0 * float(pairs) / n
    return varying + sum(weights), varying


def _harmonics(d: int, k: int) -> float:
    """Number of spherical harmonics of degree k: (2k+d-2)/(k+d-2) times C(k+d-2, k)."""
    log = gammaln(k + d - 1) - gammaln(k + 1) - gammaln(d - 1) if d > 1 else 0.0
    return float(np.round((2.0 * k + d - 2.0) / (k + d - 2.0) * np.exp(log)))


@lru_cache(maxsize=16)
def _pair_function(d: int, weighted: bool) -> tuple[float, ...]:
    """Values and slopes of h(theta) = int w (P(u.x <= t, u.y <= t) - F(t)^2) dF(t).

    w = 1 or 1/(F(1-F)). h(0) is 1/6 or 1, and h' = -(1/2pi) int w (1 - t^2 /
    cos^2(theta/2))^((d-2)/2) dF over |t| < cos(theta/2): if one half-space turns about the
    origin, its edge moves by the lever arm along it, and the mass there integrates to that power.
    """
    v = np.linspace(0.0, 1.0, NODES)
    inner, weight = np.polynomial.legendre.leggauss(12)
    # Gauss nodes between the nodes v: h is the running integral of h' d theta.
    step = v[1]
    between = v[:-1, None] + 0.5 * step * (inner + 1.0)
    slope = _slope(between.ravel(), d, weighted).reshape(between.shape)
    pieces = (slope * weight).sum(axis=1) * 0.5 * step
    start = 1.0 if weighted else 1.0 / 6.0
    values = start + np.concatenate([[0.0], np.cumsum(pieces)])
    slopes = np.concatenate([[0.0], _slope(v[1:], d, weighted)]) * step
    return (*values.tolist(), *slopes.tolist())


def _slope(v: Vector, d: int, weighted: bool) -> Vector:
    """Derivative dh/dv for theta = pi v^2, by double-exponential quadrature in t."""
    half = 0.5 * np.pi * v**2
    c, s = np.cos(half)[:, None], np.sin(half)[:, None]
    # t = c sin(phi), phi in (0, pi/2); psi = pi/2 - phi is resolved near 0.
    u = np.linspace(-4.2, 3.2, 160)
    psi = 0.5 * np.pi / (1.0 + np.exp(-np.pi * np.sinh(u)))
    jacobian = (
        0.5
        * np.pi
        * np.pi
        * np.cosh(u)
        * np.exp(-np.pi * np.sinh(u))
        / np.square(1.0 + np.exp(-np.pi * np.sinh(u)))
    )
    sin, cos = np.sin(psi), np.cos(psi)
    rest = sin**2 + s**2 * cos**2  # 1 - t^2
    log = np.log(rest)
    density = 0.5 * (d - 3.0) * log + gammaln(0.5 * d) - gammaln(0.5 * (d - 1.0))
    value = np.exp(density) / np.sqrt(np.pi) * sin ** (d - 2.0) * c * sin
    if weighted:
        tail = 0.5 * betainc(0.5 * (d - 1.0), 0.5, rest)
        # Where the tail underflows so does the density, by more.
        value = np.where(tail > 0.0, value / np.maximum(tail * (1.0 - tail), 1e-300), 0.0)
    inside = 2.0 * (value * jacobian).sum(axis=1) * (u[1] - u[0])
    return np.asarray(-inside * v)  # (1/2pi) d theta/dv = v
