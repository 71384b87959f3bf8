"""Simulate the nulls of the default battery on a grid of n and d, and write the shipped tables.

    DMTEST_CACHE_DIR=FOLDER python -m benchmarks.nulls.build

Replicates are kept in the cache folder, so that a run can be stopped and taken up again.
Every grid point keeps location, scale and standardised quantiles of each statistic; every d
keeps the joint ranks of all of them at one n, for the global p-value.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.calibration.nulls import REVISION, RowNull, SliceNull, replicates_of
from dmtest.calibration.shipped import LEVELS, MOST_ROWS, PATH, RANKED, SLICES, column_names
from dmtest.catalogue.registry import default_battery, find
from dmtest.catalogue.spec import RowTest, SliceTest
from dmtest.catalogue.unlisted import SQUARED_WASSERSTEIN
from dmtest.engines.slices import Parameters

NS = (20, 35, 60, 100, 200, 500, 1000, 2000, 5000, MOST_ROWS)
DS = (1, 2, 3, 5, 8, 16, 32, 64, 128, 256)
SEED = 20_261_124
# Rows at which joint ranks are taken, or twice d where that is more.
RANKED_AT = 500
# Values that a grid point's replicates hold together, one column of rows counted.
VALUES, MOST = 5_000_000, 8000
# Beyond this many rows the shape of a null is that at SETTLED; place and scale are its own.
SETTLED, FEWER = 5000, 500

Vector = NDArray[np.float64]


def specs_of(parameters: Parameters) -> tuple[list[SliceTest], list[RowTest]]:
    """Return the tests of slices and of rows whose nulls are kept, in the table's order."""
    target = "any-normal" if parameters == "fitted" else "normal"
    found = [find(name, target) for name in default_battery(target)]
    slices = [spec for spec in found if isinstance(spec, SliceTest)]
    return [*slices, SQUARED_WASSERSTEIN], [spec for spec in found if isinstance(spec, RowTest)]


def count_of(n: int) -> int:
    """Return how many replicates a grid point gets."""
    return FEWER if n > SETTLED else min(MOST, VALUES // n)


def replicates(parameters: Parameters, n: int, d: int) -> Vector:
    """Simulate one grid point: (replicates, columns)."""
    slices, rows = specs_of(parameters)
    count = count_of(n)
    null = SliceNull.of(parameters, n, d, 1 if d == 1 else SLICES, None)
    parts = [replicates_of(null, slices, {}, count, SEED).reshape(count, -1)]
    for space in dict.fromkeys(spec.space for spec in rows):
        group = [spec for spec in rows if spec.space == space]
        parts.append(replicates_of(RowNull(space, n, d), group, {}, count, SEED)[:, :, 0])
    return np.concatenate(parts, axis=1)


def build() -> dict[str, Any]:
    """Simulate the whole grid and lay it out as the arrays of the file."""
    arrays: dict[str, Any] = {"n": np.array(NS), "d": np.array(DS), "revision": REVISION}
    kinds: tuple[Parameters, ...] = ("fitted", "known")
    for parameters in kinds:
        slices, rows = specs_of(parameters)
        names = column_names(slices, rows)
        shape = (len(NS), len(DS), len(names))
        place, scale = np.full(shape, np.nan), np.full(shape, np.nan)
        quantiles = np.full((*shape, len(LEVELS)), np.nan, dtype=np.float32)
        ranks = np.zeros((len(DS), RANKED, len(names)), dtype=np.uint16)
        for i, n in enumerate(NS):
            for j, d in enumerate(DS):
                if n < 2 * d:
                    continue
                start = time.perf_counter()
                drawn = replicates(parameters, n, d)
                place[i, j], scale[i, j] = drawn.mean(axis=0), drawn.std(axis=0)
                if n > SETTLED:
                    quantiles[i, j] = quantiles[i - 1, j]
                else:
                    standard = (drawn - place[i, j]) / scale[i, j]
                    quantiles[i, j] = np.quantile(standard, LEVELS, axis=0).T
                if n == max(RANKED_AT, NS[int(np.searchsorted(NS, 2 * d))]):
                    order = np.argsort(drawn[:RANKED], axis=0, kind="stable")
                    np.put_along_axis(ranks[j], order, np.arange(RANKED)[:, None], axis=0)
                print(parameters, n, d, f"{time.perf_counter() - start:.0f} s", flush=True)
        arrays |= {
            f"{parameters}/columns": np.array(names),
            f"{parameters}/place": place,
            f"{parameters}/scale": scale,
            f"{parameters}/quantiles": quantiles,
            f"{parameters}/ranks": ranks,
        }
    return arrays


def main() -> None:
    """Write the file that the package ships."""
    arrays = build()
    PATH.parent.mkdir(exist_ok=True)
    np.savez_compressed(PATH, **arrays)
    print(f"{PATH}: {PATH.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
