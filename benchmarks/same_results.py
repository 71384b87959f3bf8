"""Shows that a change of the code changes no number: a fixed set of calls, before and after.

    python -m benchmarks.same_results write FILE.json
    python -m benchmarks.same_results compare BEFORE.json AFTER.json

`write` makes every call with the dmtest that is first on sys.path and stores all that came out:
floats as hexadecimal text, so that bits are compared. `compare` lists the differences. It exits
with 1 if a number, a key, a type or a name (a verdict, a test, a code) differs. Labels, units and
sentences may differ; those whose numbers differ are listed first.

To write the results of another checkout, run this file with that checkout on the path:

    cd OTHER && PYTHONPATH=OTHER python FOLDER/benchmarks/same_results.py write FILE.json

Last bits depend on how numba came by a kernel: compiled in the process, or loaded from a cache
that one or several processes filled. So all calls are made twice, with a cache of their own: a
first process fills it, a second one gives the results.

Only public names are used, and nothing of `benchmarks`. Needs the extras `train` and `files`,
pandas, polars and xarray. Both files have to come from one machine and one set of packages.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import difflib
import gzip
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

import dmtest

Rows = NDArray[np.float64]
Calls = dict[str, Callable[[], Any]]

THREADS = "2"
# Arrays of more values are stored by a hash of their bytes and their first values.
WHOLE, HEAD = 64, 4
# Lines of a text that are shown of each change.
LINES = 8
# What differs from run to run, and what a release changes.
STAMPS = {"seconds", "created", "version", "numpy"}
# Keys whose strings are for a reader. All other strings are names, which may not change.
TEXTS = {
    *("label", "unit", "note", "title", "message", "method", "pvalue_method", "sees", "reference"),
    *("sentence", "says", "violations", "text", "stdout", "stderr", "leading", "html", "notes"),
    *("junit", "annotations", "repr", "reduction", "cost", "svg"),
}
NUMBER = re.compile(r"[-+]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?", re.IGNORECASE)
VARIABLE = (  # times, versions and the random ids of pages and drawings
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d)?(\+00:00| UTC|Z)?"), "<time>"),
    (re.compile(r"\b\d[\d,]*(\.\d+)?\s+s\b"), "<seconds>"),
    (re.compile(r'\b(time|timestamp)="[^"]*"'), r'\1="<time>"'),
    (re.compile(r"\bdmtest \d+\.\d+\.\d+\S*"), "dmtest <version>"),
    (re.compile(r"in \d+\.\d\ds"), "in <seconds>"),
    (re.compile(r"\bdmtest-[0-9a-f]{10}\b"), "dmtest-<id>"),
    (re.compile(r"(?<=[\"#])[mp][0-9a-f]{10}\b"), "<id>"),
)


# Data ------------------------------------------------------------------------------------------


def normal(n: int, d: int, seed: int = 0) -> Rows:
    """Draw rows of N(0, I)."""
    return np.random.default_rng([seed, n, d]).standard_normal((n, d))


def cube(n: int, d: int, seed: int = 0) -> Rows:
    """Draw rows of the unit cube."""
    return np.random.default_rng([seed, n, d, 1]).random((n, d))


def sphere(n: int, d: int, seed: int = 0) -> Rows:
    """Draw rows of length 1."""
    x = normal(n, d, seed)
    return x / np.sqrt(np.square(x).sum(axis=1, keepdims=True))


def skewed(n: int, d: int, seed: int = 0) -> Rows:
    """Draw rows with a shift, a scale, a correlation, one skewed column and some far rows."""
    x = normal(n, d, seed)
    x[:, 0] = np.exp(0.5 * x[:, 0]) - 1.0
    x[:, -1] = 0.6 * x[:, 0] + 1.2 * x[:, -1] + 0.1
    x[:: max(1, n // 5)] *= 3.0
    return x


def files(folder: Path) -> None:
    """Write the files that calls read, each kind once."""
    import h5py
    import pyarrow as pa
    import torch
    import zarr
    from pyarrow import feather, parquet
    from safetensors.numpy import save_file

    x = normal(400, 3, 7)
    small = x.astype(np.float32)
    np.save(folder / "x.npy", x)
    np.save(folder / "fresh.npy", normal(500, 3, 8))
    np.save(folder / "worse.npy", skewed(400, 3, 9))
    np.save(folder / "cube.npy", 2.0 * cube(400, 3, 7) - 1.0)
    np.save(folder / "sphere.npy", sphere(300, 3, 7))
    np.save(folder / "holes.npy", np.where(x > 2.5, np.nan, x))
    np.savez(folder / "x.npz", embeddings=x, other=small[:200])
    y = normal(1600, 2, 7)
    z = y + 0.1 * normal(1600, 2, 8)
    np.savez(folder / "pairs.npz", embeddings=y, augmented=z, sigma=0.5)
    np.save(folder / "f.npy", cube(800, 2, 7))
    np.save(folder / "g.npy", np.clip(cube(800, 2, 7) + 0.02 * normal(800, 2, 8), 0.0, 1.0))
    header = ["a", "b", "c"]
    lines = [header, *([repr(v) for v in row] for row in x.tolist())]
    with (folder / "x.csv").open("w", newline="") as file:
        csv.writer(file).writerows(lines)
    (folder / "x.tsv.gz").write_bytes(
        gzip.compress("\n".join("\t".join(row) for row in lines).encode(), mtime=0)
    )
    table = pa.table({name: small[:, j] for j, name in enumerate(header)})
    parquet.write_table(table, folder / "x.parquet")
    feather.write_feather(table, folder / "x.feather")
    with h5py.File(folder / "x.h5", "w") as file:
        file["group/embeddings"] = x
    zarr.open_group(folder / "x.zarr", mode="w").create_array("embeddings", data=small)
    save_file({"embeddings": small}, folder / "x.safetensors")
    torch.save({"embeddings": torch.from_numpy(small)}, folder / "x.pt")
    size = np.int32(3).tobytes()
    (folder / "x.fvecs").write_bytes(b"".join(size + row.tobytes() for row in small))
    (folder / "x.vec").write_text(
        "\n".join(["400 3", *(f"w{j} {a!r} {b!r} {c!r}" for j, (a, b, c) in enumerate(x.tolist()))])
    )
    (folder / "broken.npz").write_bytes((folder / "x.npz").read_bytes()[:3000])
    (folder / "words.csv").write_text("a,b\n1,one\n2,two\n")
    (folder / "empty.npy").write_bytes(b"")
    (folder / "test_encoder.py").write_text(PLUGIN_TEST)
    images = (255.0 * cube(120, 64, 7)).astype(np.uint8).reshape(120, 8, 8)
    labels = (np.arange(120) % 3).astype(np.uint8)
    (folder / "idx").mkdir()
    for split, part in (("train", slice(0, 90)), ("t10k", slice(90, 120))):
        for what, kind, values in (("images", 3, images[part]), ("labels", 1, labels[part])):
            head = bytes([0, 0, 8, kind]) + np.array(values.shape, ">u4").tobytes()
            (folder / "idx" / f"{split}-{what}-idx{kind}-ubyte").write_bytes(
                head + values.tobytes()
            )
    np.savez(folder / "images.npz", images=images, labels=labels)


PLUGIN_TEST = """
import os
import numpy as np

def test_encoder(dmtest_check):
    x = np.random.default_rng(int(os.environ["SEED"])).standard_normal((300, 2))
    assert dmtest_check(float(os.environ["SCALE"]) * x, slices=16).passed
