"""The diagnosis of two samples: sentences that say how they differ, with numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from dmtest.effects.spectrum import thinned_ranks
from dmtest.effects.two_sample import Moments
from dmtest.engines.pool import Pool
from dmtest.reports.causes.evidence import Evidence
from dmtest.results import effect_table as table
from dmtest.results.advice import DIFFERENCE
from dmtest.results.outcome import Finding
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.typing import Vector
from dmtest.words import counted, of_many

# Family-wise error of a sentence about single columns.
ERROR = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast(Evidence):
    """The facts behind the sentences about two samples.

    Attributes
    ----------
    pool : Pool
    ours, theirs : Moments
        Moments of the data and of the reference.
    distances : ndarray, shape (d,)
        Kolmogorov-Smirnov distances of the columns; empty where they are not compared.
    """

    pool: Pool
    ours: Moments
    theirs: Moments
    distances: Vector


def contrast_findings(c: Contrast) -> tuple[Finding, ...]:
    """Return the sentences that the data support; called only after a mismatch."""
    findings = [
        *_constant(c),
        *_mean(c),
        *_variances(c),
        *_covariance(c),
        *_columns(c),
        *_direction(c),
        *_classifier(c),
    ]
    if findings:
        return tuple(findings)
    text = (
        "The joint distributions differ, but no single summary (means, variances, correlations, "
        "columns, directions) stands out."
    )
    return (Finding("shape", text, advice=DIFFERENCE["shape"]),)


def _constant(c: Contrast) -> Iterator[Finding]:
    """Columns that are constant in one of the samples, and vary in the other."""
    ours, theirs = c.ours.variances > 0.0, c.theirs.variances > 0.0
    for varies, other, where in ((ours, theirs, "data"), (theirs, ours, "reference")):
        dead = np.flatnonzero(~varies & other)
        if len(dead):
            listed = ", ".join(c.name(int(j)) for j in dead[:5]) + (
                ", ..." if len(dead) > 5 else ""
            )
            verb = of_many(len(dead), len(varies), "column", "is", "are")
            rest = "the other sample" if where == "reference" else "the reference"
            text = f"{verb} constant in the {where} alone ({listed}), and not in {rest}."
            yield Finding("constant-columns", text, len(dead))


def _mean(c: Contrast) -> Iterator[Finding]:
    if not c.clear(table.MEAN_DIFFERENCE):
        return
    difference = c.ours.mean - c.theirs.mean
    spread = np.sqrt(np.where(c.theirs.variances > 0.0, c.theirs.variances, 1.0))
    scaled = difference / spread
    top = np.argsort(-np.abs(scaled), kind="stable")[:3]
    listed = ", ".join(f"{c.name(int(j))} by {scaled[j]:+.2g}" for j in top)
    text = (
        f"The means differ by {c.value(table.MEAN_DIFFERENCE):.2g} pooled sds in length; in sds of "
        f"the reference: {listed}{'' if len(scaled) <= 3 else ' and others'}."
    )
    yield Finding("mean", text, advice=DIFFERENCE["mean"])


def _variances(c: Contrast) -> Iterator[Finding]:
    """Columns whose log variances differ by more than their fourth moments explain."""
    ours, theirs = c.ours.variances, c.theirs.variances
    alive = (ours > 0.0) & (theirs > 0.0)
    if not alive.any():
        return
    noise = (
        _log_variance_noise(c.pool.x, c.ours) / c.ours.n
        + _log_variance_noise(c.pool.y, c.theirs) / c.theirs.n
    )
    ratio = np.where(alive, ours / np.where(alive, theirs, 1.0), 1.0)
    limit = float(ndtri(1.0 - 0.5 * ERROR / len(ours)))
    off = np.flatnonzero(alive & (np.abs(np.log(ratio)) > limit * np.sqrt(noise)))
    if not len(off):
        return
    worst = int(off[np.abs(np.log(ratio[off])).argmax()])
    text = (
        f"Variances differ in {len(off)} of {counted(len(ours), 'column')}, most in "
        f"{c.name(worst)}: {ratio[worst]:.3g} times the reference's."
    )
    if len(ours) == 1:
        text = f"The variance is {ratio[0]:.3g} times the reference's."
    yield Finding("variance", text, len(off))


def _log_variance_noise(x: NDArray[Any], moments: Moments) -> Vector:
    """Variance of the log variance of each column, times n (kurtosis - 1): shape (d,)."""
    total = np.zeros(x.shape[1])
    for part in blocks(len(x), ROW_TILE):
        total += ((np.asarray(x[part], dtype=np.float64) - moments.mean) ** 4).sum(axis=0)
    squared = np.where(moments.variances > 0.0, moments.variances, 1.0) ** 2
    return np.asarray(np.maximum(total / (len(x) * squared) - 1.0, 0.0))


def _covariance(c: Contrast) -> Iterator[Finding]:
    if not c.clear(table.COVARIANCE_DIFFERENCE) or c.pool.d < 2:
        return
    parts = []
    for one in (c.ours, c.theirs):
        spread = np.sqrt(np.where(one.variances > 0.0, one.variances, 1.0))
        parts.append(one.covariance / np.outer(spread, spread))
    below = np.tril(np.abs(parts[0] - parts[1]), -1)
    i, j = np.unravel_index(int(below.argmax()), below.shape)
    noise = 4.5 * np.sqrt(1.0 / c.ours.n + 1.0 / c.theirs.n)
    pair = ""
    if below[i, j] > noise:
        pair = (
            f"; the correlation of {c.name(int(j))} with {c.name(int(i))} differs most: "
            f"{parts[0][i, j]:+.2f}, in the reference {parts[1][i, j]:+.2f}"
        )
    ranks = [thinned_ranks(rows)[0] for rows in (c.pool.x, c.pool.y)]
    known = [one[0] for one in ranks if one is not None]
    shown = ""
    if len(known) == 2:
        shown = f"; the effective rank is {known[0]:.3g}, in the reference {known[1]:.3g}"
    text = (
        f"The covariances differ by {c.value(table.COVARIANCE_DIFFERENCE):.2g} times the norm of "
        f"the reference's{pair}{shown}."
    )
    yield Finding("covariance", text)


def _columns(c: Contrast) -> Iterator[Finding]:
    """Columns that differ on their own: Kolmogorov-Smirnov with a union bound."""
    d = len(c.distances)
    limit = float(np.sqrt(0.5 * np.log(2.0 * d / ERROR) * (1.0 / c.ours.n + 1.0 / c.theirs.n)))
    off = np.flatnonzero(c.distances > limit)
    if not len(off):
        return
    worst = int(c.distances.argmax())
    verb = of_many(len(off), d, "column", "differs", "differ")
    text = (
        f"{verb} on {'its' if len(off) == 1 else 'their'} own, most {c.name(worst)}: the cdfs are "
        f"{c.distances[worst]:.2g} apart (sampling alone: below {limit:.2g})."
    )
    if d == 1:
        text = f"The cdfs are {c.distances[0]:.2g} apart (sampling alone: below {limit:.2g})."
    yield Finding("columns", text, len(off))


def _direction(c: Contrast) -> Iterator[Finding]:
    worst, count = c.worst_confirmed()
    if worst is None:
        return
    weights = np.array(worst.direction)
    top = np.argsort(-np.abs(weights), kind="stable")[:3]
    listed = ((c.name(int(j)), float(weights[j])) for j in top if abs(weights[j]) >= 0.005)
    yield Finding("direction", worst.sentence(tuple(listed), reference=True), count)


def _classifier(c: Contrast) -> Iterator[Finding]:
    effect = c.effects.get(table.CLASSIFIER_ACCURACY.name)
    if effect is None or effect.value is None or effect.low is None or effect.low <= 0.5:
        return
    text = (
        f"A linear classifier labels {effect.value:.0%} of held-out rows correctly (chance: 50%)."
    )
    yield Finding("classifier", text)


def _apart(ours: tuple[float, float], theirs: tuple[float, float]) -> bool:
    """Whether two ranks differ by 5% and by more than their errors (of logarithms) explain."""
    gap = abs(float(np.log(ours[0] / theirs[0])))
    return gap > 0.05 and gap > 3.0 * float(np.hypot(ours[1], theirs[1]))


def rotation_findings(c: Contrast) -> tuple[Finding, ...]:
    """Return the sentences about differences that no rotation removes."""
    lengths = [
        float(np.sqrt(np.trace(one.covariance) + one.mean @ one.mean)) for one in (c.ours, c.theirs)
    ]
    ranks = [thinned_ranks(rows)[0] for rows in (c.pool.x, c.pool.y)]
    means = [float(np.linalg.norm(one.mean)) for one in (c.ours, c.theirs)]
    findings = []
    if c.clear(table.LENGTH_DIFFERENCE):
        text = (
            f"Row lengths differ: their root mean square is {lengths[0]:.3g}, in the reference "
            f"{lengths[1]:.3g}; their distributions are "
            f"{c.value(table.LENGTH_DIFFERENCE):.2g} apart."
        )
        findings.append(Finding("lengths", text, advice=DIFFERENCE["lengths"]))
    ours, theirs = ranks
    if ours is not None and theirs is not None and _apart(ours, theirs):
        text = (
            f"The effective rank of the covariance is {ours[0]:.3g}, in the reference "
            f"{theirs[0]:.3g}: no rotation maps one spectrum to the other."
        )
        findings.append(Finding("spectrum", text))
    noise = [float(np.trace(one.covariance)) / one.n for one in (c.ours, c.theirs)]
    if abs(means[0] ** 2 - noise[0] - means[1] ** 2 + noise[1]) > 4.0 * sum(noise):
        text = f"The mean has length {means[0]:.3g}, in the reference {means[1]:.3g}."
        findings.append(Finding("mean-length", text))
    text = (
        "The Gram matrices of blocks of rows have different distributions, but neither row "
        "lengths, nor spectrum, nor the length of the mean stands out."
    )
    return tuple(findings) or (Finding("shape", text, advice=DIFFERENCE["shape"]),)
