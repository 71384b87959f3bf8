"""How near to the machine's own limits the fastest computations are, and what those would give.

    python -m benchmarks.speed.floors

The limit is measured in the same run: float32 multiply-adds a second of all threads. No program
that multiplies float32 numbers in the usual way can take less time than the floor; the last
column is the ratio that it would reach.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pingouin
from numba import njit
from scipy import stats

from benchmarks.speed.originals import fastest, ours
from benchmarks.speed.peers import SLICED, seconds
from benchmarks.tables import write
from dmtest.engines.directions import random_directions
from dmtest.engines.slices import slice_statistics
from dmtest.runtime.parallel import run_tasks, workers

LANES = 192  # accumulators: enough for the latency of two pipes of sixteen lanes


@njit(nogil=True, fastmath=True)
def multiply_add(start: Any, repeats: int) -> Any:
    """Do LANES float32 multiply-adds, `repeats` times over."""
    total = start.copy()
    for _ in range(repeats):
        for i in range(LANES):
            total[i] = total[i] * np.float32(0.999) + np.float32(0.5)
    return total


def all_threads(work: Callable[[Any], Any], tasks: Any) -> float:
    """Time the fastest run of tasks by all threads."""
    return fastest(lambda: list(run_tasks(work, tasks)), budget=1.0)


def flops() -> float:
    """Float32 operations a second, a multiply-add counting as two."""
    start, repeats, tasks = np.ones(LANES, dtype=np.float32), 200_000, 4 * workers()
    took = all_threads(lambda _: multiply_add(start, repeats), range(tasks))
    return 2.0 * LANES * repeats * tasks / took


def row(work: str, mine: float, peer: float, floor: float, what: str) -> dict[str, Any]:
    """One line of the table."""
    made = {"work": work, "floor": what, "dmtest s": mine, "peer s": peer, "floor s": floor}
    made |= {"dmtest / floor": mine / floor, "peer / dmtest": peer / mine}
    made |= {"peer / floor": peer / floor}
    print({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in made.items()}, flush=True)
    return made


def main() -> None:
    """Measure limits, dmtest and peers in one run."""
    rng = np.random.default_rng(0)
    n, d, k = 100_000, 64, 256
    x, u = rng.standard_normal((n, d), dtype=np.float32), random_directions(k, d, rng)
    single = u.astype(np.float32)
    one = {"k2": SLICED["dagostino-pearson"]}
    y = rng.standard_normal((10_000, d))
    peak = flops()
    limits = f"{peak / 1e9:.0f} GFLOPS in float32"
    print(limits, flush=True)
    peers = [
        min(seconds(lambda: stats.normaltest(x @ single.T, axis=0)) for _ in range(3)),
        min(seconds(lambda: pingouin.multivariate_normality(y)) for _ in range(2)),
    ]
    mine = [
        fastest(lambda: slice_statistics(x, u, "fitted", one, moments_only=True), 2.0),
        fastest(ours("henze-zirkler", "any-normal", y), 2.0),
    ]
    rows = [
        row(
            f"dagostino-pearson on {k} slices of {n:,} x {d}, projection and all",
            mine[0],
            peers[0],
            2.0 * n * d * k / peak,
            "the multiply-adds of the product, nothing else",
        ),
        row(
            f"henze-zirkler, {len(y):,} x {d}",
            mine[1],
            peers[1],
            float(len(y)) ** 2 * d / peak,
            "the multiply-adds of half the Gram matrix, no exponentials",
        ),
    ]
    notes = f"This machine in this run: {limits}, {workers()} threads. Peers are warm."
    write("speed", "speed/floors", "Limits of the machine", rows, notes)


if __name__ == "__main__":
    main()
