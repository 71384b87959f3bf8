"""Entropy and mutual information from distances to nearest neighbours, in nats."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln

from dmtest.arguments import whole
from dmtest.errors import InputError
from dmtest.information.estimate import Estimate
from dmtest.runtime.parallel import workers
from dmtest.runtime.typing import Vector


def entropy_knn(x: ArrayLike, k: int = 3) -> Estimate:
    """Kozachenko-Leonenko estimate of the entropy: psi(n) - psi(k) + log c_d + d mean log r_k.

    r_k is the distance of a row to its k-th neighbour and c_d the volume of the unit ball.
    Kozachenko & Leonenko (1987). The bias grows with the dimension: about 0.1 nats for normal
    rows at d = 8, n = 5,000.

    Parameters
    ----------
    x : array_like, shape (n,) or (n, d)
    k : int
        Number of neighbours. More neighbours reduce the variance and raise the bias.

    Returns
    -------
    Estimate
        Differential entropy in nats.

    Raises
    ------
    InputError
        If a row has k exact copies: the entropy of a law with atoms is minus infinity.
    """
    rows = as_rows("x", x)
    k = _neighbours(k, len(rows))
    from scipy.spatial import cKDTree

    distances = np.asarray(cKDTree(rows).query(rows, k=[k + 1], workers=workers())[0])
    if (distances == 0.0).any():
        raise InputError(
            f"x: {int((distances == 0.0).sum())} rows have {k} exact copies, so the entropy is "
            f"minus infinity; leave copies out or take a larger k."
        )
    n, d = rows.shape
    ball = 0.5 * d * np.log(np.pi) - gammaln(0.5 * d + 1.0)
    value = float(digamma(n) - digamma(k) + ball + d * np.log(distances).mean())
    return Estimate(value, kind="estimate", method=f"Kozachenko-Leonenko, k = {k}", batch=n)


def ksg(x: ArrayLike, y: ArrayLike, k: int = 3) -> Estimate:
    """KSG estimate of I(x; y): psi(k) + psi(n) - mean(psi(n_x + 1) + psi(n_y + 1)).

    For each row, n_x and n_y count the rows that are nearer in x and in y than its k-th neighbour
    in the joint space (maximum norm). Kraskov, Stogbauer & Grassberger (2004), algorithm 1.
    Information that is large compared with log n is underestimated.

    Parameters
    ----------
    x, y : array_like, shape (n,) or (n, d)
        Row i of x belongs to row i of y.
    k : int
        Number of neighbours.

    Returns
    -------
    Estimate
        Nats; may be slightly negative where the information is 0.
    """
    left, right = as_pairs(x, y)
    k = _neighbours(k, len(left))
    from scipy.spatial import cKDTree

    # The estimate does not change when a space is scaled; the joint neighbours do.
    joint = np.hstack([left, right])
    tree = cKDTree(joint)
    distances = np.asarray(tree.query(joint, k=[k + 1], p=np.inf, workers=workers())[0])
    if (distances == 0.0).any():
        raise InputError(
            f"x, y: {int((distances == 0.0).sum())} pairs of rows have {k} exact copies, which "
            f"algorithm 1 cannot count; leave copies out or take a larger k."
        )
    inside = np.nextafter(distances[:, 0], 0.0)
    total = np.zeros(len(joint))
    for rows in (left, right):
        tree = cKDTree(rows)
        # The counts include the row itself: that is the + 1 of the formula.
        counts = tree.query_ball_point(
            rows, inside, p=np.inf, return_length=True, workers=workers()
        )
        total += digamma(counts)
    value = float(digamma(k) + digamma(len(joint)) - total.mean())
    return Estimate(value, kind="estimate", method=f"KSG 1, k = {k}", batch=len(joint))


def as_rows(name: str, x: ArrayLike) -> Vector:
    """Return finite float64 rows of shape (n, d), n >= 2."""
    try:
        rows = np.asarray(x, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(f"{name}: got {type(x).__name__}; give an array of numbers.") from None
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] < 1:
        raise InputError(f"{name}: got shape {np.shape(x)}; give (n, d) with n >= 2.")
    if not np.isfinite(rows).all():
        raise InputError(f"{name}: got NaN or infinity; leave such rows out first.")
    return rows


def as_pairs(x: ArrayLike, y: ArrayLike) -> tuple[Vector, Vector]:
    """Return the rows of x and y, equally many of each."""
    left, right = as_rows("x", x), as_rows("y", y)
    if len(left) != len(right):
        raise InputError(f"x, y: got {len(left)} and {len(right)} rows; give pairs of rows.")
    return left, right


def _neighbours(k: int, n: int) -> int:
    k = whole("k", k, 1)
    if k >= n:
        raise InputError(f"k: got {k} neighbours among n = {n} rows; take k < n.")
    return k
