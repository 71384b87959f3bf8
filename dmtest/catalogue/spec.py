"""The rows of the catalogue: records of tests of slices, of rows and of two samples.

A test is one row. A fact that holds for one test only is a field of its row, so that no module
outside the catalogue has to know a test by its name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from dmtest.catalogue.invariances import Invariance
from dmtest.results.shown import Shown
from dmtest.results.targets import NAMED
from dmtest.runtime.typing import Vector

if TYPE_CHECKING:
    from dmtest.engines.labelled_slices import LabelledStatistic
    from dmtest.engines.pool import Labels, Pool
    from dmtest.engines.rows import Asks, RowView, Values
    from dmtest.engines.slices import Parameters, SliceView
    from dmtest.statistics.pools.drawn import Measured
    from dmtest.statistics.pools.two_sample import Asks as PoolAsks

Family: TypeAlias = Literal["slices", "pairs", "sums", "search"]
Space: TypeAlias = Literal["lines", "residuals", "normal", "cube", "sphere", "draws", "two-sample"]
Needs: TypeAlias = Literal["moments", "values", "sorted", "rows"]
Tail: TypeAlias = Literal["upper", "lower", "two-sided"]

# All targets with a normal scale, and those of them that are fully specified.
ALL = tuple(t.name for t in sorted(NAMED, key=lambda t: not t.fitted) if t.normal_scale)
FITTED = tuple(t.name for t in NAMED if t.fitted)
SPECIFIED = tuple(t.name for t in NAMED if t.normal_scale and not t.fitted)
# Those that are uniform on the unit cube, as given or after a transform.
CUBE = ("uniform", "rosenblatt")
# All tests of slices: those of a law that is drawn from are brought to N(0, 1), too.
SLICED = (*ALL, "sampled")
# A null needs so many rows for every independent slice to settle, whatever the cap.
ROWS_PER_SLICE = 10


class SliceStatistic(Protocol):
    """A statistic of slices: (k,) values from the view of k slices."""

    def __call__(self, view: SliceView, /, *args: Any, **params: Any) -> Vector:
        """Evaluate it with tuning parameters."""
        ...


class RowStatistic(Protocol):
    """A statistic of whole rows: its value and the part of it that varies under the null.

    One that needs sums over pairs is a generator, which asks for them.
    """

    def __call__(self, view: RowView, /, *args: Any, **params: Any) -> Values | Asks:
        """Evaluate it with tuning parameters."""
        ...


class PoolStatistic(Protocol):
    """A statistic of two samples: its value under the observed and all permuted labellings.

    One that needs sums over pairs, or sorted slices, is a generator, which asks for them.
    """

    def __call__(
        self, pool: Pool, labels: Labels, /, *args: Any, **params: Any
    ) -> LabelledStatistic | PoolAsks:
        """Evaluate it with tuning parameters."""
        ...


class DrawStatistic(Protocol):
    """A statistic of a sample against a large draw of the law, with what the draw fixes."""

    def __call__(self, draw: Vector, seed: int, /, *args: Any, **params: Any) -> Measured:
        """Return the statistic as a function of the rows of a sample."""
        ...


class SliceLaw(Protocol):
    """A published null of a slice statistic: p-values of the statistics of n values each."""

    def __call__(self, statistic: Vector, n: int, /) -> Vector:
        """Return a p-value for each statistic."""
        ...


class RowLaw(Protocol):
    """A published null of a statistic of rows: its p-value for the sample of the view."""

    def __call__(self, statistic: float, view: RowView, /, *args: Any, **params: Any) -> float:
        """Return the p-value."""
        ...


class CapScale(Protocol):
    """Values at n rows as values at `cap` rows, for a statistic whose scale moves with n."""

    def __call__(self, values: Vector, n: int, cap: int, known: bool, /) -> Vector:
        """Return the equivalents at `cap` rows."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Spec(Shown):
    """Facts of every test, which ``dmtest tests --json`` shows.

    Attributes
    ----------
    name : str
    family : {"slices", "pairs", "sums", "search"}
        How it is computed: on slices; from sums over pairs of rows; from sums over
        rows; by a search over directions or frequencies.
    sees, reference, cost : str
        What it detects well; its source; its work in terms of n, d and k.
    space : {"lines", "residuals", "normal", "cube", "sphere", "draws", "two-sample"}
        What the statistic is computed from: slices, whitened rows, rows on normal scale, rows in
        the unit cube, rows of length 1, whitened scores and a large draw of the law, the pooled
        rows of two samples.
    needs : {"moments", "values", "sorted", "rows"}
        The part of these that it needs.
    targets : tuple of str
        Targets it tests; the first is its own.
    reduction : str
        How the values of slices become one statistic; "none" for tests of whole rows.
    tail : {"upper", "lower", "two-sided"}
        The side on which the statistic is worse.
    params : mapping
        Tuning parameters and their defaults.
    limits : mapping
        Values that a parameter may have beside positive ones, such as ``{"a": (inf,)}``.
    most : int or None
        Largest number of rows; more are refused.
    invariances : tuple of str
        Maps of the sample, on the scale of `space`, that leave the statistic of its own target
        unchanged, beside those that they imply and another order of the rows.
    """

    name: str
    family: Family
    sees: str
    reference: str
    cost: str
    space: Space
    needs: Needs
    targets: tuple[str, ...] = ALL
    reduction: str = "none"
    tail: Tail = "upper"
    params: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    most: int | None = None
    invariances: tuple[Invariance, ...] = ()

    def invariances_for(self, target: str) -> tuple[Invariance, ...]:
        """Return the maps that leave the statistic of a target unchanged."""
        return self.invariances

    @property
    def sign(self) -> float:
        """Factor that makes larger values of a one-sided statistic the worse ones."""
        return -1.0 if self.tail == "lower" else 1.0

    @property
    def signs(self) -> tuple[float, ...]:
        """Factors of the sides on which the statistic is worse."""
        return (1.0, -1.0) if self.tail == "two-sided" else (self.sign,)

    def to_dict(self) -> dict[str, Any]:
        """Return the row's facts as plain Python objects."""
        names = ("name", "family", "space", "tail", "needs", "reduction", "cost", "sees")
        row: dict[str, Any] = {name: getattr(self, name) for name in (*names, "reference")}
        row |= {"targets": list(self.targets), "params": dict(self.params)}
        return row | {"invariances": list(self.invariances)}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SliceTest(Spec):
    """A univariate test of slices: a statistic for every direction, averaged.

    Attributes
    ----------
    statistic : SliceStatistic
    cap : int or None
        Rows beyond which the null is simulated at `cap` rows, where the measured size holds
        (``benchmarks/level``); None if the null is always at n.
    to_cap : CapScale, optional
        Values at n rows as values at `cap` rows, for a statistic whose scale moves with n.
    published : mapping of "known", "fitted" to SliceLaw
        Published law of a slice with known or fitted parameters.
    unpublished : mapping of "known", "fitted" to str
        Clause that says why no law is published.
    mean_rows : float
        Rows of a subsample up to which :func:`dmtest.mean_pvalue` uses the published law of
        "fitted"; 0 if the mean of its p-values is not 1/2.
    invariances : tuple of str
        Of the statistic with fitted parameters.
    known_invariances : tuple of str
        Of the statistic with known parameters.
    """

    family: Family = field(default="slices", init=False)
    space: Space = field(default="lines", init=False)
    needs: Needs = "sorted"
    targets: tuple[str, ...] = SLICED
    reduction: str = field(default="mean", init=False)
    statistic: SliceStatistic
    cap: int | None = 5000
    to_cap: CapScale | None = None
    published: Mapping[Parameters, SliceLaw] = field(default_factory=dict)
    unpublished: Mapping[Parameters, str] = field(default_factory=dict)
    mean_rows: float = math.inf
    invariances: tuple[Invariance, ...] = ("triangular", "reflection")
    known_invariances: tuple[Invariance, ...] = ("reflection",)

    def invariances_for(self, target: str) -> tuple[Invariance, ...]:
        """Return the maps that leave the statistic of a target unchanged."""
        return self.invariances if target in FITTED else self.known_invariances

    def to_dict(self) -> dict[str, Any]:
        """Return the row's facts as plain Python objects."""
        return Spec.to_dict(self) | {"known_invariances": list(self.known_invariances)}

    def __post_init__(self) -> None:
        """Refuse a two-sided test, which no calibration handles."""
        if self.tail == "two-sided":
            raise ValueError(f"{self.name}: a worst slice has one side; register one row a side")

    def rows(self, n: int, d: int) -> int:
        """Rows to simulate the null at, for n rows and at most d independent slices."""
        return n if self.cap is None else min(n, max(self.cap, ROWS_PER_SLICE * d))

    def at_rows(self, values: Vector, n: int, rows: int, known: bool) -> Vector:
        """Values at n rows as values at `rows` rows."""
        return values if rows == n or self.to_cap is None else self.to_cap(values, n, rows, known)

    def why_unpublished(self, parameters: Parameters) -> str:
        """Return the clause that says why there is no published law."""
        return self.unpublished.get(parameters, "dmtest knows of no published formula")


