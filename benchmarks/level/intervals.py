"""Coverage of the intervals that benchmarks/level/coverage.py leaves out.

    python -m benchmarks.level.intervals [--runs 200]

Effective ranks and the worst margin of normal rows with four standard deviations, effects of
classes, and effects of two samples up to a rotation: each interval beside the truth of its law.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmtest
from benchmarks.tables import RUNS, write

Rows = NDArray[np.float64]
SD = np.array([1.4, 1.2, 1.0, 0.8])
CLASSES = np.array([-0.5, 0.0, 0.5])  # mean of all columns of a class
WITHIN = 0.8  # variance of all columns within a class
MARGIN_NOISE = 0.3  # of the worst margin
DRAWS = 2_000_000
ALPHA = 0.05
STORE = RUNS / "intervals.jsonl"  # laws that were measured are not measured again


def ranks(rng: np.random.Generator) -> Any:
    """Report on N(0, diag(SD^2))."""
    rows = rng.standard_normal((400, 4)) * SD
    return dmtest.report(rows, tests=["mean"], rng=int(rng.integers(2**31))).effects


def classes(rng: np.random.Generator) -> Any:
    """Report on three classes whose means and variances differ from the target's."""
    labels = np.arange(600) % 3
    rows = math.sqrt(WITHIN) * rng.standard_normal((600, 4)) + CLASSES[labels, None]
    seed = int(rng.integers(2**31))
    found = dmtest.report(rows, tests=["mean"], labels=labels, effects=False, rng=seed)
    assert found.classes is not None
    return found.classes.effects


def first(rng: np.random.Generator, n: int) -> Rows:
    """Draw the data that are compared up to a rotation."""
    return np.asarray(rng.standard_normal((n, 4)) * SD + np.array([0.0, 1.5, 0.0, 0.0]))


def second(rng: np.random.Generator, n: int) -> Rows:
    """Draw their reference."""
    return np.asarray(rng.standard_normal((n, 4)) + np.array([1.0, 0.0, 0.0, 0.0]))


def rotated(rng: np.random.Generator) -> Any:
    """Compare two samples up to a rotation."""
    seed = int(rng.integers(2**31))
    x, y = first(rng, 400), second(rng, 300)
    return dmtest.compare(x, y, rotation=True, tests=["energy"], replicates=99, rng=seed).effects


def truths() -> dict[str, tuple[Callable[[np.random.Generator], Any], dict[str, float]]]:
    """Return what is run, with the true value of each effect."""
    shares = SD**2 / (SD**2).sum()
    ratio = (SD**2 + MARGIN_NOISE**2) / (1.0 + MARGIN_NOISE**2)
    margins = 0.5 * (ratio - 1.0 - np.log(ratio))
    between = float((CLASSES**2).mean())
    within = 2.0 * (WITHIN - 1.0 - math.log(WITHIN))
    rng = np.random.default_rng(1)
    lengths = [np.sort(np.linalg.norm(draw(rng, DRAWS), axis=1)) for draw in (first, second)]
    return {
        "N(0, diag(1.4, 1.2, 1, 0.8)^2), 400 x 4": (
            ranks,
            {
                "effective-rank": float(np.exp(-(shares * np.log(shares)).sum())),
                "participation-ratio": float(1.0 / (shares**2).sum()),
                "kl-worst-margin": float(margins.max()),
            },
        ),
        "three classes of 200 x 4": (
            classes,
            {
                "variance-between-classes": between / (between + WITHIN),
                "kl-classes": 2.0 * between + within,
                "kl-classes-common": 0.0,
                "kl-classes-between": 2.0 * between,
                "kl-classes-within": within,
            },
        ),
        "400 and 300 rows of 4 columns, up to a rotation": (
            rotated,
            {
                "length-difference": float(np.sqrt(np.square(lengths[0] - lengths[1]).mean())),
                "spectrum-difference": float(np.linalg.norm(SD - 1.0)),
                "mean-lengths": 0.5,
            },
        ),
    }


def main() -> None:
    """Count how often intervals hold the truth, and write the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=200)
    runs = parser.parse_args().runs
    RUNS.mkdir(exist_ok=True)
    lines = STORE.read_text(encoding="utf-8").splitlines() if STORE.exists() else []
    rows = [json.loads(line) for line in lines]
    done = {row["law"] for row in rows}
    for number, (law, (run, values)) in enumerate(truths().items()):
        if law in done:
            continue
        printed, held, open_ends = (dict.fromkeys(values, 0) for _ in range(3))
        for seed in range(runs):
            effects = run(np.random.default_rng([number, seed]))
            for name, truth in values.items():
                one = effects[name]
                if one.low is None:
                    continue
                printed[name] += 1
                open_ends[name] += one.high is None
                held[name] += one.low <= truth and (one.high is None or truth <= one.high)
        for name, truth in values.items():
            if not printed[name]:
                continue
            covered = held[name] / printed[name]
            row = {"law": law, "effect": name, "truth": truth, "coverage": covered}
            error = math.sqrt(ALPHA * (1.0 - ALPHA) / printed[name])
            row |= {"standard error": error, "printed": printed[name] / runs}
            rows.append(row | {"no upper limit": open_ends[name] / printed[name], "runs": runs})
            with STORE.open("a", encoding="utf-8") as store:
                store.write(json.dumps(rows[-1]) + "\n")
            print(rows[-1], flush=True)
    notes = (
        "Share of printed intervals that hold the true value; nominal 0.95. The standard error is "
        "that of a coverage of 0.95."
    )
    print(write("level", "coverage/others", "Ranks, classes, rotations", rows, notes))


if __name__ == "__main__":
    main()
