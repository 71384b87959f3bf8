"""How tests are to be run: everything that is neither the sample nor the tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import ArrayLike

from dmtest.arguments import check_replicates, positive, whole
from dmtest.battery.rows import RowPlan
from dmtest.calibration.budget import BUDGET
from dmtest.calibration.monte_carlo import Calibration
from dmtest.calibration.shipped import RANKED
from dmtest.engines.gram import Precision
from dmtest.errors import InputError
from dmtest.runtime.parallel import Progress

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How tests are to be run: everything that is neither the sample nor the tests."""

    target: str
    seed: int
    params: Mapping[str, Any] = field(default_factory=dict)
    slices: int | None = None
    directions: ArrayLike | None = None
    calibration: Calibration = "auto"
    replicates: int = 999
    budget: float | None = None
    precision: Precision = "auto"
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if self.calibration not in ("auto", "monte-carlo", "asymptotic"):
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

    def of_rows(self) -> RowPlan:
        """Return what tests of rows have to know: without limits where all is asked for."""
        return RowPlan(
            params=self.params,
            calibration=self.calibration,
            replicates=self.replicates,
            seed=self.seed,
            budget=(self.budget or BUDGET) if self.calibration == "auto" else None,
            tables=self.tabulated,
            precision=self.precision,
            progress=self.progress,
        )

    @property
    def tabulated(self) -> bool:
        """Whether shipped nulls will do: nothing was asked for that they cannot give."""
        return self.calibration == "auto" and self.budget is None and self.replicates <= RANKED