"""


# Calls -----------------------------------------------------------------------------------------


def reports() -> Calls:
    """Return reports on one sample."""
    import pandas as pd
    import polars as pl
    import torch
    from scipy import stats

    x, far, box = normal(1000, 4), skewed(1000, 4), cube(800, 3)
    few = {"replicates": 99, "rng": 1}
    covariance = np.array([[2.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 0.5]])
    edges = np.where(box > 0.97, 1.0, box)
    gaps = np.where(np.abs(far) > 3.0, np.nan, far)
    repeated = np.vstack([x[:300], x[:40]])
    flat = np.column_stack([x[:500, :2], x[:500, 0] - x[:500, 1], np.full(500, 3.0)])
    margins = [stats.gamma(2.0), stats.norm(1.0, 3.0), stats.expon()]
    product = np.column_stack([m.ppf(box[:, j]) for j, m in enumerate(margins)])
    frame = pd.DataFrame(x[:300], columns=list("abcd"))

    def twice() -> Any:
        options = {"tests": "kuiper,watson,mmd", "slices": 4, "replicates": 199, "rng": 11}
        return [dmtest.report(x[:70], **options) for _ in range(2)]

    calls: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "normal": (x, "normal", {}),
        "normal, d = 1": (x[:, 0], "normal", {}),
        "normal, n = 60, d = 16": (normal(60, 16), "normal", {}),
        "normal, n = 3000, d = 16": (normal(3000, 16), "normal", {}),
        "normal, n = 12000, d = 3": (skewed(12000, 3), "normal", {}),
        "normal, n = 12000, a small budget": (normal(12000, 3), "normal", {"budget": 1e9} | few),
        "normal, n < d": (normal(12, 16), "normal", few),
        "normal, float32": (x.astype(np.float32), "normal", {}),
        "normal, float16": (x[:200].astype(np.float16), "normal", few),
        "normal, skewed": (far, "normal", {}),
        "normal, rounded": (np.round(x, 1), "normal", {}),
        "normal, heavy tails": (x / np.sqrt(cube(1000, 1)), "normal", {}),
        "normal, repeated rows": (repeated, "normal", {}),
        "normal, clusters": (x + 2.0 * np.sign(x[:, :1]), "normal", {}),
        "normal, columns that others determine": (flat, "normal", {}),
        "normal, dropped rows": (gaps, "normal", {"nonfinite": "drop"}),
        "normal, all tests": (x[:150], "normal", {"tests": "all"} | few),
        "normal, three tests": (x, "normal", {"tests": ["radius", "mmd", "stein"]} | few),
        "normal, tests in one text": (x, "normal", {"tests": "kuiper,vasicek", "slices": 8} | few),
        "normal, directions": (x, "normal", {"directions": np.eye(4)[:2]} | few),
        "normal, tolerance": (x, "normal", {"tolerance": 0.05}),
        "normal, tolerance, skewed": (far, "normal", {"tolerance": 0.001, "alpha": 0.01}),
        "normal, tolerance, few rows": (x[:130], "normal", {"tolerance": 0.02}),
        "normal, pairs": (x, "normal", {"augmented": x + 0.1 * normal(1000, 4, 5)}),
        "normal, generator": (x[:200], "normal", {"rng": np.random.default_rng(3)}),
        "any-normal": (2.0 * x + 1.0, "any-normal", {}),
        "any-normal, skewed": (far, "any-normal", {}),
        "any-normal, d = 1": (far[:, 0], "any-normal", {}),
        "any-normal, columns that others determine": (flat, "any-normal", {}),
        "any-normal, all tests": (far[:120], "any-normal", {"tests": "all"} | few),
        "any-normal, n = 12000": (skewed(12000, 2), "any-normal", few),
        "uniform": (box, "uniform", {}),
        "uniform, at the edges": (edges, "uniform", {}),
        "uniform, outside": (1.05 * box, "uniform", {}),
        "uniform, all tests": (box[:100], "uniform", {"tests": "all"} | few),
        "uniform, tolerance": (box, "uniform", {"tolerance": 0.1}),
        "uniform, box": (4.0 * box - 1.0, dmtest.Uniform(-1.0, 3.0), {}),
        "uniform, box by column": (
            box * [1.0, 2.0, 3.0],
            dmtest.Uniform([0, 0, 0], [1.0, 2.0, 3.0]),
            {},
        ),
        "Normal(mean, cov)": (
            normal(600, 3) @ np.linalg.cholesky(covariance).T + 1.0,
            dmtest.Normal(np.ones(3), covariance),
            {},
        ),
        "Normal(variances)": (far[:, :2], dmtest.Normal(cov=[1.0, 2.0]), few),
        "Product(margins)": (product, dmtest.Product(margins), {}),
        "Product(one margin)": (product[:, 2:] * 1.1, dmtest.Product(margins[2]), few),
        "Product, all tests": (product[:90], dmtest.Product(margins), {"tests": "all"} | few),
        "AnyNormal()": (x[:100], dmtest.AnyNormal(), few),
        "sphere": (sphere(600, 4), "sphere", {}),
        "sphere, normalise": (far, dmtest.Sphere(normalise=True), {}),
        "sphere, all tests": (sphere(90, 3), "sphere", {"tests": "all"} | few),
        "sphere, d = 2": (sphere(200, 2), "sphere", few),
        "Reference(sample)": (x[:300], dmtest.Reference(normal(250, 4, 3)), few),
        "pandas": (frame, "normal", few | {"columns": ["a", "c"]}),
        "polars": (pl.DataFrame(x[:300], schema=list("abcd")), "normal", few),
        "torch": (torch.from_numpy(x[:300]), "normal", few),
        "list": (x[:50].tolist(), "normal", few),
        "integers": (np.round(3.0 * x[:200]).astype(np.int64), "any-normal", few),
    }
    return (
        {
            f"report: {name}": lambda data=data, target=target, options=options: dmtest.report(
                data, target, **({"rng": 0} | options)
            )
            for name, (data, target, options) in calls.items()
        }
        | {f"shown: {name}": call for name, call in shown(far).items()}
        | {"report: again, from the cache": twice}
    )


def shown(far: Rows) -> Calls:
    """Return ways to show and to keep a report."""
    made = dmtest.report(far, rng=0)
    pairs = dmtest.compare(far[:300], normal(300, 4), rng=0)
    calls: Calls = {}
    for name, one in {"one sample": made, "two samples": pairs}.items():
        calls |= {
            f"text, {name}": lambda one=one: {"text": str(one), "repr": repr(one)},
            f"page, {name}": lambda one=one: {"html": one.to_html()},
            f"notebook, {name}": lambda one=one: {"html": one._repr_html_()},
            f"pandas, {name}": lambda one=one: one.to_frame(),
            f"polars, {name}": lambda one=one: one.to_frame("polars"),
            f"xarray, {name}": lambda one=one: one.to_xarray().to_dict(),
            f"panels, {name}": lambda one=one: one.panels,
            f"JSON and back, {name}": lambda one=one: dmtest.Report.from_json(one.to_json()),
            f"plots, {name}": lambda one=one: {p: drawn(one.plot(p)) for p in one.panels},
        }
    return calls


def drawn(figure: Any) -> list[Any]:
    """Return the numbers and the words of a matplotlib figure."""
    parts = []
    for ax in figure.axes:
        lines = [np.asarray(line.get_xydata(), dtype=np.float64) for line in ax.lines]
        words = [
            ax.get_title(),
            ax.get_xlabel(),
            ax.get_ylabel(),
            *(t.get_text() for t in ax.texts),
        ]
        parts.append({"lines": lines, "limits": [*ax.get_xlim(), *ax.get_ylim()], "text": words})
    return parts


def comparisons() -> Calls:
    """Return reports on two samples."""
    x, y, far = normal(500, 4), normal(400, 4, 1), skewed(400, 4, 2)
    turned = far @ np.linalg.qr(normal(4, 4, 3))[0]
    calls: dict[str, tuple[Any, Any, dict[str, Any]]] = {
        "alike": (x, y, {}),
        "different": (x, far, {}),
        "d = 1": (x[:, 0], y[:, 0], {"replicates": 199}),
        "d = 16": (normal(200, 16), skewed(150, 16, 4), {"replicates": 199}),
        "two tests": (x, far, {"tests": "energy,classifier", "alpha": 0.01}),
        "rotation": (far, turned, {"rotation": True, "replicates": 199}),
        "rotation, different": (x, turned, {"rotation": True, "replicates": 199}),
        "Reference": (x, dmtest.Reference(far, columns=[0, 1, 2, 3]), {"replicates": 99}),
        "n = 12000": (normal(12000, 3), skewed(9000, 3), {"replicates": 99}),
        "a small budget": (normal(3000, 3), normal(2500, 3, 1), {"budget": 1e8, "slices": 16}),
        "files": ("x.npy", "worse.npy", {}),
        "repeated rows": (np.vstack([x[:100], x[:30]]), y[:100], {"replicates": 99}),
    }
    return {
        f"compare: {name}": lambda a=a, b=b, options=options: dmtest.compare(a, b, rng=0, **options)
        for name, (a, b, options) in calls.items()
    }


def tests() -> Calls:
    """Return each test by itself, for its own target, and all tests of a target in one run."""
    from scipy import stats

    data: dict[str, tuple[Rows, Any]] = {
        "normal": (skewed(80, 3), "normal"),
        "any-normal": (skewed(80, 3), "any-normal"),
        "uniform": (cube(80, 3), "uniform"),
        "product": (cube(80, 3) ** 2, dmtest.Product(stats.beta(0.5, 1.0))),
        "sphere": (sphere(80, 3), "sphere"),
        "reference": (skewed(80, 3), dmtest.Reference(normal(70, 3))),
    }
    params: dict[str, dict[str, Any]] = {
        "bhep": {"beta": 0.5},
        "henze-wagner": {"beta": 2.0},
        "vasicek": {"window": 4},
        "henze-visagie": {"a": 6.0},
    }

    def one(name: str, target: str, calibration: str, rows: int | None = None, **more: Any) -> Any:
        x, goal = data[target]
        x = x[:rows, 0] if rows is not None else x
        return dmtest.run_test(x, name, goal, calibration=calibration, replicates=99, rng=2, **more)

    calls: Calls = {
        "list_tests": lambda: dmtest.list_tests(),
        "list_tests: sphere": lambda: dmtest.list_tests("sphere"),
    }
    for row in dmtest.list_tests():
        own = row.targets[0]
        for calibration in ("asymptotic", "monte-carlo"):
            calls[f"run_test: {row.name}, {own}, {calibration}"] = (
                lambda name=row.name, own=own, how=calibration: one(name, own, how)
            )
        if row.family == "slices" and own != "reference":
            for target in ("any-normal", "normal"):
                calls[f"run_test: {row.name}, {target}, d = 1"] = (
                    lambda name=row.name, target=target: one(name, target, "auto", 60)
                )
                calls[f"run_test: {row.name}, {target}, d = 1, asymptotic"] = (
                    lambda name=row.name, target=target: one(name, target, "asymptotic", 60)
                )
    for name, given in params.items():
        calls[f"run_test: {name}, {given}"] = lambda name=name, given=given: one(
            name, "any-normal", "monte-carlo", params=given
        )
    for target, (x, goal) in data.items():
        calls[f"run_tests: all, {target}"] = lambda x=x, goal=goal: dmtest.run_tests(
            x, "all", goal, replicates=99, rng=3
        )
    slices = [row.name for row in dmtest.list_tests() if row.family == "slices"][:11]
    large = skewed(12000, 3)
    pairs = ["henze-zirkler", "mardia-kurtosis", "energy", "henze-visagie", "doerr-ebner-henze-t"]

    def run(x: Any, names: Any, target: Any = None, **options: Any) -> Any:
        return dmtest.run_tests(x, names, target, **({"replicates": 99, "rng": 4} | options))

    return calls | {
        "run_tests: slices, n = 12000": lambda: run(large, slices, slices=8),
        "run_tests: slices, n = 12000, normal": lambda: run(large, slices, "normal", slices=8),
        "run_tests: pairs, n = 12000": lambda: run(large, pairs[:3]),
        "run_tests: pairs, n = 12000, a small budget": lambda: run(large, pairs, budget=1e9),
        "run_tests: normal, n = 12000, a small budget": lambda: run(
            large, ["mmd", "energy", "stein", "radius"], "normal", budget=1e9
        ),
        "run_tests: default replicates": lambda: run(large[:2000], pairs[:2], replicates=999),
        "run_tests: double": lambda: run(large[:3000, :2], pairs[:1], precision="double"),
        "run_tests: directions": lambda: run(
            large[:300], ["watson", "epps-pulley"], directions=np.eye(3)
        ),
        "run_tests: columns": lambda: run("x.csv", ["energy", "mean"], "normal", columns=["a", 2]),
        "run_tests: reference": lambda: run(
            large[:4000], ["mmd", "energy"], dmtest.Reference(normal(4000, 3)), budget=1e8
        ),
    }


def effects() -> Calls:
    """Return sizes of departures, asked for one by one."""
    x, far, box = normal(1000, 4), skewed(1000, 4), cube(800, 3)
    return {
        "kl_profile: normal": lambda: dmtest.kl_profile(x, rng=0),
        "kl_profile: skewed": lambda: dmtest.kl_profile(far, rng=0, noise=[0.3, 1.0]),
        "kl_profile: any-normal": lambda: dmtest.kl_profile(far, "any-normal", rng=0, views=False),
        "kl_profile: uniform": lambda: dmtest.kl_profile(box, "uniform", rng=0, batch=50),
        "kl_profile: d = 1": lambda: dmtest.kl_profile(far[:, 0], rng=0, confidence=0.8),
        "kl_profile: float32": lambda: dmtest.kl_profile(far.astype(np.float32), rng=0),
        "kl_decomposition: normal": lambda: dmtest.kl_decomposition(x, rng=0),
        "kl_decomposition: skewed": lambda: dmtest.kl_decomposition(far, rng=0, confidence=0.9),
        "kl_decomposition: any-normal": lambda: dmtest.kl_decomposition(far, "any-normal", rng=0),
        "kl_decomposition: uniform": lambda: dmtest.kl_decomposition(box, "uniform", rng=0),
        "kl_decomposition: few rows": lambda: dmtest.kl_decomposition(normal(60, 16), rng=0),
        "worst_directions: normal": lambda: dmtest.worst_directions(x, rng=0),
        "worst_directions: skewed": lambda: dmtest.worst_directions(far, rng=0, count=2),
        "worst_directions: any-normal": lambda: dmtest.worst_directions(far, "any-normal", rng=0),
        "worst_directions: d = 16": lambda: dmtest.worst_directions(skewed(300, 16), rng=0),
        "detectability: skewed": lambda: dmtest.detectability(far, rng=0),
        "detectability: normal": lambda: dmtest.detectability(x, rng=0, draws=50),
        "detectability: sizes": lambda: dmtest.detectability(
            far, "epps-pulley", "any-normal", rng=0, sizes=[20, 50, 100], draws=50, replicates=199
        ),
        "detectability: rows": lambda: dmtest.detectability(
            far, "henze-zirkler", "any-normal", rng=0, draws=40, replicates=99
        ),
        "mean_pvalue: normal": lambda: dmtest.mean_pvalue(x, rng=0),
        "mean_pvalue: skewed": lambda: dmtest.mean_pvalue(far, rng=0, draws=200, subsample=50),
        "mean_pvalue: shapiro-wilk": lambda: dmtest.mean_pvalue(x, "shapiro-wilk", rng=0),
        "mean_pvalue: henze-zirkler": lambda: dmtest.mean_pvalue(
            x, "henze-zirkler", rng=0, draws=200
        ),
        "mean_pvalue: jarque-bera": lambda: dmtest.mean_pvalue(x, "jarque-bera", rng=0, draws=200),
        "mean_pvalue: anderson-darling": lambda: dmtest.mean_pvalue(
            x, "anderson-darling", "any-normal", rng=0, draws=200
        ),
        "mean_pvalue: energy": lambda: dmtest.mean_pvalue(x, "energy", rng=0, draws=100),
        "mean_pvalue: uniform": lambda: dmtest.mean_pvalue(
            box, "royston", "uniform", rng=0, draws=100
        ),
    }


def checks() -> Calls:
    """Return baselines, checks against them, and monitors."""
    from scipy import stats

    x, same, worse = normal(800, 3), normal(800, 3, 1), skewed(800, 3, 1)
    good = dmtest.write_baseline(x, rng=0)
    box = dmtest.write_baseline(2.0 * cube(500, 2), None, dmtest.Uniform(0.0, 2.0))
    margins = dmtest.Product(stats.expon())
    product = dmtest.write_baseline(-np.log(cube(400, 2)), None, margins)
    limits: dict[str, Any] = {"max_kl": 0.1, "max_smoothed_kl": 0.05, "max_wasserstein": 0.2}
    limits |= {"min_rank": 2.5, "min_detectable_n": 100}

    def from_file() -> Any:
        made = dmtest.write_baseline(x, "kept.json", tests=["energy", "kuiper"], tolerance=0.05)
        return {
            "file": json.loads(Path("kept.json").read_text()),
            "check": dmtest.check(same, "kept.json"),
            "written": made,
        }

    def shown_check() -> Any:
        made = dmtest.check(worse, good, **limits)
        return {
            "text": str(made),
            "junit": made.to_junit(),
            "annotations": made.annotations(),
            "repr": repr(made),
        }

    return {
        "write_baseline: normal": lambda: good,
        "write_baseline: large": lambda: dmtest.write_baseline(normal(12000, 24), slices=8),
        "write_baseline: any-normal": lambda: dmtest.write_baseline(worse, None, "any-normal"),
        "write_baseline: sphere": lambda: dmtest.write_baseline(sphere(300, 3), None, "sphere"),
        "write_baseline: file": from_file,
        "check: same encoder": lambda: dmtest.check(same, good),
        "check: worse": lambda: dmtest.check(worse, good),
        "check: own rows": lambda: dmtest.check(x, good, alpha=0.01),
        "check: scaled": lambda: dmtest.check(1.2 * same, good),
        "check: limits": lambda: dmtest.check(worse, **limits),
        "check: limits and baseline": lambda: dmtest.check(same, good, **limits),
        "check: compare": lambda: dmtest.check(worse, good, compare=True),
        "check: rotation": lambda: dmtest.check(same, good, rotation=True),
        "check: uniform": lambda: dmtest.check(2.0 * cube(400, 2, 1), box),
        "check: product": lambda: dmtest.check(
            -1.1 * np.log(cube(400, 2, 1)), product, target=margins
        ),
        "check: any-normal": lambda: dmtest.check(
            worse, dmtest.write_baseline(x, None, "any-normal")
        ),
        "check: sphere": lambda: dmtest.check(
            sphere(300, 3, 1), dmtest.write_baseline(sphere(300, 3), None, "sphere")
        ),
        "check: shown": shown_check,
    } | monitors()


def monitors() -> Calls:
    """Return monitors of streams of batches."""
    from scipy import stats

    def watched(target: Any, batches: list[Rows], **options: Any) -> Any:
        monitor = dmtest.Monitor(target, **options)
        states = [monitor.update(batch) for batch in batches]
        return {"states": states, "file": json.loads(monitor.to_json())}

    def restored(target: Any, batches: list[Rows], needed: Any = None) -> Any:
        first = dmtest.Monitor(target)
        for batch in batches[:3]:
            first.update(batch)
        first.to_json("monitor.json")
        second = dmtest.Monitor.from_json("monitor.json", needed)
        return [second.state, *(second.update(batch) for batch in batches[3:])]

    fine = [normal(64, 3, seed) for seed in range(6)]
    drift = [normal(128, 3, seed) + 0.15 * seed for seed in range(8)]
    cubes = [cube(40, 2, seed) for seed in range(5)]
    law = dmtest.Normal(np.ones(3), np.diag([1.0, 2.0, 3.0]))
    return {
        "Monitor: normal": lambda: watched("normal", fine),
        "Monitor: drift": lambda: watched("normal", drift, alpha=0.01),
        "Monitor: d given, none yet": lambda: watched("normal", [], d=3),
        "Monitor: uniform": lambda: watched("uniform", cubes),
        "Monitor: outside": lambda: watched("uniform", [*cubes, 1.1 * cubes[0]]),
        "Monitor: Normal(mean, cov)": lambda: watched(law, fine),
        "Monitor: product": lambda: watched(
            dmtest.Product(stats.expon()), [-np.log(part) for part in cubes]
        ),
        "Monitor: restored": lambda: restored("normal", fine),
        "Monitor: restored, Normal(mean, cov)": lambda: restored(law, fine, law),
        "Monitor: restored, box": lambda: restored(
            dmtest.Uniform(0.0, 2.0), [2.0 * part for part in cubes]
        ),
        "Monitor: d = 1": lambda: watched("normal", [part[:, :1] for part in drift]),
    }


def theory() -> Calls:
    """Return bounds, and estimators of information."""
    from dmtest import bounds, information

    d, level = np.array([1, 2, 8, 64]), np.array([[0.1], [0.5], [2.0]])
    x, y = normal(20, 3), normal(20, 3, 1)
    u, v = cube(20, 3), np.clip(cube(20, 3) + 0.05 * normal(20, 3), 0.0, 1.0)
    info = np.array([0.0, 0.5, 2.0, 6.0])
    of_bounds: dict[str, tuple[Any, ...]] = {
        "gaussian_capacity": (d, level),
        "uniform_capacity": (d, level),
        "uniform_information": (d, level),
        "gaussian_moment_correction": (1.3 * d, d, level),
        "gaussian_smoothed_kl_bound": (info, d, level),
        "uniform_smoothed_kl_bound": (info, d, level),
        "gaussian_kl_bound": (0.4, info, d, level),
        "uniform_kl_bound": (0.4, info, d, level),
        "gaussian_dual_critic": (x[None], y[:, None], 0.5),
        "uniform_dual_critic": (u[None], v[:, None], 0.2),
        "sigma_for_capacity": (level, d),
        "epsilon_for_capacity": (level, d),
    }
    scalars: dict[str, tuple[Any, ...]] = {
        "gaussian_capacity": (8, 0.3),
        "uniform_capacity": (8, 0.1),
        "gaussian_smoothed_kl_bound": (1.5, 8, 0.3, 9.0),
        "sigma_for_capacity": (4.0, 8),
    }
    calls: Calls = {}
    for kind, table in (("arrays", of_bounds), ("numbers", scalars)):
        for name, given in table.items():
            calls[f"bounds.{name}: {kind}"] = lambda name=name, given=given: getattr(bounds, name)(
                *given
            )
    scores = np.stack([2.0 * np.eye(40) + 0.3 * normal(40, 40, seed) for seed in range(5)])
    for name in ("donsker_varadhan", "nwj", "infonce", "leave_one_out", "jsd"):
        of = getattr(information, name)
        calls[f"information.{name}: batches"] = lambda of=of: of(scores)
        calls[f"information.{name}: one matrix"] = lambda of=of: of(scores[0], confidence=0.9)
    a, b = normal(1200, 2), normal(1200, 2) + 0.5 * normal(1200, 2, 1)
    w = cube(900, 2)
    near = np.clip(w + 0.02 * normal(900, 2), 0.0, 1.0)
    return calls | {
        "information.entropy_knn": lambda: information.entropy_knn(a),
        "information.entropy_knn: k = 1": lambda: information.entropy_knn(a[:, 0], k=1),
        "information.ksg": lambda: information.ksg(a, b),
        "information.ksg: k = 5": lambda: information.ksg(a[:, 0], b[:, 0], k=5),
        "information.gaussian": lambda: information.gaussian(a, b),
        "information.mine": lambda: information.mine(
            a, b, steps=60, batch=128, rng=0, device="cpu"
        ),
        "information.channel_bracket: sigma": lambda: information.channel_bracket(
            a, sigma=0.7, rng=0
        ),
        "information.channel_bracket: epsilon": lambda: information.channel_bracket(
            w, epsilon=0.2, batch=100, rng=0
        ),
        "information.pair_bounds: sigma": lambda: information.pair_bounds(a, b, sigma=0.7, rng=0),
        "information.pair_bounds: epsilon": lambda: information.pair_bounds(
            w, near, epsilon=0.1, rng=0, confidence=0.9
        ),
    }


def readers() -> Calls:
    """Return readers of every kind of file."""
    kinds = ("npy", "npz", "csv", "tsv.gz", "parquet", "feather", "h5", "zarr", "safetensors")
    calls: Calls = {
        f"load: {kind}": lambda kind=kind: dmtest.load(f"x.{kind}")
        for kind in (*kinds, "pt", "fvecs", "vec")
    }
    return calls | {
        "load: key": lambda: dmtest.load("x.npz", key="other"),
        "load: columns": lambda: dmtest.load("x.csv", columns=["c", 0]),
        "report: npy": lambda: dmtest.report("x.npy", rng=0),
        "report: csv": lambda: dmtest.report("x.csv", rng=0, replicates=99),
        "report: parquet": lambda: dmtest.report("x.parquet", rng=0, replicates=99),
        "report: npz, key": lambda: dmtest.report("x.npz", rng=0, key="other", replicates=99),
    }


def refusals() -> Calls:
    """Return calls that are refused, with the sentence that says why."""
    x = normal(50, 3)
    holes = np.where(x > 2.0, np.inf, x)
    good = dmtest.write_baseline(x, slices=4)
    report, check, run = dmtest.report, dmtest.check, dmtest.run_test
    calls: Calls = {
        "NaN": lambda: report(holes),
        "empty": lambda: report(np.empty((0, 3))),
        "one row": lambda: report(x[:1]),
        "three axes": lambda: report(np.zeros((3, 3, 3))),
        "texts": lambda: report([["a", "b"]]),
        "complex": lambda: report(x + 1j),
        "no such file": lambda: report("nothing.npy"),
        "a broken file": lambda: report("broken.npz"),
        "an empty file": lambda: report("empty.npy"),
        "words in a table": lambda: report("words.csv"),
        "no such key": lambda: report("x.npz", key="missing"),
        "no such column": lambda: report("x.csv", columns=["z"]),
        "unknown target": lambda: report(x, "gauss"),
        "target class": lambda: report(x, dmtest.Normal),
        "unknown test": lambda: report(x, tests="lilliefors"),
        "test of another target": lambda: report(x, tests=["rayleigh"]),
        "test twice": lambda: report(x, tests=["kuiper", "kuiper"]),
        "alpha": lambda: report(x, alpha=2.0),
        "replicates": lambda: report(x, replicates=5),
        "tolerance": lambda: report(x, tolerance=-1.0),
        "seed": lambda: report(x, rng=-1),
        "directions": lambda: report(x, directions=np.ones((2, 5))),
        "not of length 1": lambda: report(x, "sphere"),
        "more columns than rows": lambda: report(x[:3], "any-normal"),
        "mean of another d": lambda: report(x, dmtest.Normal(np.zeros(2))),
        "box upside down": lambda: dmtest.Uniform(1.0, 0.0),
        "margins": lambda: dmtest.Product([1.0]),
        "compared columns": lambda: dmtest.compare(x, x[:, :2]),
        "compared tolerance": lambda: report(x, dmtest.Reference(x), tolerance=0.1),
        "unknown parameter": lambda: run(x, "bhep", params={"b": 1.0}),
        "bad parameter": lambda: run(x, "bhep", params={"beta": -1.0}),
        "no published p-value": lambda: run(x, "kuiper", calibration="asymptotic"),
        "unknown calibration": lambda: run(x, "kuiper", calibration="exact"),
        "too many rows for a test": lambda: run(normal(300, 2), "henze-jimenez-gamero-meintanis"),
        "check of nothing": lambda: check(x),
        "check of other columns": lambda: check(x[:, :2], good),
        "check of another target": lambda: check(x, good, target="uniform"),
        "baseline that is none": lambda: check(x, "words.csv"),
        "limit": lambda: check(x, max_kl=-1.0),
        "monitor of a fitted target": lambda: dmtest.Monitor("any-normal"),
        "batch of few rows": lambda: dmtest.Monitor().update(x[:3]),
        "no monitor": lambda: dmtest.Monitor.from_json("{}"),
        "no report": lambda: dmtest.Report.from_json("{}"),
        "list_tests": lambda: dmtest.list_tests("gauss"),
        "noise": lambda: dmtest.kl_profile(x, noise=[-1.0]),
        "noise on the sphere": lambda: dmtest.kl_profile(sphere(50, 3), "sphere"),
        "few rows for a search": lambda: dmtest.worst_directions(x[:20]),
        "sizes": lambda: dmtest.detectability(x, sizes=[100]),
        "bound": lambda: dmtest.bounds.gaussian_capacity(0, 1.0),
        "scores": lambda: dmtest.information.infonce(np.zeros((2, 3))),
        "no noise": lambda: dmtest.information.channel_bracket(x),
        "outside the cube": lambda: dmtest.information.pair_bounds(x, x, epsilon=0.1),
    }
    return {f"refused: {name}": call for name, call in calls.items()}


def training() -> Calls:
    """Return losses, the metric, the callback and the trainer, on the CPU."""
    import torch

    from dmtest import train

    z0 = torch.from_numpy(skewed(64, 3))
    directions = torch.from_numpy(sphere(5, 3))
    slices = (
        *("anderson_darling", "cramer_von_mises", "dagostino_pearson", "epps_pulley"),
        *("jarque_bera", "kolmogorov_smirnov", "kuiper", "shapiro_francia", "shapiro_wilk"),
        *("squared_wasserstein", "vasicek", "watson"),
    )

    def loss(of: Callable[[Any], Any], z: Any = z0) -> Any:
        rows = z.clone().requires_grad_(True)
        value = of(rows)
        value.sum().backward()
        return {"value": value.detach(), "gradient": rows.grad}

    def metric(target: str, batches: list[Rows], **options: Any) -> Any:
        made = train.DistributionMatch(batches[0].shape[1], target, **options)
        for batch in batches:
            made.update(torch.from_numpy(batch))
        return made.compute()

    calls: Calls = {}
    for name in slices:
        of = getattr(train, name)
        for parameters in ("known", "fitted"):
            calls[f"train.{name}: {parameters}"] = lambda of=of, p=parameters: loss(
                lambda z: of(z, directions, p, "none")
            )
        calls[f"StatisticLoss: {name}"] = lambda name=name: loss(
            train.StatisticLoss(name.replace("_", "-"), directions, "fitted")
        )
    for name in ("bhep", "henze_zirkler", "mmd", "energy", "whiten"):
        calls[f"train.{name}"] = lambda name=name: loss(getattr(train, name))

    def fresh(statistic: Any, **options: Any) -> Any:
        torch.manual_seed(3)
        return loss(lambda z: train.sliced(z, statistic, **options), z0.float())

    calls |= {
        "train.sliced: fresh directions": lambda: fresh("epps-pulley"),
        "train.sliced: worst": lambda: fresh("shapiro-wilk", directions=7, reduce="worst"),
        "train.sliced: a function": lambda: fresh(lambda lines: lines.pow(4).mean(dim=1)),
        "DistributionMatch: normal": lambda: metric("normal", [skewed(200, 3), normal(100, 3)]),
        "DistributionMatch: uniform": lambda: metric(
            "uniform", [cube(200, 2), cube(100, 2, 1) ** 2]
        ),
        "DistributionMatch: far rows": lambda: metric(
            "normal", [50.0 * normal(150, 3)], slices=8, rows=100, seed=3
        ),
        "DistributionMatch: few rows": lambda: metric("normal", [normal(5, 3)]),
        "DistributionCallback": watched_training,
    }
    return calls | fits()


def watched_training() -> Any:
    """Run a training loop of Lightning with the callback."""
    import lightning
    import torch

    from dmtest import train

    class Small(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.net = torch.nn.Linear(4, 2)

        def training_step(self, batch: Any, index: int) -> Any:
            z = self.net(batch[0])
            return {"loss": train.energy(z), "z": z}

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.01)

    rows = torch.utils.data.TensorDataset(torch.from_numpy(normal(256, 4)).float())
    watch = train.DistributionCallback("z", stage="train", slices=8, rows=128, report="last.json")
    trainer = lightning.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        callbacks=[watch],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Small(), torch.utils.data.DataLoader(rows, batch_size=64))
    return {"history": watch.history, "report": watch.last}


def fits() -> Calls:
    """Return the trainer: one epoch of each of its options, and two runs that are evaluated."""
    from dmtest import train

    short: dict[str, Any] = {"epochs": 1, "batch": 256, "rng": 0, "progress": False}
    short |= {"device": "cpu", "evaluate": False}

    def fit(*args: Any, **options: Any) -> Any:
        made = train.fit(*args, **(short | options))
        names = ("embeddings", "augmented", "labels", "train_embeddings", "report", "verification")
        return {"summary": made.summary()} | {name: getattr(made, name) for name in names}

    def written() -> Any:
        train.fit(
            out="run", dim=3, evaluate=True, **{k: v for k, v in short.items() if k != "evaluate"}
        )
        with np.load("run/embeddings.npz") as archive:
            stored = dict(archive)
        encoder = train.load_encoder("run")
        state = {name: one.detach().numpy() for name, one in encoder.state_dict().items()}
        return {
            "arrays": stored,
            "files": sorted(path.name for path in Path("run").iterdir()),
            "encoder": state,
            "history": json.loads(Path("run/history.json").read_text()),
            "verification": json.loads(Path("run/verification.json").read_text()),
            "svg": Path("run/curves.svg").read_text(),
        }

    def resumed() -> Any:
        fit(out="again", epochs=2, schedule="constant")
        return fit(out="again", epochs=2, schedule="constant", resume=True)

    def verified(target: str, level: float) -> Any:
        # The noise of a run, for which there is no public name of its own.
        noise = train.fit(target=target, dim=2, **short).noise
        noise = dataclasses.replace(noise, level=level)
        x = normal(800, 2) if target == "normal" else cube(800, 2)
        other = x + 0.05 * normal(800, 2, 1)
        if target == "uniform":
            other = np.clip(other, 0.0, 1.0)
        scores = np.stack([3.0 * np.eye(50) + 0.2 * normal(50, 50, s) for s in range(4)])
        return train.verify(x, other, noise, scores=scores, rng=0)

    labels = np.arange(300) % 3
    z = skewed(300, 3) + 2.0 * labels[:, None]
    calls: Calls = {
        "fit: normal": fit,
        "fit: uniform": lambda: fit(target="uniform", dim=3, epsilon=0.2),
        "fit: capacity": lambda: fit(capacity=3.0, dim=4, epochs=2),
        "fit: no noise": lambda: fit(sigma=0.0),
        "fit: without an objective": lambda: fit(matching="sigreg", objective="none"),
        "fit: axes": lambda: fit(matching="sigreg", matching_axes=0.5, matching_weight=20.0),
        "fit: images": lambda: fit("idx", batch=30),
        "fit: an archive": lambda: fit("images.npz", batch=30, size=6, crop=4),
        "fit: an array": lambda: fit(normal(200, 5), labels=np.arange(200) % 2, batch=50),
        "fit: convnet": lambda: fit("images.npz", batch=30, size=24, encoder="convnet-half"),
        "fit: head sigmoid": lambda: fit(target="uniform", head="sigmoid"),
        "fit: patience": lambda: fit(epochs=4, patience=1, learning_rate=1e-6),
        "fit: resumed": resumed,
        "fit: written": written,
        "fit: evaluated": lambda: fit(evaluate=True, epochs=2),
        "fit: evaluated, uniform": lambda: fit(target="uniform", evaluate=True, critic="dual"),
        "verify: normal": lambda: verified("normal", 0.5),
        "verify: uniform": lambda: verified("uniform", 0.1),
        "verify: no noise": lambda: verified("normal", 0.0),
        "downstream": lambda: train.downstream(z[:200], labels[:200], z[200:], labels[200:], rng=0),
    }
    options = {
        "encoder": ("mlp-wide", "resnet18-narrow", "convnet"),
        "augment": ("image", "shift", "handwriting", "none"),
        "objective": ("donsker-varadhan", "nwj", "jsd"),
        "critic": ("dual", "learned", "separable"),
        "matching": ("covariance", "adversarial"),
        "head": ("free",),
        "precision": ("bf16",),
    }
    for option, values in options.items():
        for value in values:
            calls[f"fit: {option} {value}"] = lambda given={option: value}: fit(**given)
    return calls


def commands() -> Calls:
    """Return the command line: exit code, output and files."""
    lines: dict[str, tuple[str, list[str]]] = {
        "version": ("--version", []),
        "tests": ("tests", []),
        "tests, JSON": ("tests --target sphere --json", []),
        "report": ("report x.npy", []),
        "report, JSON": ("report x.npy --json -", []),
        "report, files": ("report worse.npy --html page.html --json out.json", ["out.json"]),
        "report, any-normal": ("report worse.npy --target any-normal --json - --slices 16", []),
        "report, box": ("report cube.npy --target uniform --low -1 --json -", []),
        "report, sphere": ("report sphere.npy --target sphere", []),
        "report, options": (
            "report x.csv --columns 0:2 --tests energy,kuiper --replicates 99 --alpha 0.01 "
            "--seed 3 --tolerance 0.1 --json -",
            [],
        ),
        "report, key": ("report x.npz --key other --quiet", []),
        "report, dropped rows": ("report holes.npy --nonfinite drop --json -", []),
        "report, NaN": ("report holes.npy", []),
        "report, no file": ("report nothing.npy", []),
        "report, bad option": ("report x.npy --alpha 7", []),
        "report, unknown option": ("report x.npy --colour", []),
        "report, unknown target": ("report x.npy --target gauss", []),
        "compare": ("compare x.npy worse.npy", []),
        "compare, JSON": ("compare x.npy fresh.npy --json - --replicates 199", []),
        "compare, rotation": ("compare x.npy worse.npy --rotation --json -", []),
        "compare, columns": ("compare x.npy f.npy", []),
        "check, baseline": ("check x.npy --write-baseline base.json", ["base.json"]),
        "check": ("check fresh.npy --baseline base.json", []),
        "check, JSON": ("check fresh.npy --baseline base.json --json - --junit j.xml", ["j.xml"]),
        "check, worse": ("check worse.npy --baseline base.json --github", []),
        "check, limits": ("check worse.npy --max-kl 0.1 --min-detectable-n 50 --json -", []),
        "check, compare": ("check worse.npy --baseline base.json --compare --quiet", []),
        "check, of nothing": ("check x.npy", []),
        "bounds": ("bounds pairs.npz", []),
        "bounds, JSON": ("bounds pairs.npz --json --sigma 0.3", []),
        "bounds, two files": ("bounds f.npy --augmented g.npy --epsilon 0.1 --json", []),
        "bounds, no noise": ("bounds f.npy --augmented g.npy", []),
        "train": ("train --epochs 1 --batch 256 --device cpu --out trained", []),
        "train, JSON": (
            "train --epochs 1 --batch 256 --device cpu --target uniform --json",
            [],
        ),
        "train, bad option": ("train --epochs 0", []),
        "demo": ("demo --html demo.html", ["demo.html"]),
    }
    for name in ("", "report", "compare", "check", "tests", "bounds", "train", "demo"):
        lines[f"{name or 'dmtest'}, help"] = (f"{name} --help", [])
    calls: Calls = {
        f"dmtest {name}": lambda line=line, made=made: command(line.split(), made)
        for name, (line, made) in lines.items()
    }
    plugin = ["-p", "no:dmtest", "-p", "dmtest.pytest_plugin", "-p", "no:cacheprovider", "-q"]
    update = [*plugin, "--dmtest-update-baselines"]
    tries = {"no baseline": ("1", "1", plugin), "written": ("1", "1", update)}
    tries |= {"passed": ("2", "1", plugin), "failed": ("3", "1.5", plugin)}
    for name, (seed, scale, given) in tries.items():
        calls[f"pytest: {name}"] = lambda seed=seed, scale=scale, given=given: process(
            ["pytest", *given, "test_encoder.py"], SEED=seed, SCALE=scale
        )
    return calls


def command(words: list[str], made: list[str]) -> Any:
    """Run `dmtest`; JSON is read, so that its numbers are compared."""
    result = process(["dmtest", *words])
    for name in made:
        text = Path(name).read_text(encoding="utf-8")
        result[name] = json.loads(text) if name.endswith(".json") else {"text": text}
    return result


def process(words: list[str], **variables: str) -> dict[str, Any]:
    """Run a module of Python in a process of its own, with the dmtest of this one."""
    root = str(Path(dmtest.__file__).resolve().parents[1])
    fixed = {"PYTHONPATH": root, "COLUMNS": "80", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    run = subprocess.run(
        [sys.executable, "-m", *words],
        env=os.environ | fixed | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    result: dict[str, Any] = {"exit code": run.returncode, "stderr": run.stderr}
    if run.stdout.lstrip().startswith(("{", "[")):
        return result | {"json": json.loads(run.stdout)}
    return result | {"stdout": run.stdout}


GROUPS = (
    *(reports, comparisons, tests, effects, checks, theory, readers, refusals, training),
    commands,
)


# Results as JSON -------------------------------------------------------------------------------


def encoded(value: Any, folder: str) -> Any:
    """Return plain values: floats in hexadecimal, texts behind a quote, long arrays by hash."""

    def plain(value: Any) -> Any:
        if value is None or isinstance(value, bool | np.bool_):
            return None if value is None else bool(value)
        if isinstance(value, int | np.integer):
            return int(value)
        if isinstance(value, float | np.floating):
            number = float(value).hex()
            facts = getattr(value, "__dict__", None)  # an Estimate
            return {"value": number} | plain(facts) if facts else number
        if isinstance(value, str):
            return "'" + constant(value, folder)
        if hasattr(value, "detach"):  # a tensor
            value = value.detach().cpu().numpy()
        if isinstance(value, np.ndarray):
            return array(value)
        if hasattr(value, "get_column_names") or hasattr(value, "dtypes"):  # a data frame
            return frame(value)
        if hasattr(value, "to_dict"):
            value = value.to_dict()
        elif dataclasses.is_dataclass(value):
            value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        if isinstance(value, Mapping):
            return {
                str(name): "'<stamp>" if name in STAMPS else plain(part)
                for name, part in value.items()
            }
        if isinstance(value, list | tuple):
            return [plain(part) for part in value]
        raise TypeError(f"no rule for a {type(value).__name__}")

    def array(values: NDArray[Any]) -> Any:
        about = {"dtype": f"'{values.dtype}", "shape": list(values.shape)}
        if values.dtype.kind not in "fiub":
            return about | {"values": plain(values.tolist())}
        if values.size <= WHOLE:
            return about | {"values": plain(values.ravel().tolist())}
        seal = hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()
        return about | {"head": plain(values.ravel()[:HEAD].tolist()), "sha256": "'" + seal}

    def frame(value: Any) -> Any:
        names = list(value.columns)
        types = [str(value[name].dtype) for name in names]
        return {"dtypes": plain(types), "columns": {n: plain(list(value[n])) for n in names}}

    return plain(value)


def constant(text: str, folder: str) -> str:
    """Leave out what differs from run to run."""
    text = text.replace(folder, "<folder>")
    for pattern, other in VARIABLE:
        text = pattern.sub(other, text)
    return text


def outcome(call: Callable[[], Any], folder: str) -> Any:
    """Make a call and return what came out: a result or an error, and warnings of dmtest's own."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            made: Any = {"result": call()}
        except Exception as error:
            made = {"raised": type(error).__name__, "text": str(error)}
    own = [w for w in caught if issubclass(w.category, dmtest.DataWarning)]
    made["warnings"] = [{"text": str(w.message)} for w in own]
    return encoded(made, folder)


