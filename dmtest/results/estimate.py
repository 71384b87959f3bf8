"""Estimates of effects: bias removed, before they are cut off at 0.

Reports show an estimate as an `Effect` (:meth:`dmtest.results.effect_table.EffectRow.effect`),
checks compare it with that of a baseline as a `Departure` (:mod:`dmtest.checks.departures`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """An estimate and the distribution of its error.

    Attributes
    ----------
    value : float or None
        May be negative although the quantity cannot. None if it is not estimable (`note` says
        why); infinite if the sample lies in fewer dimensions than it has columns.
    error : float or None
        Standard error; None for a description of the sample.
    skewness : float
        Skewness of the error's distribution.
    df : int or None
        Degrees of freedom of `error`, if they are few.
    folded : bool
        Whether departures in both directions count, so that tails count twice.
    unbounded : bool
        Whether no upper limit is known to hold: tails are so heavy that rows which the sample
        lacks may decide the value.
    noise, batch : float and int, or None
        Noise level and rows of a batch that a divergence after noise was computed with.
    note : str
        Note for readers; by default that of its row in the table of effects.
    """

    value: float | None
    error: float | None = None
    skewness: float = 0.0
    df: int | None = None
    folded: bool = False
    unbounded: bool = False
    noise: float | None = None
    batch: int | None = None
    note: str = ""

    def limits(self, confidence: float) -> tuple[float, float] | None:
        """Confidence limits, not cut off; None without a value, or without an error above 0.

        The upper one is infinite where none is known to hold.
        """
        if self.value is None or not self.error:
            return None
        low, high = self.ends(confidence)
        return low, math.inf if self.unbounded else high

    def ends(self, confidence: float) -> tuple[float, float]:
        """Ends of the interval, of an estimate with a value and an error above 0.

        Hall's transformation allows for a skewed error (:func:`hall_quantile`).
        """
        from scipy.special import ndtri  # late: pages are rendered without scipy

        assert self.value is not None
        assert self.error is not None
        quantile = float(ndtri(0.5 + 0.5 * confidence))
        below, above = (hall_quantile(z, self.skewness) * self.error for z in (quantile, -quantile))
        return self.value - below, self.value - above

    def tail(self, distance: float, below: bool = False) -> float:
        """Probability that the error exceeds this many standard errors, upwards or `below`.

        The law of the error is Student's t if `df` is given, a gamma distribution (Pearson's type
        III) if it is skewed, and normal otherwise.
        """
        from scipy.special import gammainc, gammaincc, ndtr, stdtr

        twice = 2.0 if self.folded else 1.0
        if self.df is not None:
            return min(1.0, twice * float(stdtr(self.df, -distance)))
        if abs(self.skewness) < 1e-3:
            return min(1.0, twice * float(ndtr(-distance)))
        shape = 4.0 / self.skewness**2
        if (self.skewness > 0.0) == (not below):
            at = max(0.0, shape + distance * np.sqrt(shape))
            return min(1.0, twice * float(gammaincc(shape, at)))
        at = max(0.0, shape - distance * np.sqrt(shape))
        return min(1.0, twice * float(gammainc(shape, at)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ResampledEstimate(Estimate):
    """An estimate whose limits come from draws of its error (basic bootstrap).

    Attributes
    ----------
    draws : ndarray, shape (resamples,)
        Draws of the error, in the unit of the estimate.
    """

    draws: NDArray[np.float64]

    def ends(self, confidence: float) -> tuple[float, float]:
        """Ends of the interval by the quantiles of the draws."""
        assert self.value is not None
        tail = 0.5 * (1.0 - confidence)
        below, above = np.quantile(self.draws, [1.0 - tail, tail])
        return self.value - float(below), self.value - float(above)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioEstimate(Estimate):
    """An estimate above 0 whose limits are computed on the scale of logarithms."""

    def ends(self, confidence: float) -> tuple[float, float]:
        """Ends of the interval: the value divided and multiplied by one factor."""
        from scipy.special import ndtri

        assert self.value is not None
        assert self.error is not None
        if not self.value > 0.0:
            return -math.inf, math.inf
        factor = math.exp(float(ndtri(0.5 + 0.5 * confidence)) * self.error / self.value)
        return self.value / factor, self.value * factor


@dataclass(frozen=True, slots=True, kw_only=True)
class WidenedEstimate(Estimate):
    """An estimate whose bias is bounded on either side.

    Attributes
    ----------
    below, above : float
        How far the truth may be below and above the estimate's mean; at least 0.
    """

    below: float = 0.0
    above: float = 0.0

    def ends(self, confidence: float) -> tuple[float, float]:
        """Ends of the interval: those without bias, moved outwards by its bounds."""
        low, high = Estimate.ends(self, confidence)
        return low - self.below, high + self.above


def hall_quantile(z: float, skewness: float) -> float:
    """Quantile of a studentised mean of this skewness, from a normal quantile.

    It is the inverse of Hall's (1992) monotone cubic transformation.
    """
    if abs(skewness) < 1e-6:
        return z
    return float(3.0 / skewness * (np.cbrt(1.0 + skewness * (z - skewness / 6.0)) - 1.0))
