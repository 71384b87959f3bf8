"""Two-sample tests: pool the samples, permute their labels, return outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dmtest.battery.plan import Plan
from dmtest.calibration.permutation import PermutationResult, joint_permutation, permute
from dmtest.catalogue.spec import PoolTest
from dmtest.data.sample import MINIMUM_ROWS, Sample
from dmtest.engines.pool import Pool
from dmtest.errors import InputError
from dmtest.results.outcome import Finding, Outcome
from dmtest.runtime.streams import stream
from dmtest.statistics.pools.invariants import BLOCK, FEWEST_BLOCKS, block_features
from dmtest.targets.reference import Reference


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Outcomes of the tests of two samples, and their global p-value.

    Attributes
    ----------
    outcomes : tuple of Outcome
    pvalue, error, method, replicates
        Global p-value, its Monte Carlo error, its method and the number of permutations.
    pool : Pool
        The pooled rows, or features of blocks of rows.
    details : dict of str to PermutationResult
    findings : tuple of Finding
    """

    outcomes: tuple[Outcome, ...]
    pvalue: float
    error: float
    method: str
    replicates: int
    pool: Pool
    details: dict[str, PermutationResult]
    findings: tuple[Finding, ...]


def run_comparison(
    sample: Sample, reference: Reference, specs: Sequence[PoolTest], plan: Plan
) -> Comparison:
    """Compare two samples by tests that share their permutations.

    Parameters
    ----------
    sample : Sample
    reference : Reference
        The sample to compare with.
    specs : sequence of PoolTest
    plan : Plan

    Returns
    -------
    Comparison

    Raises
    ------
    InputError
        If the columns of the samples do not match, or `plan` demands published p-values.
    """
    if plan.calibration == "asymptotic":
        raise InputError(
            f"calibration: two samples are compared by permutation, which is exact; got "
            f"{plan.calibration!r}; leave it at 'auto'."
        )
    findings = check_columns(sample, reference.sample)
    pool, note = _pool(sample, reference, plan.seed)
    details = permute(
        pool,
        specs,
        plan.params,
        replicates=plan.replicates,
        slices=plan.slices,
        budget=plan.budget,
        progress=plan.progress,
    )
    joint = joint_permutation(list(details.values()))
    assert joint.error is not None
    outcomes = tuple(
        _outcome(spec, details[spec.name], sample, reference, plan, note, pool) for spec in specs
    )
    return Comparison(
        outcomes=outcomes,
        pvalue=joint.pvalue,
        error=joint.error,
        method=f"min-p over tests, permutation{note}",
        replicates=joint.replicates,
        pool=pool,
        details=details,
        findings=findings,
    )


def _outcome(
    spec: PoolTest,
    result: PermutationResult,
    sample: Sample,
    reference: Reference,
    plan: Plan,
    note: str,
    pool: Pool,
) -> Outcome:
    facts = {"rows": pool.total} | result.drawn.facts
    facts["rows"] *= BLOCK if reference.rotation else 1
    return Outcome(
        test=spec.name,
        statistic=result.drawn.statistic,
        pvalue=result.pvalue,
        target=reference.name,
        n=sample.n,
        d=sample.d,
        family=spec.family,
        method=result.method + note,
        replicates=result.replicates,
        pvalue_error=result.error,
        params=result.params,
        seed=plan.seed,
        worst_pvalue=result.worst_pvalue,
        **facts,
    )


def _pool(sample: Sample, reference: Reference, seed: int) -> tuple[Pool, str]:
    """Return the pool, of rows or of features of blocks of rows, and its note on the method."""
    x, y = sample.x, reference.sample.x
    if not reference.rotation:
        return Pool(x, y, seed), ""
    fewest = BLOCK * FEWEST_BLOCKS
    for name, rows in (("data", x), ("reference", y)):
        if len(rows) < fewest:
            raise InputError(
                f"{name}: rotation=True compares blocks of {BLOCK} rows, at least "
                f"{FEWEST_BLOCKS} a sample; got {len(rows)} rows; pass at least {fewest}."
            )
    # One order for both samples: equal samples then have equal blocks.
    features = [
        block_features(rows, stream(seed, "rotation/blocks").permutation(len(rows)))
        for rows in (x, y)
    ]
    pool = Pool(features[0], features[1], seed)
    note = f"; of {pool.n} and {pool.m} blocks of {BLOCK} rows, described up to a rotation"
    return pool, note


def check_columns(sample: Sample, reference: Sample) -> tuple[Finding, ...]:
    """Refuse samples whose columns do not match.

    Raises
    ------
    InputError
        If their numbers differ, or their names are the same in another order.
    """
    if sample.d == 1 and sample.n == reference.d:
        raise InputError(
            f"data: has {sample.n} rows of 1 value, as one row of the reference's {reference.d} "
            f"columns is read; pass shape (n, {reference.d}) with at least {MINIMUM_ROWS} rows."
        )
    if sample.d != reference.d:
        raise InputError(
            f"reference: has {reference.d} columns and the data have {sample.d}; select the "
            f"same columns of both with columns=."
        )
    ours, theirs = sample.names, reference.names
    if ours is None or theirs is None or ours == theirs:
        return ()
    if set(ours) == set(theirs):
        first = next(j for j in range(sample.d) if ours[j] != theirs[j])
        raise InputError(
            f"reference: has the columns of the data in another order (column {first} is "
            f"{theirs[first]!r} there and {ours[first]!r} here); select them in one order "
            f"with columns=."
        )
    count = sum(a != b for a, b in zip(ours, theirs, strict=True))
    text = f"{count} of {sample.d} columns have other names in the reference; they were matched by"
    return (Finding("column-names", f"{text} position.", count),)


def common_rows(sample: Sample, reference: Sample) -> int:
    """Count the rows of the data that the reference has too, exactly."""
    kind = np.result_type(sample.x.dtype, reference.x.dtype)
    if sample.x.dtype != reference.x.dtype:
        # A float32 copy of float64 rows is a copy: compare at the lower precision.
        kind = np.dtype(np.float32)
    weights = stream(0, "two-sample/keys").uniform(0.5, 1.0, sample.d)

    def keys(x: Any) -> Any:
        # Summed column by column, so that equal rows have equal keys at any position.
        total = np.zeros(len(x))
        for j, weight in enumerate(weights):
            total += weight * np.asarray(x[:, j], dtype=kind).astype(np.float64)
        return total

    ours, theirs = keys(sample.x), keys(reference.x)
    candidates = np.flatnonzero(np.isin(ours, theirs))
    if not len(candidates):
        return 0
    others = np.flatnonzero(np.isin(theirs, ours[candidates]))
    # -0.0 + 0 is 0.0, so both zeros hash alike.
    known = {(row.astype(kind) + 0).tobytes() for row in np.asarray(reference.x[others])}
    return sum(
        (row.astype(kind) + 0).tobytes() in known for row in np.asarray(sample.x[candidates])
    )
