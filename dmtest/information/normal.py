"""Mutual information of jointly normal variables, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmtest.errors import InputError
from dmtest.information.estimate import Estimate
from dmtest.information.rows import as_pairs
from dmtest.runtime.typing import Vector


def gaussian(x: ArrayLike, y: ArrayLike) -> Estimate:
    """I(x; y) of jointly normal variables: -1/2 sum log(1 - r_i^2) over canonical correlations r_i.

    The formula is exact for jointly normal variables and a lower bound for others with normal
    margins; without normal margins it is neither. Sample correlations exceed the true ones by
    chance, which adds about d_x d_y / (2 n) nats.

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d)
        Row i of x belongs to row i of y; n > d_x + d_y.

    Returns
    -------
    Estimate
        Nats; infinite if some combination of columns of x equals one of columns of y.
    """
    left, right = as_pairs(x, y)
    n, columns = len(left), left.shape[1] + right.shape[1]
    if n <= columns:
        raise InputError(
            f"x, y: {columns} columns together need more than {columns} rows; got n = {n}."
        )
    bases = []
    for name, rows in (("x", left), ("y", right)):
        centred = rows - rows.mean(axis=0)
        scale = np.sqrt(np.square(centred).sum(axis=0))
        basis, triangle = np.linalg.qr(centred / np.where(scale > 0.0, scale, 1.0))
        if np.abs(np.diagonal(triangle)).min() < 1e-10:
            raise InputError(f"{name}: a column is constant or a combination of others; drop it.")
        bases.append(basis)
    r = np.minimum(np.linalg.svd(bases[0].T @ bases[1], compute_uv=False), 1.0)
    exact = r > 1.0 - 1e-14
    value = np.inf if exact.any() else float(-0.5 * np.log1p(-np.square(r)).sum())
    return Estimate(value, kind="estimate", method="jointly normal", batch=n)


def canonical_variates(x: Vector, y: Vector) -> tuple[Vector, Vector, Vector]:
    """Return maps to canonical variates of unit variance, and the canonical correlations.

    Columns that are combinations of others count once. The maps have shape (d_x, m) and (d_y, m)
    with m the smaller number of independent columns.
    """
    maps = []
    for rows in (x, y):
        centred = rows - rows.mean(axis=0)
        left, singular, right = np.linalg.svd(centred, full_matrices=False)
        kept = singular > 1e-10 * singular.max(initial=0.0)
        maps.append((left[:, kept], right[kept].T / singular[kept]))
    (u, first), (v, second) = maps
    a, r, b = np.linalg.svd(u.T @ v, full_matrices=False)
    unit = np.sqrt(len(x))
    return first @ a * unit, second @ b.T * unit, np.minimum(r, 1.0)
