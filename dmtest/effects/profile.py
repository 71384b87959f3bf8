"""The KL profile: a two-sided bracket of the smoothed divergence from the target, in nats.

Rows and target are both sent through the same noise; the divergence of what comes out is never
more than that of the rows (data processing), and unlike it can be bounded from a sample on
both sides: the mixture of the noise density over a batch, with and without a row itself, is on
average above and below the density of the noisy row (Poole et al. 2019). With log q the
density of the noisy target,

    mean log p_without(y) - log q(y)  <=  KL(f(X) + Z || target + Z)
                                      <=  mean log p_with(y) - log q(y)

in expectation; p_without takes a share 1/K of q, which keeps it a bound. For the normal this is
C + correction - I with I bracketed as in :func:`dmtest.information.channel_bracket`, less noise
of mean 0.
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
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

# Rows that a default profile is computed of at most, and rows of a default batch.
ROWS, BATCH = 1 << 18, 1 << 14
# The same in a report without a tolerance, and in a check; rows of the smallest sample of a report.
PROFILE_ROWS, FEWEST_PROFILE = 1 << 14, 128
# Nats of bias that a batch is let have at the default noise: exp(2 C) / K for a normal.
BIAS = 0.02
GRID = (0.25, 0.5, 1.0, 2.0)
SLICES, SLICE_BATCH, SLICE_NOISE = 16, 1024, 0.5
SUBSPACES = (1, 2, 4, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfilePoint:
    """The smoothed divergence at one noise level, in nats.

    Attributes
    ----------
    noise : float
        Standard deviation of normal, half width of uniform noise.
    d : int
        Dimension of what is looked at.
    lower, upper : float
        Estimates that are below and above the divergence in expectation; cut off at 0.
    low, high : float
        Simultaneous confidence bounds over all points of the same view.
    information_lower, information_upper : float
        The bracket of I(f(X); f(X) + Z) that goes with it.
    capacity : float
        What the information cannot exceed.
    resolution : float
        Width of the bracket: smaller differences cannot be seen at this batch size.
    informative : bool
        False where the capacity is near the logarithm of the batch or above: the bracket
        then says more about the batch than about the data, and is no finding.
    label : str
        Which slice or subspace.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class KLProfile:
    """The smoothed divergence over noise levels, slices and subspaces.

    Attributes
    ----------
    target : str
    noise : {"gaussian", "uniform"}
    n, d : int
        Rows that were used, and columns.
    batch, batches : int
    confidence : float
        Of each view's bounds together.
    points : tuple of ProfilePoint
        All dimensions, by noise level.
    default : int
        Index of the point at the default noise: the smallest, but at least 1 (uniform: 1/2),
        that the batch resolves.
    slices : tuple of ProfilePoint
        Random directions (uniform: coordinates), where d > 1.
    subspaces : tuple of ProfilePoint
        The 1, 2, 4, 8 principal directions whose variance is farthest from 1, found on one half
        of the rows and looked at on the other (not for uniform targets).
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
    """Compute the profile of a sample.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d), or in the cube.
    target : str
        Its name, for the result.
    noise : ndarray, shape (levels,), optional
        Standard deviations (uniform: half widths) of the noise; see `default_noise`.
    batch : int, optional
        Rows of a batch: an eighth of the rows by default.
    confidence : float
        Of all points of a view together.
    views : bool
        Whether slices and subspaces are looked at, too.
    rows : int, optional
        Rows that are used at most, drawn at random.
    seed : int
    progress : callable, optional

    Returns
    -------
    KLProfile
        In nats.
    """
    used, kind = _noisy_rows(canonical, rows or ROWS, seed)
    n, d = used.shape
    size = min(batch_size(batch, n), BATCH) if batch is None else batch_size(batch, n)
    preferred = default_noise(kind, d, size)
    if noise is None:
        levels = np.array([f * preferred for f in GRID])
        default = GRID.index(1.0)
    else:
        levels = np.atleast_1d(np.asarray(noise, dtype=np.float64))
        default = int(np.abs(np.log(levels / preferred)).argmin())
    points = _points(used, kind, levels, size, confidence, seed, progress)
    slices: tuple[ProfilePoint, ...] = ()
    subspaces: tuple[ProfilePoint, ...] = ()
    if views and d > 1:
        slices = _slices(used, kind, confidence, seed)
        if kind == "gaussian" and n >= 4 * BATCHES * d:
            subspaces = _subspaces(used, confidence, seed)
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
    """Return the noise at which a batch resolves `BIAS` nats, but no less than 1 (uniform: 1/2).

    For a normal sample the bracket's bias is exp(2 C) / K at most.
    """
    capacity = max(0.5 * np.log(max(BIAS * batch, 1.5)), 0.1)
    if kind == "gaussian":
        return max(1.0, float(bounds.sigma_for_capacity(capacity, d)))
    return max(0.5, float(bounds.epsilon_for_capacity(capacity, d)))


def upper_bound(canonical: Canonical, noise: float, batch: int, alpha: float, seed: int) -> float:
    """Return a one-sided confidence bound of the smoothed divergence, of level 1 - `alpha`.

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
        Those of the estimate to be compared with. By default 1/16 of the rows, and the noise
        that such a batch resolves.

    Returns
    -------
    dict of EffectRow to Estimate
        Value None where there are too few rows.
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
    """Return rows in random order, `most` of them, where noise is added, and its kind."""
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
    """Lower and upper divergence, lower and upper information: each (levels, batches)."""
    found = channel_densities(rows, kind, levels, batch, seed, progress)
    used = rows[: found.noise.shape[0]]
    target = np.stack([_noisy_target(used + s * found.noise, kind, float(s)) for s in levels])
    together = found.mixture
    # Any density bounds the entropy: with a share of the target's, no row that is far from all
    # others (with uniform noise: out of their reach) makes the bound worthless.
    share = 1.0 / batch
    others = np.logaddexp(found.leave_one_out + np.log1p(-share), target + np.log(share))
    return (
        batch_means(others - target, batch),
        batch_means(together - target, batch),
        batch_means(found.conditional - together, batch),
        batch_means(found.conditional - others, batch),
    )


