"""Dual critics (Theorem 4.1), and kernels of chi-square divergences."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.bounds.values import Numbers, as_points, excerpt, plain, positive
from dmtest.errors import InputError


def gaussian_dual_critic(x: ArrayLike, y: ArrayLike, sigma: float) -> Numbers:
    """Dual critic T*(x, y) of the normal target (Theorem 4.1).

    ``T*(x, y) = |y|^2 / (2 (1 + sigma^2)) - |y - x|^2 / (2 sigma^2)``.
    I >= E_joint T* - log E_product exp T*, with equality iff f is weakly invariant and f(X) ~
    N(0, I); T* + C is then the pointwise mutual information. Every lower bound of
    :mod:`dmtest.information` can use T* as its critic: no network is needed.

    Parameters
    ----------
    x, y : array_like, shape (..., d)
        Points f(X') and f(X) + Z, which broadcast: ``x[None], y[:, None]`` gives the K x K
        matrix of scores.
    sigma : float
        Standard deviation of the noise, positive.

    Returns
    -------
    float or ndarray, shape (...)
        Nats.
    """
    left, right = as_points(x, y)
    s2 = float(positive("sigma", sigma)) ** 2
    gap = np.square(right - left).sum(axis=-1)
    return plain(0.5 * np.square(right).sum(axis=-1) / (1.0 + s2) - 0.5 * gap / s2)


def uniform_dual_critic(x: ArrayLike, y: ArrayLike, epsilon: float) -> Numbers:
    """Dual critic of the uniform target: pointwise mutual information of a perfect encoder.

    It is sum_i (-log(2 epsilon) - log p(y_i)) where ``|y - x|_inf <= epsilon``, -inf elsewhere;
    p is the trapezoid density of U[0, 1] + U[-epsilon, epsilon]. The construction is that of
    Theorem 4.1; the paper leaves it as future work for this target.

    Parameters
    ----------
    x, y : array_like, shape (..., d)
        Points f(X') and f(X) + Z, which broadcast.
    epsilon : float
        Half width of the noise, positive.

    Returns
    -------
    float or ndarray, shape (...)
        Nats.
    """
    left, right = as_points(x, y)
    e = float(positive("epsilon", epsilon))
    # f(X) + Z is rounded: a pair on the edge of the box counts as inside.
    slack = 4.0 * np.finfo(np.float64).eps * (1.0 + e)
    inside = (np.abs(right - left) <= e + slack).all(axis=-1)
    overlap = np.minimum(right + e, 1.0) - np.maximum(right - e, 0.0)
    # The factors 1/(2 epsilon) of the noise's density and of the trapezoid's cancel.
    with np.errstate(divide="ignore"):
        value = -np.log(np.maximum(overlap, 0.0)).sum(axis=-1)
    return plain(np.where(inside, value, -np.inf))


def gaussian_chi2_kernel(x: ArrayLike, y: ArrayLike, sigma: float) -> Numbers:
    """Kernel k(x, y) whose mean over independent pairs is 1 + chi2(P_s || N(0, (1 + sigma^2) I)).

    P_s is the law of f(X) + Z, Z ~ N(0, sigma^2 I). With v = 1 + sigma^2,
    ``log k = d/2 log(v^2 / (s^2 (2 + s^2))) - |x - y|^2 / (4 s^2) + |x + y|^2 / (4 (2 + s^2))``.
    By Jensen's inequality KL(P_s || N(0, v I)) <= log E k(f(X), f(X')), X' an independent copy of
    X. For f(X) ~ N(0, I), E k = 1 (also given x) and E k^2 = (1 - v^-2)^-d.

    Parameters
    ----------
    x, y : array_like, shape (..., d)
        Embeddings, which broadcast: ``x[None], x[:, None]`` gives all pairs.
    sigma : float
        Standard deviation of the noise, positive.

    Returns
    -------
    float or ndarray, shape (...)

    Examples
    --------
    >>> round(gaussian_chi2_kernel([0.0, 0.0], [0.0, 0.0], 1.0), 6)
    1.333333
    """
    left, right = as_points(x, y)
    s2 = float(positive("sigma", sigma)) ** 2
    constant = np.log1p(s2) - 0.5 * np.log(s2 * (2.0 + s2))
    apart, together = (np.square(one).sum(axis=-1) for one in (left - right, left + right))
    with np.errstate(over="ignore"):
        return plain(
            np.exp(left.shape[-1] * constant - 0.25 * apart / s2 + 0.25 * together / (2.0 + s2))
        )


def uniform_chi2_kernel(x: ArrayLike, y: ArrayLike, epsilon: float) -> Numbers:
    """Kernel k(x, y) whose mean over independent pairs is 1 + chi2(P_e || U(0, 1)^d + Z).

    P_e is the law of f(X) + Z, Z ~ U([-epsilon, epsilon]^d), in the cube with the trapezoid p of
    U(0, 1) + U(-epsilon, epsilon) in every coordinate. The kernel is the product over coordinates
    of ``1 / (4 epsilon^2)`` times the integral of 1 / p over the interval within epsilon of both,
    which is linear where p is flat and logarithmic on its ramps. KL <= log E k as for
    :func:`gaussian_chi2_kernel`. It is infinite for two equal coordinates at 0 or 1, where p is 0.

    Parameters
    ----------
    x, y : array_like, shape (..., d)
        Embeddings in the unit cube, which broadcast.
    epsilon : float
        Half width of the noise, positive.

    Returns
    -------
    float or ndarray, shape (...)
    """
    left, right = as_points(x, y)
    e = float(positive("epsilon", epsilon))
    for name, points in (("x", left), ("y", right)):
        if points.size and (points.min() < 0.0 or points.max() > 1.0):
            raise InputError(f"{name}: got {excerpt(points)}; embeddings lie in the unit cube.")
    ramp = min(2.0 * e, 1.0)

    def integral(place: NDArray[np.float64]) -> NDArray[np.float64]:
        # Of 1 / overlap, from the top of the rising ramp; the falling one mirrors it.
        up = np.clip(place + e, 0.0, ramp)
        down = np.clip(1.0 + e - place, 0.0, ramp)
        flat = np.clip(place + e - ramp, 0.0, 1.0 + 2.0 * e - 2.0 * ramp)
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(up / ramp) - np.log(down / ramp) + flat / ramp)

    low, high = np.maximum(left, right) - e, np.minimum(left, right) + e
    with np.errstate(invalid="ignore"):
        width = np.where(high > low, integral(high) - integral(low), 0.0)
        value = (width / (2.0 * e)).prod(axis=-1)
    # An infinite coordinate times one that excludes the pair is 0.
    return plain(np.where((high > low).all(axis=-1), value, 0.0))
