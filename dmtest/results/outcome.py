"""The records that a computation ends in: frozen, flat and self-describing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """Something seen in the data that a reader of the result has to know.

    Attributes
    ----------
    code : str
        Stable name, such as ``"duplicate-rows"``.
    message : str
        One sentence for a reader.
    count : int or None
        How many rows, columns or cells it concerns.
    """

    code: str
    message: str
    count: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """How large a departure is, on a scale that does not saturate with n.

    Attributes
    ----------
    name : str
        Stable name, such as ``"sliced-wasserstein-2"``.
    label : str
        The name for a reader.
    value : float or None
        The estimate; None when it is not estimable (`note` says why).
    low, high : float or None
        Confidence limits at `confidence`.
    confidence : float or None
        Confidence level of the interval.
    unit : str
        ``"nats"``, ``"standard deviations"``, ...
    note : str
        How it was computed, and what would be needed when it was not.
    """

    name: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    unit: str = ""
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One test of one sample.

    Attributes
    ----------
    test : str
        Registered name.
    statistic : float
        Value of the statistic; over slices, the registered reduction.
    pvalue : float
        Calibrated p-value; over slices, the global one.
    target : str
        The hypothesis.
    n, d : int
        Rows and columns tested.
    family : str
        ``"slices"`` or ``"pairs"``.
    method : str
        How the p-value was calibrated.
    replicates : int or None
        Monte Carlo replicates behind the p-value.
    pvalue_error : float or None
        Monte Carlo standard error of the p-value.
    params : dict
        Tuning parameters used.
    seed : int or None
        Entropy of the random streams; pass it as ``rng=`` to repeat the run.
    slices : int or None
        Number of directions projected on (slice tests only).
    reduction : str or None
        How the slices were reduced to `statistic`.
    worst_slice : int or None
        Index of the slice that departs most.
    worst_statistic : float or None
        The statistic of that slice.
    worst_pvalue : float or None
        Family-wise p-value of the worst slice, calibrated like `pvalue`.
    """

    test: str
    statistic: float
    pvalue: float
    target: str
    n: int
    d: int
    family: str
    method: str
    replicates: int | None = None
    pvalue_error: float | None = None
    params: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    slices: int | None = None
    reduction: str | None = None
    worst_slice: int | None = None
    worst_statistic: float | None = None
    worst_pvalue: float | None = None

    def rejects(self, alpha: float = 0.05) -> bool:
        """Whether the p-value is at most `alpha`."""
        return self.pvalue <= alpha

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPValue:
    """The paper's score: the mean p-value over random directions and subsamples.

    Attributes
    ----------
    test : str
        Registered name of the test that was averaged.
    mean : float
        The mean p-value: a score that tends to 1/2 under a perfect match, not
        a p-value.
    low, high : float
        Its asymptotic confidence interval over the draws.
    confidence : float
        Level of that interval.
    pvalue : float
        The valid p-value ``min(1, 2 * mean)`` (Rueschendorf 1982; Vovk & Wang
        2020).
    draws, subsample : int
        How many draws, and how many rows in each.
    target : str
        The hypothesis.
    n, d : int
        Rows and columns of the sample.
    method : str
        How the p-values that were averaged were computed.
    seed : int or None
        Entropy of the random streams.
    """

    test: str
    mean: float
    low: float
    high: float
    confidence: float
    pvalue: float
    draws: int
    subsample: int
    target: str
    n: int
    d: int
    method: str
    seed: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)
