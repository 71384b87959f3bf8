"""From two samples to a Report: compare, measure, diagnose."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

import dmtest
from dmtest.multiplicity import holm
from dmtest.outcome import Finding
from dmtest.reference import Reference
from dmtest.reporting.model import Report
from dmtest.sample import Sample
from dmtest.spec import Spec
from dmtest.twosample import Comparison, Settings, common_rows, run_comparison

__all__ = ["compared"]


def compared(
    sample: Sample,
    goal: Reference,
    specs: Sequence[Spec],
    alpha: float,
    settings: Settings,
    asked: dict[str, Any],
    started: float,
) -> Report:
    """Run everything that a report on two samples needs, each computation once."""
    result = run_comparison(sample, goal, specs, settings)
    rejected = result.pvalue <= alpha
    return Report(
        verdict="mismatch" if rejected else "compatible",
        pvalue=result.pvalue,
        pvalue_method=result.method,
        alpha=alpha,
        target=goal.name,
        n=sample.n,
        d=sample.d,
        seed=settings.seed,
        outcomes=result.outcomes,
        adjusted=tuple(float(p) for p in holm([o.pvalue for o in result.outcomes])),
        effects={},
        diagnosis=(),
        warnings=_warnings(sample, goal.sample, result),
        computed=_computed(sample, goal, result, started) | {"arguments": asked},
        pictures={},
    )


def _warnings(sample: Sample, reference: Sample, result: Comparison) -> tuple[Finding, ...]:
    theirs = (Finding(f.code, f"Reference: {f.message}", f.count) for f in reference.findings)
    return (*_shared(sample, reference), *result.findings, *sample.findings, *theirs)


def _shared(sample: Sample, reference: Sample) -> tuple[Finding, ...]:
    """Say how many rows are in both samples: they are no evidence of one distribution."""
    count = common_rows(sample, reference)
    if not count:
        return ()
    if count == sample.n == reference.n:
        text = (
            "Data and reference hold the same rows: this compares a sample with itself, and "
            "says nothing of the distribution it came from."
        )
        return (Finding("same-rows", text, count),)
    text = (
        f"{count} of {sample.n} rows of the data are rows of the reference too: the samples "
        f"are not independent, which makes the tests blind to what these rows hide."
    )
    return (Finding("common-rows", text, count),)


def _computed(
    sample: Sample, goal: Reference, result: Comparison, started: float
) -> dict[str, Any]:
    sliced = [o.slices for o in result.outcomes if o.slices]
    return {
        "source": sample.source,
        "reference": goal.sample.source,
        "reference_rows": goal.sample.n,
        "dtype": sample.dtype,
        "tests": [o.test for o in result.outcomes],
        "slices": max(sliced, default=0),
        "replicates": result.replicates,
        "pvalue_error": result.error,
        "pvalue_floor": 1.0 / (result.replicates + 1.0),
        "version": dmtest.__version__,
        "numpy": np.__version__,
        "seconds": round(time.perf_counter() - started, 3),
        "created": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }
