"""Project on k directions; every statistic of a slice shares one projection and one sort."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.moments import line_moments, projected_moments
from dmtest.errors import InputError
from dmtest.parallel import ROW_TILE, Progress, blocks, run_tasks

__all__ = [
    "Parameters",
    "SliceView",
    "line_blocks",
    "line_statistics",
    "moment_view",
    "project",
    "slice_statistics",
]

Parameters: TypeAlias = Literal["known", "fitted"]
Block: TypeAlias = NDArray[Any]
Vector: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Callable[..., Vector]

# Values in one task: large enough to hide Python's overhead, small enough to stay in cache.
TASK_VALUES = 1 << 18
# Values of the lines held at once: memory grows with this, not with n times k.
HELD_VALUES = 1 << 25


class SliceView:
    """A block of slices and what statistics share about it, each computed once.

    Parameters
    ----------
    rows : ndarray, shape (k, n)
        One slice a row, float32 or float64; not altered.
    parameters : {"known", "fitted"}
        ``"known"``: the null is N(0, 1). ``"fitted"``: some normal; slices are
        standardised by their mean and n - 1 standard deviation.
    """

    def __init__(self, rows: Block, parameters: Parameters) -> None:
        self.rows: Block = np.ascontiguousarray(rows)
        self.parameters = parameters
        self.k, self.n = self.rows.shape

    @property
    def known(self) -> bool:
        """Whether location and scale are known to be 0 and 1."""
        return self.parameters == "known"

    @cached_property
    def central(self) -> Vector:
        """Mean and central moments 2, 3, 4 (divided by n): shape (k, 4)."""
        return line_moments(self.rows)

    @cached_property
    def loc(self) -> Vector:
        """Location that slices are standardised with: shape (k,)."""
        return np.zeros(self.k) if self.known else np.ascontiguousarray(self.central[:, 0])

    @cached_property
    def scale(self) -> Vector:
        """Scale that slices are standardised with: shape (k,)."""
        if self.known:
            return np.ones(self.k)
        return np.asarray(np.sqrt(self.central[:, 1] * (self.n / (self.n - 1))))

    @cached_property
    def sorted(self) -> Block:
        """Rows in ascending order."""
        return np.sort(self.rows, axis=1)

    @cached_property
    def extremes(self) -> Vector:
        """Smallest and largest value of every row: shape (k, 2)."""
        if "sorted" in self.__dict__:
            return self.sorted[:, [0, -1]].astype(np.float64)
        return np.stack([self.rows.min(axis=1), self.rows.max(axis=1)], axis=1).astype(np.float64)

    @cached_property
    def edf(self) -> Vector:
        """Sums over the empirical cdf, :func:`dmtest.kernels.slices.edf_sums`: shape (k, 5)."""
        from dmtest.kernels.slices import edf_sums

        out = np.empty((self.k, 5))
        edf_sums(self.sorted, self.loc, self.scale, True, out)
        return out

    def weighted(self, weights: Vector) -> Vector:
        """Sum of weights times sorted values about `loc`: shape (k,)."""
        from dmtest.kernels.slices import weighted_sums

        out = np.empty(self.k)
        weighted_sums(self.sorted, self.loc, weights, out)
        return out


class MomentView(SliceView):
    """A view of which only the moments are at hand: lines were never kept."""

    def __init__(self, central: Vector, n: int, parameters: Parameters) -> None:
        self.parameters = parameters
        self.k, self.n = len(central), n
        self.central = central


def project(x: NDArray[Any], directions: Vector) -> Block:
    """Lines ``directions @ x.T`` of shape (k, n), in the dtype of `x`, by tiles of rows."""
    n, k = len(x), len(directions)
    u = directions.astype(x.dtype)
    lines = np.empty((k, n), dtype=x.dtype)

    def tile(rows: slice) -> None:
        np.matmul(u, np.asarray(x[rows]).T, out=lines[:, rows])

    for _ in run_tasks(tile, blocks(n, ROW_TILE)):
        pass
    return lines


def line_blocks(x: NDArray[Any], directions: Vector) -> Iterator[tuple[slice, Block]]:
    """Yield the lines in blocks of directions that hold at most HELD_VALUES values."""
    for part in blocks(len(directions), HELD_VALUES // len(x)):
        yield part, project(x, directions[part])


def moment_view(x: NDArray[Any], directions: Vector, parameters: Parameters) -> MomentView:
    """Moments of every slice in one pass over `x`; projections live for one tile only."""
    return MomentView(projected_moments(x, directions), len(x), parameters)


def slice_statistics(
    x: NDArray[Any],
    directions: Vector,
    parameters: Parameters,
    statistics: Mapping[str, Statistic],
    *,
    moments_only: bool = False,
    progress: Progress | None = None,
) -> Vector:
    """Evaluate statistics on the slices of `x`.

    Parameters
    ----------
    x : ndarray, shape (n, d)
    directions : ndarray, shape (k, d)
    parameters : {"known", "fitted"}
    statistics : mapping of name to function of a :class:`SliceView`
    moments_only : bool
        All of `statistics` need moments only, so that lines need not be kept.
    progress : callable, optional
        Called with (what, slices done, slices in all) after every block of slices.

    Returns
    -------
    ndarray, shape (k, number of statistics)

    Raises
    ------
    InputError
        If parameters are to be fitted and a slice is constant.
    """
    if moments_only:
        moments = moment_view(x, directions, parameters)
        refuse_constant(moments)
        return np.stack([statistic(moments) for statistic in statistics.values()], axis=1)
    values = np.empty((len(directions), len(statistics)))
    for part, lines in line_blocks(x, directions):
        values[part] = line_statistics(lines, parameters, statistics)
        if progress is not None:
            progress("slices", part.stop, len(directions))
    return values


def line_statistics(
    lines: Block,
    parameters: Parameters,
    statistics: Mapping[str, Statistic],
    *,
    moments_only: bool = False,
) -> Vector:
    """Evaluate statistics on given slices, one a row: (k, n) to (k, number of statistics)."""
    if moments_only:
        moments = MomentView(line_moments(np.ascontiguousarray(lines)), lines.shape[1], parameters)
        refuse_constant(moments)
        return np.stack([statistic(moments) for statistic in statistics.values()], axis=1)

    def task(rows: slice) -> Vector:
        view = SliceView(lines[rows], parameters)
        refuse_constant(view)
        return np.stack([statistic(view) for statistic in statistics.values()], axis=1)

    size = max(1, TASK_VALUES // lines.shape[1])
    return np.concatenate(list(run_tasks(task, blocks(len(lines), size))))


def refuse_constant(view: SliceView) -> None:
    """Raise if a slice has no spread to fit."""
    if not view.known and not (view.central[:, 1] > 0.0).all():
        raise InputError(
            "data: a slice is constant, so no normal can be fitted to it; leave constant "
            "columns out with columns=... or use target='normal'."
        )
