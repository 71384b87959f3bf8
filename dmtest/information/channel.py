"""A lower and an upper bound of I(f(X); f(X) + Z) from embeddings: the noise density is known."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest import bounds
from dmtest.arguments import level, positive, whole
from dmtest.data.sample import as_sample
from dmtest.engines.channel import Noise, channel_densities
from dmtest.errors import InputError
from dmtest.information.estimate import confidence_bounds
from dmtest.information.scores import FULL
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import Progress, single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.runtime.typing import Vector

# Default number of batches. Fewer batches are larger, and a larger batch narrows the bracket.
BATCHES = 8
# Fewest rows of a batch.
SMALLEST = 8


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Bracket(Shown):
    """A lower and an upper bound of mutual information, in nats.

    Attributes
    ----------
    lower, upper : float
        Estimates of what bounds the information from below and above, in nats: of InfoNCE and the
        chi-square certificate the larger, of leave-one-out and the normal with the same
        covariance the smaller. Both are their mean where these estimates cross, as they may for
        normal rows, whose two bounds are equal.
    low, high : float
        Confidence bounds in nats: the information lies between them with probability
        `confidence`.
    confidence : float
    capacity : float
        Largest information of a normal (uniform) embedding, in nats.
    batch, batches : int
        Rows of a batch, and number of batches.
    saturated : bool
        `lower` is the InfoNCE value, and exceeds 0.8 log(batch). It can never exceed log(batch), so
        the information may be much larger.
    """

    lower: float
    upper: float
    low: float
    high: float
    confidence: float
    capacity: float
    batch: int
    batches: int
    saturated: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


def channel_bracket(
    data: Any,
    *,
    sigma: float | None = None,
    epsilon: float | None = None,
    batch: int | None = None,
    confidence: float = 0.95,
    rng: RngLike = None,
) -> Bracket:
    """Bracket I(f(X); f(X) + Z) from a sample of embeddings f(X).

    The noise density is known, so InfoNCE with T_ij = log p(y_i | x_j) bounds the information
    from below and the leave-one-out form from above (Poole et al. 2019). Disjoint batches give
    independent values, whose Student intervals are confidence bounds. A larger batch narrows the
    bracket; more batches narrow its confidence interval. In many columns both are wide. So the
    information is bounded by its identity with the smoothed divergence as well: from below by the
    chi-square certificate (no noise is drawn, and there is no batch that it cannot exceed), where
    the rows resolve the noise; from above by that of a normal with the same covariance. The better
    of two bounds is taken, each at half of the error probability.

    Parameters
    ----------
    data : array_like, frame, tensor or path, shape (n, d)
    sigma : float, optional
        Standard deviation of normal noise. Either this or `epsilon` is required.
    epsilon : float, optional
        Half width of uniform noise.
    batch : int, optional
        Rows of a batch; by default an eighth of the rows.
    confidence : float
        Probability with which the two confidence bounds hold together.
    rng : None, int or numpy Generator

    Returns
    -------
    Bracket

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((4000, 2))
    >>> bracket = channel_bracket(x, sigma=1.0, rng=0)
    >>> bool(bracket.low < np.log(2.0) < bracket.high)
    True
    """
    # The certificate takes the order and the batches of rows from this module.
    from dmtest.information.certificate import information_bounds

    noise, amount = noise_of(sigma, epsilon)
    confidence = level("confidence", confidence, 0.95)
    rows = as_sample(data).x
    seed = entropy_of(rng)
    size = batch_size(batch, len(rows))
    ordered = shuffled(rows, seed)
    # Two bounds on each of two sides.
    share = 0.25 * (1.0 - confidence)
    with single_threaded_blas():
        levels = np.array([amount])
        densities = channel_densities(ordered, noise, levels, size, seed)
        below, above, low, high = information_bounds(ordered, amount, share, kind=noise)
    lower = batch_means(densities.conditional - densities.mixture, size)[0]
    upper = batch_means(densities.conditional - densities.leave_one_out, size)[0]
    student = confidence_bounds(lower, 1.0 - share)[0], confidence_bounds(upper, 1.0 - share)[1]
    within = float(lower.mean())
    ends = max(within, below), min(float(upper.mean()), above)
    if ends[0] > ends[1]:
        ends = (0.5 * (ends[0] + ends[1]),) * 2
    return Bracket(
        lower=ends[0],
        upper=ends[1],
        low=max(0.0, low, student[0] or 0.0),
        high=high if student[1] is None else min(high, student[1]),
        confidence=confidence,
        capacity=capacity_of(noise, rows.shape[1], amount),
        batch=size,
        batches=len(lower),
        saturated=bool(within >= below and within > FULL * np.log(size)),
    )


def capacity_of(noise: Noise, d: int, amount: float) -> float:
    """Return the capacity of d columns in nats, for noise of level `amount` (sigma or epsilon)."""
    capacity = bounds.gaussian_capacity if noise == "gaussian" else bounds.uniform_capacity
    return float(capacity(d, amount))


def batch_size(batch: int | None, n: int) -> int:
    """Return the rows of a batch, by default n / `BATCHES`; refuse more than n rows."""
    if batch is None:
        if n < BATCHES * SMALLEST:
            raise InputError(
                f"data: {BATCHES} batches need at least {BATCHES * SMALLEST} rows; got n = {n}."
            )
        return n // BATCHES
    batch = whole("batch", batch, SMALLEST)
    if batch > n:
        raise InputError(f"batch: got {batch}, more than the n = {n} rows; take fewer.")
    return batch


def shuffled(rows: NDArray[Any], seed: int) -> NDArray[Any]:
    """Return the rows in random order: files are often sorted, and batches must be alike."""
    return np.asarray(rows[stream(seed, "channel/order").permutation(len(rows))])


def batch_means(values: Vector, batch: int) -> Vector:
    """Return means over batches: (levels, n) to (levels, batches)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(values.reshape(len(values), -1, batch).mean(axis=2))


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


def noise_of(sigma: float | None, epsilon: float | None) -> tuple[Noise, float]:
    """Return the kind and the level of the noise, from the one argument that is not None."""
    if (sigma is None) == (epsilon is None):
        raise InputError("sigma, epsilon: give one of them, for normal or for uniform noise.")
    if sigma is not None:
        return "gaussian", positive("sigma", sigma)
    return "uniform", positive("epsilon", epsilon)
