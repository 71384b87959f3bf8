"""Objectives on a block of scores: the loss to minimise, and a bound of information in nats.

``scores[i, j] = T(x_j, y_i)`` for the rows i of one process against all columns j; row i belongs
to column ``i + offset``. All objectives are means over rows, so that the mean over processes is the
value for the whole matrix. The best critic of each is the pointwise information.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from dmtest.errors import InputError
from dmtest.train.losses.distributed import max_over_processes, mean_over_processes

# Weight of the past in Donsker-Varadhan's partition function (Belghazi et al. 2018).
MEMORY = 0.99


class Objective(nn.Module):
    """A function of scores that returns the loss and, detached, the bound that it optimises."""

    nats = True  # whether the second value bounds information, in nats

    def forward(self, scores: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Map scores (k, K) to loss and bound."""
        raise TypeError("an Objective is one of OBJECTIVES")


def _diagonal(scores: Tensor, offset: int) -> Tensor:
    return scores.diagonal(offset)[: len(scores)]


def _off_diagonal(scores: Tensor, offset: int) -> Tensor:
    """Return the scores of pairs that do not belong together: (k, K - 1)."""
    k, columns = scores.shape
    own = torch.arange(k, device=scores.device)[:, None] + offset
    index = torch.arange(columns - 1, device=scores.device)
    # By column numbers: a mask would make the host wait for the number of its entries.
    return scores.gather(1, index + (index >= own))


class InfoNCE(Objective):
    """mean_i (T_ii - log mean_j exp T_ij) with j = i included: never above log K.

    van den Oord, Li & Vinyals (2018). The formula of arXiv 2410.06993 omits j = i; it is neither
    this bound nor Donsker-Varadhan's.
    """

    def forward(self, scores: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Return loss and bound."""
        own = torch.arange(len(scores), device=scores.device) + offset
        value = math.log(scores.shape[1]) - functional.cross_entropy(scores, own)
        return -value, mean_over_processes(value)


class DonskerVaradhan(Objective):
    """mean T_ii - log mean_{i != j} exp T_ij, its gradient debiased by a moving average (MINE)."""

    log_memory: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("log_memory", torch.tensor(math.nan))

    def forward(self, scores: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Return loss and bound."""
        off = _off_diagonal(scores, offset)
        own = torch.logsumexp(off.flatten(), 0) - math.log(off.numel())
        # Magnitudes differ between processes, so exponentials are summed on one scale.
        largest = max_over_processes(own)
        overall = largest + mean_over_processes(torch.exp(own - largest)).log()
        past, present = self.log_memory + math.log(MEMORY), overall + math.log(1.0 - MEMORY)
        later = torch.logaddexp(past, present) if self.training else self.log_memory
        self.log_memory.copy_(torch.where(torch.isnan(self.log_memory), overall, later))
        diagonal = _diagonal(scores, offset).mean()
        loss = torch.exp(own - self.log_memory.clone()) - diagonal
        return loss, mean_over_processes(diagonal) - overall


class NWJ(Objective):
    """mean T_ii - mean_{i != j} exp(T_ij) + 1: Nguyen, Wainwright & Jordan (2010) at T + 1."""

    def forward(self, scores: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Return loss and bound."""
        value = _diagonal(scores, offset).mean() - _off_diagonal(scores, offset).exp().mean() + 1.0
        return -value, mean_over_processes(value)


class JensenShannon(Objective):
    """The objective of Deep InfoMax (Hjelm et al. 2019): a score that is not in nats."""

    nats = False

    def forward(self, scores: Tensor, offset: int = 0) -> tuple[Tensor, Tensor]:
        """Return loss and score."""
        joint = functional.softplus(-_diagonal(scores, offset)).mean()
        value = -joint - functional.softplus(_off_diagonal(scores, offset)).mean()
        return -value, mean_over_processes(value)


OBJECTIVES: dict[str, type[Objective]] = {
    "infonce": InfoNCE,
    "donsker-varadhan": DonskerVaradhan,
    "nwj": NWJ,
    "jsd": JensenShannon,
}


def build_objective(name: str) -> Objective:
    """Return the objective `name`.

    Raises
    ------
    InputError
        If there is no such objective.
    """
    if name not in OBJECTIVES:
        raise InputError(
            f"objective: got {name!r}; choose one of {', '.join(map(repr, OBJECTIVES))}."
        )
    return OBJECTIVES[name]()
