"""Simulate the nulls of the default battery at a design of shapes, one file of replicates a shape.

    python -m benchmarks.nulls.simulate FOLDER --seconds 40 --jobs 2

A replicate is one sample of N(0, I): all statistics of a row of the file are statistics of one
sample, so that the file has their joint law. A run that was stopped keeps its complete files; a
further run simulates what is missing, or with --extend adds replicates to every file.
``benchmarks.nulls.build`` smooths the files into the table that the package ships.
"""

from __future__ import annotations

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np

from dmtest.calibration.nulls import RowNull, SliceNull, whiten_columns
from dmtest.calibration.shipped import SLICES, columns_of
from dmtest.catalogue.registry import default_battery, find
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.directions import random_directions
from dmtest.engines.slices import Parameters
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

SEED = 20_261_128
# Shapes at which all tests run, and shapes for slices alone, at which few tests change.
NS = (20, 26, 35, 50, 80, 130, 200, 320, 500, 800, 1300, 2000)
DS = (1, 2, 3, 4, 5, 8, 12, 20, 32, 48, 64, 100, 180, 320, 570, 1024)
LARGE = tuple((n, d) for n in (5000, 10_000) for d in (1, 2, 4, 8, 16, 32, 64, 128, 320))
EDGES = ((40, 20), (64, 32), (96, 48), (128, 64), (360, 180), (640, 320), (1140, 570))
WIDE = ((2048, 1024), (3000, 1024), (3000, 570), (5000, 1024), (5000, 570))
SLICES_ONLY = tuple((n, d) for n in (5000, 20_000) for d in (1, 2, 3, 5, 8, 12, 20, 32, 48, 64))
# The tests of the table, and its columns.
_DEFAULT = {
    f"{spec.space}/{name}": spec
    for target in ("normal", "any-normal")
    for name in default_battery(target)
    if (spec := find(name, target)) is not None
}
SLICE_TESTS = (*(s for s in _DEFAULT.values() if isinstance(s, SliceTest)), SQUARED_WASSERSTEIN)
ROW_TESTS = tuple(spec for spec in _DEFAULT.values() if isinstance(spec, RowTest))
KINDS: tuple[Parameters, ...] = ("known", "fitted")
COLUMNS = [
    *(name for kind in KINDS for spec in SLICE_TESTS for name in columns_of(spec, kind)),
    *(name for spec in ROW_TESTS for name in columns_of(spec, "known")),
]
# Replicates of a shape, and the size of a batch in values.
MOST, FEWEST, VALUES = 20_000, 40, 1 << 18


def design() -> list[tuple[int, int, bool]]:
    """Return the shapes: rows, columns, and whether tests of whole rows run, too."""
    full = [(n, d) for n in NS for d in DS] + [*LARGE, *EDGES, *WIDE]
    return [(n, d, True) for n, d in full] + [(n, d, False) for n, d in SLICES_ONLY]


def path_of(folder: Path, n: int, d: int, rows: bool) -> Path:
    """Return the file of a shape."""
    return folder / f"{n}-{d}{'' if rows else '-slices'}.npy"


def replicates(n: int, d: int, rows: bool, first: int, count: int) -> Vector:
    """Simulate replicates `first` to `first + count`: shape (count, columns), NaN if absent."""
    out = np.full((count, len(COLUMNS)), np.nan)
    k = 1 if d == 1 else SLICES
    width = d if rows or d < k else k
    whitened = n >= 2 * width
    drawn = [stream(SEED, f"{n}/{d}/{rows}", first + b) for b in range(count)]
    samples = [rng.standard_normal((width, n), dtype=np.float32) for rng in drawn]
    white = [whiten_columns(x) for x in samples] if whitened else []
    bases = [_basis(k, width, rng) for rng in drawn]
    for parameters, source in zip(KINDS, (samples, white), strict=True):
        if not source:
            continue
        slices = np.stack(
            [x[:k] if u is None else u @ x for x, u in zip(source, bases, strict=True)]
        )
        null = SliceNull(parameters, n, k, k)
        values = null.evaluate(SLICE_TESTS, {}, slices).reshape(count, -1)
        names = [name for spec in SLICE_TESTS for name in columns_of(spec, parameters)]
        out[:, [COLUMNS.index(name) for name in names]] = values
    for space in dict.fromkeys(spec.space for spec in ROW_TESTS) if rows else ():
        source = white if space == "residuals" else samples
        specs = [spec for spec in ROW_TESTS if spec.space == space and spec.suits(d)]
        if source:
            values = RowNull(space, n, d).evaluate(specs, {}, np.stack(source))[:, :, 0]
            names = [name for spec in specs for name in columns_of(spec, "known")]
            out[:, [COLUMNS.index(name) for name in names]] = values
    return out


def _basis(k: int, width: int, rng: np.random.Generator) -> Vector | None:
    """Directions of the slices; None where the first columns have the law of the slices."""
    if k <= width:
        return None
    return np.asarray(random_directions(k, width, rng).astype(np.float32))


def simulate(folder: Path, n: int, d: int, rows: bool, seconds: float) -> str:
    """Simulate one shape for `seconds` of CPU time, and write or extend its file."""
    path = path_of(folder, n, d, rows)
    parts: list[Vector] = [np.load(path)] if path.exists() else []
    width = d if rows else min(d, SLICES)
    batch = int(max(1, min(2000, VALUES // (n * max(width, 64 if d > 1 else 1)))))
    done, start = sum(map(len, parts)), time.process_time()
    while done < MOST and (done < FEWEST or time.process_time() - start < seconds):
        parts.append(replicates(n, d, rows, done, min(batch, MOST - done)))
        done += len(parts[-1])
    temporary = path.with_suffix(".part")
    with temporary.open("wb") as file:
        np.save(file, np.concatenate(parts))
    temporary.rename(path)
    return f"{path.name}: {done} replicates, {time.process_time() - start:.0f} s"


def main() -> None:
    """Simulate the whole design."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=40.0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--extend", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(options.jobs) as pool:
        shapes = [
            one for one in design() if options.extend or not path_of(options.folder, *one).exists()
        ]
        futures = [pool.submit(simulate, options.folder, *one, options.seconds) for one in shapes]
        for future in futures:
            print(future.result(), flush=True)


if __name__ == "__main__":
    main()
