"""Capacities, Kullback-Leibler bounds and dual critics of noise-injected Deep InfoMax, in nats.

Theorems 3.4, 3.5 and 4.1 of arXiv 2410.06993 and the lemmas behind them. f(X) is the
embedding, Z independent noise, f(X') the embedding of an augmented view, and ``information``
is I = I(f(X'); f(X) + Z) or a bound of it. All arguments except points are numbers or arrays
that broadcast. ``docs/theory.md`` derives each formula and lists the errata of the paper.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError

__all__ = [
    "collapse",
    "dead_coordinate",
    "epsilon_for_capacity",
    "gaussian_capacity",
    "gaussian_chi2_kernel",
    "gaussian_dual_critic",
    "gaussian_kl_bound",
    "gaussian_moment_correction",
    "gaussian_smoothed_kl_bound",
    "sigma_for_capacity",
    "two_valued_coordinate",
    "uniform_capacity",
    "uniform_chi2_kernel",
    "uniform_dual_critic",
    "uniform_information",
    "uniform_kl_bound",
    "uniform_smoothed_kl_bound",
]

Numbers: TypeAlias = "float | NDArray[np.float64]"
Kind: TypeAlias = Literal["gaussian", "uniform"]


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
    d, sigma = _dimension(d), _positive("sigma", sigma)
    with np.errstate(over="ignore", divide="ignore"):
        # For tiny sigma the square of its inverse overflows long before the logarithm.
        log = np.where(sigma < 1e-8, -2.0 * np.log(sigma), np.log1p(1.0 / np.square(sigma)))
    return _plain(0.5 * d * log)


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
    d, epsilon = _dimension(d), _positive("epsilon", epsilon)
    return _plain(d * np.log1p(0.5 / epsilon))


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
    d, epsilon = _dimension(d), _positive("epsilon", epsilon)
    inner = np.minimum(epsilon, 0.5)
    one = np.where(epsilon <= 0.5, inner - np.log(2.0 * inner), 0.25 / epsilon)
    return _plain(d * one)


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
    d, sigma = _dimension(d), _positive("sigma", sigma)
    square = _number("mean_square", mean_square)
    if np.any(square < 0.0):
        raise InputError(f"mean_square: got {_excerpt(mean_square)}; a mean of squares is >= 0.")
    return _plain(0.5 * (square - d) / (1.0 + np.square(sigma)))


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
    bound = np.asarray(gaussian_capacity(d, sigma)) - _number("information", information)
    if mean_square is not None:
        bound = bound + gaussian_moment_correction(mean_square, d, sigma)
    return _plain(bound)


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
    return _plain(np.asarray(uniform_capacity(d, epsilon)) - _number("information", information))


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
    d, sigma = _dimension(d), _positive("sigma", sigma)
    noise = _number("noise_information", noise_information, infinite=True)
    return _plain(noise - _number("information", information) - d * np.log(sigma))


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
    d, epsilon = _dimension(d), _positive("epsilon", epsilon)
    noise = _number("noise_information", noise_information, infinite=True)
    return _plain(noise - _number("information", information) - d * np.log(2.0 * epsilon))


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
    left, right = _points(x, y)
    s2 = float(_positive("sigma", sigma)) ** 2
    gap = np.square(right - left).sum(axis=-1)
    return _plain(0.5 * np.square(right).sum(axis=-1) / (1.0 + s2) - 0.5 * gap / s2)


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
    left, right = _points(x, y)
    e = float(_positive("epsilon", epsilon))
    # f(X) + Z is rounded: a pair on the edge of the box counts as inside.
    slack = 4.0 * np.finfo(np.float64).eps * (1.0 + e)
    inside = (np.abs(right - left) <= e + slack).all(axis=-1)
    overlap = np.minimum(right + e, 1.0) - np.maximum(right - e, 0.0)
    # The factors 1/(2 epsilon) of the noise's density and of the trapezoid's cancel.
    with np.errstate(divide="ignore"):
        value = -np.log(np.maximum(overlap, 0.0)).sum(axis=-1)
    return _plain(np.where(inside, value, -np.inf))


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
    left, right = _points(x, y)
    s2 = float(_positive("sigma", sigma)) ** 2
    constant = np.log1p(s2) - 0.5 * np.log(s2 * (2.0 + s2))
    apart, together = (np.square(one).sum(axis=-1) for one in (left - right, left + right))
    with np.errstate(over="ignore"):
        return _plain(
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
    left, right = _points(x, y)
    e = float(_positive("epsilon", epsilon))
    for name, points in (("x", left), ("y", right)):
        if points.size and (points.min() < 0.0 or points.max() > 1.0):
            raise InputError(f"{name}: got {_excerpt(points)}; embeddings lie in the unit cube.")
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
    return _plain(np.where((high > low).all(axis=-1), value, 0.0))


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
    s = _positive("noise", noise)
    if _kind(kind) == "gaussian":
        # The difference of two nearly equal terms for large noise: a series there.
        inverse = 1.0 / np.square(s)
        series = 0.25 * inverse**2 * (1.0 - 4.0 / 3.0 * inverse)
        exact = 0.5 * (np.log1p(inverse) - inverse / (1.0 + inverse))
        return _plain(np.where(inverse < 1e-4, series, exact))
    ramp = np.minimum(2.0 * s, 1.0)
    slope = np.where(ramp > 0.5, ramp * np.log(ramp) - ramp - 0.5 * np.log(0.5) + 0.5, 0.0)
    flat = 2.0 * s - 2.0 * np.maximum(ramp - 0.5, 0.0)
    return _plain(-(2.0 * slope + flat * np.log(ramp)) / (2.0 * s))


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
    s = _positive("noise", noise)
    if _kind(kind) == "gaussian":
        # KL = log(v / s^2) / 2 - log 2 + E log(1 + exp(-2 (1 + s Z) / s^2)), Z ~ N(0, 1); the
        # trapezoid rule is exact to rounding.
        z = np.linspace(-12.0, 12.0, 2401)
        weights = np.exp(-0.5 * np.square(z)) / np.sqrt(2.0 * np.pi) * (z[1] - z[0])
        wide = s[..., None]
        mean = (np.logaddexp(0.0, -2.0 * (1.0 + wide * z) / np.square(wide)) * weights).sum(axis=-1)
        value = 0.5 * np.log1p(1.0 / np.square(s)) - np.log(2.0) + mean
        return _plain(np.maximum(value, 0.0))
    with np.errstate(over="ignore"):
        return _plain(np.where(s <= 0.5, 1.0 - np.log(4.0 * s), 0.5 * (1.0 - np.log(2.0)) / s))


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
    return _plain(_dimension(d) * dead_coordinate(noise, kind))


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
    d, capacity = _dimension(d), _positive("capacity", capacity)
    # 1 / sqrt(expm1(t)) for t = 2 C / d, without overflow.
    t = 2.0 * capacity / d
    return _plain(np.exp(-0.5 * t) / np.sqrt(-np.expm1(-t)))


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
    d, capacity = _dimension(d), _positive("capacity", capacity)
    t = capacity / d
    return _plain(0.5 * np.exp(-t) / -np.expm1(-t))


def _kind(kind: str) -> str:
    if kind not in ("gaussian", "uniform"):
        raise InputError(f"kind: got {kind!r}; choose 'gaussian' or 'uniform'.")
    return kind


def _plain(value: Any) -> Numbers:
    array = np.asarray(value, dtype=np.float64)
    return float(array) if array.ndim == 0 else array


def _excerpt(value: Any) -> str:
    text = repr(value).replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."


def _number(name: str, value: ArrayLike, infinite: bool = False) -> NDArray[np.float64]:
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: got {_excerpt(value)}; give a number or an array.") from None
    bad = np.isnan(array) if infinite else ~np.isfinite(array)
    if bad.any():
        raise InputError(f"{name}: got {_excerpt(value)}; give finite numbers.")
    return array


def _positive(name: str, value: ArrayLike) -> NDArray[np.float64]:
    array = _number(name, value)
    if (array <= 0.0).any():
        raise InputError(f"{name}: got {_excerpt(value)}; it must be positive.")
    return array


def _dimension(value: ArrayLike) -> NDArray[np.float64]:
    array = _number("d", value)
    if (array < 1.0).any() or (array != np.floor(array)).any():
        raise InputError(f"d: got {_excerpt(value)}; a dimension is a whole number of at least 1.")
    return array


def _points(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    left, right = _number("x", x), _number("y", y)
    if left.ndim == 0 or right.ndim == 0 or left.shape[-1] != right.shape[-1]:
        raise InputError(
            f"x, y: got shapes {left.shape} and {right.shape}; the last axis of both is the "
            f"dimension d."
        )
    return left, right
