"""What Sphinx lacks here: formulas as MathML, the command line's help, plain docstrings."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

UNACCENTED = str.maketrans("éöüłñí", "eoulni")  # for the order of names

# docutils writes "log q" without a space before and after, and a bar that lies on its letter.
APPLIED = re.compile(r"<mo>&ApplyFunction;</mo>(?!\s*<mo[^>]*>\()")
NAMED = re.compile(r"(</m(?:i|n|frac|sup|sub|row)>)(\s*<mi[^>]*>\w{2,}</mi>\s*<mo[^>]*>&ApplyF)")
BAR = re.compile(r'<mover accent="true">(\s*<mi>\w</mi>\s*)<mo stretchy="false">ˉ</mo>')


def mathml(formula: str, **options: bool) -> str:
    """Return a formula as MathML, spaced as in print."""
    text = latex2mathml.tex2mathml(formula, **options)
    text = APPLIED.sub('<mo rspace="0.17em">&ApplyFunction;</mo>', text)
    text = NAMED.sub(r'\1<mspace width="0.17em"></mspace>\2', text)
    return BAR.sub(r"<mover>\1<mo>‾</mo>", text)


def math_inline(writer: Any, node: nodes.math) -> None:
    """Write a formula as MathML, which browsers show with no script and no network."""
    writer.body.append(mathml(node.astext()))
    raise nodes.SkipNode


def math_block(writer: Any, node: nodes.math_block) -> None:
    """Write a displayed formula as MathML."""
    formula = mathml(node.astext(), as_block=True)
    writer.body.append(f'<div class="formula">{formula}</div>\n')
    raise nodes.SkipNode


def helps() -> dict[str, str]:
    """Return {command: its --help at 80 columns}, "dmtest" itself first."""
    import typer

    from dmtest.cli.main import app

    command = typer.main.get_command(app)
    names = [""]
    names += list(command.commands)  # type: ignore[attr-defined]
    return {f"dmtest {name}".strip(): help_of(name) for name in names}


def help_of(name: str) -> str:
    """Return what a command's --help prints on a terminal of 80 columns."""
    import contextlib
    import io
    import os
    from unittest import mock

    from dmtest.cli.main import main

    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), mock.patch.dict(os.environ, {"COLUMNS": "80"}):
        main([*name.split(), "--help"])
    return printed.getvalue()


class CommandHelp(SphinxDirective):
    """``dmtest-help``: a section for every command, with its --help as it is printed."""

    def run(self) -> list[nodes.Node]:
        """Return the sections."""
        made: list[nodes.Node] = []
        for title, text in helps().items():
            section = nodes.section(ids=[nodes.make_id(title)], names=[title])
            section += nodes.title(title, title)
            section += nodes.literal_block(text, text, language="text")
            made.append(section)
        return made


class References(SphinxDirective):
    """``dmtest-references``: what reports cite, by author, with links to where it was published."""

    def run(self) -> list[nodes.Node]:
        """Return the list."""
        from dmtest.render.citations import library

        texts = {entry.text for found in library().values() for entry in found}
        made = nodes.bullet_list()
        for text in sorted(texts, key=lambda text: text.translate(UNACCENTED).casefold()):
            said, _, doi = text.partition(" doi:")
            said, _, number = said.partition(" arXiv:")
            line = nodes.paragraph(said, said)
            for name, home, found in (
                ("doi", "https://doi.org/", doi),
                ("arXiv", "https://arxiv.org/abs/", number),
            ):
                if found := found.rstrip("."):
                    link = nodes.reference("", f"{name}:{found}", refuri=home + found)
                    line += [nodes.Text(" "), link, nodes.Text(".")]
            made += nodes.list_item("", line)
        return [made]


def prepare(app: Sphinx, page: str, source: list[str]) -> None:
    """Trim blocks of code, and lead links to tables of benchmarks to their pages.

    doctest wants an empty line after the last output, and a reader does not. The tables lie outside
    of the documentation: links that work in the repository become links to copies of them.
    """
    text = source[0].replace("](../benchmarks/results/", "](generated/measured/")
    source[0] = text.replace("\n\n```\n", "\n```\n")


def plain_bars(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Let ``|x|`` in a docstring be a length and not a substitution of reStructuredText."""
    session = False
    for i, line in enumerate(lines):
        session = line.lstrip().startswith(">>>") or (session and bool(line.strip()))
        if not session:
            parts = line.split("``")  # every other part is literal
            parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
            lines[i] = "``".join(parts)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register all of it."""
    app.connect("source-read", prepare)
    app.connect("autodoc-process-docstring", plain_bars, priority=900)  # after numpydoc
    app.add_directive("dmtest-help", CommandHelp)
    app.add_directive("dmtest-references", References)
    app.add_html_math_renderer("mathml", (math_inline, None), (math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
