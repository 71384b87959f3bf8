"""Differentiable statistics of slices, equal to those of `dmtest.run_test`, as training losses.

Every function projects embeddings `z` of shape (n, d) and returns the statistic with the same name
in dmtest's catalogue (hyphens for underscores) as a tensor with gradients: the same formula, scale
and sign, computed in the dtype of `z` (float32 for half precision) and outside of autocast.
Statistics of sorted values have gradients wherever no two values of a slice tie, which is almost
everywhere. The maxima of Kolmogorov-Smirnov and Kuiper have only a subgradient, from the one or two
rows at which they are attained: they suit monitoring, not training.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from dmtest.errors import InputError
from dmtest.train.losses.gather import gather_rows
from dmtest.train.losses.prepare import check_choice, directions_for, no_autocast, rows_of
from dmtest.train.losses.slices import (
    SLICE_STATISTICS,
    Parameters,
    Slices,
    SliceStatistic,
    vasicek_of_slices,
)

Directions: TypeAlias = "Tensor | int | None"
Reduce: TypeAlias = Literal["mean", "worst", "none"]
Function: TypeAlias = Callable[[Tensor], Tensor]


def sliced(
    z: Tensor,
    statistic: str | Function,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Project rows on directions and reduce a univariate statistic over the slices.

    Parameters
    ----------
    z : Tensor, shape (n, d) or (n,)
        At least 8 rows.
    statistic : str or callable
        A name in the catalogue, or a function of slices that follow N(0, 1) under the null, (k, n)
        to (k,), whose larger values count as worse.
    directions : Tensor of shape (k, d), int, or None
        Unit vectors, or the number to draw in every call, uniform on the sphere and orthonormal
        within blocks of d; None draws 64. With d = 1 there is one.
    parameters : {"known", "fitted"}
        ``"known"``: the null is N(0, I). ``"fitted"``: each slice is standardised by its own mean
        and standard deviation (divisor n - 1). Target any-normal also whitens: pass
        ``whiten(z)`` for it.
    reduce : {"mean", "worst", "none"}
        Reduction over slices; ``"none"`` returns all k values.
    gather : bool
        Compute from the rows of all processes, with gradients; see :func:`gather_rows`. If
        processes draw different directions, gradients are those of the mean loss.
    generator : torch.Generator, optional
        Source of random directions; by default torch's own.

    Returns
    -------
    Tensor
        A scalar, or shape (k,).

    Raises
    ------
    InputError
        If an argument cannot be used; the message names the cure.
    """
    return over_slices(z, entry_of(statistic), directions, parameters, reduce, gather, generator)


def over_slices(
    z: Tensor,
    entry: SliceStatistic,
    directions: Directions,
    parameters: Parameters,
    reduce: Reduce,
    gather: bool,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Project rows on directions and reduce `entry` over the slices; see :func:`sliced`."""
    check_choice("parameters", parameters, ("known", "fitted"))
    check_choice("reduce", reduce, ("mean", "worst", "none"))
    with no_autocast(z):
        rows = rows_of(z)
        rows = gather_rows(rows) if gather else rows
        u = directions_for(rows, directions, generator)
        values = entry.function(Slices((rows @ u.T).T.contiguous(), parameters))
    if reduce == "none":
        return values
    if reduce == "mean":
        return values.mean()
    return values.amin() if entry.smaller_is_worse else values.amax()


def entry_of(statistic: str | Function) -> SliceStatistic:
    """Return the statistic with that name, or wrap a function of standardised slices."""
    if callable(statistic):
        function = statistic
        return SliceStatistic(lambda slices: function(slices.standardised), "plain")
    if statistic not in SLICE_STATISTICS:
        raise InputError(
            f"statistic: got {statistic!r}; choose one of {', '.join(SLICE_STATISTICS)}."
        )
    return SLICE_STATISTICS[statistic]


def epps_pulley(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Epps-Pulley: n times the integral of |phi_n(t) - exp(-t^2/2)|^2 over the N(0, 1) density.

    Computed by the trapezoidal rule with a step that fits the spread of the slices, within 1e-9 of
    a null value of the closed form (sums over pairs). It is smooth, has bounded gradients and costs
    time linear in n: the recommended loss for training. Parameters as for :func:`sliced`.
    """
    return sliced(z, "epps-pulley", directions, parameters, reduce, gather=gather)


def anderson_darling(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Anderson-Darling A^2: squared distance of the cdfs with more weight on the tails.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "anderson-darling", directions, parameters, reduce, gather=gather)


def cramer_von_mises(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Cramer-von Mises W^2: squared distance of the cdfs.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "cramer-von-mises", directions, parameters, reduce, gather=gather)


def watson(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Watson U^2: W^2 minus the part that a shifted mean of the cdf adds.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "watson", directions, parameters, reduce, gather=gather)


def kolmogorov_smirnov(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Kolmogorov-Smirnov D: largest distance of the cdfs.

    The subgradient is that of one row of each slice. Parameters as for :func:`sliced`.
    """
    return sliced(z, "kolmogorov-smirnov", directions, parameters, reduce, gather=gather)


def kuiper(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Kuiper V = D+ + D-.

    The subgradient is that of two rows of each slice. Parameters as for :func:`sliced`.
    """
    return sliced(z, "kuiper", directions, parameters, reduce, gather=gather)


def dagostino_pearson(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """D'Agostino-Pearson K^2: sum of the squared normal scores of the third and fourth moments.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "dagostino-pearson", directions, parameters, reduce, gather=gather)


def jarque_bera(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Jarque-Bera: squared third and fourth moments divided by their asymptotic variances.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "jarque-bera", directions, parameters, reduce, gather=gather)


def shapiro_wilk(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Shapiro-Wilk W with Royston's weights: 1 is perfect, and 1 - W is a loss.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "shapiro-wilk", directions, parameters, reduce, gather=gather)


def shapiro_francia(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Shapiro-Francia W': squared correlation with normal scores; 1 is perfect, smaller is worse.

    Parameters as for :func:`sliced`.
    """
    return sliced(z, "shapiro-francia", directions, parameters, reduce, gather=gather)


def squared_wasserstein(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    gather: bool = False,
) -> Tensor:
    """Squared Wasserstein-2 distance of each slice from N(0, 1), by the quantile coupling.

    The mean over directions is the squared sliced Wasserstein-2 distance. Fitted slices have mean 0
    and variance 1 (divisor n). Sampling alone gives about 3.4/n at n = 2000. Parameters as for
    :func:`sliced`.
    """
    return sliced(z, "squared-wasserstein", directions, parameters, reduce, gather=gather)


def vasicek(
    z: Tensor,
    directions: Directions = None,
    parameters: Parameters = "known",
    reduce: Reduce = "mean",
    *,
    window: int | None = None,
    gather: bool = False,
) -> Tensor:
    """Vasicek K = exp(entropy estimate) / scale; sqrt(2 pi e) = 4.13 is perfect, smaller is worse.

    `window` is Vasicek's m, by default floor(sqrt(n) + 1/2). A slice whose values tie over a whole
    window has value and gradient 0. Other parameters as for :func:`sliced`.
    """
    entry = SliceStatistic(lambda slices: vasicek_of_slices(slices, window), "divergence")
    return over_slices(z, entry, directions, parameters, reduce, gather)
