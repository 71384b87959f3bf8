"""Bits of reports over threads, workers, chunks, memory orders, files, processes and caches.

    python -m benchmarks.trust.determinism [--only PART] [--cores]

Every configuration makes the same results in a process of its own: a report on 5,000 rows in 12
columns of float32, one by all tests of some normal, one against a large uniform sample, and a
comparison. All numbers of verdicts, p-values, statistics and effects are compared with those of the
plain call, bit by bit.
What was found is in ``benchmarks/runs/determinism.jsonl`` and is not computed again: remove it
after a change of the code. ``--cores`` measures what is not promised: the kernels of OpenBLAS for
other processors.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.tables import RUNS, write

ROOT = Path(__file__).parents[2]
STORE = RUNS / "determinism.jsonl"

# What every process begins with: the sample, and how its results become numbers.
BEGIN = """
import json, os, sys
import numpy as np
import dmtest

def sample(rows=5000, columns=12):
    z = np.random.default_rng(0).standard_normal((rows, columns))
    return (1.02 * z + 0.01).astype(np.float32)

def numbers(result):
    content = json.loads(result.to_json())
    kept = ("verdict", "pvalue", "outcomes", "adjusted", "effects")
    for outcome in content["outcomes"]:
        del outcome["method"]  # it names columns, which polars and Parquet name anew
    return {name: content[name] for name in kept}

def results(data):
    small = sample(150, 3)
    uniform = np.random.default_rng(1).uniform(size=(4500, 3))
    return [
        numbers(dmtest.report(data, rng=5)),
        numbers(dmtest.report(small, "any-normal", tests="all", replicates=19, rng=5)),
        numbers(dmtest.report(uniform, "uniform", rng=5)),
        numbers(dmtest.compare(sample(300, 5), 1.1 * sample(200, 5), rng=5)),
    ]

def of_data(data):
    return [numbers(dmtest.report(data, rng=5))]

def put(found):
    print("FOUND", json.dumps(found))

x = sample()
"""
PLAIN = "put(results(x))"
PUT_DATA = "put(of_data({}))"


@dataclass(frozen=True)
class Case:
    """A configuration: what runs, in which environment, and whose numbers it should have."""

    part: str
    name: str
    code: str = PLAIN
    env: dict[str, str] = field(default_factory=dict)
    like: str = "plain"
    flags: tuple[str, ...] = ()


def _threads() -> Iterator[Case]:
    for count in ("1", "2", "4"):
        yield Case("threads", f"DMTEST_THREADS={count}", env={"DMTEST_THREADS": count})
    for count in ("1", "2", "4"):
        blas = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), count)
        yield Case("threads", f"BLAS and OpenMP threads {count}", env=blas)
    yield Case("threads", "numba threads 2", env={"NUMBA_NUM_THREADS": "2"})
    yield Case("threads", "torch imported before", "import torch\n" + PLAIN)


def _memory() -> Iterator[Case]:
    for name, made in {
        "array, C order": "np.ascontiguousarray(x)",
        "array, Fortran order": "np.asfortranarray(x)",
        "array, every second row of another": "np.repeat(x, 2, axis=0)[::2]",
        "array, every second column of another": "np.repeat(x, 2, axis=1)[:, ::2]",
        "array, negative strides": "np.ascontiguousarray(x[::-1, ::-1])[::-1, ::-1]",
        "array, read-only": "np.frombuffer(x.tobytes(), x.dtype).reshape(x.shape)",
        "array, big-endian": "x.astype('>f4')",
        "array, unaligned": "np.frombuffer(b'0' + x.tobytes(), x.dtype, offset=1).reshape(x.shape)",
        "torch tensor": "__import__('torch').from_numpy(x)",
        "pandas frame": "__import__('pandas').DataFrame(x)",
        "polars frame": "__import__('polars').DataFrame(x)",
    }.items():
        yield Case("memory", name, PUT_DATA.format(made), like="array, C order")


def _files() -> Iterator[Case]:
    saved = {
        ".npy": "np.save(p, x)",
        ".npy, Fortran order": "np.save(p, np.asfortranarray(x))",
        ".npy, memory-mapped": "np.save(p, x); p = np.load(p, mmap_mode='r')",
        ".npz": "np.savez_compressed(p, x=x)",
        ".parquet": "__import__('pandas').DataFrame(x, columns=map(str, range(12))).to_parquet(p)",
        ".feather": "__import__('pandas').DataFrame(x, columns=map(str, range(12))).to_feather(p)",
        ".pt": "import torch; torch.save(torch.from_numpy(x), p)",
        ".safetensors": "import safetensors.numpy as s; s.save_file({'x': x}, p)",
    }
    begin = "import tempfile; p = tempfile.mkdtemp() + '/x{}'\n"
    for name, made in saved.items():
        code = begin.format(name.partition(",")[0]) + made + "\n" + PUT_DATA.format("p")
        yield Case("files", name, code, like="array, C order")
    csv = begin.format(".csv") + "np.savetxt(p, x.astype(float), '%r', ',')\n"
    csv = csv.replace("np.savetxt(p, x.astype(float), '%r', ',')", _CSV)
    yield Case("files", "array, float64", PUT_DATA.format("x.astype(float)"), like="array, float64")
    yield Case("files", ".csv", csv + PUT_DATA.format("p"), like="array, float64")
    cli = begin.format(".npy") + "np.save(p, x)\n" + _CLI
    yield Case("files", "dmtest report x.npy --json -", cli, like="array, C order")


_CSV = "open(p, 'w').writelines(','.join(map(repr, r)) + chr(10) for r in x.astype(float).tolist())"
_CLI = """
import subprocess
command = [sys.executable, "-m", "dmtest", "report", p, "--seed", "5", "--json", "-", "--quiet"]
done = subprocess.run(command, capture_output=True, text=True, check=False)
put([numbers(dmtest.Report.from_json(done.stdout))])
"""


def _chunks() -> Iterator[Case]:
    whole = "summary = dmtest.Summary(); summary.update(x)\n"
    ways = {
        "summary of all rows": whole,
        "summary of chunks of 7 rows": (
            "summary = dmtest.Summary()\nfor i in range(0, 5000, 7): summary.update(x[i:i + 7])\n"
        ),
        "summary of chunks of 1,000 rows": (
            "summary = dmtest.Summary()\n"
            "for i in range(0, 5000, 1000): summary.update(x[i:i + 1000])\n"
        ),
        "summary saved and read": whole
        + "summary = dmtest.Summary.from_bytes(summary.to_bytes())\n",
        "iterator of chunks of 130 rows": "summary = (x[i:i + 130] for i in range(0, 5000, 130))\n",
    }
    for name, made in ways.items():
        code = made + "put([numbers(dmtest.report(summary, rng=5))])"
        yield Case("chunks", name, code, like="summary of all rows")


_FORK = """
import os
results(x)  # threads and caches are there
child = os.fork()
if not child:
    put(results(x)); sys.stdout.flush(); os._exit(0)
