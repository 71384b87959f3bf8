"""Statistics from their definitions, with 40 digits: what rounding alone makes of the others.

Every function takes the rows of a sample as lists of mpmath numbers. Searches over directions
and statistics of random numbers have no such value.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from mpmath import mp, mpf

DIGITS = 40
Number = Any  # mpmath has no types
Rows = list[list[Number]]


def exact(x: np.ndarray) -> Rows:
    """Return the values of an array, without rounding."""
    return [[mpf(float(value)) for value in row] for row in x]


def total(values: Iterable[Number]) -> Number:
    return mp.fsum(values)


def dot(u: Sequence[Number], v: Sequence[Number]) -> Number:
    return mp.fdot(u, v)


def mean(values: Sequence[Number]) -> Number:
    return total(values) / len(values)


def norm2(u: Sequence[Number]) -> Number:
    return dot(u, u)


def gap2(u: Sequence[Number], v: Sequence[Number]) -> Number:
    return total((a - b) ** 2 for a, b in zip(u, v, strict=True))


def over_pairs(x: Rows, function: Callable[[Sequence[Number], Sequence[Number]], Number]) -> Number:
    """Sum over all n^2 pairs of a symmetric function."""
    once = total(function(x[j], x[k]) for j in range(len(x)) for k in range(j))
    return 2 * once + total(function(row, row) for row in x)


def quantile(p: Number) -> Number:
    return mp.sqrt(2) * mp.erfinv(2 * p - 1)


# One column ------------------------------------------------------------------------------------


def power_mean(y: Sequence[Number], k: int, centre: Number = 0) -> Number:
    return mean([(value - centre) ** k for value in y])


def standardised(y: Sequence[Number]) -> list[Number]:
    m = mean(y)
    s = mp.sqrt(power_mean(y, 2, m) * len(y) / (len(y) - 1))
    return [(value - m) / s for value in y]


def edf(name: str, z: Sequence[Number]) -> Number:
    """Compute a statistic of the cdf of N(0, 1)."""
    return of_cdf(name, [mp.ncdf(value) for value in sorted(z)], [mp.ncdf(-v) for v in sorted(z)])


def of_cdf(name: str, u: Sequence[Number], rest: Sequence[Number]) -> Number:
    n = len(u)
    above = max(mpf(i + 1) / n - u[i] for i in range(n))
    below = max(u[i] - mpf(i) / n for i in range(n))
    if name == "kolmogorov-smirnov":
        return max(above, below)
    if name == "kuiper":
        return above + below
    if name == "anderson-darling":
        logs = ((2 * i + 1) * (mp.log(u[i]) + mp.log(rest[n - 1 - i])) for i in range(n))
        return -n - total(logs) / n
    square = mpf(1) / (12 * n) + total((u[i] - mpf(2 * i + 1) / (2 * n)) ** 2 for i in range(n))
    return square if name == "cramer-von-mises" else square - n * (mean(u) - mpf(1) / 2) ** 2


def k2(y: Sequence[Number], known: bool) -> Number:
    """D'Agostino & Pearson's sum of the squared scores of skewness and kurtosis."""
    n = mpf(len(y))
    if known:
        b2 = 3 + (mpf(10395) / 225 - 3) / n
        third, fourth = power_mean(y, 3) / mp.sqrt(15 / n), (power_mean(y, 4) - 3) * mp.sqrt(n / 96)
        root = mpf(9504) / mp.power(96, mpf(3) / 2) / mp.sqrt(n)
    else:
        m = mean(y)
        variance = power_mean(y, 2, m)
        b1, kurtosis = power_mean(y, 3, m) / variance ** mpf("1.5"), power_mean(y, 4, m)
        third = b1 * mp.sqrt((n + 1) * (n + 3) / (6 * (n - 2)))
        b2 = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3)
        b2 /= (n - 2) * (n + 5) * (n + 7) * (n + 9)
        variation = 24 * n * (n - 2) * (n - 3) / ((n + 1) ** 2 * (n + 3) * (n + 5))
        fourth = (kurtosis / variance**2 - 3 * (n - 1) / (n + 1)) / mp.sqrt(variation)
        root = 6 * (n**2 - 5 * n + 2) / ((n + 7) * (n + 9))
        root *= mp.sqrt(6 * (n + 3) * (n + 5) / (n * (n - 2) * (n - 3)))
    w2 = -1 + mp.sqrt(2 * (b2 - 1))
    ratio = third * mp.sqrt((w2 - 1) / 2)
    first = mp.asinh(ratio) / mp.sqrt(mp.log(w2) / 2)
    a = 6 + 8 / root * (2 / root + mp.sqrt(1 + 4 / root**2))
    cube = (1 - 2 / a) / (1 + fourth * mp.sqrt(2 / (a - 4)))
    second = (1 - 2 / (9 * a) - mp.sign(cube) * mp.cbrt(abs(cube))) / mp.sqrt(2 / (9 * a))
    return first**2 + second**2


def jarque_bera(y: Sequence[Number], known: bool) -> Number:
    n = len(y)
    if known:
        return n * (power_mean(y, 3) ** 2 / 15 + (power_mean(y, 4) - 3) ** 2 / 96)
    m = mean(y)
    variance = power_mean(y, 2, m)
    kurtosis = power_mean(y, 4, m) / variance**2
    return n * (power_mean(y, 3, m) ** 2 / variance**3 / 6 + (kurtosis - 3) ** 2 / 24)


def blom(n: int) -> list[Number]:
    return [quantile((i - mpf(3) / 8) / (n + mpf(1) / 4)) for i in range(1, n + 1)]


def royston_weights(n: int) -> list[Number]:
    """Weights of Shapiro-Wilk's W, Applied Statistics algorithm R94."""
    m = blom(n)
    size, u = norm2(m), 1 / mp.sqrt(n)
    ends = (
        ("-2.706056", "4.434685", "-2.07119", "-0.147981", "0.221157"),
        ("-3.582633", "5.682633", "-1.752461", "-0.293762", "0.042981"),
    )
    last, before = (mp.polyval([*map(mpf, ends[i]), m[-1 - i] / mp.sqrt(size)], u) for i in (0, 1))
    inner = (1 - 2 * last**2 - 2 * before**2) / (size - 2 * m[-1] ** 2 - 2 * m[-2] ** 2)
    return [-last, -before, *(value * mp.sqrt(inner) for value in m[2:-2]), before, last]


