"""The catalogue of tests on a terminal: a table, and a card for one test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dmtest.cli.console import rendered

if TYPE_CHECKING:
    from rich.table import Table

    from dmtest.catalogue.spec import Spec


def tests_table(rows: Sequence[Spec]) -> str:
    """Return the tests as a table, one line for each in a pipe or on a wide terminal."""
    from rich.console import Console
    from rich.measure import Measurement

    wide, console = _table(rows, stacked=False), Console()
    needed = Measurement.get(console, console.options.update(max_width=1000), wide).maximum
    if needed <= console.width or not console.is_terminal:
        return rendered(wide, needed)
    return rendered(_table(rows, stacked=True))


def _table(rows: Sequence[Spec], stacked: bool) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from dmtest.catalogue.spec import ALL

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    more = ("Detects, targets, reference",) if stacked else ("Detects", "Targets", "Reference")
    for name in ("Test", "Family", "Cost", *more):
        table.add_column(name, no_wrap=not stacked or name == "Test")
    for row in rows:
        targets = "all targets" if set(row.targets) == set(ALL) else ", ".join(row.targets)
        about = (row.sees, targets, row.reference)
        cells = (row.name, row.family, row.cost, *(("\n".join(about),) if stacked else about))
        table.add_row(*map(Text, cells))
    return table


def test_card(rows: Sequence[Spec]) -> str:
    """Return what there is to know of one test; `rows` are its rows in the catalogue."""
    from rich.table import Table
    from rich.text import Text

    cards = [Text(rows[0].name, style="bold")]
    for row in rows:
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True)
        for name, text in facts_of(row):
            grid.add_row(Text(f"  {name}", style="dim"), Text(text))
        cards += [Text(""), grid]  # type: ignore[list-item]
    from rich.console import Group

    return rendered(Group(*cards))


FAMILIES = {
    "slices": "on random projections, which all such tests share",
    "pairs": "from sums over pairs of rows",
    "sums": "from sums over rows",
    "search": "by a search over directions or frequencies",
}


WORSE = {"upper": "larger", "lower": "smaller", "two-sided": "larger or smaller"}


def facts_of(row: Spec) -> list[tuple[str, str]]:
    """Return the facts of a test for readers, each with its name."""
    from dmtest.catalogue.registry import default_battery
    from dmtest.catalogue.spec import DrawTest, PoolTest, SliceTest
    from dmtest.render.citations import library

    spoken = {"n": "rows n", "d": "columns d", "k": "slices k"}
    words = [
        text for letter, text in spoken.items() if letter in re.findall(r"[a-zA-Z]+", row.cost)
    ]
    default = [target for target in row.targets if row.name in default_battery(target)]
    params = ", ".join(f"{name} = {value}" for name, value in row.params.items())
    null = "Monte Carlo, under the target, by the same computation"
    if isinstance(row, PoolTest):
        null = "permutations of the labels of the pooled rows"
    elif isinstance(row, DrawTest):
        null = "fresh draws of the law"
    elif row.published:  # type: ignore[attr-defined]
        null += "; published formula with calibration='asymptotic'"
    facts = [
        ("Detects", row.sees),
        ("Targets", ", ".join(row.targets)),
        ("Default for", ", ".join(default) or "no target; name it with --tests"),
        ("Computed", f"{FAMILIES[row.family]}; cost {row.cost} ({', '.join(words)})"),
        ("Statistic", f"worse when {WORSE[row.tail]}"),
    ]
    if isinstance(row, SliceTest):
        facts.append(("Slices", f"their {row.reduction}; with one column the univariate test"))
    if params:
        facts.append(("Parameters", f"{params} (params= in Python)"))
    if row.most is not None:
        facts.append(("At most", f"{row.most:,} rows"))
    facts.append(("Unchanged by", _invariances(row)))
    entries = [
        entry.text for label in row.reference.split("; ") for entry in library().get(label, ())
    ]
    facts += [("Null", null), ("Reference", "\n".join(entries) or row.reference)]
    return [*facts, ("Try", _example(row))]


def _invariances(row: Spec) -> str:
    """Return the maps of a sample that do not change the statistic, by kind of target."""
    from dmtest.catalogue.invariances import spoken
    from dmtest.catalogue.spec import SliceTest

    if not isinstance(row, SliceTest):
        return spoken(row.invariances)
    fitted, known = spoken(row.invariances), spoken(row.known_invariances)
    return f"fitted parameters: {fitted}\nknown parameters: {known}"


def _example(row: Spec) -> str:
    """Return a command that runs a test, or a call where no command can name its target."""
    target = row.targets[0]
    if target == "reference":
        return f"dmtest compare a.npy b.npy --tests {row.name}"
    if target == "sampled":
        return f"dmtest.report(x, dmtest.Sampled(draw), tests={row.name!r})"
    return f"dmtest report z.npy --target {target} --tests {row.name}"
