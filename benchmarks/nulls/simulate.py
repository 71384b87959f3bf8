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
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.nulls import RowNull, SliceNull, whiten_columns
from dmtest.calibration.shipped import SLICES, columns_of
from dmtest.catalogue.registry import default_battery, find
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.directions import random_directions
from dmtest.engines.slices import Parameters
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

Floats: TypeAlias = NDArray[Any]
Part: TypeAlias = Literal["all", "slices", "linear", "pairs"]
SEED = 20_261_128
# Shapes at which all tests run, and shapes for slices alone, at which few tests change.
NS = (20, 26, 35, 50, 80, 130, 200, 320, 500, 800, 1300, 2000)
DS = (1, 2, 3, 4, 5, 8, 12, 20, 32, 48, 64, 100, 180, 320, 570, 1024)
LARGE = tuple((n, d) for n in (5000, 10_000) for d in (1, 2, 4, 8, 16, 32, 64, 128, 320))
EDGES = ((40, 20), (64, 32), (96, 48), (128, 64), (360, 180), (640, 320), (1140, 570))
WIDE = ((2048, 1024), (3000, 1024), (3000, 570), (5000, 1024), (5000, 570))
SLICES_ONLY = tuple((n, d) for n in (5000, 20_000) for d in (1, 2, 3, 5, 8, 12, 20, 32, 48, 64))
# Shapes for tests of rows whose cost is linear in n: their nulls are least regular there.
LINEAR = tuple((n, d) for n in (3200, 5000, 10_000) for d in (1, 2, 4, 8, 16, 32, 64, 128, 320))
# Shapes for tests of all pairs of rows alone: at many rows they got few replicates beside the rest.
PAIRS = tuple((n, d) for n in (5000, 10_000) for d in (1, 2, 4, 8, 16, 32, 64, 128, 320))
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


def design() -> list[tuple[int, int, Part]]:
    """Return the shapes: rows, columns, and the tests that run there."""
    full = [(n, d) for n in NS for d in DS] + [*LARGE, *EDGES, *WIDE]
    parts: dict[Part, Sequence[tuple[int, int]]] = {"all": full, "slices": SLICES_ONLY}
    parts |= {"linear": LINEAR, "pairs": PAIRS}
    return [(n, d, part) for part, shapes in parts.items() for n, d in shapes]


def path_of(folder: Path, n: int, d: int, part: Part) -> Path:
    """Return the file of a shape."""
    return folder / f"{n}-{d}{'' if part == 'all' else f'-{part}'}.npy"


def replicates(n: int, d: int, part: Part, first: int, count: int) -> Vector:
    """Simulate replicates `first` to `first + count`: shape (count, columns), NaN if absent."""
    out = np.full((count, len(COLUMNS)), np.nan)
    width = min(d, SLICES) if part == "slices" else d
    drawn = [stream(SEED, f"{n}/{d}/{part}", first + b) for b in range(count)]
    samples = [rng.standard_normal((width, n), dtype=np.float32) for rng in drawn]
    white = [whiten_columns(x) for x in samples] if n >= 2 * width else []
    if part in ("all", "slices"):
        k = 1 if d == 1 else SLICES
        bases = [_basis(k, width, rng) for rng in drawn]
        for parameters, source in zip(KINDS, (samples, white), strict=True):
            _slices(out, parameters, source, bases, k)
    if part != "slices":
        for space in dict.fromkeys(spec.space for spec in ROW_TESTS):
            specs = [spec for spec in ROW_TESTS if spec.space == space and spec.suits(d)]
            if part != "all":
                pairs = part == "pairs"
                specs = [s for s in specs if (s.operations(n, d) >= float(n) ** 2) == pairs]
            _rows(out, specs, white if space == "residuals" else samples)
    return out


def _slices(
    out: Vector, parameters: Parameters, samples: list[Floats], bases: list[Vector | None], k: int
) -> None:
    """Evaluate the tests of slices on samples, into the columns of these parameters."""
    if samples:
        slices = np.stack(
            [x[:k] if u is None else u @ x for x, u in zip(samples, bases, strict=True)]
        )
        null = SliceNull(parameters, slices.shape[2], k, k)
        names = [name for spec in SLICE_TESTS for name in columns_of(spec, parameters)]
        values = null.evaluate(SLICE_TESTS, {}, slices).reshape(len(out), -1)
        out[:, [COLUMNS.index(name) for name in names]] = values


def _rows(out: Vector, specs: list[RowTest], samples: list[Floats]) -> None:
    """Evaluate tests of rows of one space on samples."""
    if samples and specs:
        d, n = samples[0].shape
        values = RowNull(specs[0].space, n, d).evaluate(specs, {}, np.stack(samples))[:, :, 0]
        names = [name for spec in specs for name in columns_of(spec, "known")]
        out[:, [COLUMNS.index(name) for name in names]] = values


def _basis(k: int, width: int, rng: np.random.Generator) -> Vector | None:
    """Directions of the slices; None where the first columns have the law of the slices."""
    if k <= width:
        return None
    return np.asarray(random_directions(k, width, rng).astype(np.float32))


def simulate(folder: Path, n: int, d: int, part: Part, seconds: float) -> str:
    """Simulate one shape for `seconds` of CPU time, and write or extend its file."""
    path = path_of(folder, n, d, part)
    parts: list[Vector] = [np.load(path)] if path.exists() else []
    width = min(d, SLICES) if part == "slices" else d
    batch = int(max(1, min(2000, VALUES // (n * max(width, 64 if d > 1 else 1)))))
    done, start = sum(map(len, parts)), time.process_time()
    while done < MOST and (done < FEWEST or time.process_time() - start < seconds):
        parts.append(replicates(n, d, part, done, min(batch, MOST - done)))
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
