"""Speed and memory against peers and against the floor, as ratios within one run.

    python -m benchmarks.speed.peers [--quick]

Each row times two pieces of work in turn, several times over, and reports the ratio of
their fastest times: the machine's drift then falls on both.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.tables import write
from dmtest.catalogue.registry import TESTS
from dmtest.engines.directions import random_directions
from dmtest.engines.rows import RowView, evaluate
from dmtest.engines.slices import evaluate_slices, slice_statistics
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.statistics.rows.pairs import henze_zirkler
from dmtest.targets.transforms import mean_and_covariance, whiten

Work = Callable[[], Any]

SLICED = {name: spec.statistic for name, spec in TESTS.items() if spec.space == "lines"}


def seconds(work: Work) -> float:
    """Time one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def compare(
    what: str, peer: str, ours: Work, theirs: Work, wanted: str, runs: int
) -> dict[str, Any]:
    """Time both in turn, each a few times and as often as its length allows."""
    ours()
    mine, yours = [], []
    for _ in range(runs):
        mine += [seconds(ours), seconds(ours)]
        mine += [seconds(ours) for _ in range(min(20, int(0.2 / mine[-1])))]
        if sum(yours) < 20.0:
            yours.append(seconds(theirs))
    fast, slow = min(mine), min(yours)
    row = {
        "work": what,
        "peer": peer,
        "dmtest s": fast,
        "peer s": slow,
        "peer / dmtest": slow / fast,
        "wanted": wanted,
    }
    print({k: (f"{v:.4g}" if isinstance(v, float) else v) for k, v in row.items()}, flush=True)
    return row


def dagostino(rng: np.random.Generator, n: int, runs: int) -> list[dict[str, Any]]:
    """D'Agostino-Pearson on given slices, and with the projection included."""
    one = {"k2": SLICED["dagostino-pearson"]}
    lines = rng.standard_normal((256, n), dtype=np.float32)
    x = rng.standard_normal((n, 64), dtype=np.float32)
    u = random_directions(256, 64, rng)
    given = compare(
        f"dagostino-pearson, 256 given slices, n = {n:,}, float32",
        "scipy.stats.normaltest(axis=1)",
        lambda: evaluate_slices(lines, "fitted", one, moments_only=True),
        lambda: stats.normaltest(lines, axis=1),
        ">= 80",
        runs,
    )
    projected = compare(
        f"the same with the projection from d = 64, n = {n:,}",
        "x @ u.T, then scipy.stats.normaltest(axis=0)",
        lambda: slice_statistics(x, u, "fitted", one, moments_only=True),
        lambda: stats.normaltest(x @ u.astype(np.float32).T, axis=0),
        ">= 30",
        runs,
    )
    return [given, projected]


FIRST_CALL = """
import time
import numpy as np
from scipy import stats
from dmtest.engines.slices import evaluate_slices, slice_statistics
from dmtest.engines.directions import random_directions
from dmtest.catalogue.registry import TESTS
rng = np.random.default_rng(0)
lines = rng.standard_normal((256, {n}), dtype=np.float32)
x = rng.standard_normal(({n}, 64), dtype=np.float32)
u = random_directions(256, 64, rng)
single = u.astype(np.float32)
one = {{"k2": TESTS["dagostino-pearson"].statistic}}
small, few = lines[:8, :1000].copy(), x[:1000].copy()
def work(lines, x):
    {work}
work(small, few)
start = time.perf_counter()
work(lines, x)
print(time.perf_counter() - start)
"""


def first_call(n: int, work: str) -> float:
    """Time the first full-size call in a fresh process, after one on a small piece."""
    code = FIRST_CALL.format(n=n, work=work)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])


def dagostino_first(n: int, runs: int) -> list[dict[str, Any]]:
    """Time the same two for the first call of a process, when memory is not yet mapped."""
    cases = (
        (
            f"dagostino-pearson, 256 given slices, n = {n:,}: first call of a process",
            "scipy.stats.normaltest(axis=1)",
            'evaluate_slices(lines, "fitted", one, moments_only=True)',
            "stats.normaltest(lines, axis=1)",
            ">= 80",
        ),
        (
            "the same with the projection from d = 64: first call of a process",
            "x @ u.T, then scipy.stats.normaltest(axis=0)",
            'slice_statistics(x, u, "fitted", one, moments_only=True)',
            "stats.normaltest(x @ single.T, axis=0)",
            ">= 30",
        ),
    )
    rows = []
    for what, peer, ours, theirs, wanted in cases:
        mine = min(first_call(n, ours) for _ in range(runs))
        yours = min(first_call(n, theirs) for _ in range(runs))
        row = {"work": what, "peer": peer, "dmtest s": mine, "peer s": yours}
        rows.append(row | {"peer / dmtest": yours / mine, "wanted": wanted})
        print(rows[-1], flush=True)
    return rows


