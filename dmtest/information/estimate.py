"""Values of information in nats that carry their kind and their confidence bounds."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

Kind: TypeAlias = Literal["lower bound", "upper bound", "estimate", "score"]


class Estimate(float):
    """A float with its kind (bound or estimate of mutual information) and its confidence bounds.

    Attributes
    ----------
    kind : {"lower bound", "upper bound", "estimate", "score"}
        Bounds hold in expectation; a score is monotone in information but not in nats.
    method : str
        Name of the bound or estimator.
    low, high : float or None
        One-sided confidence bounds of the expectation, each at `confidence`, from disjoint
        batches; None with fewer than two batches.
    confidence : float or None
    batches, batch : int
        Number of batches, and rows of each.
    saturated : bool
        The value is close to the largest that the batch allows (log of its size), so the
        information may be much larger.
    error : float or None
        Standard error, with the bias that a normal twin of the sample shows.
    plain : float or None
        What the formula gives, also where that is known to fail.
    note : str
        Why the value is not estimable, and therefore NaN; or what else to know about it.
    """

    kind: Kind
    method: str
    low: float | None
    high: float | None
    confidence: float | None
    batches: int
    batch: int
    saturated: bool
    error: float | None
    plain: float | None
    note: str

    def __new__(cls, value: float, **facts: Any) -> Estimate:
        """Make an estimate from its value and the attributes above."""
        estimate = super().__new__(cls, value)
        defaults: dict[str, Any] = {"low": None, "high": None, "confidence": None}
        defaults |= {"batches": 1, "batch": 0, "saturated": False}
        defaults |= {"error": None, "plain": None, "note": ""}
        for name, fact in (defaults | facts).items():
            setattr(estimate, name, fact)
        return estimate

    def __getnewargs_ex__(self) -> tuple[tuple[float], dict[str, Any]]:
        """Return what pickling and copying need: the value and the attributes."""
        return (float(self),), dict(self.__dict__)

    def __repr__(self) -> str:
        """Show the value, its kind and its interval; or why there is none."""
        if np.isnan(self) and self.note:
            return f"<{self.note}; {self.kind}, {self.method}>"
        parts = [f"{float(self):.6g}" if self.kind == "score" else f"{float(self):.6g} nats"]
        parts.append(f"{self.kind}, {self.method}")
        if self.low is not None and self.high is not None:
            parts.append(f"[{self.low:.4g}, {self.high:.4g}] at {self.confidence:g} on each side")
        if self.saturated:
            parts.append("saturated")
        if self.kind == "estimate" and "KSG" in self.method and self < 0.0:
            parts.append("negative by chance or bias: the information is at least 0")
        if self.note:
            parts.append(self.note)
        return f"<{'; '.join(parts)}>"


def not_estimable(plain: float, why: str, **facts: Any) -> Estimate:
    """Return NaN as an estimate, with the formula's value beside it."""
    note = f"not estimable: {why}"
    return Estimate(float("nan"), kind="estimate", plain=plain, note=note, **facts)


def confidence_bounds(
    values: NDArray[np.float64], confidence: float, comparisons: int = 1
) -> tuple[float, float] | tuple[None, None]:
    """One-sided confidence bounds of a mean from independent batches, by Student's t.

    Parameters
    ----------
    values : ndarray, shape (batches,)
        Means of the batches.
    confidence : float
        Probability with which the bounds hold: each alone if `comparisons` is 1.
    comparisons : int
        Number of bounds that have to hold jointly (Bonferroni).

    Returns
    -------
    low, high : float, or None with fewer than two batches
        An infinite batch leaves its own side unbounded.
    """
    count = len(values)
    if count < 2:
        return None, None
    if not np.isfinite(values).all():
        return -np.inf, np.inf
    quantile = float(stdtrit(count - 1, 1.0 - (1.0 - confidence) / comparisons))
    # A bound made of exponentials can be so negative that its square overflows.
    unit = max(float(np.abs(values).max()), 1e-300)
    margin = quantile * float((values / unit).std(ddof=1)) * (unit / float(np.sqrt(count)))
    return float(values.mean()) - margin, float(values.mean()) + margin
