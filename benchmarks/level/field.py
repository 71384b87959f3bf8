"""Rates of false alarms that users of other tools reported: one uniform column, a fixture in CI.

    python -m benchmarks.level.field column [--runs 1000]
    python -m benchmarks.level.field fixture [--runs 300]

`column` draws exactly uniform columns (arviz-devs/arviz-stats#419) and counts the rejections of
the default battery together, of each of its tests, and of the published formulas. `fixture` counts
how often a check of a perfect encoder against its baseline fails, as in a pipeline that runs for
years.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from scipy.stats import beta

import dmtest
from benchmarks.tables import write
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.data.sample import as_sample
from dmtest.targets.targets import Uniform

SIZES = (20, 50, 200, 500, 1000)
PUBLISHED = ("anderson-darling", "cramer-von-mises", "kolmogorov-smirnov", "kuiper", "watson")
PUBLISHED += ("epps-pulley", "dagostino-pearson", "jarque-bera")
LEVEL, BASELINES = 0.05, 20


def limits(count: int, runs: int) -> tuple[float, float]:
    """95% limits of a rate (Clopper & Pearson 1934)."""
    low = float(beta.ppf(0.025, count, runs - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, runs - count)) if count < runs else 1.0
    return low, high


def row(n: int, name: str, calibration: str, count: int, runs: int) -> dict[str, Any]:
    """One row of the table of a column."""
    low, high = limits(count, runs)
    facts = {"n": n, "test": name, "calibration": calibration, "runs": runs}
    return facts | {"size at 0.05": count / runs, "low": low, "high": high}


def column_sizes(n: int, runs: int, seed: int = 0) -> list[dict[str, Any]]:
    """Sizes of the default battery, its tests and published formulas for one uniform column."""
    rng = np.random.default_rng([seed, n])
    counts: dict[tuple[str, str], int] = {}
    for _ in range(runs):
        x = rng.random(n)
        canonical = Uniform().canonical(as_sample(x))
        plan = Plan(target="uniform", seed=0)
        battery = run_battery(canonical, chosen_tests(None, "uniform", canonical, plan), plan)
        pvalues = {("global", "auto"): battery.pvalue}
        pvalues |= {(one.test, "auto"): one.pvalue for one in battery.outcomes}
        published = dmtest.run_tests(x, PUBLISHED, "uniform", calibration="asymptotic", rng=0)
        pvalues |= {(one.test, "asymptotic"): one.pvalue for one in published}
        for key, pvalue in pvalues.items():
            counts[key] = counts.get(key, 0) + (pvalue <= LEVEL)
    return [row(n, name, kind, count, runs) for (name, kind), count in counts.items()]


def fixture_failures(alpha: float, runs: int, n: int = 300, d: int = 2) -> dict[str, Any]:
    """Rate at which a check of N(0, I) against a baseline of N(0, I) fails."""
    rng, failed = np.random.default_rng([1, n, d]), 0
    for _ in range(BASELINES):
        made = dmtest.write_baseline(rng.standard_normal((n, d)), slices=16)
        for _ in range(runs // BASELINES):
            failed += not dmtest.check(rng.standard_normal((n, d)), made, alpha=alpha).passed
    low, high = limits(failed, runs)
    facts = {"alpha": alpha, "n": n, "d": d, "baselines": BASELINES, "runs": runs}
    return facts | {"failed": failed, "low": low, "high": high}


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("what", choices=["column", "fixture"])
    parser.add_argument("--runs", type=int)
    given = parser.parse_args()
    if given.what == "column":
        rows: list[dict[str, Any]] = []
        for n in SIZES:
            rows += column_sizes(n, given.runs or 1000)
            print(n, rows[-14:], flush=True)
            text = "Samples are exactly uniform on [0, 1]; `low` and `high` are 95% limits."
            title = "Size on one uniform column, at 0.05"
            write("field", "field/column", title, rows, text)
    else:
        rows = [fixture_failures(alpha, given.runs or 300) for alpha in (0.05,)]
        print(rows)
        text = "`low` and `high` are 95% limits of the rate of failures of a perfect encoder."
        write("field", "field/fixture", "Checks of a perfect encoder", rows, text)


if __name__ == "__main__":
    main()
