"""Size of every test of whole rows under the null.

    python -m benchmarks.level.rows [--samples 10000] [--features] [--again]

As :mod:`benchmarks.level.size` does for slices: samples go through the data's own pipeline,
in float64, and their statistics are ranked among the replicates that calibration draws.
Tests calibrated on the sample's own covariance get 99 replicates of their own per sample.

``--again`` takes the table, and measures the rows beyond 3 standard errors once more, on fresh
samples and replicates: chance does not come back, a wrong level does.

``--features`` measures the random-feature forms: n above the rows that they are calibrated at.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmtest
from benchmarks.level.size import summary
from benchmarks.tables import stored_rows, write
from dmtest.battery.rows import rows_of
from dmtest.calibration.multiplicity import min_p, rank_pvalues
from dmtest.calibration.nulls import RowNull, replicates_of
from dmtest.catalogue.registry import ROWS, find
from dmtest.catalogue.spec import Space, Spec
from dmtest.data.sample import as_sample
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.runtime.parallel import blocks, run_tasks, single_threaded_blas
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target

GRID = ((20, 2), (50, 5), (200, 16), (1000, 64), (30, 60))
TARGET_OF: dict[Space, str] = {
    "residuals": "any-normal",
    "normal": "normal",
    "cube": "uniform",
    "sphere": "sphere",
}
FEWEST = 2000
# Milliseconds of one evaluation above which FEWEST samples have to do.
DEAR = 2.0

Vector = NDArray[np.float64]


# Where the samples of a second look start.
FRESH = 10**6


def draw(space: Space, n: int, d: int, index: int) -> Vector:
    """Draw one null sample."""
    rng = stream(index, f"level/rows/{space}/{n}/{d}")
    if space == "cube":
        return rng.random((n, d))
    x = rng.standard_normal((n, d))
    if space == "sphere":
        return np.asarray(x / np.sqrt(np.square(x).sum(axis=1))[:, None])
    return x @ rng.standard_normal((d, d)) + 3.0 if space == "residuals" else x


def observe(
    space: Space, n: int, d: int, specs: Sequence[Spec], params: Any, samples: int, first: int = 0
) -> Vector:
    """Evaluate the varying part of every test on null samples, (samples, tests)."""

    def task(part: slice) -> Vector:
        out = np.empty((part.stop - part.start, len(specs)))
        for row, index in enumerate(range(part.start, part.stop)):
            x = draw(space, n, d, first + index)
            canonical = as_target(TARGET_OF[space]).canonical(as_sample(x))
            rows, factor = rows_of(canonical, space, specs[0].name)
            view = RowView(rows, factor, threads=False)
            chosen = [params.get(s.name, {}) for s in specs]
            values = evaluate_all(view, [s.statistic for s in specs], chosen)
            out[row] = [varying for _, varying in values]
        return out

    return np.concatenate(list(run_tasks(task, blocks(samples, 50))))


def pvalues_of(spec: Spec, observed: Vector, null: Vector) -> Vector:
    """Rank one test's statistics among its replicates, on its side or sides."""
    signs = np.array(spec.signs)
    if len(signs) == 1:
        return np.asarray(rank_pvalues(signs * observed, signs[0] * null))
    drawn = null[:, None] * signs
    return np.array([min_p(signs * value, drawn)[0] for value in observed])


def milliseconds(space: Space, n: int, d: int, spec: Spec) -> float:
    """Time one evaluation of a test."""
    observe(space, n, d, [spec], {}, 1)
    start = time.perf_counter()
    observe(space, n, d, [spec], {}, 1)
    return 1e3 * (time.perf_counter() - start)


def cell(space: Space, n: int, d: int, samples: int) -> list[dict[str, Any]]:
    """Sizes of all tests of one space at one (n, d)."""
    found = []
    groups: dict[int, list[Spec]] = {}
    for spec in ROWS:
        if spec.space != space or (spec.most is not None and n > spec.most):
            continue
        if spec.name == "covariance-lrt" and n <= d:
            continue
        if spec.coloured or spec.exact:
            count = min(samples, FEWEST if spec.coloured else samples)
            found.append(directly(space, n, d, spec, count))
            continue
        dear = milliseconds(space, n, d, spec) > DEAR
        groups.setdefault(min(samples, FEWEST if dear else samples), []).append(spec)
    for count, specs in groups.items():
        replicates = count * (5 if n * d <= 1000 and count > FEWEST else 1)
        observed = observe(space, n, d, specs, {}, count)
        seed = GRID.index((n, d))
        null = replicates_of(RowNull(space, n, d), specs, {}, replicates, seed)[:, :, 0]
        found += [
            row_of(space, n, d, spec, pvalues_of(spec, observed[:, j], null[:, j]), replicates)
            for j, spec in enumerate(specs)
        ]
    return found


