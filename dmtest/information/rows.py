"""Arrays of rows and of pairs of rows, as the estimators of information take them."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dmtest.arguments import unmasked
from dmtest.data.inspection import check_range
from dmtest.errors import InputError
from dmtest.runtime.typing import Vector


def as_rows(name: str, x: ArrayLike) -> Vector:
    """Return finite float64 rows of shape (n, d), n >= 2; masked values are refused."""
    try:
        x = unmasked(name, x)
        if np.iscomplexobj(x):
            raise InputError(
                f"{name}: got complex numbers; pass both parts side by side, "
                f"np.hstack([x.real, x.imag])."
            )
        # Bits of sums depend on the order in memory.
        rows = np.asarray(x, dtype=np.float64, order="C")
    except InputError:
        raise
    except (TypeError, ValueError):
        raise InputError(
            f"{name}: got {type(x).__name__}; give an array of numbers with equally long rows."
        ) from None
    rows = rows[:, None] if rows.ndim == 1 else rows
    if rows.ndim != 2 or len(rows) < 2 or rows.shape[1] < 1:
        raise InputError(f"{name}: got shape {np.shape(x)}; give (n, d) with n >= 2.")
    if not np.isfinite(rows).all():
        raise InputError(f"{name}: got NaN or infinity; leave such rows out first.")
    check_range(rows.min(axis=0), rows.max(axis=0), name)
    return rows


def as_pairs(x: ArrayLike, y: ArrayLike) -> tuple[Vector, Vector]:
    """Return the rows of x and y, equally many of each."""
    left, right = as_rows("x", x), as_rows("y", y)
    if len(left) != len(right):
        raise InputError(f"x, y: got {len(left)} and {len(right)} rows; give pairs of rows.")
    return left, right
