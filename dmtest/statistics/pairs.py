"""Statistics of scaled residuals that are sums over pairs of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dmtest.engines.pairs import gauss_pair_sum
from dmtest.parallel import Progress

__all__ = ["henze_zirkler", "henze_zirkler_beta"]

# From these sizes on the tiles are float32, at half the cost: the error stays below 2e-5 of
# the null's standard deviation and below 1e-8 of the statistic (tests/test_pairs.py).
SINGLE_ROWS = 4096
SINGLE_COLUMNS = 32


def henze_zirkler_beta(n: int, d: int) -> float:
    """Henze & Zirkler's (1990) bandwidth ((2d+1) n / 4)^(1/(d+4)) / sqrt 2."""
    return float(((2 * d + 1) * n / 4.0) ** (1.0 / (d + 4.0)) / np.sqrt(2.0))


def henze_zirkler(
    residuals: NDArray[Any],
    beta: float | None = None,
    *,
    threads: bool = True,
    progress: Progress | None = None,
) -> tuple[float, float]:
    """T_beta = (1/n) sum_jk exp(-b^2 D_jk/2) - 2 (1+b^2)^(-d/2) sum_j exp(...) + n (1+2b^2)^(-d/2).

    D_jk = |Y_j - Y_k|^2 of residuals scaled with the 1/n covariance; equals R's MVN and
    mnt and pingouin. In high dimension the n diagonal terms (1 in all) swamp the rest, whose
    null standard deviation is 1e-9 at d = 64, so the part that varies is summed and returned
    on its own: calibrate on that.

    Parameters
    ----------
    residuals : ndarray, shape (n, d)
        Rows whitened with the 1/n covariance.
    beta : float, optional
        Default: :func:`henze_zirkler_beta`.
    threads, progress
        As for :func:`~dmtest.engines.pairs.gauss_pair_sum`.

    Returns
    -------
    statistic, varying : float
        T_beta, and T_beta - 1 without the rounding error of adding the 1.
    """
    n, d = residuals.shape
    b2 = (henze_zirkler_beta(n, d) if beta is None else beta) ** 2
    quick = n >= SINGLE_ROWS and d >= SINGLE_COLUMNS
    tiled = residuals.astype(np.float32, copy=False) if quick else residuals
    pairs = gauss_pair_sum(tiled, float(np.sqrt(b2)), threads=threads, progress=progress)
    squared = np.einsum("ij,ij->i", residuals, residuals, dtype=np.float64)
    single = np.exp(-0.5 * b2 / (1.0 + b2) * squared).sum()
    varying = (
        2.0 * pairs / n
        - 2.0 * (1.0 + b2) ** (-d / 2.0) * single
        + n * (1.0 + 2.0 * b2) ** (-d / 2.0)
    )
    return 1.0 + varying, varying
