"""The KL profile: bounds of the divergence from the target after noise, in nats.

The same noise is added to rows and target. The divergence after noise is at most the one before
it (data processing). Unlike that one, it can be bounded from a sample on both sides: see
:mod:`dmtest.information.certificate`. How much a value means depends on the noise, so every point
carries what a dead and a two-valued coordinate and a collapse would cost at its noise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest import bounds
from dmtest.engines.channel import Noise
from dmtest.engines.directions import random_directions
from dmtest.information.certificate import (
    FEWEST,
    SmoothedKL,
    information_at,
    smoothed_kl_bounds_at,
    upper_part,
    why_unbounded,
)
from dmtest.information.channel import BATCHES, batch_size, capacity_of, shuffled
from dmtest.information.columns import HEAVIEST, smoothed_column_bounds
from dmtest.information.resolution import COARSEST, default_noise, resolution_of, resolvable_noise
from dmtest.results.effect_table import SMOOTHED_KL, EffectRow, Estimates
from dmtest.results.estimate import Estimate
from dmtest.results.outcome import Effect
from dmtest.results.shown import Shown
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.statistics.influence import heaviest_tail, mean_error, mean_skewness
from dmtest.targets.canonical import Canonical

# Most rows of a profile, and of a batch, by default.
ROWS, BATCH = 1 << 18, 1 << 14
# Most rows and pairs of rows in a check and in a report; fewest rows of a profile in a report.
PROFILE_ROWS, REPORT_PAIRS, FEWEST_PROFILE = 1 << 14, 1 << 25, 128
# Default noise levels, as multiples of the one that the rows resolve.
GRID = (1.0, 1.5, 2.0, 4.0)
SLICES, SLICE_NOISE = 16, 0.3
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
        Estimates of what bounds the divergence from below and from above, at least 0.
    low, high : float
        Confidence bounds, simultaneous over all points of the same view. `high` (and `upper`) is
        infinite where none is given; `why` has the reason.
    information_lower, information_upper : float
        I(f(X); f(X) + Z) at this noise level, if the divergence is `upper` or `lower`.
    capacity : float
        Upper bound of that information.
    resolution : float
        Standard deviation of the upper bound for a sample from the target of this shape.
    informative : bool
        Whether the sample resolves this noise, so that there is an upper bound.
    dead, two_valued, collapse : float
        Yardsticks: the divergence at this noise of a constant coordinate, of one that takes two
        values, and of rows that are all one point.
    method : str
        What gives `high`: "pairs" (chi-square certificate), "bracket" (of noisy rows) or "column"
        (in one dimension, the smoothed sample itself).
    why : str
        Why there is no upper bound.
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
    dead: float
    two_valued: float
    collapse: float
    method: str = ""
    why: str = ""
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
        Rows of a batch, and number of batches, of the bracket of noisy rows, which takes part
        where a batch resolves the noise.
    confidence : float
        Joint confidence of the bounds of all points of a view.
    points : tuple of ProfilePoint
        The sample in all its columns, by noise level.
    default : int
        Index of the point at (or nearest to) the default noise: the lowest level at which the
        upper bound of a sample from the target varies by 0.01 nats.
    resolvable : float
        The lowest level at which there is an upper bound.
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
    resolvable: float
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
    pairs: int = REPORT_PAIRS,
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
        Rows of a batch of the bracket: an eighth of the rows by default.
    confidence : float
        Joint confidence of the bounds of all points of a view.
    views : bool
        Whether to add slices and subspaces.
    rows, pairs : int
        Most rows to use, drawn at random, and most pairs of them at each level.
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
    default_level = default_noise(n, d, kind, pairs)
    if noise is None:
        levels = np.array([f * default_level for f in GRID])
        default = GRID.index(1.0)
    else:
        levels = np.atleast_1d(np.asarray(noise, dtype=np.float64))
        default = int(np.abs(np.log(levels / default_level)).argmin())
    alpha = 0.5 * (1.0 - confidence) / len(levels)
    points = _points(sample, kind, levels, alpha, batch, pairs, seed, progress)
    slices: tuple[ProfilePoint, ...] = ()
    subspaces: tuple[ProfilePoint, ...] = ()
    if views and d > 1:
        slices = _slices(sample, kind, confidence, seed)
        if kind == "gaussian" and n >= 4 * BATCHES * d:
            subspaces = _subspaces(sample, confidence, pairs, seed)
    return KLProfile(
        target=target,
        noise=kind,
        n=n,
        d=d,
        batch=size,
        batches=n // size,
        confidence=confidence,
        points=tuple(points),
        default=default,
        resolvable=resolvable_noise(n, d, kind, pairs=pairs),
        slices=slices,
        subspaces=subspaces,
        seed=seed,
    )


def smoothed_estimates(
    canonical: Canonical, seed: int, noise: float | None = None, batch: int | None = None
) -> Estimates:
    """Estimate the bound of the smoothed divergence from above, at one noise level, in nats.

    It is log(1 + chi2) with clipped tails, which does not depend on the number of rows, so samples
    can be compared by it.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d), or in the cube; at most PROFILE_ROWS are used.
    seed : int
    noise, batch : float and int, optional
        Noise level of the estimate to compare with, by default `default_noise`; and its batch,
        which only estimates of earlier versions have. Those cannot be compared.

    Returns
    -------
    dict of EffectRow to Estimate
        Nats; value None where rows are too few for the noise.
    """
    rows, kind = _noisy_rows(canonical, PROFILE_ROWS, seed)
    n, d = rows.shape
    # Half of the rows have to resolve the default noise: the next sample may be smaller.
    level = default_noise(max(n // 2, 2), d, kind, REPORT_PAIRS) if noise is None else noise
    row = _smoothed_row(kind, level)
    note = ""
    if n < FEWEST:
        note = f"it takes {FEWEST} rows; there are {n}"
    elif resolution_of(n, d, level, kind, REPORT_PAIRS) > COARSEST:
        least = resolvable_noise(n, d, kind, pairs=REPORT_PAIRS)
        note = f"{n} rows in {d} columns resolve noise from {least:.3g} on"
    if note:
        return {row: Estimate(value=None, noise=noise, note=note)}
    part = upper_part(rows, level, kind, REPORT_PAIRS)
    if not np.isfinite(part.value):
        return {row: Estimate(value=None, noise=noise, note="no two rows are near each other")}
    squares = np.square(np.asarray(rows, dtype=np.float64)).sum(axis=1)
    estimate = Estimate(
        value=part.value - part.bias,
        error=float(np.hypot(mean_error(part.influence), part.spread)),
        skewness=mean_skewness(part.influence),
        unbounded=kind == "gaussian" and heaviest_tail(squares) >= HEAVIEST,
        noise=level,
    )
    return {row: estimate}


def profile_effect(profile: KLProfile) -> Effect:
    """Return the profile's point at the default noise as an effect, with its yardsticks."""
    point = profile.point
    row = _smoothed_row(profile.noise, point.noise)
    value: float | None = 0.5 * (point.lower + point.upper)
    high: float | None = point.high
    note = row.note
    if not point.informative:
        value, high, note = None, None, f"no upper bound: {point.why}"
    effect = row.within_limits(value, point.low, high, profile.confidence, note)
    return replace(effect, yardsticks=yardsticks(point.noise, profile.d, profile.noise))


