"""Weighted distances of empirical transforms from those of a normal: sums over pairs.

D_jk = |Y_j - Y_k|^2, P_jk = |Y_j + Y_k|^2, r_j^2 = |Y_j|^2; sums over all n^2 pairs. The
second value is calibrated: it has no constants, and another factor, of d alone, where the
scaling of the literature underflows or overflows in high dimension.
"""

from __future__ import annotations

import numpy as np

from dmtest.engines.gram import PairSum
from dmtest.engines.rows import Asks, RowView
from dmtest.errors import InputError
from dmtest.statistics.rows.skewness import mardia_skewness, mori_rohatgi_szekely

LARGEST = float(np.finfo(np.float64).max)


def henze_jimenez_gamero(view: RowView, a: float = 5.0) -> Asks:
    """a^(-d/2)/n sum exp(P/(4a)) + n (a-1)^(-d/2) - 2 (a-1/2)^(-d/2) sum exp(r^2/(4a-2)).

    It compares moment generating functions. Henze & Jimenez-Gamero (2019); equals mnt's HJG.
    Overflow (rows with r^2 > 700 a) returns the largest float, 1.8e308.
    """
    from dmtest.kernels import pairs as kernels

    _check_above("henze-jimenez-gamero", a, 1.0)
    n, d = view.n, view.d
    pairs = yield PairSum(kernels.mass, far=0.25 / a)
    with np.errstate(over="ignore"):
        alone = np.exp(view.squared / a).sum()
        single = np.exp(view.squared / (4.0 * a - 2.0)).sum()
    if np.isinf(alone):
        return LARGEST, LARGEST
    varying = float(
        (2.0 * pairs + alone) / n
        + n * (a / (a - 1.0)) ** (0.5 * d)
        - 2.0 * (a / (a - 0.5)) ** (0.5 * d) * single
    )
    return float(a ** (-0.5 * d) * varying), varying


def henze_visagie(view: RowView, a: float = 5.0) -> Asks:
    """16 a^2/n sum exp(P/(4a)) (g - P/(2a) + d/(2a) + P/(4a^2)).

    It compares gradients of moment generating functions. Henze & Visagie (2019); equals mnt's
    HV. At a = inf its limit, twice Mardia's skewness plus Mori, Rohatgi & Szekely's.
    """
    from dmtest.kernels import pairs as kernels

    if np.isinf(a):
        return (yield from _skewness_limit(view))
    _check_above("henze-visagie", a, 1.0)
    n, d = view.n, view.d
    norm_factor = 0.25 / a**2 - 0.5 / a
    pairs = yield PairSum(kernels.visagie, far=0.25 / a, constants=(1.0, norm_factor, 0.5 * d / a))
    r2 = view.squared
    with np.errstate(over="ignore"):
        alone = (np.exp(r2 / a) * (r2 + 4.0 * norm_factor * r2 + 0.5 * d / a)).sum()
    value = min(float(16.0 * a**2 / n * (2.0 * pairs + alone)), LARGEST)
    return value, value


def ebner_henze_strieder(view: RowView, a: float = 1.0) -> Asks:
    """Distance of gradients of characteristic functions, with weight exp(-a |t|^2).

    (pi/a)^(d/2)/n sum g exp(-D/(4a)) - 2 (2pi/(2a+1))^(d/2)/(2a+1) sum r^2 exp(-r^2/(4a+2))
    + n (pi/(a+1))^(d/2) d/(2(a+1)). Ebner, Henze & Strieder (2020); equals mnt's EHS. At
    a = inf its limit, twice Mardia's skewness plus Mori, Rohatgi & Szekely's; at a = 0
    d/2 - 2^(d/2+1) mean(r^2 exp(-r^2/2)).
    """
    from dmtest.kernels import pairs as kernels

    if np.isinf(a):
        return (yield from _skewness_limit(view))
    n, d, r2 = view.n, view.d, view.squared
    if a == 0.0:
        value = float(0.5 * d - 2.0 ** (0.5 * d + 1.0) * (r2 * np.exp(-0.5 * r2)).mean())
        return value, value
    pairs = yield PairSum(kernels.inner, near=0.25 / a)
    single = (r2 * np.exp(-r2 / (4.0 * a + 2.0))).sum()
    # In units of (pi/a)^(d/2); the pairs j = k add d there, which does not vary.
    varying = float(
        2.0 * pairs / n
        - 2.0 * (2.0 * a / (2.0 * a + 1.0)) ** (0.5 * d) / (2.0 * a + 1.0) * single
        + n * (a / (a + 1.0)) ** (0.5 * d) * d / (2.0 * (a + 1.0))
    )
    with np.errstate(over="ignore"):
        return float(np.exp(0.5 * d * np.log(np.pi / a)) * (varying + d)), varying


