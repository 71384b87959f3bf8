"""Size of every test and of the report's global p-value under the null.

    python -m benchmarks.level.size [--samples 10000] [--large]

Samples are drawn from the null and taken through the data's own pipeline (the input gate,
the target's transform in float64, random directions, the engines); their statistics are
ranked among the replicates that calibration draws. Both numbers are finite, so the standard
error of a size a is sqrt(a (1 - a) (1/samples + 1/replicates)). Every cell has replicates of
its own. The global p-value uses 999 of them, as reports do, a different block for every sample.

``--large`` measures the cap: n above it, calibrated at it.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import write
from dmtest.calibration.multiplicity import min_p, rank_pvalues
from dmtest.calibration.nulls import RowNull, SliceNull, replicates_of
from dmtest.catalogue.registry import TESTS, default_battery
from dmtest.catalogue.spec import Spec
from dmtest.data.sample import as_sample
from dmtest.engines.directions import random_directions
from dmtest.engines.rows import RowView, evaluate
from dmtest.engines.slices import slice_statistics
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target
from dmtest.targets.transforms import mean_and_covariance, whiten

GRID = ((20, 2), (50, 5), (200, 16), (1000, 64))
TARGETS = ("normal", "any-normal", "uniform")
LEVELS = (0.01, 0.05, 0.10)
SLICES = 64
BLOCK = 999

Vector = NDArray[np.float64]
SLICED = [spec for spec in TESTS.values() if spec.space == "lines"]
HZ = TESTS["henze-zirkler"]


def observe(target: str, n: int, d: int, index: int, specs: Sequence[Spec], pairs: bool) -> Vector:
    """Reduction and worst slice of each test (tests, 2) of one null sample; last, the pair test."""
    rng = stream(index, f"level/{target}/{n}/{d}")
    x = rng.random((n, d)) if target == "uniform" else rng.standard_normal((n, d))
    if target == "any-normal":
        x = x @ rng.standard_normal((d, d)) + 3.0
    canonical = as_target(target).canonical(as_sample(x))
    k = 1 if d == 1 else SLICES
    directions = random_directions(k, d, rng)
    values = slice_statistics(
        canonical.rows, directions, canonical.parameters, {s.name: s.statistic for s in specs}
    )
    out = np.full((len(specs) + pairs, 2), np.nan)
    for j, spec in enumerate(specs):
        rows = spec.rows(n, min(d, k))
        bad = spec.sign * spec.at_rows(values[:, j], n, rows, not canonical.fitted)
        out[j] = bad.mean(), bad.max()
    if pairs:
        rows = canonical.rows
        rows = rows if canonical.fitted else whiten(rows, *mean_and_covariance(rows))
        out[-1, 0] = evaluate(HZ.statistic, RowView(rows, threads=False))[1]
    return out


def cell(
    target: str, n: int, d: int, samples: int, replicates: int, large: bool
) -> list[dict[str, Any]]:
    """Sizes of all tests at one (n, d) under one target."""
    specs = [s for s in SLICED if not large or s.cap is not None]
    observed = np.array([observe(target, n, d, i, specs, not large) for i in range(samples)])
    parameters = "fitted" if target == "any-normal" else "known"
    slices = 1 if d == 1 else SLICES
    null = np.empty((replicates, len(specs) + (not large), 2))
    seed = TARGETS.index(target)
    at_rows = [s.rows(n, min(d, slices)) for s in specs]
    for rows in sorted(set(at_rows)):
        members = [j for j, r in enumerate(at_rows) if r == rows]
        at = SliceNull.of(parameters, rows, d, slices, None)
        draws = replicates_of(at, [specs[j] for j in members], {}, replicates, seed)
        for position, j in enumerate(members):
            null[:, j] = specs[j].sign * draws[:, position]
    if not large:
        null[:, -1, :1] = replicates_of(RowNull("residuals", n, d), [HZ], {}, replicates, seed)[
            :, 0
        ]
    names = [s.name for s in specs] + ([] if large else [HZ.name])
    rows_out = []
    for j, name in enumerate(names):
        for view, label in enumerate(("mean", "worst slice")):
            if name == HZ.name and view:
                continue
            pvalues = rank_pvalues(observed[:, j, view], null[:, j, view])
            rows_out.append(summary(target, n, d, name, label, pvalues, samples, replicates))
    joint = HZ.name in names and target == "any-normal"
    rows_out.append(
        summary(
            target,
            n,
            d,
            "global",
            "report",
            overall(observed, null, names, joint),
            samples,
            replicates,
        )
    )
    return rows_out


def overall(observed: Vector, null: Vector, names: list[str], joint: bool) -> Vector:
    """Global p-values of the default battery, as reports combine them.

    `joint`: with Henze-Zirkler, as reports do for any-normal at these n.
    """
    battery = [names.index(name) for name in default_battery("any-normal")[:4]]
    out = np.empty(len(observed))
    size = min(BLOCK, len(null))
    for i, values in enumerate(observed):
        start = (i * size) % (len(null) - size + 1)
        part = null[start : start + size]
        badness, draws = values[battery].ravel(), part[:, battery].reshape(size, -1)
        if joint:
            badness = np.append(badness, values[-1, 0])
            draws = np.column_stack([draws, part[:, -1, 0]])
        out[i] = min_p(badness, draws)[0]
    return out


def summary(
    target: str,
    n: int,
    d: int,
    test: str,
    view: str,
    pvalues: Vector,
    samples: int,
    replicates: int,
) -> dict[str, Any]:
    """One row: sizes, and the largest deviation in standard errors."""
    row: dict[str, Any] = {"target": target, "n": n, "d": d, "test": test, "p-value of": view}
    worst = 0.0
    for level in LEVELS:
        size = float(np.mean(pvalues <= level))
        error = float(np.sqrt(level * (1 - level) * (1.0 / samples + 1.0 / replicates)))
        row[f"size at {level:g}"] = size
        worst = max(worst, (size - level) / error, key=abs)
    return row | {"largest z": worst}


def main() -> None:
    """Run the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--large", action="store_true", help="n above the calibration cap")
    options = parser.parse_args()
    os.environ["DMTEST_CACHE_DIR"] = "off"
    grid = ((20_000, 2), (50_000, 1)) if options.large else GRID
    rows = []
    for n, d in grid:
        for target in TARGETS if not options.large else TARGETS[:2]:
            start = time.perf_counter()
            # Replicates of small samples are cheap, and their error is common to a cell.
            replicates = options.samples * (5 if n * d <= 4000 else 1)
            rows += cell(target, n, d, options.samples, replicates, options.large)
            print(target, n, d, f"{time.perf_counter() - start:.0f} s", flush=True)
    notes = (
        f"{options.samples:,} null samples against as many replicates (five times as many for "
        f"n d <= 4000); "
        f"`largest z`: deviation from nominal over 1, 5 and 10 % in standard errors."
    )
    name = "level-large" if options.large else "level"
    write("level", name, "Size of every test", rows, notes)
    worst = max(rows, key=lambda row: abs(row["largest z"]))
    print(f"{len(rows)} rows in benchmarks/results/{name}.md; furthest from nominal: {worst}")


if __name__ == "__main__":
    main()