def _smoothed_row(kind: Noise, level: float) -> EffectRow:
    width = "sd" if kind == "gaussian" else "half width"
    return SMOOTHED_KL.filled(noise=f" ({width} {level:.3g})")


def yardsticks(noise: float, d: int, kind: Noise = "gaussian") -> dict[str, float]:
    """Return what named departures cost at this noise in d columns, in nats."""
    named = {
        "dead coordinate": float(bounds.dead_coordinate(noise, kind)),
        "two-valued coordinate": float(bounds.two_valued_coordinate(noise, kind)),
    }
    return named if d == 1 else named | {"collapse": float(bounds.collapse(d, noise, kind))}


def _noisy_rows(canonical: Canonical, most: int, seed: int) -> tuple[NDArray[Any], Noise]:
    """Return at most `most` rows in random order, and the kind of noise to add to them."""
    if canonical.cube is None:
        return shuffled(np.asarray(canonical.rows), seed)[:most], "gaussian"
    return shuffled(np.asarray(canonical.cube), seed)[:most], "uniform"


def _points(
    rows: NDArray[Any],
    kind: Noise,
    levels: Vector,
    alpha: float,
    batch: int | None,
    pairs: int,
    seed: int,
    progress: Progress | None = None,
    label: str = "",
) -> list[ProfilePoint]:
    """Return the points of rows at noise levels; each of their bounds holds at 1 - `alpha`."""
    found = smoothed_kl_bounds_at(
        rows, levels, alpha, kind=kind, batch=batch, pairs=pairs, seed=seed, progress=progress
    )
    x = np.asarray(rows, dtype=np.float64)
    return [_point(x, kind, one, label) for one in found]


