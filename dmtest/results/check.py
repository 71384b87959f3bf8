"""The result of a check: named rows that pass or fail, and its output formats."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from dmtest.results import serial
from dmtest.results.outcome import Finding
from dmtest.results.report import Report
from dmtest.results.shown import Shown

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckRow(Shown):
    """One row of a check.

    Attributes
    ----------
    name : str
        Stable name, such as ``"kl-scale"`` or ``"max-kl"``.
    kind : {"verdict", "columns", "change", "effect", "limit", "comparison"}
        The verdict, lost columns, what moved (a column, a pair, a direction, rows), a departure,
        an absolute limit, or the two-sample comparison.
    label : str
        Name for readers.
    passed : bool or None
        None if it could not be compared; `message` says why.
    message : str
        One sentence for readers.
    value, baseline : float or None
        Values in the checked sample and in the baseline.
    difference, error : float or None
        `value` less `baseline`, and its standard error.
    pvalue : float or None
        P-value of the difference, adjusted for all comparisons of the check.
    limit : float or None
        Bound of `pvalue`; of `value` where `kind` is ``"limit"``.
    unit : str
        Unit of `value`, such as ``"nats"``.
    where : str
        The column, pair of columns or direction that moved most.
    """

    name: str
    kind: str
    label: str
    passed: bool | None
    message: str
    value: float | None = None
    baseline: float | None = None
    difference: float | None = None
    error: float | None = None
    pvalue: float | None = None
    limit: float | None = None
    unit: str = ""
    where: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckResult:
    """Whether an encoder is as good as its baseline, with all rows that were compared.

    Attributes
    ----------
    passed : bool
        True if no row failed.
    alpha : float
        Largest probability that a fresh sample of the same encoder fails (limits aside).
    rows : tuple of CheckRow
    report : Report
        Report on the checked data.
    baseline : dict or None
        Facts of the baseline: source, n, d, verdict, pvalue, version, created, sample_rows.
    warnings : tuple of Finding
        Findings about the data and about the baseline.
    """

    passed: bool
    alpha: float
    rows: tuple[CheckRow, ...]
    report: Report
    baseline: dict[str, Any] | None = None
    warnings: tuple[Finding, ...] = field(default_factory=tuple)

    def __bool__(self) -> bool:
        """Whether the check passed."""
        return self.passed

    @property
    def failures(self) -> tuple[CheckRow, ...]:
        """The rows that failed."""
        return tuple(row for row in self.rows if row.passed is False)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects, kind and schema first.

        A number that is not finite is the string ``"NaN"``, ``"Infinity"`` or ``"-Infinity"``.
        """
        return {
            "kind": "dmtest-check",
            "schema": SCHEMA,
            "passed": self.passed,
            "alpha": self.alpha,
            "rows": [serial.encode(row) for row in self.rows],
            "warnings": [serial.encode(item) for item in self.warnings],
            "baseline": serial.plain(self.baseline),
            "report": self.report.to_dict(),
        }

    def to_json(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return strict JSON, and write it to `path` when one is given."""
        return serial.output(serial.dumps(self.to_dict()) + "\n", path)

    def to_html(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return one self-contained HTML page, and write it when `path` is given.

        Parameters
        ----------
        path : path-like, optional
            File to write (UTF-8).

        Returns
        -------
        str
            The outcome, a picture of all comparisons, what failed, every row, and the report on the
            checked data with its advice. It has no scripts and loads nothing.
        """
        from dmtest.render.page.check import check_page

        return serial.output(check_page(self), path)

    def to_junit(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return JUnit XML with one test case per row, and write it when `path` is given."""
        from dmtest.render.text import ci

        return serial.output(ci.junit(self), path)

    def annotations(self) -> list[str]:
        """Return GitHub's workflow commands: an error per failure, a warning per finding."""
        from dmtest.render.text import ci

        return ci.commands(self)

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """Yield what ``console.print(result)`` shows."""
        from dmtest.render.text.check import parts as check_parts

        yield from check_parts(self, options)

    def __str__(self) -> str:
        """Return the check as plain text, 80 columns wide."""
        from dmtest.render.text import terminal

        return terminal.text(self)

    def _repr_html_(self) -> str:
        """Return the outcome and a table of all rows for notebooks, in their colours."""
        from dmtest.render import cards

        return cards.html(cards.card(self))

    def __repr__(self) -> str:
        """Return one line; the full text is ``str(result)``."""
        result = "passed" if self.passed else f"failed: {', '.join(r.name for r in self.failures)}"
        return f"<CheckResult {result}; {len(self.rows)} rows, alpha={self.alpha:g}>"
