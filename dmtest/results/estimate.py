"""Estimates of effects: bias removed, before they are cut off at 0.

Reports show an estimate as an `Effect` (:meth:`dmtest.results.effect_table.EffectRow.effect`),
checks compare it with that of a baseline as a `Departure` (:mod:`dmtest.checks.departures`).
"""

from __future__ import annotations

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
    noise: float | None = None
    batch: int | None = None
    note: str = ""

    def limits(self, confidence: float) -> tuple[float, float] | None:
        """Confidence limits, not cut off; None without a value or an error.

        Hall's transformation allows for a skewed error (:func:`hall_quantile`).
        """
        from scipy.special import ndtri  # late: pages are rendered without scipy

        if self.value is None or self.error is None:
            return None
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

    def limits(self, confidence: float) -> tuple[float, float] | None:
        """Confidence limits by the quantiles of the draws; None without a value."""
        if self.value is None:
            return None
        tail = 0.5 * (1.0 - confidence)
        below, above = np.quantile(self.draws, [1.0 - tail, tail])
        return self.value - float(below), self.value - float(above)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEstimate(Estimate):
    """A positive estimate; `error` is the standard error of its logarithm."""

    def limits(self, confidence: float) -> tuple[float, float] | None:
        """Confidence limits, equally many times below and above the value; None without one."""
        from scipy.special import ndtri

        if self.value is None or self.error is None:
            return None
        factor = float(np.exp(ndtri(0.5 + 0.5 * confidence) * self.error))
        return self.value / factor, self.value * factor


def hall_quantile(z: float, skewness: float) -> float:
    """Quantile of a studentised mean of this skewness, from a normal quantile.

    It is the inverse of Hall's (1992) monotone cubic transformation.
    """
    if abs(skewness) < 1e-6:
        return z
    return float(3.0 / skewness * (np.cbrt(1.0 + skewness * (z - skewness / 6.0)) - 1.0))
