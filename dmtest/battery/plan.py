"""Options of a run: everything but the samples and the tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from numpy.typing import ArrayLike

from dmtest.arguments import check_replicates, positive, whole
from dmtest.calibration.nulls import Calibration, NullPlan
from dmtest.engines.gram import Precision
from dmtest.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan(NullPlan):
    """Options of tests of one or two samples, checked here and nowhere else.

    Attributes
    ----------
    target : str
        Name of the target, or of the reference.
    slices : int, optional
        Random directions; None for the default.
    directions : array_like, shape (k, d), optional
        Fixed directions instead of random ones; for one sample only.
    precision : {"auto", "double"}
        Precision of sums over pairs of rows of one sample.
    seed, params, calibration, replicates, budget, progress
        See :class:`NullPlan`.
    """

    target: str
    slices: int | None = None
    directions: ArrayLike | None = None
    precision: Precision = "auto"

    def __post_init__(self) -> None:
        """Check the options, and bring numbers to one type.

        Raises
        ------
        InputError
            If an option cannot be used; the message names the cure.
        """
        if self.calibration not in get_args(Calibration):
            raise InputError(
                f"calibration: got {self.calibration!r}; choose 'auto', 'monte-carlo' or "
                f"'asymptotic'."
            )
        object.__setattr__(self, "replicates", check_replicates(self.replicates))
        if self.precision not in ("auto", "double"):
            raise InputError(f"precision: got {self.precision!r}; choose 'auto' or 'double'.")
        if self.budget is not None:
            object.__setattr__(self, "budget", positive("budget", self.budget))
        if self.slices is not None:
            object.__setattr__(self, "slices", whole("slices", self.slices, 1))
