"""Univariate statistics of slices in torch, differentiable: twins of those of `dmtest.statistics`.

A statistic takes :class:`Slices` and returns one value a slice, equal to the one that numpy and
numba compute for :class:`dmtest.engines.slices.SliceView`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from dmtest.errors import InputError
from dmtest.runtime.attributes import cached_property
from dmtest.train.losses.charfun import epps_pulley_value

Parameters: TypeAlias = Literal["known", "fitted"]


class Slices:
    """Slices, with the values that several statistics need, each computed once.

    Parameters
    ----------
    rows : Tensor, shape (k, n)
        One slice a row, float32 or float64.
    parameters : {"known", "fitted"}
        ``"known"``: the null is N(0, 1). ``"fitted"``: the null is some normal law, and slices
        are standardised by their mean and their standard deviation (divisor n - 1).
    """

    def __init__(self, rows: Tensor, parameters: Parameters) -> None:
        self.rows = rows
        self.known = parameters == "known"
        self.k, self.n = rows.shape

    @cached_property
    def centred(self) -> Tensor:
        """Slices minus their means: shape (k, n)."""
        return self.rows - self.rows.mean(dim=1, keepdim=True)

    @cached_property
    def variance(self) -> Tensor:
        """Variance of each slice, divisor n: shape (k,)."""
        return self.centred.square().mean(dim=1)

    @cached_property
    def scale(self) -> Tensor:
        """Standard deviation of each slice, divisor n - 1: shape (k,)."""
        return (self.variance * (self.n / (self.n - 1.0))).sqrt()

    @cached_property
    def standardised(self) -> Tensor:
        """Values that follow N(0, 1) under the null, apart from the fit: shape (k, n)."""
        return self.rows if self.known else self.centred / self.scale[:, None]

    @cached_property
    def sorted(self) -> Tensor:
        """The standardised values of each slice in ascending order: shape (k, n)."""
        return self.standardised.sort(dim=1).values

    @cached_property
    def cdf(self) -> Tensor:
        """Normal cdf of the sorted values: shape (k, n)."""
        values: Tensor = torch.special.ndtr(self.sorted)
        return values

    def power(self, p: int) -> Tensor:
        """Mean p-th power, about 0 if parameters are known and about the mean if fitted: (k,)."""
        return ((self.rows if self.known else self.centred) ** p).mean(dim=1)

    def steps(self, offset: float) -> Tensor:
        """(i + offset) / n for i = 1..n: shape (n,)."""
        counts = torch.arange(1, self.n + 1, dtype=self.rows.dtype, device=self.rows.device)
        return (counts + offset) / self.n

    def weights(self, values: Any) -> Tensor:
        """Return a numpy array as a tensor with the dtype and device of the slices."""
        return torch.tensor(values, dtype=self.rows.dtype, device=self.rows.device)


def _epps_pulley(slices: Slices) -> Tensor:
    return epps_pulley_value(slices.standardised)


def _anderson_darling(slices: Slices) -> Tensor:
    below: Tensor = torch.special.log_ndtr(slices.sorted)
    above: Tensor = torch.special.log_ndtr(-slices.sorted).flip(1)
    return -slices.n - 2.0 * (slices.steps(-0.5) * (below + above)).sum(dim=1)


def _cramer_von_mises(slices: Slices) -> Tensor:
    return (slices.cdf - slices.steps(-0.5)).square().sum(dim=1) + 1.0 / (12.0 * slices.n)


def _watson(slices: Slices) -> Tensor:
    return _cramer_von_mises(slices) - slices.n * (slices.cdf.mean(dim=1) - 0.5).square()


def _gaps(slices: Slices) -> tuple[Tensor, Tensor]:
    above = (slices.steps(0.0) - slices.cdf).amax(dim=1)
    return above, (slices.cdf - slices.steps(-1.0)).amax(dim=1)


def _kolmogorov_smirnov(slices: Slices) -> Tensor:
    return torch.maximum(*_gaps(slices))


def _kuiper(slices: Slices) -> Tensor:
    above, below = _gaps(slices)
    return above + below


def _dagostino_pearson(slices: Slices) -> Tensor:
    n = slices.n
    if slices.known:
        skew = _johnson(slices.power(3) / math.sqrt(15.0 / n), 3.0 + 43.2 / n)
        tails = (slices.power(4) - 3.0) / math.sqrt(96.0 / n)
        kurt = _hilferty(tails, 9504.0 / 96.0**1.5 / math.sqrt(n))
        return skew.square() + kurt.square()
    root = math.sqrt((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0)))
    beta2 = 3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
    beta2 /= (n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0)
    skew = _johnson(root * slices.power(3) / slices.variance**1.5, beta2)
    mean = 3.0 * (n - 1.0) / (n + 1.0)
    variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) ** 2 * (n + 3.0) * (n + 5.0))
    tilt = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
    tilt *= math.sqrt(6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0)))
    kurt = _hilferty((slices.power(4) / slices.variance**2 - mean) / math.sqrt(variance), tilt)
    return skew.square() + kurt.square()


def _johnson(y: Tensor, kurtosis: float) -> Tensor:
    w2 = math.sqrt(2.0 * (kurtosis - 1.0)) - 1.0
    return torch.asinh(y / math.sqrt(2.0 / (w2 - 1.0))) / math.sqrt(0.5 * math.log(w2))


def _hilferty(x: Tensor, skewness: float) -> Tensor:
    a = 6.0 + 8.0 / skewness * (2.0 / skewness + math.sqrt(1.0 + 4.0 / skewness**2))
    ratio = (1.0 - 2.0 / a) / (1.0 + x * math.sqrt(2.0 / (a - 4.0)))
    root = ratio.sign() * ratio.abs() ** (1.0 / 3.0)
    return (1.0 - 2.0 / (9.0 * a) - root) / math.sqrt(2.0 / (9.0 * a))


def _jarque_bera(slices: Slices) -> Tensor:
    third, fourth = slices.power(3), slices.power(4)
    if slices.known:
        return slices.n * (third.square() / 15.0 + (fourth - 3.0).square() / 96.0)
    skewness, kurtosis = third / slices.variance**1.5, fourth / slices.variance**2
    return slices.n * (skewness.square() / 6.0 + (kurtosis - 3.0).square() / 24.0)


def _shapiro_wilk(slices: Slices) -> Tensor:
    from dmtest.statistics.slices.regression import royston_weights

    scale = math.sqrt(slices.n - 1.0) if slices.known else 1.0
    return _squared_correlation(slices, scale * royston_weights(slices.n))


def _shapiro_francia(slices: Slices) -> Tensor:
    from dmtest.statistics.slices.regression import blom_scores

    return _squared_correlation(slices, blom_scores(slices.n))


def _squared_correlation(slices: Slices, scores: Any) -> Tensor:
    product = slices.sorted @ slices.weights(scores)
    length = float(scores @ scores)
    if slices.known:
        return (2.0 * product - length) / slices.rows.square().sum(dim=1)
    return product.square() / (length * (slices.n - 1.0))


def vasicek_of_slices(slices: Slices, window: int | None = None) -> Tensor:
    """K of Vasicek (1976) for each slice, with window floor(sqrt(n) + 1/2) by default: (k,)."""
    n = slices.n
    m = math.floor(math.sqrt(n) + 0.5) if window is None else window
    if not (isinstance(m, int) and 1 <= m < n / 2):
        raise InputError(
            f"window: got {m} with n = {n}; vasicek takes a whole number, 1 <= window < n/2."
        )
    places = torch.arange(n, device=slices.rows.device)
    high, low = (places + m).clamp(max=n - 1), (places - m).clamp(min=0)
    gaps = slices.sorted[:, high] - slices.sorted[:, low]
    # If a whole window is tied, the value and its gradient are 0, not NaN.
    open_gaps = torch.where(gaps > 0.0, gaps, 1.0)
    logs = torch.where(gaps > 0.0, open_gaps.log(), -torch.inf)
    entropy = logs.mean(dim=1) + math.log(n / (2.0 * m))
    if slices.known:
        entropy = entropy - 0.5 * (slices.rows.square().mean(dim=1) - 1.0)
    return entropy.exp()


def _squared_wasserstein(slices: Slices) -> Tensor:
    from dmtest.statistics.slices.wasserstein import quantile_cells

    product = slices.sorted @ slices.weights(quantile_cells(slices.n))
    if slices.known:
        return slices.rows.square().mean(dim=1) - 2.0 * product + 1.0
    return 2.0 - 2.0 * product * math.sqrt(slices.n / (slices.n - 1.0))


class SliceStatistic(NamedTuple):
    """A statistic of slices, and the way to a loss that is 0 at best and does not depend on n.

    `loss` is ``"per-row"`` (divided by n, with which it grows), ``"plain"``, ``"shortfall"``
    (1 less the statistic) or ``"divergence"`` (log sqrt(2 pi e) less the statistic's log).
    """

    function: Callable[[Slices], Tensor]
    loss: Literal["per-row", "plain", "shortfall", "divergence"]

    @property
    def smaller_is_worse(self) -> bool:
        """Whether a smaller statistic means a worse fit."""
        return self.loss in ("shortfall", "divergence")

    def as_loss(self) -> SliceStatistic:
        """Return the statistic as a loss of each slice, for which larger is worse."""
        return SliceStatistic(self._loss_of, "plain")

    def _loss_of(self, slices: Slices) -> Tensor:
        values = self.function(slices)
        if self.loss == "per-row":
            return values / slices.n
        if self.loss == "shortfall":
            return 1.0 - values
        if self.loss == "divergence":
            most = 0.5 * math.log(2.0 * math.pi * math.e)
            return most - values.clamp(min=torch.finfo(values.dtype).tiny).log()
        return values


SLICE_STATISTICS = {
    "anderson-darling": SliceStatistic(_anderson_darling, "per-row"),
    "cramer-von-mises": SliceStatistic(_cramer_von_mises, "per-row"),
    "dagostino-pearson": SliceStatistic(_dagostino_pearson, "per-row"),
    "epps-pulley": SliceStatistic(_epps_pulley, "per-row"),
    "jarque-bera": SliceStatistic(_jarque_bera, "per-row"),
    "kolmogorov-smirnov": SliceStatistic(_kolmogorov_smirnov, "plain"),
    "kuiper": SliceStatistic(_kuiper, "plain"),
    "shapiro-francia": SliceStatistic(_shapiro_francia, "shortfall"),
    "shapiro-wilk": SliceStatistic(_shapiro_wilk, "shortfall"),
    "squared-wasserstein": SliceStatistic(_squared_wasserstein, "plain"),
    "vasicek": SliceStatistic(vasicek_of_slices, "divergence"),
    "watson": SliceStatistic(_watson, "per-row"),
}
