"""Project on k directions; every statistic of a slice shares one projection and one sort."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.moments import line_moments, projected_moments
from dmtest.errors import InputError
from dmtest.runtime.memory import scratch
from dmtest.runtime.parallel import ROW_TILE, Progress, blocks, run_tasks, single_threaded_blas
from dmtest.runtime.typing import Vector

Parameters: TypeAlias = Literal["known", "fitted"]
Block: TypeAlias = NDArray[Any]
Statistic: TypeAlias = Callable[..., Vector]

# Values in a view: with what is made of them they stay in the last-level cache.
VIEW_VALUES = 1 << 22
# Values in one task: large enough to hide Python's overhead, small enough to stay in cache.
LEAST_VALUES, TASK_VALUES = 1 << 15, 1 << 18
# Tasks that are enough for a balanced load.
TASKS = 8
# From this length on values are sorted by buckets; numpy is faster below.
BUCKETS = 1024
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
    space : ndarray, shape (k, n), optional
        Memory for the sorted rows, of the dtype of `rows`.
    """

    def __init__(self, rows: Block, parameters: Parameters, space: Block | None = None) -> None:
        self.rows: Block = np.ascontiguousarray(rows)
        self.space = space
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
        if self.n < BUCKETS:
            return np.sort(self.rows, axis=1)
        from dmtest.kernels.slices import bucket_sort

        y, loc, scale = self.rows, self.loc, self.scale
        out = np.empty_like(y) if self.space is None else self.space
        done = np.empty(self.k, dtype=np.bool_)
        self.spread(lambda r: bucket_sort(y[r], loc[r], scale[r], out[r], done[r]))
        for row in np.flatnonzero(~done):
            out[row] = np.sort(self.rows[row])
        return out

    @cached_property
    def extremes(self) -> Vector:
        """Smallest and largest value of every row: shape (k, 2)."""
        if "sorted" in self.__dict__:
            return self.sorted[:, [0, -1]].astype(np.float64)
        from dmtest.kernels.slices import extreme_values

        y, out = self.rows, np.empty((self.k, 2))
        self.spread(lambda r: extreme_values(y[r], out[r]))
        return out

    @cached_property
    def edf(self) -> Vector:
        """Sums over the empirical cdf, :func:`dmtest.kernels.slices.edf_sums`: shape (k, 5).

        The last column, of logarithms, is in :attr:`logs`: it costs more than the others.
        """
        return self.logs if "logs" in self.__dict__ else self._edf(logs=False)

    @cached_property
    def logs(self) -> Vector:
        """The same, with the logarithms."""
        return self._edf(logs=True)

    def _edf(self, *, logs: bool) -> Vector:
        from dmtest.kernels.slices import edf_sums

        y, loc, scale, out = self.sorted, self.loc, self.scale, np.empty((self.k, 5))
        self.spread(lambda r: edf_sums(y[r], loc[r], scale[r], logs, out[r]))
        return out

    def weighted(self, weights: Vector) -> Vector:
        """Sum of weights times sorted values about `loc`: shape (k,)."""
        from dmtest.kernels.slices import weighted_sums

        y, loc, out = self.sorted, self.loc, np.empty(self.k)
        self.spread(lambda r: weighted_sums(y[r], loc[r], weights, out[r]))
        return out

    def spread(self, work: Callable[[slice], None]) -> None:
        """Call `work`, which is one kernel, for blocks of rows, by several threads.

        Several small steps would spend their time on waiting for the interpreter.
        """
        size = max(LEAST_VALUES // self.n, -(-self.k // TASKS))
        for _ in run_tasks(work, blocks(self.k, min(TASK_VALUES // self.n, size))):
            pass


class MomentView(SliceView):
    """A view of which only the moments are at hand: lines were never kept."""

    def __init__(self, central: Vector, n: int, parameters: Parameters) -> None:
        self.parameters = parameters
        self.k, self.n = len(central), n
        self.central = central


def project(x: NDArray[Any], directions: Vector, out: Block | None = None) -> Block:
    """Lines ``directions @ x.T`` of shape (k, n), in the dtype of `x`, by tiles of rows."""
    n, k = len(x), len(directions)
    u = directions.astype(x.dtype)
    lines = np.empty((k, n), dtype=x.dtype) if out is None else out
    axes = _axes(u)
    if axes is not None:
        from dmtest.kernels.slices import pick_columns

        # Neighbouring columns share cache lines, so one task copies them.
        for _ in run_tasks(lambda part: pick_columns(x, axes[part], lines[part]), blocks(k, 8)):
            pass
        return lines

    def tile(rows: slice) -> None:
        np.matmul(u, np.asarray(x[rows]).T, out=lines[:, rows])

    for _ in run_tasks(tile, blocks(n, ROW_TILE)):
        pass
    return lines


def _axes(u: Block) -> NDArray[np.intp] | None:
    """Return which column every direction picks, or None if one is no axis."""
    axes = u.argmax(axis=1)
    picked = u[np.arange(len(u)), axes]
    return axes if np.count_nonzero(u) == len(u) and (picked == 1.0).all() else None


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
        return _evaluated(moment_view(x, directions, parameters), statistics)
    values = np.empty((len(directions), len(statistics)))
    for part in blocks(len(directions), HELD_VALUES // len(x)):
        shape = (part.stop - part.start, len(x))
        with scratch(shape[0] * shape[1], x.dtype) as space:
            lines = project(x, directions[part], out=space.reshape(shape))
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
        moments = line_moments(np.ascontiguousarray(lines))
        return _evaluated(MomentView(moments, lines.shape[1], parameters), statistics)
    values, n = np.empty((len(lines), len(statistics))), lines.shape[1]
    for part in blocks(len(lines), VIEW_VALUES // n):
        rows = lines[part]
        with scratch(rows.size, rows.dtype) as space:
            view = SliceView(rows, parameters, space.reshape(rows.shape))
            values[part] = _evaluated(view, statistics)
    return values


def _evaluated(view: SliceView, statistics: Mapping[str, Statistic]) -> Vector:
    refuse_constant(view)
    with single_threaded_blas():
        return np.stack([statistic(view) for statistic in statistics.values()], axis=1)


def refuse_constant(view: SliceView) -> None:
    """Raise if a slice has no spread to fit."""
    if not view.known and not (view.central[:, 1] > 0.0).all():
        raise InputError(
            "data: a slice is constant, so no normal can be fitted to it; leave constant "
            "columns out with columns=... or use target='normal'."
        )
