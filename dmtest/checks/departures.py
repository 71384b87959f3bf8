"""Departures of a sample from its target, and the test that one is larger than another.

A departure is larger where the sample is further from its target, and has its bias at this n
removed, so that samples of different sizes can be compared.
"""

from __future__ import annotations

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
from dmtest.targets.canonical import Canonical

# Errors that a one-sided 95% limit is away.
LIMIT = 1.6449


@dataclass(frozen=True, slots=True, kw_only=True)
class Departure(Estimate):
    """How far a sample is from its target in one respect: an estimate with its name.

    Attributes
    ----------
    name, label, unit : str
    """

    name: str
    label: str
    unit: str

    @classmethod
    def of(cls, row: EffectRow, estimate: Estimate) -> Departure:
        """Return the estimate of an effect as a departure."""
        numbers = {f.name: getattr(estimate, f.name) for f in fields(Estimate)}
        unit = row.departure_unit or row.unit
        return cls(name=row.name, label=row.departure, unit=unit, **numbers)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects, the names first."""
        return {"name": self.name, "label": self.label, "unit": self.unit} | asdict(self)


def excess_pvalue(now: Departure, then: Departure) -> float:
    """Test that a later sample is no further from the target than an earlier one, one-sided.

    The larger of two p-values:

    - of the difference, with the errors of both (their squares are added), which is right on
      average over pairs of samples;
    - of the later estimate beside the upper 95% limit of the earlier one, with the later error
      alone. A baseline is drawn once and kept; where it came out well by chance, the first
      p-value rejects later samples of the same encoder again and again. This one does not, for
      95% of the baselines.

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
    beyond = difference - LIMIT * then.error
    kept = now.tail(beyond / now.error) if now.error > 0.0 else float(beyond <= 0.0)
    return max(on_average, kept)


def _difference(now: Departure, then: Departure) -> Departure:
    """Put the error of the difference together from both."""
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
    canonical: Canonical, plan: Plan, noise: float | None = None, batch: int | None = None
) -> list[Departure]:
    """Estimate every departure that the target has.

    Parameters
    ----------
    canonical : Canonical
        Rows on normal scale, shape (n, d).
    plan : Plan
        Its seed and slices give the directions: take those of the sample to be compared with.
    noise, batch : float and int, optional
        Of the smoothed divergence, likewise; see
        :func:`dmtest.effects.profile.smoothed_estimates`.

    Returns
    -------
    list of Departure
        Divergences in nats, the sliced distance in squared standard deviations.
    """
    estimates = {} if canonical.fitted else _gaussian(canonical)
    estimates |= density_section(canonical, plan.seed)
    battery = run_battery(canonical, [], plan, describe_slices())
    estimates |= sliced_estimates(canonical, battery, plan.seed, shared=True)
    # A sphere's row lengths are not of the data, and noise would take rows off it.
    if canonical.unit is None:
        length = dispersion(canonical.rows)
        assert length.value is not None
        estimates[table.LENGTH_DISPERSION] = replace(
            length, value=abs(length.value - 1.0), folded=True
        )
        estimates |= smoothed_estimates(canonical, plan.seed, noise, batch)
    return [Departure.of(row, one) for row, one in estimates.items() if row.departure]


def _gaussian(canonical: Canonical) -> Estimates:
    """Estimate the parts of the fitted normal; infinite ones where the covariance is singular."""
    n, d = canonical.rows.shape
    estimates = gaussian_estimates(canonical, skewed=True)
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
