"""One row for every test: name, hypothesis, family, function, cost and source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from dmtest.errors import InputError
from dmtest.statistics import charfun, edf, moments, pairs, regression, spacings
from dmtest.statistics.limits import kolmogorov_scale, kuiper_scale

__all__ = ["DEFAULT_BATTERY", "TESTS", "Spec", "as_tests", "list_tests"]

Family: TypeAlias = Literal["slices", "pairs"]
ALL = ("any-normal", "normal", "uniform", "product")
# Fewer rows than this for every independent line have not settled, whatever the cap.
ROWS_PER_LINE = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What dmtest knows about one test.

    Attributes
    ----------
    name : str
    family : {"slices", "pairs"}
        How it is computed.
    statistic : callable
        Slices: from a :class:`~dmtest.engines.slices.SliceView` to (k,). Pairs: from
        scaled residuals to (statistic, its varying part).
    targets : tuple of str
        Hypotheses it tests; the first is its own.
    tail : {"upper", "lower"}
        On which side the statistic is worse.
    needs : {"moments", "values", "sorted", "residuals"}
        What it is computed from.
    cap : int or None
        Rows above which the null is simulated at `cap` instead of n, because the size has
        been measured to hold (``benchmarks/level``); None where it always is at n.
    to_cap : callable, optional
        ``(values, n, cap, known)`` to the values' equivalents at n = cap, where the
        statistic's scale moves with n.
    params : mapping
        Tuning parameters and their defaults.
    cost, sees, reference : str
        For the documentation: work in n, d and k; what it is good at; the source.
    """

    name: str
    family: Family
    statistic: Callable[..., Any]
    sees: str
    reference: str
    cost: str
    targets: tuple[str, ...] = ALL
    tail: Literal["upper", "lower"] = "upper"
    needs: Literal["moments", "values", "sorted", "residuals"] = "sorted"
    reduction: str = "mean"
    cap: int | None = 5000
    to_cap: Callable[..., Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sign(self) -> float:
        """Factor that makes larger values of the statistic the worse ones."""
        return 1.0 if self.tail == "upper" else -1.0

    def rows(self, n: int, d: int) -> int:
        """Rows to simulate the null at, for n rows and at most d independent lines."""
        return n if self.cap is None else min(n, max(self.cap, ROWS_PER_LINE * d))

    def at_rows(self, values: Any, n: int, rows: int, known: bool) -> Any:
        """Give the equivalents at `rows` rows of the statistic's values at n rows."""
        return values if rows == n or self.to_cap is None else self.to_cap(values, n, rows, known)

    def to_dict(self) -> dict[str, Any]:
        """Return the row's facts as plain Python objects."""
        names = ("name", "family", "tail", "needs", "reduction", "cost", "sees", "reference")
        row: dict[str, Any] = {name: getattr(self, name) for name in names}
        return row | {"targets": list(self.targets), "params": dict(self.params)}


_SORT = "k n (d + log n)"

_ROWS = (
    Spec(
        name="dagostino-pearson",
        family="slices",
        statistic=moments.dagostino_pearson,
        needs="moments",
        cost="k n d",
        sees="skewness and tail weight of slices",
        reference="D'Agostino & Pearson 1973",
    ),
    Spec(
        name="shapiro-wilk",
        family="slices",
        statistic=regression.shapiro_wilk,
        tail="lower",
        cap=None,
        cost=_SORT,
        sees="most shapes of slices, tails above all",
        reference="Shapiro & Wilk 1965; Royston 1995",
    ),
    Spec(
        name="shapiro-francia",
        family="slices",
        statistic=regression.shapiro_francia,
        tail="lower",
        cap=None,
        cost=_SORT,
        sees="heavy tails of slices",
        reference="Shapiro & Francia 1972; Royston 1993",
    ),
    Spec(
        name="anderson-darling",
        family="slices",
        statistic=edf.anderson_darling,
        cost=_SORT,
        sees="shape, location and scale of slices, tails weighted up",
        reference="Anderson & Darling 1954; Stephens 1974",
    ),
    Spec(
        name="cramer-von-mises",
        family="slices",
        statistic=edf.cramer_von_mises,
        cost=_SORT,
        sees="the middle of slices",
        reference="Cramer 1928; von Mises 1931; Stephens 1974",
    ),
    Spec(
        name="kolmogorov-smirnov",
        family="slices",
        statistic=edf.kolmogorov_smirnov,
        to_cap=kolmogorov_scale,
        cost=_SORT,
        sees="the largest gap between cdfs; Lilliefors' test when fitted",
        reference="Kolmogorov 1933; Lilliefors 1967",
    ),
    Spec(
        name="kuiper",
        family="slices",
        statistic=edf.kuiper,
        to_cap=kuiper_scale,
        cost=_SORT,
        sees="spread and clusters of slices",
        reference="Kuiper 1960; Stephens 1970",
    ),
    Spec(
        name="watson",
        family="slices",
        statistic=edf.watson,
        cost=_SORT,
        sees="spread and clusters of slices",
        reference="Watson 1961; Stephens 1970",
    ),
    Spec(
        name="jarque-bera",
        family="slices",
        statistic=moments.jarque_bera,
        needs="moments",
        cap=20_000,
        cost="k n d",
        sees="skewness and heavy tails of slices",
        reference="Jarque & Bera 1980",
    ),
    Spec(
        name="epps-pulley",
        family="slices",
        statistic=charfun.epps_pulley,
        needs="values",
        cost="k n d",
        sees="most shapes of slices, clusters and skewness above all",
        reference="Epps & Pulley 1983; Baringhaus & Henze 1988",
    ),
    Spec(
        name="vasicek",
        family="slices",
        statistic=spacings.vasicek,
        tail="lower",
        cap=None,
        params={"window": None},
        cost=_SORT,
        sees="light tails, repeated values and gaps in slices",
        reference="Vasicek 1976; Arizono & Ohta 1989",
    ),
    Spec(
        name="henze-zirkler",
        family="pairs",
        cap=None,
        statistic=pairs.henze_zirkler,
        needs="residuals",
        reduction="none",
        params={"beta": None},
        cost="n^2 d",
        sees="most joint shapes in low dimension; little above d = 32",
        reference="Henze & Zirkler 1990",
    ),
)

TESTS: dict[str, Spec] = {row.name: row for row in _ROWS}

# Tails, shape and clusters, location and scale, and one number that a reader can picture.
DEFAULT_BATTERY = ("anderson-darling", "dagostino-pearson", "epps-pulley", "kolmogorov-smirnov")


def as_tests(tests: str | Iterable[str] | None, target: str) -> tuple[Spec, ...]:
    """Resolve names to rows: one name, several, ``"all"``, or None for the default battery.

    Raises
    ------
    InputError
        If a name is unknown or given twice, or its test does not apply to `target`.
    """
    if tests is None:
        names = list(DEFAULT_BATTERY)
    elif isinstance(tests, str):
        names = list(TESTS) if tests == "all" else [t.strip() for t in tests.split(",")]
    else:
        names = list(tests)
    if not names:
        raise InputError("tests: got no name; give at least one, or None for the default battery.")
    for name in names:
        if not isinstance(name, str) or name not in TESTS:
            raise InputError(f"tests: got {name!r}; known are {', '.join(TESTS)} (or 'all').")
        if names.count(name) > 1:
            raise InputError(f"tests: {name!r} is given {names.count(name)} times; give it once.")
        if target not in TESTS[name].targets:
            raise InputError(
                f"tests: {name!r} does not test target {target!r}; it tests "
                f"{', '.join(TESTS[name].targets)}."
            )
    return tuple(TESTS[name] for name in names)


def list_tests(target: str | None = None) -> list[Spec]:
    """Return the registered tests, or those of one target.

    Parameters
    ----------
    target : str, optional
        ``"normal"``, ``"any-normal"``, ``"uniform"`` or ``"product"``.
    """
    if target is not None and target not in ALL:
        raise InputError(f"target: got {target!r}; tests are listed for {', '.join(ALL)}.")
    return [row for row in TESTS.values() if target is None or target in row.targets]
