"""Univariate statistics of lines in torch, differentiable: twins of those of `dmtest.statistics`.

A statistic takes :class:`Lines` and returns one value a line, equal to the one that numpy and
numba compute for :class:`dmtest.engines.slices.SliceView`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from dmtest.errors import InputError
from dmtest.train.losses.charfun import epps_pulley_value

__all__ = ["LINES", "LineStatistic", "Lines", "Parameters", "vasicek_of_lines"]

Parameters: TypeAlias = Literal["known", "fitted"]


class Lines:
    """Lines and what statistics share about them, each computed once.

    Parameters
    ----------
    rows : Tensor, shape (k, n)
        One line a row, float32 or float64.
    parameters : {"known", "fitted"}
        ``"known"``: the null is N(0, 1). ``"fitted"``: some normal; lines are standardised by
        their mean and n - 1 standard deviation.
    """

    def __init__(self, rows: Tensor, parameters: Parameters) -> None:
        self.rows = rows
        self.known = parameters == "known"
        self.k, self.n = rows.shape

    @cached_property
    def centred(self) -> Tensor:
        """Rows less their means."""
        return self.rows - self.rows.mean(dim=1, keepdim=True)

    @cached_property
    def variance(self) -> Tensor:
        """Variance of each line, divided by n: shape (k,)."""
        return self.centred.square().mean(dim=1)

    @cached_property
    def scale(self) -> Tensor:
        """Standard deviation of each line, divided by n - 1: shape (k,)."""
        return (self.variance * (self.n / (self.n - 1.0))).sqrt()

    @cached_property
    def standardised(self) -> Tensor:
        """What follows N(0, 1) under the null, but for the fit: shape (k, n)."""
        return self.rows if self.known else self.centred / self.scale[:, None]

    @cached_property
    def sorted(self) -> Tensor:
        """The standardised rows in ascending order."""
        return self.standardised.sort(dim=1).values

    @cached_property
    def cdf(self) -> Tensor:
        """Phi of the sorted values."""
        values: Tensor = torch.special.ndtr(self.sorted)
        return values

    def power(self, p: int) -> Tensor:
        """Mean of the p-th power: about 0 if parameters are known, else central."""
        return ((self.rows if self.known else self.centred) ** p).mean(dim=1)

    def steps(self, offset: float) -> Tensor:
        """Return (i + offset) / n for i = 1..n."""
        counts = torch.arange(1, self.n + 1, dtype=self.rows.dtype, device=self.rows.device)
        return (counts + offset) / self.n

    def weights(self, values: Any) -> Tensor:
        """Bring an array of numpy to the dtype and device of the lines."""
        return torch.tensor(values, dtype=self.rows.dtype, device=self.rows.device)


def _epps_pulley(lines: Lines) -> Tensor:
    return epps_pulley_value(lines.standardised)


def _anderson_darling(lines: Lines) -> Tensor:
    below: Tensor = torch.special.log_ndtr(lines.sorted)
    above: Tensor = torch.special.log_ndtr(-lines.sorted).flip(1)
    return -lines.n - 2.0 * (lines.steps(-0.5) * (below + above)).sum(dim=1)


def _cramer_von_mises(lines: Lines) -> Tensor:
    return (lines.cdf - lines.steps(-0.5)).square().sum(dim=1) + 1.0 / (12.0 * lines.n)


def _watson(lines: Lines) -> Tensor:
    return _cramer_von_mises(lines) - lines.n * (lines.cdf.mean(dim=1) - 0.5).square()


def _gaps(lines: Lines) -> tuple[Tensor, Tensor]:
    above = (lines.steps(0.0) - lines.cdf).amax(dim=1)
    return above, (lines.cdf - lines.steps(-1.0)).amax(dim=1)


def _kolmogorov_smirnov(lines: Lines) -> Tensor:
    return torch.maximum(*_gaps(lines))


def _kuiper(lines: Lines) -> Tensor:
    above, below = _gaps(lines)
    return above + below


def _dagostino_pearson(lines: Lines) -> Tensor:
    n = lines.n
    if lines.known:
        skew = _johnson(lines.power(3) / math.sqrt(15.0 / n), 3.0 + 43.2 / n)
        tails = (lines.power(4) - 3.0) / math.sqrt(96.0 / n)
        kurt = _hilferty(tails, 9504.0 / 96.0**1.5 / math.sqrt(n))
        return skew.square() + kurt.square()
    root = math.sqrt((n + 1.0) * (n + 3.0) / (6.0 * (n - 2.0)))
    beta2 = 3.0 * (n * n + 27.0 * n - 70.0) * (n + 1.0) * (n + 3.0)
    beta2 /= (n - 2.0) * (n + 5.0) * (n + 7.0) * (n + 9.0)
    skew = _johnson(root * lines.power(3) / lines.variance**1.5, beta2)
    mean = 3.0 * (n - 1.0) / (n + 1.0)
    variance = 24.0 * n * (n - 2.0) * (n - 3.0) / ((n + 1.0) ** 2 * (n + 3.0) * (n + 5.0))
    tilt = 6.0 * (n * n - 5.0 * n + 2.0) / ((n + 7.0) * (n + 9.0))
    tilt *= math.sqrt(6.0 * (n + 3.0) * (n + 5.0) / (n * (n - 2.0) * (n - 3.0)))
    kurt = _hilferty((lines.power(4) / lines.variance**2 - mean) / math.sqrt(variance), tilt)
    return skew.square() + kurt.square()


def _johnson(y: Tensor, kurtosis: float) -> Tensor:
    w2 = math.sqrt(2.0 * (kurtosis - 1.0)) - 1.0
    return torch.asinh(y / math.sqrt(2.0 / (w2 - 1.0))) / math.sqrt(0.5 * math.log(w2))


def _hilferty(x: Tensor, skewness: float) -> Tensor:
    a = 6.0 + 8.0 / skewness * (2.0 / skewness + math.sqrt(1.0 + 4.0 / skewness**2))
    ratio = (1.0 - 2.0 / a) / (1.0 + x * math.sqrt(2.0 / (a - 4.0)))
    root = ratio.sign() * ratio.abs() ** (1.0 / 3.0)
    return (1.0 - 2.0 / (9.0 * a) - root) / math.sqrt(2.0 / (9.0 * a))


def _jarque_bera(lines: Lines) -> Tensor:
    third, fourth = lines.power(3), lines.power(4)
    if lines.known:
        return lines.n * (third.square() / 15.0 + (fourth - 3.0).square() / 96.0)
    skewness, kurtosis = third / lines.variance**1.5, fourth / lines.variance**2
    return lines.n * (skewness.square() / 6.0 + (kurtosis - 3.0).square() / 24.0)


def _shapiro_wilk(lines: Lines) -> Tensor:
    from dmtest.statistics.slices.regression import royston_weights

    scale = math.sqrt(lines.n - 1.0) if lines.known else 1.0
    return _explained(lines, scale * royston_weights(lines.n))


def _shapiro_francia(lines: Lines) -> Tensor:
    from dmtest.statistics.slices.regression import blom_scores

    return _explained(lines, blom_scores(lines.n))


def _explained(lines: Lines, scores: Any) -> Tensor:
    product = lines.sorted @ lines.weights(scores)
    length = float(scores @ scores)
    if lines.known:
        return (2.0 * product - length) / lines.rows.square().sum(dim=1)
    return product.square() / (length * (lines.n - 1.0))


def vasicek_of_lines(lines: Lines, window: int | None = None) -> Tensor:
    """K of Vasicek (1976), with a window m of floor(sqrt(n) + 1/2) by default."""
    n = lines.n
    m = math.floor(math.sqrt(n) + 0.5) if window is None else window
    if not (isinstance(m, int) and 1 <= m < n / 2):
        raise InputError(
            f"window: got {m} with n = {n}; vasicek takes a whole number, 1 <= window < n/2."
        )
    places = torch.arange(n, device=lines.rows.device)
    high, low = (places + m).clamp(max=n - 1), (places - m).clamp(min=0)
    gaps = lines.sorted[:, high] - lines.sorted[:, low]
    # Where a whole window is tied the value is 0, and so is its gradient: not NaN.
    open_gaps = torch.where(gaps > 0.0, gaps, 1.0)
    logs = torch.where(gaps > 0.0, open_gaps.log(), -torch.inf)
    entropy = logs.mean(dim=1) + math.log(n / (2.0 * m))
    if lines.known:
        entropy = entropy - 0.5 * (lines.rows.square().mean(dim=1) - 1.0)
    return entropy.exp()


def _squared_wasserstein(lines: Lines) -> Tensor:
    from dmtest.statistics.slices.wasserstein import quantile_cells

    product = lines.sorted @ lines.weights(quantile_cells(lines.n))
    if lines.known:
        return lines.rows.square().mean(dim=1) - 2.0 * product + 1.0
    return 2.0 - 2.0 * product * math.sqrt(lines.n / (lines.n - 1.0))


class LineStatistic(NamedTuple):
    """A statistic of lines, and what turns it into a loss that is 0 at best at any n.

    `loss` is ``"per-row"`` (divided by n, with which it grows), ``"plain"``, ``"shortfall"``
    (1 less the statistic) or ``"divergence"`` (log sqrt(2 pi e) less the statistic's log).
    """

    function: Callable[[Lines], Tensor]
    loss: Literal["per-row", "plain", "shortfall", "divergence"]

    @property
    def smaller_is_worse(self) -> bool:
        """Whether the statistic falls where the fit gets worse."""
        return self.loss in ("shortfall", "divergence")

    def as_loss(self) -> LineStatistic:
        """Return the loss of each line, larger is worse."""
        return LineStatistic(self._loss_of, "plain")

    def _loss_of(self, lines: Lines) -> Tensor:
        values = self.function(lines)
        if self.loss == "per-row":
            return values / lines.n
        if self.loss == "shortfall":
            return 1.0 - values
        if self.loss == "divergence":
            most = 0.5 * math.log(2.0 * math.pi * math.e)
            return most - values.clamp(min=torch.finfo(values.dtype).tiny).log()
        return values


LINES = {
    "anderson-darling": LineStatistic(_anderson_darling, "per-row"),
    "cramer-von-mises": LineStatistic(_cramer_von_mises, "per-row"),
    "dagostino-pearson": LineStatistic(_dagostino_pearson, "per-row"),
    "epps-pulley": LineStatistic(_epps_pulley, "per-row"),
    "jarque-bera": LineStatistic(_jarque_bera, "per-row"),
    "kolmogorov-smirnov": LineStatistic(_kolmogorov_smirnov, "plain"),
    "kuiper": LineStatistic(_kuiper, "plain"),
    "shapiro-francia": LineStatistic(_shapiro_francia, "shortfall"),
    "shapiro-wilk": LineStatistic(_shapiro_wilk, "shortfall"),
    "squared-wasserstein": LineStatistic(_squared_wasserstein, "plain"),
    "vasicek": LineStatistic(vasicek_of_lines, "divergence"),
    "watson": LineStatistic(_watson, "per-row"),
}
