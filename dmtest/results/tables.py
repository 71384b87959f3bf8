"""Tables of columns and rows: what `univariate`, `outliers` and ``report(rows=True)`` return."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from dmtest.errors import InputError
from dmtest.results import serial
from dmtest.results.outcome import Finding, Outcome

if TYPE_CHECKING:
    import os

    from rich.console import Console, ConsoleOptions, RenderableType

SCHEMA = 1


class _Shown:
    """What both tables show: text, HTML and JSON."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects; numbers that are not finite are strings."""
        kind = type(self).__name__.lower()
        return {"schema": SCHEMA, "kind": kind} | dict(serial.encode(self))

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return strict JSON, and write it to `path` when one is given."""
        return serial.output(serial.dumps(self.to_dict()) + "\n", path)

    def __str__(self) -> str:
        """Return the table as plain text, at least 80 columns wide."""
        from dmtest.render.text import tables

        return tables.text(self)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield what ``console.print(table)`` shows."""
        from dmtest.render.text import tables

        yield from tables.parts(self)

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks."""
        from dmtest.render.page import tables

        return tables.fragment(self)


def _read(kind: type[Any], path_or_text: str | os.PathLike[str]) -> Any:
    """Read a table that `to_json` wrote."""
    text, name = serial.read(path_or_text)
    data = serial.loads(text, name)
    word = kind.__name__.lower()
    if (data.get("schema"), data.get("kind")) != (SCHEMA, word):
        raise InputError(f'{name}: holds no "kind": "{word}" of schema {SCHEMA}')
    try:
        return serial.record(kind, data)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{name}: not a complete table ({error}); write it with to_json") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnTests:
    """One column of a table of univariate tests.

    Attributes
    ----------
    column : str
    label : str or None
        The class, if the table is by class.
    n : int
    anderson_darling, anderson_darling_pvalue, anderson_darling_adjusted : float or None
        Statistic with fitted mean and variance, its p-value (Stephens), and Holm's over the table;
        None for a constant column.
    shapiro_wilk, shapiro_wilk_pvalue, shapiro_wilk_adjusted : float or None
        The same by Royston (1995); None also above 5,000 rows.
    mean, sd, median, minimum, maximum, lower_quartile, upper_quartile : float
        The standard deviation has n - 1 in its denominator; quartiles interpolate linearly.
    skewness, kurtosis : float or None
        m3 / m2^1.5 and m4 / m2^2 - 3, with moments that divide by n.
    distinct : int
        Number of distinct values.
    transformation : {"", "box-cox", "yeo-johnson"}
        The power transformation that is suggested; empty if none is.
    power : float or None
        Its exponent: a round number if the 95% interval holds one.
    power_low, power_high : float or None
        That interval, by the profile likelihood.
    pvalue_after : float or None
        P-value of Anderson-Darling after it. The exponent is of the same rows, so it describes
        how well the transformation works and is no evidence of normality.
    """

    column: str
    label: str | None = None
    n: int
    anderson_darling: float | None = None
    anderson_darling_pvalue: float | None = None
    anderson_darling_adjusted: float | None = None
    shapiro_wilk: float | None = None
    shapiro_wilk_pvalue: float | None = None
    shapiro_wilk_adjusted: float | None = None
    mean: float
    sd: float
    median: float
    minimum: float
    maximum: float
    lower_quartile: float
    upper_quartile: float
    skewness: float | None = None
    kurtosis: float | None = None
    distinct: int
    transformation: str = ""
    power: float | None = None
    power_low: float | None = None
    power_high: float | None = None
    pvalue_after: float | None = None

    @property
    def adjusted(self) -> float | None:
        """P-value of the column: twice the smaller of its two adjusted ones, at most 1."""
        both = [
            p for p in (self.anderson_darling_adjusted, self.shapiro_wilk_adjusted) if p is not None
        ]
        return min(1.0, len(both) * min(both)) if both else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassOutcome:
    """A test of all columns together; `label` is the class, or None for all rows."""

    label: str | None = None
    outcome: Outcome
    adjusted: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Univariate(_Shown):
    """Univariate normality of every column, and the multivariate tests beside it.

    Attributes
    ----------
    columns : tuple of ColumnTests
        In the order of the data; with classes, class by class.
    multivariate : tuple of ClassOutcome
        Tests of all columns together, with Holm's p-values over them; empty for one column.
    alpha : float
    n, d : int
    by : str or None
        Name of the labels; None for an array, or without classes.
    findings : tuple of Finding
        What was left out, and why.
    """

    columns: tuple[ColumnTests, ...]
    multivariate: tuple[ClassOutcome, ...] = ()
    alpha: float
    n: int
    d: int
    by: str | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def rejected(self) -> tuple[ColumnTests, ...]:
        """Columns that are not normal at level `alpha`, over all columns and both tests."""
        return tuple(
            one for one in self.columns if one.adjusted is not None and one.adjusted <= self.alpha
        )

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[ColumnTests]:
        return iter(self.columns)

    def __getitem__(self, which: str | int | tuple[str, str]) -> ColumnTests:
        """Return a row by number, by the name of its column, or by (class, column)."""
        if isinstance(which, int):
            return self.columns[which]
        label, name = which if isinstance(which, tuple) else (None, which)
        for one in self.columns:
            if one.column == name and label in (None, one.label):
                return one
        raise KeyError(which)

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return one row for each column as a data frame of pandas or polars."""
        from dmtest.render import frames

        names = [f.name for f in fields(ColumnTests)]
        if not any(one.label for one in self.columns):
            names.remove("label")
        records = {name: [getattr(one, name) for one in self.columns] for name in names}
        return frames.table(records, backend)

    @classmethod
    def from_json(cls, path_or_text: str | os.PathLike[str]) -> Univariate:
        """Read a table that `to_json` wrote."""
        found: Univariate = _read(cls, path_or_text)
        return found

    def __repr__(self) -> str:
        return (
            f"<Univariate: {len(self.rejected)} of {len(self.columns)} columns not normal at "
            f"alpha={self.alpha:g}, n={self.n}, d={self.d}>"
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Outliers(_Shown):
    """A score for every row, its p-value, and the rows that stand out.

    Attributes
    ----------
    scores : tuple of float
        One for each row, larger is farther out; `score` says what it is.
    pvalues : tuple of float
        P-value of every row by itself.
    adjusted : tuple of float
        P-values adjusted over the rows by `rule`.
    outlier : tuple of bool
        Whether a row stands out.
    rows : tuple of int
        Indices of the rows in the data as passed in, from 0.
    names : tuple of str
        Names of the rows, from the index of a data frame; empty if there are none.
    labels : tuple of str
        Classes of the rows; empty without classes.
    score, method, rule : str
        What the score is, how p-values were calibrated, and how rows were chosen.
    alpha : float
        Level of the rule.
    cutoff : float or None
        Scores from this on stand out; None where it differs between classes, or no score is large
        enough.
    target : str
    n, d : int
    findings : tuple of Finding
    """

    scores: tuple[float, ...]
    pvalues: tuple[float, ...]
    adjusted: tuple[float, ...]
    outlier: tuple[bool, ...]
    rows: tuple[int, ...]
    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    score: str
    method: str
    rule: str
    alpha: float
    cutoff: float | None = None
    target: str
    n: int
    d: int
    findings: tuple[Finding, ...] = ()

    @property
    def flagged(self) -> tuple[int, ...]:
        """Indices of the rows that stand out, in the data as passed in, farthest first."""
        return tuple(self.rows[i] for i in self.places)

    @property
    def places(self) -> tuple[int, ...]:
        """Positions in `scores` of the rows that stand out, farthest first."""
        found = [i for i, out in enumerate(self.outlier) if out]
        return tuple(sorted(found, key=lambda i: (self.pvalues[i], -self.scores[i])))

    def __len__(self) -> int:
        return len(self.scores)

    def _records(self) -> dict[str, list[Any]]:
        records: dict[str, list[Any]] = {"row": list(self.rows)}
        if self.names:
            records["name"] = list(self.names)
        if self.labels:
            records["label"] = list(self.labels)
        for name in ("scores", "pvalues", "adjusted", "outlier"):
            records[name.removesuffix("s")] = list(getattr(self, name))
        return records

    def to_frame(self, backend: str = "pandas", *, flagged: bool = False) -> Any:
        """Return one row for each row of the data as a data frame of pandas or polars.

        Parameters
        ----------
        backend : {"pandas", "polars"}
        flagged : bool
            Whether to return only the rows that stand out, farthest first.
        """
        from dmtest.render import frames

        records = self._records()
        if flagged:
            records = {name: [values[i] for i in self.places] for name, values in records.items()}
        return frames.table(records, backend)

    def to_csv(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return one line for each row of the data as CSV, and write it when `path` is given."""
        import csv
        import io

        records, text = self._records(), io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(records)
        writer.writerows(zip(*records.values(), strict=True))
        return serial.output(text.getvalue(), path)

    @classmethod
    def from_json(cls, path_or_text: str | os.PathLike[str]) -> Outliers:
        """Read a table that `to_json` wrote."""
        found: Outliers = _read(cls, path_or_text)
        return found

    def __repr__(self) -> str:
        return (
            f"<Outliers: {len(self.flagged)} of {self.n} rows stand out ({self.rule}, "
            f"alpha={self.alpha:g}), target={self.target!r}, d={self.d}>"
        )