def shapiro_wilk(y: Sequence[Number], known: bool = False) -> Number:
    a, n = royston_weights(len(y)), len(y)
    if known:
        return share(y, [mp.sqrt(n - 1) * value for value in a])
    return dot(a, sorted(y)) ** 2 / (n * power_mean(y, 2, mean(y)))


def share(z: Sequence[Number], line: Sequence[Number]) -> Number:
    return 1 - gap2(sorted(z), line) / norm2(z)


def shapiro_francia(y: Sequence[Number], known: bool) -> Number:
    m = blom(len(y))
    if known:
        return share(y, m)
    return dot(m, sorted(y)) ** 2 / (norm2(m) * len(y) * power_mean(y, 2, mean(y)))


def vasicek(z: Sequence[Number], known: bool) -> Number:
    y, n = sorted(z), len(z)
    m = int(np.sqrt(n) + 0.5)
    gaps = (y[min(i + m, n - 1)] - y[max(i - m, 0)] for i in range(n))
    value = mp.exp(total(mp.log(mpf(n) / (2 * m) * gap) for gap in gaps) / n)
    return value * mp.exp(-(power_mean(z, 2) - 1) / 2) if known else value


def slices(name: str, y: Sequence[Number], known: bool) -> Number:
    """Compute a slice test's statistic of one column."""
    if name in ("dagostino-pearson", "jarque-bera", "shapiro-wilk", "shapiro-francia"):
        own = {
            "dagostino-pearson": k2,
            "jarque-bera": jarque_bera,
            "shapiro-wilk": shapiro_wilk,
            "shapiro-francia": shapiro_francia,
        }
        return own[name](y, known)
    z = list(y) if known else standardised(y)
    if name == "vasicek":
        return vasicek(z, known)
    return bhep([[value] for value in z], mpf(1)) if name == "epps-pulley" else edf(name, z)


# Whole rows ------------------------------------------------------------------------------------


def moments(x: Rows) -> tuple[list[Number], Number]:
    """Return the mean and the 1/n covariance."""
    d, n = len(x[0]), len(x)
    m = [mean([row[i] for row in x]) for i in range(d)]
    centred = [[row[i] - m[i] for i in range(d)] for row in x]
    s = mp.matrix(d)
    for i in range(d):
        for j in range(d):
            s[i, j] = total(row[i] * row[j] for row in centred) / n
    return m, s


