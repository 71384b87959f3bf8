"""Over how many directions the variance is spread: effective rank and participation ratio.

Both are estimates of the population's covariance Sigma, not of the sample's: n rows spread the
sample's eigenvalues, so that plain values are too small (58 instead of 768 for N(0, I) at n = 64).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from dmtest.results.effect_table import EFFECTIVE_RANK, PARTICIPATION_RATIO, Estimates
from dmtest.results.estimate import Estimate, RatioEstimate
from dmtest.runtime.parallel import blocks, run_tasks
from dmtest.runtime.streams import stream
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

# Most rows, and most numbers, of an estimate; most rows of its halves.
ROWS, VALUES, HALVED_ROWS = 20_000, 1 << 23, 2_048
# Fewest rows; pairs of halves behind an error.
FEWEST, SPLITS = 16, 8
# Rows a column from which the bias of the sample's entropy is that of order 1/n.
MANY = 8
# Ridges at which the spectrum is resolved, and eigenvalues that it may have.
RIDGES, EIGENVALUES = 48, 160
TILE = 2_048

Rank: TypeAlias = tuple[float, float] | None


def rank_estimates(canonical: Canonical) -> Estimates:
    """Return effective rank and participation ratio of the covariance, before any whitening.

    For one column, or constant rows, there are none.
    """
    n, d = canonical.rows.shape
    rows = unwhitened(canonical)
    if d < 2 or not np.ptp(rows, axis=0).any():
        return {}
    few = f"{n} rows span at most {n - 1} of {d} directions"
    estimates: Estimates = {}
    for row, one in zip((EFFECTIVE_RANK, PARTICIPATION_RATIO), ranks(rows), strict=True):
        limited = replace(row.filled(d=d), least=1.0, most=float(d))
        if one is None:
            estimates[limited] = Estimate(value=None, note=f"not estimable: {few}")
        else:
            note = f"{row.note}; {few}" if n <= d else ""
            estimates[limited] = RatioEstimate(value=one[0], error=one[0] * one[1], note=note)
    return estimates


def unwhitened(canonical: Canonical) -> NDArray[np.float64]:
    """Return evenly spaced rows up to their mean, as they were before any whitening: (m, d)."""
    rows = thinned(canonical.rows)
    if canonical.whitened is None:
        return rows
    covariance, columns = canonical.covariance, canonical.columns
    factor = np.linalg.cholesky(covariance[np.ix_(columns, columns)])
    return np.asarray(rows @ np.linalg.solve(factor, covariance[columns]))


def thinned(rows: NDArray[Any]) -> NDArray[np.float64]:
    """Return evenly spaced rows: at most `ROWS`, and about `VALUES` numbers."""
    n, d = rows.shape
    most = min(ROWS, max(2 * d, VALUES // d))
    return np.asarray(rows[:: -(-n // most)], dtype=np.float64)


def thinned_ranks(rows: NDArray[Any]) -> tuple[Rank, Rank]:
    """Return :func:`ranks` of evenly spaced rows; none for one column or constant rows."""
    part = thinned(rows)
    if part.shape[1] < 2 or not np.ptp(part, axis=0).any():
        return None, None
    return ranks(part)


def ranks(rows: NDArray[Any]) -> tuple[Rank, Rank]:
    """Estimate exp(entropy) and participation ratio of the spectrum of the rows' covariance.

    The errors are those of a delete-half jackknife (Shao & Wu 1989). Where the effective rank
    comes from the Marchenko-Pastur equation they contain the change from half of the rows to all
    of them, so that a bias that is left widens the interval.

    Returns
    -------
    effective, participation : (float, float) or None
        The value, between 1 and d, and the standard error of its logarithm; None where there are
        too few rows.
    """
    m, d = rows.shape
    if m < FEWEST:
        return None, None
    many = m >= MANY * d
    halved = min(m, max(HALVED_ROWS, 4 * d))
    parts = []
    for split in range(SPLITS):
        order = stream(0, "effects/halves", split).permutation(m)[:halved]
        parts += [order[: halved // 2], order[halved // 2 :]]
    whole = _entropies(rows, many)
    draws = np.array(list(run_tasks(lambda part: _entropies(rows[part], many), parts)))
    ratio = (1.0 / m) / (2.0 / halved - 1.0 / m)
    wider = float(stdtrit(SPLITS, 0.975)) / 1.96 * (1.0 + 10.0 / m)
    found: list[Rank] = []
    for j, entropy in enumerate(whole):
        halves = draws[:, j]
        if not np.isfinite(halves).all() or not np.isfinite(entropy):
            found.append(None)
            continue
        value, centre = entropy, entropy
        if j == 0 and many:
            # The bias falls as 1/m: go on from half of the rows over all of them to infinity.
            centre = float(halves.mean())
            value = entropy + ratio * (entropy - centre)
        error = wider * float(np.sqrt(ratio * np.square(halves - centre).mean()))
        found.append((float(np.exp(np.clip(value, 0.0, np.log(d)))), error))
    return found[0], found[1]


def _entropies(rows: NDArray[Any], many: bool) -> tuple[float, float]:
    """Estimate entropy and order-2 entropy of the spectrum, not cut off; NaN where it cannot.

    The entropy is that of the sample if there are `many` rows.
    """
    n, d = rows.shape
    centred = np.asarray(rows, dtype=np.float64)
    centred = centred - centred.mean(axis=0)
    scale = float(np.abs(centred).max(initial=0.0))
    if not scale > 0.0:
        return np.nan, np.nan
    centred = centred / scale
    values, vectors = np.linalg.eigh(centred @ centred.T if n <= d else centred.T @ centred)
    kept = values > max(n, d) * np.finfo(np.float64).eps * values[-1]
    values, vectors = values[kept] / (n - 1), vectors[:, kept]
    if len(values) == 1:
        return 0.0, 0.0
    if many:
        shares = values / values.sum()
        first = -float(shares @ np.log(shares))
    else:
        first = _population_entropy(centred, values, vectors)
    return first, _second_entropy(centred, values)


def _second_entropy(centred: Vector, values: Vector) -> float:
    """Log of (tr Sigma)^2 / tr Sigma^2, both unbiased for every law with fourth moments.

    They are averages over pairs and quadruples of different rows in closed form (Himeno & Yamada
    2014).
    """
    n = len(centred)
    trace, square = float(values.sum()), float(np.square(values).sum())
    fourth = float(np.square(np.square(centred).sum(axis=1)).sum()) / (n - 1)
    squares = (n - 1) * (n - 2) * square + trace**2 - n * fourth
    product = 2.0 * square + (n**2 - 3 * n + 1) * trace**2 - n * fourth
    return float(np.log(product / squares)) if squares > 0.0 and product > 0.0 else np.nan


def _population_entropy(centred: Vector, values: Vector, vectors: Vector) -> float:
    """Entropy of the population's spectrum H, which solves a linear equation in H.

    For a ridge y, let h be a row's leverage y-ridged, and t = h / (1 - h) that of the other rows
    at it. In many columns mean h = d/n int v t / (1 + v t) dH(t) with v = mean h / (y mean t):
    the Marchenko-Pastur equation, for rows whose lengths may vary as they like (El Karoui 2009).
    Least squares over nonnegative weights on a grid of eigenvalues solve it (El Karoui 2008).
    """
    from scipy.optimize import nnls

    n, d = centred.shape
    unit = float(values.sum()) / d  # mean eigenvalue 1
    values = values / unit
    top = float(values[-1])
    ridges = top * np.geomspace(1e-4, 30.0, RIDGES)
    shrunk = values[:, None] / (values[:, None] + ridges)  # (r, ridges)
    # The mean is fitted, so leverages add up to n - 1 at most.
    mean = shrunk.sum(axis=0) / (n - 1)
    held_out = np.zeros(RIDGES)
    for part in blocks(n, TILE):
        if n <= d:
            squares = np.square(vectors[part])
        else:
            squares = np.square(centred[part] @ vectors) / ((n - 1) * unit * values)
        leverage = np.minimum(squares @ shrunk * (n / (n - 1)), 1.0 - 1e-9)
        held_out += (leverage / (1.0 - leverage)).sum(axis=0)
    speed = mean / (ridges * held_out / n)
    grid = top * np.geomspace(1e-5, 1.05, EIGENVALUES)
    response = grid * speed[:, None] / (1.0 + grid * speed[:, None])
    # Two more equations: the mean eigenvalue is 1, and weights with a slack for 0 add up to 1.
    system = np.zeros((RIDGES + 2, EIGENVALUES + 1))
    system[:RIDGES, :-1] = response
    system[RIDGES, :-1] = 10.0 * grid
    system[RIDGES + 1] = 0.3
    right = np.concatenate([mean * (n - 1) / d, [10.0, 0.3]])
    weights = nnls(system, right, maxiter=100 * EIGENVALUES)[0][:-1]
    shares = weights * grid / (weights @ grid)
    return float(np.log(d) - shares @ np.log(grid / (weights @ grid)))