def write() -> None:
    """Make all calls and store what came out."""
    print(f"dmtest: {dmtest.__file__}", flush=True)
    with tempfile.TemporaryDirectory(prefix="same-results-numba-") as folder:
        cache = os.environ | {"NUMBA_CACHE_DIR": folder, "PYTHONHASHSEED": "0"}
        for run in ("first", "second"):
            words = [sys.executable, *sys.orig_argv[1:], f"--process={run}"]
            subprocess.run(words, env=cache, check=True)


def store(path: Path, only: str | None, results_wanted: bool) -> None:
    """Make all calls in this process; without results those of the command line are left out."""
    from numba.core import event

    target, started, home = path.resolve(), time.perf_counter(), Path.cwd()
    results: dict[str, Any] = {}
    with (
        tempfile.TemporaryDirectory(prefix="same-results-") as name,
        event.install_recorder("numba:compile") as compiled,
    ):
        folder = Path(name).resolve()
        os.environ |= {"DMTEST_CACHE_DIR": str(folder / "cache"), "DMTEST_THREADS": THREADS}
        os.environ.pop("GITHUB_ACTIONS", None)
        (folder / "work").mkdir()
        os.chdir(folder / "work")
        files(folder / "work")
        import torch

        torch.set_num_threads(1)
        for group in GROUPS if results_wanted else GROUPS[:-1]:
            begun, count = time.perf_counter(), len(results)
            with threadpool_limits(1, user_api="blas"):
                for title, call in group().items():
                    if asked(title, only):
                        results[title] = outcome(call, str(folder))
            seconds = time.perf_counter() - begun
            print(f"{group.__name__}: {len(results) - count} calls, {seconds:.0f} s", flush=True)
        os.chdir(home)
    count = len(compiled.buffer)
    print(f"{len(results)} calls in {time.perf_counter() - started:.0f} s; {count} compilations")
    if results_wanted:
        text = json.dumps(results, indent=0, ensure_ascii=False) + "\n"
        target.write_text(text, encoding="utf-8")
        errors = Counter(one["raised"][1:] for one in results.values() if "raised" in one)
        print(f"raised: {dict(errors)}")
        if count:
            print("kernels were compiled a second time: bits may differ from run to run")


