"""Coverage of every interval that reports print, over laws whose effects are known.

    python -m benchmarks.level.coverage [--runs 500] [--part effects] [--only "t(5)"] [--minutes 4]

A run draws a sample, estimates the effects as a report does and notes, for each of them, whether an
interval was printed, whether it holds the true value, and its width. True values come from formulas
and one-dimensional quadrature; those of sliced distances and of powers from large samples. Runs are
kept in ``benchmarks/runs/coverage``, and a later call goes on from there; the table is written from
what is there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import digamma, gammaln, ndtr, ndtri

import dmtest
from benchmarks.tables import RUNS, write
from dmtest.battery.one_sample import run_battery
from dmtest.battery.plan import Plan
from dmtest.data.sample import as_sample
from dmtest.effects.decomposition import decompose, density_estimates
from dmtest.effects.detectability import detectability_effect, detectability_of
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.shape import dispersion
from dmtest.effects.wasserstein import describe_slices, sliced_estimates
from dmtest.engines.directions import random_directions
from dmtest.reports.sections import SHAPE_ROWS
from dmtest.results import effect_table as table
from dmtest.results.effect_table import EffectRow, effects_of
from dmtest.results.outcome import Effect
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.runtime.streams import stream
from dmtest.targets.canonical import known
from dmtest.targets.targets import as_target

Vector = NDArray[np.float64]
NAMES = ("kl-fitted-normal", "kl-mean", "kl-scale", "kl-correlation", "kl-margins")
NAMES += ("kl-dependence", "length-dispersion", "sliced-wasserstein-2")
# Seeds of the nulls behind a bias: so many, because each takes as long as many runs.
SEEDS = 8
ENTROPY = 0.5 * float(np.log(2.0 * np.pi * np.e))


@dataclass(frozen=True)
class Law:
    """A law of rows with the parts of its divergence from N(0, I).

    Attributes
    ----------
    draw : callable
        Rows from a generator, n and d.
    mean : float
        Mean of every column.
    covariance : callable
        Covariance (d, d) from d.
    margins : callable
        Sum of the negentropies of columns, from d.
    dependence : callable
        Dependence beyond correlation, from d.
    dispersion : callable
        Var |x|^2 / (2 d) of rows scaled to mean square 1, from d.
    """

    draw: Callable[[np.random.Generator, int, int], Vector]
    margins: Callable[[int], float]
    dispersion: Callable[[int], float]
    dependence: Callable[[int], float] = lambda d: 0.0
    covariance: Callable[[int], Vector] = np.eye
    mean: float = 0.0

    def truth(self, d: int) -> dict[str, float]:
        """Return the true effects in d columns."""
        covariance = self.covariance(d)
        variances = np.diagonal(covariance)
        location = 0.5 * d * self.mean**2
        scale = 0.5 * float((variances - 1.0 - np.log(variances)).sum())
        logdet = float(np.linalg.slogdet(covariance)[1])
        correlation = 0.5 * (float(np.log(variances).sum()) - logdet)
        values = [location + scale + correlation, location, scale, correlation]
        values += [self.margins(d), self.dependence(d), self.dispersion(d)]
        return dict(zip(NAMES, values, strict=False))


def negentropy(law: Any, sd: float) -> float:
    """Negentropy of a law of scipy with this standard deviation."""
    return ENTROPY + float(np.log(sd)) - float(law.entropy())


def independent(draw: Callable[..., Vector], one: float, kurtosis: float) -> Law:
    """Columns that are independent, of variance 1: negentropy and E x^4 of one of them."""
    return Law(
        lambda rng, n, d: draw(rng, (n, d)),
        margins=lambda d: d * one,
        dispersion=lambda d: 0.5 * (kurtosis - 1.0),
    )


def equicorrelation(rho: float) -> Callable[[int], Vector]:
    """Return the covariance with variances 1 and one correlation, as a function of d."""
    return lambda d: (1.0 - rho) * np.eye(d) + rho


def normal_rows(rng: np.random.Generator, n: int, d: int, rho: float) -> Vector:
    """Draw normal rows of one correlation."""
    common = rng.standard_normal((n, 1))
    return np.asarray(np.sqrt(1 - rho) * rng.standard_normal((n, d)) + np.sqrt(rho) * common)


def spherical_t(df: int) -> Law:
    """Multivariate t of variance 1 in every column."""
    sd = np.sqrt(df / (df - 2.0))

    def draw(rng: np.random.Generator, n: int, d: int) -> Vector:
        mixing = np.sqrt(rng.chisquare(df, (n, 1)) / df)
        return np.asarray(rng.standard_normal((n, d)) / mixing / sd)

    def whole(d: int) -> float:
        half = 0.5 * (df + d)
        entropy = 0.5 * d * np.log(df * np.pi) + gammaln(0.5 * df) - gammaln(half)
        entropy += half * (digamma(half) - digamma(0.5 * df))
        return float(d * (ENTROPY + np.log(sd)) - entropy)

    return Law(
        draw,
        margins=lambda d: d * whole(1),
        dependence=lambda d: whole(d) - d * whole(1),
        dispersion=lambda d: 0.5 * ((d + 2.0) * (df - 2.0) / (df - 4.0) - d),
    )


def mixture_negentropy(distance: float) -> float:
    """Negentropy of N(a, 1) and N(-a, 1) in equal parts."""
    x = np.linspace(-distance - 10.0, distance + 10.0, 20_001)
    p = 0.5 * (stats.norm.pdf(x - distance) + stats.norm.pdf(x + distance))
    terms = np.where(p > 0.0, p * np.log(np.maximum(p, 1e-300)), 0.0)
    return float(ENTROPY + 0.5 * np.log(1.0 + distance**2) + np.trapezoid(terms, x))


def clusters(a: float) -> Law:
    """Two normal clusters, at distance 2a along the diagonal; every column has variance 1."""

    def draw(rng: np.random.Generator, n: int, d: int) -> Vector:
        side = rng.choice([-1.0, 1.0], (n, 1))
        return np.asarray(rng.standard_normal((n, d)) + a / np.sqrt(d) * side) / width(d)

    def width(d: int) -> float:
        return float(np.sqrt(1.0 + a * a / d))

    def margins(d: int) -> float:
        return d * mixture_negentropy(a / np.sqrt(d))

    return Law(
        draw,
        covariance=lambda d: (np.eye(d) + a * a / d) / width(d) ** 2,
        margins=margins,
        dependence=lambda d: mixture_negentropy(a) - margins(d),
        dispersion=lambda d: (2.0 * d + 4.0 * a * a) / (2.0 * d * width(d) ** 4),
    )


def normal_copula(rho: float) -> Law:
    """Uniform columns of variance 1 with the dependence of normal ones."""
    root = np.sqrt(12.0)

    @cache
    def shared() -> float:
        """Covariance of two squared columns, by Gauss-Hermite quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(101)
        weights = weights / weights.sum()
        y = rho * nodes[:, None] + np.sqrt(1.0 - rho**2) * nodes[None]
        squares = 12.0 * (ndtr(nodes) - 0.5) ** 2, 12.0 * (ndtr(y) - 0.5) ** 2
        return float((weights * squares[0]) @ squares[1] @ weights) - 1.0

    def dependence(d: int) -> float:
        logdets = [np.linalg.slogdet(equicorrelation(r)(d))[1] for r in (rho, seen)]
        return float(0.5 * (logdets[1] - logdets[0]))

    seen = 6.0 / np.pi * float(np.arcsin(0.5 * rho))
    return Law(
        lambda rng, n, d: root * (ndtr(normal_rows(rng, n, d, rho)) - 0.5),
        covariance=equicorrelation(seen),
        margins=lambda d: d * (ENTROPY - float(np.log(root))),
        dependence=dependence,
        dispersion=lambda d: 0.5 * (0.8 + (d - 1.0) * shared()),
    )


