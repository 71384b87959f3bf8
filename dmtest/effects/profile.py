"""The KL profile: a two-sided bracket of the smoothed divergence from the target, in nats.

The same noise is added to rows and target. The divergence after noise is at most the one before
it (data processing). Unlike that one, it can be bounded from a sample on both sides: on average,
the log density of a noisy row lies between those of two mixtures of the noise density over a
batch, without the row itself and with it (Poole et al. 2019). With q the density of the noisy
target,

    mean log p_without(y) - log q(y)  <=  KL(f(X) + Z || target + Z)
                                      <=  mean log p_with(y) - log q(y)

in expectation, where p_without includes a share 1/K of q and stays a bound. For the normal this
is C + correction - I, with I bracketed as in :func:`dmtest.information.channel_bracket`, up to
noise of mean 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest import bounds
from dmtest.engines.channel import Noise, channel_densities
from dmtest.engines.directions import random_directions
from dmtest.information.channel import BATCHES, batch_means, batch_size, capacity_of, shuffled
from dmtest.information.estimate import confidence_bounds
from dmtest.results.effect_table import SMOOTHED_KL, EffectRow, Estimates
from dmtest.results.estimate import Estimate
from dmtest.results.outcome import Effect
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

# Most rows of a profile, and of a batch, by default.
ROWS, BATCH = 1 << 18, 1 << 14
# Most rows in a check and in a report without a tolerance; fewest rows of a profile in a report.
PROFILE_ROWS, FEWEST_PROFILE = 1 << 14, 128
# Bias in nats that the default noise level accepts: exp(2 C) / K for a normal.
BIAS = 0.02
GRID = (0.25, 0.5, 1.0, 2.0)
SLICES, SLICE_BATCH, SLICE_NOISE = 16, 1024, 0.5
SUBSPACES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProfilePoint(Shown):
    """The smoothed divergence at one noise level, in nats.

    Attributes
    ----------
    noise : float
        Noise level: standard deviation of normal, half width of uniform noise.
    d : int
        Dimension of the sample, slice or subspace.
    lower, upper : float
        Ends of the bracket: below and above the divergence in expectation; cut off at 0.
    low, high : float
        Confidence bounds, simultaneous over all points of the same view.
    information_lower, information_upper : float
        The bracket of I(f(X); f(X) + Z) at this noise level.
    capacity : float
        Upper bound of that information.
    resolution : float
        Width of the bracket: a batch of this size cannot resolve smaller differences.
    informative : bool
        False if the capacity exceeds log(batch) - 1: the bracket then depends on the batch more
        than on the data.
    label : str
        The slice or subspace; empty for the whole sample.
    """

    noise: float
    d: int
    lower: float
    upper: float
    low: float
    high: float
    information_lower: float
    information_upper: float
    capacity: float
    resolution: float
    informative: bool
    label: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class KLProfile(Shown):
    """The smoothed divergence over noise levels, of the sample, its slices and subspaces.

    Attributes
    ----------
    target : str
    noise : {"gaussian", "uniform"}
        Kind of the noise.
    n, d : int
        Rows that were used, and columns.
    batch, batches : int
        Rows of a batch, and the number of batches.
    confidence : float
        Joint confidence of the bounds of all points of a view.
    points : tuple of ProfilePoint
        The sample in all its columns, by noise level.
    default : int
        Index of the point at the default noise: the lowest level that the batch resolves, but
        at least 1 (uniform: 1/2).
    slices : tuple of ProfilePoint
        Slices along random directions (uniform: along columns), where d > 1.
    subspaces : tuple of ProfilePoint
        Subspaces of the 1, 2, 4 and 8 principal directions whose variance is farthest from 1,
        chosen on one half of the rows and evaluated on the other (not for uniform targets).
    seed : int
    """

    target: str
    noise: Noise
    n: int
    d: int
    batch: int
    batches: int
    confidence: float
    points: tuple[ProfilePoint, ...]
    default: int
    slices: tuple[ProfilePoint, ...]
    subspaces: tuple[ProfilePoint, ...]
    seed: int

    @property
    def point(self) -> ProfilePoint:
        """The point at the default noise."""
        return self.points[self.default]

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects."""
        return asdict(self)


