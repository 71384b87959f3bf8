"""The density m of the certificate: the target after noise with a small share of wider laws.

Its kernels are clipped, and every row pays the price E log(m / q).
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from dmtest.runtime.typing import Vector

# Shares of wider laws in m, and their variances as multiples of the target's after noise. The cube
# has one wider law, the uniform one on the support.
SHARES = (0.001, 0.05)
FACTORS = (1.5, 2.0, 4.0, 16.0, 256.0, 65_536.0)
BOX_SHARE = 0.01


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


def box_ends(x: Vector, e: float) -> tuple[Vector, Vector, float]:
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


def box_price(x: Vector, e: float, flat: bool = False) -> Vector:
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
