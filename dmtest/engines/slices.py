"""Statistics of slices along k directions, with one projection and one sort for all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.moments import projected_moments, slice_moments
from dmtest.errors import InputError
from dmtest.runtime.attributes import cached_property
from dmtest.runtime.memory import scratch
from dmtest.runtime.parallel import ROW_TILE, Progress, blocks, run_tasks, single_threaded_blas
from dmtest.runtime.typing import Vector

Parameters: TypeAlias = Literal["known", "fitted"]
Block: TypeAlias = NDArray[Any]
Statistic: TypeAlias = Callable[..., Vector]

# Values in a view: they and the quantities computed from them stay in the last-level cache.
VIEW_VALUES = 1 << 22
# Values in one task: enough to hide the overhead of Python, few enough to stay in the cache.
LEAST_VALUES, TASK_VALUES = 1 << 15, 1 << 18
# Number of tasks that balances the threads.
TASKS = 8
# Length from which values are sorted by buckets; numpy is faster below.
BUCKETS = 1024
# Values of slices in memory at a time: memory grows with this and not with n times k.
BLOCK_VALUES = 1 << 25


class SliceView:
    """A block of slices with the quantities that statistics share, each computed once.

    Parameters
    ----------
    rows : ndarray, shape (k, n)
        One slice a row, float32 or float64; not modified.
    parameters : {"known", "fitted"}
        ``"known"``: the target of a slice is N(0, 1). ``"fitted"``: it is some normal law, and
        slices are standardised by their mean and n - 1 standard deviation.
    space : ndarray, shape (k, n), optional
        Memory for the sorted rows, with the dtype of `rows`.
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
        return slice_moments(self.rows)

    @cached_property
    def loc(self) -> Vector:
        """Location of slices, known or fitted: shape (k,)."""
        return np.zeros(self.k) if self.known else np.ascontiguousarray(self.central[:, 0])

    @cached_property
    def scale(self) -> Vector:
        """Scale of slices, known or fitted: shape (k,)."""
        if self.known:
            return np.ones(self.k)
        return np.asarray(np.sqrt(self.central[:, 1] * (self.n / (self.n - 1))))

    @cached_property
    def sorted(self) -> Block:
        """Slices in ascending order: shape (k, n)."""
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

        The last column, of logarithms, is valid only in :attr:`logs`: it costs more than the
        others.
        """
        return self.logs if "logs" in self.__dict__ else self._edf(logs=False)

    @cached_property
    def logs(self) -> Vector:
        """Sums over the empirical cdf with the column of logarithms: shape (k, 5)."""
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
        """Call `work` for blocks of rows on several threads.

        `work` is one kernel: several small steps would mostly wait for the interpreter.
        """
        size = max(LEAST_VALUES // self.n, -(-self.k // TASKS))
        for _ in run_tasks(work, blocks(self.k, min(TASK_VALUES // self.n, size))):
            pass


class MomentView(SliceView):
    """A view of moments only: the slices were not stored."""

    def __init__(self, central: Vector, n: int, parameters: Parameters) -> None:
        self.parameters = parameters
        self.k, self.n = len(central), n
        self.central = central


def project(x: NDArray[Any], directions: Vector, out: Block | None = None) -> Block:
    """Return the slices ``directions @ x.T``, shape (k, n), in the dtype of `x`."""
    n, k = len(x), len(directions)
    u = directions.astype(x.dtype)
    slices = np.empty((k, n), dtype=x.dtype) if out is None else out
    axes = _axes(u)
    if axes is not None:
        from dmtest.kernels.slices import pick_columns

        # Neighbouring columns share cache lines, so one task copies them.
        for _ in run_tasks(lambda part: pick_columns(x, axes[part], slices[part]), blocks(k, 8)):
            pass
        return slices

    def tile(rows: slice) -> None:
        np.matmul(u, np.asarray(x[rows]).T, out=slices[:, rows])

    for _ in run_tasks(tile, blocks(n, ROW_TILE)):
        pass
    return slices


def _axes(u: Block) -> NDArray[np.intp] | None:
    """Return the column of every direction, or None unless all directions are axes."""
    axes = u.argmax(axis=1)
    picked = u[np.arange(len(u)), axes]
    return axes if np.count_nonzero(u) == len(u) and (picked == 1.0).all() else None


def moment_view(x: NDArray[Any], directions: Vector, parameters: Parameters) -> MomentView:
    """Return the moments of every slice in one pass over `x`, without storing the slices."""
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
        Whether all `statistics` need only moments, so that slices need not be stored.
    progress : callable, optional
        Called with (what, slices done, slices in total) after every block of slices.

    Returns
    -------
    ndarray, shape (k, number of statistics)

    Raises
    ------
    InputError
        If parameters are fitted and a slice is constant.
    """
    if moments_only:
        return _evaluate(moment_view(x, directions, parameters), statistics)
    values = np.empty((len(directions), len(statistics)))
    for part in blocks(len(directions), BLOCK_VALUES // len(x)):
        shape = (part.stop - part.start, len(x))
        with scratch(shape[0] * shape[1], x.dtype) as space:
            slices = project(x, directions[part], out=space.reshape(shape))
            values[part] = evaluate_slices(slices, parameters, statistics)
        if progress is not None:
            progress("slices", part.stop, len(directions))
    return values


def evaluate_slices(
    rows: Block,
    parameters: Parameters,
    statistics: Mapping[str, Statistic],
    *,
    moments_only: bool = False,
) -> Vector:
    """Evaluate statistics on given slices, one a row: (k, n) to (k, number of statistics)."""
    if moments_only:
        moments = slice_moments(np.ascontiguousarray(rows))
        return _evaluate(MomentView(moments, rows.shape[1], parameters), statistics)
    values, n = np.empty((len(rows), len(statistics))), rows.shape[1]
    for part in blocks(len(rows), VIEW_VALUES // n):
        block = rows[part]
        with scratch(block.size, block.dtype) as space:
            view = SliceView(block, parameters, space.reshape(block.shape))
            values[part] = _evaluate(view, statistics)
    return values


def _evaluate(view: SliceView, statistics: Mapping[str, Statistic]) -> Vector:
    refuse_constant(view)
    with single_threaded_blas():
        return np.stack([statistic(view) for statistic in statistics.values()], axis=1)


def refuse_constant(view: SliceView) -> None:
    """Raise if a slice has no spread to fit."""
    if not view.known and not (view.central[:, 1] > 0.0).all():
        raise InputError(
            "data: a slice is constant, so no normal can be fitted to it; leave constant "
            "columns out with columns=..."
        )
