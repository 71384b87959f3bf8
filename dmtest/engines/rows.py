"""Statistics of whole rows: the view that they share, and their joint evaluation."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.gram import PairSum, Tiles, pair_sums
from dmtest.engines.requests import results_of
from dmtest.runtime.attributes import cached_property
from dmtest.runtime.parallel import Progress
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.transforms import mean_and_covariance

# A statistic, and its varying part, on which it is calibrated.
Values: TypeAlias = tuple[float, float]
# A statistic that needs sums over pairs: a generator that yields requests and receives sums.
Asks: TypeAlias = Generator["PairSum | tuple[PairSum, ...]", Any, Values]
Function: TypeAlias = Callable[..., "Values | Asks"]


class RowView:
    """A sample in the space of a test, with quantities that several statistics share.

    Parameters
    ----------
    rows : ndarray, shape (n, d)
        Whitened residuals, or rows on normal scale, in the unit cube or of length 1.
    factor : ndarray, shape (d, d), optional
        Lower Cholesky factor L of the 1/n covariance of the sample: x - m = rows L' for
        residuals. None stands for the identity.
    precision : {"auto", "double", "single"}
        Precision of tiles in sums over pairs; with "single", moments are of float32 tiles, too.
    threads : bool
        Whether more than one thread may be used.
    progress : callable, optional
        Called with (what, done, total).
    """

    def __init__(
        self,
        rows: NDArray[Any],
        factor: Vector | None = None,
        *,
        precision: Tiles = "auto",
        threads: bool = True,
        progress: Progress | None = None,
    ) -> None:
        self.rows = rows
        self.factor = factor
        self.precision = precision
        self.threads = threads
        self.progress = progress

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.rows.shape[0])

    @property
    def d(self) -> int:
        """Number of columns."""
        return int(self.rows.shape[1])

    @cached_property
    def squared(self) -> Vector:
        """Squared lengths of the rows: shape (n,)."""
        return np.asarray(np.einsum("ij,ij->i", self.rows, self.rows, dtype=np.float64))

    @property
    def mean(self) -> Vector:
        """Mean of the rows: shape (d,)."""
        return self._moments[0]

    @property
    def covariance(self) -> Vector:
        """Covariance (1/n) of the rows: shape (d, d)."""
        return self._moments[1]

    @cached_property
    def _moments(self) -> tuple[Vector, Vector]:
        return mean_and_covariance(self.rows, single=self.precision == "single")

    def rng(self, name: str) -> np.random.Generator:
        """Return the stream of a search: the same for every sample, so that nulls include it."""
        return stream(0, f"search/{name}")


def evaluate_all(
    view: RowView, functions: Sequence[Function], params: Sequence[Mapping[str, Any]]
) -> list[Values]:
    """Evaluate statistics of one sample, with one pass for all sums over pairs.

    Parameters
    ----------
    view : RowView
    functions : sequence of callable
        From the view and parameters to a statistic and its varying part. A function that needs
        sums over pairs is a generator: it yields a :class:`PairSum` (or a tuple of them) and
        receives the sum (or a tuple of sums).
    params : sequence of mapping
        Tuning parameters of every function.

    Returns
    -------
    list of (float, float), in the order of `functions`
    """

    def sums(requests: Sequence[Any]) -> dict[PairSum, float]:
        return pair_sums(
            view.rows,
            requests,
            precision=view.precision,
            threads=view.threads,
            progress=view.progress,
        )

    pairs = zip(functions, params, strict=True)
    return results_of((function(view, **values) for function, values in pairs), sums)


def evaluate(function: Function, view: RowView, **params: Any) -> Values:
    """Evaluate one statistic."""
    return evaluate_all(view, [function], [params])[0]
