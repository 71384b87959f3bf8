"""Effects of the joint shape: dispersion of row lengths, ranks of the covariance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.effects.spectrum import rank_estimates
from dmtest.results.effect_table import LENGTH_DISPERSION, EffectRow, Estimates
from dmtest.results.estimate import Estimate, RatioEstimate
from dmtest.statistics.influence import heaviest_tail, mean_error
from dmtest.targets.canonical import Canonical

ROWS = 20_000
# Shape of the tail of squared lengths from which on their fourth moment is infinite.
HEAVIEST = 0.25


def shape_estimates(canonical: Canonical) -> Estimates:
    """Return the dispersion of squared lengths and the ranks of the covariance."""
    estimates: Estimates = {row: function(canonical.rows) for row, function in ROW_EFFECTS.items()}
    return estimates | rank_estimates(canonical)


def dispersion(x: NDArray[Any], most: int = ROWS) -> Estimate:
    """Estimate Var |x|^2 / (2 d) of rows scaled to mean variance 1.

    It is 1 under N(0, I), above 1 for heavy tails that all columns share, and below 1 for rows
    near a sphere. The error is by the delta method; limits are computed on the scale of logarithms.
    The variance of the estimate needs eight moments of the rows, so there is no upper limit where
    the largest lengths do not exclude tails that have fewer (:func:`heaviest_tail`).

    Parameters
    ----------
    x : ndarray, shape (n, d)
        Rows on normal scale.
    most : int
        Most rows to use; evenly spaced.
    """
    step = -(-len(x) // most)
    rows = np.asarray(x[::step], dtype=np.float64)
    d = rows.shape[1]
    scale = float(np.square(rows).mean())
    squares = np.square(rows).sum(axis=1) / (scale or 1.0)
    deviation = np.square(squares - d) / (2.0 * d)
    value = float(deviation.mean())
    # Estimating the scale makes the error smaller, but in a few hundred rows by less than the
    # formula says: the larger of the two errors covers.
    with_scale = deviation - 2.0 * value * (squares / d - 1.0)
    error = max(mean_error(deviation), mean_error(with_scale))
    unbounded = heaviest_tail(squares) >= HEAVIEST
    return RatioEstimate(value=value, error=error, unbounded=unbounded)


# Effects that are functions of the rows on normal scale alone.
ROW_EFFECTS: dict[EffectRow, Callable[[NDArray[Any]], Estimate]] = {LENGTH_DISPERSION: dispersion}