# Comparison ------------------------------------------------------------------------------------


class Difference(NamedTuple):
    """Where two results differ: the kind, the call, the keys that lead there, both values."""

    kind: str
    call: str
    place: tuple[str, ...]
    before: Any
    after: Any


def differences(call: str, before: Any, after: Any, place: tuple[str, ...]) -> Iterator[Difference]:
    """Yield the differences of two encoded values."""

    def found(kind: str, one: Any = before, other: Any = after) -> Difference:
        return Difference(kind, call, place, one, other)

    if isinstance(before, dict) and isinstance(after, dict):
        gone, new = before.keys() - after.keys(), after.keys() - before.keys()
        if gone or new:
            yield found("key", sorted(gone), sorted(new))
        elif list(before) != list(after):
            yield found("order of keys", list(before), list(after))
        for name in before:
            if name in after:
                yield from differences(call, before[name], after[name], (*place, name))
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield found("length", len(before), len(after))
        for j, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(call, one, other, (*place, str(j)))
    elif before != after or type(before) is not type(after):
        texts = [isinstance(one, str) and one.startswith("'") for one in (before, after)]
        if all(texts):
            yield found("text" if TEXTS.intersection(place) else "name", before[1:], after[1:])
        else:
            same = type(before) is type(after) and not any(texts)
            yield found("number" if same else "type")


