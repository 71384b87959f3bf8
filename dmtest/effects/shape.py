"""Joint shape: the spread of row lengths and the effective number of directions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.results.effect_table import EFFECTIVE_RANK, LENGTH_DISPERSION, EffectRow, Estimates
from dmtest.results.estimate import Estimate
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

ROWS = 20_000


def shape_estimates(canonical: Canonical) -> Estimates:
    """Return the dispersion of squared lengths and the effective rank of the covariance."""
    estimates: Estimates = {row: function(canonical.rows) for row, function in ROW_EFFECTS.items()}
    rank = effective_rank(canonical.covariance)
    if len(canonical.covariance) > 1 and rank is not None:
        row = EFFECTIVE_RANK.filled(d=len(canonical.covariance))
        estimates[row] = Estimate(value=rank)
    return estimates


def effective_rank(covariance: Vector) -> float | None:
    """(tr S)^2 / tr S^2: d when all directions carry the same variance; None for S = 0."""
    trace, square = float(np.trace(covariance)), float(np.square(covariance).sum())
    return trace**2 / square if square > 0.0 else None


def dispersion(x: NDArray[Any], most: int = ROWS) -> Estimate:
    """Estimate Var |x|^2 over 2 d, the value under N(0, I), of rows scaled to unit variance.

    1 under the target; above 1 for heavy tails common to all coordinates, below 1 for rows near
    a sphere. The error is the delta method's.

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Rows on normal scale.
    most : int
        Rows that are used at most, evenly spaced.
    """
    step = -(-len(x) // most)
    rows = np.asarray(x[::step], dtype=np.float64)
    m, d = rows.shape
    scale = float(np.square(rows).mean())
    squares = np.square(rows).sum(axis=1) / (scale or 1.0)
    deviation = np.square(squares - d) / (2.0 * d)
    value = float(deviation.mean())
    # The scale is estimated too. In few dimensions that makes the error smaller, but more so
    # than a sample of a few hundred rows shows: the larger of the two covers.
    shared = deviation - 2.0 * value * (squares / d - 1.0)
    error = max(float(deviation.std(ddof=1)), float(shared.std(ddof=1))) / np.sqrt(m)
    return Estimate(value=value, error=float(error))


# Effects that are functions of the rows on normal scale alone.
ROW_EFFECTS: dict[EffectRow, Callable[[NDArray[Any]], Estimate]] = {LENGTH_DISPERSION: dispersion}
