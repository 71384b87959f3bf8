"""Write docs/tests.md, the list of tests, from the registry: python docs/make_tests.py."""

from __future__ import annotations

from pathlib import Path

from dmtest.catalogue.registry import TARGETS, list_tests
from dmtest.results.targets import NAMED

HEAD = """# The tests

Written by `python docs/make_tests.py` from the registry; `dmtest tests` prints the same.
n rows, d columns, k slices. *Tail*: on which side the statistic is bad.
"""
TESTED = {target.name: target.tested for target in NAMED}


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    for target in TARGETS:
        parts.append(f"\n## `{target}`: {TESTED[target]}\n\n")
        parts.append("| test | family | cost | tail | parameters | detects | reference |\n")
        parts.append("|---|---|---|---|---|---|---|\n")
        for row in list_tests(target):
            params = ", ".join(f"{k}={v}" for k, v in row.params.items())
            cells = (f"`{row.name}`", row.family, row.cost, row.tail, params, row.sees)
            parts.append(f"| {' | '.join(cells)} | {row.reference} |\n")
    return "".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("tests.md").write_text(text(), encoding="utf-8")