def whitened(x: Rows) -> Rows:
    """Return L^-1 (x - m) for S = L L'."""
    m, s = moments(x)
    factor = mp.cholesky(s)
    return [_forward(factor, [a - b for a, b in zip(row, m, strict=True)]) for row in x]


def _forward(factor: Number, row: Sequence[Number]) -> list[Number]:
    out: list[Number] = []
    for i, value in enumerate(row):
        out.append((value - total(factor[i, k] * out[k] for k in range(i))) / factor[i, i])
    return out


def symmetric(x: Rows, correlation: bool) -> Rows:
    """Return the rows times the symmetric inverse root of their covariance or correlation."""
    m, s = moments(x)
    d = len(m)
    scale = [mp.sqrt(s[i, i]) if correlation else mpf(1) for i in range(d)]
    c = mp.matrix(d)
    for i in range(d):
        for j in range(d):
            c[i, j] = s[i, j] / (scale[i] * scale[j])
    values, vectors = mp.eigsy(c)
    root = vectors * mp.diag([1 / mp.sqrt(v) for v in values]) * vectors.T
    return [
        [total(root[i, j] * (row[j] - m[j]) / scale[j] for j in range(d)) for i in range(d)]
        for row in x
    ]


def bhep(y: Rows, b2: Number) -> Number:
    n, d = len(y), len(y[0])
    pairs = over_pairs(y, lambda u, v: mp.exp(-b2 * gap2(u, v) / 2)) / n
    single = total(mp.exp(-b2 / (2 * (1 + b2)) * norm2(row)) for row in y)
    half = mpf(d) / 2
    return pairs - 2 * (1 + b2) ** -half * single + n * (1 + 2 * b2) ** -half


def henze_zirkler(y: Rows) -> Number:
    n, d = len(y), len(y[0])
    return bhep(y, ((2 * d + 1) * mpf(n) / 4) ** (mpf(2) / (d + 4)) / 2)


def energy(y: Rows, scale: Number = 1) -> Number:
    n, d = len(y), len(y[0])
    ratio = mp.gamma(mpf(d + 1) / 2) / mp.gamma(mpf(d) / 2)

    def towards(row: Sequence[Number]) -> Number:
        return mp.hyp1f1(mpf(-1) / 2, mpf(d) / 2, -(scale**2) * norm2(row) / 2)

    single = mp.sqrt(2) * ratio * total(map(towards, y))
    return 2 * single - 2 * n * ratio - scale * over_pairs(y, lambda u, v: mp.sqrt(gap2(u, v))) / n


def plus2(u: Sequence[Number], v: Sequence[Number]) -> Number:
    return total((a + b) ** 2 for a, b in zip(u, v, strict=True))


def henze_jimenez_gamero(y: Rows) -> Number:
    a = mpf(5)
    n, half = len(y), mpf(len(y[0])) / 2
    pairs = a**-half / n * over_pairs(y, lambda u, v: mp.exp(plus2(u, v) / (4 * a)))
    single = total(mp.exp(norm2(row) / (4 * a - 2)) for row in y)
    return pairs + n * (a - 1) ** -half - 2 * (a - mpf(1) / 2) ** -half * single


def henze_visagie(y: Rows) -> Number:
    a = mpf(5)
    d = len(y[0])

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        p = plus2(u, v)
        return mp.exp(p / (4 * a)) * (dot(u, v) - p / (2 * a) + d / (2 * a) + p / (4 * a**2))

    return 16 * a**2 / len(y) * over_pairs(y, pair)


def ebner_henze_strieder(y: Rows) -> Number:
    a = mpf(1)
    n, d = len(y), len(y[0])
    half = mpf(d) / 2
    pairs = over_pairs(y, lambda u, v: dot(u, v) * mp.exp(-gap2(u, v) / (4 * a)))
    single = total(norm2(row) * mp.exp(-norm2(row) / (4 * a + 2)) for row in y)
    return (
        (mp.pi / a) ** half / n * pairs
        - 2 * (2 * mp.pi / (2 * a + 1)) ** half / (2 * a + 1) * single
        + n * (mp.pi / (a + 1)) ** half * d / (2 * (a + 1))
    )


