"""Dimensional collapse: columns that are constant, repeated, or confined to few directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.results.outcome import Finding
from dmtest.targets.transforms import independent_columns, mean_and_covariance
from dmtest.words import counted, of_many

# Smallest ratio of neighbouring eigenvalues that is a gap, and share of the smallest eigenvalue of
# an exact sample below which the directions behind it are empty.
GAP, EMPTY = 100.0, 0.02
MOST = 1024


def column_collapse(e: SampleEvidence) -> Iterator[Finding]:
    """Columns that are constant or equal another one."""
    found = e.found("constant-columns", "duplicate-columns")
    left = (
        "" if e.fitted else f" Tests are of the {counted(len(e.canonical.live), 'other column')}."
    )
    yield from (replace(one, message=one.message + left) for one in found)
    if not found and (e.canonical.degenerate or e.canonical.collapsed):
        verb = of_many(e.canonical.degenerate, e.rows.shape[1], "column", "is", "are")
        yield Finding(
            "constant-columns",
            f"{verb} constant or equal to another one in the rows that are tested.",
            e.canonical.degenerate,
        )
    yield from _tiny(e, {one.code for one in found})


def _tiny(e: SampleEvidence, said: set[str]) -> Iterator[Finding]:
    """Columns that vary, but by rounding alone."""
    spread = np.ptp(e.few, axis=0)
    dead = np.setdiff1d(np.flatnonzero(spread > 0.0), e.live)
    if not len(dead):
        return
    listed = ", ".join(e.name(int(j)) for j in dead[:5]) + (", ..." if len(dead) > 5 else "")
    verb = of_many(len(dead), len(spread), "column", "is dead", "are dead")
    text = f"{verb} ({listed}): the variance is below 1e-12 of the typical one."
    yield Finding("dead-coordinates", text, len(dead))


def rank_collapse(e: SampleEvidence) -> Iterator[Finding]:
    """Live columns that are combinations of few, exactly or nearly.

    Nearly: the eigenvalues of the correlations have a gap of a factor of 100, and those behind it
    are below 2% of the smallest one that a sample of independent columns would have (Marchenko &
    Pastur 1967). Two columns that are nearly equal are a correlation.
    """
    m, d = e.few.shape
    live = e.live
    k = len(live)
    if not 2 <= k <= MOST or (e.canonical.unit is not None and m <= d):
        return
    part = e.few[:, live]
    most = min(k, m - 1)
    copies = sum(one.count or 0 for one in e.found("duplicate-columns"))
    rank = len(independent_columns(mean_and_covariance(part)[1], m))
    if rank < most - copies:
        yield _sentence(rank, d, "the rank of their covariance")
        return
    if m < 2 * k:
        return
    values = np.linalg.eigvalsh(e.correlation)[::-1]
    values = np.maximum(values[: k - copies], 0.0)
    edge = (1.0 - np.sqrt(k / m)) ** 2
    ratios = values[:-1] / np.maximum(values[1:], 1e-300)
    gaps = np.flatnonzero((ratios >= GAP) & (values[1:] < EMPTY * edge))
    if len(gaps) and len(values) - int(gaps[0]) > 2:
        rank = int(gaps[0]) + 1
        share = values[:rank].sum() / values.sum()
        yield _sentence(
            rank, d, f"they hold {100.0 * share:.4g}% of the variance of standardised columns"
        )


def _sentence(rank: int, d: int, why: str) -> Finding:
    text = f"Dimensional collapse: the rows fill {rank} of {d} dimensions ({why})."
    axes = (
        f"`x = (x - x.mean(axis=0)) @ np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[2]"
        f"[:{rank}].T`"
    )
    advice = (
        f"Usual cause: a narrow layer, too weak a penalty on covariances, or columns computed from "
        f"others (sums, shares, one-hot). Widen or penalise, or test what varies: {axes}, then "
        f"`--target any-normal`."
    )
    return Finding("collapse", text, d - rank, advice)
