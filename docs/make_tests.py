"""Write docs/tests.md, the list of tests, from the registry: python docs/make_tests.py."""

from __future__ import annotations

from pathlib import Path

from dmtest.catalogue.invariances import MAPS
from dmtest.catalogue.registry import TARGETS, list_tests
from dmtest.results.targets import NAMED

HEAD = """# The tests

Written by `python docs/make_tests.py` from the registry; `dmtest tests` prints the same.
n rows, d columns, k slices. *Tail*: on which side the statistic is bad.
"""
INVARIANCES = """
## Unchanged by

The last column names the maps of a sample that leave the statistic as it is, on the scale that it
is computed on: the rows x for `any-normal`, `sphere`, `sampled` and `reference` (the same map of
both samples, or of sample and law), rows on normal scale for all other targets, rows in the cube
for the last five tests of `uniform`. The directions of slices stay. Every declared map is tested in
float64 and float32, and so is that no other one of this table leaves the statistic as it is
(`tests/catalogue/test_invariance.py`). Another order of the rows never changes a statistic.

| name | map | contains |
|---|---|---|
"""
TESTED = {target.name: target.tested for target in NAMED}


def text() -> str:
    """Return the page."""
    parts = [HEAD]
    for target in TARGETS:
        parts.append(f"\n## `{target}`: {TESTED[target]}\n\n")
        parts.append(
            "| test | family | cost | tail | parameters | detects | reference | unchanged by |\n"
        )
        parts.append("|---|---|---|---|---|---|---|---|\n")
        for row in list_tests(target):
            params = ", ".join(f"{k}={v}" for k, v in row.params.items())
            cells = (f"`{row.name}`", row.family, row.cost, row.tail, params, row.sees)
            maps = ", ".join(row.invariances_for(target))
            parts.append(f"| {' | '.join(cells)} | {row.reference} | {maps} |\n")
    parts.append(INVARIANCES)
    parts += [f"| {k} | {v.words} | {', '.join(v.implies)} |\n" for k, v in MAPS.items()]
    return "".join(parts)


if __name__ == "__main__":
    Path(__file__).with_name("tests.md").write_text(text(), encoding="utf-8")
