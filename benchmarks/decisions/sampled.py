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


def level(share: float) -> None:
    """Measure the size at 5% of all tests together, and of single tests."""
    rows: list[dict[str, Any]] = []
    cases = [
        (name, n, d, 19, max(2, round(share * SIZES[n])))
        for name in LAWS
        for n in SIZES
        for d in COLUMNS
    ]
    # With stopping: up to 199 replicates.
    cases += [("clusters", 20, 2, 199, round(share * 400))]
    for name, n, d, replicates, samples in cases:

        def task(i: int, name: str = name, n: int = n, d: int = d, b: int = replicates) -> Any:
            x = LAWS[name](n, d, stream(i, f"sampled/level/{name}/{n}/{d}"))
            found = tested(LAWS[name], x, i, b)
            return [found.pvalue, *(one.pvalue for one in found.outcomes)]

        found = several(task, samples) <= 0.05 + 1e-12
        rows.append(
            {"law": name, "n": n, "d": d, "replicates": replicates, "samples": samples}
            | {"global": int(found[:, 0].sum())}
            | {
                spec.name: int(column.sum())
                for spec, column in zip(draw_tests(None), found[:, 1:].T, strict=True)
            }
        )
        print(rows[-1], flush=True)
    cells = [row for row in rows if row["replicates"] == 19]
    total = sum(row["samples"] for row in cells)
    error = float(np.sqrt(0.05 * 0.95 / total))
    sizes = {
        name: sum(row[name] for row in cells) / total
        for name in ("global", *(spec.name for spec in draw_tests(None)))
    }
    listed = ", ".join(f"{name} {size:.3f}" for name, size in sizes.items())
    notes = (
        f"Rejections at 5% of samples of the law itself, all tests together (global) and single. "
        f"With 19 replicates, the {total} samples of all cells have sizes {listed} (Monte Carlo "
        f"error {error:.3f}). The last row stops where p is above 0.1. The discrete mixture has a "
        f"constant column for d > 2."
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


def power(samples: int) -> None:
    """Measure power at 5% with n = 200, beside `compare` with a reference of 200 rows."""
    n, replicates, rows = 200, 99, []
    for name, (law, d, depart) in DEPARTURES.items():

        def task(
            i: int, name: str = name, law: Draw = law, d: int = d, depart: Any = depart
        ) -> Any:
            rng = stream(i, f"sampled/power/{name}")
            x = depart(n, d, rng)
            found = tested(law, x, i, replicates)
            plan = Plan(target="reference", seed=i, replicates=replicates)
            other = Reference(law(n, d, rng))
            peer = run_comparison(as_sample(x), other, pool_tests(None), plan).pvalue
            return [found.pvalue, *(one.pvalue for one in found.outcomes), peer]

        shares = np.mean(several(task, samples) <= 0.05 + 1e-12, axis=0)
        labels = ["together", *(spec.name for spec in draw_tests(None))]
        labels.append("compare")
        rows.append(
            {"departure": name, "d": d} | dict(zip(labels, map(float, shares), strict=True))
        )
        print(rows[-1], flush=True)
    notes = (
        f"n = {n}, {samples} samples, level 5%, {replicates} replicates. `compare`: dmtest.compare "
        f"with a reference of {n} rows of the law, all four tests together."
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