def doerr_ebner_henze_t(y: Rows) -> Number:
    a = mpf(1)
    n, d = len(y), len(y[0])
    half = mpf(d) / 2

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        return norm2(u) * norm2(v) * mp.exp(-gap2(u, v) / (4 * a))

    def single(row: Sequence[Number]) -> Number:
        r2 = norm2(row)
        return r2 * (r2 + 2 * d * a * (2 * a + 1)) * mp.exp(-r2 / (2 * (1 + 2 * a)))

    inner = (mp.pi / a) ** half / n * over_pairs(y, pair)
    inner -= 2 * (2 * mp.pi) ** half * (2 * a + 1) ** (-2 - half) * total(map(single, y))
    last = a * (a + 1) * d**2 + mpf(d * (d + 2)) / 4
    inner += n * mp.pi**half * (a + 1) ** (-2 - half) * last
    return (a / mp.pi) ** half * inner / d**2


def doerr_ebner_henze_u(y: Rows) -> Number:
    a = mpf(1) / 2
    d = len(y[0])

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        g, r, s = gap2(u, v), norm2(u), norm2(v)
        end = 16 * d**2 * a**3 * (a - 1) + 4 * d * (d + 2) * a**2
        end += (8 * d * a**2 - (8 + 4 * d) * a) * g + g**2
        middle = (r + s) * (g + 2 * d * a * (2 * a - 1)) / (4 * a**2)
        return (r * s - middle + end / (16 * a**4)) * mp.exp(-g / (4 * a))

    return over_pairs(y, pair) / len(y) / d**2


def henze_jimenez_gamero_meintanis(y: Rows) -> Number:
    """Sum over quadruples; cos(Y_k.t)^2 by its even part, with both signs of Y_m."""
    a = mpf(3) / 2
    n = len(y)
    plus = [[a + b for a, b in zip(u, v, strict=True)] for u in y for v in y]
    minus = [[a - b for a, b in zip(u, v, strict=True)] for u in y for v in y]
    forms = [(s, mp.exp(norm2(s) / (4 * a))) for s in plus]
    four = total(
        weight * mp.exp(-norm2(q) / (4 * a)) * mp.cos(dot(s, q) / (2 * a)) / 2
        for s, weight in forms
        for q in (*plus, *minus)
    )
    two = total(
        mp.exp((norm2(u) - norm2(v)) / (4 * a)) * mp.cos(dot(u, v) / (2 * a)) for u in y for v in y
    )
    return n * (four / n**4 - 2 * two / n**2 + 1)


def gegenbauer(k: int, d: int, t: Number) -> Number:
    """Zonal harmonic of degree k on the sphere of R^d: its number of harmonics at t = 1."""
    if d == 2:
        return 2 * mp.chebyt(k, t)
    order = mpf(d) / 2 - 1
    return (1 + k / order) * mp.gegenbauer(k, order, t)


def cosine(u: Sequence[Number], v: Sequence[Number]) -> Number:
    return dot(u, v) / mp.sqrt(norm2(u) * norm2(v))


def manzotti_quiroz_1(y: Rows) -> Number:
    d = len(y[0])

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        t = cosine(u, v)
        return total(gegenbauer(k, d, t) for k in (1, 2, 3, 4))

    return over_pairs(y, pair) / len(y)


def manzotti_quiroz_2(y: Rows) -> Number:
    n, d = len(y), len(y[0])

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        t, cubes = cosine(u, v), (norm2(u) * norm2(v)) ** (mpf(3) / 2)
        return cubes * total(gegenbauer(k, d, t) for k in (1, 2))

    lengths = [mp.sqrt(norm2(row)) for row in y]
    first, third, fourth = (
        2 ** (mpf(k) / 2) * mp.gamma(mpf(d + k) / 2) / mp.gamma(mpf(d) / 2) for k in (1, 3, 4)
    )
    sixth = mpf(d * (d + 2) * (d + 4))
    gap = mp.matrix([mean(lengths) - first, power_mean(lengths, 3) - third])
    spread = mp.matrix(2)
    spread[0, 0], spread[1, 1] = d - first**2, sixth - third**2
    spread[0, 1] = spread[1, 0] = fourth - first * third
    radial = (gap.T * mp.lu_solve(spread, gap))[0]
    return over_pairs(y, pair) / n / sixth + n * radial


