"""Departures of a sample from its target, and a test that one is larger than another.

A departure grows with the distance from the target. Its bias at the sample's n is removed, so
samples of different sizes can be compared.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from dmtest.battery.one_sample import run_battery
from dmtest.battery.plan import Plan
from dmtest.effects.gaussian import gaussian_estimates
from dmtest.effects.profile import smoothed_estimates
from dmtest.effects.shape import dispersion
from dmtest.effects.wasserstein import describe_slices, sliced_estimates
from dmtest.reports.sections import density_section
from dmtest.results import effect_table as table
from dmtest.results.effect_table import EffectRow, Estimates
from dmtest.results.estimate import Estimate
from dmtest.runtime.typing import Vector
from dmtest.targets.canonical import Canonical

# Distance of a one-sided 95% limit, in standard errors.
LIMIT = 1.6449


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure(Estimate):
    """An estimate of one departure from the target, with its name.

    Attributes
    ----------
    name, label, unit : str
    squared : bool
        Whether `value` is of the square; checks compare squares, and show the root.
    """

    name: str
    label: str
    unit: str
    squared: bool = False

    def shown(self) -> float:
        """Return the value on the scale of reports, at least 0."""
        value = max(0.0, self.value or 0.0)
        return math.sqrt(value) if self.squared else value

    @classmethod
    def of(cls, row: EffectRow, estimate: Estimate) -> Departure:
        """Return the estimate of an effect as a departure."""
        numbers = {f.name: getattr(estimate, f.name) for f in fields(Estimate)}
        unit = row.departure_unit or row.unit
        return cls(name=row.name, label=row.departure, unit=unit, squared=row.squared, **numbers)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects, the names first."""
        return {"name": self.name, "label": self.label, "unit": self.unit} | asdict(self)


def excess_pvalue(now: Departure, then: Departure) -> float:
    """One-sided p-value for "the later sample is no further from the target than the earlier one".

    It is the larger of two p-values:

    - that of the difference, with the errors of both combined; its level holds on average over
      pairs of samples;
    - that of the later estimate less the upper 95% limit of the earlier one, with the later error
      alone. A baseline is drawn once and used for many checks. If it is good by chance, the first
      p-value rejects later samples of the same encoder too often; the second one holds its level
      for 95% of baselines.

    Returns
    -------
    float
        1 where the later estimate is not above the earlier one.
    """
    assert now.value is not None
    assert then.value is not None
    assert now.error is not None
    assert then.error is not None
    difference = now.value - then.value
    if not difference > 0.0:  # both may be infinite
        return 1.0
    joint = _difference(now, then)
    if not np.isfinite(difference) or joint.error == 0.0:
        return 0.0
    assert joint.error is not None
    on_average = joint.tail(difference / joint.error)
    excess = difference - LIMIT * then.error
    for_this_baseline = now.tail(excess / now.error) if now.error > 0.0 else float(excess <= 0.0)
    return max(on_average, for_this_baseline)


def _difference(now: Departure, then: Departure) -> Departure:
    """Return the later departure with error, skewness and df of the difference of both."""
    assert now.error is not None
    assert then.error is not None
    error = float(np.hypot(now.error, then.error))
    third = now.skewness * now.error**3 - then.skewness * then.error**3
    few = [one.df for one in (now, then) if one.df is not None]
    return replace(
        now,
        error=error,
        skewness=third / error**3 if error > 0.0 else 0.0,
        df=min(few) if few else None,
    )


def departures_of(
    canonical: Canonical,
    plan: Plan,
    noise: float | None = None,
    batch: int | None = None,
    *,
    whole: tuple[int, Vector, Vector] | None = None,
) -> list[Departure]:
    """Estimate all departures that checks compare.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    plan : Plan
        Its seed and slices determine the directions; they have to be those of the baseline.
    noise, batch : float and int, optional
        Noise level and batch of the baseline's smoothed divergence; see
        :func:`dmtest.effects.profile.smoothed_estimates`.
    whole : (int, ndarray, ndarray), optional
        Number, mean and 1/n covariance of all rows, where `canonical` holds some of them.

    Returns
    -------
    list of Departure
        Divergences in nats, the square of the sliced distance.
    """
    estimates = {} if canonical.fitted else _fitted_normal(canonical, whole)
    estimates |= density_section(canonical, plan.seed)
    battery = run_battery(canonical, [], plan, describe_slices())
    estimates |= sliced_estimates(canonical, battery, plan.seed, shared=True)
    # On the sphere all rows have length 1, and noise would move them off it.
    if canonical.unit is None:
        length = dispersion(canonical.rows)
        assert length.value is not None
        estimates[table.LENGTH_DISPERSION] = replace(
            length, value=abs(length.value - 1.0), folded=True
        )
        estimates |= smoothed_estimates(canonical, plan.seed, noise, batch)
    return [Departure.of(row, one) for row, one in estimates.items() if row.departure]


def _fitted_normal(canonical: Canonical, whole: tuple[int, Vector, Vector] | None) -> Estimates:
    """Estimate the parts of the fitted normal; they are infinite for a singular covariance."""
    n, d = canonical.rows.shape
    estimates = gaussian_estimates(canonical, skewed=True, whole=whole)
    if estimates[table.KL_FITTED].value is None:
        few = n <= d + 1
        note = "the rows lie in fewer dimensions than they have columns"
        if few:
            note = f"it takes more than {d + 1} rows; there are {n}"
        missing = Estimate(value=None, note=note)
        infinite = missing if few else Estimate(value=np.inf, error=0.0, note=note)
        estimates = {
            table.KL_MEAN: missing,
            table.KL_SCALE: infinite,
            table.KL_CORRELATION: infinite,
        }
    return {row: one for row, one in estimates.items() if d > 1 or row != table.KL_CORRELATION}
