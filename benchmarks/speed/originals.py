"""Tests of whole rows against the R and Python packages that have them, at two shapes.

    python -m benchmarks.speed.originals

An original takes its time inside its own process, start-up and compilation left out; ours are
timed around it, in turn. Those of R are timed where ``Rscript`` and the package are there.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import qmc

from benchmarks.speed.peers import seconds
from benchmarks.tables import write
from dmtest.battery.rows import rows_of
from dmtest.catalogue.registry import find
from dmtest.data.sample import as_sample
from dmtest.engines.rows import RowView, evaluate
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.targets.targets import as_target

SHAPES = ((2000, 8, 10.0), (5000, 64, 20.0))

R_TIMED = """
x <- as.matrix(read.csv(commandArgs(TRUE)[1], header = FALSE))
suppressMessages(library({package}))
invisible({call_small})
once <- system.time({call})[["elapsed"]]
# The clock of system.time ticks in milliseconds.
many <- max(1, ceiling(0.1 / max(once, 0.001)))
times <- sapply(1:{runs}, function(i) system.time(for (j in 1:many) {call})[["elapsed"]] / many)
cat(min(times))
"""


def r_seconds(package: str, call: str, x: np.ndarray[Any, Any], runs: int = 2) -> float | None:
    """Time a call of R, which sees the sample as x; None where it cannot run."""
    script = shutil.which("Rscript")
    if script is None:
        return None
    small = call.replace("x", "x[1:200, ]", 1) if "(x" in call else call
    with tempfile.TemporaryDirectory() as folder:
        data, code = Path(folder) / "x.csv", Path(folder) / "code.R"
        np.savetxt(data, x, delimiter=",")
        text = R_TIMED.format(package=package, call=call, call_small=small, runs=runs)
        code.write_text(text)
        command = [script, str(code), str(data)]
        out = subprocess.run(command, capture_output=True, text=True, check=False)
    return float(out.stdout) if out.returncode == 0 else None


def ours(name: str, target: str, x: np.ndarray[Any, Any]) -> Callable[[], Any]:
    """Evaluate one statistic from the raw sample: whitening and all."""
    spec = find(name, target)
    assert spec is not None
    goal = as_target(target)

    def work() -> Any:
        with single_threaded_blas():
            canonical = goal.canonical(as_sample(x))
            rows, factor = rows_of(canonical, spec.space, spec.name)
            return evaluate(spec.statistic, RowView(rows, factor))

    return work


def fastest(work: Callable[[], Any], budget: float = 0.3) -> float:
    """Time the fastest of the calls that fit into `budget` seconds, after one that warms up."""
    work()
    times = [seconds(work)]
    while sum(times) < budget:
        times.append(seconds(work))
    return min(times)


def row_of(
    name: str,
    peer: str,
    x: np.ndarray[Any, Any],
    mine: float,
    theirs: float,
    wanted: float | None,
) -> dict[str, Any]:
    """One line of the table."""
    n, d = x.shape
    row = {"test": name, "original": peer, "n": n, "d": d, "dmtest s": mine, "original s": theirs}
    row |= {
        "original / dmtest": theirs / mine,
        "wanted": "" if wanted is None else f">= {wanted:g}",
    }
    print({k: f"{v:.4g}" if isinstance(v, float) else v for k, v in row.items()}, flush=True)
    return row


def main() -> None:
    """Time what there is."""
    import pingouin

    rng = np.random.default_rng(0)
    rows = []
    for n, d, wanted in SHAPES:
        x, u = rng.standard_normal((n, d)), rng.random((n, d))
        from_r: list[tuple[str, str, str, str, Any]] = [
            ("energy", "any-normal", "energy", "mvnorm.e(x)", x),
            ("shapiro-wilk", "any-normal", "stats", "apply(x, 2, shapiro.test)", x),
        ]
        from_r += [
            (name, "any-normal", "nortest", f"apply(x, 2, {call})", x)
            for name, call in (
                ("anderson-darling", "ad.test"),
                ("cramer-von-mises", "cvm.test"),
                ("kolmogorov-smirnov", "lillie.test"),
                ("shapiro-francia", "sf.test"),
            )
        ]
        for name, target, package, call, data in from_r:
            theirs = r_seconds(package, call, data)
            if theirs is None:
                print(f"{name}: R or its package {package} is not there")
                continue
            work = ours(name, target, data) if package == "energy" else columns(name, data)
            mine = fastest(work)
            theirs = min(theirs, r_seconds(package, call, data) or theirs)
            mine = min(mine, fastest(work))
            # The ratios wanted are of tests of rows; those of slices have theirs in peers.py.
            goal = wanted if package == "energy" else None
            rows.append(row_of(name, f"R {package} {call}", data, mine, theirs, goal))
        from_python: list[tuple[str, str, str, Any, Callable[[], Any]]] = [
            (
                "henze-zirkler",
                "any-normal",
                "pingouin",
                x,
                lambda x=x: pingouin.multivariate_normality(x),  # type: ignore[misc]
            ),
            (
                "centred-discrepancy",
                "uniform",
                "scipy.stats.qmc.discrepancy",
                u,
                lambda u=u: qmc.discrepancy(u, method="CD"),  # type: ignore[misc]
            ),
            (
                "wraparound-discrepancy",
                "uniform",
                "scipy.stats.qmc.discrepancy",
                u,
                lambda u=u: qmc.discrepancy(u, method="WD"),  # type: ignore[misc]
            ),
        ]
        for name, target, peer, data, original in from_python:
            if find(name, target) is None:
                continue
            work = ours(name, target, data)
            mine, theirs = np.inf, np.inf
            for _ in range(3):
                mine = min(mine, fastest(work))
                theirs = min(theirs, seconds(original))
            rows.append(row_of(name, peer, data, mine, theirs, wanted))
    write(
        "speed",
        "speed/originals",
        "Tests of whole rows against their originals",
        rows,
        "From the raw sample to the statistic (R and pingouin: and its p-value), fastest of "
        "several interleaved runs, all threads allowed; slice tests on the columns, as the "
        "originals take them. "
        "mnt, MVN and sphunif are in no registry here.",
    )


def columns(name: str, x: np.ndarray[Any, Any]) -> Callable[[], Any]:
    """Evaluate a slice test on every column."""
    from dmtest.engines.slices import slice_statistics

    spec = find(name, "any-normal")
    assert spec is not None
    directions, one = np.eye(x.shape[1]), {name: spec.statistic}

    def work() -> Any:
        with single_threaded_blas():
            return slice_statistics(x, directions, "fitted", one)

    return work


if __name__ == "__main__":
    main()
