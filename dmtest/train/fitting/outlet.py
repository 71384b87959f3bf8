"""Which law an outlet is trained to, and the map from there to the target."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from dmtest.errors import InputError
from dmtest.targets.targets import Product, Sphere, TargetLike, as_target
from dmtest.train.model.margins import KNOTS, RANGE

DIRECT = ("normal", "uniform")
# Part of the normal scale on which quantiles have to differ.
BODY = 5.0


def outlet_of(target: TargetLike, dim: int) -> tuple[str, dict[str, Any] | None]:
    """Return the law of the outlet, "normal" or "uniform", and the map to the target.

    Parameters
    ----------
    target : str or target
        "normal", "uniform", "sphere", or :class:`dmtest.Product`.
    dim : int
        Columns of the embedding.

    Raises
    ------
    InputError
        If the trainer does not know the target, or its margins do not fit `dim`.
    """
    if isinstance(target, str) and target in DIRECT:
        return target, None
    found = as_target(target)
    if isinstance(found, Sphere):
        if dim < 2:
            raise InputError(f"dim: the unit sphere needs 2 columns or more; got {dim}.")
        return "normal", {"kind": "unit-norm"}
    if isinstance(found, Product):
        return "normal", {"kind": "quantiles", "table": _table(found, dim)}
    raise InputError(
        f"target: got {target!r}; the trainer knows 'normal', 'uniform', 'sphere' and Product(...)."
    )


def _table(target: Product, dim: int) -> list[list[float]]:
    """Return the quantiles of every margin at the knots of the normal scale."""
    margins = target.margins if isinstance(target.margins, tuple) else (target.margins,) * dim
    if len(margins) != dim:
        raise InputError(
            f"target: Product has {len(margins)} margins for dim={dim}; pass one for every column, "
            f"or a single distribution for all of them."
        )
    z = np.linspace(-RANGE, RANGE, KNOTS)
    body = np.abs(z[1:]) <= BODY  # beyond it, bounded margins have equal quantiles in float64
    rows = []
    for column, margin in enumerate(margins, start=1):
        if not (hasattr(margin, "ppf") and hasattr(margin, "isf")):
            raise InputError(
                f"target: a margin of type {type(margin).__name__} has no ppf and isf, the inverse "
                f"of its cdf; pass a frozen distribution of scipy.stats."
            )
        # In the upper half by the survival function: 1 - Phi(z) loses all digits there.
        row = np.where(z <= 0.0, margin.ppf(special.ndtr(z)), margin.isf(special.ndtr(-z)))
        steps = np.diff(row)
        if not np.isfinite(row).all() or steps.min() < 0.0 or (steps[body] == 0.0).any():
            raise InputError(
                f"target: the quantiles of margin {column} are not finite and increasing; pass a "
                f"continuous distribution."
            )
        rows.append(row.tolist())
    return rows
