"""Capacities of noisy channels, and the noise levels that have them, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmtest.bounds.values import Numbers, dimension, plain, positive


def gaussian_capacity(d: ArrayLike, sigma: ArrayLike) -> Numbers:
    """Capacity C = d/2 log(1 + 1/sigma^2): the largest I with noise N(0, sigma^2 I).

    Theorem 3.4: I <= C for centred embeddings of unit variance, with equality iff f is weakly
    invariant and f(X) ~ N(0, I).

    Parameters
    ----------
    d : int or array_like
        Dimension, at least 1.
    sigma : float or array_like
        Standard deviation of the noise, positive.

    Returns
    -------
    float or ndarray
        C in nats.

    Raises
    ------
    InputError
        If an argument is outside its domain.

    Examples
    --------
    >>> round(gaussian_capacity(2, 1.0), 6)
    0.693147
    """
    d, sigma = dimension(d), positive("sigma", sigma)
    with np.errstate(over="ignore", divide="ignore"):
        # For tiny sigma the square of its inverse overflows long before the logarithm.
        log = np.where(sigma < 1e-8, -2.0 * np.log(sigma), np.log1p(1.0 / np.square(sigma)))
    return plain(0.5 * d * log)


def uniform_capacity(d: ArrayLike, epsilon: ArrayLike) -> Numbers:
    """Capacity C_u = d log(1 + 1/(2 epsilon)): the largest I with uniform noise.

    The noise is U([-epsilon, epsilon]^d). Theorem 3.5: I <= C_u for embeddings in the unit cube.
    Equality requires weak invariance, 1/(2 epsilon) in N, and f(X) uniform on the grid
    {0, 2 epsilon, ..., 1}^d (the paper says 1/epsilon in N: an erratum). A uniform f(X) reaches
    only :func:`uniform_information`.

    Parameters
    ----------
    d : int or array_like
        Dimension, at least 1.
    epsilon : float or array_like
        Half width of the noise, positive.

    Returns
    -------
    float or ndarray
        Nats.
    """
    d, epsilon = dimension(d), positive("epsilon", epsilon)
    return plain(d * np.log1p(0.5 / epsilon))


def uniform_information(d: ArrayLike, epsilon: ArrayLike) -> Numbers:
    """I of a perfect encoder: f(X) ~ U([0, 1]^d) and weakly invariant.

    With noise U([-epsilon, epsilon]^d), I is d (epsilon - log(2 epsilon)) for epsilon <= 1/2
    (Remark 3.6) and d / (4 epsilon) above (not in the paper; the two agree at 1/2).

    Parameters
    ----------
    d : int or array_like
        Dimension, at least 1.
    epsilon : float or array_like
        Half width of the noise, positive.

    Returns
    -------
    float or ndarray
        Nats.
    """
    d, epsilon = dimension(d), positive("epsilon", epsilon)
    inner = np.minimum(epsilon, 0.5)
    one = np.where(epsilon <= 0.5, inner - np.log(2.0 * inner), 0.25 / epsilon)
    return plain(d * one)


def sigma_for_capacity(capacity: ArrayLike, d: ArrayLike) -> Numbers:
    """Noise level sigma at which :func:`gaussian_capacity` is `capacity`.

    Parameters
    ----------
    capacity : float or array_like
        Nats, positive.
    d : int or array_like
        Dimension, at least 1.

    Returns
    -------
    float or ndarray
    """
    d, capacity = dimension(d), positive("capacity", capacity)
    # 1 / sqrt(expm1(t)) for t = 2 C / d, without overflow.
    t = 2.0 * capacity / d
    return plain(np.exp(-0.5 * t) / np.sqrt(-np.expm1(-t)))


def epsilon_for_capacity(capacity: ArrayLike, d: ArrayLike) -> Numbers:
    """Noise level epsilon at which :func:`uniform_capacity` is `capacity`.

    Parameters
    ----------
    capacity : float or array_like
        Nats, positive.
    d : int or array_like
        Dimension, at least 1.

    Returns
    -------
    float or ndarray
    """
    d, capacity = dimension(d), positive("capacity", capacity)
    t = capacity / d
    return plain(0.5 * np.exp(-t) / -np.expm1(-t))
