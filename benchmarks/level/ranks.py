"""Size of reports on ranks and on rounded samples: python -m benchmarks.level.ranks.

Ranks: the global p-value of correct ranks, and how often biased, over- and underconfident
posteriors are found and named. Rounded samples: the global p-value of the default tests of exact
samples that were rounded, before and after values are drawn anew within their cells.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special

from benchmarks.tables import stored_rows, write
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.battery.ranks import run_ranks
from dmtest.catalogue.registry import hypothesis
from dmtest.data.sample import as_sample
from dmtest.reports.causes.ranks import diagnose_ranks
from dmtest.targets.ranks import Ranks
from dmtest.targets.rounding import at_resolution
from dmtest.targets.targets import as_target

ALPHA, LEVELS = 0.05, (0.05, 0.01)
# Mean and standard deviation of the normal score of the truth in its posterior.
POSTERIORS = {
    "overconfident": (0.0, 1.25),
    "underconfident": (0.0, 0.8),
    "biased": (0.2, 1.0),
}


def shares(pvalues: list[float]) -> dict[str, float]:
    """Return the shares of p-values at or below the levels."""
    return {f"size at {level:g}": float(np.mean(np.array(pvalues) <= level)) for level in LEVELS}


def correct_ranks(draws: int, d: int, n: int, runs: int) -> dict[str, Any]:
    """Measure the size on correct ranks of independent columns; a new null every 100 runs."""
    rng = np.random.default_rng([draws, d, n])
    target, pvalues = Ranks(draws), []
    for run in range(runs):
        sample = as_sample(rng.integers(0, draws + 1, (n, d)))
        pvalues.append(run_ranks(sample, target, Plan(target=target.name, seed=run // 100)).pvalue)
    return {"draws": draws, "columns": d, "rows": n, "runs": runs} | shares(pvalues)


def wrong_ranks(kind: str, draws: int, n: int, runs: int) -> dict[str, Any]:
    """Count how often a posterior is found, and named by its word and by no other."""
    rng = np.random.default_rng([len(kind), draws, n])
    mean, sd = POSTERIORS[kind]
    target, found, named, others = Ranks(draws), 0, 0, 0
    for _ in range(runs):
        score = mean + sd * rng.standard_normal((n, 1))
        sample = as_sample(rng.binomial(draws, special.ndtr(score)))
        tests = run_ranks(sample, target, Plan(target=target.name, seed=0))
        if tests.pvalue > ALPHA:
            continue
        codes = {finding.code for finding in diagnose_ranks(tests, target, None, ALPHA)}
        found, named, others = found + 1, named + (kind in codes), others + bool(codes - {kind})
    counts = {"found": found / runs, "named": named / runs, "another word": others / runs}
    return {"posterior": kind, "draws": draws, "n": n, "runs": runs} | counts


def bfloat16(x: np.ndarray) -> np.ndarray:
    """Round to the nearest bfloat16, held in float32."""
    words = np.asarray(x, np.float32).view(np.uint32)
    return ((words + 0x7FFF + ((words >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)


def int8(x: np.ndarray) -> np.ndarray:
    """Quantise to 255 values from -4 to 4."""
    return np.clip(np.rint(x * 127 / 4), -127, 127) * (4 / 127)


def rounded(
    name: str, draw: Callable[[np.random.Generator], np.ndarray], target: str, runs: int
) -> dict[str, Any]:
    """Measure the size of the default tests on rounded samples, as they are and drawn anew."""
    rng, law, pvalues = np.random.default_rng(len(name)), as_target(target), ([], [])
    shape: tuple[int, ...] = ()
    for run in range(runs):
        sample = as_sample(draw(rng))
        shape = sample.x.shape
        for values, one in zip(pvalues, (sample, at_resolution(sample, law).sample), strict=True):
            canonical = law.canonical(one)
            plan = Plan(target=law.name, seed=run)
            specs = chosen_tests(None, hypothesis(law.name), canonical, plan)
            values.append(run_battery(canonical, specs, plan).pvalue)
    size = " x ".join(map(str, shape))
    found: dict[str, Any] = {"sample": name, "target": target, "shape": size, "runs": runs}
    for how, values in zip(("as they are", "drawn anew"), pvalues, strict=True):
        found |= {f"{how}: {key}": share for key, share in shares(values).items()}
    return found


def samples() -> dict[str, tuple[str, Callable[[np.random.Generator], np.ndarray]]]:
    """Return the rounded samples, with their targets."""

    def lattice(draws: int, n: int, d: int, half: bool) -> Callable[[Any], np.ndarray]:
        def draw(rng: np.random.Generator) -> np.ndarray:
            ranks = rng.integers(0, draws + 1, (n, d))
            return (ranks + 0.5) / (draws + 1) if half else ranks / draws

        return draw

    cases: dict[str, tuple[str, Callable[[np.random.Generator], np.ndarray]]] = {}
    for draws, d in ((10, 1), (20, 1), (20, 8), (100, 1), (250, 1)):
        for half in (False, True):
            form = "(rank + 1/2) / (L + 1)" if half else "rank / L"
            cases[f"{form}, L = {draws}, d = {d}"] = "uniform", lattice(draws, 1000, d, half)
    for n, d in ((2000, 1), (2000, 8), (100_000, 1), (100_000, 4)):
        for name, function in (("bfloat16", bfloat16), ("int8, steps of 4/127", int8)):
            for target in ("normal", "any-normal"):
                key = f"{name}, n = {n}, d = {d}, {target}"
                cases[key] = target, lambda rng, f=function, s=(n, d): f(rng.standard_normal(s))
    cases["integers of N(0, 9 I), n = 2000, d = 8"] = (
        "any-normal",
        lambda rng: np.rint(3.0 * rng.standard_normal((2000, 8))),
    )
    return cases


def correct_part(runs: int) -> None:
    """Measure correct ranks, 1,000 rows each."""
    rows = [correct_ranks(draws, d, 1000, runs) for draws in (5, 20, 100) for d in (1, 8)]
    notes = f"Global p-value of `Ranks(draws)`, {runs:,} runs each, independent columns."
    print(write("ranks", "ranks/correct", "Correct ranks", rows, notes))


def wrong_part(runs: int) -> None:
    """Measure ranks of wrong posteriors, 1,000 rows each."""
    rows = [wrong_ranks(kind, draws, 1000, runs) for kind in POSTERIORS for draws in (5, 20, 100)]
    notes = (
        "1,000 ranks of normal posteriors, whose standard deviation is 0.8 or 1.25 times the right "
        f"one, or whose bias is 0.2 of it; {runs:,} runs each. Shares of runs that are rejected at "
        "5%, that are named by the word, and that are named by another word, too."
    )
    print(write("ranks", "ranks/wrong", "Wrong posteriors", rows, notes))


def rounded_part(runs: int, only: str) -> None:
    """Measure exact samples that were rounded, and add them to those that are stored."""
    rows = {row["sample"]: row for row in stored_rows("ranks", "ranks/rounded")}
    for name, (target, draw) in samples().items():
        if only in name:
            rows[name] = rounded(name, draw, target, runs)
            notes = (
                "Exact samples that were rounded, and correct ranks as a user of `uniform` passes "
                "them: size at 5% and 1% of the default tests (min-p over tests and slices, "
                "without the search), on the values as they are and as a report tests them."
            )
            write("ranks", "ranks/rounded", "Rounded samples", list(rows.values()), notes)
            print(rows[name], flush=True)


def main() -> None:
    """Run one part of the study."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("correct", "wrong", "rounded"))
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--only", default="", help="part of the names of the samples to run")
    options = parser.parse_args()
    if options.part == "correct":
        correct_part(options.runs)
    elif options.part == "wrong":
        wrong_part(options.runs)
    else:
        rounded_part(options.runs, options.only)


if __name__ == "__main__":
    main()