def _point(x: Vector, kind: Noise, found: SmoothedKL, label: str) -> ProfilePoint:
    noise = found.noise
    least, most = information_at(x, noise, kind, np.array([found.above, found.below]))
    return ProfilePoint(
        noise=noise,
        d=found.d,
        lower=found.below,
        upper=found.above,
        low=found.lower,
        high=found.upper,
        information_lower=float(least),
        information_upper=float(most),
        capacity=capacity_of(kind, found.d, noise),
        resolution=found.resolution,
        informative=not found.why,
        method=found.method,
        why=found.why,
        label=label,
        **_costs(noise, found.d, kind),
    )


def _costs(noise: float, d: int, kind: Noise) -> dict[str, float]:
    """Return the yardsticks as fields of a point."""
    return {
        "dead": float(bounds.dead_coordinate(noise, kind)),
        "two_valued": float(bounds.two_valued_coordinate(noise, kind)),
        "collapse": float(bounds.collapse(d, noise, kind)),
    }


def _slices(
    rows: NDArray[Any], kind: Noise, confidence: float, seed: int
) -> tuple[ProfilePoint, ...]:
    """Points of single slices: in one dimension bounds are narrow, whatever d is."""
    d = rows.shape[1]
    if kind == "uniform":
        axes = np.arange(d) if d <= SLICES else stream(seed, "profile/axes").permutation(d)
        axes = np.sort(axes[:SLICES])
        names, columns = [f"coordinate {j}" for j in axes], np.asarray(rows[:, axes])
        level = 0.5 * SLICE_NOISE
    else:
        directions = random_directions(SLICES, d, stream(seed, "profile/directions"))
        names = [f"direction {j}" for j in range(SLICES)]
        columns = np.asarray(rows @ directions.T.astype(rows.dtype))
        level = SLICE_NOISE
    alpha = 0.5 * (1.0 - confidence) / len(names)
    found = smoothed_column_bounds(columns, level, alpha, kind=kind)
    points = []
    for j, name in enumerate(names):
        x = np.asarray(columns[:, [j]], dtype=np.float64)
        ends = np.array([found.above[j], found.below[j]])
        least, most = information_at(x, level, kind, ends)
        bounded = bool(np.isfinite(found.upper[j]))
        points.append(
            ProfilePoint(
                noise=level,
                d=1,
                lower=float(found.below[j]),
                upper=float(found.above[j]),
                low=float(found.lower[j]),
                high=float(found.upper[j]),
                information_lower=float(least),
                information_upper=float(most),
                capacity=capacity_of(kind, 1, level),
                resolution=resolution_of(len(rows), 1, level, kind),
                informative=bounded,
                method="column" if bounded else "",
                why="" if bounded else why_unbounded(len(rows)),
                label=name,
                **_costs(level, 1, kind),
            )
        )
    return tuple(points)


def _subspaces(
    rows: NDArray[Any], confidence: float, pairs: int, seed: int
) -> tuple[ProfilePoint, ...]:
    """Points of subspaces: principal directions of one half of the rows, evaluated on the other."""
    half, d = len(rows) // 2, rows.shape[1]
    first = np.asarray(rows[:half], dtype=np.float64)
    values, vectors = np.linalg.eigh(first.T @ first / half)
    values = np.maximum(values, 1e-300)
    basis = vectors[:, np.argsort(-(values - 1.0 - np.log(values)))]
    sizes = [r for r in SUBSPACES if r < d]
    alpha = 0.5 * (1.0 - confidence) / len(sizes)
    out: list[ProfilePoint] = []
    for r in sizes:
        part = rows[half:] @ basis[:, :r].astype(rows.dtype)
        level = default_noise(len(part), r, pairs=pairs)
        label = f"{r} principal direction{'s' if r > 1 else ''}"
        levels = np.array([level])
        out += _points(part, "gaussian", levels, alpha, None, pairs, seed, label=label)
    return tuple(out)
