"""Rows in groups: size of the global p, coverage of intervals, how often the finding appears.

python -m benchmarks.level.groups --part size [--runs 500] [--first 0]

The parts are size, coverage (of the effects that use all rows), averages (of all effects) and
finding; without a part the page is written from the stored runs.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import RUNS, write
from dmtest.battery.axes import run_axes
from dmtest.battery.one_sample import chosen_tests, run_battery
from dmtest.battery.plan import Plan
from dmtest.data.dependence import dependence_findings
from dmtest.data.sample import as_sample, one_row_each
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.wasserstein import describe_slices
from dmtest.reports.grouped import grouped_estimates
from dmtest.reports.sections import directions_section, estimates_section
from dmtest.reports.verdict import combine
from dmtest.results.effect_table import effects_of
from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target

Vector = NDArray[np.float64]
ITEMS, VIEWS, COLUMNS, NOISE = 500, 8, 8, 0.1


@dataclass(frozen=True)
class Case:
    """Normal rows N(m, S) in groups whose rows have the correlation `within`."""

    title: str
    groups: int
    rows: int  # of a group; unequal: 1 to twice as many
    d: int
    within: float
    shift: float = 0.0
    scale: float = 1.0
    correlation: float = 0.0
    unequal: bool = False

    @property
    def law(self) -> tuple[Vector, Vector]:
        """Mean and covariance of a row."""
        d, r = self.d, self.correlation
        return np.full(d, self.shift), self.scale**2 * ((1.0 - r) * np.eye(d) + r)

    def draw(self, rng: np.random.Generator) -> tuple[Vector, NDArray[np.intp]]:
        """Draw the rows, in random order, and their groups."""
        sizes = np.full(self.groups, self.rows)
        if self.unequal:
            sizes = rng.integers(1, 2 * self.rows, self.groups)
        labels = rng.permutation(np.repeat(np.arange(self.groups), sizes))
        items = rng.standard_normal((self.groups, self.d))[labels]
        own = rng.standard_normal((len(labels), self.d))
        mean, covariance = self.law
        factor = np.linalg.cholesky(covariance)
        z = np.sqrt(self.within) * items + np.sqrt(1.0 - self.within) * own
        return mean + z @ factor.T, labels


VIEWED = 1.0 / (1.0 + NOISE**2)
CASES = (
    Case("500 items x 8 views, exact", ITEMS, VIEWS, COLUMNS, VIEWED),
    Case("500 items x 8 views, shifted", ITEMS, VIEWS, COLUMNS, VIEWED, 0.1, 1.1, 0.1),
    Case("500 groups x 8, correlation .5", ITEMS, VIEWS, COLUMNS, 0.5, 0.1, 1.1, 0.1),
    Case("300 groups of 1 to 15, correlation .8", 300, 8, 4, 0.8, 0.1, 1.2, 0.2, unequal=True),
    Case("60 groups x 25, correlation .3", 60, 25, 2, 0.3, 0.2, 0.9, 0.3),
)


@cache
def truth(case: Case) -> dict[str, float]:
    """Population values of the effects, on the scale of reports."""
    mean, covariance = case.law
    variances = np.diagonal(covariance)
    location = 0.5 * float(mean @ mean)
    scale = 0.5 * float((variances - 1.0 - np.log(variances)).sum())
    logdet = float(np.linalg.slogdet(covariance)[1])
    correlation = 0.5 * (float(np.log(variances).sum()) - logdet)
    rng = np.random.default_rng(0)
    u = rng.standard_normal((200_000, case.d))
    u /= np.linalg.norm(u, axis=1)[:, None]
    spread = np.sqrt(((u @ covariance) * u).sum(axis=1))
    squared = float(np.mean((u @ mean) ** 2 + (spread - 1.0) ** 2))
    x = mean + rng.standard_normal((1_000_000, case.d)) @ np.linalg.cholesky(covariance).T
    lengths = np.square(x).sum(axis=1)
    lengths *= case.d / lengths.mean()
    return {
        "kl-fitted-normal": location + scale + correlation,
        "kl-mean": location,
        "kl-scale": scale,
        "kl-correlation": correlation,
        "kl-margins": 0.0,
        "kl-dependence": 0.0,
        "sliced-wasserstein-2": float(np.sqrt(squared)),
        "length-dispersion": float(lengths.var() / (2.0 * case.d)),
    }


def views(seed: int) -> tuple[Vector, NDArray[np.intp]]:
    """Rows of the case of the issue: exactly N(0, I), in tight groups."""
    return CASES[0].draw(stream(seed, "groups/views"))


def size(runs: range) -> list[dict[str, Any]]:
    """Global p-values of reports with groups: their steps 1 to 4, which use one row of each."""
    rows = []
    for seed in runs:
        x, labels = views(seed)
        target, plan = as_target("normal"), Plan(target="normal", seed=seed)
        canonical = target.canonical(one_row_each(as_sample(x, groups=labels), seed))
        with single_threaded_blas():
            specs = chosen_tests(None, "normal", canonical, plan)
            battery = run_battery(canonical, specs, plan, describe_slices())
            directions = directions_section(canonical, plan.replicates, seed)
            axes = run_axes(canonical, [""] * x.shape[1], plan)
            pvalue = combine(battery, axes, directions, canonical, "normal", seed).pvalue
        rows.append({"seed": seed, "pvalue": pvalue})
    return rows


def effects(case: Case, seed: int, whole: bool) -> dict[str, Effect]:
    """Effects of one sample in groups, as in a report: all, or those of the fitted normal."""
    x, labels = case.draw(stream(seed, f"groups/{case.title}"))
    target, sample = as_target("normal"), as_sample(x, groups=labels)
    plan = Plan(target="normal", seed=seed)
    with single_threaded_blas():
        if not whole:
            return effects_of(gaussian_estimates(target.canonical(sample), groups=sample.groups))
        canonical = target.canonical(one_row_each(sample, seed))
        battery = run_battery(canonical, (), plan, describe_slices())
        first = estimates_section(canonical, battery, seed)
        return effects_of(grouped_estimates(sample, target, plan, first))


def coverage(runs: range, whole: bool = False) -> list[dict[str, Any]]:
    """Whether the 95% intervals of effects hold the truth, case by case."""
    rows = []
    for case, seed in product(CASES, runs):
        found = effects(case, seed, whole)
        for name, value in truth(case).items():
            effect = found.get(name)
            if effect is not None and effect.low is not None and effect.high is not None:
                row = {"case": case.title, "effect": name, "seed": seed}
                held = effect.low - 1e-12 <= value <= effect.high + 1e-12
                rows.append(row | {"held": held, "width": effect.high - effect.low})
    return rows


def laws(rng: np.random.Generator, n: int, d: int) -> dict[str, Callable[[], Vector]]:
    """Independent rows of many laws, none of them in groups."""
    z, c = rng.standard_normal((n, d)), rng.standard_normal((10, d))
    return {
        "normal": lambda: z,
        "uniform": lambda: rng.random((n, d)),
        "sphere": lambda: z / np.linalg.norm(z, axis=1)[:, None],
        "t, 2 df": lambda: rng.standard_t(2, (n, d)),
        "multivariate Cauchy": lambda: z / np.abs(rng.standard_normal((n, 1))),
        "two clusters": lambda: z + 6.0 * rng.integers(2, size=(n, 1)),
        "ten tight clusters": lambda: 3.0 * c[rng.integers(10, size=n)] + 0.05 * z,
        "10% scaled by 100": lambda: z * np.where(rng.random((n, 1)) < 0.1, 100.0, 1.0),
        "near a plane": lambda: z[:, :2] @ rng.standard_normal((min(d, 2), d)) + 0.01 * z,
        "log-normal": lambda: np.exp(2.0 * z),
        "rectified": lambda: np.maximum(z, 0.0),
        "integers": lambda: np.rint(2.0 * z),
        "k/250": lambda: rng.integers(0, 251, (n, d)) / 250.0,
        "bfloat16": lambda: _bfloat16(z),
        "repeated rows": lambda: z[rng.integers(n, size=n)],
    }


def _bfloat16(x: Vector) -> Vector:
    bits = x.astype(np.float32).view(np.uint32) & np.uint32(0xFFFF0000)
    return bits.view(np.float32).astype(np.float64)


SHAPES = tuple(product((50, 500, 2000, 20_000), (1, 2, 8, 64)))


def finding(runs: range) -> list[dict[str, Any]]:
    """How often the findings of dependence appear: in views, and in independent rows.

    The views of the issue are drawn for every seed, other rows for one in ten.
    """
    rows = []
    for seed in runs:
        for noise, d in ((0.1, 8), (0.3, 8), (0.5, 64))[: None if seed % 10 == 0 else 1]:
            labels = stream(seed, f"groups/finding/{d}").permutation(np.repeat(range(ITEMS), VIEWS))
            rng = stream(seed, f"groups/finding/{d}/{noise}")
            x = rng.standard_normal((ITEMS, d))[labels]
            x += noise * rng.standard_normal(x.shape)
            rows.append(_found(f"views, noise {noise}, d = {d}, shuffled", x, seed))
            order = np.argsort(labels, kind="stable")
            rows.append(_found(f"views, noise {noise}, d = {d}, in order", x[order], seed))
        for n, d in SHAPES if seed % 10 == 0 else ():
            rng = stream(seed, f"groups/finding/{n}/{d}")
            for name, draw in laws(rng, n, d).items():
                rows.append(_found(name, draw(), seed))
    return rows


def _found(name: str, x: Vector, seed: int) -> dict[str, Any]:
    codes = {one.code: one.count for one in dependence_findings(x, seed)}
    grouped, serial = codes.get("grouped-rows"), codes.get("serial-correlation")
    return {"rows": name, "n": len(x), "grouped": grouped, "serial": serial}


PARTS = {
    "size": size,
    "coverage": coverage,
    "averages": partial(coverage, whole=True),
    "finding": finding,
}


def page(folder: Path) -> None:
    """Write the page from the stored runs."""
    stored: dict[str, list[dict[str, Any]]] = {name: [] for name in PARTS}
    for path in sorted(folder.glob("*.json")):
        stored[path.stem.partition("-")[0]] += json.loads(path.read_text())
    if stored["size"]:
        p = np.array([row["pvalue"] for row in stored["size"]])
        rows = [
            {
                "level": level,
                "rejected": float(np.mean(p <= level)),
                "standard error": float(np.sqrt(level * (1.0 - level) / len(p))),
                "runs": len(p),
            }
            for level in (0.01, 0.05, 0.1, 0.5)
        ]
        notes = (
            f"{ITEMS} items x {VIEWS} views, view noise {NOISE}, d = {COLUMNS}, scaled to N(0, I): "
            "the global p of `report(x, groups=...)`."
        )
        print(write("level", "groups/size", "Rows in groups: size", rows, notes))
    stored["coverage"] += stored["averages"]
    if stored["coverage"]:
        notes = (
            "Rows N(m, S) in groups; 95% intervals of effects. Effects of the fitted normal use "
            "all rows and cluster-robust errors; the others are means over draws of one row of "
            "each group, whose intervals are conservative where rows of a group are less alike."
        )
        print(
            write("level", "groups/coverage", "Rows in groups: coverage", _covered(stored), notes)
        )
    if stored["finding"]:
        notes = (
            "`dependence_findings` on rows without a declared group; independent rows of n = 50 to "
            "20,000 and d = 1, 2, 8, 64."
        )
        print(write("level", "groups/finding", "Rows in groups: findings", _rates(stored), notes))


def _covered(stored: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    rows = []
    for case in CASES:
        for name, value in truth(case).items():
            here = [
                row
                for row in stored["coverage"]
                if row["case"] == case.title and row["effect"] == name
            ]
            if here:
                held = [row["held"] for row in here]
                rows.append(
                    {
                        "rows": case.title,
                        "effect": name,
                        "truth": round(value, 4),
                        "coverage": float(np.mean(held)),
                        "mean width": float(np.mean([row["width"] for row in here])),
                        "runs": len(held),
                    }
                )
    return rows


def _rates(stored: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    rows = []
    for name in dict.fromkeys(row["rows"] for row in stored["finding"]):
        here = [row for row in stored["finding"] if row["rows"] == name]
        counts = [row["n"] / row["grouped"] for row in here if row["grouped"]]
        rows.append(
            {
                "rows": name,
                "grouped-rows": len(counts) / len(here),
                "size of groups": f"{np.median(counts):.3g}" if counts else "",
                "serial-correlation": float(np.mean([row["serial"] is not None for row in here])),
                "samples": len(here),
            }
        )
    return rows


def main() -> None:
    """Run a part and store its runs, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=PARTS)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args()
    folder = RUNS / "groups"
    folder.mkdir(parents=True, exist_ok=True)
    if options.part is None:
        page(folder)
        return
    rows: list[dict[str, Any]] = []
    for seed in range(options.first, options.first + options.runs):
        rows += PARTS[options.part](range(seed, seed + 1))
        (folder / f"{options.part}-{options.first}.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main()
