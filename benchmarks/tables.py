"""Results: one JSON file a study, from which the pages of tables are written.

    python -m benchmarks.tables

writes all pages (``benchmarks/results/*.md``) anew from the files that are stored. A study is a
folder of ``benchmarks``; what its runs leave while they go on is in ``benchmarks/runs``, which git
ignores.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = [
    "RESULTS",
    "RUNS",
    "commit",
    "commits",
    "load",
    "section",
    "store",
    "stored_rows",
    "write",
    "write_page",
]

RESULTS = Path(__file__).parent / "results"
RUNS = Path(__file__).parent / "runs"
# Headings of pages with several tables.
PAGES = {
    "causes": "Causes and advice in reports",
    "check-power": "Checks: false failures and power",
    "checks": "Checks against a baseline",
    "coverage": "Coverage of intervals",
    "determinism": "The same bits",
    "equivalence": "The verdict equivalent",
    "field": "False alarms that users of other tools reported",
    "groups": "Rows in groups",
    "infomax": "Deep InfoMax",
    "information": "Information, estimated and bounded",
    "monitor": "Monitor",
    "mutation": "Mutants of formulas",
    "nearness": "Divergence from the target",
    "outliers": "Outlying rows",
    "paper": "The paper's experiments",
    "precision": "Numerical error and cost",
    "ranks": "Ranks and rounded samples",
    "sampled": "Laws that are drawn from",
    "scaling": "Scaling with rows, columns and workers",
    "speed": "Speed and memory",
    "two-samples": "Two samples",
}


def machine() -> dict[str, Any]:
    """Describe where the numbers come from."""
    from importlib.metadata import version

    import dmtest
    from dmtest.runtime.parallel import workers

    packages = ("numpy", "scipy", "numba")
    return {
        "dmtest": dmtest.__version__,
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "threads": workers(),
    } | {name: version(name) for name in packages}


def commit() -> str:
    """Return the commit that is checked out, for the rows of runs that go on over several."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(
        command, cwd=RESULTS, check=True, capture_output=True, text=True
    ).stdout.strip()


def commits(rows: Iterable[Mapping[str, Any]]) -> str:
    """Say which commits rows are of; "" where no row says."""
    found = list(dict.fromkeys(str(row["commit"]) for row in rows if row.get("commit")))
    return f" Commit {', '.join(found)}." if found else ""


def write(study: str, name: str, title: str, rows: Sequence[Mapping[str, Any]], notes: str) -> str:
    """Store a table in ``results/<study>.json``, write its page; return the table's text.

    Parameters
    ----------
    study : str
        A folder of ``benchmarks``.
    name : str
        ``"page/table"``, for a page of several tables that `PAGES` has the heading of, or
        ``"page"`` for a page of its own: ``results/<page>.md``.
    title : str
    rows : sequence of mappings
        All with the columns of the first, in that order.
    notes : str
        What was run, and how to read it.
    """
    head = list(rows[0])
    record = {"title": title, "notes": notes, "machine": machine(), "head": head}
    record["rows"] = [[row[column] for column in head] for row in rows]
    store(study, name, record)
    write_pages(study)
    return section(**record)


def section(
    title: str,
    notes: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Any]],
    machine: Mapping[str, Any] | None = None,
) -> str:
    """Return a table in Markdown under its title, numbers to four digits."""
    lines = [f"# {title}", "", notes, "", "| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in rows]
    if machine is not None:
        lines += ["", ", ".join(f"{key} {value}" for key, value in machine.items())]
    return "\n".join(lines) + "\n"


def write_pages(study: str) -> None:
    """Write the pages of the tables that are stored of a study."""
    pages: dict[str, list[str]] = {}
    for name, record in load(study).items():
        pages.setdefault(name.partition("/")[0], []).append(section(**record))
    for page, sections in pages.items():
        write_page(page, sections)


def write_page(page: str, sections: Sequence[str]) -> None:
    """Write ``results/<page>.md``: its only table, or all under the heading of `PAGES`."""
    text = sections[0]
    if page in PAGES:
        text = "\n".join([f"# {PAGES[page]}\n", *(f"#{one}" for one in sections)])
    (RESULTS / f"{page}.md").write_text(text, encoding="utf-8")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value).replace("|", r"\|")


def load(study: str) -> dict[str, dict[str, Any]]:
    """Return what is stored of a study, by name."""
    path = RESULTS / f"{study}.json"
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else {}


def stored_rows(study: str, name: str) -> list[dict[str, Any]]:
    """Return the rows of a stored table, none if there is no such table."""
    record = load(study).get(name, {"head": [], "rows": []})
    return [dict(zip(record["head"], row, strict=True)) for row in record["rows"]]


def store(study: str, name: str, record: Mapping[str, Any]) -> None:
    """Put a record with ``rows`` in the file of its study, a line for every row.

    The file is replaced as a whole, so that a run that is interrupted leaves the old one.
    """
    records = load(study) | {name: dict(record)}
    parts = []
    for key, one in records.items():
        facts = _compact({field: value for field, value in one.items() if field != "rows"})
        rows = ",\n".join(map(_compact, one["rows"]))
        opened = facts.removesuffix("}") + ("," if len(facts) > 2 else "")
        parts.append(f'{_compact(key)}:{opened}"rows":[\n{rows}\n]}}')
    RESULTS.mkdir(exist_ok=True)
    half = RESULTS / f"{study}.{os.getpid()}.half"
    half.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    half.replace(RESULTS / f"{study}.json")


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    """Write all pages of tables from what is stored."""
    from benchmarks.paper.pictures import write_tables

    for study in (
        "speed",
        "level",
        "equivalence",
        "ranks",
        "power",
        "decisions",
        "outliers",
        "field",
        "trust",
        "infomax",
    ):
        write_pages(study)
    write_tables()
    print(f"{len(list(RESULTS.glob('*.md')))} pages in {RESULTS}")


if __name__ == "__main__":
    main()