def reworded(before: str, after: str) -> Iterator[tuple[str, str]]:
    """Yield the lines that differ between two texts, those before and those instead."""
    old, new = before.splitlines(), after.splitlines()
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for tag, a, b, c, d in matcher.get_opcodes():
        if tag != "equal":
            yield around("\n".join(old[a:b]), "\n".join(new[c:d]))


def alike(one: str, other: str) -> int:
    """Count the characters that two texts have in common at their start."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((j for j, (a, b) in pairs if a != b), min(len(one), len(other)))


def around(old: str, new: str, margin: int = 40) -> tuple[str, str]:
    """Cut two long texts to where they differ."""
    if max(len(old), len(new)) <= 4 * margin:
        return old, new
    start, end = alike(old, new), alike(old[::-1], new[::-1])
    first, last = max(0, start - margin), max(0, end - margin)
    return old[first : len(old) - last], new[first : len(new) - last]


def shortened(value: Any, most: int = 160) -> str:
    """Return a value as text for a list of differences."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if re.fullmatch(r"-?0x[0-9a-f.]+p[-+]\d+", text):
        return f"{float.fromhex(text)!r}"
    return text if len(text) <= most else f"{text[: most - 3]}..."


def asked(name: str, only: str | None) -> bool:
    """Whether a call is among those asked for."""
    return only is None or re.search(only, name) is not None