def sliced_epps_pulley(rng: np.random.Generator, runs: int) -> list[dict[str, Any]]:
    """Sliced Epps-Pulley against the formula of training libraries, in torch."""
    import torch

    z = rng.standard_normal((10_000, 256), dtype=np.float32)
    lines = np.ascontiguousarray(z.T)
    tensor = torch.from_numpy(z)
    t = torch.linspace(-5.0, 5.0, 17)
    target = torch.exp(-0.5 * t**2)
    weight = target / (2.0 * torch.pi) ** 0.5

    def formula() -> Any:
        with torch.inference_mode():
            angles = tensor.unsqueeze(-1) * t
            real, imag = angles.cos().mean(0) - target, angles.sin().mean(0)
            return len(tensor) * torch.trapezoid((real**2 + imag**2) * weight, t)

    one = {"ep": SLICED["epps-pulley"]}
    return [
        compare(
            "epps-pulley, 10,000 x 256 slices, float32",
            "torch, 17 nodes",
            lambda: evaluate_slices(lines, "known", one),
            formula,
            ">= 10",
            runs,
        )
    ]


def everything(rng: np.random.Generator, n: int, d: int, runs: int) -> list[dict[str, Any]]:
    """All eleven slice statistics against the floor: BLAS projection and one float32 sort."""
    x = rng.standard_normal((n, d), dtype=np.float32)
    u = random_directions(256, d, rng)
    single = u.astype(np.float32)
    row = compare(
        f"all {len(SLICED)} slice statistics, {n:,} x {d}, 256 slices, float32",
        "floor: BLAS projection + np.sort of the same floats",
        lambda: slice_statistics(x, u, "fitted", SLICED),
        lambda: np.sort(single @ x.T, axis=1),
        ">= 0.2 (at most 5 x the floor)",
        runs,
    )
    return [row]


def scipy_loops(rng: np.random.Generator, n: int, runs: int) -> list[dict[str, Any]]:
    """Each test against a loop over slices of its peer."""
    from statsmodels.stats.diagnostic import lilliefors, normal_ad

    lines = rng.standard_normal((64, n))
    peers: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "shapiro-wilk": ("scipy.stats.shapiro", stats.shapiro),
        "jarque-bera": ("scipy.stats.jarque_bera", stats.jarque_bera),
        "anderson-darling": ("statsmodels normal_ad", normal_ad),
        "kolmogorov-smirnov": ("statsmodels lilliefors", lilliefors),
        "cramer-von-mises": (
            "scipy.stats.cramervonmises",
            lambda y: stats.cramervonmises((y - y.mean()) / y.std(ddof=1), "norm"),
        ),
        "vasicek": (
            "scipy.stats.differential_entropy",
            lambda y: stats.differential_entropy(y, method="vasicek"),
        ),
    }
    rows = []
    for name, (label, peer) in peers.items():
        one = {name: SLICED[name]}
        rows.append(
            compare(
                f"{name}, 64 slices, n = {n:,}, float64",
                f"loop of {label}",
                lambda one=one: evaluate_slices(lines, "fitted", one),  # type: ignore[misc]
                lambda peer=peer: [peer(line) for line in lines],  # type: ignore[misc]
                "",
                runs,
            )
        )
    return rows


HZ_MEMORY = """
import numpy as np

def peak():
    # VmHWM belongs to this process alone; ru_maxrss may still hold its parent's peak.
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

x = np.random.default_rng(0).standard_normal(({n}, {d}))
{imports}
{warm}
before = peak()
{work}
print((peak() - before) / 1024)
"""


def peak_memory(n: int, d: int, imports: str, warm: str, work: str) -> float:
    """Peak MiB above the data, in a process of its own."""
    code = HZ_MEMORY.format(n=n, d=d, imports=imports, warm=warm, work=work)
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(out.stdout.split()[-1])


