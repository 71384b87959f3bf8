"""Two-sample tests: their size, their power beside other classifiers, their time beside peers.

    python -m benchmarks.decisions.two_samples level [--samples 2000]
    python -m benchmarks.decisions.two_samples power [--samples 300]
    python -m benchmarks.decisions.two_samples coverage [--samples 400]
    python -m benchmarks.decisions.two_samples speed

``power`` needs nothing but what dmtest needs; ``speed`` compares with hyppo where it is installed.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.tables import write
from dmtest.calibration.permutation import joint_permutation, permute
from dmtest.catalogue.registry import as_tests
from dmtest.effects.two_sample import contrast_effects, moments_of
from dmtest.engines.pool import Pool
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.statistics.pools.invariants import block_features

Vector = NDArray[np.float64]
SPECS = as_tests(None, "reference")
NAMES = [*(spec.name for spec in SPECS), "worst slice", "together"]
LEVELS = (0.01, 0.05, 0.1)


def pvalues(pool: Pool, replicates: int, budget: float | None = None) -> list[float]:
    """P-values of all tests, of the worst slice, and of all together."""
    found = permute(pool, SPECS, {}, replicates=replicates, slices=None, budget=budget)
    worst = found["sliced-wasserstein"].worst_pvalue
    assert worst is not None
    return [
        *(one.pvalue for one in found.values()),
        worst,
        joint_permutation(list(found.values())).pvalue,
    ]


def rotated(x: Vector, y: Vector, seed: int) -> Pool:
    """Describe both samples by blocks, as rotation=True does."""
    order = [stream(seed, "rotation/blocks").permutation(len(a)) for a in (x, y)]
    return Pool(block_features(x, order[0]), block_features(y, order[1]), seed)


def several(task: Callable[[int], Any], samples: int) -> Vector:
    """Run a task for every sample, over the threads."""
    parts = run_tasks(
        lambda part: [task(i) for i in range(part.start, part.stop)], blocks(samples, 10)
    )
    return np.array([one for part in parts for one in part])


# Size


def null(kind: str, n: int, d: int, rng: np.random.Generator) -> Vector:
    """Draw from one of the nulls: smooth, heavy-tailed, discrete."""
    if kind == "t3":
        return rng.standard_t(3, (n, d))
    if kind == "integers":
        return rng.integers(0, 3, (n, d)).astype(np.float64)
    return rng.standard_normal((n, d))


def level(samples: int) -> None:
    """Measure the size of every test, with 99 permutations."""
    cases = [
        ("normal", 20, 15, 2, ""),
        ("normal", 100, 80, 3, ""),
        ("normal", 40, 40, 64, ""),
        ("normal", 200, 100, 16, ""),
        ("t3", 50, 30, 5, ""),
        ("integers", 30, 30, 2, ""),
        ("normal", 60, 40, 5, "linear forms"),
        ("normal", 160, 96, 4, "rotation"),
        ("t3", 160, 96, 4, "rotation"),
    ]
    rows = []
    for kind, n, m, d, how in cases:

        def task(
            i: int, kind: str = kind, n: int = n, m: int = m, d: int = d, how: str = how
        ) -> Any:
            rng = stream(i, f"twosample/level/{kind}/{n}/{m}/{d}/{how}")
            x, y = null(kind, n, d, rng), null(kind, m, d, rng)
            if how == "rotation":
                y = y if kind == "t3" else y @ np.linalg.qr(rng.standard_normal((d, d)))[0]
                return pvalues(rotated(x, y, i), 99)
            return pvalues(Pool(x, y, i), 99, 1.0 if how else None)

        found = several(task, samples)
        for j, name in enumerate(NAMES):
            sizes = [float(np.mean(found[:, j] <= a + 1e-12)) for a in LEVELS]
            z = [
                (s - a) / np.sqrt(a * (1 - a) / samples) for s, a in zip(sizes, LEVELS, strict=True)
            ]
            rows.append(
                {"null": kind, "n": n, "m": m, "d": d, "form": how, "test": name}
                | {f"size at {a}": s for a, s in zip(LEVELS, sizes, strict=True)}
                | {"largest z": float(max(z, key=abs))}
            )
        print(kind, n, m, d, how, flush=True)
    above = sum(row["largest z"] > 3 for row in rows)
    notes = (
        f"{samples} pairs of samples a row, 99 permutations, rank p-values. `largest z`: deviation "
        f"from nominal over 1, 5 and 10% in binomial standard errors. {above} of {len(rows)} rows "
        f"are more than 3 above. Integers tie, which makes tests conservative, never liberal."
    )
    print(write("decisions", "two-samples/level", "Size of the two-sample tests", rows, notes))


# Power


def shifted(x: Vector) -> Vector:
    """Move one column."""
    x[:, 0] += 0.4
    return x


def everywhere(x: Vector) -> Vector:
    """Move all columns."""
    return x + 0.1


def wider(x: Vector) -> Vector:
    """Widen one column."""
    x[:, 0] *= 1.4
    return x


def correlated(x: Vector) -> Vector:
    """Correlate two columns."""
    x[:, 1] = 0.5 * x[:, 0] + np.sqrt(0.75) * x[:, 1]
    return x


def parity(x: Vector) -> Vector:
    """Let the sign of one column be that of the product of two others."""
    x[:, 2] = np.abs(x[:, 2]) * np.sign(x[:, 0] * x[:, 1])
    return x


def bimodal(x: Vector) -> Vector:
    """Give one column two modes, with mean 0 and variance 1."""
    x[:, 0] = 0.9 * np.sign(x[:, 0]) + np.sqrt(1 - 0.81) * x[:, 1]
    x[:, 1] = np.roll(x[:, 1], 1)
    return x


ALTERATIONS: dict[str, Callable[[Vector], Vector]] = {
    "mean of 1 column +0.4": shifted,
    "means of all columns +0.1": everywhere,
    "sd of 1 column x1.4": wider,
    "2 columns correlated 0.5": correlated,
    "parity of 3 columns": parity,
    "1 column bimodal": bimodal,
}


def pair(name: str, n: int, d: int, rng: np.random.Generator) -> tuple[Vector, Vector]:
    """Draw data that depart, and a reference."""
    if name == "heavier tails (t5)":
        return rng.standard_t(5, (n, d)) * np.sqrt(0.6), rng.standard_normal((n, d))
    if name == "thin direction +0.4":
        scales = np.geomspace(1.0, 0.01, d)
        x, y = rng.standard_normal((2, n, d))
        x[:, -1] += 0.4
        return x * scales, y * scales
    x, y = rng.standard_normal((2, n, d))
    return ALTERATIONS[name](x), y


def held_out(x: Vector, y: Vector, model: Any) -> float:
    """Give the p-value of Lopez-Paz & Oquab's test: train on half, binomial test on the other."""
    from scipy.stats import binomtest

    half = len(x) // 2
    train, test = (np.concatenate([a, b]) for a, b in ((x[:half], y[:half]), (x[half:], y[half:])))
    model.fit(train, np.repeat([1, 0], half))
    right = int((model.predict(test) == np.repeat([1, 0], len(x) - half)).sum())
    return float(binomtest(right, len(test), 0.5, alternative="greater").pvalue)


