"""The page of a result that is no report: a verdict, a picture, and sections in one order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dmtest.render import table_rows
from dmtest.render.page import html

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dmtest.render.page.page_figures import PageFigure
    from dmtest.render.table_rows import EffectRow
    from dmtest.render.tables import Part
    from dmtest.results.report import Report

# A sentence, and its advice as texts and code.
Sentence = tuple[str, list[tuple[str, bool]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled part of a page; what is empty is left out.

    Attributes
    ----------
    id, title, link : str
        Anchor, heading, and the words of the link in the bar.
    intro : str
        Text below the heading.
    sentences : sequence of (str, list)
        Sentences with their advice; a list with numbers if there are several.
    tables : sequence of Part
    effects : sequence of EffectRow
    figures : sequence of PageFigure
    layout : str
        Class of the style sheet that arranges the figures.
    shared : bool
        Whether all figures have the legend of the first.
    facts : sequence of (str, str)
    code : sequence of (str, sequence of str)
        Headings, and lines of code.
    references : sequence of str
    """

    id: str
    title: str
    link: str
    intro: str = ""
    sentences: Sequence[Sentence] = ()
    tables: Sequence[Part] = ()
    effects: Sequence[EffectRow] = ()
    figures: Sequence[PageFigure] = ()
    layout: str = "plates"
    shared: bool = False
    facts: Sequence[tuple[str, str]] = ()
    code: Sequence[tuple[str, Sequence[str]]] = ()
    references: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordPage:
    """What the page of a result shows.

    Attributes
    ----------
    tone : {"mismatch", "compatible", "inconclusive", ""}
        Colours of the verdict, as those of a report.
    symbol, headline, lead : str
        The verdict, and a sentence.
    asides : sequence of str
        Further sentences below it.
    evidence : sequence of str
        The number to remember, and lines below it.
    first : PageFigure or None
        Picture beside the verdict.
    sections : sequence of Section
    source, version, created : str
    """

    tone: str
    symbol: str
    headline: str
    lead: str
    asides: Sequence[str] = ()
    evidence: Sequence[str] = ("",)
    first: PageFigure | None = None
    sections: Sequence[Section] = ()
    source: str = ""
    version: str = ""
    created: str = ""


def page(record: RecordPage) -> str:
    """Return one self-contained HTML file without scripts, in the style of a report's page."""
    return html.whole(
        "record.html.j2",
        page=record,
        title=record.headline,
        source=record.source,
        created=record.created,
        version=record.version,
    )


def sentence(text: str, advice: str = "") -> Sentence:
    """Return a sentence with its advice in texts and code."""
    return text, table_rows.code_spans(advice)


def diagnosis(report: Report) -> list[Sentence]:
    """Return the sentences of a report's diagnosis with their advice."""
    pairs = zip(table_rows.diagnosis(report), table_rows.advice(report), strict=True)
    return [sentence(line, advice) for line, advice in pairs]