def student(df: int) -> Law:
    """Independent columns of Student's t, of variance 1."""
    sd = float(np.sqrt(df / (df - 2.0)))
    one = negentropy(stats.t(df), sd)
    return independent(lambda rng, s: rng.standard_t(df, s) / sd, one, 3.0 + 6.0 / (df - 4.0))


ROOT2, ROOT12 = float(np.sqrt(2.0)), float(np.sqrt(12.0))
LAWS: dict[str, Law] = {
    "normal": independent(lambda rng, s: rng.standard_normal(s), 0.0, 3.0),
    "normal, mean .3": Law(
        lambda rng, n, d: rng.standard_normal((n, d)) + 0.3,
        margins=lambda d: 0.0,
        dispersion=lambda d: (2.0 + 4.0 * 0.09) / (2.0 * 1.09**2),
        mean=0.3,
    ),
    "normal, correlation .5": Law(
        lambda rng, n, d: normal_rows(rng, n, d, 0.5),
        covariance=equicorrelation(0.5),
        margins=lambda d: 0.0,
        dispersion=lambda d: 1.0 + (d - 1.0) * 0.25,
    ),
    "uniform": independent(
        lambda rng, s: ROOT12 * (rng.random(s) - 0.5), ENTROPY - float(np.log(ROOT12)), 1.8
    ),
    "uniform, normal copula .8": normal_copula(0.8),
    "Laplace": independent(
        lambda rng, s: rng.laplace(size=s) / ROOT2, negentropy(stats.laplace, ROOT2), 6.0
    ),
    "exponential": independent(
        lambda rng, s: rng.exponential(size=s) - 1.0, negentropy(stats.expon, 1.0), 9.0
    ),
    "t(8)": student(8),
    "t(5)": student(5),
    "multivariate t(8)": spherical_t(8),
    "multivariate t(5)": spherical_t(5),
    "two clusters": clusters(2.0),
}


