"""References of the tests and methods of a report, as text and as BibTeX."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING

from dmtest.render import wording
from dmtest.results.provenance import Description

if TYPE_CHECKING:
    from dmtest.results.report import Report

# The paper whose protocol and divergence after noise the package is built on.
PAPER = "Butakov et al. 2024"
ENTRY = re.compile(r"^% ([^\n]+)\n(@\w+\{(\w+),\n(.*?)\n\})", re.MULTILINE | re.DOTALL)
FIELD = re.compile(r"^ *(\w+) *= *\{(.*)\},?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One reference.

    Attributes
    ----------
    label : str
        Name in the catalogue of tests, such as ``"Mardia 1970"``.
    key : str
        BibTeX key.
    bibtex : str
        BibTeX entry.
    text : str
        The reference in one line.
    """

    label: str
    key: str
    bibtex: str
    text: str


@functools.cache
def library() -> dict[str, tuple[Entry, ...]]:
    """Return the references that come with the package, by label."""
    text = resources.files("dmtest.render").joinpath("references.bib").read_text("utf-8")
    entries: dict[str, tuple[Entry, ...]] = {}
    for label, source, key, inside in ENTRY.findall(text):
        entry = Entry(label, key, source, _line(dict(FIELD.findall(inside))))
        entries[label] = (*entries.get(label, ()), entry)
    return entries


def _line(fields: dict[str, str]) -> str:
    """Return the fields of an entry as one line, without BibTeX's markup."""
    where = fields.get("journal") or fields.get("booktitle") or fields.get("publisher") or ""
    if fields.get("series"):
        where += f", {fields['series']}"
    if fields.get("volume"):
        where += f" {fields['volume']}"
    if fields.get("number"):
        where += f"({fields['number']})"
    if fields.get("edition"):
        where += f", {fields['edition'].lower()} edition"
    for name in ("pages", "note"):
        if fields.get(name):
            where += f", {fields[name]}" if where else fields[name]
    identifier = f"doi:{fields['doi']}" if fields.get("doi") else ""
    if fields.get("eprint"):
        identifier = f"arXiv:{fields['eprint']}"
    authors = fields["author"].replace(" and ", "; ")
    parts = [f"{authors} ({fields['year']})", fields["title"], where.strip(), identifier]
    line = " ".join(f"{part.rstrip('.')}." for part in parts if part)
    line = line.replace("\\sqrt", "√").replace("--", "\N{EN DASH}")
    return re.sub(r"[${}_]", "", line)


def software(report: Report) -> Entry:
    """Return the reference of dmtest, in the version that wrote the report."""
    version = report.provenance.version
    year = (report.provenance.created or "")[:4]
    release = wording.clean("" if version is None else f", version {version}")
    fields = {"author": "{The dmtest developers}", "title": "dmtest", "year": wording.clean(year)}
    fields["note"] = f"Python package{release}"
    inside = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    text = f"The dmtest developers. dmtest{release} (Python package)."
    return Entry("dmtest", "dmtest", f"@misc{{dmtest,\n{inside}}}", text)


def _labels(report: Report) -> list[str]:
    """Return the labels of the methods used, in the order of a methods section."""
    labels = [PAPER] if report.figures.profile else []
    for outcome in report.outcomes:
        labels += described(report, outcome.test)[1].split("; ")
    if any(outcome.replicates for outcome in report.outcomes):
        labels.append("Phipson & Smyth 2010")
    if "min-p" in report.pvalue_method:
        labels.append("Westfall & Young 1993")
    if report.outcomes:
        labels.append("Holm 1979")
    if report.target == "sampled":
        labels += ["Besag & Clifford 1989", "Besag & Clifford 1991"]
    if report.target == "rosenblatt":
        labels.append("Rosenblatt 1952")
    if report.figures.slices and not wording.against_rows(report):
        labels.append("Aldor-Noiman et al. 2013")
    return [label for label in dict.fromkeys(labels) if label]


def described(report: Report, test: str) -> tuple[str, str]:
    """Return what a test detects, and its references; empty if the report does not say."""
    row = (report.provenance.described or {}).get(test, Description())
    return wording.clean(row.sees), wording.clean(row.reference)


def cited(report: Report) -> list[Entry]:
    """Return the references to cite: software, its paper, tests and methods.

    A reference that is not in the library has its label as text, and no BibTeX.
    """
    entries = [software(report)]
    for label in _labels(report):
        entries += library().get(label, (Entry(label, "", "", label),))
    return entries


def bibtex(report: Report) -> str:
    """Return the BibTeX entries to cite."""
    return "\n\n".join(entry.bibtex for entry in cited(report) if entry.bibtex)
