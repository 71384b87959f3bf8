"""Maps of a normal outlet to other targets: F^-1(Phi(.)) in every column, unit norm, identity.

Such a map cannot raise the divergence (Statement 3.7 of arXiv 2410.06993), and one that can be
inverted does not change it. Noise is added, and information measured, before the map.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

# Knots of a table of quantiles: values of the normal scale from -RANGE to RANGE.
RANGE, KNOTS = 8.0, 4097


class Quantiles(nn.Module):
    """F^-1(Phi(z)) in every column, by linear interpolation in a table (columns, KNOTS).

    Beyond RANGE, where a normal value lies once in 10^15, the last segment is continued.
    """

    table: Tensor

    def __init__(self, columns: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.zeros(columns, KNOTS, dtype=torch.float64))

    def forward(self, z: Tensor) -> Tensor:
        """Map (n, columns) to the scale of the target."""
        place = (z.to(self.table.dtype) + RANGE) * ((KNOTS - 1) / (2.0 * RANGE))
        left = place.floor().clamp(0, KNOTS - 2)
        index = left.long().T
        low, high = self.table.gather(1, index).T, self.table.gather(1, index + 1).T
        return (low + (place - left) * (high - low)).to(z.dtype)


class UnitNorm(nn.Module):
    """z / |z|: uniform on the unit sphere if z ~ N(0, I)."""

    def forward(self, z: Tensor) -> Tensor:
        """Map (n, d) to rows of norm 1."""
        return functional.normalize(z, dim=1)


def build_margins(spec: dict[str, Any] | None, dim: int) -> nn.Module:
    """Return the map that a configuration describes.

    Parameters
    ----------
    spec : dict or None
        ``{"kind": "unit-norm"}``, or ``{"kind": "quantiles"}`` with a ``table`` of quantiles
        (lists), which the saved weights replace; None is no map.
    dim : int
        Columns of the outlet.
    """
    if spec is None:
        return nn.Identity()
    if spec["kind"] == "unit-norm":
        return UnitNorm()
    made = Quantiles(dim)
    if "table" in spec:
        made.table.copy_(torch.as_tensor(spec["table"], dtype=torch.float64))
    return made