def _noisy_target(y: Vector, kind: Noise, s: float) -> Vector:
    """Log density of the target after the noise, at every row."""
    d = y.shape[1]
    if kind == "gaussian":
        variance = 1.0 + s * s
        return np.asarray(
            -0.5 * d * np.log(2.0 * np.pi * variance) - 0.5 * np.square(y).sum(axis=1) / variance
        )
    # At a corner the overlap is as small as rounding: the row is inside all the same.
    overlap = np.maximum(np.minimum(y + s, 1.0) - np.maximum(y - s, 0.0), 1e-300)
    return np.asarray(np.log(overlap / (2.0 * s)).sum(axis=1))


def _points(
    rows: NDArray[Any],
    kind: Noise,
    levels: Vector,
    batch: int,
    confidence: float,
    seed: int,
    progress: Progress | None = None,
    comparisons: int | None = None,
    label: str = "",
) -> tuple[ProfilePoint, ...]:
    found = brackets(rows, kind, levels, batch, seed, progress)
    sides = 2 * (comparisons or len(levels))
    points = []
    for s, lower, upper, least, most in zip(levels, *found, strict=True):
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
                information_lower=float(least.mean()),
                information_upper=float(most.mean()),
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
    """Single directions: in one dimension a bracket is narrow whatever d is."""
    d = rows.shape[1]
    if kind == "uniform":
        chosen = np.arange(d) if d <= SLICES else stream(seed, "profile/axes").permutation(d)
        lines = [(f"coordinate {j}", rows[:, [j]]) for j in sorted(chosen[:SLICES])]
        level = 0.5 * SLICE_NOISE
    else:
        directions = random_directions(SLICES, d, stream(seed, "profile/directions"))
        lines = [
            (f"direction {j}", np.asarray(rows @ u.astype(rows.dtype))[:, None])
            for j, u in enumerate(directions)
        ]
        level = SLICE_NOISE
    size = min(len(rows) // BATCHES, SLICE_BATCH)
    out: list[ProfilePoint] = []
    for name, line in lines:
        levels = np.array([level])
        out += _points(line, kind, levels, size, confidence, seed, None, len(lines), name)
    return tuple(out)


def _subspaces(rows: NDArray[Any], confidence: float, seed: int) -> tuple[ProfilePoint, ...]:
    """Principal directions of one half, on the other."""
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
        out += _points(part, "gaussian", levels, size, confidence, seed, None, len(sizes), label)
    return tuple(out)
