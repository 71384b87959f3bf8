"""Checks against a baseline: how often a good encoder fails, and what is caught of what is worse.

    python -m benchmarks.decisions.check_power [--part PART] [--runs N] [--mnist FOLDER]

PART is level, directions or power; without it, all run. Every run is stored as it ends
(`benchmarks/runs/check-power`), so that a study goes on where it stopped; the tables are written
from all runs that are there. MNIST (`train-images-idx3-ubyte`) takes torch, and is left out
without a folder.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

import dmtest
from benchmarks.decisions.checks import (
    STEPS,
    Draw,
    Matrix,
    digits,
    embeddings,
    images,
    sampler,
    synthetic,
)
from benchmarks.tables import RUNS, write

FOLDER = RUNS / "check-power"
# Checks with one baseline; runs of a row of the tables.
RERUNS, LEVEL_RUNS, POWER_RUNS = 25, 400, 100
COLUMNS = 8
PAGE, MNIST = "check-power", "MNIST, 1,500 steps, n = 1,000, d = 8"


def normal(n: int, d: int = COLUMNS) -> Draw:
    """Draw from the target."""
    return lambda rng: rng.standard_normal((n, d))


def changed(name: str, n: int, d: int = COLUMNS) -> Draw:
    """Draw from a law that is worse than N(0, I)."""

    def draw(rng: np.random.Generator) -> Matrix:
        z = rng.standard_normal((n, d))
        if name == "mean of one column 0.1":
            z[:, 2] += 0.1
        elif name == "one correlation 0.1":
            z[:, 1] = 0.1 * z[:, 0] + np.sqrt(0.99) * z[:, 1]
        elif name == "t(10) tails, each column":
            z = rng.standard_t(10, (n, d)) / np.sqrt(1.25)
        elif name == "t(10) tails, whole rows":
            z *= np.sqrt(8.0 / rng.chisquare(10, (n, 1)))
        elif name == "a tenth of the rows repeated":
            tenth = n // 10
            z[:tenth] = z[tenth : 2 * tenth]
        elif name == "sd of one column 1.1":
            z[:, 3] *= 1.1
        else:
            z[:, 0] = rng.uniform(-np.sqrt(3.0), np.sqrt(3.0), n)
            if name == BIMODAL:
                z[:, 0] = rng.choice([-0.9, 0.9], n) + np.sqrt(0.19) * rng.standard_normal(n)
            z = z @ np.linalg.qr(rng.standard_normal((d, d)))[0]
        return z

    return draw


UNIFORM, BIMODAL = "one uniform direction, rotated", "one bimodal direction, rotated"
WORSE = (
    "mean of one column 0.1",
    "sd of one column 1.1",
    "one correlation 0.1",
    "t(10) tails, each column",
    "t(10) tails, whole rows",
    "a tenth of the rows repeated",
    UNIFORM,
)


def path_of(cell: str) -> Path:
    """Return the file of the runs of a cell."""
    return FOLDER / f"{cell.replace(' ', '-').replace(',', '').replace('/', '-')}.jsonl"


def stored(cell: str) -> list[dict[str, Any]]:
    """Return the runs of a cell that are there."""
    path = path_of(cell)
    done = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in done]


def run(cell: str, good: Draw, later: Draw, runs: int, reruns: int) -> None:
    """Check samples against baselines, `reruns` with each, and store every run."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    found, path = stored(cell), path_of(cell)
    kept = None
    for number in range(len(found), runs):
        series, place = divmod(number, reruns)
        if kept is None or place == 0:
            kept = dmtest.write_baseline(good(np.random.default_rng([series, 0])))
        result = dmtest.check(later(np.random.default_rng([series, 1, place])), kept, rng=number)
        found.append(
            {
                "baseline": series,
                "failed": [row.name for row in result.failures],
                "verdicts": [kept.report.verdict, result.report.verdict],
            }
        )
        with path.open("a") as file:
            file.write(json.dumps(found[-1]) + "\n")


