"""Confidence bounds of the divergence after noise, KL(P_s || Q_s), in full dimension.

Upper bound. For any density m, KL(p || q) = KL(p || m) + E log(m / q), and by Jensen's inequality
KL(p || m) <= log(1 + chi2(p || m)), where 1 + chi2 = E k(X, X') over independent pairs of rows and
k(x, x') is the integral of the product of the noise's densities around x and x', divided by m. With
m = q this is the chi-square certificate. Its kernel grows as exp(|x|^2), so a few rows would decide
it where tails are heavier than the target's. Therefore m is q with a small share of wider laws: the
kernel is then at most that of each law divided by its share, which clips it, and E log(m / q), the
price, is a mean over rows that grows only as |x|^2, as the divergence itself does. Two shares are
tried (a small one costs nothing where rows follow the target, a large one clips more), at half of
the error probability each.

What is assumed: the squared lengths of the rows have a finite variance. No bound of the mean of an
unbounded variable holds without an assumption (Bahadur & Savage 1956). Where the sample's own tail
does not support it there is no upper bound.

Lower bound. KL(P_s || Q_s) >= KL(N(m, S + s^2 I) || Q_s), the divergence of the normal with the
same moments. For uniform targets: the sum over columns.

Where its capacity is below the logarithm of the batch, the bracket of noisy rows (Poole et al.
2019) is computed as well, and the better bound taken, at half of the error probability each.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, ndtri

from dmtest import bounds
from dmtest.engines.channel import Noise, channel_densities
from dmtest.engines.chi2 import (
    PAIRS,
    Kernels,
    PairMeans,
    box_pair_means,
    normal_pair_means_of,
    partners_of,
)
from dmtest.information.channel import BATCHES, batch_means, capacity_of, shuffled
from dmtest.information.columns import (
    HEAVIEST,
    Part,
    column_part,
    first_order,
    limits,
    unseen,
)
from dmtest.information.estimate import confidence_bounds
from dmtest.results.effect_table import HEAVY
from dmtest.runtime.parallel import ROW_TILE, Progress, blocks
from dmtest.runtime.typing import Vector
from dmtest.statistics.influence import heaviest_tail

# Standard deviation, in nats, of the certificate of a sample from the target: at the default noise,
# and the largest at which it is given. Above that it misses its own tail and looks too good.
RESOLUTION, COARSEST = 0.01, 0.02
# The least default noise: below it a density is resolved that few embeddings have.
LEAST_NOISE = 0.1
# Shares of wider laws in m, and their variances as multiples of the target's after noise. The cube
# has one wider law, the uniform one on the support.
SHARES = (0.001, 0.05)
FACTORS = (1.5, 2.0, 4.0, 16.0, 256.0, 65_536.0)
BOX_SHARE = 0.01
# Fewest rows of an upper bound (they show a tail); rows of the bracket at most, and of its batches.
FEWEST, BRACKET_ROWS = 200, 1 << 15
# Points of a rule for the second moment of the cube's kernel.
POINTS = 512


def why_unbounded(n: int) -> str:
    """Return why a sample of n rows has no upper bound: too few to see a tail, or a heavy one."""
    return f"it takes {FEWEST} rows to see a tail; there are {n}" if n < FEWEST else HEAVY


@dataclass(frozen=True, slots=True)
class SmoothedKL:
    """Confidence bounds of the divergence after noise, in nats.

    Attributes
    ----------
    noise : float
        Standard deviation (uniform: half width).
    n, d : int
    lower, upper : float
        One-sided confidence bounds, each at 1 - alpha. `upper` is infinite where none is given;
        `why` has the reason.
    below, above : float
        Estimates of what bounds the divergence from below and from above, at least 0; `above` is
        infinite where `upper` is.
    resolution : float
        Standard deviation of the certificate of a sample from the target, of this shape.
    resolvable : float
        The smallest noise at which n rows in d columns get an upper bound.
    method : str
        Which bound `upper` is: "pairs", "bracket" or "column"; empty if there is none.
    why : str
    """

    noise: float
    n: int
    d: int
    lower: float
    upper: float
    below: float
    above: float
    resolution: float
    resolvable: float
    method: str
    why: str = ""

    @property
    def estimate(self) -> float | None:
        """Middle of the estimates from below and above; None without the latter."""
        return None if self.why else 0.5 * (self.below + self.above)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


def resolution_of(
    n: int, d: int, noise: float, kind: Noise = "gaussian", pairs: int = PAIRS
) -> float:
    """Return the standard deviation, in nats, of the certificate of a sample from the target.

    Its kernel has the mean 1 and E k^2 = (1 - v^-2)^-d, v = 1 + s^2, for the normal; the mean is
    over n partners / 2 pairs.
    """
    log = d * _log_second_moment(noise, kind)
    return float(np.sqrt(2.0 * np.expm1(min(log, 700.0)) / (n * partners_of(n, pairs))))


def resolvable_noise(
    n: int,
    d: int,
    kind: Noise = "gaussian",
    resolution: float = COARSEST,
    pairs: int = PAIRS,
) -> float:
    """Return the smallest noise at which the certificate of n rows resolves so many nats."""
    log = float(np.log1p(0.5 * resolution**2 * n * partners_of(n, pairs))) / d
    if kind == "gaussian":
        # v = (1 - exp(-log))^(-1/2), and s^2 = v - 1.
        return float(np.sqrt(np.expm1(-0.5 * np.log(-np.expm1(-log)))))
    from scipy.optimize import brentq

    low, high = 1e-4, 0.5
    if _log_second_moment(low, kind) <= log:
        return low
    while _log_second_moment(high, kind) > log:
        high *= 2.0
    return float(brentq(lambda e: _log_second_moment(e, kind) - log, low, high, xtol=1e-6))


def default_noise(n: int, d: int, kind: Noise = "gaussian", pairs: int = PAIRS) -> float:
    """Return the noise at which the certificate resolves `RESOLUTION` nats, at least 0.1."""
    return max(LEAST_NOISE, resolvable_noise(n, d, kind, RESOLUTION, pairs))


@lru_cache(maxsize=1024)
def _log_second_moment(noise: float, kind: Noise) -> float:
    """Logarithm of E k^2 of one coordinate under the target."""
    if kind == "gaussian":
        v2 = (1.0 + noise * noise) ** 2
        return float(-np.log1p(-1.0 / v2))
    # Midpoint rule: the kernel is continuous apart from a logarithm at the corners.
    u = (np.arange(POINTS) + 0.5) / POINTS
    low, high, scale = _box_ends(u, noise)
    width = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    # Noise narrower than the grid: the kernel is a triangle around x = x' then.
    value = float(np.square(scale * np.maximum(width, 0.0)).mean())
    return float(np.log(1.0 / (3.0 * noise) if noise < 4.0 / POINTS else max(value, 1.0)))


def smoothed_kl_bounds(
    rows: NDArray[Any],
    noise: float,
    alpha: float,
    *,
    kind: Noise = "gaussian",
    seed: int = 0,
    batch: int | None = None,
    pairs: int = PAIRS,
    progress: Progress | None = None,
) -> SmoothedKL:
    """Bound KL(P_s || Q_s) from both sides, Q = N(0, I) or the uniform law on the cube.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        On normal scale (uniform: in the cube).
    noise : float
        Standard deviation (uniform: half width) of the noise.
    alpha : float
        Each bound holds with probability 1 - alpha: a two-sided interval of 95% takes 0.025.
    kind : {"gaussian", "uniform"}
        Noise and target.
    seed : int
    batch : int, optional
        Rows of a batch of the bracket, which is computed where a batch resolves it; 1/8 of the
        rows by default.
    pairs : int
        Most pairs of rows, about.
    progress : callable, optional

    Returns
    -------
    SmoothedKL
    """
    levels = np.array([noise])
    return smoothed_kl_bounds_at(
        rows, levels, alpha, kind=kind, seed=seed, batch=batch, pairs=pairs, progress=progress
    )[0]


def smoothed_kl_bounds_at(
    rows: NDArray[Any],
    levels: Vector,
    alpha: float,
    *,
    kind: Noise = "gaussian",
    seed: int = 0,
    batch: int | None = None,
    pairs: int = PAIRS,
    progress: Progress | None = None,
) -> list[SmoothedKL]:
    """Bound the divergence at several noise levels, shape (levels,), in one pass over the pairs.

    The other parameters are those of `smoothed_kl_bounds`.
    """
    n, d = rows.shape
    x = np.asarray(shuffled(rows, seed), dtype=np.float64)
    tail = _tail(x, kind)
    why = ""
    if n < FEWEST or not tail < HEAVIEST:
        why = why_unbounded(n)
    batch = batch or min(n, BRACKET_ROWS) // BATCHES
    if d == 1:
        parts = [column_part(x[:, 0], float(s), kind) for s in levels]
    elif kind == "gaussian":
        parts = normal_parts(x, levels)
    else:
        parts = [_columns_part(x, float(s)) for s in levels]
    paired = [
        s for s in levels if d > 1 and not why and resolution_of(n, d, s, kind, pairs) <= COARSEST
    ]
    found: dict[float, tuple[PairMeans, Vector]] = {}
    if paired:
        found |= zip(paired, _pair_means(x, paired, kind, pairs, progress), strict=True)
    out = []
    for level, part in zip(map(float, levels), parts, strict=True):
        two = d > 1 and 2 * batch <= n and capacity_of(kind, d, level) <= np.log(batch) - 1.0
        share = alpha / (1.0 + two)
        uppers: list[tuple[float, float, str]] = []
        lower, upper = limits(part, share, tail)
        lowers = [(lower, part.value - part.bias)]
        if d == 1:
            uppers.append((upper, part.value, "column"))
        elif level in found:
            floor = resolution_of(n, d, level, kind, pairs)
            uppers += _pair_bounds(*found[level], share, tail, floor)
        if two:
            some = x[: max(2 * batch, BRACKET_ROWS)]
            ends = brackets(some, kind, np.array([level]), batch, seed)
            low, high = (confidence_bounds(one[0], 1.0 - share) for one in ends[:2])
            lowers.append((float(low[0] or 0.0), float(ends[0].mean())))
            top = np.inf if high[1] is None else high[1]
            uppers.append((top, float(ends[1].mean()), "bracket"))
        out.append(_joined(level, n, d, kind, pairs, lowers, uppers, why))
    return out


def _joined(
    noise: float,
    n: int,
    d: int,
    kind: Noise,
    pairs: int,
    lowers: list[tuple[float, float]],
    uppers: list[tuple[float, float, str]],
    why: str,
) -> SmoothedKL:
    """Return the best of the bounds and estimates at a noise level."""
    resolvable = resolvable_noise(n, d, kind, pairs=pairs)
    if not uppers and not why:
        why = (
            f"{n} rows in {d} columns resolve noise from {resolvable:.3g} on; at "
            f"{noise:.3g} the certificate would miss its own tail"
        )
    lower, below = (max(0.0, *one) for one in zip(*lowers, strict=True))
    upper, above, method = np.inf, np.inf, ""
    if not why:
        upper, _, method = min(uppers)
        above = min(one[1] for one in uppers)
    return SmoothedKL(
        noise=noise,
        n=n,
        d=d,
        lower=lower,
        upper=max(lower, upper),
        below=below,
        above=max(below, above),
        resolution=resolution_of(n, d, noise, kind, pairs),
        resolvable=resolvable,
        method=method,
        why=why,
    )


def upper_part(rows: NDArray[Any], noise: float, kind: Noise, pairs: int = PAIRS) -> Part:
    """Estimate what bounds the divergence from above: log(1 + chi2) + price, at the small share.

    Unlike a bracket it does not depend on the number of rows, so it can be compared between
    samples. In one column it is the divergence itself. The rows are in random order.
    """
    x = np.asarray(rows, dtype=np.float64)
    if x.shape[1] == 1:
        return column_part(x[:, 0], noise, kind)
    ((means, prices),) = _pair_means(x, [noise], kind, pairs)
    own, value = means.means[0], float(means.means[0].mean())
    if not value > 0.0:
        return Part(np.inf, 0.0, prices[0], 0.0, 0.0)
    pair = max(float(means.squares[0]) / value**2 - 1.0, 0.0)
    spread = float(np.sqrt(2.0 * pair / (len(x) * means.partners)))
    total = float(np.log(value)) + means.shift + float(prices[0].mean())
    return Part(total, 0.0, 2.0 * own / value + prices[0], spread, 0.0)


def information_bounds(
    rows: NDArray[Any], noise: float, alpha: float, *, kind: Noise = "gaussian", pairs: int = PAIRS
) -> tuple[float, float, float, float]:
    """Bound I(f(X); f(X) + Z) by the identity with the smoothed divergence, from both sides.

    The lower bound is the capacity and the moment correction less the chi-square certificate, with
    the errors of all three together; the upper one (normal noise) the capacity of a normal with the
    same covariance, log det(I + S / s^2) / 2, which no other law with these moments exceeds.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        In random order.
    noise, alpha, kind, pairs
        As for :func:`smoothed_kl_bounds`.

    Returns
    -------
    tuple of float
        Estimates from below and from above, then the confidence bounds; 0 and infinity without.
    """
    x = np.asarray(rows, dtype=np.float64)
    n, d = x.shape
    below, above, low, high = 0.0, np.inf, 0.0, np.inf
    if kind == "gaussian":
        above, high = _normal_information(x, noise, alpha)
    if n < FEWEST or resolution_of(n, d, noise, kind, pairs) > COARSEST:
        return below, above, low, high
    ((means, prices),) = _pair_means(x, [noise], kind, pairs)
    # Less the cross-entropy of every row: the part of the divergence that tails make large.
    if kind == "gaussian":
        prices = prices - 0.5 * np.einsum("ij,ij->i", x, x) / (1.0 + noise**2)
        most = float(bounds.gaussian_smoothed_kl_bound(0.0, d, noise, 0.0))
    else:
        prices = prices - _box_price(np.clip(x, 0.0, 1.0), noise, flat=True)
        most = -d * float(np.log(2.0 * noise))
    floor = resolution_of(n, d, noise, kind, pairs)
    share = alpha / len(prices)
    for form, price in enumerate(prices):
        tail = heaviest_tail(means.means[form])
        upper, middle = _pair_bound(means, form, price, share, tail, floor)
        below, low = max(below, most - middle), max(low, most - upper)
    return below, above, low, high


def _normal_information(x: Vector, s: float, alpha: float) -> tuple[float, float]:
    """Return log det(I + S / s^2) / 2 and its upper confidence bound."""
    n = len(x)
    centred = x - x.mean(axis=0)
    values, vectors = np.linalg.eigh(centred.T @ centred / n)
    values = np.maximum(values, 0.0)
    noisy = values + s * s
    length = np.square(centred @ vectors) @ (1.0 / noisy)
    ratio = values / noisy
    squares = float(np.sum(ratio**2))
    bias = (0.5 * float(ratio.sum()) + 0.25 * (float(np.square(length).mean()) - squares)) / n
    value = 0.5 * float(np.log(noisy / s**2).sum()) + bias
    spread = 0.5 * float(np.sqrt(squares**2 + np.sum(ratio**4))) / n
    above = np.hypot(first_order(0.5 * length, alpha), ndtri(alpha) * spread)
    return value, value + float(above)


def information_at(x: Vector, noise: float, kind: Noise, divergence: Vector) -> Vector:
    """Return I(f(X); f(X) + Z) where the smoothed divergence has these values: the identity.

    I = d/2 log(1 + 1/s^2) + (E|f|^2 - d) / (2 (1 + s^2)) - KL; uniform: -E log q(f(X) + Z) -
    d log(2 e) - KL. Values below 0 are moved to 0.
    """
    d = x.shape[1]
    if kind == "gaussian":
        square = float(np.einsum("ij,ij->", x, x, dtype=np.float64)) / len(x)
        most = bounds.gaussian_smoothed_kl_bound(0.0, d, noise, square)
    else:
        most = _box_price(np.clip(x, 0.0, 1.0), noise, flat=True).mean() - d * np.log(2.0 * noise)
    return np.asarray(np.maximum(most - divergence, 0.0))


def _tail(x: Vector, kind: Noise) -> float:
    """Heaviest shape that the tail of the rows' squared lengths may have; 0 in the cube."""
    if kind == "uniform":
        return 0.0
    return heaviest_tail(np.einsum("ij,ij->i", x, x))