def profile_of(
    canonical: Canonical,
    target: str,
    *,
    noise: Vector | None = None,
    batch: int | None = None,
    confidence: float = 0.95,
    views: bool = True,
    rows: int | None = None,
    seed: int,
    progress: Progress | None = None,
) -> KLProfile:
    """Compute the KL profile of a sample.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d), or in the cube.
    target : str
        Name of the target, for the result.
    noise : ndarray, shape (levels,), optional
        Standard deviations (uniform: half widths) of the noise; see `default_noise`.
    batch : int, optional
        Rows of a batch: an eighth of the rows by default.
    confidence : float
        Joint confidence of the bounds of all points of a view.
    views : bool
        Whether to add slices and subspaces.
    rows : int, optional
        Most rows to use, drawn at random.
    seed : int
    progress : callable, optional

    Returns
    -------
    KLProfile
        In nats.
    """
    sample, kind = _noisy_rows(canonical, rows or ROWS, seed)
    n, d = sample.shape
    size = min(batch_size(batch, n), BATCH) if batch is None else batch_size(batch, n)
    default_level = default_noise(kind, d, size)
    if noise is None:
        levels = np.array([f * default_level for f in GRID])
        default = GRID.index(1.0)
    else:
        levels = np.atleast_1d(np.asarray(noise, dtype=np.float64))
        default = int(np.abs(np.log(levels / default_level)).argmin())
    points = _points(sample, kind, levels, size, confidence, seed, progress=progress)
    slices: tuple[ProfilePoint, ...] = ()
    subspaces: tuple[ProfilePoint, ...] = ()
    if views and d > 1:
        slices = _slices(sample, kind, confidence, seed)
        if kind == "gaussian" and n >= 4 * BATCHES * d:
            subspaces = _subspaces(sample, confidence, seed)
    return KLProfile(
        target=target,
        noise=kind,
        n=(n // size) * size,
        d=d,
        batch=size,
        batches=n // size,
        confidence=confidence,
        points=points,
        default=default,
        slices=slices,
        subspaces=subspaces,
        seed=seed,
    )


def default_noise(kind: Noise, d: int, batch: int) -> float:
    """Return the noise level at which a batch resolves `BIAS` nats, at least 1 (uniform: 1/2).

    For a normal sample the bias of the bracket is at most exp(2 C) / K.
    """
    capacity = max(0.5 * np.log(max(BIAS * batch, 1.5)), 0.1)
    if kind == "gaussian":
        return max(1.0, float(bounds.sigma_for_capacity(capacity, d)))
    return max(0.5, float(bounds.epsilon_for_capacity(capacity, d)))


def upper_bound(canonical: Canonical, noise: float, batch: int, alpha: float, seed: int) -> float:
    """Return an upper confidence bound of the smoothed divergence, one-sided at 1 - `alpha`.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d), or in the cube.
    noise : float
        Standard deviation (uniform: half width) of the noise.
    batch : int
        Rows of a batch.
    alpha : float
    seed : int

    Returns
    -------
    float
        Nats.
    """
    rows, kind = _noisy_rows(canonical, ROWS, seed)
    _, upper, _, _ = brackets(rows, kind, np.array([noise]), batch, seed)
    high = confidence_bounds(upper[0], 1.0 - alpha)[1]
    return np.inf if high is None else max(0.0, high)


def smoothed_estimates(
    canonical: Canonical, seed: int, noise: float | None = None, batch: int | None = None
) -> Estimates:
    """Estimate the smoothed divergence at one noise level: the middle of the bracket, in nats.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d), or in the cube; at most PROFILE_ROWS are used.
    seed : int
    noise, batch : float and int, optional
        Values of the estimate to compare with. By default a batch has 1/16 of the rows, and the
        noise level is `default_noise` of it.

    Returns
    -------
    dict of EffectRow to Estimate
        Nats; value None where there are too few rows.
    """
    rows, kind = _noisy_rows(canonical, PROFILE_ROWS, seed)
    n, d = rows.shape
    fewest = 2 * FEWEST_PROFILE if batch is None else 8 * batch
    if n < fewest:
        note = f"it takes {fewest} rows; there are {n}"
        few = Estimate(value=None, noise=noise, batch=batch, note=note)
        return {_smoothed_row(kind, None, batch, None): few}
    size = batch_size(None, n // 2) if batch is None else batch
    level = default_noise(kind, d, size) if noise is None else noise
    lower, upper, _, _ = brackets(rows, kind, np.array([level]), size, seed)
    middle = 0.5 * (lower[0] + upper[0])
    estimate = Estimate(
        value=float(middle.mean()),
        error=float(middle.std(ddof=1) / np.sqrt(len(middle))),
        df=len(middle) - 1,
        noise=level,
        batch=size,
    )
    return {_smoothed_row(kind, level, size, len(middle)): estimate}


def profile_effect(profile: KLProfile) -> Effect:
    """Return the profile's point at the default noise as an effect."""
    point = profile.point
    row = _smoothed_row(profile.noise, point.noise, profile.batch, profile.batches)
    value = 0.5 * (point.lower + point.upper)
    return row.within_limits(value, point.low, point.high, profile.confidence)


def _smoothed_row(
    kind: Noise, level: float | None, batch: int | None, batches: int | None
) -> EffectRow:
    width = "sd" if kind == "gaussian" else "half width"
    noise = "" if level is None else f" ({width} {level:.3g})"
    return SMOOTHED_KL.filled(noise=noise, batch=batch, batches=batches)


def _noisy_rows(canonical: Canonical, most: int, seed: int) -> tuple[NDArray[Any], Noise]:
    """Return at most `most` rows in random order, and the kind of noise to add to them."""
    if canonical.cube is None:
        return shuffled(np.asarray(canonical.rows), seed)[:most], "gaussian"
    return shuffled(np.asarray(canonical.cube), seed)[:most], "uniform"


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


def _points(
    rows: NDArray[Any],
    kind: Noise,
    levels: Vector,
    batch: int,
    confidence: float,
    seed: int,
    *,
    progress: Progress | None = None,
    comparisons: int | None = None,
    label: str = "",
) -> tuple[ProfilePoint, ...]:
    """Points at the noise levels; bounds hold jointly for `comparisons` points of the view."""
    pairs = brackets(rows, kind, levels, batch, seed, progress)
    sides = 2 * (comparisons or len(levels))
    points = []
    for s, lower, upper, information_lower, information_upper in zip(levels, *pairs, strict=True):
        low = confidence_bounds(lower, confidence, sides)[0]
        high = confidence_bounds(upper, confidence, sides)[1]
        capacity = capacity_of(kind, rows.shape[1], float(s))
        points.append(
            ProfilePoint(
                noise=float(s),
                d=rows.shape[1],
                lower=max(0.0, float(lower.mean())),
                upper=max(0.0, float(upper.mean())),
                low=0.0 if low is None else max(0.0, low),
                high=np.inf if high is None else max(0.0, high),
                information_lower=float(information_lower.mean()),
                information_upper=float(information_upper.mean()),
                capacity=capacity,
                resolution=float(upper.mean() - lower.mean()),
                informative=bool(capacity <= np.log(batch) - 1.0),
                label=label,
            )
        )
    return tuple(points)


def _slices(
    rows: NDArray[Any], kind: Noise, confidence: float, seed: int
) -> tuple[ProfilePoint, ...]:
    """Points of single slices: in one dimension a bracket is narrow, whatever d is."""
    d = rows.shape[1]
    if kind == "uniform":
        axes = np.arange(d) if d <= SLICES else stream(seed, "profile/axes").permutation(d)
        slices = [(f"coordinate {j}", rows[:, [j]]) for j in sorted(axes[:SLICES])]
        level = 0.5 * SLICE_NOISE
    else:
        directions = random_directions(SLICES, d, stream(seed, "profile/directions"))
        slices = [
            (f"direction {j}", np.asarray(rows @ u.astype(rows.dtype))[:, None])
            for j, u in enumerate(directions)
        ]
        level = SLICE_NOISE
    size = min(len(rows) // BATCHES, SLICE_BATCH)
    out: list[ProfilePoint] = []
    for name, values in slices:
        levels = np.array([level])
        out += _points(
            values, kind, levels, size, confidence, seed, comparisons=len(slices), label=name
        )
    return tuple(out)


def _subspaces(rows: NDArray[Any], confidence: float, seed: int) -> tuple[ProfilePoint, ...]:
    """Points of subspaces: principal directions of one half of the rows, evaluated on the other."""
    half, d = len(rows) // 2, rows.shape[1]
    first = np.asarray(rows[:half], dtype=np.float64)
    values, vectors = np.linalg.eigh(first.T @ first / half)
    values = np.maximum(values, 1e-300)
    basis = vectors[:, np.argsort(-(values - 1.0 - np.log(values)))]
    sizes = [r for r in SUBSPACES if r < d]
    size = min((len(rows) - half) // BATCHES, BATCH)
    out: list[ProfilePoint] = []
    for r in sizes:
        part = rows[half:] @ basis[:, :r].astype(rows.dtype)
        levels = np.array([default_noise("gaussian", r, size)])
        label = f"{r} principal direction{'s' if r > 1 else ''}"
        out += _points(
            part, "gaussian", levels, size, confidence, seed, comparisons=len(sizes), label=label
        )
    return tuple(out)
