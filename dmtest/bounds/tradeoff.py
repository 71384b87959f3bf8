"""What an augmentation and a reconstruction leave of the information, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmtest.bounds.values import Numbers, dimension, excerpt, number, plain, positive
from dmtest.errors import InputError


def gaussian_tradeoff(d: ArrayLike, sigma: ArrayLike, invariance_error: ArrayLike) -> Numbers:
    """I of an encoder that follows N(0, I) and is not quite invariant.

    ``I = d/2 log((1 + sigma^2) / (sigma^2 + e))``, with e the invariance error of a column. It is
    exact if f(X) ~ N(0, I) is f(X') plus normal errors of variance e that are independent of f(X')
    and of each other: then I = C - gap with gap = d/2 log(1 + e / sigma^2). As sigma falls, I rises
    to -d/2 log e and no further: noise below the square root of e buys nothing.

    Parameters
    ----------
    d : int or array_like
        Dimension, at least 1.
    sigma : float or array_like
        Standard deviation of the noise, positive.
    invariance_error : float or array_like
        E|f(X') - f(X)|^2 / d, the mean squared difference a column, between 0 and 1. From 1 on
        nothing is left: I = 0.

    Returns
    -------
    float or ndarray
        Nats.

    Examples
    --------
    >>> [round(gaussian_tradeoff(2, sigma, 0.04), 2) for sigma in (1.0, 0.3, 0.1, 0.001)]
    [0.65, 2.13, 3.01, 3.22]
    """
    d, sigma = dimension(d), positive("sigma", sigma)
    error = number("invariance_error", invariance_error)
    if (error < 0.0).any():
        raise InputError(
            f"invariance_error: got {excerpt(invariance_error)}; a mean of squares is >= 0."
        )
    s2 = np.square(sigma)
    lost = np.minimum(error, 1.0)
    return plain(0.5 * d * (np.log1p(s2) - np.log(s2 + lost)))


def reconstruction_bound(mse: ArrayLike, d: ArrayLike, entropy: ArrayLike) -> Numbers:
    """Lower bound of I(X; Y) from the error with which X is reconstructed from Y.

    ``I >= h(X) - d/2 log(2 pi e) - d/2 log(E|X - X^|^2 / d)``, because among errors of a given mean
    square the normal with equal variances has the largest entropy. The paper's inequality (arXiv
    2410.06993) has 1/2 log E|X - X^|^2 for the last term: the two agree at d = 1, and for d > 1 it
    is false (an erratum).

    Parameters
    ----------
    mse : float or array_like
        E|X - X^|^2, summed over the columns and positive. A mean over all entries, as
        ``torch.nn.functional.mse_loss`` returns, has to be multiplied by d.
    d : int or array_like
        Dimension of X, at least 1.
    entropy : float or array_like
        Differential entropy h(X), in nats.

    Returns
    -------
    float or ndarray
        Nats. A negative bound says nothing.

    Examples
    --------
    X ~ N(0, 4 I) in 8 columns and Y independent of it: nothing is better than 0, I = 0.

    >>> import math
    >>> entropy = 4.0 * math.log(2.0 * math.pi * math.e * 4.0)
    >>> abs(reconstruction_bound(8 * 4.0, 8, entropy)) < 1e-12
    True
    """
    error, d = positive("mse", mse), dimension(d)
    free = number("entropy", entropy)
    return plain(free - 0.5 * d * np.log(2.0 * np.pi * np.e * error / d))