def _pair_bounds(
    means: PairMeans, prices: Vector, alpha: float, tail: float, floor: float
) -> list[tuple[float, float, str]]:
    """Return (upper bound, estimate, name) for every share of wider laws."""
    count = len(prices)
    return [
        (*_pair_bound(means, form, prices[form], alpha / count, tail, floor), "pairs")
        for form in range(count)
    ]


def _pair_means(
    x: Vector,
    levels: Sequence[float],
    kind: Noise,
    pairs: int,
    progress: Progress | None = None,
) -> list[tuple[PairMeans, Vector]]:
    """Return means of the clipped kernels, and prices of clipping (kernels, n), at every level."""
    if kind == "gaussian":
        forms = [normal_forms(x, s) for s in levels]
        families = [Kernels(0.25 / s**2, *form[:2]) for s, form in zip(levels, forms, strict=True)]
        means = normal_pair_means_of(x, families, pairs=pairs, progress=progress)
        return [(one, form[2]) for one, form in zip(means, forms, strict=True)]
    inside = np.clip(x, 0.0, 1.0)
    found = []
    for e in levels:
        low, high, scale = _box_ends(inside, e)
        mean = box_pair_means(low, high, scale, pairs=pairs, progress=progress)
        found.append((mean, _box_price(inside, e)[None]))
    return found


