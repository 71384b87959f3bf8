"""The result of a check: named rows that pass or fail, and the ways to pass it on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any

from dmtest.results import serial
from dmtest.results.outcome import Finding
from dmtest.results.report import Report

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One thing that was checked.

    Attributes
    ----------
    name : str
        Stable name, such as ``"kl-scale"`` or ``"max-kl"``.
    kind : {"verdict", "effect", "limit", "comparison"}
    label : str
        The name for a reader.
    passed : bool or None
        None where it could not be compared; `message` says why.
    message : str
        One sentence for a reader.
    value, baseline : float or None
        Now and then.
    difference, error : float or None
        `value` less `baseline`, and the standard error of that.
    pvalue : float or None
        Of the test of the difference; with several effects, adjusted for all of them (Holm).
    limit : float or None
        What `pvalue`, or the value itself where `kind` is ``"limit"``, was compared with.
    unit : str
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

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckResult:
    """Whether an encoder is as good as its baseline, with what was compared.

    Attributes
    ----------
    passed : bool
        True when no row failed.
    alpha : float
        Chance, at most, that a fresh sample of the same encoder fails (limits aside).
    rows : tuple of CheckRow
    report : Report
        Of the data that were checked.
    baseline : dict or None
        What is known of the baseline: source, n, verdict, version, created, rows of its sample.
    warnings : tuple of Finding
        What a reader has to know of the comparison.
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
        return _written(serial.dumps(self.to_dict()) + "\n", path)

    def to_junit(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return JUnit XML, a test case for each row, and write it when `path` is given."""
        from dmtest.render.text import ci

        return _written(ci.junit(self), path)

    def annotations(self) -> list[str]:
        """Return GitHub's workflow commands: an error for each failure, a warning for each note."""
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
        """Return the text for a notebook, in its own colours."""
        return f"<pre>{escape(str(self))}</pre>"

    def __repr__(self) -> str:
        """Return one line; the full text is ``str(result)``."""
        said = "passed" if self.passed else f"failed: {', '.join(r.name for r in self.failures)}"
        return f"<CheckResult {said}; {len(self.rows)} rows, alpha={self.alpha:g}>"


def _written(text: str, path: str | os.PathLike[str] | None) -> str:
    if path is not None:
        serial.write(path, text)
    return text
