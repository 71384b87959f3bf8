"""Rows drawn at random by a hash of their number: the same rows whatever the chunks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.streams import stream

Numbers = NDArray[np.int64]
# Rows beyond its size that a reservoir holds before it drops the largest, as a share of its size.
SURPLUS = 0.25
# Standard deviations beyond its size that the reservoirs of parts keep together.
MARGIN = 8.0


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

    Rows lie in slots that are used again, so that no row is copied twice.

    Parameters
    ----------
    size : int
        Most rows.
    seed : int
    """

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.limit = np.uint64(0xFFFFFFFFFFFFFFFF)
        self.keys = np.empty(0, dtype=np.uint64)
        self.numbers = np.empty(0, dtype=np.int64)
        self.rows: NDArray[Any] = np.empty((0, 0))
        # Slots that hold no row.
        self.free = np.empty(0, dtype=np.intp)

    def expect(self, total: int) -> None:
        """Drop the rows of a part that are hardly among the smallest keys of `total` rows.

        The number of keys below the limit is binomial with mean `size` plus MARGIN standard
        deviations: it is below `size` with a probability under 1e-15.
        """
        share = (self.size + MARGIN * np.sqrt(self.size)) / max(total, 1)
        if share < 1.0:
            self.limit = min(self.limit, np.uint64(share * 2.0**64))

    def add(self, first: int, rows: Any) -> None:
        """Add rows with numbers from `first` on, of the host or of a device."""
        numbers = np.arange(first, first + len(rows), dtype=np.int64)
        self.put(keys_of(numbers, self.seed), numbers, rows)

    def put(self, keys: NDArray[np.uint64], numbers: Numbers, rows: Any) -> None:
        """Add rows with their keys."""
        good = np.flatnonzero(keys <= self.limit)
        while len(good):
            if not len(self.free):
                self._make_room(rows, len(good))
                good = good[keys[good] <= self.limit]
            now, good = good[: len(self.free)], good[len(self.free) :]
            slots, self.free = self.free[: len(now)], self.free[len(now) :]
            self.keys[slots], self.numbers[slots] = keys[now], numbers[now]
            self.rows[slots] = rows[now]

    def _make_room(self, rows: Any, count: int) -> None:
        """Add slots up to the surplus; beyond, free those of the largest keys."""
        held, most = len(self.keys), int((1.0 + SURPLUS) * self.size) + 1
        if held < most:
            slots = min(most, max(4 * held, held + count))
            self.free = np.arange(held, slots)
            self.keys, self.numbers = (
                np.concatenate([part, np.empty(slots - held, part.dtype)])
                for part in (self.keys, self.numbers)
            )
            grown = np.empty((slots, rows.shape[1]), rows.dtype)
            grown[:held] = self.rows if held else 0
            self.rows = grown
            return
        kept = smallest(self.keys, self.numbers, self.size)
        self.limit = np.uint64(self.keys[kept].max())
        self.free = _others(held, kept)

    def settle(self) -> tuple[NDArray[np.uint64], Numbers, NDArray[Any]]:
        """Return keys, numbers and rows of the sample in the order of the data."""
        used = _others(len(self.keys), self.free)
        kept = used[smallest(self.keys[used], self.numbers[used], self.size)]
        return self.keys[kept], self.numbers[kept], self.rows[kept]

    def copy(self) -> Reservoir:
        """Return a reservoir with the same rows."""
        other = Reservoir(self.size, self.seed)
        other.limit, other.free = self.limit, self.free
        other.keys, other.numbers = self.keys.copy(), self.numbers.copy()
        other.rows = self.rows.copy()
        return other


def _others(count: int, slots: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return the slots below `count` that are not among these."""
    other = np.ones(count, dtype=bool)
    other[slots] = False
    return np.flatnonzero(other)