def _pair_bound(
    means: PairMeans, form: int, price: Vector, alpha: float, tail: float, floor: float
) -> tuple[float, float]:
    """Return the upper confidence bound and the estimate log(1 + chi2) + mean price.

    The variance of a mean over pairs has a part of first order, that of the means of the rows, and
    one of the pairs themselves: 2 Var k / (n partners). The latter is at least what it is for the
    target, `floor` squared, as a sample that misses the tail of k has too small a variance as well.
    """
    own = means.means[form]
    n, value = len(own), float(own.mean())
    if not value > 0.0:
        return np.inf, np.inf
    influence = 2.0 * own / value + price
    pair = max(float(means.squares[form]) / value**2 - 1.0, 0.0)
    # The mean over partners has an error of its own, which is part of the pairs'.
    noise = 4.0 * pair / means.partners / float(influence.var(ddof=1) or 1.0)
    first = first_order(influence, alpha) * float(np.sqrt(max(0.0, 1.0 - noise)))
    second = -float(ndtri(alpha)) * max(float(np.sqrt(2.0 * pair / (n * means.partners))), floor)
    # 1 + chi2 is at least 1.
    estimate = max(0.0, float(np.log(value)) + means.shift) + float(price.mean())
    return estimate + float(np.hypot(first, second)) + unseen(influence, tail), estimate


