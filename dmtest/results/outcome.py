"""Records of results: findings, effects, outcomes of tests, mean p-values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from dmtest.results.advice import ADVICE
from dmtest.results.shown import Shown


@dataclass(frozen=True, slots=True, repr=False)
class Finding(Shown):
    """Something noticed in the data, in a sentence and with a count, and what to do about it.

    Attributes
    ----------
    code : str
        Stable name, such as ``"duplicate-rows"``.
    message : str
        One sentence for readers.
    count : int or None
        Number of rows, columns or cells that it concerns.
    advice : str
        Its usual cause and the cure; text in backticks is code that runs. By default the advice on
        its code.
    """

    code: str
    message: str
    count: int | None = None
    advice: str = ""

    def __post_init__(self) -> None:
        """Give the advice on the code where there is no other."""
        if not self.advice:
            object.__setattr__(self, "advice", ADVICE.get(self.code, ""))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Effect(Shown):
    """The size of a departure, on a scale that does not grow with n.

    Attributes
    ----------
    name : str
        Stable name, such as ``"sliced-wasserstein-2"``.
    label : str
        Name for readers.
    value : float or None
        The estimate; None if it is not estimable (`note` says why).
    low, high : float or None
        Confidence limits at `confidence`.
    confidence : float or None
        Confidence level of the interval.
    unit : str
        ``"nats"``, ``"standard deviations"``, ...
    note : str
        Method of the estimate, or what an estimate would need.
    yardsticks : dict of str to float
        The same effect of named departures; of a divergence after noise, at the same noise.
    """

    name: str
    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    confidence: float | None = None
    unit: str = ""
    note: str = ""
    yardsticks: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outcome(Shown):
    """One test of one sample; ``statistic, pvalue = outcome`` unpacks it.

    Attributes
    ----------
    test : str
        Name of the test.
    statistic : float
        Value of the statistic; for tests of slices, reduced over slices.
    pvalue : float
        Calibrated p-value; for tests of slices, over all slices.
    target : str
        Name of the target.
    n, d : int
        Rows and columns tested.
    family : str
        ``"slices"`` or ``"pairs"``.
    method : str
        Calibration of the p-value.
    replicates : int or None
        Monte Carlo replicates behind the p-value.
    pvalue_error : float or None
        Monte Carlo standard error of the p-value.
    params : dict
        Tuning parameters used.
    seed : int or None
        Seed; pass it as ``rng=`` to repeat the run.
    slices : int or None
        Number of slices (tests of slices only).
    reduction : str or None
        Reduction of the slices to `statistic`, such as the mean.
    worst_slice : int or None
        Index of the slice that departs most.
    worst_statistic : float or None
        Statistic of that slice.
    worst_pvalue : float or None
        Family-wise p-value of the worst slice, calibrated like `pvalue`.
    pvalue_floor : float or None
        Smallest p-value that the null can give; None for a published law.
    rows : int or None
        Rows that `statistic` was computed from: fewer than n where a test used a random
        subsample, or the half that the worst directions were not searched on. Of two samples,
        the rows of both. None in reports of dmtest versions that did not store it.
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
    pvalue_floor: float | None = None
    rows: int | None = None

    def __iter__(self) -> Iterator[float]:
        """Yield statistic and p-value, for ``statistic, pvalue = outcome`` as with scipy."""
        yield self.statistic
        yield self.pvalue

    def rejects(self, alpha: float = 0.05) -> bool:
        """Whether the p-value is at most `alpha`."""
        return self.pvalue <= alpha

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MeanPValue(Shown):
    """The paper's score: the mean p-value over random directions and subsamples.

    Attributes
    ----------
    test : str
        Name of the test.
    mean : float
        The mean p-value. It is no p-value itself, but a score that tends to 1/2 for a perfect
        match.
    low, high : float
        Asymptotic confidence limits of the mean over fresh samples of n rows: they allow for the
        choice of draws and for the rows that draws from one sample share.
    confidence : float
        Confidence of these limits.
    pvalue : float
        The valid p-value ``min(1, 2 * mean)`` (Rueschendorf 1982; Vovk & Wang
        2020).
    draws, subsample : int
        Number of draws, and rows in each.
    target : str
        Name of the target.
    n, d : int
        Rows and columns of the sample.
    method : str
        Calibration of the single p-values.
    seed : int or None
        Seed; pass it as ``rng=`` to repeat the run.
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