def doornik_hansen(x: Rows) -> Number:
    """Sum of the squared scores of the columns, after the symmetric root of the correlation."""
    rows, n = symmetric(x, True), mpf(len(x))
    value = mpf(0)
    for column in zip(*rows, strict=True):
        m = mean(column)
        variance = power_mean(column, 2, m)
        root, b2 = power_mean(column, 3, m) / variance ** mpf("1.5"), power_mean(column, 4, m)
        b2, b1 = b2 / variance**2, root**2
        beta = 3 * (n**2 + 27 * n - 70) * (n + 1) * (n + 3)
        beta /= (n - 2) * (n + 5) * (n + 7) * (n + 9)
        w2 = -1 + mp.sqrt(2 * (beta - 1))
        y = root * mp.sqrt((w2 - 1) / 2 * (n + 1) * (n + 3) / (6 * (n - 2)))
        first = mp.asinh(y) / mp.sqrt(mp.log(w2) / 2)
        delta = (n - 3) * (n + 1) * (n**2 + 15 * n - 4)
        common = (n + 5) * (n + 7) / delta
        a = (n - 2) * common * (n**2 + 27 * n - 70) / 6
        c = (n - 7) * common * (n**2 + 2 * n - 5) / 6
        k = common * (n**3 + 37 * n**2 + 11 * n - 313) / 12
        alpha = a + b1 * c
        ratio = 2 * k * (b2 - 1 - b1) / (2 * alpha)
        second = (mp.cbrt(ratio) - 1 + 1 / (9 * alpha)) * mp.sqrt(9 * alpha)
        value += first**2 + second**2
    return value


def generalised_shapiro_wilk(x: Rows) -> Number:
    return mean([shapiro_wilk(column) for column in zip(*symmetric(x, False), strict=True)])


def royston(x: Rows) -> Number:
    """H of Royston (1992) with the p-values of AS R94 for more than 11 rows."""
    n, log = len(x), mp.log(len(x))
    _, s = moments(x)
    d = len(x[0])
    mu = mp.polyval([mpf("0.0038915"), mpf("-0.083751"), mpf("-0.31082"), mpf("-1.5861")], log)
    sigma = mp.exp(mp.polyval([mpf("0.0030302"), mpf("-0.082676"), mpf("-0.4803")], log))
    scores = []
    for column in zip(*x, strict=True):
        p = mp.ncdf(-(mp.log(1 - shapiro_wilk(column)) - mu) / sigma)
        scores.append(quantile(p / 2) ** 2)
    v = mpf("0.21364") + mpf("0.015124") * log**2 - mpf("0.0018034") * log**3
    c = []
    for i in range(d):
        for j in range(i):
            r = abs(s[i, j]) / mp.sqrt(s[i, i] * s[j, j])
            c.append(r**5 * (1 - mpf("0.715") / v * (1 - r) ** mpf("0.715")))
    assert n > 11
    return d / (1 + (d - 1) * mean(c)) * mean(scores)


# N(0, I), the cube, the sphere and two samples -------------------------------------------------


def stein(x: Rows) -> Number:
    d = len(x[0])

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        g, q = gap2(u, v), 1 + gap2(u, v) / d
        slope, curve = -(q ** mpf("-1.5")) / (2 * d), 3 * q ** mpf("-2.5") / (4 * mpf(d) ** 2)
        return dot(u, v) / mp.sqrt(q) + 2 * slope * (g - d) - 4 * g * curve

    return over_pairs(x, pair) / len(x)


def covariance(name: str, x: Rows) -> Number:
    n, d = len(x), len(x[0])
    _, s = moments(x)
    if name == "nagao":
        return mpf(n) / 2 * _square_trace(s - mp.eye(d))
    s = s * n / (n - 1)
    trace = total(s[i, i] for i in range(d))
    if name == "lrt":
        return (n - 1) * (trace - mp.log(mp.det(s)) - d)
    w = _square_trace(s - mp.eye(d)) / d - mpf(d) / (n - 1) * (trace / d) ** 2 + mpf(d) / (n - 1)
    return mpf((n - 1) * d) / 2 * w


def _square_trace(s: Number) -> Number:
    return total(value**2 for value in s)


def radius(x: Rows) -> Number:
    half = mpf(len(x[0])) / 2
    size = sorted(norm2(row) / 2 for row in x)
    below = [mp.gammainc(half, 0, value, regularized=True) for value in size]
    above = [mp.gammainc(half, value, mp.inf, regularized=True) for value in size]
    return of_cdf("anderson-darling", below, above)


