"""Random directions, and checks of directions that a caller passes."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dmtest.errors import InputError
from dmtest.runtime.streams import stream

Floats = NDArray[np.floating]
# Sets of random frames among which the default directions are the most typical one.
CANDIDATES = 64


def random_directions(k: int, d: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw directions uniform on the sphere, orthonormal within blocks of d.

    Each block is a Haar-distributed frame (Stewart 1980: QR of a normal matrix with
    the signs of R's diagonal moved to Q), so every row alone is uniform on S^{d-1}
    while a block covers the space as evenly as d directions can.

    Parameters
    ----------
    k : int
        Number of directions.
    d : int
        Dimension. For d = 1 the only direction up to sign is returned: ``[[1.0]]``
        repeated k times.
    rng : numpy Generator

    Returns
    -------
    ndarray, shape (k, d)
    """
    if d == 1:
        return np.ones((k, 1))
    # A block needs a frame of only min(k, d) columns.
    width = min(k, d)
    count = -(-k // width)
    normal = rng.standard_normal((count, d, width))
    q, r = np.linalg.qr(normal)
    q *= np.sign(np.diagonal(r, axis1=1, axis2=2))[:, None, :]
    return np.ascontiguousarray(q.transpose(0, 2, 1).reshape(count * width, d)[:k])


@lru_cache(maxsize=16)
def default_directions(k: int, d: int) -> NDArray[np.float64]:
    """Return the directions of the default slices: frames in general position.

    They are the same on every call, so that a verdict does not depend on a seed. Rows of N(0, I)
    have one law in every frame. With few columns the law of a mean over slices also depends on the
    angles between frames: of 64 sets of random frames the one is taken whose mean fourth, sixth and
    eighth powers of cosines between frames are nearest to the expected ones.

    Parameters
    ----------
    k, d : int
        Number of directions, and columns.

    Returns
    -------
    ndarray, shape (k, d)
        Read-only.
    """
    if d == 1 or k <= d:
        out = random_directions(k, d, stream(0, "directions"))
    else:
        sets = [random_directions(k, d, stream(0, "directions", j)) for j in range(CANDIDATES)]
        powers = np.array([_cosine_powers(one) for one in sets])
        expected = np.cumprod([3.0 / (d * (d + 2)), 5.0 / (d + 4), 7.0 / (d + 6)])
        distance = np.abs(powers - expected) / powers.std(axis=0)
        out = sets[int(distance.max(axis=1).argmin())]
    out.flags.writeable = False
    return out


def _cosine_powers(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means of the 4th, 6th and 8th power of cosines between directions of different frames."""
    frame = np.arange(len(u)) // u.shape[1]
    squares = np.square((u @ u.T)[frame[:, None] != frame[None, :]])
    return np.array([np.mean(squares**power) for power in (2, 3, 4)])


def as_directions(directions: ArrayLike, d: int) -> NDArray[np.float64]:
    """Check directions of a caller, and return them with shape (k, d) and rows of norm 1.

    Raises
    ------
    InputError
        If the shape does not fit, a value is not finite or a row has no unit norm.
    """
    try:
        u = np.array(directions, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError(
            f"directions: no array of numbers; pass one of shape (k, {d}), a unit vector a row."
        ) from None
    if u.ndim == 1:
        u = u[None, :]
    if u.ndim != 2 or u.shape[1] != d or not len(u):
        raise InputError(
            f"directions: got shape {u.shape}; pass an array of shape (k, {d}), "
            f"one unit vector a row."
        )
    norms = np.linalg.norm(u, axis=1)
    bad = ~(np.abs(norms - 1.0) <= 1e-6)
    if bad.any():
        worst = int(np.flatnonzero(bad)[0])
        raise InputError(
            f"directions: row {worst} has norm {norms[worst]:.6g}; divide every row by its norm."
        )
    return np.asarray(u / norms[:, None])
