"""Tests against laws that can only be drawn from: their size, and their power beside `compare`.

python -m benchmarks.decisions.sampled level [--share 1.0]
python -m benchmarks.decisions.sampled power [--samples 100]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import write
from dmtest.battery.plan import Plan
from dmtest.battery.sampled import Drawn, run_sampled
from dmtest.battery.two_sample import run_comparison
from dmtest.catalogue.registry import draw_tests, pool_tests
from dmtest.data.sample import as_sample
from dmtest.runtime.parallel import run_tasks
from dmtest.runtime.streams import stream
from dmtest.targets.callables import Sampled
from dmtest.targets.reference import Reference

Vector = NDArray[np.float64]
Draw = Callable[[int, int, np.random.Generator], Vector]
# Samples of each size, in all columns and laws.
SIZES = {20: 60, 200: 30, 2000: 12}
COLUMNS = (1, 2, 16, 64)
# Rows and replicates in the study of power.
ROWS, REPLICATES = 200, 99
NAMES = [spec.name for spec in draw_tests(None)]
CENTRES = np.array([-3.0, 0.0, 4.0])


def clusters(
    n: int, d: int, rng: np.random.Generator, weights: tuple[float, ...] = (0.5, 0.3, 0.2)
) -> Vector:
    """Draw three normal clusters on a line."""
    return CENTRES[rng.choice(3, n, p=weights)][:, None] + rng.standard_normal((n, d))


def student(n: int, d: int, rng: np.random.Generator) -> Vector:
    """Draw multivariate t rows with 3 degrees of freedom."""
    return rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(3.0, (n, 1)) / 3.0)


def discrete(n: int, d: int, rng: np.random.Generator, shift: float = 0.0) -> Vector:
    """Draw counts of 0 to 5, a mixture of two kinds of rows; for d > 2 column 0 is constant."""
    share = np.where(rng.random((n, 1)) < 0.4, 0.1, 0.6) + shift * (np.arange(d) == 1)
    x = rng.binomial(5, share, (n, d)).astype(np.float64)
    if d > 2:
        x[:, 0] = 2.0
    return x


LAWS: dict[str, Draw] = {"clusters": clusters, "t(3)": student, "discrete mixture": discrete}


def tested(law: Draw, x: Vector, seed: int, replicates: int) -> Drawn:
    """Test a sample against a law."""
    target = Sampled(lambda n, rng: law(n, x.shape[1], rng))
    plan = Plan(target="sampled", seed=seed, replicates=replicates)
    return run_sampled(as_sample(x), target, draw_tests(None), plan)


def several(task: Callable[[int], Any], samples: int) -> Vector:
    """Run a task for every sample, over the threads."""
    return np.array(list(run_tasks(task, range(samples))))


def size_of(name: str, n: int, d: int, replicates: int, samples: int) -> dict[str, Any]:
    """Count the rejections at 5% of samples of a law, of all tests together and of single ones."""

    def task(i: int) -> list[float]:
        x = LAWS[name](n, d, stream(i, f"sampled/level/{name}/{n}/{d}"))
        found = tested(LAWS[name], x, i, replicates)
        return [found.pvalue, *(one.pvalue for one in found.outcomes)]

    counts = (several(task, samples) <= 0.05 + 1e-12).sum(axis=0)
    row = {"law": name, "n": n, "d": d, "replicates": replicates, "samples": samples}
    return row | dict(zip(("global", *NAMES), map(int, counts), strict=True))


def level(share: float) -> None:
    """Measure sizes at 5%: with 19 replicates, and with up to 199 where p is not clear."""
    rows = []
    for name in LAWS:
        for n in SIZES:
            for d in COLUMNS:
                rows.append(size_of(name, n, d, 19, max(2, round(share * SIZES[n]))))
                print(rows[-1], flush=True)
    rows.append(size_of("clusters", 20, 2, 199, round(share * 400)))
    write_level(rows)


def write_level(rows: list[dict[str, Any]]) -> None:
    """Write the table of sizes."""
    cells = [row for row in rows if row["replicates"] == 19]
    total = sum(row["samples"] for row in cells)
    error = float(np.sqrt(0.05 * 0.95 / total))
    sizes = {name: sum(row[name] for row in cells) / total for name in ("global", *NAMES)}
    listed = ", ".join(f"{name} {size:.3f}" for name, size in sizes.items())
    notes = (
        f"Rejections at 5% of samples of the law itself, by all tests together (global) and by "
        f"single ones. With 19 replicates, the {total} samples of all cells have sizes {listed} "
        f"(Monte Carlo error {error:.3f}). Rows of more replicates end early where p is clear. The "
        f"discrete mixture has a constant column for d > 2."
    )
    title = "Size of the tests against a law that is drawn from"
    print(write("decisions", "sampled/level", title, rows, notes))


def correlated(x: Vector) -> Vector:
    """Correlate columns 0 and 1."""
    x[:, 1] = 0.5 * x[:, 0] + np.sqrt(0.75) * x[:, 1]
    return x


# Departures: law, columns, and what draws data that depart.
DEPARTURES: dict[str, tuple[Draw, int, Callable[[int, int, np.random.Generator], Vector]]] = {
    "clusters, mean of 1 column +0.5": (
        clusters,
        2,
        lambda n, d, rng: clusters(n, d, rng) + np.array([0.5, 0.0]),
    ),
    "clusters, sd of 1 column x1.2": (
        clusters,
        2,
        lambda n, d, rng: clusters(n, d, rng) * [1.2, 1.0],
    ),
    "clusters, weights .5 .3 .2 to .62 .3 .08": (
        clusters,
        2,
        lambda n, d, rng: clusters(n, d, rng, (0.62, 0.3, 0.08)),
    ),
    "t(3), means of all columns +0.15": (
        student,
        16,
        lambda n, d, rng: student(n, d, rng) + 0.15,
    ),
    "t(3), mean of 1 column +0.4": (
        student,
        16,
        lambda n, d, rng: student(n, d, rng) + 0.4 * (np.arange(d) == 3),
    ),
    "t(3), sd of 1 column x1.4": (
        student,
        16,
        lambda n, d, rng: student(n, d, rng) * np.where(np.arange(d) == 3, 1.4, 1.0),
    ),
    "t(3), 2 columns correlated 0.5": (
        student,
        16,
        lambda n, d, rng: correlated(student(n, d, rng)),
    ),
    "t(3), independent lengths": (
        student,
        16,
        lambda n, d, rng: rng.standard_t(3, (n, d)),
    ),
    "discrete, share of 1 column +0.05": (
        discrete,
        16,
        lambda n, d, rng: discrete(n, d, rng, 0.05),
    ),
}


def power_of(name: str, samples: int) -> dict[str, Any]:
    """Measure power at 5% for one departure, beside `compare` with a reference of as many rows."""
    law, d, depart = DEPARTURES[name]

    def task(i: int) -> list[float]:
        rng = stream(i, f"sampled/power/{name}")
        x = depart(ROWS, d, rng)
        found = tested(law, x, i, REPLICATES)
        plan = Plan(target="reference", seed=i, replicates=REPLICATES)
        peer = run_comparison(as_sample(x), Reference(law(ROWS, d, rng)), pool_tests(None), plan)
        return [found.pvalue, *(one.pvalue for one in found.outcomes), peer.pvalue]

    shares = np.mean(several(task, samples) <= 0.05 + 1e-12, axis=0)
    labels = ("together", *NAMES, "compare")
    row: dict[str, Any] = {"departure": name, "d": d, "samples": samples}
    return row | dict(zip(labels, map(float, shares), strict=True))


def power(samples: int) -> None:
    """Measure power at 5% for every departure."""
    rows = []
    for name in DEPARTURES:
        rows.append(power_of(name, samples))
        print(rows[-1], flush=True)
    write_power(rows)


def write_power(rows: list[dict[str, Any]]) -> None:
    """Write the table of power."""
    notes = (
        f"n = {ROWS}, level 5%, {REPLICATES} replicates. `compare`: dmtest.compare with a "
        f"reference of {ROWS} rows of the law, all its tests together. Monte Carlo error of a "
        f"share p: sqrt(p (1 - p) / samples)."
    )
    title = "Power of the tests against a law that is drawn from"
    print(write("decisions", "sampled/power", title, rows, notes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["level", "power"])
    parser.add_argument("--samples", type=int, default=100)
    parser.add_argument("--share", type=float, default=1.0)
    options = parser.parse_args()
    if options.what == "level":
        level(options.share)
    else:
        power(options.samples)