def of_degree(x: Rows, k: int) -> Number:
    """Sum of squared means of harmonics of one degree, times n: Rayleigh's, Bingham's, Sobolev."""
    return over_pairs(x, lambda u, v: gegenbauer(k, len(x[0]), dot(u, v))) / len(x)


def direction(x: Rows) -> Number:
    d = len(x[0])
    y = [[value / mp.sqrt(norm2(row)) for value in row] for row in x]
    q = mpf((d - 1) * (d + 2)) / 2
    return (of_degree(y, 1) - d) / mp.sqrt(2 * d) + (of_degree(y, 2) - q) / mp.sqrt(2 * q)


def by_column(x: Rows, name: str) -> list[Number]:
    columns = [sorted(column) for column in zip(*x, strict=True)]
    return [of_cdf(name, column, [1 - value for value in column]) for column in columns]


def centred_discrepancy(x: Rows) -> Number:
    n, d = len(x), len(x[0])
    half = mpf(1) / 2

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        parts = zip(u, v, strict=True)
        return mp.fprod(1 + (abs(a - half) + abs(b - half) - abs(a - b)) / 2 for a, b in parts)

    single = total(mp.fprod(1 + abs(a - half) / 2 - (a - half) ** 2 / 2 for a in row) for row in x)
    return (mpf(13) / 12) ** d - mpf(2) / n * single + over_pairs(x, pair) / mpf(n) ** 2


def mmd_cube(x: Rows) -> Number:
    n, d = len(x), len(x[0])
    b2 = mpf(6) / d
    b = mp.sqrt(b2)
    single = total(
        mp.fprod(mp.sqrt(mp.pi) / (2 * b) * (mp.erf(b * a) + mp.erf(b * (1 - a))) for a in row)
        for row in x
    )
    both = (mp.exp(-b2) - 1 + mp.sqrt(mp.pi) * b * mp.erf(b)) / b2
    return over_pairs(x, lambda u, v: mp.exp(-b2 * gap2(u, v))) / n - 2 * single + n * both**d


def energy_interval(x: Rows) -> Number:
    """Energy distance from the uniform on [0, 1], one column: E|x - U| = x^2 - x + 1/2."""
    n = len(x)
    single = total(a**2 - a + mpf(1) / 2 for (a,) in x)
    return 2 * single - mpf(n) / 3 - over_pairs(x, lambda u, v: abs(u[0] - v[0])) / n


def sphere(name: str, x: Rows) -> Number:
    """Compute a statistic of rows of length 1, in three dimensions where the name is of a slice."""
    n, d = len(x), len(x[0])

    def angles(function: Callable[[Number], Number]) -> Number:
        cosines = (dot(x[j], x[k]) for j in range(n) for k in range(j))
        return total(function(mp.acos(max(mpf(-1), min(mpf(1), c)))) for c in cosines)

    if name == "ajne":
        return mpf(n) / 4 - angles(lambda t: t) / (n * mp.pi)
    if name == "gine-gn":
        ratio = mp.gamma(mpf(d - 1) / 2) / mp.gamma(mpf(d) / 2)
        return mpf(n) / 2 - mpf(d - 1) / (2 * n) * ratio**2 * angles(mp.sin)
    if name == "gine-fn":
        return 4 * sphere("ajne", x) + sphere("gine-gn", x)
    if name == "bakshaev":
        whole = 2 ** mpf(d - 1) * mp.gamma(mpf(d) / 2) ** 2
        whole /= mp.sqrt(mp.pi) * mp.gamma(d - mpf(1) / 2)
        return n * whole - 2 * angles(lambda t: 2 * mp.sin(t / 2)) / n
    assert d == 3
    if name == "pcvm":  # slices of the sphere of R^3 are uniform: an energy distance
        return mpf(1) / 6 + 2 * angles(lambda t: mpf(1) / 6 - mp.sin(t / 2) / 4) / n
    return 1 + 2 * angles(lambda t: 1 - 2 * mp.log(1 + mp.sin(t / 2))) / n


def cai_fan_jiang(x: Rows) -> Number:
    n, d = len(x), len(x[0])
    top = max(abs(dot(x[j], x[k])) for j in range(n) for k in range(j))
    return d * mp.log(1 - top**2) + 4 * mpf(d) / (d - 2) * mp.log(n) - mp.log(d)


