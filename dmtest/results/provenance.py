"""The facts of a run: its data, arguments, software and time, and the call that repeats it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from dmtest.results import serial
from dmtest.results.equivalence import Equivalence

# Keys of a report's "computed" in the order of schema 1, for one sample and for two.
ONE_SAMPLE = (
    *("source", "dtype", "groups", "tests", "slices", "replicates", "pvalue_error", "pvalue_floor"),
    *("rows_in_pictures", "version", "numpy", "seconds", "created"),
    *("tolerance", "certified_under", "rows_needed", "equivalence", "arguments"),
    *("described", "call", "command"),
)
TWO_SAMPLES = (
    *("source", "reference", "reference_rows", "dtype", "tests", "described"),
    *("slices", "replicates", "pvalue_error", "pvalue_floor"),
    *("version", "numpy", "seconds", "created", "arguments", "call", "command"),
)
# Keys that are written as null if there is no value; keys that belong to a tolerance.
NULLABLE = frozenset({"source", "reference", "pvalue_error", "pvalue_floor"})
CERTIFIED = frozenset({"certified_under", "rows_needed"})


@dataclass(frozen=True, slots=True)
class Description:
    """What a test detects, and its reference, from the catalogue."""

    sees: str = ""
    reference: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The facts of a run; None if unknown or not applicable.

    Attributes
    ----------
    source : str or None
        File, or type of the object, of the sample.
    dtype : str or None
    groups : int or None
        Groups of rows that depend on each other; tests use one row of each.
    reference, reference_rows : str and int, or None
        Source and rows of the reference, for two samples.
    tests : tuple of str or None
        Names of the tests that were run.
    slices, replicates : int or None
        Number of slices, and the fewest replicates behind a p-value.
    pvalue_error, pvalue_floor : float or None
        Monte Carlo standard error of the global p-value, and its smallest possible value.
    rows_in_pictures : int or None
        Rows behind the histograms of columns.
    version, numpy : str or None
        Versions of dmtest and NumPy.
    seconds : float or None
        Duration of the run.
    created : str or None
        Time of the run, ISO 8601.
    tolerance : float or None
        Acceptable divergence, in nats.
    certified_under : float or None
        Largest of the upper bounds that were compared with it, in nats; None if one is infinite.
    rows_needed : int or None
        Extrapolated number of rows with which the sample would be equivalent.
    equivalence : Equivalence or None
        Every bound behind the verdict on a tolerance.
    arguments : dict or None
        Arguments of the call; None for those at their default.
    described : dict of str to Description
        Descriptions by name of the test.
    call, command : str or None
        Python call and shell command that repeat the run.
    more : dict
        Keys that this version does not know, as plain JSON values.
    """

    source: str | None = None
    reference: str | None = None
    reference_rows: int | None = None
    dtype: str | None = None
    groups: int | None = None
    tests: tuple[str, ...] | None = None
    slices: int | None = None
    replicates: int | None = None
    pvalue_error: float | None = None
    pvalue_floor: float | None = None
    rows_in_pictures: int | None = None
    version: str | None = None
    numpy: str | None = None
    seconds: float | None = None
    created: str | None = None
    tolerance: float | None = None
    certified_under: float | None = None
    rows_needed: int | None = None
    equivalence: Equivalence | None = None
    arguments: dict[str, object] | None = None
    described: dict[str, Description] | None = None
    call: str | None = None
    command: str | None = None
    more: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Make the free-form fields plain JSON, so that what is read back equals the original."""
        for name in ("certified_under", "arguments", "more"):
            object.__setattr__(self, name, serial.plain(getattr(self, name)))

    def to_dict(self) -> dict[str, Any]:
        """Return the object ``"computed"`` of a report's JSON."""
        order = ONE_SAMPLE if self.reference_rows is None else TWO_SAMPLES
        values = {name: getattr(self, name) for name in order}
        null = NULLABLE if self.version is not None else frozenset[str]()
        null |= CERTIFIED if self.tolerance is not None else frozenset[str]()
        return {
            name: serial.plain(value)
            for name, value in values.items()
            if value is not None or name in null
        } | self.more

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Provenance:
        """Build the facts from the object ``"computed"`` of a report's JSON."""
        serial.expect(dict, data, "computed")
        known = {f.name for f in fields(cls)} - {"more"}
        more = {name: value for name, value in data.items() if name not in known}
        return serial.record(cls, {**data, "more": more})
