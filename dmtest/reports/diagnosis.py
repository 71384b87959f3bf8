"""The diagnosis: sentences that say how a sample departs from its target, and what to do.

Causes come first (a column that is constant, another target, rows that depend on each other), then
the moments, columns and directions that depart, and where nothing else speaks the tests that
reject.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dmtest.catalogue.registry import find, hypothesis
from dmtest.catalogue.unlisted import WORST_DIRECTION
from dmtest.render.wording import pvalue as shown
from dmtest.reports.causes.collapse import column_collapse, rank_collapse
from dmtest.reports.causes.columns import column_findings, described, tested_columns
from dmtest.reports.causes.cube import cube_findings
from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.reports.causes.joint import joint_findings
from dmtest.reports.causes.rows import (
    group_findings,
    outlier_findings,
    outliers_of,
    robust_distances,
)
from dmtest.reports.causes.target import interval_findings, norm_findings, unit_findings
from dmtest.results import effect_table as table
from dmtest.results.outcome import Finding
from dmtest.runtime.typing import Vector

# Standard errors that a summary of d columns or k slices has to be off, to be mentioned.
STRICT = 4.0
# Findings about the values that explain a mismatch, and those about rows.
KINDS = ("integer-data", "ranks")
VALUES = ("integer-data", "ranks", "low-precision", "lattice", "few-values")
COPIES = ("grouped-rows", "near-duplicates", "duplicate-rows", "partial-repeats")
# Level of the length of a mean direction; most tests that are listed.
LEVEL, LISTED = 1e-3, 4


def diagnose(evidence: SampleEvidence) -> tuple[Finding, ...]:
    """Return the sentences that the data support, causes first; called only after a mismatch."""
    e = evidence
    cube, sphere = e.canonical.cube is not None, e.canonical.unit is not None
    outliers = None if cube or not len(e.live) else outliers_of(e.few[:, e.live])
    groups = [] if cube else [*group_findings(e)]
    coarse = e.found(*VALUES)
    # Steps that the tests allow for, or that a division by lengths has removed, are no cause.
    coarse = e.found("ranks") if e.redrawn or sphere else coarse
    kinds = [one for one in coarse if one.code in KINDS]
    interval = [*interval_findings(e)]
    units = [] if interval else [*unit_findings(e)]
    causes = [
        *e.found("outside-support", "zero-rows"),
        *norm_findings(e),
        *column_collapse(e),
        *rank_collapse(e),
        *(e.found("zeros") if not cube else ()),
        *kinds,
        *interval,
        *(groups if e.spread_by_groups else ()),
        *units,
        *(one for one in coarse if one not in kinds),
        *(e.found("saturated") if cube else ()),
        *cube_findings(e),
        *(_concentration(e) if sphere else ()),
        *e.found(*COPIES),
        *(() if e.spread_by_groups else groups),
        *e.found("serial-correlation"),
    ]
    if outliers is not None and outliers.alone:
        return (*causes, *outlier_findings(e, outliers), *_moments(e))
    said = {one.code for one in causes}
    findings = [*causes, *_moments(e)]
    if not said & {"concentration", "outside-support"}:
        findings += column_findings(e)
    if not (cube or sphere or units or groups):
        findings += [*_shape(e), *_lengths(e)]
    if not units:
        findings += _direction(e)
    if outliers is not None and outliers.clear:
        findings += outlier_findings(e, outliers)
    # Nothing but how the rows or values came about: the joint shape may say more.
    if len(findings) == len(causes) and not (cube or sphere):
        findings += joint_findings(e)
    return tuple(findings) or (_rejecting(e),)


def _concentration(e: SampleEvidence) -> Iterator[Finding]:
    """Directions on the sphere that concentrate around one: Rayleigh's mean direction."""
    from scipy.special import chdtrc

    unit = np.asarray(e.canonical.unit)[e.chosen]
    m, d = unit.shape
    mean = unit.mean(axis=0)
    length = float(np.linalg.norm(mean))
    if chdtrc(d, m * d * length**2) > LEVEL:
        return
    text = (
        f"Directions concentrate around one: the mean of the unit rows has length {length:.3g} "
        f"(uniform directions: about {1.0 / np.sqrt(m):.2g})."
    )
    yield Finding("concentration", text)