os.waitpid(child, 0)
"""
_PROCESS = """
import multiprocessing, concurrent.futures as futures
if __name__ == "__main__":
    pool = futures.ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("{}"))
    found = [json.dumps(one) for one in pool.map(results, [x, x])]
    assert found[0] == found[1]
    print("FOUND", found[0])
"""
_SEVERAL = """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(4) as pool:
    found = [json.dumps(one) for one in pool.map(results, [x] * 4)]
assert len(set(found)) == 1, "threads differ"
print("FOUND", found[0])
"""
_JOBLIB = """
import joblib
found = joblib.Parallel(2, backend="{}")(joblib.delayed(results)(x) for _ in range(2))
assert json.dumps(found[0]) == json.dumps(found[1])
put(found[0])
"""
_DASK = """
import dask
put(dask.compute(dask.delayed(results)(x), scheduler="threads")[0])
"""
_XDIST = """
import subprocess, tempfile, pathlib
folder = pathlib.Path(tempfile.mkdtemp())
for name in "abcd":
    (folder / f"test_{name}.py").write_text(
        BEGIN + "def test_it():\\n"
        f"    open('{folder}/{name}', 'w').write(json.dumps(results(x)))\\n"
    )
command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", str(folder)]
subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder)
found = {(folder / name).read_text() for name in "abcd"}
assert len(found) == 1, "workers differ"
print("FOUND", found.pop())
"""


def _processes() -> Iterator[Case]:
    yield Case("processes", "fork after threads", _FORK)
    for name in ("fork", "spawn", "forkserver"):
        yield Case("processes", f"pool of processes, {name}", _PROCESS.format(name))
    yield Case("processes", "four threads at once", _SEVERAL)
    yield Case("processes", "joblib, threads", _JOBLIB.format("threading"))
    yield Case("processes", "joblib, processes", _JOBLIB.format("loky"))
    yield Case("processes", "a task of dask", _DASK)
    yield Case("processes", "four files on two workers of pytest-xdist", _XDIST)


FEW = """
tests = ["anderson-darling", "epps-pulley", "henze-zirkler", "energy", "radius"]
put([numbers(dmtest.report(x, tests=tests, effects=False, rng=5))])
"""


def _caches(folder: str) -> Iterator[Case]:
    yield Case("caches", "no cache of nulls", env={"DMTEST_CACHE_DIR": "off"})
    yield Case("caches", "an empty cache of nulls", env={"DMTEST_CACHE_DIR": folder + "/new"})
    yield Case("caches", "a filled cache of nulls", env={"DMTEST_CACHE_DIR": folder + "/new"})
    kernels, few = {"NUMBA_CACHE_DIR": folder + "/kernels"}, "some tests, without effects"
    yield Case("caches", few, FEW, like=few)
    yield Case("caches", "the same, kernels compiled in the process", FEW, kernels, few)
    yield Case("caches", "the same, kernels that another process compiled", FEW, kernels, few)


def _settings() -> Iterator[Case]:
    for value in ("1", "2"):
        yield Case("settings", f"PYTHONHASHSEED={value}", env={"PYTHONHASHSEED": value})
    yield Case("settings", "python -O", flags=("-O",))
    yield Case(
        "settings",
        "numpy's global seed and errors set",
        "np.random.seed(3); np.seterr(all='raise')\n" + PLAIN,
    )
    yield Case("settings", "another time zone and locale", env={"TZ": "Asia/Tokyo", "LC_ALL": "C"})
    yield Case(
        "settings", "after other reports", "dmtest.report(2 * x[:999], rng=1); results(x)\n" + PLAIN
    )


def cases(folder: str) -> list[Case]:
    """Return all configurations; the first is the plain call."""
    return [
        Case("plain", "plain"),
        *_threads(),
        *_memory(),
        *_files(),
        *_chunks(),
        *_processes(),
        *_caches(folder),
        *_settings(),
    ]


def run(case: Case, cache: str = "off") -> str:
    """Return what a configuration finds, as JSON: floats as the shortest text of their bits."""
    env = os.environ | {"DMTEST_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)} | case.env
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "configuration.py"
        begin = BEGIN + f"BEGIN = {BEGIN!r}\n"
        script.write_text(begin + case.code, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, *case.flags, str(script)],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("FOUND ")]
    if done.returncode or not lines:
        raise RuntimeError(f"{case.name}: {done.stderr[-2000:]}")
    return lines[-1].removeprefix("FOUND ")


def pairs(one: Any, other: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the leaves of two results side by side; a missing one is None."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            yield from pairs(one.get(key), other.get(key))
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for left, right in zip(one, other, strict=True):
            yield from pairs(left, right)
    else:
        yield one, other


def difference(one: str, other: str) -> tuple[int, int, float]:
    """Return how many numbers there are, how many differ, and by which share at most."""
    count, differ, most = 0, 0, 0.0
    for left, right in pairs(json.loads(one), json.loads(other)):
        numeric = isinstance(left, int | float) and isinstance(right, int | float)
        count += numeric
        if left != right and not (left != left and right != right):
            differ += 1
            size = max(abs(left), abs(right)) if numeric else 0.0
            most = max(most, abs(left - right) / size if size else math.inf)
    return count, differ, most


def main() -> None:
    """Run the configurations and write the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="one part, such as threads")
    parser.add_argument("--stored", action="store_true", help="compute nothing, write the table")
    parser.add_argument("--cores", action="store_true", help="other kernels of OpenBLAS")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="determinism-") as folder:
        if arguments.cores:
            cores()
            return
        rows: list[dict[str, Any]] = []
        found = _stored()
        for case in cases(folder):
            if arguments.only not in ("", case.part):
                continue
            if arguments.stored and case.name not in found:
                continue
            text = found[case.name] = found.get(case.name) or _kept(case)
            like = found[case.like] = found.get(case.like) or _kept(_named(case.like, folder))
            count, differ, most = difference(like, text)
            row = {"part": case.part, "configuration": case.name, "as": case.like}
            rows.append(row | {"numbers": count, "other bits": differ, "largest difference": most})
            print(rows[-1], flush=True)
    if arguments.only:
        return
    notes = (
        f"{len(rows)} configurations, each in a process of its own. Other bits: numbers of "
        "verdicts, p-values, statistics and effects that are not those of the configuration "
        "named under `as`, to the last bit."
    )
    print(write("trust", "determinism/same", "The same bits", rows, notes))


