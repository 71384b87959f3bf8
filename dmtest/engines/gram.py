"""Sums over pairs of rows, in one pass over tiles of half of the Gram matrix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines import device
from dmtest.runtime.parallel import Progress, blocks, run_tasks
from dmtest.runtime.typing import Vector

Precision: TypeAlias = Literal["auto", "double"]
# Replicates of a null may be in float32 where a sample of the same size is in float64.
Tiles: TypeAlias = Precision | Literal["single"]
Kernel: TypeAlias = Callable[..., float]

# Sides of tiles: a tile and its factors stay in the second-level cache between BLAS and the
# folds.
TILES = {np.dtype(np.float32): 384, np.dtype(np.float64): 256}
# Sizes from which "auto" uses float32 tiles, at half the cost. The error is below 1e-2 of the
# null's standard deviation for every test of the catalogue (tests/engines/test_gram.py).
SINGLE_ROWS = 4096
SINGLE_COLUMNS = 32
# Largest exponents whose exp is finite in float32 and float64, with a margin for sums.
LARGEST_EXPONENT = {np.dtype(np.float32): 70.0, np.dtype(np.float64): 650.0}


@dataclass(frozen=True, slots=True)
class PairSum:
    """The sum over pairs j < k of a function of r_j^2, r_k^2 and g_jk = Y_j . Y_k.

    Attributes
    ----------
    kernel : callable
        A fold of a tile, from :mod:`dmtest.kernels.pairs` or with the same arguments:
        ``(gram, shared, left, right, diagonal, constants)``.
    near, far : float, optional
        `shared` is the tile of exp(-near |Y_j - Y_k|^2), or of exp(far |Y_j + Y_k|^2). It is
        computed once for all sums that request the same tile.
    distance : bool
        `shared` is the tile of |Y_j - Y_k|. Without any of the three, `shared` is the Gram tile.
    constants : tuple of float
        Passed to the kernel.
    largest : bool
        The result is the largest value of the tiles instead of their sum.
    """

    kernel: Kernel
    near: float | None = None
    far: float | None = None
    distance: bool = False
    constants: tuple[float, ...] = ()
    largest: bool = False

    @property
    def shared_tile(self) -> tuple[str, float]:
        """Kind and constant of the tile that the kernel gets as `shared`."""
        if self.near is not None:
            return "near", self.near
        if self.far is not None:
            return "far", self.far
        return ("distance", 0.0) if self.distance else ("gram", 0.0)


def tile_dtype(n: int, d: int, precision: Tiles = "auto") -> np.dtype[Any]:
    """Return the precision of the tiles for n rows in d columns."""
    large = n >= SINGLE_ROWS and d >= SINGLE_COLUMNS
    single = precision == "single" or (precision == "auto" and large)
    return np.dtype(np.float32 if single else np.float64)


def pair_sums(
    rows: NDArray[Any],
    requests: Sequence[PairSum],
    *,
    precision: Tiles = "auto",
    threads: bool = True,
    progress: Progress | None = None,
) -> dict[PairSum, float]:
    """Evaluate any number of sums over pairs of rows in one pass.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
    requests : sequence of PairSum
        Equal requests are computed once.
    precision : {"auto", "double", "single"}
        Tiles are added in float64. "auto": float32 tiles if n and d are large.
    threads : bool
        Whether to spread rows of tiles over threads.
    progress : callable, optional
        Called with (what, tiles done, tiles in total) after every row of tiles.

    Returns
    -------
    dict of PairSum to float
    """
    kind = tile_dtype(len(rows), rows.shape[1], precision)
    place = device.place_of_pairs() if threads else None
    # The sum of distances is about n^2 sqrt(2d), and its variation so small a part of it that
    # float32 is too coarse. Errors of single products cancel, and those of roots would not: the
    # products alone are then in float32, of centred rows, because distances do not change.
    double = [r for r in requests if r.distance] if kind == np.float32 else []
    single = [r for r in requests if r not in double]
    sums: dict[PairSum, float] = {}
    for asked, precise in ((single, kind), (double, np.dtype(np.float64))):
        if not asked:
            continue
        if asked is double:
            y = (rows - rows.mean(axis=0, dtype=np.float64)).astype(np.float32)
        else:
            y = np.ascontiguousarray(rows, dtype=kind)
        known = [] if place is None else [r for r in dict.fromkeys(asked) if device.knows(r)]
        if known:
            there = device.like(place, y)
            sums |= device.pair_sums(there, known, precise.name, LARGEST_EXPONENT[precise])
        rest = tuple(r for r in dict.fromkeys(asked) if r not in known)
        if rest:
            sums |= _one_pass(y, rest, precise, threads, progress)
    return sums


def _one_pass(
    y: NDArray[Any],
    requests: tuple[PairSum, ...],
    dtype: np.dtype[Any],
    threads: bool,
    progress: Progress | None,
) -> dict[PairSum, float]:
    """Return the sums; `dtype` is that of the tiles, and products have that of the rows."""
    wide = np.einsum("ij,ij->i", y, y, dtype=np.float64)
    job = _Pass(y, wide, requests, dtype)
    parts = blocks(len(y), TILES[job.dtype])
    local = threading.local()

    def row_of_tiles(index: int) -> Vector:
        # One set of tiles per thread for the whole pass: new memory costs more than the product.
        if not hasattr(local, "tiles"):
            local.tiles = job.tiles()
        total = job.start()
        for columns in parts[index:]:
            job.fold(parts[index], columns, local.tiles, total)
        return total

    # Longest rows first, so that the threads end at the same time. The order of sums is fixed.
    order = range(len(parts))
    total, done, tiles = job.start(), 0, len(parts) * (len(parts) + 1) // 2
    sums = run_tasks(row_of_tiles, order) if threads else map(row_of_tiles, order)
    for index, values in enumerate(sums):
        job.join(total, values)
        done += len(parts) - index
        if progress is not None:
            progress("pairs of rows", done, tiles)
    return job.results(total)


class _Pass:
    """The requests of one pass over the tiles, and the fold of one tile."""

    def __init__(
        self,
        y: NDArray[Any],
        squared: Vector,
        requests: tuple[PairSum, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.y, self.requests, self.dtype = y, requests, dtype
        self.squared = squared.astype(dtype)
        self.largest = np.array([request.largest for request in requests])
        self.constants = [np.array(request.constants, dtype=np.float64) for request in requests]
        self.groups: dict[tuple[str, float], list[int]] = {}
        for position, request in enumerate(requests):
            self.groups.setdefault(request.shared_tile, []).append(position)
        top = float(squared.max(initial=0.0))
        largest = LARGEST_EXPONENT[dtype]
        self.shifts = {
            value: 4.0 * value * top if 4.0 * value * top > largest else 0.0
            for kind, value in self.groups
            if kind == "far"
        }

    def start(self) -> Vector:
        return np.where(self.largest, -np.inf, 0.0)

    def join(self, total: Vector, values: Vector) -> None:
        total[:] = np.where(self.largest, np.maximum(total, values), total + values)

    def tiles(self) -> tuple[NDArray[Any], ...]:
        """Return memory for the Gram tile, for a shared tile and for the product."""
        size = min(TILES[self.dtype], len(self.y))
        gram, shared = np.empty((2, size, size), self.dtype)
        product = gram if self.y.dtype == self.dtype else np.empty((size, size), self.y.dtype)
        return gram, shared, product

    def fold(
        self, rows: slice, columns: slice, tiles: tuple[NDArray[Any], ...], total: Vector
    ) -> None:
        shape = rows.stop - rows.start, columns.stop - columns.start
        # A smaller tile at the edge uses the front of the memory of a full one.
        gram, space, product = (
            tile.reshape(-1)[: shape[0] * shape[1]].reshape(shape) for tile in tiles
        )
        np.matmul(self.y[rows], self.y[columns].T, out=product)
        if product.dtype != gram.dtype:
            gram[...] = product
        left, right = self.squared[rows], self.squared[columns]
        diagonal = rows == columns
        for (kind, value), members in self.groups.items():
            shared, mass = gram, 0.0
            if kind != "gram":
                shared = space
                fill, shift = _fills()[kind], self.shifts.get(value, 0.0)
                keep = any(self.requests[p].kernel is not _fills()["mass"] for p in members)
                mass = fill(gram, left, right, diagonal, value, shift, keep, space)
            for position in members:
                request = self.requests[position]
                if request.kernel is _fills()["mass"] and kind != "gram":
                    part = mass
                else:
                    constants = self.constants[position]
                    part = request.kernel(gram, shared, left, right, diagonal, constants)
                if request.largest:
                    total[position] = max(total[position], part)
                else:
                    total[position] += part

    def results(self, total: Vector) -> dict[PairSum, float]:
        out = {}
        for request, value in zip(self.requests, total, strict=True):
            shift = self.shifts.get(request.far, 0.0) if request.far is not None else 0.0
            with np.errstate(over="ignore"):
                out[request] = float(value * np.exp(shift)) if shift else float(value)
        return out


@cache
def _fills() -> dict[str, Kernel]:
    """Kernels that fill the shared tiles; imported on first use, as numba is slow to import."""
    from dmtest.kernels import pairs

    return {"near": pairs.near, "far": pairs.far, "distance": pairs.distance, "mass": pairs.mass}
