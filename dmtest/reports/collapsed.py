"""The report on equal rows: nothing is left to test."""

from __future__ import annotations

from dmtest.catalogue.registry import hypothesis
from dmtest.data.sample import Sample
from dmtest.reports.sections import provenance_of
from dmtest.reports.verdict import certain_outcomes
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.targets.canonical import Canonical


def collapsed_report(
    everything: Sample,
    sample: Sample,
    canonical: Canonical,
    target: str,
    *,
    alpha: float,
    seed: int,
    started: float,
) -> Report:
    """Report on equal rows: a mismatch without tests or effects, with the reason.

    Parameters
    ----------
    everything, sample : Sample
        All rows, and those that are tested.
    canonical : Canonical
    target : str
    alpha : float
    seed : int
    started : float
        Time by ``time.perf_counter``.
    """
    outcomes = tuple(certain_outcomes(canonical, target, seed))
    d = sample.d
    columns = "The column is" if d == 1 else f"All {d:,} columns are"
    text = f"{columns} constant: all rows are equal, and nothing is left to test."
    advice = (
        "Usual cause: complete collapse of an encoder, the wrong array of a file, or a mask. Look "
        "at the rows: `x[:3]`."
    )
    finding = Finding("constant-columns", text, d, advice)
    rest = (one for one in sample.findings if one.code != finding.code)
    facts = provenance_of(everything, outcomes, hypothesis(target), started)
    return Report(
        verdict="mismatch",
        pvalue=0.0,
        pvalue_method=outcomes[0].method,
        alpha=alpha,
        target=target,
        n=everything.n,
        d=d,
        seed=seed,
        outcomes=outcomes,
        adjusted=tuple(0.0 for _ in outcomes),
        diagnosis=(finding,),
        warnings=(finding, *rest, *canonical.findings),
        provenance=facts,
    )