def directly(space: Space, n: int, d: int, spec: Spec, samples: int) -> dict[str, Any]:
    """Take p-values from the public function, each with its own replicates, or exact ones."""
    pvalues = np.array(
        [
            dmtest.run_test(
                draw(space, n, d, i), spec.name, TARGET_OF[space], replicates=99, rng=i
            ).pvalue
            for i in range(samples)
        ]
    )
    return row_of(space, n, d, spec, pvalues, None)


def row_of(
    space: Space, n: int, d: int, spec: Spec, pvalues: Vector, replicates: int | None
) -> dict[str, Any]:
    """One row of the table; p-values with replicates of their own have no error in common."""
    row = summary(
        TARGET_OF[space], n, d, spec.name, "rows", pvalues, len(pvalues), replicates or 10**9
    )
    del row["p-value of"]
    return row | {"samples": len(pvalues), "replicates": replicates or "own"}


def again(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Measure what is beyond 3 standard errors on fresh samples."""
    spaces = {target: space for space, target in TARGET_OF.items()}
    for row in rows:
        row["fresh z"] = ""
        if abs(row["largest z"]) <= 3.0:
            continue
        n, d, space = row["n"], row["d"], spaces[row["target"]]
        spec = find(row["test"], row["target"])
        assert spec is not None
        count = row["samples"]
        if spec.exact:
            pvalues = np.array(
                [
                    dmtest.run_test(draw(space, n, d, FRESH + i), spec.name, row["target"]).pvalue
                    for i in range(count)
                ]
            )
            fresh = row_of(space, n, d, spec, pvalues, None)
        else:
            replicates = row["replicates"]
            observed = observe(space, n, d, [spec], {}, count, FRESH)
            null = replicates_of(RowNull(space, n, d), [spec], {}, replicates, FRESH)[:, 0, 0]
            fresh = row_of(space, n, d, spec, pvalues_of(spec, observed[:, 0], null), replicates)
        row["fresh z"] = fresh["largest z"]
        print(row, flush=True)
    return rows


def features(n: int, d: int, samples: int) -> list[dict[str, Any]]:
    """Sizes of the random-feature forms of n rows, calibrated at fewer."""
    from dataclasses import replace

    from dmtest.calibration.budget import FEATURE_ROWS

    found = []
    for space in ("residuals", "normal"):
        specs = [
            replace(s, name=f"{s.name}/features", statistic=s.features)
            for s in ROWS
            if s.space == space and s.features is not None
        ]
        params = {s.name: {"n": n} for s in specs}
        observed = observe(space, n, d, specs, params, samples)
        null = replicates_of(RowNull(space, FEATURE_ROWS, d), specs, params, samples, 0)[:, :, 0]
        found += [
            row_of(space, n, d, s, pvalues_of(s, observed[:, j], null[:, j]), samples)
            for j, s in enumerate(specs)
        ]
    return found


def main() -> None:
    """Run the grid and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--features", action="store_true", help="the random-feature forms")
    parser.add_argument("--again", action="store_true", help="a second look at the outliers")
    options = parser.parse_args()
    os.environ["DMTEST_CACHE_DIR"] = "off"
    rows: list[dict[str, Any]] = []
    name = "level-features" if options.features else "level-rows"
    with single_threaded_blas():
        if options.again:
            rows = again(stored_rows("level", name))
        elif options.features:
            rows = features(10_000, 8, min(options.samples, FEWEST))
        for n, d in () if options.features or options.again else GRID:
            for space in TARGET_OF:
                if space == "residuals" and n <= d:
                    continue
                start = time.perf_counter()
                samples = options.samples if n < 1000 else min(options.samples, 2 * FEWEST)
                rows += cell(space, n, d, samples)
                print(space, n, d, f"{time.perf_counter() - start:.0f} s", flush=True)
                save(name, rows)
    save(name, rows)
    worst = max(rows, key=lambda row: abs(row["largest z"]))
    print(f"{len(rows)} rows in benchmarks/results/{name}.md; furthest from nominal: {worst}")


def save(name: str, rows: list[dict[str, Any]]) -> None:
    """Write what there is so far: the whole grid takes the better part of an hour."""
    beyond = sum(abs(row["largest z"]) > 3.0 for row in rows)
    notes = (
        "`largest z`: deviation from nominal over 1, 5 and 10 % in standard errors, of samples "
        "and of the replicates that a cell has in common ('own': every sample has its own, or "
        f"the law is exact). {beyond} of {len(rows)} rows are beyond 3 on one of three levels; "
        f"chance alone gives about {0.005 * len(rows):.1f}. `fresh z`: those rows once more, on "
        "other samples and replicates."
    )
    write("level", name, "Size of every test of rows", rows, notes)


if __name__ == "__main__":
    main()