@cache
def sliced_truth(name: str, d: int) -> float:
    """Root of the mean squared distance over slices: quantiles of a large sample."""
    rng = stream(0, f"coverage/sliced/{name}/{d}")
    x = LAWS[name].draw(rng, 1_000_000 if d == 1 else 50_000, d)
    target = ndtri((np.arange(len(x)) + 0.5) / len(x))
    count = 1 if d == 1 else 512
    directions = random_directions(count, d, rng)
    squares = [float(np.square(np.sort(x @ u) - target).mean()) for u in directions]
    return float(np.sqrt(max(np.mean(squares) - 3.0 / len(x), 0.0)))


# The parts


def effects(name: str, n: int, d: int, run: int) -> dict[str, Effect]:
    """Estimate the moment-based and the density-based effects of one sample."""
    canonical = known(LAWS[name].draw(stream(run, f"coverage/{name}/{n}/{d}"), n, d))
    estimates = gaussian_estimates(canonical) | density_estimates(
        canonical, run % SEEDS, rows=SHAPE_ROWS
    )
    estimates[table.LENGTH_DISPERSION] = dispersion(canonical.rows)
    return effects_of(estimates)


def decomposition(name: str, n: int, d: int, run: int) -> dict[str, Effect]:
    """Estimate as ``dmtest.kl_decomposition`` does."""
    canonical = known(LAWS[name].draw(stream(run, f"coverage/{name}/{n}/{d}"), n, d))
    return effects_of(decompose(canonical, run % SEEDS))


def sliced(name: str, n: int, d: int, run: int) -> dict[str, Effect]:
    """Estimate the sliced distance in directions of the run's own."""
    canonical = known(LAWS[name].draw(stream(run, f"coverage/{name}/{n}/{d}"), n, d))
    plan = Plan(target="normal", seed=run, slices=None, calibration="asymptotic")
    battery = run_battery(canonical, [], plan, describe_slices())
    return effects_of(sliced_estimates(canonical, battery, run % SEEDS))


