"""Rows drawn at random by a hash of their number: the same rows whatever the chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.streams import stream

Numbers = NDArray[np.int64]
# Rows beyond its size that a reservoir holds before it drops the largest, as a share of its size.
SURPLUS = 0.25


def keys_of(numbers: Numbers, seed: int) -> NDArray[np.uint64]:
    """Hash row numbers with a seed: uniform 64-bit numbers, shape (n,).

    The finaliser of splitmix64 (Steele, Lea & Flood 2014), twice, about two random constants.
    """
    first, second = stream(seed, "summary/rows").integers(1 << 63, size=2, dtype=np.uint64)
    key = _mixed(numbers.astype(np.uint64) ^ first)
    return _mixed(key ^ second)


def _mixed(key: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        key = key + np.uint64(0x9E3779B97F4A7C15)
        key = (key ^ (key >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        key = (key ^ (key >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return key ^ (key >> np.uint64(31))


def smallest(keys: NDArray[np.uint64], numbers: Numbers, count: int) -> NDArray[np.intp]:
    """Return the places of the `count` smallest keys, in the order of the row numbers."""
    order = np.lexsort((numbers, keys))[:count]
    return order[np.argsort(numbers[order], kind="stable")]


class Reservoir:
    """The rows with the smallest keys: a uniform sample without replacement of any set of rows.

    Parameters
    ----------
    size : int
        Most rows.
    seed : int
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.pieces: list[tuple[NDArray[np.uint64], Numbers, NDArray[Any]]] = []
        self.held = 0
        self.limit = np.uint64(0xFFFFFFFFFFFFFFFF)

    def add(self, first: int, rows: NDArray[Any]) -> None:
        """Add rows with numbers from `first` on."""
        numbers = np.arange(first, first + len(rows), dtype=np.int64)
        self.put(keys_of(numbers, self.seed), numbers, rows)

    def put(self, keys: NDArray[np.uint64], numbers: Numbers, rows: NDArray[Any]) -> None:
        """Add rows with their keys."""
        good = keys <= self.limit
        if not good.any():
            return
        self.pieces.append((keys[good], numbers[good], rows[good]))
        self.held += int(good.sum())
        if self.held > (1.0 + SURPLUS) * self.size:
            self.settle()

    def settle(self) -> tuple[NDArray[np.uint64], Numbers, NDArray[Any]]:
        """Drop the rows beyond the size; return keys, numbers and rows in the order of the data."""
        if not self.pieces:
            nothing = np.empty(0, np.int64)
            return nothing.astype(np.uint64), nothing, np.empty((0, 0))
        keys, numbers, rows = (np.concatenate(part) for part in zip(*self.pieces, strict=True))
        kept = smallest(keys, numbers, self.size)
        piece = keys[kept], numbers[kept], rows[kept]
        self.pieces, self.held = [piece], len(kept)
        if len(kept) == self.size:
            self.limit = np.uint64(piece[0].max())
        return piece

    def copy(self) -> Reservoir:
        """Return a reservoir with the same rows."""
        other = Reservoir(self.size, self.seed)
        other.pieces, other.held, other.limit = list(self.pieces), self.held, self.limit
        return other
