"""A law given by its transform to the unit cube: copulas, flows, posteriors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.data.sample import Sample
from dmtest.errors import InputError
from dmtest.targets.callables import as_rows, call
from dmtest.targets.canonical import Canonical, from_cube

# Rows that are transformed a second time, by themselves; difference that is rounding.
PROBED, SAME = 16, 1e-4
# Distance outside [0, 1] that is rounding of a cdf.
EDGE = 1e-6


class Rosenblatt:
    """A law given by a transform that takes it to the uniform on the unit cube.

    Parameters
    ----------
    transform : callable
        From rows, an array of shape (n, d), to rows in the unit cube, shape (n, d), which are
        uniform if and only if the rows follow the law. Rosenblatt's (1952) transform is one:
        column j becomes its conditional cdf given columns 0 to j - 1. It is called with all rows
        at once, and with some of them alone: every row has to be mapped by itself, and the same
        way each time. It may return a tensor.

    Examples
    --------
    A normal copula with correlation 1/2, for margins that are uniform already:

    >>> import numpy as np, dmtest
    >>> from scipy.special import ndtr, ndtri
    >>> def transform(u):
    ...     z = ndtri(u)
    ...     return np.column_stack([u[:, 0], ndtr((z[:, 1] - 0.5 * z[:, 0]) / np.sqrt(0.75))])
    >>> z = np.random.default_rng(0).multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 500)
    >>> dmtest.report(ndtr(z), dmtest.Rosenblatt(transform), rng=0).verdict
    'compatible'
    """

    fitted = False
    name = "rosenblatt"

    def __init__(self, transform: Callable[[NDArray[Any]], Any]) -> None:
        if not callable(transform):
            raise InputError(
                f"Rosenblatt: got {type(transform).__name__}; pass a function from rows (n, d) to "
                f"rows (n, d) in the unit cube."
            )
        self.transform = transform

    def __repr__(self) -> str:
        return f"Rosenblatt({getattr(self.transform, '__name__', repr(self.transform))})"

    def canonical(self, sample: Sample) -> Canonical:
        """Return normal scores of the transformed rows.

        Raises
        ------
        InputError
            If the transform raises, returns no n x d finite numbers or values outside [0, 1], or
            maps some rows differently when they are passed alone.
        """
        cube = self._rows(sample.x)
        few = self._rows(sample.x[:PROBED])
        change = float(np.abs(few - cube[: len(few)]).max())
        if change > SAME:
            raise InputError(
                f"transform: its values of the first {len(few)} rows change by up to {change:.2g} "
                f"when these are passed alone; map every row by itself and the same way each time: "
                f"no ranks or means of the sample, a model in evaluation mode, a fixed seed."
            )
        return from_cube(cube)

    def _rows(self, x: NDArray[Any]) -> NDArray[Any]:
        n, d = x.shape
        # A copy: a transform may work in place, and some libraries warn of read-only memory.
        returned = call("transform", self.transform, "transform(rows)", np.array(x))
        cure = "return 0 or 1 where a cdf is saturated, and leave out rows that it cannot map"
        u = as_rows("transform", returned, n, d, cure)
        low, high = float(u.min()), float(u.max())
        if low < -EDGE or high > 1.0 + EDGE:
            raise InputError(
                f"transform: returned values from {low:.4g} to {high:.4g}; return conditional "
                f"cdfs, which are between 0 and 1 (scipy.special.ndtr makes them of normal scores)."
            )
        return np.asarray(np.clip(u, 0.0, 1.0))