def row(head: str, name: str, found: list[dict[str, Any]]) -> dict[str, Any]:
    """Summarise the runs of one cell."""
    runs = len(found)
    failed = [bool(one["failed"]) for one in found]
    share = float(np.mean(failed))
    which = Counter(row for one in found for row in one["failed"])
    baselines = sorted({one["baseline"] for one in found})
    by = [np.mean([bool(o["failed"]) for o in found if o["baseline"] == b]) for b in baselines]
    return {
        head: name,
        "checks": runs,
        "failed": share,
        "standard error": float(np.sqrt(max(share * (1.0 - share), 1.0 / runs**2) / runs)),
        "baselines": len(baselines),
        "worst baseline": float(max(by)),
        "mismatches": float(np.mean([one["verdicts"][1] == "mismatch" for one in found])),
        "failed in": ", ".join(f"{k} {v / runs:.2f}" for k, v in which.most_common(4)) or "none",
    }


def level_cells(mnist: Path | None) -> dict[str, Draw]:
    """Return encoders, each to be compared with itself."""
    known = synthetic()
    cells = {
        f"{name}, n = 500, d = 4": known[name]
        for name in ("N(0, I)", "N(0.1, 1.1^2 I)", "t, 5 df, each column", "two clusters")
    }
    cells |= {"N(0, I), n = 1,000, d = 8": normal(1000), "digits, n = 800, d = 6": digits()}
    if mnist is not None:
        encoded = sampler(embeddings(images(mnist), STEPS, 0))
        cells[MNIST] = encoded
    return cells


def main() -> None:
    """Run what is missing, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=("level", "directions", "power"))
    parser.add_argument("--runs", type=int)
    parser.add_argument("--mnist", type=Path)
    parser.add_argument("--only", default="", help="part of the names of the rows to run")
    asked = parser.parse_args()
    if asked.part in (None, "level"):
        for name, draw in level_cells(asked.mnist).items():
            if asked.only in name:
                run(f"level {name}", draw, draw, asked.runs or LEVEL_RUNS, RERUNS)
    if asked.part in (None, "directions"):
        for name in (UNIFORM, BIMODAL):
            if asked.only in name:
                later = changed(name, 4000)
                run(f"4000 {name}", normal(4000), later, asked.runs or POWER_RUNS, 10)
    if asked.part in (None, "power"):
        for n, count in ((1000, POWER_RUNS), (5000, POWER_RUNS // 2)):
            for name in WORSE:
                if asked.only in name:
                    run(f"power {n} {name}", normal(n), changed(name, n), asked.runs or count, 10)
    tables()


def tables() -> None:
    """Write the tables of all runs that are there."""
    told = "alpha = 0.05"
    names = [*level_cells(None), MNIST]
    cells = {name: stored(f"level {name}") for name in names}
    rows = [row("encoder", name, found) for name, found in cells.items() if found]
    notes = f"{told}; `failed` should be at most alpha plus three standard errors."
    if rows:
        print(write("decisions", f"{PAGE}/level", "The same encoder, fresh samples", rows, notes))
    cells = {name: stored(f"4000 {name}") for name in (UNIFORM, BIMODAL)}
    rows = [row("later encoder", name, found) for name, found in cells.items() if found]
    notes = f"{told}. Baselines are 4,000 x 8 rows of N(0, I), later samples as many."
    if rows:
        print(write("decisions", f"{PAGE}/directions", "One bad direction of eight", rows, notes))
    rows = []
    for name in WORSE:
        for n in (1000, 5000):
            found = stored(f"power {n} {name}")
            if found:
                one = row("later encoder", name, found)
                rows.append({"later encoder": name, "n": n} | one)
    notes = f"{told}. Baselines are n x 8 rows of N(0, I), later samples as many."
    if rows:
        print(write("decisions", f"{PAGE}/power", "What is caught", rows, notes))


if __name__ == "__main__":
    main()
