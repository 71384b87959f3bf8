"""What dmtest knows about one test: the fields of a row of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["ALL", "Family", "Space", "Spec"]

Family: TypeAlias = Literal["slices", "pairs", "sums", "search"]
Space: TypeAlias = Literal["lines", "residuals", "normal", "cube", "sphere", "two-sample"]
# Every hypothesis that is brought to normal scale.
ALL = ("any-normal", "normal", "uniform", "product")
# Fewer rows than this for every independent line have not settled, whatever the cap.
ROWS_PER_LINE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What dmtest knows about one test.

    Attributes
    ----------
    name : str
    family : {"slices", "pairs", "sums", "search"}
        How it is computed: on projections; from sums over pairs of rows; from sums over
        rows; by a search over directions or frequencies.
    space : {"lines", "residuals", "normal", "cube", "sphere", "two-sample"}
        What it is a statistic of: slices, whitened rows, rows on normal scale, rows in the
        unit cube, rows of length 1, the pooled rows of two samples.
    statistic : callable
        Slices: from a :class:`~dmtest.engines.slices.SliceView` to (k,). Others: from a
        :class:`~dmtest.engines.rows.RowView` to (statistic, its varying part), or a generator
        that asks for sums over pairs. Two-sample: from a :class:`~dmtest.engines.pool.Pool` and
        its labellings to a value for each.
    targets : tuple of str
        Hypotheses it tests; the first is its own.
    tail : {"upper", "lower", "two-sided"}
        On which side the statistic is worse.
    needs : {"moments", "values", "sorted", "rows"}
        What it is computed from.
    cap : int or None
        Rows above which the null is simulated at `cap` instead of n, because the size has
        been measured to hold (``benchmarks/level``); None where it always is at n.
    to_cap : callable, optional
        ``(values, n, cap, known)`` to the values' equivalents at n = cap, where the
        statistic's scale moves with n.
    params : mapping
        Tuning parameters and their defaults.
    limits : mapping
        Values of a parameter beside the positive numbers, such as ``{"a": (inf,)}``.
    published : callable, optional
        ``(statistic, view, **params)`` to the published p-value; slices have theirs in
        :mod:`dmtest.statistics.laws.slice_laws`.
    exact : str
        Name of the law when the published p-value is exact, such as ``"chi-squared"``.
    coloured : bool
        The null depends on the covariance: replicates are whitened rows coloured with the
        sample's own, which is exact given its mean and covariance.
    features : callable, optional
        The statistic in time linear in n, from random frequencies, for large n.
    most : int or None
        Rows that the statistic can be computed of at most: more are refused.
    work : callable, optional
        ``(n, d)`` to the work of one evaluation, in multiply-adds; by default that of the
        family.
    cost, sees, reference : str
        For the documentation: work in n, d and k; what it is good at; the source.
    """

    name: str
    family: Family
    statistic: Callable[..., Any]
    sees: str
    reference: str
    cost: str
    space: Space = "lines"
    targets: tuple[str, ...] = ALL
    tail: Literal["upper", "lower", "two-sided"] = "upper"
    needs: Literal["moments", "values", "sorted", "rows"] = "sorted"
    reduction: str = "mean"
    cap: int | None = 5000
    to_cap: Callable[..., Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    published: Callable[..., float] | None = None
    exact: str = ""
    coloured: bool = False
    features: Callable[..., Any] | None = None
    most: int | None = None
    work: Callable[[int, int], float] | None = None

    def __post_init__(self) -> None:
        """Refuse what no calibration handles."""
        if self.family == "slices" and self.tail == "two-sided":
            raise ValueError(f"{self.name}: a worst slice has one side; register one row a side")

    @property
    def sign(self) -> float:
        """Factor that makes larger values of a one-sided statistic the worse ones."""
        return -1.0 if self.tail == "lower" else 1.0

    @property
    def signs(self) -> tuple[float, ...]:
        """Factors of the sides on which the statistic is worse."""
        return (1.0, -1.0) if self.tail == "two-sided" else (self.sign,)

    def rows(self, n: int, d: int) -> int:
        """Rows to simulate the null at, for n rows and at most d independent lines."""
        return n if self.cap is None else min(n, max(self.cap, ROWS_PER_LINE * d))

    def at_rows(self, values: Any, n: int, rows: int, known: bool) -> Any:
        """Give the equivalents at `rows` rows of the statistic's values at n rows."""
        return values if rows == n or self.to_cap is None else self.to_cap(values, n, rows, known)

    def operations(self, n: int, d: int) -> float:
        """Multiply-adds of one evaluation, roughly: what a budget is spent on."""
        if self.work is not None:
            return self.work(n, d)
        return float(n) ** 2 * (d + 16) if self.family == "pairs" else 16.0 * n * d

    def to_dict(self) -> dict[str, Any]:
        """Return the row's facts as plain Python objects."""
        names = ("name", "family", "space", "tail", "needs", "reduction", "cost", "sees")
        row: dict[str, Any] = {name: getattr(self, name) for name in (*names, "reference")}
        return row | {"targets": list(self.targets), "params": dict(self.params)}