@dataclass(frozen=True, slots=True)
class MeanLaw:
    """A published law whose p-values have mean 1/2 on large enough subsamples.

    Attributes
    ----------
    law : callable
        ``(varying, n, d)`` to p-values, from the varying parts of statistics.
    name : str
    rows_per_column : int
        Fewest rows of a subsample a column for which it is accurate.
    """

    law: Callable[[Vector, int, int], Vector]
    name: str
    rows_per_column: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RowTest(Spec):
    """A test of whole rows: whitened, on normal scale, in the unit cube or on the sphere.

    Attributes
    ----------
    statistic : RowStatistic
    features : RowStatistic, optional
        The statistic in time linear in n, from random frequencies, for large n.
    published : RowLaw, optional
    exact : str
        Name of the law when the published p-value is exact, such as ``"chi-squared"``.
    coloured : bool
        The null depends on the covariance: replicates are whitened rows coloured with the
        sample's own, which is exact given its mean and covariance.
    null_mean : callable, optional
        ``(n, d)`` to the exact mean of the statistic under the null, which shipped nulls use
        instead of an interpolated one.
    null_scale : callable, optional
        ``(n, d)`` to the limit of its standard deviation under the null.
    settles : bool
        Whether the shipped null holds for any number of rows; otherwise a test of many rows is
        computed from a random subsample.
    mean_law : MeanLaw, optional
        Law that :func:`dmtest.mean_pvalue` uses instead of Monte Carlo.
    work : callable, optional
        ``(n, d)`` to the multiply-adds of one evaluation; by default those of the family.
    default_columns : int or None
        Columns up to which a default battery includes it; None if there is no limit.
    """

    needs: Needs = field(default="rows", init=False)
    statistic: RowStatistic
    features: RowStatistic | None = None
    published: RowLaw | None = None
    exact: str = ""
    coloured: bool = False
    null_mean: Callable[[float, int], float] | None = None
    null_scale: Callable[[float, int], float] | None = None
    settles: bool = False
    mean_law: MeanLaw | None = None
    work: Callable[[int, int], float] | None = None
    default_columns: int | None = None

    def suits(self, d: int) -> bool:
        """Whether a default battery includes it for data with `d` columns."""
        return self.default_columns is None or d <= self.default_columns

    def operations(self, n: int, d: int) -> float:
        """Multiply-adds of one evaluation, roughly, which a budget limits."""
        if self.work is not None:
            return self.work(n, d)
        return float(n) ** 2 * (d + 16) if self.family == "pairs" else 16.0 * n * d


