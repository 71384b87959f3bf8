"""The verdict *equivalent*: its level at each boundary, its power, and rows that never get it.

    python -m benchmarks.level.equivalence level 400
    python -m benchmarks.level.equivalence power 50
    python -m benchmarks.level.equivalence never 50 [sentences.npy]

Each command adds its runs to benchmarks/runs/equivalence.json, where a later one goes on, and
writes its table of benchmarks/results/equivalence.json with the page. `sentences.npy` adds a law of
up to 20,000 rows: `python docs/data/make_sentences.py 20000 sentences.npy` makes it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

import dmtest
from benchmarks.tables import RUNS, write
from dmtest.battery.plan import Plan
from dmtest.data.sample import as_sample
from dmtest.effects.coordinates import margins_of
from dmtest.effects.detectability import block_pvalue, power_limits
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.engines.directions import random_directions
from dmtest.render import wording
from dmtest.reports.equivalence import (
    Question,
    joint_criterion,
    margins_criterion,
    moments_criterion,
    rows_criterion,
)
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target

Vector = NDArray[np.float64]
SENTENCES = Path(__file__).parents[2] / "docs" / "data" / "sentences.npz"
OUT = RUNS / "equivalence.json"
ALPHA = 0.05
NORMAL = as_target("normal")


def divergence(mu: float, noise: float) -> float:
    """Divergence after noise of the mixture of N(-mu, 1 - mu^2) and N(mu, 1 - mu^2)."""
    v, s2 = 1.0 + noise**2, 1.0 - mu * mu + noise**2
    y = np.linspace(-12.0, 12.0, 20_001) * np.sqrt(v)
    logs = [-0.5 * np.square(y - m) / s2 - 0.5 * np.log(2.0 * np.pi * s2) for m in (-mu, mu)]
    log_p = np.logaddexp(*logs) - np.log(2.0)
    log_q = -0.5 * np.square(y) / v - 0.5 * np.log(2.0 * np.pi * v)
    return float(np.sum(np.exp(log_p) * (log_p - log_q)) * (y[1] - y[0]))


def two_clusters(mu: float, rng: np.random.Generator, shape: tuple[int, int]) -> Vector:
    """Draw columns of that mixture, of mean 0 and variance 1."""
    signs = rng.choice([-mu, mu], shape)
    return np.asarray(signs + np.sqrt(1.0 - mu * mu) * rng.standard_normal(shape))


@cache
def mu_of(value: float, noise: float) -> float:
    """The mu at which that divergence has this value."""
    return float(brentq(lambda mu: divergence(mu, noise) - value, 1e-3, 0.9999))


def scale_of(value: float, d: int) -> float:
    """The c above 1 at which KL(N(0, c^2 I) || N(0, I)) has this value."""
    return float(brentq(lambda c: d * (0.5 * (c * c - 1.0) - np.log(c)) - value, 1.0, 5.0))


def criterion(name: str, x: Vector, tolerance: float, seed: int) -> bool:
    """Whether one criterion of a report holds."""
    question = Question.of(tolerance, None, None, ALPHA)
    assert question is not None
    canonical = NORMAL.canonical(as_sample(x))
    if name == "moments":
        estimates = gaussian_estimates(canonical)
        return moments_criterion(canonical, None, estimates, tolerance, question.level).holds
    if name == "margins":
        d = x.shape[1]
        slices = random_directions(64, d, stream(seed, "directions"))
        margins = margins_of(canonical, None, slices, None, alpha=question.level, seed=seed)
        return margins_criterion(margins, tolerance).holds
    return joint_criterion(canonical, question, seed).holds


def at_boundary(name: str, tolerance: float, n: int, d: int) -> Callable[[int], Vector]:
    """Return draws of a law at which one quantity is exactly the tolerance, the others below."""
    if name == "moments":
        c = scale_of(tolerance, d)
        return lambda i: c * stream(i, f"equivalence/{name}/{d}").standard_normal((n, d))
    if name == "margins":
        mu = mu_of(tolerance, 0.3)

        def one_column(i: int) -> Vector:
            rng = stream(i, f"equivalence/{name}/{d}")
            x = rng.standard_normal((n, d))
            x[:, [0]] = two_clusters(mu, rng, (n, 1))
            return x

        return one_column
    question = Question.of(tolerance, None, None, ALPHA)
    assert question is not None
    assert question.noise is not None
    mu = mu_of(tolerance / d, question.noise)
    return lambda i: two_clusters(mu, stream(i, f"equivalence/{name}/{d}"), (n, d))


BOUNDARIES = (
    ("moments", 0.1, 1000, 2),
    ("moments", 0.02, 4000, 8),
    ("margins", 0.1, 1000, 8),
    ("margins", 0.02, 4000, 8),
    ("joint", 0.1, 1000, 8),
    ("joint", 0.02, 2000, 16),
    ("joint", 0.1, 4000, 8),
    ("moments", 0.02, 10_000, 64),
    ("joint", 0.02, 10_000, 32),
)


def level(runs: int, kept: dict[str, Any]) -> None:
    """How often each bound is at most a tolerance that the quantity has exactly."""
    key = "level rows"
    if kept.get(key, {}).get("runs", 0) < runs:
        shift = row_shift()
        count = 0
        for i in range(runs):
            sample = as_sample(shift + stream(i, "equivalence/rows").standard_normal((800, 1)))
            plan = Plan(target="normal", seed=i)
            count += rows_criterion(sample, NORMAL, plan, 50, None, ALPHA).holds
        row = {"claim": f"rows: N({shift:.3f}, 1) has power 1/2 on 50 rows", "n": 800, "d": 1}
        kept[key] = row | measured(count, runs, f"<= {ALPHA} + 3 s.e.", ALPHA)
        save(kept)
    for name, tolerance, n, d in BOUNDARIES:
        few = max(runs // 4, 20) if n * n * d > 2e8 else runs
        key = f"level {name}, tolerance {tolerance}, n {n}, d {d}"
        if kept.get(key, {}).get("runs", 0) >= few:
            continue
        draw = at_boundary(name, tolerance, n, d)
        count = sum(criterion(name, draw(i), tolerance, i) for i in range(few))
        row = {"claim": f"{name}: exactly at {tolerance} nats", "n": n, "d": d}
        kept[key] = row | measured(count, few, f"<= {ALPHA} + 3 s.e.", ALPHA)
        save(kept)


@cache
def row_shift() -> float:
    """The mean of N(m, 1) whose samples of 50 rows the battery rejects half of the time."""

    def power(shift: float) -> float:
        rejected = 0
        for i in range(400):
            x = shift + stream(i, "equivalence/shift").standard_normal((50, 1))
            block, plan = as_sample(x), Plan(target="normal", seed=i)
            rejected += block_pvalue(block, NORMAL.canonical(block), NORMAL, plan, None) <= ALPHA
        return rejected / 400

    return float(brentq(lambda m: power(m) - 0.5, 0.2, 0.6, xtol=2e-3))


def equivalent(x: Vector, options: dict[str, Any], seed: int) -> bool:
    """Whether all criteria of a report hold: its verdict does not depend on the p-value."""
    if "tolerance" in options:
        names = ("moments", "margins", "joint")
        return all(criterion(name, x, options["tolerance"], seed) for name in names)
    plan = Plan(target="normal", seed=seed)
    return rows_criterion(as_sample(x), NORMAL, plan, options["tolerance_rows"], None, ALPHA).holds


def power(runs: int, kept: dict[str, Any]) -> None:
    """How often samples of the target are equivalent."""
    cases = (
        (50_000, 64, {"tolerance": 0.02}),
        (10_000, 8, {"tolerance": 0.02}),
        (4000, 8, {"tolerance": 0.1}),
        (4000, 2, {"tolerance_rows": 500}),
    )
    for n, d, options in cases:
        key = f"power {n} {d} {options}"
        old = kept.get(key, {"runs": 0, "count": 0})
        for i in range(old["runs"], runs):
            x = stream(i, f"equivalence/power/{n}/{d}").standard_normal((n, d), dtype=np.float32)
            old["count"] += equivalent(x, options, i)
            words = ", ".join(f"{name} {value}" for name, value in options.items())
            row = {"claim": f"N(0, I) is equivalent, {words}", "n": n, "d": d}
            kept[key] = row | measured(old["count"], i + 1, ">= 0.9", 0.9)
            old = kept[key]
            save(kept)


def hopeless(path: str | None) -> dict[str, tuple[int, int, Callable[[int], Vector]]]:
    """Return laws that no tolerance up to .3 nats may call equivalent."""

    def draw(name: str, i: int) -> np.random.Generator:
        return stream(i, f"equivalence/never/{name}")

    def clusters(i: int) -> Vector:
        rng = draw("clusters", i)
        centres = rng.standard_normal((8, 64))
        x = centres[rng.integers(8, size=4000)] + 0.05 * rng.standard_normal((4000, 64))
        return np.asarray((x - x.mean(axis=0)) / x.std(axis=0))

    def dead(i: int) -> Vector:
        x = draw("dead", i).standard_normal((4000, 64))
        x[:, i % 64] = 0.0
        return x

    laws: dict[str, tuple[int, int, Callable[[int], Vector]]] = {
        "rows of +1 and -1": (4000, 64, lambda i: draw("signs", i).choice([-1.0, 1.0], (4000, 64))),
        "8 clusters": (4000, 64, clusters),
        "one dead of 64": (4000, 64, dead),
        "a line": (4000, 64, lambda i: draw("line", i).standard_normal((4000, 1)) * np.ones(64)),
        "scaled by .01": (4000, 64, lambda i: 0.01 * draw("tiny", i).standard_normal((4000, 64))),
        ".5 N(0, I)": (4000, 16, lambda i: 0.5 * draw("half", i).standard_normal((4000, 16))),
        ".001 N(0, I)": (500, 64, lambda i: 0.001 * draw("none", i).standard_normal((500, 64))),
    }
    # Real ones: runs after the first are resamples of all rows. 3,000 are in the repository.
    files = {"sentence embeddings": np.load(SENTENCES)["embeddings"] / 490.0}
    if path:
        files["more sentence embeddings"] = np.load(path)
    for name, rows in files.items():
        whole = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        n = min(len(whole), 20_000)

        def resampled(i: int, whole: Vector = whole, n: int = n) -> Vector:
            rng = draw("sentences", i)
            return np.asarray(whole[:n] if i == 0 else whole[rng.choice(len(whole), n)])

        laws[name] = (n, whole.shape[1], resampled)
    return laws


def never(runs: int, kept: dict[str, Any], path: str | None = None) -> None:
    """How often they are equivalent all the same, and whether the verdict says why not."""
    for name, (n, d, draw) in hopeless(path).items():
        for tolerance in (0.02, 0.3):
            key = f"never {name} {tolerance}"
            old = kept.get(key, {"runs": 0, "count": 0, "named": 0})
            for i in range(old["runs"], runs):
                made = dmtest.report(draw(i), rng=i, progress=False, tolerance=tolerance)
                old["count"] += made.verdict == "equivalent"
                words = wording.verdict(made)
                named = old["named"] + words.aside.startswith("Not equivalent")
                row = {"claim": f"{name}: equivalent within {tolerance} nats", "n": n, "d": d}
                kept[key] = row | measured(old["count"], i + 1, "0", 0.0)
                kept[key] |= {"named": int(named), "detail": words.aside}
                old = kept[key]
                save(kept)


def measured(count: int, runs: int, wanted: str, rate: float) -> dict[str, Any]:
    """Return the fields of a row of the table."""
    low, high = power_limits(int(count), runs, 0.975)
    return {
        "measured": count / runs,
        "standard error": float(np.sqrt(rate * (1.0 - rate) / runs)),
        "low": low,
        "high": high,
        "wanted": wanted,
        "count": int(count),
        "runs": runs,
    }


def save(kept: dict[str, Any]) -> None:
    """Write all runs."""
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


TABLES = {
    "level": (
        "Equivalence: its level",
        "How often a bound is at most the tolerance where the quantity is exactly the tolerance. "
        "A scaled normal for the moments, one column of two clusters for the margins, all columns "
        "of two clusters for the joint divergence. Each bound in nats has a third of alpha = 0.05.",
    ),
    "power": ("Equivalence: its power", "How often samples of the target are equivalent."),
    "never": (
        "Equivalence: rows that never get it",
        "How often they are equivalent. `named`: runs in which the second line of the verdict "
        "gives the reason; the last one is shown.",
    ),
}


def tabulate(kept: dict[str, Any], name: str) -> None:
    """Write the table of one command."""
    rows = [row for key, row in kept.items() if key.startswith(name)]
    heads = [head for head in dict.fromkeys(k for row in rows for k in row) if head != "count"]
    shown = [{head: row.get(head, "") for head in heads} for row in rows]
    print(write("equivalence", f"equivalence/{name}", *TABLES[name][:1], shown, TABLES[name][1]))


if __name__ == "__main__":
    stored = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    count = int(sys.argv[2])
    if sys.argv[1] == "level":
        level(count, stored)
    elif sys.argv[1] == "power":
        power(count, stored)
    else:
        never(count, stored, sys.argv[3] if len(sys.argv) > 3 else None)
    tabulate(stored, sys.argv[1])
