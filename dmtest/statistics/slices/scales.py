"""Statistics at n rows as statistics at n = cap, for nulls that are simulated at the cap.

Stephens (1974) gives multiples of D and V whose nulls hardly depend on n. The other capped
statistics converge at rate 1/n and need no change.
"""

from __future__ import annotations

import numpy as np

from dmtest.runtime.typing import Vector


def kolmogorov_scale(values: Vector, n: int, cap: int, known: bool) -> Vector:
    """D at n rows as D at `cap` rows: (sqrt n + a + b / sqrt n) D is stable.

    Parameters
    ----------
    values : ndarray, shape (k,)
        D of k slices.
    n, cap : int
        Rows.
    known : bool
        Whether location and scale are known.

    Returns
    -------
    ndarray, shape (k,)
    """
    a, b = (0.12, 0.11) if known else (-0.01, 0.85)
    return values * (_root(n, a, b) / _root(cap, a, b))


def kuiper_scale(values: Vector, n: int, cap: int, known: bool) -> Vector:
    """V at n rows as V at `cap` rows; parameters as for :func:`kolmogorov_scale`."""
    a, b = (0.155, 0.24) if known else (0.05, 0.82)
    return values * (_root(n, a, b) / _root(cap, a, b))


def _root(n: int, a: float, b: float) -> float:
    return float(np.sqrt(n) + a + b / np.sqrt(n))