def _stored() -> dict[str, str]:
    """Return what configurations of an earlier run found, by name."""
    lines = STORE.read_text(encoding="utf-8").splitlines() if STORE.exists() else []
    return dict(map(json.loads, lines))


def _kept(case: Case) -> str:
    text = run(case)
    RUNS.mkdir(exist_ok=True)
    with STORE.open("a", encoding="utf-8") as lines:
        lines.write(json.dumps([case.name, text]) + "\n")
    return text


def _named(name: str, folder: str) -> Case:
    return next(case for case in cases(folder) if case.name == name)


def cores() -> None:
    """Measure how far numbers move with the kernels of OpenBLAS for other processors."""
    plain = _stored().get("plain") or run(Case("plain", "plain"))
    rows = []
    wide = "avx512f" in Path("/proc/cpuinfo").read_text(encoding="utf-8")
    for core in ("Haswell", "Sandybridge", "Nehalem", *(("SkylakeX",) if wide else ())):
        case = Case("cores", core, env={"OPENBLAS_CORETYPE": core})
        count, differ, most = difference(plain, run(case))
        row = {"OPENBLAS_CORETYPE": core, "numbers": count, "other bits": differ}
        rows.append(row | {"largest difference": most})
        print(rows[-1], flush=True)
    notes = (
        "Kernels of OpenBLAS for other processors, on one machine, beside the one that it chooses; "
        "relative differences of all numbers of verdicts, p-values, statistics and effects."
    )
    print(write("trust", "determinism/cores", "Other processors", rows, notes))


if __name__ == "__main__":
    main()
