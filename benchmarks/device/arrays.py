"""Rows on a GPU: time and agreement of summaries, and of sums over pairs, with those of the host.

    python -m benchmarks.device.arrays [--device cuda] [--rows 2000000] [--columns 256]

Draws the rows on the device, reports on them there and on a copy on the host, and prints one line
of JSON: seconds, rows a second, and the largest difference of statistics and p-values. With
``--library cupy`` the rows are those of CuPy. ``--device cpu`` runs the same code on tensors of the
host, which the tests do.
"""

from __future__ import annotations

import argparse
import json
import time
from typing import Any

import numpy as np

import dmtest
from dmtest.engines import device
from dmtest.engines.gram import PairSum, pair_sums
from dmtest.kernels import pairs as kernels

# Rows of the sums over pairs.
PAIRS = 10_000
REQUESTS = (PairSum(kernels.mass, near=0.01), PairSum(kernels.mass, distance=True))


def drawn(library: str, place: str, n: int, d: int) -> Any:
    """Draw float32 rows of N(0, I) on a device."""
    if library == "cupy":
        import cupy

        return cupy.random.default_rng(0).standard_normal((n, d), dtype=cupy.float32)
    import torch

    generator = torch.Generator(place).manual_seed(0)
    return torch.randn((n, d), generator=generator, device=place)


def timed(work: Any) -> tuple[float, Any]:
    """Return the shorter of two times, in seconds, and the result."""
    found = []
    for _ in range(2):
        start = time.perf_counter()
        result = work()
        found.append(time.perf_counter() - start)
    return min(found), result


def study(library: str, place: str, n: int, d: int) -> dict[str, Any]:
    """Time reports and sums over pairs on the device and on the host, and compare them."""
    if place == "cpu":
        device.ACCELERATORS = (*device.ACCELERATORS, "cpu")
    x = drawn(library, place, n, d)
    host = device.to_host(x)
    options: dict[str, Any] = {"rng": 0, "effects": False}
    on_device, ours = timed(lambda: dmtest.report(x, **options))
    on_host, theirs = timed(lambda: dmtest.report(host, **options))
    rows = host[:PAIRS].astype(np.float64)
    pairs_on_host, there = timed(lambda: pair_sums(rows, REQUESTS))
    with device.pairs_on(x):
        pairs_on_device, here = timed(lambda: pair_sums(rows, REQUESTS))
    statistics = [
        abs(a.statistic - b.statistic) / max(abs(b.statistic), 1e-6)
        for a, b in zip(ours.outcomes, theirs.outcomes, strict=True)
    ]
    pvalues = [
        abs(a.pvalue - b.pvalue) for a, b in zip(ours.outcomes, theirs.outcomes, strict=True)
    ]
    return {
        "library": library,
        "device": place,
        "rows": n,
        "columns": d,
        "report s": round(on_device, 3),
        "report on the host s": round(on_host, 3),
        "rows a second": round(n / on_device),
        "pairs s": round(pairs_on_device, 3),
        "pairs on the host s": round(pairs_on_host, 3),
        "largest relative difference of a statistic": max(statistics),
        "largest difference of a p-value": max(pvalues),
        "largest relative difference of a sum": max(abs(here[r] / there[r] - 1) for r in REQUESTS),
    }


def main() -> None:
    """Run the study for the arguments of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--library", choices=("torch", "cupy"), default="torch")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--columns", type=int, default=256)
    given = parser.parse_args()
    print(json.dumps(study(given.library, given.device, given.rows, given.columns)))


if __name__ == "__main__":
    main()
