"""Sums of chi-square kernels over pairs of rows: of every row, and of the squares.

The pairs are all pairs, or for many rows a band of them: every tile of rows meets the tiles after
it up to a distance, cyclically. Every row is then in the same number of pairs, up to a tile's, and
the mean over the band is one over as many pairs as the budget allows. The rows have to be in random
order.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.runtime.parallel import Progress, run_tasks
from dmtest.runtime.typing import Vector

# Rows of a tile; most pairs of rows.
TILE, PAIRS = 256, 1 << 28
# Rows from which on products and exponents are in float32, where the parts of an exponent are so
# small that its error is at most 2^-10; in sums over rows these errors cancel.
SINGLE_ROWS, SINGLE_EXPONENT = 4096, 4096.0
# Exponents up to here have finite squares.
LARGEST = 340.0


@dataclass(frozen=True, slots=True)
class PairMeans:
    """Means of kernels over pairs of rows.

    Attributes
    ----------
    means : ndarray, shape (kernels, n)
        Mean over the partners of every row, divided by exp(`shift`).
    squares : ndarray, shape (kernels,)
        Mean square over all pairs, divided by exp(2 `shift`).
    partners : float
        Mean number of partners of a row.
    shift : float
        Natural logarithm of the unit of the means.
    """

    means: Vector
    squares: Vector
    partners: float
    shift: float = 0.0


def partners_of(n: int, pairs: int = PAIRS) -> float:
    """Return the number of partners of a row: n - 1, or less where `pairs` is the smaller."""
    return float(n - 1) if n * (n - 1) <= 2 * pairs else 2.0 * pairs / n


class Band:
    """The tiles of rows, and the pairs of tiles of a band."""

    def __init__(self, n: int, pairs: int = PAIRS) -> None:
        count = -(-n // TILE)
        edges = np.linspace(0, n, count + 1).round().astype(int)
        self.parts = [slice(int(a), int(b)) for a, b in pairwise(edges)]
        self.reach = count // 2
        if n * (n - 1) > 2 * pairs:
            # A tile has about T - 1 partners for every row on the diagonal, 2 T a step beside it.
            size = n / count
            self.reach = min(count // 2, max(1, int(np.ceil((2.0 * pairs / n / size - 1.0) / 2.0))))

    def partners(self, i: int) -> list[int]:
        """Return the tiles that tile i meets, itself first."""
        count = len(self.parts)
        steps = [h for h in range(1, self.reach + 1) if 2 * h != count or i < count // 2]
        return [i] + [(i + h) % count for h in steps]

    def degrees(self) -> Vector:
        """Return the number of partners of every row: shape (n,)."""
        counts = np.zeros(self.parts[-1].stop)
        sizes = [part.stop - part.start for part in self.parts]
        for i in range(len(self.parts)):
            for j in self.partners(i):
                counts[self.parts[i]] += sizes[j] - (i == j)
                if i != j:
                    counts[self.parts[j]] += sizes[i]
        return counts


def normal_pair_means(
    rows: NDArray[Any],
    near: float,
    intercepts: Vector,
    slopes: Vector,
    *,
    pairs: int = PAIRS,
    progress: Progress | None = None,
) -> PairMeans:
    """Average exp(F(|x + x'|^2) - near |x - x'|^2) over pairs of rows, for several F.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        In random order where n (n - 1) / 2 exceeds `pairs`.
    near : float
    intercepts, slopes : ndarray, shape (kernels, parts)
        F(a) is the smallest of ``intercepts + slopes a`` over the parts.
    pairs : int
        Most pairs, about.
    progress : callable, optional

    Returns
    -------
    PairMeans
    """
    family = Kernels(near, intercepts, slopes)
    return normal_pair_means_of(rows, [family], pairs=pairs, progress=progress)[0]


@dataclass(frozen=True, slots=True)
class Kernels:
    """Kernels exp(F(|x + x'|^2) - near |x - x'|^2), for several F.

    Attributes
    ----------
    near : float
    intercepts, slopes : ndarray, shape (kernels, parts)
        F(a) is the smallest of ``intercepts + slopes a`` over the parts.
    """

    near: float
    intercepts: Vector
    slopes: Vector

    def single(self, most: float, shift: float) -> bool:
        """Whether float32 will do for all pairs with |x + x'|^2 up to `most`.

        The exponent has to be linear there, with one slope for all F, and its parts not large.
        """
        slope, gaps = self.slopes[0, 0], self.intercepts - self.intercepts[:, :1]
        linear = gaps + np.minimum((self.slopes - self.slopes[:, :1]) * most, 0.0) >= 0.0
        size = abs(self.intercepts[0, 0] - shift) + (slope + self.near) * most
        return bool(size <= SINGLE_EXPONENT and linear.all() and (self.slopes[:, 0] == slope).all())


def normal_pair_means_of(
    rows: NDArray[Any],
    families: Sequence[Kernels],
    *,
    pairs: int = PAIRS,
    progress: Progress | None = None,
) -> list[PairMeans]:
    """Average kernels of several noise levels over pairs of rows, in one pass over the pairs.

    From `SINGLE_ROWS` rows on, products and exponents of most tiles are in float32, sums in
    float64: a mean changes by less than 1e-5 of itself, that of one row by less than 1e-4
    (tests/engines/test_chi2.py).

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        In random order where n (n - 1) / 2 exceeds `pairs`.
    families : sequence of Kernels
        All with equally many kernels.
    pairs : int
        Most pairs, about.
    progress : callable, optional

    Returns
    -------
    list of PairMeans, in the order of `families`
    """
    y = np.ascontiguousarray(rows, dtype=np.float64)
    band = Band(len(y), pairs)
    found = _normal_pass(y, families, [0.0] * len(families), band, progress)
    degrees = band.degrees()
    means = []
    for family, (sums, squares, top) in zip(families, found, strict=True):
        shift = 0.0
        if top > LARGEST:
            # Some pair would overflow: relative to the largest one, what underflows is nothing.
            shift = top
            ((sums, squares, _),) = _normal_pass(y, [family], [shift], band, progress)
        square = squares / (0.5 * degrees.sum())
        means.append(PairMeans(sums / degrees, square, float(degrees.mean()), shift))
    return means


def _normal_pass(
    y: NDArray[Any],
    families: Sequence[Kernels],
    shifts: Sequence[float],
    band: Band,
    progress: Progress | None,
) -> list[tuple[Vector, Vector, float]]:
    from dmtest.kernels.chi2 import add_normal_pairs, add_plain_pairs

    lengths = np.einsum("ij,ij->i", y, y)
    single = y.astype(np.float32) if len(y) >= SINGLE_ROWS else None
    lengths32 = lengths.astype(np.float32)
    longest = [float(np.sqrt(lengths[part].max())) for part in band.parts]
    levels, forms = len(families), len(families[0].intercepts)
    scales = [np.exp(one.intercepts[:, 0] - one.intercepts[0, 0]) for one in families]
    local = threading.local()

    def row_of_tiles(i: int) -> tuple[list[tuple[int, Vector]], Vector, Vector]:
        if not hasattr(local, "buffer"):
            local.buffer = np.empty((2, TILE + 1))
            local.single = np.empty((2, TILE + 1), dtype=np.float32)
        part = band.parts[i]
        own = np.zeros((levels, forms, part.stop - part.start))
        sums, squares = [(i, own)], np.zeros((levels, forms))
        top = np.full(levels, -np.inf)
        for j in band.partners(i):
            other = band.parts[j]
            across = np.zeros((levels, forms, other.stop - other.start))
            most = (longest[i] + longest[j]) ** 2
            gram = gram32 = None
            for level, one in enumerate(families):
                intercept, slope, shift = one.intercepts[0, 0], one.slopes[0, 0], shifts[level]
                if single is not None and one.single(most, shift):
                    if gram32 is None:
                        gram32 = single[part] @ single[other].T
                    if add_plain_pairs(
                        gram32, lengths32[part], lengths32[other], i == j, slope - one.near,
                        2.0 * (slope + one.near), intercept - shift, scales[level], own[level],
                        across[level], squares[level], *local.single,
                    ):  # fmt: skip
                        continue
                if gram is None:
                    gram = y[part] @ y[other].T
                largest = add_normal_pairs(
                    gram, lengths[part], lengths[other], i == j, one.near, one.intercepts,
                    one.slopes, scales[level], shift, own[level], across[level], squares[level],
                    local.buffer,
                )  # fmt: skip
                top[level] = max(top[level], largest)
            sums.append((j, across))
        return sums, squares, top

    sums, squares, top = _gather(row_of_tiles, band, (levels, forms), progress)
    return [(sums[level], squares[level], float(top[level])) for level in range(levels)]


def box_pair_means(
    low: Vector, high: Vector, scale: float, *, pairs: int = PAIRS, progress: Progress | None = None
) -> PairMeans:
    """Average the products over columns of scale max(0, min(high) - max(low)) over pairs of rows.

    Parameters
    ----------
    low, high : ndarray, shape (n, d)
        An increasing function at both ends of the noise around every value.
    scale : float
    pairs : int
        Most pairs, about.
    progress : callable, optional

    Returns
    -------
    PairMeans
        Of one kernel.
    """
    from dmtest.kernels.chi2 import add_box_pairs

    low, high = np.ascontiguousarray(low), np.ascontiguousarray(high)
    band = Band(len(low), pairs)

    def row_of_tiles(i: int) -> tuple[list[tuple[int, Vector]], Vector, Vector]:
        part = band.parts[i]
        own = np.zeros(part.stop - part.start)
        sums, squares = [(i, own[None])], 0.0
        for j in band.partners(i):
            other = band.parts[j]
            across = np.zeros(other.stop - other.start)
            squares += add_box_pairs(
                low[part], high[part], low[other], high[other], i == j, scale, own, across
            )
            sums.append((j, across[None]))
        return sums, np.array([squares]), np.zeros(1)

    means, squares, _ = _gather(row_of_tiles, band, (1,), progress)
    degrees = band.degrees()
    return PairMeans(means / degrees, squares / (0.5 * degrees.sum()), float(degrees.mean()))


def _gather(
    task: Any, band: Band, shape: tuple[int, ...], progress: Progress | None
) -> tuple[Vector, Vector, Vector]:
    """Add the sums of all rows of tiles, in their order: (*shape, n), shape and (levels,)."""
    sums, squares = np.zeros((*shape, band.parts[-1].stop)), np.zeros(shape)
    top = np.full(shape[0], -np.inf)
    for done, (parts, square, largest) in enumerate(run_tasks(task, range(len(band.parts)))):
        for j, values in parts:
            sums[..., band.parts[j]] += values
        squares += square
        top = np.maximum(top, largest)
        if progress is not None:
            progress("pairs of rows", done + 1, len(band.parts))
    return sums, squares, top
