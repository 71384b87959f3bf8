"""Resolution of the columns of a sample: equal steps, few significant bits, few values.

A continuous law has no ties. Columns with ties are looked at: do their values lie on a lattice of
equal steps (ranks, quantised or rounded values), have they fewer significant bits than any
computation gives (float16, bfloat16), or are there only a few of them?
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

# Rows that are looked at; fewest tied pairs that are looked into.
ROWS, PAIRS = 4096, 3
# Steps coarser than this share of 1 / sqrt(n), in probability, shift the cdf visibly.
VISIBLE = 0.05
# Most significant bits of a low precision; most distinct values that are few.
LOW_BITS, FEW = 13, 64
# Error of a value on a lattice, in units in the last place, and the largest one in steps.
ULPS, SLACK = 4.0, 0.05
FINEST, ROUNDS = 1e-7, 8
# Values that are not multiples of a coarser step by chance.
CHANCE = 8


@dataclass(frozen=True, slots=True)
class Grid:
    """The values that one column can take.

    Attributes
    ----------
    kind : {"steps", "bits", "few"}
        Multiples of `step` from `origin`; numbers of `bits` significant bits; few values.
    coarse : float
        Probability that two values of the column are equal: that of a typical cell.
    distinct : int
        Distinct values among the rows that were looked at.
    origin, step : float
    bits : int
    """

    kind: Literal["steps", "bits", "few"]
    coarse: float
    distinct: int
    origin: float = 0.0
    step: float = 0.0
    bits: int = 0

    def cell(self, values: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the ends of the interval that rounds to each value, for "steps" and "bits"."""
        v = np.asarray(values, dtype=np.float64)
        if self.kind == "steps":
            centre = self.origin + self.step * self.index(v)
            return centre - 0.5 * self.step, centre + 0.5 * self.step
        mantissa, exponent = np.frexp(np.abs(v))  # |v| = mantissa 2^exponent, mantissa >= 1/2
        ulp = np.ldexp(1.0, exponent - self.bits)
        # Below a power of two the spacing is half as large.
        inner = np.abs(v) - np.where(mantissa == 0.5, 0.25, 0.5) * ulp
        outer = np.abs(v) + 0.5 * ulp
        zero = v == 0.0
        inner, outer = np.where(zero, 0.0, inner), np.where(zero, 0.0, outer)
        return np.where(v < 0.0, -outer, inner), np.where(v < 0.0, -inner, outer)

    def index(self, values: NDArray[Any]) -> NDArray[np.float64]:
        """Return the number of steps from the origin of each value."""
        return np.asarray(np.rint((values - self.origin) / self.step))

    def holds(self, values: NDArray[Any]) -> bool:
        """Whether all these values, of float32 or float64, are on the grid."""
        if self.kind == "bits":
            return int(_bits(values.reshape(-1, 1))[0]) <= self.bits
        v = np.asarray(values, dtype=np.float64)
        gap = np.abs(v - self.origin - self.step * self.index(v)).max(initial=0.0)
        return bool(gap <= 2.0 * SLACK * self.step)


def grids_of(x: NDArray[Any], n: int | None = None) -> dict[int, Grid]:
    """Return the grid of every column that is too coarse for a sample of this size, or of n."""
    n = len(x) if n is None else n
    few = np.ascontiguousarray(x[:: -(-len(x) // ROWS)])
    m = len(few)
    ordered = np.sort(few, axis=0).astype(np.float64)
    tied = np.count_nonzero(ordered[1:] == ordered[:-1], axis=0)
    grids: dict[int, Grid] = {}
    for j in np.flatnonzero(tied >= PAIRS):
        values, counts = np.unique(ordered[:, j], return_counts=True)
        coarse = float((counts * (counts - 1.0)).sum() / (m * (m - 1.0)))
        if len(values) < 2 or coarse * np.sqrt(n) <= VISIBLE:
            continue
        bits = int(_bits(few[:, [j]])[0])
        grid = _grid(values, coarse, bits)
        if grid is not None:
            grids[int(j)] = grid
    return grids


def low_bits(x: NDArray[Any]) -> int | None:
    """Return the significant bits of all values if they are those of a low precision, else None.

    Float16 held in float32 shows so at any n, also where its steps are no matter. Equal steps and
    few values are not a precision.
    """
    few = np.ascontiguousarray(x[:: -(-len(x) // ROWS)])
    bits = int(_bits(few).max())
    if bits > LOW_BITS:
        return None
    values = np.unique(few[:, 0]).astype(np.float64)
    if len(values) <= FEW:
        return None
    grid = _grid(values, 0.0, bits)
    return bits if grid is not None and grid.kind == "bits" else None


def _grid(values: NDArray[np.float64], coarse: float, bits: int) -> Grid | None:
    """Return the grid of distinct values in ascending order; None if they have none."""
    largest = float(np.abs(values).max())
    step = _step(values, ULPS * 2.0 ** (-23 if bits <= 24 else -52) * largest)
    # Spacing of numbers with so many bits below the largest value.
    exponent = int(np.frexp(np.nextafter(largest, 0.0))[1])
    spacing = float(np.ldexp(1.0, exponent - bits))
    # Integers up to 34 without 33 have five bits: a few values may be even by chance.
    top = np.count_nonzero(np.abs(values) >= np.ldexp(1.0, exponent - 1))
    finer = step is None or 4.0 * step <= spacing or (step < spacing and top > CHANCE)
    if bits <= LOW_BITS and finer:
        return Grid("bits", coarse, len(values), bits=bits)
    if step is not None:
        # The origin within the first step from 0, so that lattices of columns can be compared.
        origin = float(values[0] - step * np.floor(values[0] / step + SLACK))
        return Grid("steps", coarse, len(values), origin=origin, step=step)
    return Grid("few", coarse, len(values)) if len(values) <= FEW else None


def _step(values: NDArray[np.float64], error: float) -> float | None:
    """Return the largest step that all distances are multiples of, up to an error."""
    distance = values - values[0]
    step = float(np.diff(values).min())
    for _ in range(ROUNDS):
        if error > SLACK * step or step < FINEST * distance[-1]:
            return None
        step = float(distance[-1] / np.rint(distance[-1] / step))
        rest = np.abs(distance - step * np.rint(distance / step))
        off = rest[rest > error]
        if not len(off):
            return step
        step = float(off.min())
    return None


def _bits(x: NDArray[Any]) -> NDArray[np.intp]:
    """Return the significant bits that the values of each column use, shape (d,)."""
    mantissa = np.finfo(x.dtype).nmant
    words = np.ascontiguousarray(x).view(np.uint32 if x.dtype.itemsize == 4 else np.uint64)
    used = np.bitwise_or.reduce(words, axis=0) & words.dtype.type(2**mantissa - 1)
    return np.array([1 if not u else 1 + mantissa - _trailing(int(u)) for u in used])


def _trailing(word: int) -> int:
    """Zeros at the end of a positive number in binary."""
    return (word & -word).bit_length() - 1
