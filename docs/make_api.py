"""Write pages into docs/generated: the API, and what benchmarks measured. conf.py calls it.

Nothing is listed here twice: a name that is added to an ``__all__`` is on the page of its module,
and a table that is added to benchmarks/results is a page.
"""

from __future__ import annotations

import importlib
from pathlib import Path

FOLDER = Path(__file__).parent / "generated"
RESULTS_OF_BENCHMARKS = Path(__file__).parents[1] / "benchmarks" / "results"
# The titles of the groups of `dmtest`; a module that is not here is titled by its docstring.
TITLES = {
    "dmtest.reports.api": "Reports",
    "dmtest.battery.api": "Single tests",
    "dmtest.catalogue.registry": "The list of tests",
    "dmtest.effects.api": "How far, who would notice, and where",
    "dmtest.tables.api": "Tables of columns and rows",
    "dmtest.reports.compare": "Two samples",
    "dmtest.checks.api": "Checks against a baseline",
    "dmtest.monitoring.monitor": "Streams",
    "dmtest.summaries.summary": "Many rows, in one pass",
    "dmtest.targets.targets": "Targets",
    "dmtest.targets.ranks": "Ranks as the target",
    "dmtest.targets.callables": "Laws given by a function",
    "dmtest.targets.reference": "A sample as the target",
    "dmtest.data.load": "Files",
    "dmtest.results.outcome": "Results of tests",
    "dmtest.results.report": "The report",
    "dmtest.results.classes": "Reports by class",
    "dmtest.results.tables": "Results of univariate and outliers",
    "dmtest.checks.baseline": "A baseline",
    "dmtest.results.check": "Results of checks",
    "dmtest.effects.profile": "Results of kl_profile",
    "dmtest.effects.directions.one_sample": "Results of worst_directions",
    "dmtest.effects.detectability": "Results of detectability",
    "dmtest.errors": "Errors and warnings",
}
# Results that users meet but do not construct.
RESULTS = {
    "dmtest.results.classes": ["ClassReports"],
    "dmtest.effects.profile": ["KLProfile", "ProfilePoint"],
    "dmtest.effects.directions.one_sample": ["Direction"],
    "dmtest.effects.detectability": ["Detectability", "Threshold"],
}
PAGES = ("dmtest", "dmtest.bounds", "dmtest.information", "dmtest.train")


def first_line(module: str) -> str:
    """Return the first line of a module's docstring, without its full stop."""
    return (importlib.import_module(module).__doc__ or module).strip().splitlines()[0].rstrip(".")


def groups(page: str) -> dict[str, list[str]]:
    """Return {title: full names}, a group for every module that names of a page come from."""
    package = importlib.import_module(page)
    found: dict[str, list[str]] = {}
    for name in package.__all__:
        try:
            value = getattr(package, name)
        except ImportError:
            if page != "dmtest.train":
                raise
            continue  # the trainer needs torch, which whoever builds the pages need not have
        # What is no object of a module, such as __version__ or a submodule, has a page elsewhere.
        home = getattr(value, "__module__", None)
        if home is not None:
            home = getattr(package, "_HOME", {}).get(name, home) if page == "dmtest" else page
            found.setdefault(home, []).append(f"{page}.{name}")
    if page == "dmtest":
        for module, names in RESULTS.items():
            found[module] = [f"{module}.{name}" for name in names]
    order = [*filter(found.get, TITLES), *(home for home in found if home not in TITLES)]
    if len(order) == 1:
        return {"": found[order[0]]}
    return {TITLES.get(home, first_line(home)): found[home] for home in order}


def text(page: str) -> str:
    """Return a page."""
    rule = "=" * len(page)
    parts = [f"{page}\n{rule}\n\n{first_line(page)}.\n"]
    for title, names in groups(page).items():
        if title:
            parts.append(f"\n{title}\n{'-' * len(title)}\n")
        lines = "".join(f"   ~{name}\n" for name in names)
        parts.append(f"\n.. autosummary::\n   :toctree: names\n\n{lines}")
    return "".join(parts)


def write() -> None:
    """Write the pages, and leave alone those that have not changed."""
    pages = {f"{page}.rst": text(page) for page in PAGES if groups(page)}
    for table in RESULTS_OF_BENCHMARKS.glob("*.md"):
        pages[f"measured/{table.name}"] = table.read_text(encoding="utf-8")
    (FOLDER / "measured").mkdir(parents=True, exist_ok=True)
    for old in (*FOLDER.glob("*.rst"), *FOLDER.glob("measured/*.md")):
        if old.relative_to(FOLDER).as_posix() not in pages:
            old.unlink()
    for name, new in pages.items():
        path = FOLDER / name
        if not path.exists() or path.read_text(encoding="utf-8") != new:
            path.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    write()