def mean_pvalue(test: str, n: int, d: int, run: int) -> dict[str, Effect]:
    """Score a sample of the target: the 99% interval has to hold 1/2."""
    x = stream(run, f"coverage/{test}/{n}/{d}").standard_normal((n, d))
    found = dmtest.mean_pvalue(x, test, rng=run)
    effect = EffectRow("mean-pvalue", "Mean p-value").within_limits(
        found.mean, found.low, found.high, found.confidence
    )
    return {effect.name: effect}


def power(name: str, n: int, d: int, run: int) -> dict[str, Effect]:
    """Bound the rows for 50% power of one test, as a report does for the battery."""
    sample = as_sample(LAWS[name].draw(stream(run, f"coverage/{name}/{n}/{d}"), n, d))
    plan = Plan(target="normal", seed=run, replicates=199)
    found = detectability_of(sample, as_target("normal"), plan, tests=[TEST], alpha=0.05)
    assert found is not None
    effect = detectability_effect(found)
    return {effect.name: effect}


@cache
def power_truth(name: str, d: int) -> float:
    """Rows for 50% power, from up to 1,000 blocks of each size."""
    x = LAWS[name].draw(stream(0, f"coverage/power/{name}/{d}"), 400_000, d)
    plan = Plan(target="normal", seed=0, replicates=4999)
    sizes = [20 << j for j in range(9)]
    found = detectability_of(
        as_sample(x), as_target("normal"), plan, tests=[TEST], alpha=0.05, sizes=sizes, most=1000
    )
    assert found is not None
    half = found.thresholds[0].n
    assert half is not None
    return half


TEST = "anderson-darling"
SCORED = ("dagostino-pearson", "shapiro-wilk", "henze-zirkler")
BOOTSTRAPPED = ("normal", "normal, mean .3", "normal, correlation .5", "t(5)", "two clusters")
FOUND = ("normal, correlation .5", "Laplace", "exponential", "t(5)")
Cell = tuple[str, int, int]


def cells(part: str) -> list[Cell]:
    """Return the laws (for mean p-values: the tests), rows and columns of a part."""
    if part == "mean-pvalue":
        return [(test, n, 4) for n in (200, 500, 5000) for test in SCORED]
    if part == "power":
        return [(name, n, 2) for n in (1000, 8000) for name in FOUND]
    if part == "decomposition":
        return [(name, n, 2) for n in (300, 1000) for name in BOOTSTRAPPED]
    columns = (1, 8) if part == "sliced" else (1, 2, 8)
    return [(name, n, d) for n in (300, 2000) for d in columns for name in LAWS]


def truths(part: str, name: str, d: int) -> dict[str, float]:
    """Return the true effects that the part estimates, on the scale of reports."""
    if part == "mean-pvalue":
        return {"mean-pvalue": 0.5}
    if part == "power":
        return {table.DETECTABLE_ROWS.name: power_truth(name, d)}
    if part == "sliced":
        return {table.SLICED_WASSERSTEIN.name: sliced_truth(name, d)}
    return {key: max(0.0, value) for key, value in LAWS[name].truth(d).items()}


PARTS: dict[str, Callable[[str, int, int, int], dict[str, Effect]]] = {
    "effects": effects,
    "sliced": sliced,
    "decomposition": decomposition,
    "mean-pvalue": mean_pvalue,
    "power": power,
}
TITLES = {
    "effects": "Effects of one sample",
    "sliced": "Sliced Wasserstein-2 distance",
    "decomposition": "kl_decomposition, by resampling",
    "mean-pvalue": "mean_pvalue",
    "power": "Rows for 50% power",
}
# Counts of a cell: runs, and of each effect the intervals with a lower and with an upper limit, the
# limits on the wrong side of the truth, and sums of estimates.
COUNTS = ("printed", "two-sided", "above", "below", "estimated", "sum")