def doerr_ebner_henze_t(view: RowView, a: float = 1.0) -> Asks:
    """Distance of the Laplacian of the characteristic function from the normal's.

    d^-2 (a/pi)^(d/2) [ (pi/a)^(d/2)/n sum r_j^2 r_k^2 exp(-D/(4a)) - 2 (2pi)^(d/2)
    (2a+1)^(-2-d/2) sum r^2 (r^2 + 2da(2a+1)) exp(-r^2/(2(1+2a))) + n pi^(d/2) (a+1)^(-2-d/2)
    (a(a+1)d^2 + d(d+2)/4) ]. Doerr, Ebner & Henze (2019), arXiv 1909.12624; equals mnt's DEHT.
    """
    from dmtest.kernels import pairs as kernels

    n, d, r2 = view.n, view.d, view.squared
    pairs = yield PairSum(kernels.norms, near=0.25 / a)
    one = (2.0 * a / (2.0 * a + 1.0)) ** (0.5 * d) / (2.0 * a + 1.0) ** 2
    single = (r2 * (r2 + 2.0 * d * a * (2.0 * a + 1.0)) * np.exp(-r2 / (2.0 + 4.0 * a))).sum()
    both = (a / (a + 1.0)) ** (0.5 * d) / (a + 1.0) ** 2
    constant = a * (a + 1.0) * d**2 + 0.25 * d * (d + 2.0)
    value = (2.0 * pairs + np.square(r2).sum()) / n - 2.0 * one * single + n * both * constant
    return float(value / d**2), float(value / d**2)


def doerr_ebner_henze_u(view: RowView, a: float = 0.5) -> Asks:
    """Distance of the Laplacian of the characteristic function from (|t|^2 - d) times itself.

    d^-2/n sum [ r_j^2 r_k^2 - (r_j^2 + r_k^2)(D + 2da(2a-1))/(4a^2) + (16 d^2 a^3 (a-1)
    + 4d(d+2)a^2 + (8da^2 - (8+4d)a) D + D^2)/(16a^4) ] exp(-D/(4a)). Doerr, Ebner & Henze
    (2019), arXiv 1911.10955; equals mnt's DEHU.
    """
    from dmtest.kernels import pairs as kernels

    n, d, r2 = view.n, view.d, view.squared
    b, c = 0.25 / a**2, d * (2.0 * a - 1.0) / (2.0 * a)
    e, f = 1.0 / (16.0 * a**4), (2.0 * d * a - 2.0 - d) / (4.0 * a**3)
    h = d**2 * (a - 1.0) / a + d * (d + 2.0) / (4.0 * a**2)
    pairs = yield PairSum(kernels.laplacian, near=0.25 / a, constants=(b, c, e, f, h))
    # |Y_j|^2 adds up to n d, so its term and h do not vary.
    varying = float((2.0 * pairs + np.square(r2).sum()) / n / d**2)
    return varying + (h - 2.0 * c * d) / d**2, varying


def _skewness_limit(view: RowView) -> Asks:
    """Limit for a = inf: twice Mardia's skewness plus Mori, Rohatgi & Szekely's."""
    skewness, _ = yield from mardia_skewness(view)
    value = 2.0 * skewness + mori_rohatgi_szekely(view)[0]
    return value, value


def _check_above(test: str, a: float, low: float) -> None:
    if not a > low:
        raise InputError(f"params: a of {test} must be above {low:g}; got {a!r}.")
