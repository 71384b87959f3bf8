"""The diagnosis: sentences that say how a sample departs from its target, with numbers."""

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
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

# Standard errors that a summary of d columns or k slices has to be off, to be mentioned.
STRICT = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """The facts behind the sentences, for one sample and for two.

    Attributes
    ----------
    names : sequence of str or None
        Names of the columns.
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
        """Whether the interval of an effect is above 0."""
        effect = self.effects.get(row.name)
        return effect is not None and effect.low is not None and effect.low > 0.0

    def value(self, row: EffectRow) -> float:
        """Estimate of an effect; 0 where there is none."""
        effect = self.effects.get(row.name)
        return 0.0 if effect is None or effect.value is None else effect.value

    def worst_confirmed(self) -> tuple[Direction | None, int]:
        """Worst direction that held-out rows confirm, if any, and how many there are."""
        confirmed = [one for one in self.directions if one.adjusted <= self.alpha]
        return max(confirmed, key=lambda one: one.statistic, default=None), len(confirmed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEvidence(Evidence):
    """The facts behind the sentences about one sample and its target.

    Attributes
    ----------
    canonical : Canonical
    coordinates : Coordinates
    skewness, kurtosis : ndarray, shape (k,)
        Skewness and excess kurtosis of the slices.
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
        """Whether all rows have the same length, up to rounding."""
        return float(self.norms.std()) < 1e-3 * float(self.norms.mean())


def diagnose(evidence: SampleEvidence) -> tuple[Finding, ...]:
    """Return the sentences that the data support; called only after a mismatch."""
    findings = [
        *_support(evidence),
        *_sphere(evidence),
        *_dead(evidence),
        *_moments(evidence),
        *_shape(evidence),
        *_lengths(evidence),
        *_margins(evidence),
        *_direction(evidence),
    ]
    if findings:
        return tuple(findings)
    text = (
        "The joint shape departs from the target, but no single summary (mean, variances, "
        "correlations, tails, columns) stands out; see the worst slice."
    )
    return (Finding("shape", text),)


def _support(e: SampleEvidence) -> Iterator[Finding]:
    yield from (f for f in e.canonical.findings if f.code == "outside-support")


def _sphere(e: SampleEvidence) -> Iterator[Finding]:
    centre = float(e.norms.mean())
    if len(e.canonical.mean) > 1 and e.same_length:
        d = len(e.canonical.mean)
        expected = "" if e.canonical.fitted else f" (about {np.sqrt(d):.3g} under N(0, I))"
        text = (
            f"All rows have the same length, {centre:.4g}{expected}: they lie on a sphere, as no "
            f"normal sample does."
        )
        yield Finding("constant-norm", text)


def _alive(variances: Vector) -> NDArray[np.bool_]:
    """Whether each column has a variance above rounding noise: shape (d,)."""
    return np.asarray(variances > 1e-12 * np.median(variances))


def _dead(e: SampleEvidence) -> Iterator[Finding]:
    variances = np.diagonal(e.canonical.covariance)
    dead = np.flatnonzero(~_alive(variances))
    if not len(dead):
        return
    listed = ", ".join(e.name(int(j)) for j in dead[:5]) + (", ..." if len(dead) > 5 else "")
    one = len(dead) == 1
    text = (
        f"{len(dead)} of {len(variances)} columns {'is' if one else 'are'} dead ({listed}): "
        f"{'its' if one else 'their'} variance is below 1e-12 of the median variance."
    )
    yield Finding("dead-coordinates", text, len(dead))


