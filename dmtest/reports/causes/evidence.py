"""The facts behind the diagnosis of one sample, and of two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from dmtest.catalogue.unlisted import WORST_DIRECTION
from dmtest.effects.coordinates import Coordinates
from dmtest.effects.directions.one_sample import Direction
from dmtest.results.effect_table import EffectRow
from dmtest.results.outcome import Effect, Finding, Outcome
from dmtest.runtime.attributes import cached_property
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import mean_and_covariance

if TYPE_CHECKING:
    from dmtest.battery.one_sample import Battery
    from dmtest.data.sample import Sample
    from dmtest.reports.verdict import Combined

# Most rows that causes are looked for in; level at which a column is named.
ROWS, LEVEL = 20_000, 0.01


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The facts behind the sentences, for one sample and for two.

    Attributes
    ----------
    names : sequence of str or None
        Names of the columns.
    effects : dict of str to Effect
    directions : sequence of Direction
        Tested on held-out rows.
    alpha : float
        Level at which a direction counts as confirmed.
    """

    names: Sequence[str] | None
    effects: Mapping[str, Effect]
    directions: Sequence[Direction]
    alpha: float

    def name(self, j: int) -> str:
        """Name of a column."""
        return f"x{j}" if self.names is None else f"'{self.names[j]}'"

    def clear(self, row: EffectRow) -> bool:
        """Whether the interval of an effect is above 0."""
        effect = self.effects.get(row.name)
        return effect is not None and effect.low is not None and effect.low > 0.0

    def value(self, row: EffectRow) -> float:
        """Estimate of an effect; 0 where there is none."""
        effect = self.effects.get(row.name)
        return 0.0 if effect is None or effect.value is None else effect.value

    def worst_confirmed(self) -> tuple[Direction | None, int]:
        """Worst direction that held-out rows confirm, if any, and how many there are."""
        confirmed = [one for one in self.directions if one.adjusted <= self.alpha]
        return max(confirmed, key=lambda one: one.statistic, default=None), len(confirmed)


@dataclass(frozen=True, kw_only=True)
class SampleEvidence(Evidence):
    """The facts behind the sentences about one sample and its target.

    Attributes
    ----------
    rows : ndarray, shape (n, d)
        The sample in its own units.
    target : str
        Name of the target.
    canonical : Canonical
    coordinates : Coordinates
    skewness, kurtosis : ndarray, shape (k,)
        Skewness and excess kurtosis of the slices.
    outcomes, adjusted : sequence
        The tests and their adjusted p-values.
    findings : tuple of Finding
        About the data: their columns, values and rows.
    redrawn : bool
        Whether values on a lattice were drawn anew within their cells.
    """

    rows: NDArray[Any]
    target: str
    canonical: Canonical
    coordinates: Coordinates
    skewness: Vector
    kurtosis: Vector
    outcomes: Sequence[Outcome]
    adjusted: Sequence[float]
    findings: tuple[Finding, ...]
    redrawn: bool

    @classmethod
    def of(cls, sample: Sample, battery: Battery, combined: Combined, **facts: Any) -> Self:
        """Return the facts on a sample from its battery and its tests; `facts` are the others."""
        return cls(
            names=sample.names,
            rows=sample.x,
            skewness=battery.extras["skewness"],
            kurtosis=battery.extras["kurtosis"],
            outcomes=combined.outcomes,
            adjusted=combined.adjusted,
            **facts,
        )

    @property
    def n(self) -> int:
        """Rows."""
        return len(self.rows)

    @property
    def fitted(self) -> bool:
        """Whether mean and covariance are free."""
        return self.canonical.fitted

    @cached_property
    def chosen(self) -> NDArray[np.intp]:
        """Rows that causes are looked for in: all, or evenly spaced ones."""
        return np.arange(0, self.n, -(-self.n // ROWS))

    @cached_property
    def few(self) -> NDArray[np.float64]:
        """These rows in their own units, shape (m, d)."""
        return np.asarray(self.rows[self.chosen], dtype=np.float64)

    @cached_property
    def norms(self) -> Vector:
        """Lengths of these rows."""
        return np.asarray(np.sqrt(np.square(self.few).sum(axis=1)))

    @property
    def same_length(self) -> bool:
        """Whether all rows have the same length, up to rounding."""
        centre = float(self.norms.mean())
        return self.few.shape[1] > 1 and float(self.norms.std()) < 1e-3 * centre

    @cached_property
    def live(self) -> NDArray[np.intp]:
        """Columns that vary by more than rounding."""
        # The variance of a constant column may be rounding.
        spread = np.where(np.ptp(self.few, axis=0) > 0.0, self.few.var(axis=0), 0.0)
        typical = float(np.median(spread[spread > 0.0])) if (spread > 0.0).any() else 0.0
        return np.flatnonzero(spread > 1e-12 * typical)

    @cached_property
    def correlation(self) -> NDArray[np.float64]:
        """Correlations of the live columns."""
        covariance = mean_and_covariance(self.few[:, self.live])[1]
        scale = np.sqrt(np.diagonal(covariance))
        return np.asarray(covariance / np.outer(scale, scale))

    @cached_property
    def units(self) -> bool:
        """Whether most columns are far from mean 0 and variance 1, as if in units of their own."""
        if self.target != "normal" or not len(self.live):
            return False
        mean = self.few[:, self.live].mean(axis=0)
        sd = self.few[:, self.live].std(axis=0)
        off = (np.abs(mean) > 1.0) | (sd < 0.5) | (sd > 2.0)
        return bool(off.mean() >= 0.5)

    @cached_property
    def spread_by_groups(self) -> bool:
        """Whether the spread of columns is that of groups around 0 rather than one of units."""
        part = self.few[:, self.live]
        near = np.median(np.abs(part.mean(axis=0))) < 1.0 if part.size else False
        return bool(
            near and np.median(part.std(axis=0)) < 6.0 and np.median(part.std(axis=0)) > 0.5
        )

    def found(self, *codes: str) -> list[Finding]:
        """Return the findings with one of these codes, in the order of the codes."""
        return [one for code in codes for one in self.findings if one.code == code]

    @property
    def search_confirmed(self) -> bool:
        """Whether the table of tests marks the search for directions."""
        pairs = zip(self.outcomes, self.adjusted, strict=True)
        return any(o.test == WORST_DIRECTION.name and p <= self.alpha for o, p in pairs)
