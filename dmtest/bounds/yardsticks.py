"""What simple faults cost after noise: the scale on which a small divergence is read."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmtest.bounds.values import Kind, Numbers, as_kind, dimension, plain, positive


def dead_coordinate(noise: ArrayLike, kind: Kind = "gaussian") -> Numbers:
    """Divergence after noise of a coordinate that is constant: the yardstick of a small value.

    Normal target, coordinate at 0: [log(1 + 1/s^2) - 1/(1 + s^2)] / 2. Uniform target: coordinate
    at 1/2.

    Parameters
    ----------
    noise : float or array_like
        Standard deviation (uniform: half width) of the noise, positive.
    kind : {"gaussian", "uniform"}

    Returns
    -------
    float or ndarray
        Nats.

    Examples
    --------
    >>> round(dead_coordinate(1.0), 4), round(dead_coordinate(10.0), 6)
    (0.0966, 2.5e-05)
    """
    s = positive("noise", noise)
    if as_kind(kind) == "gaussian":
        # The difference of two nearly equal terms for large noise: a series there.
        inverse = 1.0 / np.square(s)
        series = 0.25 * inverse**2 * (1.0 - 4.0 / 3.0 * inverse)
        exact = 0.5 * (np.log1p(inverse) - inverse / (1.0 + inverse))
        return plain(np.where(inverse < 1e-4, series, exact))
    ramp = np.minimum(2.0 * s, 1.0)
    slope = np.where(ramp > 0.5, ramp * np.log(ramp) - ramp - 0.5 * np.log(0.5) + 0.5, 0.0)
    flat = 2.0 * s - 2.0 * np.maximum(ramp - 0.5, 0.0)
    return plain(-(2.0 * slope + flat * np.log(ramp)) / (2.0 * s))


def two_valued_coordinate(noise: ArrayLike, kind: Kind = "gaussian") -> Numbers:
    """Divergence after noise of a coordinate that takes two values: -1 and 1 (uniform: 0 and 1).

    Both are equally likely; mean and variance of -1 and 1 are those of the normal target, so only
    the noise decides whether anything sees them. Parameters and result as for
    :func:`dead_coordinate`.

    Examples
    --------
    >>> round(two_valued_coordinate(0.3), 2), round(two_valued_coordinate(1.0), 4)
    (0.56, 0.0097)
    """
    s = positive("noise", noise)
    if as_kind(kind) == "gaussian":
        # KL = log(v / s^2) / 2 - log 2 + E log(1 + exp(-2 (1 + s Z) / s^2)), Z ~ N(0, 1); the
        # trapezoid rule is exact to rounding.
        z = np.linspace(-12.0, 12.0, 2401)
        weights = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi) * (z[1] - z[0])
        wide = s[..., None]
        mean = (np.logaddexp(0.0, -2.0 * (1.0 + wide * z) / np.square(wide)) * weights).sum(axis=-1)
        value = 0.5 * np.log1p(1.0 / np.square(s)) - np.log(2.0) + mean
        return plain(np.maximum(value, 0.0))
    with np.errstate(over="ignore"):
        return plain(np.where(s <= 0.5, 1.0 - np.log(4.0 * s), 0.5 * (1.0 - np.log(2.0)) / s))


def collapse(d: ArrayLike, noise: ArrayLike, kind: Kind = "gaussian") -> Numbers:
    """Divergence after noise if all rows are one point: d times :func:`dead_coordinate`.

    Parameters
    ----------
    d : int or array_like
        Dimension, at least 1.
    noise, kind
        As for :func:`dead_coordinate`.

    Returns
    -------
    float or ndarray
        Nats.
    """
    return plain(dimension(d) * dead_coordinate(noise, kind))
