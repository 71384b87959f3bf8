"""Departures from a target as estimates with errors, so that two samples can be compared.

What a report shows is cut off at 0 and rounded into an interval; a difference of two samples
needs the estimates before that. Every score is larger where the sample is further from its
target, and has its bias at this n removed, so that samples of different sizes can be compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, ndtr, stdtr

from dmtest.battery.one_sample import run_battery
from dmtest.battery.plan import Plan
from dmtest.effects.decomposition import shape_estimates
from dmtest.effects.gaussian import PARTS, influence_variance, unbiased_parts
from dmtest.effects.profile import brackets, default_noise
from dmtest.effects.shape import dispersion
from dmtest.effects.wasserstein import describe_slices, sliced_distance
from dmtest.engines.channel import Noise
from dmtest.information.channel import batch_size, shuffled
from dmtest.reports.sections import FEWEST_PROFILE, PROFILE_ROWS, SHAPE_ROWS
from dmtest.targets.canonical import Canonical
from dmtest.targets.transforms import independent_columns

__all__ = ["Score", "excess_pvalue", "scores_of"]

Vector = NDArray[np.float64]

GAUSSIAN = {
    "mean": "KL from the mean",
    "scale": "KL from the variances",
    "correlation": "KL from correlations",
}
SHAPES = {
    "kl-margins": "KL from the shape of columns",
    "kl-dependence": "KL from dependence beyond correlation",
}
# Errors that a one-sided 95% limit is away.
LIMIT = 1.6449


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How far a sample is from its target in one respect; larger is worse.

    Attributes
    ----------
    name, label, unit : str
    value : float or None
        Bias removed, so that it may be negative; None where it is not estimable (`note`), and
        infinite where the sample lies in fewer dimensions than it has.
    error : float or None
        Standard error.
    skewness : float
        Of the error's distribution.
    df : int or None
        Degrees of freedom behind `error`, where they are few.
    folded : bool
        Whether departures in both directions count, so that tails count twice.
    noise, batch : float and int, or None
        What the smoothed divergence was computed with.
    note : str
    """

    name: str
    label: str
    unit: str
    value: float | None
    error: float | None
    skewness: float = 0.0
    df: int | None = None
    folded: bool = False
    noise: float | None = None
    batch: int | None = None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain Python objects."""
        return asdict(self)

    def tail(self, distance: float, below: bool = False) -> float:
        """Return the probability that the estimate is off by more than this many errors.

        Upwards, or downwards with `below`; of a gamma distribution where the error is skewed
        (Pearson's type III), of Student's t where `df` is known.
        """
        twice = 2.0 if self.folded else 1.0
        if self.df is not None:
            return min(1.0, twice * float(stdtr(self.df, -distance)))
        if abs(self.skewness) < 1e-3:
            return min(1.0, twice * float(ndtr(-distance)))
        shape = 4.0 / self.skewness**2
        if (self.skewness > 0.0) == (not below):
            at = max(0.0, shape + distance * np.sqrt(shape))
            return min(1.0, twice * float(gammaincc(shape, at)))
        at = max(0.0, shape - distance * np.sqrt(shape))
        return min(1.0, twice * float(gammainc(shape, at)))


def excess_pvalue(now: Score, then: Score) -> float:
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


def _difference(now: Score, then: Score) -> Score:
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


def scores_of(
    canonical: Canonical, plan: Plan, noise: float | None = None, batch: int | None = None
) -> list[Score]:
    """Compute every score that the target has.

    Parameters
    ----------
    canonical : Canonical
    plan : Plan
        Its seed and slices give the directions: take those of the sample to be compared with.
    noise, batch : float and int, optional
        Of the smoothed divergence. By default a batch that half of the rows have eight of.
    """
    scores = [] if canonical.fitted else [*_gaussian(canonical)]
    scores += [*_shape(canonical, plan.seed), _sliced(canonical, plan)]
    if canonical.unit is not None:
        return scores  # its lengths are not of the data, and noise would take rows off it
    return [*scores, _lengths(canonical), _smoothed(canonical, plan.seed, noise, batch)]


def _gaussian(canonical: Canonical) -> Iterator[Score]:
    n, d = canonical.rows.shape
    names = [part for part in PARTS if part in GAUSSIAN and (d > 1 or part != "correlation")]
    facts: list[dict[str, Any]] = [
        {"name": f"kl-{part}", "label": GAUSSIAN[part], "unit": "nats"} for part in names
    ]
    few = n <= d + 1
    if few or len(independent_columns(canonical.covariance, n)) < d:
        for fact in facts:
            note = f"it takes more than {d + 1} rows; there are {n}"
            if not few:
                note = "the rows lie in fewer dimensions than they have columns"
            whole = fact["name"] != "kl-mean" and not few
            yield Score(
                **fact, value=np.inf if whole else None, error=0.0 if whole else None, note=note
            )
        return
    values = unbiased_parts(canonical.mean, canonical.covariance, n)
    first = influence_variance(canonical.rows, canonical.mean, canonical.covariance) / n
    second, third = _quadratic(canonical.covariance, n)
    for fact, part in zip(facts, names, strict=True):
        j = PARTS.index(part)
        variance = float(first[j] + second[j])
        skewness = float(third[j]) / variance**1.5 if variance > 0.0 else 0.0
        yield Score(
            **fact, value=float(values[j]), error=float(np.sqrt(variance)), skewness=skewness
        )


def _quadratic(covariance: Vector, n: int) -> tuple[Vector, Vector]:
    """Variance and third cumulant of mean, scale and correlation where they are 0: (3,) each.

    Half of sums of squares of normals with variances w / n: w are the eigenvalues of S for the
    mean, of the squared correlations for the scale, and 1 for each pair of columns.
    """
    d = len(covariance)
    sd = np.sqrt(np.diagonal(covariance))
    pairs = np.ones(d * (d - 1) // 2)
    squared = np.square(covariance / np.outer(sd, sd))
    weights = [np.linalg.eigvalsh(covariance), np.linalg.eigvalsh(squared), pairs]
    second = np.array([float(np.square(w).sum()) for w in weights]) / (2.0 * n**2)
    third = np.array([float((w**3).sum()) for w in weights]) / float(n) ** 3
    return second, third


def _shape(canonical: Canonical, seed: int) -> Iterator[Score]:
    if canonical.unit is not None:
        return
    for part in shape_estimates(canonical, seed, rows=SHAPE_ROWS):
        yield Score(
            name=part.name,
            label=SHAPES[part.name],
            unit="nats",
            value=part.value,
            error=None if part.errors is None else float(part.errors.std(ddof=1)),
            note=part.note if part.value is None else "",
        )


def _sliced(canonical: Canonical, plan: Plan) -> Score:
    """Squared, where it is a mean over rows; without the choice of directions, which is common."""
    battery = run_battery(canonical, [], plan, describe_slices())
    found = sliced_distance(canonical, battery, plan.seed)
    null = found.null[:, 0] - found.null[:, 0].mean()
    of_null = float(null.var(ddof=1))
    variance = found.sampling + of_null
    skewness = float(np.mean(null**3)) / variance**1.5 if variance > 0.0 else 0.0
    return Score(
        name="sliced-wasserstein-2",
        label="The squared sliced Wasserstein-2 distance",
        unit="sd^2",
        value=found.estimate,
        error=float(np.sqrt(variance)),
        skewness=skewness,
    )


def _lengths(canonical: Canonical) -> Score:
    value, error = dispersion(canonical.rows)
    return Score(
        name="length-dispersion",
        label="The dispersion of squared row lengths, from a normal's,",
        unit="of the normal's",
        value=abs(value - 1.0),
        error=error,
        folded=True,
    )


def _smoothed(canonical: Canonical, seed: int, noise: float | None, batch: int | None) -> Score:
    rows = np.asarray(canonical.rows if canonical.cube is None else canonical.cube)
    kind: Noise = "gaussian" if canonical.cube is None else "uniform"
    used = shuffled(rows, seed)[:PROFILE_ROWS]
    n, d = used.shape
    facts: dict[str, Any] = {"name": "smoothed-kl", "label": "KL after noise", "unit": "nats"}
    fewest = 2 * FEWEST_PROFILE if batch is None else 8 * batch
    if n < fewest:
        note = f"it takes {fewest} rows; there are {n}"
        return Score(**facts, value=None, error=None, noise=noise, batch=batch, note=note)
    size = batch_size(None, n // 2) if batch is None else batch
    level = default_noise(kind, d, size) if noise is None else noise
    lower, upper, _, _ = brackets(used, kind, np.array([level]), size, seed)
    middle = 0.5 * (lower[0] + upper[0])
    facts["label"] += f" ({'sd' if kind == 'gaussian' else 'half width'} {level:.3g})"
    return Score(
        **facts,
        value=float(middle.mean()),
        error=float(middle.std(ddof=1) / np.sqrt(len(middle))),
        df=len(middle) - 1,
        noise=level,
        batch=size,
    )