@dataclass(frozen=True, slots=True)
class LinearForm:
    """A statistic of two samples in time linear in n, used if all pairs exceed the budget.

    Attributes
    ----------
    statistic : PoolStatistic
    source : str
        What it is computed from, such as ``"512 random frequencies"``.
    work : callable
        ``(pooled rows, slices)`` to the multiply-adds of one labelling.
    """

    statistic: PoolStatistic
    source: str
    work: Callable[[float, int], float]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PoolTest(Spec):
    """A test of two samples, calibrated by permuting the labels of their pooled rows.

    Attributes
    ----------
    statistic : PoolStatistic
    linear : LinearForm, optional
        For a statistic of all pairs.
    work : callable, optional
        ``(pooled rows, slices)`` to the multiply-adds of one labelling; None if these are few
        beside the work that all labellings share.
    subset : callable, optional
        The pool to the number of its rows that are used, if that may not be all.
    """

    space: Space = field(default="two-sample", init=False)
    needs: Needs = field(default="rows", init=False)
    targets: tuple[str, ...] = ("reference",)
    statistic: PoolStatistic
    linear: LinearForm | None = None
    work: Callable[[float, int], float] | None = None
    subset: Callable[[Pool], int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DrawTest(Spec):
    """A test of a sample against a law that can be drawn from, calibrated by fresh draws.

    Attributes
    ----------
    statistic : DrawStatistic
        Its values are joined by min-p; the largest is reported.
    """

    space: Space = field(default="draws", init=False)
    needs: Needs = field(default="rows", init=False)
    targets: tuple[str, ...] = ("sampled",)
    statistic: DrawStatistic


OneSampleTest: TypeAlias = SliceTest | RowTest
