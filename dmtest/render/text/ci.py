"""A check for continuous integration: JUnit XML and GitHub annotations."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from dmtest.render.wording import clean

if TYPE_CHECKING:
    from dmtest.results.check import CheckResult, CheckRow


def junit(result: CheckResult) -> str:
    """Return one test suite; failures have their sentence, rows not compared are skipped."""
    skipped = sum(row.passed is None for row in result.rows)
    counts = {"tests": len(result.rows), "failures": len(result.failures), "skipped": skipped}
    facts = {"name": "dmtest check", "errors": "0"} | {k: str(v) for k, v in counts.items()}
    facts["time"] = str(result.report.provenance.seconds or 0)
    root = ET.Element("testsuites")
    suite = ET.SubElement(root, "testsuite", facts)
    group = f"dmtest.{clean(result.report.provenance.source or 'check')}"
    for row in result.rows:
        case = ET.SubElement(suite, "testcase", {"classname": group, "name": clean(row.name)})
        sentence = clean(row.message)
        if row.passed is False:
            ET.SubElement(case, "failure", {"message": sentence}).text = _numbers(row)
        elif row.passed is None:
            ET.SubElement(case, "skipped", {"message": sentence})
        else:
            ET.SubElement(case, "system-out").text = sentence
    ET.indent(root)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return head + ET.tostring(root, encoding="unicode") + "\n"


def _numbers(row: CheckRow) -> str:
    numbers = ("value", "baseline", "difference", "error", "pvalue", "limit")
    return "\n".join(
        f"{name} = {value:.10g}" for name in numbers if (value := getattr(row, name)) is not None
    )


def commands(result: CheckResult) -> list[str]:
    """Return one workflow command for each failure and each finding."""
    lines = [_command("error", f"dmtest: {row.name}", row.message) for row in result.failures]
    notes = [_command("warning", f"dmtest: {one.code}", one.message) for one in result.warnings]
    return lines + notes


def _command(level: str, title: str, message: str) -> str:
    """Return ``::error title=...::...``, with characters escaped that would end a part of it."""
    text = clean(message).replace("%", "%25")
    head = clean(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={head}::{text}"