def normal_forms(x: Vector, s: float) -> tuple[Vector, Vector, Vector]:
    """Return the clipped kernels of the normal target, and the price of clipping of every row.

    For m = sum_j w_j N(0, V_j I), log k <= min_j (-log w_j + d/2 log(V^2 / (s^2 (2 V - s^2))) +
    |x + x'|^2 / (4 (2 V - s^2))) - |x - x'|^2 / (4 s^2). The price is E log(m / q)(x + Z), bounded
    by the logarithm of the expectation.

    Returns
    -------
    intercepts, slopes : ndarray, shape (shares, laws)
        Of the parts of the minimum, in |x + x'|^2.
    prices : ndarray, shape (shares, n)
    """
    n, d = x.shape
    v = 1.0 + s * s
    variances = v * np.array([1.0, *FACTORS])
    beta = 1.0 / v - 1.0 / variances
    wide = 2.0 * variances - s * s
    lengths = np.einsum("ij,ij->i", x, x)
    ratio = 0.5 * lengths[:, None] * (beta / (1.0 - beta * s * s))
    ratio -= 0.5 * d * (np.log(variances / v) + np.log1p(-beta * s * s))
    intercepts, slopes = np.empty((2, len(SHARES), len(variances)))
    prices = np.empty((len(SHARES), n))
    for form, share in enumerate(SHARES):
        log_w = np.log(np.array([1.0 - share, *[share / len(FACTORS)] * len(FACTORS)]))
        intercepts[form] = 0.5 * d * np.log(variances**2 / (s * s * wide)) - log_w
        slopes[form] = 0.25 / wide
        prices[form] = logsumexp(ratio + log_w, axis=1)
    return intercepts, slopes, prices


