"""Two samples as one pool of rows, and labels that assign rows to the data or the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.attributes import cached_property
from dmtest.runtime.parallel import ROW_TILE, blocks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector

Marks = NDArray[np.uint8]

# Labels are stored up to this many bytes. Above, every use draws them again.
LABEL_BYTES = 1 << 28


class Labels:
    """The observed labelling of n + m pooled rows and random relabellings of it.

    A labelling is a vector of n ones (the data) and m zeros (the reference). Number 0 is the
    observed labelling. Number b > 0 is a permutation of it, uniform and independent of the data,
    from its own stream: it depends neither on the number of labellings nor on the order of use.
    """

    def __init__(self, n: int, m: int, replicates: int, seed: int) -> None:
        self.n, self.m, self.replicates, self.seed = n, m, replicates, seed
        self._observed = np.concatenate([np.ones(n, np.uint8), np.zeros(m, np.uint8)])
        self._all: Marks | None = None

    @property
    def total(self) -> int:
        """Number of pooled rows."""
        return self.n + self.m

    def fewer(self, replicates: int) -> Labels:
        """Return the first `replicates` of these labellings: replicate b is the same."""
        if replicates == self.replicates:
            return self
        part = Labels(self.n, self.m, replicates, self.seed)
        part._all = None if self._all is None else self._all[: replicates + 1]
        return part

    def batches(self) -> list[slice]:
        """Divide all labellings, the observed one first, into parts that fit in memory."""
        return blocks(self.replicates + 1, max(1, LABEL_BYTES // self.total))

    def marks(self, part: slice) -> Marks:
        """Return labellings `part`: shape (len, n + m), 1 for rows of the data."""
        if len(self.batches()) == 1:
            if self._all is None:
                self._all = self._draw(slice(0, self.replicates + 1))
            return self._all[part]
        return self._draw(part)

    def _draw(self, part: slice) -> Marks:
        out = np.empty((part.stop - part.start, self.total), np.uint8)
        for row, b in enumerate(range(part.start, part.stop)):
            out[row] = self._observed
            if b:
                stream(self.seed, "permutations", b).shuffle(out[row])
        return out

    def weights(self, marks: Marks) -> Vector:
        """Return weights: 1/n for rows of the data, -1/m for the reference; they sum to 0."""
        ours, theirs = 1.0 / self.n, -1.0 / self.m
        return np.where(marks == 1, ours, theirs)


@dataclass(frozen=True, eq=False)
class Pool:
    """The rows of the data and, after them, of the reference.

    Rows are returned in float64 less the pooled mean. Results do not depend on the mean, but
    rounding does: squared distances are computed from products of rows.

    Attributes
    ----------
    x, y : ndarray, shapes (n, d) and (m, d)
    seed : int
        Seed of all random draws of a statistic (directions, frequencies, subsets of rows), which
        do not depend on labels.
    """

    x: NDArray[Any] = field(repr=False)
    y: NDArray[Any] = field(repr=False)
    seed: int = 0

    @property
    def n(self) -> int:
        """Number of rows of the data."""
        return len(self.x)

    @property
    def m(self) -> int:
        """Number of rows of the reference."""
        return len(self.y)

    @property
    def total(self) -> int:
        """Number of rows of both."""
        return len(self.x) + len(self.y)

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.x.shape[1])

    @property
    def scale(self) -> float:
        """Factor nm / (n + m) of the statistics, with which their null does not depend on n."""
        return self.n * self.m / self.total

    @cached_property
    def mean(self) -> Vector:
        """Pooled mean: shape (d,)."""
        sums = [a.sum(axis=0, dtype=np.float64) for a in (self.x, self.y)]
        return np.asarray((sums[0] + sums[1]) / self.total)

    @cached_property
    def variance(self) -> Vector:
        """Pooled variances of the columns (1/N): shape (d,)."""
        squares = sum(np.square(rows).sum(axis=0) for _, rows in self.tiles())
        return np.asarray(squares / self.total)

    def rows(self, part: slice) -> Vector:
        """Return pooled rows `part`, centred, in float64."""
        n = self.n
        pieces = []
        if part.start < n:
            pieces.append(self.x[part.start : min(part.stop, n)])
        if part.stop > n:
            pieces.append(self.y[max(part.start - n, 0) : part.stop - n])
        joined = pieces[0] if len(pieces) == 1 else np.concatenate(pieces)
        return np.asarray(np.asarray(joined, dtype=np.float64) - self.mean)

    def pick(self, index: NDArray[np.intp]) -> Vector:
        """Return the pooled rows at sorted positions, centred, in float64."""
        ours = index[index < self.n]
        theirs = index[index >= self.n] - self.n
        joined = np.concatenate([np.asarray(self.x[ours]), np.asarray(self.y[theirs])])
        return np.asarray(joined.astype(np.float64) - self.mean)

    def tiles(self) -> Iterator[tuple[slice, Vector]]:
        """Yield all rows in tiles."""
        for part in blocks(self.total, ROW_TILE):
            yield part, self.rows(part)

    def random_order(self, name: str) -> NDArray[np.intp]:
        """Return the pooled rows' positions in a random order that depends only on their values.

        A statistic that uses a subset of rows, or divides rows into folds, has to treat all
        labellings alike. With rows chosen by position, the data first, this would hold only on
        average over seeds; in the order of a hash of the values it holds for every seed.
        """
        rng = stream(self.seed, f"pool/{name}")
        weights = rng.uniform(0.5, 1.5, self.d)
        parts = [
            (np.asarray(a[part], dtype=np.float64) * weights).sum(axis=1) + 0.0
            for a in (self.x, self.y)
            for part in blocks(len(a), ROW_TILE)
        ]
        # Equal rows have equal keys; a random permutation orders them.
        return np.lexsort((rng.permutation(self.total), _hash(np.concatenate(parts))))

    def subset(self, count: int, name: str) -> NDArray[np.intp]:
        """Draw rows of the pool without regard to labels, and return their sorted positions."""
        if count >= self.total:
            return np.arange(self.total)
        return np.sort(self.random_order(name)[:count])


def _hash(values: Vector) -> NDArray[np.uint64]:
    """Hash numbers with the finaliser of splitmix64 (Steele, Lea & Flood 2014)."""
    # In single precision, so that rounding of the data does not change the order of all rows.
    with np.errstate(over="ignore"):
        short = values.astype(np.float32)
    bits = short.view(np.uint32).astype(np.uint64) << np.uint64(17)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(bits ^ (bits >> np.uint64(31)))