def power(samples: int) -> None:
    """Measure power at 5%, beside classifiers of scikit-learn that learn on half of the rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from threadpoolctl import threadpool_limits

    n, d = 200, 16
    rows = []
    for name in [*ALTERATIONS, "heavier tails (t5)", "thin direction +0.4"]:

        def task(i: int, name: str = name) -> Any:
            x, y = pair(name, n, d, stream(i, f"twosample/power/{name}"))
            return [
                *pvalues(Pool(x, y, i), 199),
                pvalues(rotated(x, y, i), 199)[-1],
                held_out(x, y, LogisticRegression()),
                held_out(x, y, HistGradientBoostingClassifier(max_iter=50)),
            ]

        with threadpool_limits(limits=1, user_api="openmp"):
            found = several(task, samples)
        shares = np.mean(found <= 0.05 + 1e-12, axis=0)
        labels = [*NAMES, "together, rotation", "logistic, half", "boosting, half"]
        rows.append({"departure": name} | dict(zip(labels, map(float, shares), strict=True)))
        print(rows[-1], flush=True)
    notes = (
        f"n = m = {n}, d = {d}, {samples} pairs of samples, level 5%, 199 permutations. `logistic` "
        f"and `boosting`: Lopez-Paz & Oquab's test with scikit-learn's LogisticRegression and "
        f"HistGradientBoostingClassifier, trained on half of the rows, exact binomial test on the "
        f"other half."
    )
    print(write("decisions", "two-samples/power", "Power of the two-sample tests", rows, notes))


# Coverage


def coverage(samples: int) -> None:
    """Measure how often the intervals of effects hold the truth."""
    cases = {"equal": (0.0, 1.0), "apart": (0.5, 1.0), "wider": (0.0, 1.5), "both": (0.3, 1.3)}
    rows = []
    d, n, m = 4, 300, 200
    for name, (move, scale) in cases.items():
        truth = _truth(move, scale, d)

        def task(
            i: int, move: float = move, scale: float = scale, truth: dict[str, float] = truth
        ) -> Any:
            rng = stream(i, f"twosample/coverage/{move}/{scale}")
            x, y = rng.standard_normal((n, d)), rng.standard_normal((m, d))
            x[:, 0] = move + scale * x[:, 0]
            pool = Pool(x, y, i)
            found = permute(
                pool, SPECS, {"mmd": {"bandwidth": 2.0}}, replicates=199, slices=None, budget=None
            )
            effects = contrast_effects(pool, found, moments_of(x), moments_of(y))
            return [(effects[k].low, effects[k].high, effects[k].value) for k in truth]

        found = several(task, samples)
        for j, (effect, value) in enumerate(truth.items()):
            low, high, middle = found[:, j].T
            # Where the truth is 0 an interval that reaches down to 0 holds it.
            inside = (low <= value + 1e-9) & (value <= high + 1e-9)
            rows.append(
                {"case": name, "effect": effect, "truth": value, "mean estimate": middle.mean()}
                | {"coverage": float(inside.mean())}
            )
    notes = (
        f"n = {n}, m = {m}, d = {d}; column 0 of the data is N(move, scale^2), all others N(0, 1); "
        f"{samples} pairs; nominal 0.95. Truths by formula, quadrature or 4 million draws."
    )
    print(
        write(
            "decisions", "two-samples/coverage", "Coverage of the two-sample effects", rows, notes
        )
    )


def _truth(move: float, scale: float, d: int) -> dict[str, float]:
    rng = stream(0, "twosample/truth")
    total = 4_000_000
    x, x2, y, y2 = (rng.standard_normal((total, d)) for _ in range(4))
    for a in (x, x2):
        a[:, 0] = move + scale * a[:, 0]

    def mean(f: Callable[[Vector], Vector], a: Vector, b: Vector) -> float:
        return float(f(np.square(a - b).sum(axis=1)).mean())

    energy = 2 * mean(np.sqrt, x, y) - mean(np.sqrt, x, x2) - mean(np.sqrt, y, y2)

    def kernel(squared: Vector) -> Vector:
        return np.exp(-squared / 8.0)

    mmd = mean(kernel, x, x2) + mean(kernel, y, y2) - 2 * mean(kernel, x, y)
    u = rng.standard_normal((total, d))
    u1 = u[:, 0] ** 2 / np.square(u).sum(axis=1)
    # Along u both are normal: W2^2 is the squared distance of means and standard deviations.
    sliced = float((move**2 * u1 + (np.sqrt(1 + (scale**2 - 1) * u1) - 1) ** 2).mean())
    pooled = np.sqrt((0.6 * (scale**2 + d - 1) + 0.4 * d) / d)
    same = move == 0.0 and scale == 1.0
    return {
        "sliced-wasserstein-2": np.sqrt(sliced),
        "energy-distance": 0.0 if same else np.sqrt(energy),
        "mmd": 0.0 if same else np.sqrt(mmd),
        "mean-difference": move / pooled,
        "covariance-difference": abs(scale**2 - 1) / np.sqrt(d),
    }


# Speed


def plain(x: Vector, y: Vector, kernel: Callable[[Vector], Vector], replicates: int) -> float:
    """Permute rows and columns of the whole matrix: what one writes in numpy."""
    from scipy.spatial.distance import cdist

    z = np.concatenate([x, y])
    matrix = kernel(cdist(z, z))
    weights = np.repeat([1 / len(x), -1 / len(y)], [len(x), len(y)])
    rng = np.random.default_rng(0)
    observed = abs(weights @ matrix @ weights)
    count = 0
    for _ in range(replicates):
        w = rng.permutation(weights)
        count += abs(w @ matrix @ w) >= observed
    return (1 + count) / (replicates + 1)


def seconds(work: Callable[[], Any], times: int = 3) -> float:
    """Time the fastest of several calls."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return min(taken)


