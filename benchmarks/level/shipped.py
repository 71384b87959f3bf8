"""Size of the default battery with the shipped nulls, between and on the grid's points.

    DMTEST_CACHE_DIR=off python -m benchmarks.level.shipped [--samples 2500]

Samples are drawn as replicates are, from other streams, and ranked among the table's. A
frozen table of 2,000 replicates has an error of its own, which all users share: it counts as a
second sample in the standard error.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.level.size import LEVELS, summary
from benchmarks.nulls import build
from benchmarks.tables import write
from dmtest.calibration.multiplicity import min_p, rank_pvalues
from dmtest.calibration.shipped import MOST_ROWS, shipped_replicates
from dmtest.engines.slices import Parameters

POINTS = ((27, 2), (50, 5), (75, 1), (150, 12), (300, 4), (700, 24), (1500, 100), (3000, 48))
POINTS += ((5000, 8), (7000, 16), (10_000, 64))
SEED = 7


def point(parameters: Parameters, n: int, d: int, samples: int) -> list[dict[str, Any]]:
    """Sizes of every test and of the global p-value at one shape."""
    slices, rows = build.specs_of(parameters)
    slices = slices[:-1]
    table = shipped_replicates(parameters, n, d, [*slices, *rows])
    if table is None:
        return []
    build.SEED, build.count_of = SEED, lambda _: samples
    drawn = build.replicates(parameters, n, d)
    # The last of the slices is a distance, which no p-value is made of.
    observed = np.delete(drawn, [2 * len(slices), 2 * len(slices) + 1], axis=1)
    columns, nulls, names = [], [], []
    for j, spec in enumerate([*slices, *rows]):
        sides = range(2) if spec.family == "slices" else range(1)
        for side in sides:
            signs = spec.signs if spec.family != "slices" else (spec.sign,)
            place = 2 * j + side if spec.family == "slices" else len(slices) + j
            for sign in signs:
                columns.append(sign * observed[:, place])
                nulls.append(sign * table[:, j, side])
                below = " below" if spec.tail == "two-sided" and sign < 0 else ""
                names.append(f"{spec.name}{' worst' if side else ''}{below}")
    found = []
    for name, values, null in zip(names, columns, nulls, strict=True):
        pvalues = np.asarray(rank_pvalues(values, null))
        found.append(summary(parameters, n, d, name, "shipped", pvalues, samples, len(null)))
    together = np.stack(nulls, axis=1)
    least = np.array([min_p(one, together)[0] for one in np.stack(columns, axis=1)])
    found.append(summary(parameters, n, d, "global", "shipped", least, samples, len(together)))
    return found


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=2500)
    samples = parser.parse_args().samples
    rows: list[dict[str, Any]] = []
    kinds: tuple[Parameters, ...] = ("fitted", "known")
    for parameters in kinds:
        for n, d in POINTS:
            found = point(parameters, n, d, min(samples, 120_000_000 // (n * max(d, 8))))
            rows += found
            if found:
                worst = max(found, key=lambda row: abs(row["largest z"]))
                print(parameters, n, d, worst, flush=True)
                save(rows)


def save(rows: list[dict[str, Any]]) -> None:
    """Write what there is so far."""
    beyond = sum(abs(row["largest z"]) > 3.0 for row in rows)
    write(
        "level",
        "level-shipped",
        "Size with the shipped nulls",
        rows,
        f"At {', '.join(map(str, LEVELS))}. n up to {MOST_ROWS:,}; the points between those of the "
        f"grid measure interpolation. {beyond} of {len(rows)} rows are beyond 3 standard errors on "
        f"one of three levels; chance alone gives about {0.005 * len(rows):.1f}.",
    )


if __name__ == "__main__":
    main()
