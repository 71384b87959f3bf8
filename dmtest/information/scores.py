"""Bounds of mutual information from critic scores.

``scores[i, j] = T(x_j, y_i)``: the diagonal holds the scores of the pairs that belong together.
A stack of matrices, shape (batches, K, K), from disjoint batches adds confidence bounds. All
values are in nats. Formulas: Poole et al. (2019).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp

from dmtest.arguments import unmasked
from dmtest.errors import InputError
from dmtest.information.estimate import Estimate, Kind, confidence_bounds
from dmtest.runtime.typing import Vector

# A bound that cannot exceed log K counts as saturated above this share of log K.
FULL = 0.8


def donsker_varadhan(scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Lower bound mean T_ii - log mean_{i != j} exp T_ij, tight if T is pointwise information.

    The logarithm of a mean biases the bound upwards in small batches. Donsker & Varadhan (1983).

    Parameters
    ----------
    scores : array_like, shape (K, K) or (batches, K, K)
        Critic scores, the pairs that belong together on the diagonal.
    confidence : float
        Confidence of each bound over batches.

    Returns
    -------
    Estimate
        A float in nats with its kind.
    """

    def one(t: Vector) -> float:
        return float(np.diagonal(t).mean() - _log_mean_exp(_off_diagonal(t)))

    return _over_batches(one, scores, "lower bound", "Donsker-Varadhan", confidence)


def nwj(scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Unbiased lower bound mean T_ii - mean_{i != j} exp(T_ij - 1), tight if T = 1 + PMI.

    PMI is the pointwise mutual information. Nguyen, Wainwright & Jordan (2010). Parameters and
    result as for :func:`donsker_varadhan`.
    """

    def one(t: Vector) -> float:
        with np.errstate(over="ignore"):
            return float(np.diagonal(t).mean() - np.exp(_off_diagonal(t) - 1.0).mean())

    return _over_batches(one, scores, "lower bound", "NWJ", confidence)


def infonce(scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Lower bound mean_i (T_ii - log mean_j exp T_ij), never above log K.

    van den Oord, Li & Vinyals (2018). `saturated` if it exceeds 0.8 log K. Parameters and result
    as for :func:`donsker_varadhan`.
    """

    def one(t: Vector) -> float:
        return float(np.mean(np.diagonal(t) - logsumexp(t, axis=1) + np.log(len(t))))

    return _over_batches(one, scores, "lower bound", "InfoNCE", confidence, at_most_log_k=True)


def leave_one_out(scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Upper bound mean_i (T_ii - log mean_{j != i} exp T_ij), for T = log p(y | x) only.

    With any other critic it bounds nothing. Poole et al. (2019). Parameters and result as for
    :func:`donsker_varadhan`.
    """

    def one(t: Vector) -> float:
        others = t.copy()
        np.fill_diagonal(others, -np.inf)
        return float(np.mean(np.diagonal(t) - logsumexp(others, axis=1) + np.log(len(t) - 1)))

    return _over_batches(one, scores, "upper bound", "leave-one-out", confidence)


def jsd(scores: ArrayLike, *, confidence: float = 0.95) -> Estimate:
    """Score mean -softplus(-T_ii) - mean_{i != j} softplus(T_ij), not in nats.

    The objective of Deep InfoMax (Hjelm et al. 2019), monotone in information, between -2 log 2
    (independent variables) and 0. Its best critic is the pointwise mutual information;
    :func:`donsker_varadhan` with that critic returns nats. Parameters and result as for
    :func:`donsker_varadhan`.
    """

    def one(t: Vector) -> float:
        joint = np.logaddexp(0.0, -np.diagonal(t)).mean()
        return float(-joint - np.logaddexp(0.0, _off_diagonal(t)).mean())

    return _over_batches(one, scores, "score", "Jensen-Shannon", confidence)


def _over_batches(
    function: Callable[[Vector], float],
    scores: ArrayLike,
    kind: Kind,
    method: str,
    confidence: float,
    at_most_log_k: bool = False,
) -> Estimate:
    stack = _as_stack(scores)
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence: got {confidence!r}; choose a number between 0 and 1.")
    values = np.array([function(t) for t in stack])
    low, high = confidence_bounds(values, confidence)
    value, size = float(values.mean()), stack.shape[1]
    return Estimate(
        value,
        kind=kind,
        method=method,
        low=low,
        high=high,
        confidence=None if low is None else confidence,
        batches=len(stack),
        batch=size,
        saturated=at_most_log_k and value > FULL * np.log(size),
    )


def _as_stack(scores: ArrayLike) -> Vector:
    scores = unmasked("scores", scores)
    try:
        stack = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"scores: got {type(scores).__name__}; give a matrix.") from None
    stack = stack[None] if stack.ndim == 2 else stack
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or stack.shape[1] < 2:
        raise InputError(
            f"scores: got shape {np.shape(scores)}; give a square matrix of K x K scores with "
            f"K >= 2, or a stack of them."
        )
    if not len(stack):
        raise InputError("scores: got an empty stack; give at least one matrix.")
    if np.isnan(stack).any() or np.isposinf(stack).any():
        raise InputError(
            "scores: got NaN or infinity; -inf is the only value allowed beside numbers."
        )
    if np.isneginf(np.diagonal(stack, axis1=1, axis2=2)).any():
        raise InputError(
            "scores: a diagonal score is -inf, which calls a pair that belongs together "
            "impossible; check that scores[i, i] is the pair (x_i, y_i)."
        )
    return stack


def _off_diagonal(t: Vector) -> Vector:
    return t[~np.eye(len(t), dtype=bool)]


def _log_mean_exp(values: Vector) -> float:
    return float(logsumexp(values) - np.log(values.size))
