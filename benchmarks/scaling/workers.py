"""Dask on one and two workers, the cost of its tasks, and a projection to more workers on paper.

    python -m benchmarks.scaling.workers FILE.npy

FILE has 1,000,000 x 256 float32. The tasks (a part of the rows; a merge of four summaries) are
also run by themselves, in one thread, for their CPU seconds: the projection needs nothing else.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import Any

import numpy as np

from benchmarks.tables import write
from dmtest.summaries.cluster import MERGED, PART_ROWS, _merged, _part, _rows_of_npy
from dmtest.summaries.summary import Summary

# Assumptions of the projection: bytes a second of the network to a worker and of the file system to
# all of them, and seconds of the scheduler a task.
NETWORK, FILES, OVERHEAD = 1e9, 1e10, 1e-3
WORKERS = (1, 2, 10, 100)
TRIES = 2


def timed(work: Any) -> tuple[float, Any]:
    """Return the CPU seconds of a call, and its result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def task_costs(path: str, columns: int, among: int) -> dict[str, float]:
    """Measure the tasks of a summary of `among` rows: CPU seconds and bytes."""
    options: dict[str, Any] = {"target": "normal", "rows": None, "memory": None, "rng": 0}

    def part(i: int) -> bytes:
        own = options | {"first": i * PART_ROWS}
        place = (path, i * PART_ROWS, (i + 1) * PART_ROWS)
        return _part(_rows_of_npy, place, own, None, None, among)

    part(0)  # kernels are loaded
    costs, parts = [], []
    for i in range(MERGED):
        spent, made = timed(partial(part, i))
        costs.append(spent)
        parts.append(made)
    merge, _ = timed(lambda: _merged(parts))
    final, _ = timed(lambda: Summary.from_bytes(parts[0]))
    return {
        "part, CPU s": sorted(costs)[1],  # the last part is shorter
        "merge of four, CPU s": merge,
        "last reading, CPU s": final,
        "bytes of a summary": float(len(parts[0])),
        "bytes of a part": 4.0 * columns * PART_ROWS,
    }


def projected(rows: float, workers: int, cost: dict[str, float]) -> float:
    """Return the seconds until the summary is there.

    Parts run in rounds of as many as there are workers, which read from one file system; every
    level of the tree of merges is a round of tasks that fetch three summaries from other workers;
    the scheduler hands out one task after the other.
    """
    parts = int(np.ceil(rows / PART_ROWS))
    reading = cost["bytes of a part"] * min(workers, parts) / FILES
    seconds = np.ceil(parts / workers) * (cost["part, CPU s"] + reading)
    tasks, level = parts, parts
    moved = 0.0 if workers == 1 else (MERGED - 1) * cost["bytes of a summary"] / NETWORK
    while level > 1:
        level = -(-level // MERGED)
        tasks += level
        seconds += np.ceil(level / workers) * (cost["merge of four, CPU s"] + moved)
    handed = OVERHEAD * tasks
    last = cost["last reading, CPU s"] + cost["bytes of a summary"] / NETWORK
    return float(max(seconds, handed) + last)


def measured(path: str) -> list[dict[str, Any]]:
    """Time the summary on one and on two workers, alternating; the fastest run counts."""
    from distributed import LocalCluster

    best: dict[int, tuple[float, float, int]] = {}
    clusters = {
        n: LocalCluster(n_workers=n, threads_per_worker=1, dashboard_address=None) for n in (1, 2)
    }
    try:
        for cluster in clusters.values():
            Summary.of(path, engine=cluster)  # workers import and load kernels
        for _ in range(TRIES):
            for n, cluster in clusters.items():
                start = time.perf_counter()
                summary = Summary.of(path, engine=cluster)
                took = time.perf_counter() - start
                found = (took, os.getloadavg()[0], summary.n)
                best[n] = min(best.get(n, found), found)
    finally:
        for cluster in clusters.values():
            cluster.close()
    return [
        {
            "workers": n,
            "seconds": round(took, 2),
            "times faster": round(best[1][0] / took, 2),
            "load of the machine": round(busy, 1),
            "rows": rows,
        }
        for n, (took, busy, rows) in best.items()
    ]


def _rounded(cost: dict[str, float]) -> dict[str, Any]:
    return {name: round(value, 3) if value < 1e4 else int(value) for name, value in cost.items()}


def main(path: str) -> None:
    """Measure tasks and workers, and write the three tables."""
    columns = np.load(path, mmap_mode="r").shape[1]
    costs = {n: task_costs(path, columns, n) for n in (10**6, 10**8, 10**9)}
    rows = [{"rows of the whole": f"{n:.0e}"} | _rounded(cost) for n, cost in costs.items()]
    notes = (
        f"CPU seconds of one thread, and bytes. A part has {PART_ROWS:,} rows of {columns} "
        f"columns; a merge is of {MERGED} summaries. A part carries the rows that may be among "
        f"the kept ones of the whole."
    )
    print(write("scaling", "scaling/tasks", "Tasks of Dask", rows, notes))
    table = []
    for n, cost in costs.items():
        alone = projected(n, 1, cost)
        table += [
            {
                "rows": f"{n:.0e}",
                "workers": one,
                "seconds": round(projected(n, one, cost), 1),
                "times faster": round(alone / projected(n, one, cost), 1),
            }
            for one in WORKERS
        ]
    notes = (
        f"On paper, from the costs of the tasks above. Assumed: a core a worker as fast as this "
        f"one, {NETWORK / 1e9:g} GB/s between workers, {FILES / 1e9:g} GB/s from the file system "
        f"to all, {1e3 * OVERHEAD:g} ms of the scheduler a task, no lost worker, and that every "
        f"merge fetches three of its four summaries."
    )
    print(write("scaling", "scaling/projection", "Projected workers", table, notes))
    notes = (
        "Seconds on the clock until the summary of 1,000,000 x 256 float32 is there, the fastest "
        f"of {TRIES} runs in turn, on a machine of {os.cpu_count()} cores that other programs "
        "shared: the load says how much."
    )
    print(write("scaling", "scaling/workers", "One and two workers", measured(path), notes))


if __name__ == "__main__":
    main(sys.argv[1])
