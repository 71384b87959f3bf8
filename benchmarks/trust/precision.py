"""Numerical error, agreement with other programs, and cost of every test.

    python -m benchmarks.trust.precision

Every statistic is compared with its definition in 40 digits (tests/support/exact.py), with values
of other packages and twins that share no code (tests/references, tests/support/twins.py), with
itself after all maps that leave it unchanged, and in float32 with float64.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

import dmtest
from benchmarks.tables import write
from dmtest.catalogue.invariances import implied
from dmtest.catalogue.registry import ROWS
from dmtest.catalogue.spec import RowTest, SliceTest, Spec
from dmtest.data.sample import as_sample
from dmtest.engines.directions import random_directions
from dmtest.engines.rows import RowView, evaluate
from dmtest.engines.slices import SliceView, slice_statistics
from dmtest.runtime.streams import stream
from dmtest.targets.targets import as_target

Vector = NDArray[np.float64]
SHAPES = ((30, 3), (60, 2), (40, 6))
LARGE = (1000, 8)
SMALL = (100, 8)  # for a test that takes few rows
SECONDS = 0.3  # CPU seconds of repetitions of one evaluation


def draw(row: Spec, n: int, d: int, seed: int) -> Vector:
    """Draw rows near the null, which cancels most in a statistic."""
    rng = np.random.default_rng([seed, n, d])
    if row.space == "cube":
        return rng.random((n, d)) ** 1.1
    x = 1.1 * rng.standard_normal((n, d)) + 0.2
    return np.asarray(x / np.linalg.norm(x, axis=1)[:, None]) if row.space == "sphere" else x


def ratio(value: float, truth: Any) -> float:
    """Relative difference."""
    return float(abs((value - truth) / truth)) if truth else float(abs(value))


def statistic(row: Spec, x: Vector, y: Vector | None = None, parameters: str = "fitted") -> float:
    """Compute the statistic of a sample: of one column for tests of slices."""
    if isinstance(row, SliceTest):
        view = SliceView(np.ascontiguousarray(x[:, :1].T), parameters)  # type: ignore[arg-type]
        return float(row.statistic(view)[0])
    target: Any = row.targets[0] if y is None else dmtest.Reference(y)
    return float(dmtest.run_test(x, row.name, target, replicates=19, rng=0).statistic)


def digits(row: Spec) -> float | None:
    """Return the largest relative difference from the definition in 40 digits."""
    from mpmath import mp, mpf

    from tests.support import exact
    from tests.support.references import label

    mp.dps, found = exact.DIGITS, []
    for seed, (n, d) in enumerate(SHAPES):
        name = label(row)
        d = {"energy-cube": 1, "pcvm-sphere": 3, "pad-sphere": 3}.get(name, d)
        d = max(d, 3) if row.space == "sphere" else d
        n = 12 if row.name == "henze-jimenez-gamero-meintanis" else n
        x = draw(row, n, d, seed)
        if isinstance(row, SliceTest):
            column = [value for value, *_ in exact.exact(x)]
            for parameters in ("fitted", "known"):
                truth = exact.slices(row.name, column, parameters == "known")
                found.append(ratio(mpf(statistic(row, x, parameters=parameters)), truth))
        elif name in exact.ROWS:
            found.append(ratio(mpf(statistic(row, x)), exact.ROWS[name](exact.exact(x))))
        elif name in exact.TWO_SAMPLES:
            y = 1.2 * draw(row, n // 2, d, seed + 9)
            truth = exact.TWO_SAMPLES[name](exact.exact(x), exact.exact(y))
            found.append(ratio(mpf(statistic(row, x, y)), truth))
    return max(found) if found else None


def agreement(row: Spec) -> dict[str, Any]:
    """Return with what the statistic was compared, and how far it was off at most."""
    from tests.catalogue import test_references as known
    from tests.support.references import references_of

    recorded, twins = references_of(row), known.recomputed(row)
    packages: dict[str, int] = {}
    for one in recorded:
        found = re.match(r"\('(\w+)', |(\w+) ", one.what + " ")
        name = (found[1] or found[2]) if found else one.what
        name = "energy" if row.space == "two-sample" else name
        packages[name] = packages.get(name, 0) + 1
    off, least, beyond = {"values": [0.0], "twins": [0.0]}, 0, 0
    for kind, references in (("values", recorded), ("twins", twins)):
        for one in references:
            if one.value is None:
                continue
            if isinstance(row, SliceTest):
                view = SliceView(one.x[None], one.parameters)
                value = float(row.statistic(view, **one.params)[0])
            else:
                value = known.compute(row, one).statistic
            if one.least:
                least, beyond = least + 1, beyond + (value >= one.value * (1.0 - 1e-9))
            elif one.rtol < 0.1:
                close = abs(value - one.value) <= one.atol
                off[kind].append(0.0 if close else ratio(value, one.value))
    values = sum(one.value is not None for one in recorded)
    pvalues = sum(one.pvalue is not None for one in recorded)
    return {
        "values of others": values,
        "from": ", ".join(f"{name} {count}" for name, count in packages.items()) or "-",
        "farthest value": max(off["values"]) if values > least else "-",
        "p-values of others": pvalues,
        "at least a maximum of others": f"{beyond} of {least}" if least else "-",
        "twins": len(twins),
        "farthest twin": max(off["twins"]) if twins else "-",
    }


def single(row: Spec) -> float:
    """Return the largest relative difference of float32 from float64, of the same values."""
    found = []
    for seed, (n, d) in enumerate(SHAPES):
        d = max(d, 3) if row.space == "sphere" else d
        x = draw(row, n, d, seed).astype(np.float32)
        found.append(ratio(_any(row, x, seed), _any(row, x.astype(np.float64), seed)))
    return max(found)


def _any(row: Spec, x: Vector, seed: int) -> float:
    """Compute the statistic of whole samples, slices and all."""
    target: Any = row.targets[0]
    if row.space == "two-sample":
        target = dmtest.Reference(
            1.2 * draw(row, len(x) // 2, x.shape[1], seed + 9).astype(x.dtype)
        )
    if row.space == "draws":
        target = dmtest.Sampled(lambda n, rng: rng.standard_normal((n, x.shape[1])))
    return float(dmtest.run_test(x, row.name, target, replicates=19, rng=0).statistic)


def invariance(row: Spec) -> tuple[float, str]:
    """Return how far the maps of the tests of invariances move it, and how many they are."""
    from tests.catalogue import test_invariance as maps

    most, count = 0.0, 0
    for target in maps.targets(row):
        names = [n for n in maps.STAY[row.space] if n in implied(row.invariances_for(target))]
        for name in names:
            plain, mapped = maps.before_and_after(row, name, target, np.float64, 8)
            most, count = max(most, ratio(mapped.statistic, plain.statistic)), count + 1
    return most, str(count)


def cost(row: Spec) -> tuple[str, float]:
    """Return what was timed, and its CPU milliseconds on one thread."""
    n, d = SMALL if row.most is not None and row.most < LARGE[0] else LARGE
    x = draw(row, n, d, 1)
    run: Callable[[], object]
    if isinstance(row, SliceTest):
        directions = random_directions(64, d, stream(0, "precision"))
        what = f"{n:,} x {d}, 64 slices"

        def run() -> object:
            return slice_statistics(x, directions, "known", {row.name: row.statistic})
    elif isinstance(row, RowTest):
        canonical = as_target(row.targets[0]).canonical(as_sample(x))
        rows = {"cube": canonical.cube, "sphere": canonical.unit}.get(row.space, canonical.rows)
        assert rows is not None
        factor = np.linalg.cholesky(canonical.covariance) if row.space == "residuals" else None
        what = f"{n:,} x {d}"

        def run() -> object:
            return evaluate(row.statistic, RowView(rows, factor, threads=False))
    else:
        what = f"{n:,} x {d}, with p-value (19 replicates)"

        def run() -> object:
            return _any(row, x, 1)

    run()
    times: list[float] = []
    while sum(times) < SECONDS or len(times) < 3:
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return what, round(1000.0 * min(times), 4)


def main() -> None:
    """Measure all tests and write the tables."""
    os.environ["DMTEST_CACHE_DIR"] = "off"
    os.environ["DMTEST_THREADS"] = "1"
    errors, costs = [], []
    for row in ROWS:
        name = {"test": row.name, "scale": row.space}
        exact, (moved, maps) = digits(row), invariance(row)
        errors.append(
            name
            | {"40 digits": "-" if exact is None else exact, "float32": single(row)}
            | {"maps": int(maps), "moved by maps": moved}
            | agreement(row)
        )
        what, milliseconds = cost(row)
        costs.append(name | {"of": what, "CPU ms": milliseconds, "growth": row.cost})
        print(errors[-1], costs[-1]["CPU ms"], flush=True)
    notes = (
        "Largest relative differences of a statistic. `40 digits`: from its definition in that "
        "many, in float64, on samples of 12 to 60 rows (searches and statistics of random numbers "
        "have none). `float32`: from the same values in float64. `moved by maps`: from itself "
        "after each of the maps that leave it unchanged, of condition 100. `farthest value`, "
        "`farthest twin`: from "
        "values of other packages, within the digits that they print, and from second "
        "implementations."
    )
    print(write("trust", "precision/error", "Numerical error of every test", errors, notes))
    notes = "CPU time of one evaluation, fastest of several, on one thread in float64."
    print(write("trust", "precision/cost", "Cost of every test", costs, notes))


if __name__ == "__main__":
    main()
