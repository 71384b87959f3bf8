"""What is wrong with a sample, in plain sentences with their numbers, worst first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dmtest.catalogue.unlisted import WORST_DIRECTION
from dmtest.effects.coordinates import Coordinates
from dmtest.effects.directions import Direction
from dmtest.results import effect_table as table
from dmtest.results.effect_table import EffectRow
from dmtest.results.outcome import Effect, Finding
from dmtest.targets.targets import Canonical

__all__ = ["Evidence", "SampleEvidence", "diagnose"]

Vector = NDArray[np.float64]

# A summary is called off when it is this many standard errors from its target, d of them
# or k of them looked at together.
STRICT = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What sentences are made from, whatever the sample is compared with.

    Attributes
    ----------
    names : sequence of str or None
        Of the columns.
    effects : dict of str to Effect
    directions : sequence of Direction
        Tested on held-out rows.
    alpha : float
        Level at which a direction counts as confirmed.
    """

    names: Sequence[str] | None
    effects: Mapping[str, Effect]
    directions: Sequence[Direction]
    alpha: float

    def name(self, j: int) -> str:
        """Name of a column."""
        return f"x{j}" if self.names is None else f"'{self.names[j]}'"

    def clear(self, row: EffectRow) -> bool:
        """Whether an effect's interval leaves out 0."""
        effect = self.effects.get(row.name)
        return effect is not None and effect.low is not None and effect.low > 0.0

    def value(self, row: EffectRow) -> float:
        """Estimate of an effect; 0 where there is none."""
        effect = self.effects.get(row.name)
        return 0.0 if effect is None or effect.value is None else effect.value

    def confirmed(self) -> tuple[Direction | None, int]:
        """Worst direction that held-out rows confirm, if any, and how many there are."""
        confirmed = [one for one in self.directions if one.adjusted <= self.alpha]
        return max(confirmed, key=lambda one: one.statistic, default=None), len(confirmed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvidence(Evidence):
    """What sentences about one sample and its target are made from.

    Attributes
    ----------
    canonical : Canonical
    coordinates : Coordinates
    skewness, kurtosis : ndarray, shape (k,)
        Of the slices; kurtosis is the excess.
    norms : ndarray, shape (m,)
        Lengths of rows.
    """

    canonical: Canonical
    coordinates: Coordinates
    skewness: Vector
    kurtosis: Vector
    norms: Vector

    @property
    def same_length(self) -> bool:
        """Whether all rows have one length, but for rounding."""
        return float(self.norms.std()) < 1e-3 * float(self.norms.mean())


def diagnose(evidence: SampleEvidence) -> tuple[Finding, ...]:
    """Collect the sentences that the data support; the caller asks after a mismatch only."""
    found = [
        *_support(evidence),
        *_sphere(evidence),
        *_dead(evidence),
        *_gaussian(evidence),
        *_shape(evidence),
        *_lengths(evidence),
        *_margins(evidence),
        *_direction(evidence),
    ]
    if found:
        return tuple(found)
    text = (
        "The joint shape departs from the target, but no single summary (mean, variances, "
        "correlations, tails, coordinates) stands out: look at the worst slice."
    )
    return (Finding("shape", text),)


def _support(e: SampleEvidence) -> Iterator[Finding]:
    yield from (f for f in e.canonical.findings if f.code == "outside-support")


def _sphere(e: SampleEvidence) -> Iterator[Finding]:
    centre = float(e.norms.mean())
    if len(e.canonical.mean) > 1 and e.same_length:
        d = len(e.canonical.mean)
        aim = "" if e.canonical.fitted else f" (a draw from N(0, I) has about {np.sqrt(d):.3g})"
        text = (
            f"Every row has the same length, {centre:.4g}{aim}: the rows lie on a sphere, "
            f"which no normal distribution does."
        )
        yield Finding("constant-norm", text)


def _alive(variances: Vector) -> NDArray[np.bool_]:
    """Tell coordinates that carry variance from those that hold noise of the arithmetic."""
    return np.asarray(variances > 1e-12 * np.median(variances))


def _dead(e: SampleEvidence) -> Iterator[Finding]:
    variances = np.diagonal(e.canonical.covariance)
    dead = np.flatnonzero(~_alive(variances))
    if not len(dead):
        return
    listed = ", ".join(e.name(int(j)) for j in dead[:5]) + (", ..." if len(dead) > 5 else "")
    one = len(dead) == 1
    text = (
        f"{len(dead)} of {len(variances)} coordinates {'is' if one else 'are'} dead ({listed}): "
        f"{'its' if one else 'their'} variance is below 1e-12 of the median one."
    )
    yield Finding("dead-coordinates", text, len(dead))


def _gaussian(e: SampleEvidence) -> Iterator[Finding]:
    """Mean, variances and correlations, where their share of KL is clear of 0."""
    if e.canonical.fitted:
        return
    mean, variances = e.canonical.mean, np.diagonal(e.canonical.covariance)
    n, d = len(e.canonical.rows), len(mean)
    parts: list[tuple[float, Finding]] = []
    off = float(np.linalg.norm(mean))
    if e.clear(table.KL_MEAN) or _large_mean(mean, variances, n):
        worst = np.argsort(-np.abs(mean), kind="stable")[:3]
        listed = ", ".join(f"{e.name(int(j))} at {mean[j]:+.3g}" for j in worst)
        text = (
            f"The mean is off by {off:.3g} in length (sampling alone gives "
            f"{np.sqrt(d / n):.2g}): {listed}{'' if d <= 3 else ' and others'}."
        )
        parts.append((e.value(table.KL_MEAN), Finding("mean", text)))
    if e.clear(table.KL_SCALE) or _large_variance(variances, n):
        alive = np.flatnonzero(_alive(variances))
        low = int(alive[variances[alive].argmin()])
        high = int(variances.argmax())
        text = (
            f"Variances are not 1: they run from {variances[low]:.3g} ({e.name(low)}) to "
            f"{variances[high]:.3g} ({e.name(high)}), {variances.mean():.3g} on average."
        )
        parts.append((e.value(table.KL_SCALE), Finding("scale", text)))
    if e.clear(table.KL_CORRELATION):
        parts.append((e.value(table.KL_CORRELATION), Finding("correlation", _correlated(e))))
    yield from (finding for _, finding in sorted(parts, key=lambda part: -part[0]))


def _correlated(e: SampleEvidence) -> str:
    covariance = e.canonical.covariance
    d = len(covariance)
    alive = np.flatnonzero(_alive(np.diagonal(covariance)))
    part = covariance[np.ix_(alive, alive)]
    scale = np.sqrt(np.diagonal(part))
    correlation = part / np.outer(scale, scale)
    below = np.tril(np.abs(correlation), -1)
    at = np.unravel_index(int(below.argmax()), below.shape)
    i, j = int(alive[at[0]]), int(alive[at[1]])
    rank = e.value(table.EFFECTIVE_RANK)
    return (
        f"Coordinates are correlated, most {e.name(j)} with {e.name(i)} "
        f"({correlation[at]:+.2f}); the variance is spread as if over {rank:.3g} of {d} "
        f"directions."
    )


def _large_mean(mean: Vector, variances: Vector, n: int) -> bool:
    return bool((np.abs(mean) > STRICT * 1.25 * np.sqrt(np.maximum(variances, 1.0) / n)).any())


def _large_variance(variances: Vector, n: int) -> bool:
    return bool((np.abs(variances - 1.0) > STRICT * 1.5 * np.sqrt(2.0 / n)).any())


def _shape(e: SampleEvidence) -> Iterator[Finding]:
    """Tails and skewness over slices, against their largest standard error under a normal."""
    n = len(e.canonical.rows)
    tails = float(e.kurtosis.mean())
    if abs(tails) > STRICT * np.sqrt(24.0 / n):
        kind = "heavier" if tails > 0 else "lighter"
        text = (
            f"Slices have {kind} tails than a normal: excess kurtosis {tails:+.3g} on average "
            f"(from {e.kurtosis.min():+.2g} to {e.kurtosis.max():+.2g}; 0 expected)."
        )
        yield Finding("tails", text)
    skew = e.skewness[int(np.abs(e.skewness).argmax())]
    if abs(skew) > (STRICT + 1.0) * np.sqrt(6.0 / n):
        text = f"Slices are skewed, the worst by {skew:+.3g} (0 expected)."
        yield Finding("skewness", text)


def _lengths(e: SampleEvidence) -> Iterator[Finding]:
    """Row lengths that vary too much or too little: tails that all coordinates share."""
    effect = e.effects.get(table.LENGTH_DISPERSION.name)
    if effect is None or effect.value is None or effect.high is None or not len(e.norms) > 1:
        return
    # The interval is 1.96 standard errors wide on each side; STRICT asks for about twice that.
    margin = 0.5 * STRICT * (effect.high - effect.value)
    if abs(effect.value - 1.0) <= margin or e.same_length:
        return
    more = effect.value > 1.0
    text = (
        f"Squared row lengths vary {effect.value:.3g} times as much as a normal's: tails are "
        f"{'heavier' if more else 'lighter'} in many coordinates at once"
        f"{'.' if more else ', as with bounded or clustered data.'}"
    )
    yield Finding("lengths", text)


def _margins(e: SampleEvidence) -> Iterator[Finding]:
    """Coordinates that are off on their own: Kolmogorov-Smirnov with a union bound."""
    c = e.coordinates
    d = len(c.ks)
    # Dvoretzky-Kiefer-Wolfowitz-Massart at 1e-4 over all d; larger than needed when fitted.
    limit = float(np.sqrt(np.log(2.0 * d / 1e-4) / (2.0 * c.m)))
    bad = np.flatnonzero(c.ks > limit)
    if not len(bad):
        return
    worst = int(c.ks.argmax())
    after = " after standardising" if c.fitted else ""
    text = (
        f"{len(bad)} of {d} coordinates{after} {'is' if len(bad) == 1 else 'are'} off, looked at "
        f"one by one, most {e.name(worst)}: its cdf is {c.ks[worst]:.2g} from the "
        f"target's (sampling alone stays below {limit:.2g})."
    )
    if d == 1:
        text = f"The cdf{after} is {c.ks[0]:.2g} from the target's (sampling alone: {limit:.2g})."
    yield Finding("coordinates", text, len(bad))


def _direction(e: SampleEvidence) -> Iterator[Finding]:
    worst, count = e.confirmed()
    if worst is not None:
        weights = worst.loadings(e.names, e.canonical)[:3]
        yield Finding(WORST_DIRECTION.name, worst.sentence(weights), count)
