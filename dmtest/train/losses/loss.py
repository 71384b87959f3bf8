"""A statistic of slices as a training loss."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from dmtest.train.losses.prepare import DIRECTIONS, check_choice
from dmtest.train.losses.slices import Parameters
from dmtest.train.losses.statistics import Directions, Reduce, entry_of, over_slices


class StatisticLoss(torch.nn.Module):
    """A statistic of slices as a loss: 0 is perfect, and its scale does not depend on n.

    Statistics that grow with n are divided by n. The loss is 1 - W for Shapiro-Wilk and -Francia,
    and log sqrt(2 pi e) - log K for Vasicek, an estimate of the divergence in nats. Every call
    draws new directions unless `directions` is a tensor. Rows have to be independent: of several
    views of an image, pass one view at a time and average the losses, as LeJEPA does. Its SIGReg is
    sqrt(2 pi) n times ``StatisticLoss("epps-pulley")``.

    Parameters
    ----------
    statistic : str
        A name such as ``"epps-pulley"``.
    directions : Tensor of shape (k, d), int, or None
        Unit vectors, or the number to draw in every call; None draws 64.
    parameters, reduce, gather
        As for :func:`sliced`.

    Examples
    --------
    >>> import torch
    >>> loss = StatisticLoss("epps-pulley", directions=128)
    >>> z = torch.randn(512, 16, generator=torch.Generator().manual_seed(0))
    >>> bool(loss(z) < 0.002) and bool(loss(2.0 * z) > 0.02)
    True
    """

    def __init__(
        self,
        statistic: str = "epps-pulley",
        directions: Directions = None,
        parameters: Parameters = "known",
        reduce: Reduce = "mean",
        *,
        gather: bool = False,
    ) -> None:
        super().__init__()
        self.statistic = statistic
        self.entry = entry_of(statistic)
        check_choice("parameters", parameters, ("known", "fitted"))
        check_choice("reduce", reduce, ("mean", "worst", "none"))
        self.fit, self.reduce, self.gather = parameters, reduce, gather
        self.count = directions if isinstance(directions, int) else None
        self.directions: Tensor | None
        self.register_buffer("directions", directions if isinstance(directions, Tensor) else None)

    def extra_repr(self) -> str:
        """Return the statistic and its options, for `repr`."""
        kind = "given" if self.directions is not None else f"{self.count or DIRECTIONS} fresh"
        return f"{self.statistic!r}, {kind} directions, {self.fit}, {self.reduce}"

    def forward(self, z: Tensor) -> Tensor:
        """Return the loss of the rows of `z`."""
        directions: Any = self.directions if self.directions is not None else self.count
        return over_slices(z, self.entry.as_loss(), directions, self.fit, self.reduce, self.gather)