def _box_ends(x: Vector, e: float) -> tuple[Vector, Vector, float]:
    """Return the integral of 1 / m at both ends of the noise around every value, and 1 / (4 e^2).

    m is the mixture of the trapezoid U(0, 1) + U(-e, e) and, with a small share, the uniform law on
    its support: piecewise linear and nowhere 0.
    """
    a, b, ramp = _box_mixture(e)

    def integral(y: Vector) -> Vector:
        up = np.clip(y + e, 0.0, ramp)
        flat = np.clip(y + e - ramp, 0.0, 1.0 + 2.0 * e - 2.0 * ramp)
        down = np.clip(y - (1.0 + e - ramp), 0.0, ramp)
        # From the top of the second ramp down to its place.
        falling = np.log1p(b * ramp / a) - np.log1p(b * (ramp - down) / a)
        return np.asarray((np.log1p(b * up / a) + falling) / b + flat / (a + b * ramp))

    return integral(x - e), integral(x + e), 0.25 / e**2


def _box_mixture(e: float) -> tuple[float, float, float]:
    """Return a, b and the length of both ramps of m(y) = a + b (distance from the nearer end)."""
    return BOX_SHARE / (1.0 + 2.0 * e), (1.0 - BOX_SHARE) / (2.0 * e), min(2.0 * e, 1.0)


