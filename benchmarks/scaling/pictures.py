"""The picture of the curves, docs/pictures/scaling.png: python -m benchmarks.scaling.pictures."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure

from benchmarks.pictures import save
from benchmarks.scaling.curves import slope
from benchmarks.tables import stored_rows


def line(axes: Any, rows: list[dict[str, Any]], over: str, name: str, **options: Any) -> None:
    """Draw one column of a table against rows or columns."""
    axes.plot([row[over] for row in rows], [row[name] for row in rows], "o-", ms=4, **options)


def picture() -> None:
    """Draw CPU seconds against rows and columns, and peak memory against rows."""
    rows, columns = (stored_rows("scaling", f"scaling/{name}") for name in ("rows", "columns"))
    figure = Figure(figsize=(12.0, 3.9), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    for axes, table, over, least in (
        (left, rows, "rows", 100_000),
        (middle, columns, "columns", 128),
    ):
        exponent = slope(table, over, least)
        line(axes, table, over, "pass, CPU s", label=f"pass over the rows (power {exponent:.2f})")
        line(axes, table, over, "report without effects, CPU s", label="report that follows")
        axes.set(xscale="log", yscale="log", xlabel=over, ylabel="CPU seconds")
        axes.legend(frameon=False, fontsize=8)
    left.set_title("64 columns, one thread")
    middle.set_title("100,000 rows, one thread")
    line(right, rows, "rows", "peak, MiB", label="process")
    line(right, rows, "rows", "summary, MiB", label="bytes of the summary")
    right.plot(
        [row["rows"] for row in rows],
        [row["rows"] * 64 * 4 / 2**20 for row in rows],
        "k--",
        lw=0.8,
        label="the rows themselves",
    )
    right.set(xscale="log", yscale="log", xlabel="rows", ylabel="MiB")
    right.set_title("Memory, 64 columns")
    right.legend(frameon=False, fontsize=8)
    save(figure, "scaling", 64, dpi=110)


if __name__ == "__main__":
    picture()
