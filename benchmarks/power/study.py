"""Power of every test at 5% against alternatives of the literature and of embeddings.

    python -m benchmarks.power.study [--samples 250] [--null 1500] [--part review]
    python -m benchmarks.power.study [--samples 240] [--null 1200] [--part embeddings]
    python -m benchmarks.power.study [--samples 240] --part search

Statistics of null and alternative samples go to ``benchmarks/runs/power/*.npz`` (badness of
every view of every test; larger is worse), p-values of the search over directions to
``search-*.npz``; ``python -m benchmarks.power.table`` makes the
tables and the plot from them, and weighs batteries.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.power.alternatives import EMBEDDINGS, MOMENTS, REVIEW
from benchmarks.tables import RUNS
from dmtest.battery.rows import rows_of
from dmtest.catalogue.registry import list_tests
from dmtest.catalogue.spec import Spec
from dmtest.data.sample import as_sample
from dmtest.effects.directions.one_sample import directions_of
from dmtest.engines.directions import random_directions
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.engines.slices import slice_statistics
from dmtest.reports.sections import DIRECTIONS, SEARCH_ROWS
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target

FOLDER = RUNS / "power"
SLICES = 64
# Rows times columns above which tests that search are left out: seconds for every sample.
SEARCHED = 150_000

Vector = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Cell:
    """One target at one shape."""

    target: str
    n: int
    d: int
    alternatives: tuple[str, ...]
    samples: int
    null: int

    @property
    def path(self) -> Path:
        """Where its statistics are kept."""
        return FOLDER / f"{self.target}-{self.n}-{self.d}.npz"


def cells(part: str, samples: int, null: int) -> list[Cell]:
    """Return the grid of one part of the study."""
    if part == "review":
        shapes = [(n, d) for d in (2, 5) for n in (20, 40, 50, 100, 200)]
        shapes += [(n, 3) for n in (20, 50, 100)]
        return [Cell("any-normal", n, d, tuple(REVIEW), samples, null) for n, d in shapes]
    few, fewer = max(samples // 4, 20), max(null // 4, 100)
    shapes = [(250, 8), (500, 8), (1000, 64), (2000, 64), (1000, 256), (2000, 256)]
    found = []
    for n, d in shapes:
        for target in ("any-normal", "normal"):
            names = tuple(EMBEDDINGS) + (tuple(MOMENTS) if target == "normal" else ())
            found.append(Cell(target, n, d, names, few, fewer))
    return found


def members(cell: Cell) -> tuple[list[Spec], list[Spec]]:
    """Return the tests of slices and of rows that the cell's sample can be given."""
    slices, rows = [], []
    for spec in list_tests(cell.target):
        if spec.family == "slices":
            slices.append(spec)
        elif spec.most is not None and cell.n * cell.d > 500:
            continue
        elif spec.family != "search" or cell.n * cell.d <= SEARCHED:
            rows.append(spec)
    return slices, rows


def columns(cell: Cell) -> list[str]:
    """Name the views of the tests: mean and worst slice, or the sides of a statistic."""
    slices, rows = members(cell)
    names = [f"{s.name}: {view}" for s in slices for view in ("mean", "worst")]
    return names + [f"{s.name}: {sign:+.0f}" for s in rows for sign in s.signs]


def badness(cell: Cell, x: Vector, rng: np.random.Generator) -> Vector:
    """Evaluate every view of every test on one sample; larger is worse."""
    slices, rows = members(cell)
    canonical = as_target(cell.target).canonical(as_sample(x))
    directions = random_directions(SLICES, cell.d, rng)
    values = slice_statistics(
        canonical.rows, directions, canonical.parameters, {s.name: s.statistic for s in slices}
    )
    out = []
    for j, spec in enumerate(slices):
        bad = spec.sign * values[:, j]
        out += [bad.mean(), bad.max()]
    found: dict[str, float] = {}
    for space in dict.fromkeys(spec.space for spec in rows):
        group = [spec for spec in rows if spec.space == space]
        its, factor = rows_of(canonical, space, group[0].name)
        view = RowView(its, factor, threads=False)
        results = evaluate_all(view, [s.statistic for s in group], [{} for _ in group])
        found |= {s.name: varying for s, (_, varying) in zip(group, results, strict=True)}
    for spec in rows:
        out += [sign * found[spec.name] for sign in spec.signs]
    return np.array(out)


def _chunk(task: tuple[Cell, str, int, int]) -> Vector:
    cell, name, first, last = task
    draws: dict[str, Callable[..., Vector]] = {**REVIEW, **EMBEDDINGS, **MOMENTS}
    draw = draws["normal" if name == "null" else name]
    out = []
    with single_threaded_blas():
        for index in range(first, last):
            rng = stream(index, f"power/{cell.target}/{cell.n}/{cell.d}/{name}")
            out.append(badness(cell, draw(rng, cell.n, cell.d), rng))
    return np.array(out)


def _search(task: tuple[Cell, str, int, int]) -> Vector:
    cell, name, first, last = task
    draw = {**REVIEW, **EMBEDDINGS, **MOMENTS}["normal" if name == "null" else name]
    out = []
    with single_threaded_blas():
        for index in range(first, last):
            rng = stream(index, f"power/{cell.target}/{cell.n}/{cell.d}/{name}")
            sample = as_sample(draw(rng, cell.n, cell.d))
            canonical = as_target(cell.target).canonical(sample)
            found = directions_of(canonical, DIRECTIONS, 1999, index, rows=SEARCH_ROWS)
            out.append(min(one.adjusted for one in found))
    return np.array(out)


def run(cell: Cell, pool: Any, work: Callable[..., Vector] = _chunk) -> None:
    """Evaluate a cell and write it."""
    jobs = [("null", cell.null), *((name, cell.samples) for name in cell.alternatives)]
    tasks = [
        (cell, name, first, min(first + 25, count))
        for name, count in jobs
        for first in range(0, count, 25)
    ]
    parts: dict[str, list[Vector]] = {}
    for task, values in zip(tasks, pool.map(work, tasks), strict=True):
        parts.setdefault(task[1], []).append(values)
    arrays = {name: np.concatenate(values).astype(np.float64) for name, values in parts.items()}
    if work is _search:
        np.savez_compressed(cell.path.with_name(f"search-{cell.path.name}"), **_safe(arrays))
    else:
        np.savez_compressed(cell.path, columns=np.array(columns(cell)), **_safe(arrays))


def _safe(arrays: dict[str, Vector]) -> dict[str, Any]:
    return {f"values/{name}": values for name, values in arrays.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a part of the grid; cells that are there already are left alone."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--null", type=int, default=2000)
    parser.add_argument("--part", choices=("review", "embeddings", "search"), default="review")
    options = parser.parse_args(arguments)
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ |= {"DMTEST_CACHE_DIR": "off", "DMTEST_THREADS": "1"}
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        search = options.part == "search"
        part = "embeddings" if search else options.part
        for cell in cells(part, options.samples, options.null):
            path = cell.path.with_name(f"search-{cell.path.name}") if search else cell.path
            # The search is needed where its power is asked for, at twice the smaller n; in
            # d = 256 the other tests do without it (benchmarks.power.table).
            if path.exists() or (search and (cell.n in (250, 1000) or cell.d == 256)):
                continue
            start = time.perf_counter()
            run(cell, pool, _search if search else _chunk)
            print(cell.target, cell.n, cell.d, f"{time.perf_counter() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main()
