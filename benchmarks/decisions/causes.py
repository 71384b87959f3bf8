"""Causes in reports: false alarms on exact samples, and agreement of verdict, tables and words.

python -m benchmarks.decisions.causes level [--samples 50]
python -m benchmarks.decisions.causes agreement [--samples 500]
"""

from __future__ import annotations

import argparse
import warnings
from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmtest
from benchmarks.tables import stored_rows, write
from tests.support.random_reports import contradictions, random_case

Vector = NDArray[np.float64]
# Targets and shapes of exact samples.
CELLS = (
    ("normal", 50, 2),
    ("normal", 200, 1),
    ("normal", 300, 8),
    ("normal", 1000, 32),
    ("any-normal", 30, 3),
    ("any-normal", 200, 6),
    ("any-normal", 1000, 16),
    ("uniform", 200, 1),
    ("uniform", 500, 4),
    ("sphere", 200, 5),
    ("ranks", 200, 3),
    ("reference", 200, 4),
)
DRAWS, STUDY = 20, "decisions"


def exact(target: str, n: int, d: int, seed: int) -> tuple[Vector, Any]:
    """Draw a sample of its target."""
    rng = np.random.default_rng([77, n, d, seed])
    x = rng.standard_normal((n, d))
    if target == "any-normal":
        return x @ np.triu(rng.standard_normal((d, d)) + 2.0 * np.eye(d)) + 3.0, target
    if target == "uniform":
        return rng.random((n, d)), target
    if target == "sphere":
        return x / np.linalg.norm(x, axis=1)[:, None], target
    if target == "ranks":
        return rng.integers(0, DRAWS + 1, (n, d)).astype(np.float64), dmtest.Ranks(DRAWS)
    if target == "reference":
        return x, dmtest.Reference(rng.standard_normal((n, d)))
    return x, target


def level(samples: int) -> None:
    """Count reports on exact samples with a finding; cells that are stored are kept."""
    name = "causes/level"
    rows = stored_rows(STUDY, name)
    done = {(row["target"], row["n"], row["d"]) for row in rows if row["reports"] >= samples}
    rows = [row for row in rows if (row["target"], row["n"], row["d"]) in done]
    for target, n, d in CELLS:
        if (target, n, d) in done:
            continue
        mismatches, warned, counts = 0, 0, Counter[str]()
        for seed in range(samples):
            x, law = exact(target, n, d, seed)
            report = dmtest.report(x, law, rng=seed)
            mismatches += report.verdict == "mismatch"
            warned += bool(report.warnings)
            counts.update({one.code for one in (*report.diagnosis, *report.warnings)})
        listed = ", ".join(f"{code} {count}" for code, count in counts.most_common())
        rows.append(
            {
                "target": target,
                "n": n,
                "d": d,
                "reports": samples,
                "mismatches": mismatches,
                "with findings about the data": warned,
                "findings": listed or "none",
            }
        )
        print(rows[-1], flush=True)
        write_level(name, rows)


def write_level(name: str, rows: list[dict[str, Any]]) -> None:
    """Write the table of false alarms."""
    total = sum(row["reports"] for row in rows)
    counts = Counter[str]()
    for row in rows:
        if row["findings"] != "none":
            for part in row["findings"].split(", "):
                code, count = part.rsplit(" ", 1)
                counts[code] += int(count)
    mismatches = sum(row["mismatches"] for row in rows)
    shares = ", ".join(f"{code} {count / total:.2%}" for code, count in counts.most_common())
    notes = (
        f"{total} reports on exact samples of their targets, alpha 5%: {mismatches} mismatches. "
        f"Reports with each finding, in the diagnosis or about the data: {shares or 'none'}. A "
        f"diagnosis is only written after a rejection, so its findings are at most the 5% of all "
        f"reports. `shape` repeats the tests that reject."
    )
    write(STUDY, name, "Findings in reports on exact samples", rows, notes)


def agreement(samples: int) -> None:
    """Look for contradictions in random reports, in the terminal and in the page."""
    warnings.simplefilter("ignore", dmtest.DataWarning)
    verdicts, wrong = Counter[str](), []
    for seed in range(samples):
        x, target = random_case(seed)
        report = dmtest.report(x, target, rng=seed, replicates=99)
        verdicts[report.verdict] += 1
        found = contradictions(report)
        if found:
            wrong.append(seed)
            print(seed, x.shape, target, found, flush=True)
    rows = [
        {
            "reports": samples,
            "mismatches": verdicts["mismatch"],
            "with a contradiction": len(wrong),
            "seeds": ", ".join(map(str, wrong[:20])) or "none",
        }
    ]
    notes = (
        "Random samples near and far from normal, any-normal, uniform, sphere and a reference: a "
        "mismatch if and only if a p-value is marked in the terminal (at 60, 80 and 120 columns) "
        "and in the page; marks, numbers and words agree (tests/support/random_reports.py)."
    )
    title = "Agreement of verdict, tables and sentences"
    print(write(STUDY, "causes/agreement", title, rows, notes))


def main() -> None:
    """Run a study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("study", choices=["level", "agreement"])
    parser.add_argument("--samples", type=int, default=None)
    given = parser.parse_args()
    if given.study == "level":
        level(given.samples or 50)
    else:
        agreement(given.samples or 500)


if __name__ == "__main__":
    main()