def compare(before: Path, after: Path, only: str | None, most: int) -> int:
    """Print the differences of two files and return the exit code."""
    old, new = (
        {
            name: made
            for name, made in json.loads(path.read_text(encoding="utf-8")).items()
            if asked(name, only)
        }
        for path in (before, after)
    )
    wrong: dict[str, list[Difference]] = defaultdict(list)
    texts: list[Difference] = []
    for call in [*old, *(name for name in new if name not in old)]:
        if call not in old or call not in new:
            one, other = ("made" if call in part else "not made" for part in (old, new))
            wrong["call"].append(Difference("call", call, (), one, other))
            continue
        for one in differences(call, old[call], new[call], ()):
            (texts if one.kind == "text" else wrong[one.kind]).append(one)
    print(f"{len(old)} calls before, {len(new)} after")
    for kind, items in wrong.items():
        calls = len({one.call for one in items})
        print(f"\n{kind}: {len(items)} differences in {calls} calls")
        for one in items[:most]:
            print(f"  {one.call} > {' > '.join(one.place)}")
            print(f"    - {shortened(one.before)}\n    + {shortened(one.after)}")
        if len(items) > most:
            print(f"  ... and {len(items) - most} more (--most)")
    report_texts(texts, most)
    broken = sum(map(len, wrong.values()))
    print(f"\n{broken} numbers, keys, types or names differ; {len(texts)} texts differ")
    return 1 if broken else 0


