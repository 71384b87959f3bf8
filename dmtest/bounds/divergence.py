"""Bounds of the divergence from the target, before and after noise (Theorems 3.4 and 3.5)."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmtest.bounds.capacity import gaussian_capacity, uniform_capacity
from dmtest.bounds.values import Numbers, dimension, excerpt, number, plain, positive
from dmtest.errors import InputError


def gaussian_moment_correction(mean_square: ArrayLike, d: ArrayLike, sigma: ArrayLike) -> Numbers:
    """(E|f|^2 - d) / (2 (1 + sigma^2)): the term that Lemma B.1 lacks when E|f|^2 is not d.

    It enters through the cross-entropy and is exact.

    Parameters
    ----------
    mean_square : float or array_like
        E|f(X)|^2, at least 0.
    d : int or array_like
        Dimension, at least 1.
    sigma : float or array_like
        Standard deviation of the noise, positive.

    Returns
    -------
    float or ndarray
        Nats.
    """
    d, sigma = dimension(d), positive("sigma", sigma)
    square = number("mean_square", mean_square)
    if np.any(square < 0.0):
        raise InputError(f"mean_square: got {excerpt(mean_square)}; a mean of squares is >= 0.")
    return plain(0.5 * (square - d) / (1.0 + np.square(sigma)))


def gaussian_smoothed_kl_bound(
    information: ArrayLike, d: ArrayLike, sigma: ArrayLike, mean_square: ArrayLike | None = None
) -> Numbers:
    """Bound KL(f(X) + Z || N(0, (1 + sigma^2) I)) by C - I (Lemma B.1).

    With `mean_square` the moment correction is added and the bound holds for any embeddings;
    without it the bound assumes E|f|^2 = d. Equality iff f is weakly invariant. A lower bound
    of I gives a valid, larger bound. A negative value means that `information` is not a lower
    bound of I, or that E|f|^2 is not d.

    Parameters
    ----------
    information : float or array_like
        I(f(X'); f(X) + Z) or a lower bound of it, in nats.
    d : int or array_like
        Dimension, at least 1.
    sigma : float or array_like
        Standard deviation of the noise, positive.
    mean_square : float or array_like, optional
        E|f(X)|^2.

    Returns
    -------
    float or ndarray
        Nats.
    """
    bound = np.asarray(gaussian_capacity(d, sigma)) - number("information", information)
    if mean_square is not None:
        bound = bound + gaussian_moment_correction(mean_square, d, sigma)
    return plain(bound)


def uniform_smoothed_kl_bound(information: ArrayLike, d: ArrayLike, epsilon: ArrayLike) -> Numbers:
    """Bound KL(f(X) + Z || U([-epsilon, 1 + epsilon]^d)) by C_u - I (Lemma B.4).

    Equality iff f is weakly invariant. The bound does not go to 0 for a uniform f(X), because
    f(X) + Z then has trapezoid margins: ``uniform_capacity - uniform_information`` remains.

    Parameters
    ----------
    information : float or array_like
        I(f(X'); f(X) + Z) or a lower bound of it, in nats.
    d : int or array_like
        Dimension, at least 1.
    epsilon : float or array_like
        Half width of the noise, positive.

    Returns
    -------
    float or ndarray
        Nats.
    """
    return plain(np.asarray(uniform_capacity(d, epsilon)) - number("information", information))


def gaussian_kl_bound(
    noise_information: ArrayLike, information: ArrayLike, d: ArrayLike, sigma: ArrayLike
) -> Numbers:
    """Bound KL(f(X) || N(0, I)) by I(Z; f(X) + Z) - I - d log sigma (Theorem 3.4).

    It holds for centred embeddings of unit variance. I(Z; f + Z) = h(f + Z) - h(f) needs h(f),
    which no sample bounds without assumptions: with a plug-in estimate the result is an estimate
    of the bound, not a certificate. Equality iff f is weakly invariant and f(X) + Z is normal.

    Parameters
    ----------
    noise_information : float or array_like
        I(Z; f(X) + Z), in nats.
    information : float or array_like
        I(f(X'); f(X) + Z), in nats.
    d : int or array_like
        Dimension, at least 1.
    sigma : float or array_like
        Standard deviation of the noise, positive.

    Returns
    -------
    float or ndarray
        Nats.
    """
    d, sigma = dimension(d), positive("sigma", sigma)
    noise = number("noise_information", noise_information, infinite=True)
    return plain(noise - number("information", information) - d * np.log(sigma))


def uniform_kl_bound(
    noise_information: ArrayLike, information: ArrayLike, d: ArrayLike, epsilon: ArrayLike
) -> Numbers:
    """Bound KL(f(X) || U([0, 1]^d)) by I(Z; f(X) + Z) - I - d log(2 epsilon) (Theorem 3.5).

    Equality iff f is weakly invariant. A plug-in estimate of I(Z; f + Z) makes this an estimate
    too, as for :func:`gaussian_kl_bound`.

    Parameters
    ----------
    noise_information : float or array_like
        I(Z; f(X) + Z), in nats.
    information : float or array_like
        I(f(X'); f(X) + Z), in nats.
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
    noise = number("noise_information", noise_information, infinite=True)
    return plain(noise - number("information", information) - d * np.log(2.0 * epsilon))
