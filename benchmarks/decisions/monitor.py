"""Monitor: probability of ever rejecting a stream that follows its target, and delays of drifts.

python -m benchmarks.decisions.monitor [level] [delay]
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

import dmtest
from benchmarks.tables import write
from dmtest.runtime.streams import stream

Rows = Any
# Columns, rows of a batch, batches, streams.
LEVELS = ((1, 16, 200, 1000), (4, 32, 200, 1000), (16, 64, 100, 500), (64, 256, 50, 200))
D, N, MOST, REPEATS = 16, 256, 100, 20
ONE = np.arange(D) == 3


def one_uniform(x: Rows, rng: np.random.Generator) -> Rows:
    """Make column 3 uniform, of variance 1."""
    return np.where(ONE, np.sqrt(12.0) * (rng.random(x.shape) - 0.5), x)


def correlated(x: Rows, rng: np.random.Generator) -> Rows:
    """Make the last column repeat the first, with correlation 0.5."""
    last = 0.5 * x[:, :1] + np.sqrt(0.75) * x[:, -1:]
    return np.concatenate([x[:, :-1], last], axis=1)


DRIFTS: dict[str, Callable[[Rows, np.random.Generator], Rows]] = {
    "mean of one column 0.1": lambda x, rng: x + 0.1 * ONE,
    "mean of one column 0.3": lambda x, rng: x + 0.3 * ONE,
    "mean of all columns 0.03": lambda x, rng: x + 0.03,
    "all scaled by 1.02": lambda x, rng: 1.02 * x,
    "two columns correlated 0.5": correlated,
    "one column uniform": one_uniform,
    "Student's t, 20 degrees of freedom": lambda x, rng: (
        x * np.sqrt(18.0 / rng.chisquare(20, (len(x), 1)))
    ),
    "Laplace margins": lambda x, rng: rng.laplace(size=x.shape) / np.sqrt(2.0),
}


def null_run(job: tuple[int, int, int, int]) -> float:
    """Return the largest evidence of one stream from N(0, I)."""
    d, n, batches, index = job
    rng = stream(1, f"level/{d}/{n}", index)
    monitor = dmtest.Monitor("normal")
    for _ in range(batches):
        state = monitor.update(rng.standard_normal((n, d)))
    return state.largest


def levels(pool: ProcessPoolExecutor) -> None:
    """Measure how often 1 / alpha is ever reached under the target."""
    rows = []
    for d, n, batches, streams in LEVELS:
        jobs = [(d, n, batches, i) for i in range(streams)]
        largest = np.array(list(pool.map(null_run, jobs, chunksize=10)))
        found: dict[str, Any] = {"d": d, "rows a batch": n, "batches": batches, "streams": streams}
        for alpha in (0.01, 0.05, 0.1, 0.5):
            found[f"ever at {alpha}"] = float(np.mean(largest >= 1.0 / alpha))
        rows.append(found)
    notes = "Share of streams whose evidence ever reached 1 / alpha; it may not exceed alpha."
    print(write("decisions", "monitor/level", "Monitor: streams that follow N(0, I)", rows, notes))


def delays_of(job: tuple[str, int, int]) -> tuple[float, float, float]:
    """Batches of drift until the monitor, and two rules on batch p-values, reject."""
    name, start, index = job
    rng = stream(2, f"delay/{name}/{start}", index)
    monitor = dmtest.Monitor("normal")
    found = [np.inf, np.inf, np.inf]
    log_e = 0.0
    for t in range(1, start + MOST + 1):
        x = rng.standard_normal((N, D))
        x = DRIFTS[name](x, rng) if t > start else x
        if np.isinf(found[0]) and monitor.update(x).rejected:
            found[0] = t - start
        if np.isinf(found[1:]).any():
            p = batch_pvalue(x)
            log_e += np.log(0.5) - 0.5 * np.log(p)
            if np.isinf(found[1]) and log_e >= np.log(20.0):
                found[1] = t - start
            if np.isinf(found[2]) and p <= 0.05 / (t * (t + 1.0)):
                found[2] = t - start
        if np.isfinite(found).all():
            break
    return found[0], found[1], found[2]


def batch_pvalue(x: Rows) -> float:
    """Bonferroni over three tests of one batch."""
    names = ["anderson-darling", "energy", "radius"]
    outcomes = dmtest.run_tests(x, names, "normal", rng=0)
    return min(1.0, 3.0 * min(outcome.pvalue for outcome in outcomes))


def delays(pool: ProcessPoolExecutor) -> None:
    """Measure how many batches of drift are needed, from the start and after 50 good ones."""
    rows = []
    for name in DRIFTS:
        for start in (0, 50):
            jobs = [(name, start, i) for i in range(REPEATS)]
            found = np.array(list(pool.map(delays_of, jobs)))
            row: dict[str, Any] = {"drift": name, "good batches before": start}
            rules = ("monitor", "calibrated p-values", "alpha spent on p-values")
            for rule, column in zip(rules, found.T, strict=True):
                median = float(np.median(column))
                row[rule] = f"{median:g}" if np.isfinite(median) else f"> {MOST}"
            row["monitor, false alarms"] = int(np.sum(found[:, 0] <= 0))
            rows.append(row)
    notes = (
        f"Median batches of drift until rejection at 0.05, over {REPEATS} streams of d = {D}, "
        f"{N} rows a batch. The two other rules take a Bonferroni p-value of Anderson-Darling over "
        f"slices, energy and radius of every batch: the product of e-values 1 / (2 sqrt p), and "
        f"rejection at alpha / (t (t + 1)), which shipped nulls of 2,000 replicates cannot reach "
        f"after a few batches."
    )
    print(write("decisions", "monitor/delay", "Monitor: delay of drifts", rows, notes))


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as workers:
        for word in sys.argv[1:] or ("level", "delay"):
            {"level": levels, "delay": delays}[word](workers)
