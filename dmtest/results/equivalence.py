"""What the verdict *equivalent* takes: one record for each bound that has to be below its limit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dmtest.results import serial


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One condition of the verdict *equivalent*: an upper bound that has to be below a limit.

    Attributes
    ----------
    name : {"moments", "margins", "joint", "rows"}
    label : str
        The quantity, with its noise, column or direction.
    unit : str
        Of `limit`, `lower`, `estimate` and `upper`.
    limit : float
        The tolerance; for rows, a power of 1/2.
    lower, estimate, upper : float or None
        Estimate and one-sided confidence bounds; None where there is none, or it is infinite.
    holds : bool
        Whether `upper` is at most the limit. Beside a tolerance in rows alone, the criteria in nats
        hold unless the quantity is above the limit.
    exceeds : bool
        Whether the quantity is above the limit: by its lower bound, or because it is infinite.
    note : str
        Why there is no bound, or why the quantity is infinite.
    """

    name: str
    label: str
    unit: str
    limit: float
    lower: float | None = None
    estimate: float | None = None
    upper: float | None = None
    holds: bool
    exceeds: bool = False
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Equivalence:
    """The question of equivalence, and the answer: *equivalent* if all criteria hold.

    Attributes
    ----------
    tolerance : float or None
        Acceptable divergence, in nats.
    noise : float or None
        Standard deviation, on normal scale, of the noise of the joint divergence.
    tolerance_rows : int or None
        Rows on which the battery should have less than 50% power.
    confidence : float
        The bounds in nats hold together with this confidence, and so does that of the power.
    criteria : tuple of Criterion
    hidden : tuple of str
        Departures that the tolerance leaves room for, in words.
    rows_needed : int or None
        About how many rows would show equivalence; None if no number would, or it is shown.
    advice : str
        What else would; may be empty.
    """

    tolerance: float | None = None
    noise: float | None = None
    tolerance_rows: int | None = None
    confidence: float
    criteria: tuple[Criterion, ...] = ()
    hidden: tuple[str, ...] = ()
    rows_needed: int | None = None
    advice: str = ""

    @property
    def holds(self) -> bool:
        """Whether all criteria hold."""
        return bool(self.criteria) and all(one.holds for one in self.criteria)

    @property
    def worst(self) -> Criterion | None:
        """The criterion to name first among those that do not hold; None if all hold.

        One that is above its limit comes before one that is not resolved.
        """
        failed = [one for one in self.criteria if not one.holds]
        return min(failed, key=lambda one: not one.exceeds) if failed else None

    @property
    def certified_under(self) -> float | None:
        """The largest upper bound in nats; None without one, or where it is infinite."""
        uppers = [one.upper for one in self.criteria if one.unit == "nats"]
        return (
            None if not uppers or None in uppers else max(one for one in uppers if one is not None)
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain Python objects."""
        return dict(serial.plain(self))
