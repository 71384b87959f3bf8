"""What one pass with every statistic over pairs of rows costs, against two of them alone.

    python -m benchmarks.speed.pairs [--quick]

Wanted: at most 4 times Henze-Zirkler and energy, each computed alone.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from benchmarks.tables import write
from dmtest.catalogue.registry import ROWS, TESTS
from dmtest.catalogue.spec import Spec
from dmtest.engines.rows import RowView, evaluate_all
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.targets.transforms import mean_and_covariance, whiten


def seconds(view: RowView, rows: list[Spec], runs: int) -> float:
    """Time the fastest of several evaluations, after one that compiles."""
    functions, params = [row.statistic for row in rows], [{} for _ in rows]
    times = []
    with single_threaded_blas():
        for _ in range(runs + 1):
            # A view of its own: nothing that another run has cached.
            fresh = RowView(view.rows, precision=view.precision)
            start = time.perf_counter()
            evaluate_all(fresh, functions, params)
            times.append(time.perf_counter() - start)
    return min(times[1:])


def compared(n: int, d: int, precision: Any, runs: int) -> dict[str, Any]:
    """Compare all of them together with two alone."""
    x = np.random.default_rng(0).standard_normal((n, d), dtype=np.float32)
    view = RowView(whiten(x, *mean_and_covariance(x)), precision=precision)
    every = [
        row
        for row in ROWS
        if row.family == "pairs" and row.space == "residuals" and row.most is None
    ]
    together = seconds(view, every, runs)
    alone = {name: seconds(view, [TESTS[name]], runs) for name in ("henze-zirkler", "energy")}
    return {
        "n": n,
        "d": d,
        "precision": precision,
        "statistics": len(every),
        "together s": together,
        "henze-zirkler s": alone["henze-zirkler"],
        "energy s": alone["energy"],
        "ratio": together / sum(alone.values()),
        "wanted": "<= 4",
    }


def main() -> None:
    """Run and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer runs and fewer rows")
    quick = parser.parse_args().quick
    n, runs = (1000, 2) if quick else (5000, 9)
    rows = [compared(n, 64, precision, runs) for precision in ("auto", "double")]
    rows.append(compared(n, 8, "auto", runs))
    for row in rows:
        print(row)
    notes = "Fastest of several runs each, whitened rows given; seconds."
    write("speed", "speed/pairs", "Every statistic over pairs in one pass", rows, notes)


if __name__ == "__main__":
    main()
