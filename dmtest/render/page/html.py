"""The HTML page, one self-contained file, and the fragment for notebooks."""

from __future__ import annotations

import base64
import functools
import hashlib
from typing import TYPE_CHECKING, Any

from dmtest.render import citations, table_rows, tables, wording
from dmtest.render.page import explain, reproduce

if TYPE_CHECKING:
    from jinja2 import Environment

    from dmtest.results.outcome import Finding
    from dmtest.results.report import Report


@functools.cache
def _environment() -> Environment:
    """Return the templates; all texts are escaped, control characters included."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("dmtest.render.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )


def _shown(value: Any) -> Any:
    """Return a value for the page; a text that is no markup is cleaned."""
    return wording.clean(value) if type(value) is str else value


def _source(name: str) -> str:
    """Return the text of a template without expressions: a style sheet or a script."""
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _variables(report: Report) -> dict[str, Any]:
    """Return the variables that page and fragment share."""
    pvalue, note = wording.evidence(report)
    effects, tests = table_rows.effect_rows(report), table_rows.test_rows(report)
    levels = {row.confidence for row in effects if row.interval}
    return {
        "report": report,
        "verdict": wording.verdict(report),
        "pvalue": pvalue,
        "pvalue_note": note,
        "diagnosis": list(
            zip(
                table_rows.diagnosis(report),
                map(table_rows.code_spans, table_rows.advice(report)),
                strict=True,
            )
        ),
        "criteria": table_rows.criterion_rows(report),
        "effects": effects,
        "confidence": levels.pop() if len(levels) == 1 else "",
        "tests": tests,
        "calibrations": table_rows.calibrations(tests),
        "count": wording.count,
        "size": wording.size(report),
        "in_groups": wording.in_groups,
        "plural": wording.plural,
        "scope_of": wording.scope(report),
        "method_of": wording.method,
        "magnitude": explain.magnitude(report),
        "two": wording.two_samples(report),
        "rows": wording.against_rows(report),
        "other": wording.other(report),
        "tables": [
            part
            for one in (report.classes, report.rows)
            if one is not None
            for part in tables.parts_of(one)
        ],
    }


def _finding(item: Finding) -> tuple[str, list[tuple[str, bool]]]:
    """Return the line of a finding, and its advice in texts and code."""
    return table_rows.warning_line(item), table_rows.code_spans(item.advice)


def page(report: Report) -> str:
    """Return the page: a self-contained file that requests nothing and works without scripts.

    Parameters
    ----------
    report : Report
        Report to show.

    Returns
    -------
    str
        HTML with style, figures (SVG) and a small script that makes the table of tests sortable.
    """
    from markupsafe import Markup

    from dmtest.render.page import page_figures

    script = _source("sort.js.j2").strip()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    variables = _variables(report)
    return whole(
        "page.html.j2",
        **variables,
        title=variables["verdict"].headline,
        script=Markup(script),
        script_hash=f"'sha256-{digest}'",
        slices=page_figures.slices(report),
        coordinates=page_figures.coordinates(report),
        spectrum=page_figures.spectrum(report),
        first=page_figures.first(report),
        scatter=page_figures.scatter(report) if report.d > 2 else None,
        distance=[
            figure
            for draw in (
                page_figures.profile,
                page_figures.decomposition,
                page_figures.detectability,
            )
            if (figure := draw(report))
        ],
        # Where there is no other first picture, the rows by class are above already.
        classes=page_figures.classes(report) if report.outcomes else None,
        notes=table_rows.notes(report),
        glossary=explain.glossary(report),
        directions=table_rows.direction_rows(report),
        warnings=[_finding(item) for item in report.warnings],
        facts=table_rows.facts(report),
        call=reproduce.call(report),
        command=reproduce.command(report),
        method=reproduce.method(report),
        citation=[entry.text for entry in citations.cited(report)],
        bibtex=citations.bibtex(report).splitlines(),
        source=report.provenance.source or "",
        created=report.provenance.created or "",
        version=report.provenance.version or "",
    )


def whole(template: str, **variables: Any) -> str:
    """Return a page that extends the base: style, bar and foot around its parts."""
    from markupsafe import Markup

    variables = {"script": "", "script_hash": ""} | variables
    style, newline = Markup(_source("page.css.j2")), Markup("\n")
    return rendered_template(template, **variables, style=style, newline=newline)


# Selectors of a dark theme in JupyterLab, VS Code, Colab and Sphinx. The system's theme does not
# count: a light notebook stays light on a dark desktop.
DARK = (
    '[data-jp-theme-light="false"]',
    ".vscode-dark",
    ".vscode-high-contrast:not(.vscode-high-contrast-light)",
    'html[theme="dark"]',
    'html[data-theme="dark"]',
)


def scoped(style: str, scope: str) -> str:
    """Return a style sheet with SCOPE and DARK replaced by selectors of one fragment."""
    dark = f":is({', '.join(DARK)}) {scope}"
    return style.replace("DARK", dark).replace("SCOPE", scope)


def fragment_style(scope: str) -> str:
    """Return the style sheet of the fragment with this class."""
    return scoped(_source("fragment.css.j2"), f".{scope}.{scope}")


def rendered_template(name: str, **variables: Any) -> str:
    """Return a template of this folder with its variables."""
    return _environment().get_template(name).render(**variables)


def fragment(report: Report) -> str:
    """Return the compact HTML for notebooks, with a style that applies to it alone."""
    from markupsafe import Markup

    digest = hashlib.sha256(report.to_json().encode()).hexdigest()
    scope = f"dmtest-{digest[:10]}"
    style = fragment_style(scope)
    return (
        _environment()
        .get_template("fragment.html.j2")
        .render(
            **_variables(report),
            scope=scope,
            style=Markup(style),
            warnings=[_finding(item) for item in table_rows.unsaid(report)],
            facts=table_rows.facts(report),
        )
    )