def _moments(e: SampleEvidence) -> Iterator[Finding]:
    """Mean, variances and correlations, where the interval of their part of KL is above 0."""
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
            f"The mean has length {off:.3g} instead of 0 (sampling alone gives "
            f"{np.sqrt(d / n):.2g}): {listed}{'' if d <= 3 else ' and others'}."
        )
        parts.append((e.value(table.KL_MEAN), Finding("mean", text)))
    if e.clear(table.KL_SCALE) or _large_variance(variances, n):
        alive = np.flatnonzero(_alive(variances))
        low = int(alive[variances[alive].argmin()])
        high = int(variances.argmax())
        text = (
            f"Variances differ from 1: they range from {variances[low]:.3g} ({e.name(low)}) to "
            f"{variances[high]:.3g} ({e.name(high)}), with mean {variances.mean():.3g}."
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
    rank = e.effects.get(table.EFFECTIVE_RANK.name)
    spread = ""
    if rank is not None and rank.value is not None and rank.low is not None:
        spread = (
            f"; the effective rank of the covariance is {rank.value:.4g} "
            f"({rank.low:.4g} to {rank.high:.4g}) of {d}"
        )
    return (
        f"Columns are correlated, most strongly {e.name(j)} with {e.name(i)} "
        f"({correlation[at]:+.2f}){spread}."
    )


def _large_mean(mean: Vector, variances: Vector, n: int) -> bool:
    return bool((np.abs(mean) > STRICT * 1.25 * np.sqrt(np.maximum(variances, 1.0) / n)).any())


def _large_variance(variances: Vector, n: int) -> bool:
    return bool((np.abs(variances - 1.0) > STRICT * 1.5 * np.sqrt(2.0 / n)).any())


def _shape(e: SampleEvidence) -> Iterator[Finding]:
    """Tails and skewness of slices, compared with their standard errors for a normal."""
    n = len(e.canonical.rows)
    tails = float(e.kurtosis.mean())
    if abs(tails) > STRICT * np.sqrt(24.0 / n):
        kind = "heavier" if tails > 0 else "lighter"
        text = (
            f"Slices have {kind} tails than a normal: the mean excess kurtosis is {tails:+.3g} "
            f"(from {e.kurtosis.min():+.2g} to {e.kurtosis.max():+.2g}; normal: 0)."
        )
        yield Finding("tails", text)
    skew = e.skewness[int(np.abs(e.skewness).argmax())]
    if abs(skew) > (STRICT + 1.0) * np.sqrt(6.0 / n):
        text = f"Slices are skewed: the largest skewness is {skew:+.3g} (normal: 0)."
        yield Finding("skewness", text)


def _lengths(e: SampleEvidence) -> Iterator[Finding]:
    """Row lengths that vary too much or too little: a sign of tails that all columns share."""
    effect = e.effects.get(table.LENGTH_DISPERSION.name)
    if effect is None or effect.value is None or effect.low is None or not len(e.norms) > 1:
        return
    # On the scale of logarithms the interval extends 1.96 standard errors to each side; STRICT is
    # about twice that. Heavy tails have no upper limit.
    if effect.low <= 0.0 or e.same_length:
        return
    margin = 0.5 * STRICT * float(np.log(effect.value / effect.low))
    if abs(float(np.log(effect.value))) <= margin:
        return
    more = effect.value > 1.0
    text = (
        f"The variance of squared row lengths is {effect.value:.3g} times a normal's: tails are "
        f"{'heavier' if more else 'lighter'} in many columns at once"
        f"{'.' if more else ', as in bounded or clustered data.'}"
    )
    yield Finding("lengths", text)


def _margins(e: SampleEvidence) -> Iterator[Finding]:
    """Columns that depart on their own: Kolmogorov-Smirnov with a union bound."""
    c = e.coordinates
    d = len(c.ks)
    # Dvoretzky-Kiefer-Wolfowitz-Massart at 1e-4 over all d columns; conservative if fitted.
    limit = float(np.sqrt(np.log(2.0 * d / 1e-4) / (2.0 * c.m)))
    bad = np.flatnonzero(c.ks > limit)
    if not len(bad):
        return
    worst = int(c.ks.argmax())
    after = " after standardising" if c.fitted else ""
    text = (
        f"{len(bad)} of {d} columns{after} {'departs' if len(bad) == 1 else 'depart'} from the "
        f"target on {'its' if len(bad) == 1 else 'their'} own, most {e.name(worst)}: its cdf is "
        f"{c.ks[worst]:.2g} from the target's (sampling alone: below {limit:.2g})."
    )
    if d == 1:
        text = (
            f"The cdf{after} is {c.ks[0]:.2g} from the target's (sampling alone: below "
            f"{limit:.2g})."
        )
    yield Finding("coordinates", text, len(bad))


def _direction(e: SampleEvidence) -> Iterator[Finding]:
    worst, count = e.worst_confirmed()
    if worst is not None:
        weights = worst.loadings(e.names, e.canonical)[:3]
        yield Finding(WORST_DIRECTION.name, worst.sentence(weights), count)
