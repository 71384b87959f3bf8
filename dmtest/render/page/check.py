"""The HTML page of a check against a baseline or limits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dmtest.render import table_rows, wording
from dmtest.render.figures import result_figures
from dmtest.render.page.page_figures import PageFigure, drawing
from dmtest.render.page.records import RecordPage, Section, diagnosis, page, sentence
from dmtest.render.tables import Part
from dmtest.render.text import check as text

if TYPE_CHECKING:
    from dmtest.results.check import CheckResult

WORDS = {True: "pass", False: "✕ FAIL", None: "not compared"}
HEAD = ("Check", "Now>", "Then>", "Unit", "p-value>", "Limit>", "Result")


def check_page(result: CheckResult) -> str:
    """Return the page of a check: outcome, p-values, failures, all rows, and the report behind it.

    Parameters
    ----------
    result : CheckResult

    Returns
    -------
    str
        A self-contained file without scripts.
    """
    report = result.report
    return page(
        RecordPage(
            tone="compatible" if result.passed else "mismatch",
            symbol="✓" if result.passed else "✕",
            headline="Check passed" if result.passed else "Check failed",
            lead=_lead(result),
            asides=[_meaning(result)],
            evidence=[
                _count(result),
                f"{wording.size(report)}; target {report.target}",
                f"alpha = {result.alpha:g}, over all comparisons together",
                f"report: {report.verdict}, global {wording.evidence(report)[0]}",
            ],
            first=_first(result),
            sections=_sections(result),
            source=wording.clean(report.provenance.source or ""),
            version=report.provenance.version or "",
            created=report.provenance.created or "",
        )
    )


def _count(result: CheckResult) -> str:
    """Return how many rows failed or passed."""
    failed, rows = len(result.failures), wording.plural(len(result.rows), "row")
    missing = sum(row.passed is None for row in result.rows)
    if failed:
        return f"{failed} of {rows} failed"
    if missing:
        return f"{len(result.rows) - missing} of {rows} passed, {missing} not compared"
    return "the row passed" if len(result.rows) == 1 else f"all {rows} passed"


def _lead(result: CheckResult) -> str:
    """Return what was checked, and against what."""
    name = wording.clean(result.report.provenance.source or "These data")
    if result.baseline is None:
        against = "the limits"
        good, bad = "is within", "is beyond"
    else:
        against = (
            f"the baseline {wording.clean(result.baseline['source'])} "
            f"({wording.count(result.baseline['n'])} rows, {result.baseline['verdict']})"
        )
        good, bad = "is no worse than", "fails the check against"
    return f"{name} {good if result.passed else bad} {against}."


def _meaning(result: CheckResult) -> str:
    """Return what the outcome means, and how often chance alone gives a failure."""
    if result.baseline is None:
        return "Each limit is compared with the estimate; there is no baseline."
    if result.passed:
        return (
            "No column, pair, direction or effect is further from the target than in the "
            "baseline by more than chance. That is no proof that nothing changed."
        )
    return (
        f"A fresh sample of the baseline's encoder fails a comparison with a probability of at "
        f"most {result.alpha:g}; exceeded limits come on top."
    )


def _first(result: CheckResult) -> PageFigure | None:
    rows = result_figures.compared(result)
    if not rows:
        return None
    size = (3.9, 0.62 + 0.19 * len(rows))
    small = sum(row.passed is False for row in rows)
    label = (
        f"Adjusted p-values of {wording.plural(len(rows), 'comparison')} with the baseline; "
        f"{small} below the level {result.alpha:g}."
    )
    drawn = drawing(result_figures.pvalues, result, "f", label, size=size, margins=(1.3, 0.5))
    legend = (("dot", "passed"), ("dot bad", "failed"), ("dashes", f"alpha = {result.alpha:g}"))
    return PageFigure("Comparisons with the baseline", "", (drawn,), legend=legend)


def _sections(result: CheckResult) -> list[Section]:
    report = result.report
    failures = [sentence(f"{wording.clean(row.message)}") for row in result.failures]
    sections = []
    if failures:
        sections.append(
            Section(id="failed", title="What failed", link="Failures", sentences=failures)
        )
    missing = [sentence(wording.clean(one.message)) for one in result.rows if one.passed is None]
    if missing:
        title = "What was not compared"
        sections.append(Section(id="missing", title=title, link="Missing", sentences=missing))
    cells = [_cells(result, j) for j in range(len(result.rows))]
    marked = tuple(row.passed is False for row in result.rows)
    sections.append(
        Section(
            id="rows",
            title="All rows",
            link="Rows",
            intro=""
            if result.baseline is None
            else "Now: the checked sample. Then: the baseline. P-values are adjusted for all "
            "comparisons of the check; a row fails where its p-value is not above the limit.",
            tables=[Part("", HEAD, tuple(cells), marked)],
        )
    )
    verdict = wording.verdict(report)
    title = "What is wrong with the checked sample" if report.diagnosis else "The checked sample"
    sections.append(
        Section(
            id="wrong",
            title=title,
            link="Diagnosis",
            intro=f"{verdict.headline}: {verdict.sentence} {verdict.aside}".strip(),
            sentences=diagnosis(report),
            effects=table_rows.effect_rows(report),
        )
    )
    unsaid = table_rows.unsaid(report)
    findings = [*(one for one in result.warnings if one not in report.warnings), *unsaid]
    if findings:
        sections.append(
            Section(
                id="data",
                title="Findings",
                link="Findings",
                sentences=[sentence(table_rows.warning_line(one), one.advice) for one in findings],
            )
        )
    facts = table_rows.facts(report)
    if result.baseline is not None:
        facts += [
            (f"baseline's {name}", text)
            for name, text in table_rows.texts_of(result.baseline).items()
        ]
    sections.append(Section(id="method", title="What was computed", link="Method", facts=facts))
    return sections


def _cells(result: CheckResult, which: int) -> tuple[str, ...]:
    row = result.rows[which]
    return (*map(wording.clean, text.cells(row)), WORDS[row.passed])