def speed() -> None:
    """Time tests with 999 permutations at n = m = 2,000, d = 16."""
    n, d, replicates = 2000, 16, 999
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, n, d))
    pool = Pool(x, y, 0)

    def own(*names: str) -> Callable[[], Any]:
        specs = as_tests(names, "reference")
        return lambda: permute(pool, specs, {}, replicates=replicates, slices=None, budget=None)

    for spec in SPECS:
        own(spec.name)()
    rows = []
    times = {
        name: seconds(own(name)) for name in ("mmd", "energy", "sliced-wasserstein", "classifier")
    }
    times["mmd and energy"] = seconds(own("mmd", "energy"))
    times["all four"] = seconds(own(*(spec.name for spec in SPECS)))
    for name, taken in times.items():
        rows.append({"work": f"dmtest {name}", "seconds": taken, "ratio": 1.0, "permutations": 999})
    numpy_time = seconds(lambda: plain(x, y, lambda a: a, replicates), 1)
    rows.append(
        {
            "work": "numpy, whole matrix, energy",
            "seconds": numpy_time,
            "ratio": numpy_time / times["energy"],
            "permutations": replicates,
        }
    )
    few = 9
    try:
        from hyppo.ksample import MMD, Energy
    except ImportError:
        print("hyppo is not installed: left out")
    else:
        for name, kind in (("energy", Energy), ("mmd", MMD)):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                base = seconds(partial(kind().statistic, x, y), 1)
                test = partial(kind().test, x, y, reps=few, workers=1, auto=False)
                taken = seconds(test, 1)
            scaled = base + (taken - base) / few * replicates
            rows.append(
                {
                    "work": f"hyppo {name}, scaled up from {few} permutations",
                    "seconds": scaled,
                    "ratio": scaled / times[name],
                    "permutations": replicates,
                }
            )
    notes = (
        f"n = m = {n}, d = {d}, {replicates} permutations. `ratio`: to dmtest's time for the same "
        f"test. dmtest and numpy use all threads; hyppo one worker, and its time is scaled up from "
        f"{few} permutations."
    )
    print(write("decisions", "two-samples/speed", "Time of the two-sample tests", rows, notes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["level", "power", "coverage", "speed"])
    parser.add_argument("--samples", type=int)
    options = parser.parse_args()
    if options.what == "speed":
        speed()
    else:
        study, usual = {"level": (level, 2000), "power": (power, 300), "coverage": (coverage, 400)}[
            options.what
        ]
        study(options.samples or usual)