def _box_price(x: Vector, e: float, flat: bool = False) -> Vector:
    """Return the sum over columns of E log(m / q)(x + Z), Z uniform on (-e, e): shape (n,).

    `flat`: with 1 instead of m.
    """
    a, b, ramp = _box_mixture(e)
    if flat:
        a, b = 1.0, 0.0
    top = float(np.log(a + b * ramp) - np.log(ramp / (2.0 * e)))

    def rising(t: Vector) -> Vector:
        """Integral of log((a + b t) / (t / (2 e))) from 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            low = np.where(t > 0.0, t * np.log(t / (2.0 * e)), 0.0)
        # The t of both integrals cancels; that of log 1 has none.
        up = ((a + b * t) * np.log(a + b * t) - a * np.log(a)) / b if b else t
        return np.asarray(up - low)

    def integral(y: Vector) -> Vector:
        up = np.clip(y + e, 0.0, ramp)
        level = np.clip(y + e - ramp, 0.0, 1.0 + 2.0 * e - 2.0 * ramp)
        down = np.clip(y - (1.0 + e - ramp), 0.0, ramp)
        falling = rising(np.array(ramp)) - rising(ramp - down)
        return np.asarray(rising(up) + falling + level * top)

    return np.asarray(((integral(x + e) - integral(x - e)) / (2.0 * e)).sum(axis=1))


def normal_part(x: Vector, s: float) -> Part:
    """Return KL(N(m, S + s^2 I) || N(0, (1 + s^2) I)), with m and S of the rows, shape (n, d)."""
    return normal_parts(x, np.array([s]))[0]


def normal_parts(x: Vector, levels: Vector) -> list[Part]:
    """Return `normal_part` at every level of the noise: the products with the rows serve all."""
    n, d = x.shape
    mean = x.mean(axis=0)
    covariance = np.zeros((d, d))
    for part in blocks(n, ROW_TILE):
        y = x[part] - mean
        covariance += y.T @ y / n
    values, vectors = np.linalg.eigh(covariance)
    values = np.maximum(values, 0.0)
    noisy = values + np.square(levels)[:, None]
    lengths, along, squared = np.empty((len(levels), n)), np.empty(n), np.empty(n)
    for part in blocks(n, ROW_TILE):
        y = x[part] - mean
        lengths[:, part] = (1.0 / noisy) @ np.square(y @ vectors).T
        along[part], squared[part] = y @ mean, np.einsum("ij,ij->i", y, y)
    return [
        _normal_part(float(s), mean, values, length, along, squared)
        for s, length in zip(levels, lengths, strict=True)
    ]


def _normal_part(
    s: float, mean: Vector, values: Vector, length: Vector, along: Vector, squared: Vector
) -> Part:
    """Return the part at one level.

    Parameters
    ----------
    s : float
        Standard deviation of the noise.
    mean, values : ndarray, shape (d,)
        Mean of the rows, and eigenvalues of their covariance.
    length, along, squared : ndarray, shape (n,)
        Of the deviations from the mean: squared lengths with the inverse covariance after noise,
        products with the mean, squared lengths.
    """
    n, v = len(along), 1.0 + s * s
    noisy = values + s * s
    ratio = values / noisy
    value = 0.5 * float(mean @ mean) / v + 0.5 * float(np.sum(noisy / v - 1.0 - np.log(noisy / v)))
    influence = along / v + 0.5 * (squared / v - length)
    fourth = float(np.square(length).mean())
    squares = float(np.sum(ratio**2))
    bias = (0.5 * float(ratio.sum()) + 0.25 * (fourth - squares)) / n
    # Of second order, as for a normal: |m|^2 / (2 v), and |W^(1/2) dS W^(1/2)|^2 / 4.
    fourths, cubes, sixths = (float(np.sum(ratio**k)) for k in (4, 3, 6))
    variance = 0.5 * float(np.sum(values**2)) / v**2 + 0.25 * (squares**2 + fourths)
    third = float(np.sum(values**3)) / v**3 + 0.5 * (cubes**2 + sixths)
    spread = float(np.sqrt(variance)) / n
    skewness = third / n**3 / spread**3 if spread > 0.0 else 0.0
    return Part(value, bias, influence, spread, skewness)


def _columns_part(x: Vector, e: float) -> Part:
    """Return the sum over columns of their divergences from the trapezoid."""
    parts = [column_part(np.ascontiguousarray(column), e, "uniform") for column in x.T]
    spread = float(np.sqrt(sum(one.spread**2 for one in parts)))
    third = sum(one.skewness * one.spread**3 for one in parts)
    influence = np.sum([one.influence for one in parts], axis=0)
    value, bias = (float(sum(one)) for one in zip(*[(p.value, p.bias) for p in parts], strict=True))
    return Part(value, bias, influence, spread, third / spread**3 if spread > 0.0 else 0.0)


def brackets(
    rows: NDArray[Any],
    kind: Noise,
    levels: Vector,
    batch: int,
    seed: int,
    progress: Progress | None = None,
) -> tuple[Vector, Vector, Vector, Vector]:
    """Brackets of divergence and information (lower, upper, lower, upper): (levels, batches)."""
    densities = channel_densities(rows, kind, levels, batch, seed, progress)
    centres = rows[: densities.noise.shape[0]]
    target = np.stack(
        [_noisy_target(centres + s * densities.noise, kind, float(s)) for s in levels]
    )
    including = densities.mixture
    # Any density gives a bound of the entropy. A share of the target's density keeps it finite for
    # rows far from all others (with uniform noise: outside their noise).
    share = 1.0 / batch
    others = np.logaddexp(densities.leave_one_out + np.log1p(-share), target + np.log(share))
    return (
        batch_means(others - target, batch),
        batch_means(including - target, batch),
        batch_means(densities.conditional - including, batch),
        batch_means(densities.conditional - others, batch),
    )


def _noisy_target(y: Vector, kind: Noise, s: float) -> Vector:
    """Log density of the target after noise of level s, at every row of y, shape (n, d)."""
    d = y.shape[1]
    if kind == "gaussian":
        variance = 1.0 + s * s
        return np.asarray(
            -0.5 * d * np.log(2.0 * np.pi * variance) - 0.5 * np.square(y).sum(axis=1) / variance
        )
    # Rounding may make the overlap 0 at a corner, although the row is inside.
    overlap = np.maximum(np.minimum(y + s, 1.0) - np.maximum(y - s, 0.0), 1e-300)
    return np.asarray(np.log(overlap / (2.0 * s)).sum(axis=1))
