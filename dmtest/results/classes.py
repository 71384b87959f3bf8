"""The reports on the classes of one sample, with a summary of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from dmtest.errors import InputError
from dmtest.results import serial
from dmtest.results.figures import Numbers
from dmtest.results.outcome import Effect

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dmtest.results.report import Report


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatterFigure:
    """Rows in two columns, or in the plane in which the means of the classes differ most.

    Attributes
    ----------
    axes : (str, str)
        Names of the two axes; the second is empty for one column, whose height is random.
    classes : tuple of str
    codes : tuple of int
        Number of the class of every row.
    x, y : tuple of float
    circle : float or None
        Radius that holds 95% of the rows under the target.
    """

    axes: tuple[str, str]
    classes: tuple[str, ...]
    codes: tuple[int, ...]
    x: Numbers
    y: Numbers
    circle: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ClassReports(Mapping[str, "Report"]):
    """The reports on the classes of one sample, by name, with a summary.

    Attributes
    ----------
    reports : dict of str to Report
    adjusted : tuple of float
        Holm-adjusted global p-values of the classes.
    alpha : float
        Level of the verdicts, over all classes.
    name : str or None
        Column, key or file of the labels; None for an array.
    effects : dict of str to Effect
        Shares of the variance and of the divergence between and within classes.
    scatter : ScatterFigure or None
    """

    reports: dict[str, Report]
    adjusted: tuple[float, ...]
    alpha: float
    name: str | None = None
    effects: dict[str, Effect] = field(default_factory=dict)
    scatter: ScatterFigure | None = None

    def __getitem__(self, name: str) -> Report:
        return self.reports[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.reports)

    def __len__(self) -> int:
        return len(self.reports)

    @property
    def verdicts(self) -> dict[str, str]:
        """Verdict of every class, at level `alpha` over all classes."""
        found = {}
        for (name, report), adjusted in zip(self.items(), self.adjusted, strict=True):
            tolerant = report.provenance.tolerance is not None
            without = "inconclusive" if tolerant else "compatible"
            rejected = report.verdict != "mismatch" or adjusted <= self.alpha
            found[name] = report.verdict if rejected else without
        return found

    @property
    def verdict(self) -> str:
        """``"mismatch"`` if a class has it, else the weakest of the classes' verdicts."""
        found = set(self.verdicts.values())
        order = ("mismatch", "inconclusive", "compatible", "equivalent")
        return next(verdict for verdict in order if verdict in found)

    @property
    def pvalue(self) -> float:
        """P-value that every class follows the target: the smallest adjusted one."""
        return min(self.adjusted)

    def to_frame(self, backend: str = "pandas") -> Any:
        """Return one row for each class as a data frame of pandas or polars."""
        from dmtest.render import frames

        verdicts, reports = self.verdicts, list(self.values())
        bad = [verdict == "mismatch" for verdict in verdicts.values()]
        first = [
            one.diagnosis[0].message if wrong and one.diagnosis else ""
            for one, wrong in zip(reports, bad, strict=True)
        ]
        columns: dict[str, list[Any]] = {
            "label": list(self),
            "n": [one.n for one in reports],
            "verdict": list(verdicts.values()),
            "pvalue": [one.pvalue for one in reports],
            "adjusted": list(self.adjusted),
            "diagnosis": first,
        }
        return frames.table(columns, backend)

    def to_dict(self) -> dict[str, Any]:
        """Return the object ``"classes"`` of a report's JSON."""
        own = {f.name: serial.encode(getattr(self, f.name)) for f in fields(self)}
        own["reports"] = {name: report.to_dict() for name, report in self.items()}
        return own

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ClassReports:
        """Build the reports from the object ``"classes"`` of a report's JSON."""
        from dmtest.results.report import Report

        serial.expect(dict, data, "classes")
        reports = {str(name): Report.from_dict(one) for name, one in data["reports"].items()}
        effects = {name: serial.record(Effect, one) for name, one in data["effects"].items()}
        scatter = data["scatter"]
        if len(data["adjusted"]) != len(reports):
            raise InputError("classes: needs one adjusted p-value for each report")
        return cls(
            reports=reports,
            adjusted=tuple(serial.number(p) for p in data["adjusted"]),
            alpha=serial.number(data["alpha"]),
            name=data["name"],
            effects=effects,
            scatter=None if scatter is None else serial.record(ScatterFigure, scatter),
        )

    def plot(self, *, ax: Axes | None = None) -> Figure:
        """Draw the rows by class with matplotlib; see :meth:`Report.plot`.

        Raises
        ------
        InputError
            If there is no figure: rows have no normal scale under the target.
        """
        from dmtest.render.figures import class_figures

        return class_figures.drawn(self, ax)

    def __str__(self) -> str:
        """Return the summary as plain text."""
        from dmtest.render.text import tables

        return tables.text(self)

    def __rich_console__(self, console: Any, options: Any) -> Iterator[Any]:
        """Yield what ``console.print(classes)`` shows."""
        from dmtest.render.text import tables

        yield from tables.parts(self)

    def _repr_html_(self) -> str:
        """Return the HTML for notebooks."""
        from dmtest.render.page import tables

        return tables.fragment(self)

    def __repr__(self) -> str:
        bad = sum(verdict == "mismatch" for verdict in self.verdicts.values())
        return f"<ClassReports: {bad} of {len(self)} classes mismatch at alpha={self.alpha:g}>"