def _rejecting(e: SampleEvidence) -> Finding:
    """The tests that reject, in words, where no summary stands out."""
    pairs = sorted(zip(e.adjusted, e.outcomes, strict=True), key=lambda pair: pair[0])
    said = []
    for p, outcome in pairs:
        if p > e.alpha:
            break
        spec = find(outcome.test, hypothesis(e.target)) or find(outcome.test, "product")
        sees = f", which sees {spec.sees}" if spec is not None and spec.sees else ""
        value = shown(p)
        said.append(
            f"{outcome.test} (adjusted p {value if value[0] in '<≤' else '= ' + value}{sees})"
        )
    listed = "; ".join(said[:LISTED]) + ("; ..." if len(said) > LISTED else "")
    text = (
        f"No single summary stands out (mean, variances, correlations, tails, columns, rows). What "
        f"rejects: {listed or 'the combination of the tests'}.{_farthest(e)}"
    )
    return Finding("shape", text)


def _farthest(e: SampleEvidence) -> str:
    """The column and the row that depart most, for a reader to begin with."""
    columns, tests = tested_columns(e)
    if not len(columns):
        return ""
    k = int(tests.adjusted.argmin())
    column = described(e, int(columns[k]), tests, k)
    distances = robust_distances(e.few[:, e.live])
    row = int(distances.argmax())
    return (
        f" Farthest from the target, though not clearly so: column {column} and row "
        f"{int(e.chosen[row])} (robust distance {distances[row]:.1f})."
    )


def _alive(e: SampleEvidence) -> Vector:
    """Columns on normal scale with a variance above rounding noise."""
    variances = np.diagonal(e.canonical.covariance)
    return np.asarray(variances > 1e-12 * np.median(variances))


def _moments(e: SampleEvidence) -> Iterator[Finding]:
    """Mean, variances and correlations, where the interval of their part of KL is above 0."""
    if e.fitted:
        return
    cube, sphere = e.canonical.cube is not None, e.canonical.unit is not None
    mean, variances = e.canonical.mean, np.diagonal(e.canonical.covariance)
    n, d = len(e.canonical.rows), len(mean)
    parts: list[tuple[float, Finding]] = []
    off = float(np.linalg.norm(mean))
    own = not (cube or sphere or e.units)  # of location and scale, nothing better was said
    if own and (e.clear(table.KL_MEAN) or _large_mean(mean, variances, n)):
        worst = np.argsort(-np.abs(mean), kind="stable")[:3]
        listed = ", ".join(f"{e.name(int(j))} at {mean[j]:+.3g}" for j in worst)
        text = (
            f"The mean has length {off:.3g} instead of 0 (sampling alone gives "
            f"{np.sqrt(d / n):.2g}): {listed}{'' if d <= 3 else ' and others'}."
        )
        parts.append((e.value(table.KL_MEAN), Finding("mean", text)))
    if own and not e.same_length and _scaled(e, variances, n):
        alive = np.flatnonzero(_alive(e))
        low = int(alive[variances[alive].argmin()])
        high = int(variances.argmax())
        text = (
            f"Variances differ from 1: they range from {variances[low]:.3g} ({e.name(low)}) to "
            f"{variances[high]:.3g} ({e.name(high)}), with mean {variances[alive].mean():.3g}."
        )
        parts.append((e.value(table.KL_SCALE), Finding("scale", text)))
    if e.clear(table.KL_CORRELATION):
        parts.append((e.value(table.KL_CORRELATION), Finding("correlation", _correlated(e))))
    yield from (finding for _, finding in sorted(parts, key=lambda part: -part[0]))


def _correlated(e: SampleEvidence) -> str:
    covariance = e.canonical.covariance
    d = len(covariance)
    alive = np.flatnonzero(_alive(e))
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


def _scaled(e: SampleEvidence, variances: Vector, n: int) -> bool:
    """Whether variances of columns that are not dead differ from 1."""
    off = np.abs(variances[_alive(e)] - 1.0) > STRICT * 1.5 * np.sqrt(2.0 / n)
    return e.clear(table.KL_SCALE) or bool(off.any())


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


def _direction(e: SampleEvidence) -> Iterator[Finding]:
    worst, count = e.worst_confirmed()
    if worst is not None and e.search_confirmed:
        weights = worst.loadings(e.names, e.canonical)[:3]
        yield Finding(WORST_DIRECTION.name, worst.sentence(weights), count)
