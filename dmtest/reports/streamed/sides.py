"""The two samples of a comparison: of many rows some that are drawn at random, and all moments."""

from __future__ import annotations

from dmtest.effects.two_sample import Moments, moments_of
from dmtest.results.outcome import Finding
from dmtest.summaries.sides import Side


def moments_of_side(side: Side) -> Moments:
    """Return number, mean and covariance of all rows of a sample."""
    if side.summary is None:
        return moments_of(side.sample.x)
    return Moments(side.n, side.summary.mean, side.summary.covariance)


def streamed_finding(data: Side, reference: Side) -> tuple[Finding, ...]:
    """Return a finding that says what was computed from all rows, and what from some."""
    parts = [one for one in (data, reference) if one.summary is not None]
    if not parts:
        return ()
    text = (
        f"The {data.n:,} rows of the data and the {reference.n:,} of the reference were read once: "
        f"means and covariances are of all of them, everything else is of {data.sample.n:,} and "
        f"{reference.sample.n:,} drawn at random."
    )
    return (Finding("streamed", text, sum(one.sample.n for one in parts)),)
