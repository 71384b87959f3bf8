"""The command ``dmtest demo``: a first report."""

from __future__ import annotations

from typing import Annotated

from dmtest.cli import outputs
from dmtest.cli.console import FINE, put
from dmtest.cli.options import option

DemoPage = Annotated[str, option("PATH", "Path of the HTML page.")]

EPILOG = """\b
Exit codes:
  0   the report was printed and the page written, whatever the verdict
  2   bad usage, or a page that cannot be written

\b
Examples:
  dmtest demo
  dmtest demo --html /tmp/digits.html
"""


def demo(html: DemoPage = "dmtest-demo.html") -> int:
    """Report on real data that come with dmtest.

    The data are embeddings of 500 handwritten digits by an encoder that 'dmtest train' trained to
    make them N(0, I). The report says how close they are, and what is still wrong. It is printed,
    and written as an HTML page.
    """
    outputs.check_outputs(None, html, None)
    from dmtest.cli.demo import INTRODUCTION, digits_report

    put(f"{INTRODUCTION}\n\n")
    outputs.deliver(digits_report(), html, None)
    return FINE
