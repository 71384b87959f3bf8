"""Size of the default battery at random shapes, on fresh samples of its target.

    DMTEST_CACHE_DIR=off python -m benchmarks.level.shipped [--seconds 20] [--only sphere]

Shapes are drawn at random, not from the grid of the shipped nulls: 20 to 1,000,000 rows, 1 to
1,024 columns, all targets and both precisions. Every sample runs the battery that a report
runs. Shapes of many values get few samples; rates over all shapes have the precision of all of
them. The error of the shipped nulls is not counted as noise: z-scores compare the share of
p-values at or below a level with the level, by the binomial law alone.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binom

from benchmarks.tables import stored_rows, write
from dmtest.battery.axes import run_axes
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.data.sample import as_sample
from dmtest.reports.verdict import combine
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.targets.targets import as_target

LEVELS = (0.05, 0.01)
TARGETS = ("normal", "any-normal", "uniform", "sphere")
SEED, SHAPES, MOST = 20_261_129, 100, 4000
# Values of the largest sample, which has to fit into memory beside its working copies.
VALUES = 3e7


@dataclass(frozen=True)
class Shape:
    """A random shape: its number, rows, columns, target and precision."""

    index: int
    n: int
    d: int
    target: str
    dtype: str


def shapes(count: int) -> list[Shape]:
    """Draw shapes: uniform in the logarithms of n and d, given that the sample fits."""
    rng = np.random.default_rng(SEED)
    found: list[Shape] = []
    while len(found) < count:
        n, d = (int(np.exp(rng.uniform(0.0, np.log(top)))) for top in (1e6, 1024.99))
        target, dtype = TARGETS[len(found) % 4], ("float32", "float64")[len(found) // 4 % 2]
        fits = n >= 20 and n * d <= VALUES and (target != "any-normal" or n >= 2 * d)
        if fits and (target != "sphere" or d > 1):
            found.append(Shape(len(found), n, d, target, dtype))
    return found


def draw(shape: Shape, rng: np.random.Generator) -> NDArray[Any]:
    """Draw a sample of the target."""
    dtype = np.dtype(shape.dtype).type
    if shape.target == "uniform":
        return rng.random((shape.n, shape.d), dtype=dtype)
    x = rng.standard_normal((shape.n, shape.d), dtype=dtype)
    return x / np.linalg.norm(x, axis=1, keepdims=True) if shape.target == "sphere" else x


def measure(shape: Shape, seconds: float) -> dict[str, NDArray[np.float64]]:
    """Run the battery on fresh samples for `seconds`; p-values by test, and the global one."""
    target = as_target(shape.target)
    found: dict[str, list[float]] = {}
    start, b = time.process_time(), 0
    with single_threaded_blas():
        while b < MOST and (b < 4 or time.process_time() - start < seconds):
            rng = np.random.default_rng([SEED, shape.index, b])
            canonical = target.canonical(as_sample(draw(shape, rng)))
            # Nulls on the sphere are simulated for each sample. So many replicates as a report
            # has, where they are affordable: of few ones the smallest of several ranks ties.
            budget = 1e10 if shape.target == "sphere" else None
            plan = Plan(target=shape.target, seed=b, replicates=999, budget=budget)
            battery = run_battery(
                canonical, chosen_tests(None, shape.target, canonical, plan), plan
            )
            for outcome in battery.outcomes:
                found.setdefault(outcome.test, []).append(outcome.pvalue)
                if outcome.worst_pvalue is not None and shape.d > 1:
                    found.setdefault(f"{outcome.test}, worst slice", []).append(
                        outcome.worst_pvalue
                    )
            axes = run_axes(canonical, [""] * shape.d, plan)
            if axes is not None:
                found.setdefault("axes", []).append(axes.outcome.pvalue)
            found.setdefault("min-p of these tests", []).append(battery.pvalue)
            combined = combine(battery, axes, [], canonical, shape.target, b)
            found.setdefault("global", []).append(combined.pvalue)
            b += 1
    return {name: np.array(values) for name, values in found.items()}


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--shapes", type=int, default=SHAPES)
    parser.add_argument("--only", choices=TARGETS, help="one target; the others' rows stay")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    drawn = [s for s in shapes(options.shapes) if options.only in (None, s.target)]
    pvalues: dict[Shape, dict[str, NDArray[np.float64]]] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        futures = {shape: pool.submit(measure, shape, options.seconds) for shape in drawn}
        for shape, future in futures.items():
            pvalues[shape] = future.result()
            count = len(pvalues[shape]["global"])
            rates = [float((pvalues[shape]["global"] <= level).mean()) for level in LEVELS]
            print(shape, count, "samples; global", rates, flush=True)
    save(pvalues)


def save(pvalues: dict[Shape, dict[str, NDArray[np.float64]]]) -> None:
    """Write two tables: by test over all shapes, and by shape."""
    names = list(dict.fromkeys(name for found in pvalues.values() for name in found))
    measured = {shape.target for shape in pvalues}
    kept, kept_shapes = (
        [row for row in stored_rows("level", name) if row["target"] not in measured]
        for name in ("level-shipped", "level-shapes")
    )
    by_test: list[dict[str, Any]] = []
    for target in TARGETS:
        by_test += [row for row in kept if row["target"] == target]
        for name in names:
            parts = [f[name] for s, f in pvalues.items() if s.target == target and name in f]
            if parts:
                row = _summary(np.concatenate(parts))
                scores = [_score(part, level) for part in parts for level in LEVELS]
                row |= {"largest z of a shape": round(max(scores, key=abs), 1)}
                by_test.append({"target": target, "test": name, "shapes": len(parts)} | row)
    worst = max(abs(row["largest z of a shape"]) for row in by_test)
    count = len(pvalues) + len(kept_shapes)
    write(
        "level",
        "level-shipped",
        "Size of the default battery at random shapes",
        by_test,
        f"{count} random shapes ({20} to 1,000,000 rows, 1 to 1,024 columns); the error of "
        f"the shipped nulls is not counted as noise. The largest |z| of a test at one shape is "
        f"{worst:.1f}. Nulls on the sphere are simulated for every sample, with 999 replicates or, "
        "of large samples, fewer.",
    )
    by_shape = kept_shapes
    for shape, found in pvalues.items():
        row = {"target": shape.target, "n": shape.n, "d": shape.d, "dtype": shape.dtype}
        scores = {name: max((_score(p, a) for a in LEVELS), key=abs) for name, p in found.items()}
        largest = max(scores, key=lambda name: abs(scores[name]))
        row |= {"tests": len(found) - 2} | _summary(found["global"])
        by_shape.append(row | {"farthest": largest, "its z": round(scores[largest], 1)})
    write(
        "level",
        "level-shapes",
        "Size of the global p-value at every random shape",
        by_shape,
        "The columns of sizes are those of the global p-value; the last two name the test that is "
        "farthest from its level, over two levels.",
    )


def _score(pvalues: NDArray[np.float64], level: float) -> float:
    """Return the normal score of the number of p-values at or below a level.

    It is that of the binomial tail, because few samples have a skewed number of rejections.
    """
    count, rejected = len(pvalues), int((pvalues <= level).sum())
    few = float(binom.cdf(rejected, count, level))
    many = float(binom.sf(rejected - 1, count, level))
    return float(ndtri(few) if few < many else -ndtri(many))


def _summary(pvalues: NDArray[np.float64]) -> dict[str, Any]:
    """Return sizes, with their Monte Carlo errors."""
    row: dict[str, Any] = {"samples": len(pvalues)}
    for level in LEVELS:
        error = np.sqrt(level * (1.0 - level) / len(pvalues))
        row |= {f"at {level:.0%}": round(float((pvalues <= level).mean()), 4)}
        row |= {f"error at {level:.0%}": round(float(error), 4)}
    return row


if __name__ == "__main__":
    main()
