"""Signs that another target is meant: units, one length of all rows, the unit interval."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from dmtest.reports.causes.evidence import SampleEvidence
from dmtest.results.outcome import Finding

# Values that fill the unit interval reach so near to both ends.
NEAR = 0.1
SAME = "they lie on a sphere, as no normal sample does"


def unit_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Columns in units of their own, where the target is N(0, I)."""
    if not e.units or e.same_length:
        return
    mean, sd = e.few[:, e.live].mean(axis=0), e.few[:, e.live].std(axis=0)
    far = int(np.abs(mean).argmax())
    low, high = int(sd.argmin()), int(sd.argmax())
    if len(e.live) == 1:
        text = (
            f"The values are in units of their own: mean {mean[0]:.4g} and standard deviation "
            f"{sd[0]:.3g}, and the target has 0 and 1."
        )
    else:
        reach = ""
        if abs(mean[far]) > 0.1:
            reach = f"means reach {mean[far]:.4g} ({e.name(int(e.live[far]))}) and "
        text = (
            f"Columns are in units of their own: {reach}standard deviations go from {sd[low]:.3g} "
            f"({e.name(int(e.live[low]))}) to {sd[high]:.3g} ({e.name(int(e.live[high]))}); the "
            f"target has means 0 and standard deviations 1."
        )
    yield Finding("units", text)


def norm_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Rows of one length, where the target is not the sphere."""
    if not e.same_length or e.canonical.unit is not None:
        return
    d = e.few.shape[1]
    centre = float(e.norms.mean())
    expected = f" (about {np.sqrt(d):.3g} under N(0, I))" if e.target == "normal" else ""
    unit = abs(centre - 1.0) < 1e-3
    text = f"All rows have the same length, {centre:.4g}{expected}: {SAME}."
    advice = ""
    if unit:
        advice = (
            "Usual cause: embeddings that were normalised. Test directions on the sphere: "
            "`dmtest.report(x, dmtest.Sphere(normalise=True))`, or `--target sphere`."
        )
    yield Finding("constant-norm", text, advice=advice)


def interval_findings(e: SampleEvidence) -> Iterator[Finding]:
    """Values that fill the unit interval, where the target is a normal law."""
    if e.target not in ("normal", "any-normal") or e.found("integer-data", "zeros", "few-values"):
        return
    low, high = float(e.few.min()), float(e.few.max())
    if 0.0 <= low <= NEAR and 1.0 - NEAR <= high <= 1.0:
        text = (
            f"All values lie in the unit interval (from {low:.3g} to {high:.3g}), and a normal "
            f"law is not bounded."
        )
        yield Finding("unit-interval", text)
