"""Error rates and power of the rules for outlying rows: python -m benchmarks.decisions.outliers.

Clean samples: how often any row is marked, and what share of rows. Samples with outliers: the
false discovery rate and the share of outliers that are found. A shape that is stored is not run
again, so a run can be resumed.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from benchmarks.tables import stored_rows, write
from dmtest.tables.scores import (
    RULES,
    RowScores,
    Rule,
    robust_scores,
    specified_scores,
    standing_out,
)
from dmtest.targets.canonical import known

ALPHA = 0.05
CLEAN = (
    *(("any-normal", n, d) for d in (2, 5, 10) for n in (50, 200, 1000)),
    *(("any-normal", 3000, d) for d in (5, 20)),
    *(("normal", n, d) for n in (200, 2000) for d in (2, 64)),
)
# Target, rows, columns, share of outliers, and how far each is moved: in standard deviations of
# all columns together, or of one column.
SHARES = (0.02, 0.1)
MIXED = (
    *(("any-normal", n, d, some, 6.0, "all") for n, d in ((100, 3), (500, 8)) for some in SHARES),
    ("any-normal", 500, 8, 0.3, 8.0, "all"),
    *(
        ("normal", 2000, d, some, 6.0, how)
        for d in (4, 64)
        for some in SHARES
        for how in ("all", "one")
    ),
)
COLUMNS: tuple[Rule, ...] = ("holm", "benjamini-hochberg", "adjusted-quantile")


def scored(x: np.ndarray, target: str, seed: int) -> RowScores:
    """Return the scores of the rows."""
    if target == "normal":
        return specified_scores(known(x))
    return robust_scores(x, seed, "outliers")


def clean(target: str, n: int, d: int, runs: int) -> dict[str, Any]:
    """Measure how often a rule marks a row of a clean sample, and the share that it marks."""
    any_row = dict.fromkeys(RULES, 0)
    share = dict.fromkeys(RULES, 0.0)
    for run in range(runs):
        scores = scored(np.random.default_rng([n, d, run]).standard_normal((n, d)), target, run)
        for rule in RULES:
            found = int(standing_out(scores, rule, ALPHA)[1].sum())
            any_row[rule] += found > 0
            share[rule] += found / n / runs
    row: dict[str, Any] = {"target": target, "n": n, "d": d, "runs": runs}
    row |= {f"{rule}: any": any_row[rule] / runs for rule in COLUMNS}
    return row | {f"{rule}: share": share[rule] for rule in ("adjusted-quantile", "quantile")}


def mixed(
    target: str, n: int, d: int, share: float, shift: float, how: str, runs: int
) -> dict[str, Any]:
    """Measure false discoveries and power where a share of the rows is moved."""
    many = round(share * n)
    false, found = dict.fromkeys(COLUMNS, 0.0), dict.fromkeys(COLUMNS, 0.0)
    for run in range(runs):
        rng = np.random.default_rng([n, d, run, many])
        x = rng.standard_normal((n, d))
        if how == "one":
            x[:many, 0] += shift
        else:
            directions = rng.standard_normal((many, d))
            x[:many] += shift * directions / np.linalg.norm(directions, axis=1)[:, None]
        scores = scored(x, target, run)
        for rule in COLUMNS:
            marked = standing_out(scores, rule, ALPHA)[1]
            right, total = int(marked[:many].sum()), int(marked.sum())
            false[rule] += (total - right) / max(1, total) / runs
            found[rule] += right / many / runs
    row: dict[str, Any] = {"target": target, "n": n, "d": d, "outliers": share}
    row |= {"moved": f"{shift:g} in {how}", "runs": runs}
    row |= {f"{rule}: FDR": false[rule] for rule in COLUMNS}
    return row | {f"{rule}: power": found[rule] for rule in COLUMNS}


def main() -> None:
    """Run what is not stored yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    runs = parser.parse_args().runs
    rows = stored_rows("outliers", "outliers/clean")
    done = {(row["target"], row["n"], row["d"]) for row in rows}
    for case in CLEAN:
        if case not in done:
            rows.append(clean(*case, runs=max(100, runs // (1 + case[1] // 500))))
            notes = (
                "Clean normal samples: share of runs in which a rule at alpha = 0.05 marks any "
                "row, and the mean share of rows that it marks. *any-normal*: robust distances; "
                "*normal*: exact p-values of lengths and largest coordinates."
            )
            print(write("outliers", "outliers/clean", "Clean samples", rows, notes), flush=True)
    rows = stored_rows("outliers", "outliers/mixed")
    done = {(row["target"], row["n"], row["d"], row["outliers"], row["moved"]) for row in rows}
    for target, n, d, share, shift, how in MIXED:
        if (target, n, d, share, f"{shift:g} in {how}") not in done:
            rows.append(mixed(target, n, d, share, shift, how, max(100, runs // (1 + n // 500))))
            notes = (
                "A share of the rows is moved: by so many standard deviations in a random "
                "direction (*all*), or all of them in one column (*one*). FDR: the mean share of "
                "marked rows that are clean; power: the mean share of moved rows that are marked. "
                "Benjamini & Hochberg's rule is that of `report(rows=True)`."
            )
            title = "Samples with outliers"
            print(write("outliers", "outliers/mixed", title, rows, notes), flush=True)


if __name__ == "__main__":
    main()
