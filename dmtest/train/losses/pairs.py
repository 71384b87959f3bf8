"""Statistics of pairs of rows in torch, differentiable: twins of `dmtest.statistics.rows.pairs`."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from dmtest.arguments import positive
from dmtest.errors import InputError
from dmtest.train.losses.gather import gather_rows
from dmtest.train.losses.prepare import check_choice, no_autocast, rows_of
from dmtest.train.losses.slices import Parameters

# Most pairs of rows in one block.
PAIRS = 1 << 24


def whiten(z: Tensor) -> Tensor:
    """Return the rows L^-1 (z - mean), L the lower Cholesky factor of the 1/n covariance.

    Target any-normal whitens in the same way before it computes slices or pairs. Gradients flow
    through mean and covariance.

    Parameters
    ----------
    z : Tensor, shape (n, d)
        n > d.

    Returns
    -------
    Tensor, shape (n, d)

    Raises
    ------
    InputError
        If n <= d, or the covariance is singular.
    """
    with no_autocast(z):
        rows = rows_of(z)
        n, d = rows.shape
        if n <= d:
            raise InputError(
                f"z: whitening takes more rows than columns; got n = {n}, d = {d}; take larger "
                f"batches, gather=True across processes, or parameters='known'."
            )
        centred = rows - rows.mean(dim=0)
        factor, bad = torch.linalg.cholesky_ex(centred.T @ centred / n)
        if int(bad):
            raise InputError(
                f"z: the covariance of these {n} rows is singular; leave out columns that others "
                f"determine, or use parameters='known'."
            )
        whitened: Tensor = torch.linalg.solve_triangular(factor, centred.T, upper=False).T
        return whitened


def bhep(
    z: Tensor, beta: float = 1.0, parameters: Parameters = "fitted", *, gather: bool = False
) -> Tensor:
    """Statistic `bhep`: n times a weighted squared distance of characteristic functions.

    Parameters
    ----------
    z : Tensor, shape (n, d)
    beta : float
        Bandwidth, positive.
    parameters : {"fitted", "known"}
        ``"fitted"`` whitens the rows first; ``"known"`` gives `mmd` with that bandwidth.
    gather : bool
        Compute from the rows of all processes; see :func:`gather_rows`.

    Returns
    -------
    Tensor, a scalar
    """
    with no_autocast(z):
        rows = _prepare(z, parameters, gather)
        n, d = rows.shape
        b2 = positive("beta", beta) ** 2
        lengths = rows.square().sum(dim=1)

        def mass(part: Tensor) -> Tensor:
            apart = part.square().sum(dim=1)[:, None] + lengths - 2.0 * part @ rows.T
            return torch.exp(-0.5 * b2 * apart.clamp(min=0.0)).sum()

        single = torch.exp(-0.5 * b2 / (1.0 + b2) * lengths).sum()
        shrunk, twice = float((1.0 + b2) ** (-d / 2.0)), float((1.0 + 2.0 * b2) ** (-d / 2.0))
        return _pair_sum(mass, rows) / n - 2.0 * shrunk * single + n * twice


def henze_zirkler(
    z: Tensor,
    beta: float | None = None,
    parameters: Parameters = "fitted",
    *,
    gather: bool = False,
) -> Tensor:
    """Statistic `henze-zirkler`: :func:`bhep` with a bandwidth that depends on n and d.

    Parameters as for :func:`bhep`; `beta` None is the test's own bandwidth.
    """
    from dmtest.statistics.rows.pairs import henze_zirkler_beta

    with no_autocast(z):
        rows = _prepare(z, parameters, gather)
        width = henze_zirkler_beta(*rows.shape) if beta is None else beta
        return bhep(rows, width, "known")


def mmd(
    z: Tensor, beta: float | None = None, parameters: Parameters = "known", *, gather: bool = False
) -> Tensor:
    """Statistic `mmd`: n times the squared maximum mean discrepancy from N(0, I).

    The kernel is exp(-b^2 |x-y|^2 / 2), by default with b = min(1, sqrt(5/d)). Parameters as for
    :func:`bhep`.
    """
    from dmtest.statistics.rows.pairs import mmd_beta

    with no_autocast(z):
        rows = _prepare(z, parameters, gather)
        return bhep(rows, mmd_beta(rows.shape[1]) if beta is None else beta, "known")


def energy(z: Tensor, parameters: Parameters = "known", *, gather: bool = False) -> Tensor:
    """Statistic `energy`: n times the energy distance from N(0, I).

    ``"fitted"`` scales residuals with the 1/(n-1) covariance. Pairs of equal rows, where the
    distance has no gradient, get the subgradient 0. Parameters as for :func:`bhep`.
    """
    from dmtest.statistics.rows.distances import normal_distance

    with no_autocast(z):
        rows = _prepare(z, parameters, gather)
        n, d = rows.shape
        if parameters == "fitted":
            rows = rows * math.sqrt((n - 1.0) / n)

        def distances(part: Tensor) -> Tensor:
            # |x|^2 + |y|^2 - 2 x.y would lose half of the digits of short distances.
            return torch.cdist(part, rows, compute_mode="donot_use_mm_for_euclid_dist").sum()

        towards = _mean_distance(rows.square().sum(dim=1), d).sum()
        return 2.0 * towards - n * normal_distance(d) - _pair_sum(distances, rows) / n


def _prepare(z: Tensor, parameters: Parameters, gather: bool) -> Tensor:
    check_choice("parameters", parameters, ("known", "fitted"))
    rows = rows_of(z)
    rows = gather_rows(rows) if gather else rows
    return whiten(rows) if parameters == "fitted" else rows


def _pair_sum(function: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
    """Sum a function of blocks of rows against all rows; gradients recompute the blocks."""
    parts = torch.split(rows, max(1, PAIRS // len(rows)))
    if len(parts) == 1:
        return function(parts[0])
    total = rows.new_zeros(())
    for part in parts:
        total = total + checkpoint(function, part, use_reentrant=False, preserve_rng_state=False)
    return total


def _mean_distance(squared: Tensor, d: int) -> Tensor:
    """E|y - Z| as a function of |y|^2, by Clenshaw's recurrence on numpy's interpolant."""
    from dmtest.statistics.rows.distances import interpolant

    coefficients, scale = interpolant(float(squared.detach().max()), d)
    v = torch.log1p(squared / d) * (2.0 / scale) - 1.0
    ahead = torch.zeros_like(v)
    further = torch.zeros_like(v)
    for coefficient in coefficients[:0:-1]:
        ahead, further = float(coefficient) + 2.0 * v * ahead - further, ahead
    return torch.sqrt(squared + d) * (float(coefficients[0]) + v * ahead - further)
