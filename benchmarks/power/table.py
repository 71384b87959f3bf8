"""Tables and pictures of the power study, and what the default battery leaves unseen.

    python -m benchmarks.power.table

Reads ``benchmarks/runs/power/*.npz`` (:mod:`benchmarks.power.study`), writes
``power`` and ``power-unseen`` (``benchmarks/results``, ``docs/pictures``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.pictures import save
from benchmarks.power.study import FOLDER
from benchmarks.tables import stored_rows, write
from dmtest.catalogue.registry import default_battery
from dmtest.reports.sections import FEWEST_SEARCH, ROWS_PER_COLUMN
from dmtest.reports.verdict import WEIGHTS

LEVEL = 0.05
# Power from which on a test is said to see an alternative.
SEES = 0.5
COLOURS = 64  # of a picture, which has shades of one colour

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Cell:
    """The statistics of one target at one shape, as ranks among the null."""

    target: str
    n: int
    d: int

    @cached_property
    def _file(self) -> dict[str, Any]:
        with np.load(FOLDER / f"{self.target}-{self.n}-{self.d}.npz") as file:
            return {name: file[name] for name in file.files}

    @cached_property
    def columns(self) -> list[str]:
        """Names of the views."""
        return [str(name) for name in self._file["columns"]]

    @cached_property
    def alternatives(self) -> list[str]:
        """Names of the alternatives, the null left out."""
        found = [name.removeprefix("values/") for name in self._file if name.startswith("values/")]
        return [name for name in found if name not in ("null", "normal")]

    @cached_property
    def tests(self) -> list[str]:
        """Names of the tests."""
        return list(dict.fromkeys(name.split(":")[0] for name in self.columns))

    @cached_property
    def _null(self) -> Vector:
        """P-values of null samples among the others: (null, columns)."""
        values = self._file["values/null"]
        ordered = np.sort(values, axis=0)
        above = [
            len(values) - np.searchsorted(ordered[:, j], values[:, j], side="left")
            for j in range(values.shape[1])
        ]
        return np.stack(above, axis=1) / len(values)

    def _pvalues(self, alternative: str) -> Vector:
        values = self._file[f"values/{alternative}"]
        null = np.sort(self._file["values/null"], axis=0)
        above = [
            len(null) - np.searchsorted(null[:, j], values[:, j], side="left")
            for j in range(values.shape[1])
        ]
        return (1.0 + np.stack(above, axis=1)) / (len(null) + 1.0)

    def rejected(self, tests: list[str], alternative: str, level: float) -> NDArray[np.bool_]:
        """Which samples min-p over the views of some tests rejects at a level."""
        chosen = [j for j, name in enumerate(self.columns) if name.split(":")[0] in tests]
        null = np.sort(self._null[:, chosen].min(axis=1))
        least = self._pvalues(alternative)[:, chosen].min(axis=1)
        rank = 1.0 + np.searchsorted(null, least + 1e-12, side="right")
        return np.asarray(rank / (len(null) + 1.0) <= level)

    def searched(self, alternative: str, level: float) -> NDArray[np.bool_] | None:
        """Which samples the search over directions rejects, where it was run."""
        path = FOLDER / f"search-{self.target}-{self.n}-{self.d}.npz"
        if not path.exists():
            return None
        with np.load(path) as file:
            return np.asarray(file[f"values/{alternative}"] <= level)

    def default(self, alternative: str) -> float:
        """Power of the default battery: min-p, and the search by weighted Bonferroni."""
        tests = list(default_battery(self.target))
        search = self.searched(alternative, WEIGHTS[1] * LEVEL)
        if search is None:
            # What the search may find where it was not run is left out, its share of alpha not.
            with_search = self.n >= max(FEWEST_SEARCH, ROWS_PER_COLUMN * self.d)
            level = WEIGHTS[0] * LEVEL if with_search else LEVEL
            return float(self.rejected(tests, alternative, level).mean())
        return float((self.rejected(tests, alternative, WEIGHTS[0] * LEVEL) | search).mean())

    def power(self, test: str, alternative: str) -> float:
        """Power of one test."""
        return float(self.rejected([test], alternative, LEVEL).mean())


def cells() -> list[Cell]:
    """Return what has been simulated."""
    found = []
    for path in sorted(FOLDER.glob("*.npz")):
        if not path.name.startswith("search-"):
            target, n, d = path.stem.rsplit("-", 2)
            found.append(Cell(target, int(n), int(d)))
    return sorted(found, key=lambda cell: (cell.target, cell.d, cell.n))


def summary(cell: Cell) -> list[dict[str, Any]]:
    """Power of the default battery beside the three best tests, for every alternative."""
    rows = []
    for alternative in cell.alternatives:
        powers = {test: cell.power(test, alternative) for test in cell.tests}
        best = sorted(powers, key=lambda test: -powers[test])[:3]
        rows.append(
            {
                "target": cell.target,
                "n": cell.n,
                "d": cell.d,
                "alternative": alternative,
                "default": cell.default(alternative),
                "best tests": ", ".join(f"{test} {powers[test]:.2f}" for test in best),
            }
        )
    return rows


def unseen(every: list[Cell]) -> list[dict[str, Any]]:
    """Compare what some test sees at n with the default battery at 2n."""
    rows = []
    known = {(cell.target, cell.n, cell.d): cell for cell in every}
    for cell in every:
        double = known.get((cell.target, 2 * cell.n, cell.d))
        if double is None:
            continue
        for alternative in cell.alternatives:
            powers = {test: cell.power(test, alternative) for test in cell.tests}
            best = max(powers, key=lambda test: powers[test])
            if powers[best] < SEES:
                continue
            rows.append(
                {
                    "target": cell.target,
                    "d": cell.d,
                    "alternative": alternative,
                    "n": cell.n,
                    "best test": best,
                    "its power": powers[best],
                    "default at 2n": double.default(alternative),
                }
            )
    return rows


def _shortfall(row: dict[str, Any]) -> float:
    return float(row["default at 2n"] - row["its power"])


def others(table: str, done: set[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """Return the stored rows of cells that were not simulated anew."""
    rows = stored_rows("power", table)
    return [row for row in rows if (row["target"], row["n"], row["d"]) not in done]


def picture(cell: Cell, name: str) -> None:
    """Draw power of every test against every alternative."""
    from matplotlib.figure import Figure

    tests = [*default_battery(cell.target)]
    tests += [test for test in cell.tests if test not in tests]
    powers = np.array([[cell.power(t, a) for a in cell.alternatives] for t in tests])
    battery = np.array([[cell.default(a) for a in cell.alternatives]])
    values = np.concatenate([battery, powers])
    labels = ["default battery", *tests]
    figure = Figure(figsize=(1.8 + 0.42 * len(cell.alternatives), 1.9 + 0.24 * len(labels)))
    ax = figure.add_subplot()
    ax.imshow(values, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for i, row in enumerate(values):
        for j, value in enumerate(row):
            colour = "white" if value > 0.6 else "#1c2430"
            text = f"{100 * value:.0f}"
            ax.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour)
    ax.set_yticks(range(len(labels)), labels, fontsize=7.5)
    ax.set_xticks(range(len(cell.alternatives)), cell.alternatives, rotation=60, ha="right")
    ax.tick_params(axis="x", labelsize=7.5)
    ax.axhline(0.5, color="#1c2430", linewidth=1.0)
    ax.axhline(len(default_battery(cell.target)) + 0.5, color="#1c2430", linewidth=0.6)
    ax.set_title(
        f"Power (%) at 5%, {cell.target}, n = {cell.n:,}, d = {cell.d}", loc="left", fontsize=9.5
    )
    save(figure, f"power-{name}", COLOURS, dpi=130, bbox_inches="tight")


def main() -> None:
    """Write tables and pictures; what is stored of other cells stays."""
    every = cells()
    if not every:
        raise SystemExit(f"no cells in {FOLDER}: run benchmarks.power.study")
    done = {(cell.target, cell.n, cell.d) for cell in every}
    rows = [row for cell in every for row in summary(cell)] + others("power", done)
    rows.sort(key=lambda row: (row["target"], row["d"], row["n"]))
    write(
        "power",
        "power",
        "Power at 5%",
        rows,
        "Default: the report's battery; the search over directions was run at n = 500 in d = 8 "
        "and n = 2,000 in d = 64, elsewhere only its share of alpha is taken off. Beside it the "
        "three tests with the most power. 250 samples and 1,500 null samples a cell in d <= 5: "
        "standard error at most 0.032; 60 and 300 in d >= 8: 0.065.",
    )
    # Cells whose double was not simulated anew are compared as they were.
    pairs = {(target, n, d) for target, n, d in done if (target, 2 * n, d) in done}
    compared = unseen(every) + others("power-unseen", pairs)
    compared.sort(key=_shortfall)
    missed = [row for row in compared if row["default at 2n"] < SEES]
    write(
        "power",
        "power-unseen",
        "What one test sees at n, and the default battery at 2n",
        compared,
        f"All {len(compared)} cases in which some test has power {SEES} at n, worst first; the "
        f"default battery has less than that at 2n in {len(missed)} of them.",
    )
    for cell, name in (
        (Cell("any-normal", 50, 5), "review"),
        (Cell("any-normal", 2000, 64), "embeddings"),
        (Cell("normal", 2000, 64), "specified"),
    ):
        if cell in every:
            picture(cell, name)
    print(f"{len(compared)} cases, unseen: {missed}")


if __name__ == "__main__":
    main()
