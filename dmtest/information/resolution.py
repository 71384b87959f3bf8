"""The noise that n rows resolve: the certificate's error on a sample from the target."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from dmtest.engines.channel import Noise
from dmtest.engines.chi2 import PAIRS, partners_of
from dmtest.information.mixtures import box_ends

# Standard deviation, in nats, of the certificate of a sample from the target: at the default noise,
# and the largest at which it is given. Above that it misses its own tail and looks too good.
RESOLUTION, COARSEST = 0.01, 0.02
# The least default noise: below it a density is resolved that few embeddings have.
LEAST_NOISE = 0.1
# Points of a rule for the second moment of the cube's kernel.
POINTS = 512


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
    low, high, scale = box_ends(u, noise)
    width = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    # Noise narrower than the grid: the kernel is a triangle around x = x' then.
    value = float(np.square(scale * np.maximum(width, 0.0)).mean())
    return float(np.log(1.0 / (3.0 * noise) if noise < 4.0 / POINTS else max(value, 1.0)))