HZ_FIRST = """
import time
import numpy as np
from dmtest.runtime.parallel import single_threaded_blas
from dmtest.engines.rows import RowView, evaluate
from dmtest.statistics.rows.pairs import henze_zirkler
from dmtest.targets.transforms import mean_and_covariance, whiten
{imports}
def dmtest(x):
    with single_threaded_blas():
        return evaluate(henze_zirkler, RowView(whiten(x, *mean_and_covariance(x))))
x = np.random.default_rng(0).standard_normal(({n}, {d}))
dmtest(x[:4200].copy())
{warm}
start = time.perf_counter()
{work}
print(time.perf_counter() - start)
"""


def henze_first(n: int, d: int, runs: int) -> dict[str, Any]:
    """Time the first full-size call of a process, after one on a piece that compiles all."""

    def first(imports: str, warm: str, work: str) -> float:
        code = HZ_FIRST.format(n=n, d=d, imports=imports, warm=warm, work=work)
        command = [sys.executable, "-c", code]
        out = subprocess.run(command, capture_output=True, text=True, check=True)
        return float(out.stdout.split()[-1])

    name = "pingouin.multivariate_normality"
    mine = min(first("", "", "dmtest(x)") for _ in range(runs))
    yours = min(first("import pingouin", f"{name}(x[:500])", f"{name}(x)") for _ in range(runs))
    row: dict[str, Any] = {"work": f"henze-zirkler, {n:,} x {d}, float64: first call of a process"}
    row |= {"peer": "pingouin", "dmtest s": mine, "peer s": yours}
    return row | {"peer / dmtest": yours / mine, "wanted": ">= 100"}


def henze(rng: np.random.Generator, n: int, d: int, runs: int) -> list[dict[str, Any]]:
    """Henze-Zirkler against pingouin: time, and memory above the data."""
    import pingouin

    x = rng.standard_normal((n, d))
    single = x.astype(np.float32)

    def ours(data: Any) -> Any:
        with single_threaded_blas():
            return evaluate(henze_zirkler, RowView(whiten(data, *mean_and_covariance(data))))

    def theirs() -> Any:
        return pingouin.multivariate_normality(x)

    rows = [
        compare(
            f"henze-zirkler, {n:,} x {d}, float64",
            "pingouin",
            lambda: ours(x),
            theirs,
            ">= 100",
            runs,
        ),
        compare(
            f"henze-zirkler, {n:,} x {d}, float32",
            "pingouin",
            lambda: ours(single),
            theirs,
            ">= 100",
            runs,
        ),
    ]
    pipeline = (
        "from dmtest.engines.rows import RowView, evaluate\n"
        "from dmtest.statistics.rows.pairs import henze_zirkler\n"
        "from dmtest.targets.transforms import *\n"
        "hz = lambda y: evaluate(henze_zirkler, RowView(y))"
    )
    mine = peak_memory(
        n, d, pipeline, "hz(x[:600].copy())", "hz(whiten(x, *mean_and_covariance(x)))"
    )
    yours = peak_memory(
        n,
        d,
        "import pingouin",
        "pingouin.multivariate_normality(x[:600])",
        "pingouin.multivariate_normality(x)",
    )
    rows.append(
        {
            "work": f"henze-zirkler, {n:,} x {d}: peak MiB above the data",
            "peer": "pingouin",
            "dmtest s": mine,
            "peer s": yours,
            "peer / dmtest": yours / max(mine, 1e-9),
            "wanted": "dmtest < 100 MiB",
        }
    )
    print(rows[-1])
    return rows


def main() -> None:
    """Run every comparison and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer runs")
    quick = parser.parse_args().quick
    rng = np.random.default_rng(0)
    runs, scale = (2, 10) if quick else (5, 1)
    rows = dagostino(rng, 100_000 // scale, runs)
    rows += dagostino_first(100_000 // scale, min(runs, 3))
    rows += sliced_epps_pulley(rng, runs)
    rows += everything(rng, 100_000 // scale, 512, runs)
    rows += scipy_loops(rng, 4_000, runs)
    rows += henze(rng, 10_000 // (5 if quick else 1), 64, min(runs, 2))
    if not quick:
        rows.append(henze_first(10_000, 64, 2))
    notes = (
        "Fastest of several interleaved runs, all threads allowed; a ratio above 1 says that "
        "dmtest is faster."
    )
    name, title = "speed/peers", "Against peers and the floor"
    if quick:
        name, title = f"{name}-quick", f"{title}, smaller inputs"
    print(write("speed", name, title, rows, notes))


if __name__ == "__main__":
    main()
