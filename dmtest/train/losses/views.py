"""Losses of two views: Barlow Twins and the predictions of SimSiam and BYOL.

SimCLR's and VICReg's are in :mod:`dmtest.train.losses.matching`.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from dmtest.train.losses.matching import check_views

# Weight of the redundancy term of Barlow Twins.
REDUNDANCY = 5e-3
# Added to a variance before its root.
SMALL = 1e-5


def barlow_twins(z1: Tensor, z2: Tensor, redundancy: float = REDUNDANCY) -> Tensor:
    """Barlow Twins: squared distance of the cross-correlation of two views from the identity.

    ``sum_i (1 - C_ii)^2 + redundancy sum_{i != j} C_ij^2``, with columns standardised over the
    batch. Zbontar et al. (2021), arXiv 2103.03230.

    Parameters
    ----------
    z1, z2 : Tensor, shape (n, d)
        Embeddings of two views, row by row; n >= 2.
    redundancy : float

    Returns
    -------
    Tensor, a scalar
    """
    check_views(z1, z2)
    one, other = ((z - z.mean(0)) / (z.var(0, unbiased=False) + SMALL).sqrt() for z in (z1, z2))
    correlation = one.T @ other / len(z1)
    diagonal = correlation.diagonal()
    off = correlation.square().sum() - diagonal.square().sum()
    return (1.0 - diagonal).square().sum() + redundancy * off


def prediction(p: Tensor, z: Tensor) -> Tensor:
    """Mean negative cosine of predictions and targets, which get no gradient.

    Chen & He (2021), SimSiam. BYOL (Grill et al. 2020) minimises 2 - 2 cosine: the same up to scale
    and a constant.

    Parameters
    ----------
    p, z : Tensor, shape (n, d)
        Predictions, and the embeddings that they predict.

    Returns
    -------
    Tensor, a scalar
    """
    check_views(p, z)
    return -functional.cosine_similarity(p, z.detach(), dim=1).mean()