def report_texts(texts: list[Difference], most: int) -> None:
    """Print changes of wording, alike ones once: first those in which numbers differ."""
    groups: dict[bool, Counter[tuple[str, str]]] = {True: Counter(), False: Counter()}
    for one in texts:
        other = sorted(NUMBER.findall(one.before)) != sorted(NUMBER.findall(one.after))
        for change in reworded(one.before, one.after):
            if other and sorted(NUMBER.findall(change[0])) != sorted(NUMBER.findall(change[1])):
                groups[True][change] += 1
            else:
                groups[False][NUMBER.sub("#", change[0]), NUMBER.sub("#", change[1])] += 1
    for numbers, changes in groups.items():
        what = "with other numbers in them" if numbers else "(# stands for a number)"
        if changes:
            print(f"\ntexts {what}: {len(changes)} changes, {sum(changes.values())} places")
        for (old, new), count in changes.most_common(most):
            print(f"  {count} x")
            for sign, side in (("-", old), ("+", new)):
                lines = side.splitlines()
                for line in lines[:LINES]:
                    print(f"    {sign} {shortened(line.strip())}")
                if len(lines) > LINES:
                    print(f"    {sign} ... and {len(lines) - LINES} more lines")
        if len(changes) > most:
            print(f"  ... and {len(changes) - most} more (--most)")


def main() -> int:
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    actions = parser.add_subparsers(dest="action", required=True)
    writing = actions.add_parser("write", help="make all calls and store the results")
    writing.add_argument("file", type=Path)
    comparing = actions.add_parser("compare", help="list the differences of two files")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--most", type=int, default=200, help="differences shown of each kind")
    writing.add_argument("--process", choices=("first", "second"), help=argparse.SUPPRESS)
    for action in (writing, comparing):
        action.add_argument("--only", help="a regular expression: calls with such names alone")
    given = parser.parse_args()
    if given.action == "compare":
        return compare(given.before, given.after, given.only, given.most)
    if given.process is None:
        write()
    else:
        store(given.file, given.only, given.process == "second")
    return 0


if __name__ == "__main__":
    sys.exit(main())