def two_samples(x: Rows, y: Rows, kernel: Callable[[Number], Number]) -> Number:
    """Compute nm/(n+m) times the mean of a kernel of D inside both samples less that across."""
    n, m = len(x), len(y)

    def pair(u: Sequence[Number], v: Sequence[Number]) -> Number:
        return kernel(gap2(u, v))

    inside = over_pairs(x, pair) / mpf(n) ** 2 + over_pairs(y, pair) / mpf(m) ** 2
    across = total(pair(u, v) for u in x for v in y) / (mpf(n) * m)
    return mpf(n * m) / (n + m) * (inside - 2 * across)


def mmd_two_samples(x: Rows, y: Rows) -> Number:
    pooled = [*x, *y]
    distances = sorted(gap2(pooled[j], pooled[k]) for j in range(len(pooled)) for k in range(j))
    middle = len(distances) // 2
    h = mp.sqrt(distances[middle])
    if len(distances) % 2 == 0:
        h = (h + mp.sqrt(distances[middle - 1])) / 2
    return two_samples(x, y, lambda g: mp.exp(-g / (2 * h**2)))


# Row of the catalogue, by name and space -> statistic of a sample in that space.
ROWS: dict[str, Callable[[Rows], Number]] = {
    **{
        f"{function.__name__.replace('_', '-')}-residuals": lambda x, f=function: f(whitened(x))
        for function in (
            *(henze_zirkler, henze_jimenez_gamero, henze_visagie, ebner_henze_strieder),
            *(doerr_ebner_henze_t, doerr_ebner_henze_u, henze_jimenez_gamero_meintanis),
            *(manzotti_quiroz_1, manzotti_quiroz_2),
        )
    },
    "bhep-residuals": lambda x: bhep(whitened(x), mpf(1)),
    "henze-wagner-residuals": lambda x: bhep(whitened(x), mpf(1)),
    "mardia-skewness-residuals": lambda x: (
        over_pairs(whitened(x), lambda u, v: dot(u, v) ** 3) / mpf(len(x)) ** 2
    ),
    "mardia-kurtosis-residuals": lambda x: mean([norm2(row) ** 2 for row in whitened(x)]),
    "koziol-kurtosis-residuals": lambda x: (
        over_pairs(whitened(x), lambda u, v: dot(u, v) ** 4) / mpf(len(x)) ** 2
    ),
    "mori-rohatgi-szekely-residuals": lambda x: (
        over_pairs(whitened(x), lambda u, v: norm2(u) * norm2(v) * dot(u, v)) / mpf(len(x)) ** 2
    ),
    "energy-residuals": lambda x: energy(whitened(x), mp.sqrt(mpf(len(x) - 1) / len(x))),
    "doornik-hansen-residuals": doornik_hansen,
    "generalised-shapiro-wilk-residuals": generalised_shapiro_wilk,
    "royston-residuals": royston,
    "mmd-normal": lambda x: bhep(x, min(mpf(1), mpf(5) / len(x[0]))),
    "energy-normal": energy,
    "stein-normal": stein,
    "mean-normal": lambda x: len(x) * norm2(moments(x)[0]),
    "covariance-lrt-normal": lambda x: covariance("lrt", x),
    "covariance-nagao-normal": lambda x: covariance("nagao", x),
    "covariance-ledoit-wolf-normal": lambda x: covariance("ledoit-wolf", x),
    "radius-normal": radius,
    "direction-normal": direction,
    "axis-kolmogorov-smirnov-cube": lambda x: (
        mp.sqrt(len(x)) * max(by_column(x, "kolmogorov-smirnov"))
    ),
    "axis-anderson-darling-cube": lambda x: max(by_column(x, "anderson-darling")),
    "centred-discrepancy-cube": centred_discrepancy,
    "mmd-cube": mmd_cube,
    "energy-cube": energy_interval,
    "rayleigh-sphere": lambda x: of_degree(x, 1),
    "bingham-sphere": lambda x: of_degree(x, 2),
    "sobolev-sphere": lambda x: of_degree(x, 3),
    "cai-fan-jiang-sphere": cai_fan_jiang,
    **{
        f"{name}-sphere": lambda x, name=name: sphere(name, x)
        for name in ("ajne", "gine-gn", "gine-fn", "bakshaev", "pcvm", "pad")
    },
}
TWO_SAMPLES: dict[str, Callable[[Rows, Rows], Number]] = {
    "mmd-two-sample": mmd_two_samples,
    "energy-two-sample": lambda x, y: -two_samples(x, y, mp.sqrt),
}