def run_cell(part: str, cell: Cell, runs: int, until: float) -> dict[str, Any]:
    """Go on with a cell up to so many runs, or until a time; return its counts."""
    name, n, d = cell
    path = RUNS / "coverage" / f"{part}-{name.replace(' ', '-')}-{n}-{d}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {"runs": 0, "effects": {}}
    if path.exists():
        record = json.loads(path.read_text(encoding="utf-8"))
    if record["runs"] >= runs or time.monotonic() > until:
        return record
    wanted = record.setdefault("truth", truths(part, name, d))
    while record["runs"] < runs and time.monotonic() < until:
        for key, effect in PARTS[part](name, n, d, record["runs"]).items():
            if key in wanted:
                counts = record["effects"].setdefault(key, dict.fromkeys(COUNTS, 0))
                _count(counts, effect, wanted[key])
        record["runs"] += 1
    path.write_text(json.dumps(record), encoding="utf-8")
    return record


def _count(counts: dict[str, float], effect: Effect, truth: float) -> None:
    low, high = effect.low, effect.high
    if effect.value is not None:
        counts["estimated"] += 1
        counts["sum"] += effect.value
    if low is None and high is None:
        return
    counts["printed"] += 1
    counts["two-sided"] += low is not None and high is not None
    counts["above"] += low is not None and low > truth + 1e-9
    counts["below"] += high is not None and high < truth - 1e-9


def row_of(part: str, cell: Cell, record: dict[str, Any]) -> dict[str, Any]:
    """Return one row: of each effect the coverage of the intervals that were printed."""
    name, n, d = cell
    row: dict[str, Any] = {"test" if part == "mean-pvalue" else "law": name, "n": n, "d": d}
    for key in truths_named(part):
        counts = record["effects"].get(key)
        row[key] = "-"
        if counts and counts["printed"]:
            printed, two = counts["printed"], counts["two-sided"]
            row[key] = f"{1.0 - (counts['above'] + counts['below']) / printed:.3f}"
            if printed < record["runs"]:
                row[key] += f"; printed {printed / record['runs']:.2f}"
            if two < printed:
                row[key] += f"; two-sided {two / printed:.2f}"
    return row | {"runs": record["runs"]}


def truths_named(part: str) -> tuple[str, ...]:
    """Return the names of the effects that a part has a column for."""
    if part == "mean-pvalue":
        return ("mean-pvalue",)
    if part == "power":
        return (table.DETECTABLE_ROWS.name,)
    return (table.SLICED_WASSERSTEIN.name,) if part == "sliced" else NAMES[:-1]


NOTES = (
    "Share of printed intervals that hold the true value; nominal {confidence:g}. `printed` and "
    "`two-sided` are shares of the runs with an interval, and of these with an upper limit, where "
    "they are below 1; `-`: never printed. Columns have mean 0 and variance 1 where the name does "
    "not say otherwise. The standard error of a coverage of .95 in 500 runs is .01."
)


def main() -> None:
    """Run the parts and write a table of each from all runs that there are."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--part", choices=tuple(PARTS))
    parser.add_argument("--only", default="", help="a law, or a test")
    parser.add_argument("--minutes", type=float, default=np.inf)
    options = parser.parse_args()
    until = time.monotonic() + 60.0 * options.minutes
    with single_threaded_blas():
        for part in [options.part] if options.part else PARTS:
            rows = []
            for cell in cells(part):
                mine = options.only in ("", cell[0])
                record = run_cell(part, cell, options.runs if mine else 0, until)
                if record["runs"]:
                    rows.append(row_of(part, cell, record))
                    print(rows[-1], flush=True)
            if rows:
                notes = NOTES.format(confidence=0.99 if part == "mean-pvalue" else 0.95)
                write("level", f"coverage/{part}", TITLES[part], rows, notes)


if __name__ == "__main__":
    main()
