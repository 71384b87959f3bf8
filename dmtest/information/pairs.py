"""Theorems 3.4 and 3.5 on positive pairs (f(X), f(X')): the bounds of one noise level, in nats."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dmtest import bounds
from dmtest.arguments import level, whole
from dmtest.data.sample import as_sample
from dmtest.engines.channel import Noise
from dmtest.errors import InputError
from dmtest.information.channel import Bracket, batch_size, capacity_of, channel_bracket, noise_of
from dmtest.information.estimate import Estimate, confidence_bounds
from dmtest.information.neighbours import entropy_knn
from dmtest.information.scores import FULL, donsker_varadhan, infonce, nwj
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import RngLike, entropy_of, stream
from dmtest.runtime.typing import Vector
from dmtest.summaries.sides import Side, check_at_once, side_of, takes_parts
from dmtest.summaries.summary import Summary

# Most rows of a matrix of scores. The uniform critic compares coordinates one by one, in tiles of
# TILE rows.
BATCH, TILE = 2048, 64
# Nearest neighbours estimate entropies of at most so many columns, from at most so many rows.
ENTROPY_COLUMNS, ENTROPY_ROWS = 12, 20_000


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PairBounds(Shown):
    """Bounds and estimates from positive pairs, in nats.

    Attributes
    ----------
    noise : {"gaussian", "uniform"}
    level : float
        sigma or epsilon.
    n, d : int
        Number of pairs, and columns.
    total : int or None
        Number of pairs of the data, where `n` of them, drawn at random, were used.
    confidence : float
        Confidence of every bound.
    capacity : float
        Largest I(f(X'); f(X) + Z) given the moments (support) of the target.
    correction : float
        Moment correction of Lemma B.1: 0 for E|f|^2 = d, and 0 for uniform noise.
    donsker_varadhan, nwj, infonce : Estimate
        Lower bounds of I(f(X'); f(X) + Z) with the dual critic.
    outside : float
        Share of the pairs that are impossible under the dual critic: with uniform noise, those
        further apart than epsilon because f is not invariant. The critic is then mixed with a
        constant of that weight; without it the bounds would be minus infinity.
    channel : Bracket
        Bracket of I(f(X); f(X) + Z).
    information_low : float
        The best lower confidence bound of I(f(X'); f(X) + Z).
    capacity_used : float
        `information_low` divided by the sum of capacity and correction.
    smoothed_kl : float
        Certificate: with probability `confidence`, the divergence of f(X) + Z from the noisy
        target is at most this value (Lemmas B.1 and B.4).
    invariance_gap : float
        Upper confidence bound of I(f(X) + Z; f(X) | f(X')), which is 0 for a weakly invariant f.
    noise_information : float or None
        Plug-in estimate of I(Z; f(X) + Z) by nearest neighbours.
    kl : float or None
        Plug-in estimate of the theorem's bound of KL(f(X) || target), not a certificate. None
        where entropies cannot be estimated.
    violations : tuple of str
        Sentences on inequalities of the theory that the numbers break.
    seed : int
    """

    noise: Literal["gaussian", "uniform"]
    level: float
    n: int
    d: int
    confidence: float
    capacity: float
    correction: float
    donsker_varadhan: Estimate
    nwj: Estimate
    infonce: Estimate
    outside: float
    channel: Bracket
    information_low: float
    capacity_used: float
    smoothed_kl: float
    invariance_gap: float
    noise_information: float | None
    kl: float | None
    violations: tuple[str, ...]
    seed: int
    total: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects."""
        plain = asdict(self)
        for name in ("donsker_varadhan", "nwj", "infonce"):
            bound = getattr(self, name)
            plain[name] = {"value": float(bound)} | dict(bound.__dict__)
        return plain | {"violations": list(self.violations)}

    def to_html(self, path: str | os.PathLike[str] | None = None, *, source: str = "") -> str:
        """Return one self-contained HTML page, and write it when `path` is given.

        Parameters
        ----------
        path : path-like, optional
            File to write (UTF-8).
        source : str
            Name of the data, for the head of the page.
        """
        from dmtest.render.page.bounds import bounds_page
        from dmtest.results import serial

        return serial.output(bounds_page(self, source), path)


def pair_bounds(
    data: Any,
    augmented: Any,
    *,
    sigma: float | None = None,
    epsilon: float | None = None,
    batch: int | None = None,
    confidence: float = 0.95,
    rng: RngLike = None,
    keys: tuple[str | None, str | None] = (None, None),
    memory: int | None = None,
) -> PairBounds:
    """Evaluate the inequalities of Theorems 3.4 (normal) and 3.5 (uniform) on positive pairs.

    The dual critic of Theorem 4.1 (for uniform noise our extension of it) bounds
    I(f(X'); f(X) + Z) from below. I(f(X); f(X) + Z) is bounded on both sides, because the noise
    density is known.

    Parameters
    ----------
    data, augmented : array_like, frame, tensor, path, Summary or stream, shape (n, d)
        Embeddings f(X), and f(X') of augmentations, row by row; see :func:`dmtest.report` for
        summaries and streams. Those of more than 256 MiB together are read once, in parts, and up
        to 50,000 pairs, drawn at random with the seed, are used.
    sigma, epsilon : float
        Level of normal or of uniform noise: that of training, or any other. Exactly one is
        required. Uniform noise requires embeddings in the unit cube.
    batch : int, optional
        Rows of a batch; by default an eighth of the rows, at most 2,048.
    confidence : float
        Confidence of every bound.
    rng : None, int or numpy Generator
    keys : tuple of (str or None), optional
        Names of the arrays in files that hold several.
    memory : int, optional
        Bytes that this may take beside the libraries: pairs that take more are read in parts.

    Returns
    -------
    PairBounds

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(0).standard_normal((8000, 2))
    >>> pairs = pair_bounds(x, x, sigma=1.0, rng=0)
    >>> pairs.smoothed_kl < 0.05 and pairs.invariance_gap < 0.05 and not pairs.violations
    True
    """
    noise, amount = noise_of(sigma, epsilon)
    confidence = level("confidence", confidence, 0.95)
    seed = entropy_of(rng)
    x, other, total = _rows_of(data, augmented, seed, keys, memory)
    if noise == "uniform" and (min(x.min(), other.min()) < 0.0 or max(x.max(), other.max()) > 1.0):
        raise InputError(
            "epsilon: with uniform noise embeddings lie in the unit cube, and some values do "
            "not; rescale them, or give sigma for normal noise."
        )
    n, d = x.shape
    size = min(batch_size(batch, n), BATCH) if batch is None else batch_size(batch, n)
    order = stream(seed, "pairs/order").permutation(n)[: n // size * size]
    left = np.asarray(other[order], dtype=np.float64)
    clean = np.asarray(x[order], dtype=np.float64)
    rng_noise = stream(seed, "pairs/noise")
    unit = (
        rng_noise.standard_normal(clean.shape)
        if noise == "gaussian"
        else rng_noise.uniform(-1.0, 1.0, clean.shape)
    )
    noisy = clean + amount * unit
    outside = 0.0
    if noise == "uniform":
        outside = float((np.abs(left - noisy) > amount).any(axis=1).mean())
    with single_threaded_blas():
        values = _lower_bounds(left, noisy, noise, amount, size, confidence, outside)
    channel = channel_bracket(x, **_noise_argument(noise, amount), confidence=confidence, rng=seed)
    capacity = capacity_of(noise, d, amount)
    # Donsker-Varadhan is biased upwards by the logarithm of a mean: no certificate uses it.
    low = max(0.0, *(bound.low for bound in values[1:] if bound.low is not None))
    correction, certificate = _certificate(clean, low, noise, amount, size, confidence)
    # In the cube the information never exceeds the capacity, even where the channel's bound does.
    most = channel.high if noise == "gaussian" else min(channel.high, capacity)
    noise_information = _noise_information(clean, noisy)
    information = max(float(values[1]), float(values[2]), 0.0)
    kl = None
    if noise_information is not None:
        bound = bounds.gaussian_kl_bound if noise == "gaussian" else bounds.uniform_kl_bound
        # Theorem 3.4 assumes E|f|^2 = d; in general (E|f|^2 - d) / 2 is added on the right.
        excess = correction * (1.0 + amount**2)
        kl = float(bound(noise_information, information, d, amount)) + excess
    return PairBounds(
        noise=noise,
        level=amount,
        n=n,
        d=d,
        confidence=confidence,
        capacity=capacity,
        correction=correction,
        donsker_varadhan=values[0],
        nwj=values[1],
        infonce=values[2],
        outside=outside,
        channel=channel,
        information_low=low,
        capacity_used=low / (capacity + correction) if capacity + correction > 0.0 else 0.0,
        smoothed_kl=certificate,
        invariance_gap=max(0.0, most - low),
        noise_information=noise_information,
        kl=kl,
        violations=_violations(low, capacity, correction, channel, noise),
        seed=seed,
        total=None if total == n else total,
    )


def _rows_of(
    data: Any,
    augmented: Any,
    seed: int,
    keys: tuple[str | None, str | None],
    memory: int | None,
) -> tuple[NDArray[np.floating], NDArray[np.floating], int]:
    """Return the rows of both samples, or some pairs of many, and how many pairs there are."""
    both = (data, augmented)
    if memory is not None:
        memory = whole("memory", memory, 1, " (bytes)")
    if takes_parts(both, memory, keys=keys):
        half = None if memory is None else memory // 2
        targets = [one.target if isinstance(one, Summary) else "normal" for one in both]
        with single_threaded_blas():
            sides = [
                side_of(one, name, seed=seed, target=law, key=key, memory=half)
                for one, name, law, key in zip(
                    both, ("data", "augmented"), targets, keys, strict=True
                )
            ]
    else:
        samples = [as_sample(one, key=key) for one, key in zip(both, keys, strict=True)]
        check_at_once(memory, *samples)
        sides = [Side(one, one.n) for one in samples]
    first, second = sides
    shapes = [(side.n, side.sample.d) for side in sides]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"augmented: got shape {shapes[1]} for data of shape {shapes[0]}; give f(X') row by "
            f"row beside f(X)."
        )
    if first.summary is None and second.summary is None:
        return first.sample.x, second.sample.x, first.n
    # Both keep the rows with the smallest keys, but fewer where they take more bytes.
    seeds = {side.summary.seed for side in sides if side.summary is not None}
    if len(seeds) > 1:
        raise InputError(
            f"augmented: is a summary with rng={max(seeds)} and data one with rng={min(seeds)}, so "
            f"they keep different rows; make both with the same rng."
        )
    _, ours, theirs = np.intersect1d(first.numbers, second.numbers, return_indices=True)
    return first.sample.x[ours], second.sample.x[theirs], first.n


def _noise_argument(noise: str, amount: float) -> dict[str, Any]:
    return {"sigma" if noise == "gaussian" else "epsilon": amount}


def _lower_bounds(
    x: Vector,
    y: Vector,
    noise: Noise,
    amount: float,
    size: int,
    confidence: float,
    outside: float,
) -> tuple[Estimate, Estimate, Estimate]:
    """Return Donsker-Varadhan, NWJ and InfoNCE bounds, from one matrix of scores per batch."""
    d = x.shape[1]
    parts: list[tuple[float, float, float]] = []
    # This constant makes the critic the pointwise information of a perfect match.
    constant = capacity_of(noise, d, amount) if noise == "gaussian" else 0.0
    for start in range(0, len(x), size):
        scores = _scores(x[start : start + size], y[start : start + size], noise, amount) + constant
        if outside > 0.0:
            share = min(outside, 1.0 - 1.0 / len(x))
            scores = np.logaddexp(np.log1p(-share) + scores, np.log(share))
        parts.append(
            (
                float(donsker_varadhan(scores)),
                float(nwj(scores + 1.0)),
                float(infonce(scores)),
            )
        )
    values = np.array(parts)  # (batches, 3)
    names = ("Donsker-Varadhan", "NWJ", "InfoNCE")
    estimates = []
    for j, name in enumerate(names):
        low, high = confidence_bounds(values[:, j], confidence, 2)
        estimates.append(
            Estimate(
                float(values[:, j].mean()),
                kind="lower bound",
                method=name,
                low=low,
                high=high,
                confidence=confidence,
                batches=len(values),
                batch=size,
                saturated=bool(name == "InfoNCE" and values[:, j].mean() > FULL * np.log(size)),
            )
        )
    return estimates[0], estimates[1], estimates[2]


def _scores(x: Vector, y: Vector, noise: str, amount: float) -> Vector:
    """Return the scores T(x_j, y_i) of the dual critic, without its constant: (K, K)."""
    if noise == "gaussian":
        s2 = amount**2
        lengths = np.square(y).sum(axis=1)[:, None]
        gaps = lengths + np.square(x).sum(axis=1)[None] - 2.0 * (y @ x.T)
        return np.asarray(0.5 * lengths / (1.0 + s2) - 0.5 * np.maximum(gaps, 0.0) / s2)
    tiles = [
        np.asarray(bounds.uniform_dual_critic(x[None], y[part, None], amount))
        for part in (slice(i, i + TILE) for i in range(0, len(y), TILE))
    ]
    return np.concatenate(tiles)


def _certificate(
    x: Vector,
    low: float,
    noise: Noise,
    amount: float,
    size: int,
    confidence: float,
) -> tuple[float, float]:
    """Return the moment correction, and the upper confidence bound of capacity + correction - I."""
    d = x.shape[1]
    if noise == "uniform":
        return 0.0, float(bounds.uniform_smoothed_kl_bound(low, d, amount))
    squares = np.square(x).sum(axis=1).reshape(-1, size).mean(axis=1)
    high = confidence_bounds(squares, confidence, 2)[1]
    correction = float(bounds.gaussian_moment_correction(float(squares.mean()), d, amount))
    most = float(squares.mean()) if high is None else high
    return correction, float(bounds.gaussian_smoothed_kl_bound(low, d, amount, most))


def _noise_information(x: Vector, y: Vector) -> float | None:
    """Estimate I(Z; f(X) + Z) = h(f(X) + Z) - h(f(X)); None where neighbours cannot."""
    if x.shape[1] > ENTROPY_COLUMNS:
        return None
    x, y = x[:ENTROPY_ROWS], y[:ENTROPY_ROWS]
    if len(np.unique(x, axis=0)) < len(x):
        return None  # copies: h(f(X)) is minus infinity
    noise = float(entropy_knn(y)) - float(entropy_knn(x))
    return noise if np.isfinite(noise) else None


def _violations(
    low: float, capacity: float, correction: float, channel: Bracket, noise: str
) -> tuple[str, ...]:
    sentences = []
    if low > capacity + correction:
        sentences.append(
            f"I(f(X'); f(X) + Z) >= {low:.4g} exceeds the capacity {capacity + correction:.4g}: "
            f"the embeddings do not have the theorem's "
            + ("moments" if noise == "gaussian" else "support")
        )
    if low > channel.high:
        sentences.append(
            f"I(f(X'); f(X) + Z) >= {low:.4g} exceeds I(f(X); f(X) + Z) <= {channel.high:.4g}: "
            f"this contradicts data processing, so the rows of the two arrays are not pairs"
        )
    return tuple(sentences)
