"""The table of effects: one row for each effect of a report or a check.

A new effect is one row here and one function in :mod:`dmtest.effects` that returns its estimate.
That function fills in the words in braces (:meth:`EffectRow.filled`).
"""

from __future__ import annotations

import math
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, TypeAlias

from dmtest.results.estimate import Estimate
from dmtest.results.outcome import Effect
from dmtest.results.shown import Effects


@dataclass(frozen=True, slots=True)
class EffectRow:
    """The texts and the scale of an effect.

    Attributes
    ----------
    name : str
        Stable name, the key in ``Report.effects``.
    label, unit, note : str
        As in `Effect`.
    squared : bool
        Whether estimates are of the square; reports and checks show the root.
    least, most : float
        Range to which reports cut the value and its limits off.
    departure, departure_unit : str
        Label and unit in checks. Without a label, checks do not compare it; without a unit, that
        of reports is used.
    within : str
        Name of the effect that this one is a part of.
    cause : str
        Source of this part of the divergence, in figures.
    """

    name: str
    label: str
    unit: str = ""
    note: str = ""
    _: KW_ONLY
    squared: bool = False
    least: float = 0.0
    most: float = math.inf
    departure: str = ""
    departure_unit: str = ""
    within: str = ""
    cause: str = ""

    def filled(self, **words: Any) -> EffectRow:
        """Return the row with the words in braces filled in."""
        texts = ("label", "unit", "note", "departure")
        return replace(self, **{name: getattr(self, name).format(**words) for name in texts})

    def on_scale(self, value: float) -> float:
        """Return an estimate or a limit on the scale of reports: cut off, or the root."""
        if self.squared:
            return math.sqrt(max(value, 0.0))
        return min(self.most, max(self.least, value))

    def effect(self, estimate: Estimate, confidence: float = 0.95) -> Effect:
        """Return an estimate as an effect, with confidence limits if it has an error.

        An estimate below the range, which the quantity cannot be, is moved to its end together
        with its limits: the interval then holds more than nothing.
        """
        if estimate.value is None:
            return self.within_limits(None, note=estimate.note)
        value = self.on_scale(estimate.value)
        note, limits = estimate.note or self.note, estimate.limits(confidence)
        if limits is None:
            return self.within_limits(value, note="; ".join(filter(None, (note, NO_INTERVAL))))
        low, high = limits
        high += max(0.0, (0.0 if self.squared else self.least) - estimate.value)
        if math.isinf(high):
            note = "; ".join(filter(None, (note, NO_UPPER)))
            return self.within_limits(value, self.on_scale(low), None, confidence, note)
        return self.within_limits(value, self.on_scale(low), self.on_scale(high), confidence, note)

    def within_limits(
        self,
        value: float | None,
        low: float | None = None,
        high: float | None = None,
        confidence: float | None = None,
        note: str = "",
    ) -> Effect:
        """Return the effect of a value and limits that are already on the scale of reports."""
        return Effect(
            name=self.name,
            label=self.label,
            value=value,
            low=low,
            high=high,
            confidence=confidence,
            unit=self.unit,
            note=note or self.note,
        )


Estimates: TypeAlias = dict[EffectRow, Estimate]

# What the note says of an estimate without limits, or without an upper one.
NO_INTERVAL = "no interval"
HEAVY = "these rows do not exclude tails so heavy that rows which the sample lacks decide it"
NO_UPPER = f"no upper limit: {HEAVY}"


def effects_of(estimates: Estimates, confidence: float = 0.95) -> dict[str, Effect]:
    """Return estimates as effects, by name."""
    return Effects((row.name, row.effect(one, confidence)) for row, one in estimates.items())


# One sample against its target. The divergence, in nats:
SMOOTHED_KL = EffectRow(
    "smoothed-kl",
    "KL after noise{noise}",
    "nats",
    "middle of bounds from below and above; limits hold for all noise levels of the profile "
    "together",
    departure="KL after noise{noise}",
)
KL_FITTED = EffectRow(
    "kl-fitted-normal",
    "KL of the fitted normal from N(0, I)",
    "nats",
    "bias of finite n removed, cut off at 0",
)


def _fitted_part(name: str, source: str) -> EffectRow:
    return replace(
        KL_FITTED,
        name=name,
        label=f"of this, from {source}",
        departure=f"KL from {source}",
        within=KL_FITTED.name,
        cause=source.removeprefix("the "),
    )


KL_MEAN = _fitted_part("kl-mean", "the mean")
KL_SCALE = _fitted_part("kl-scale", "the variances")
KL_CORRELATION = _fitted_part("kl-correlation", "correlations")
WORST_MARGIN = EffectRow(
    "kl-worst-margin",
    "KL of {where} after noise (sd {noise:g})",
    "nats",
    "largest of {count} columns, slices and directions; limits hold for all of them together",
)
KL_MARGINS = EffectRow(
    "kl-margins",
    "Shape of the columns (sum of negentropies)",
    "nats",
    "shape of each column by itself; spacings, bias of normal samples removed",
    departure="KL from the shape of columns",
    cause="shapes of the columns",
)
KL_DEPENDENCE = EffectRow(
    "kl-dependence",
    "Dependence beyond correlation",
    "nats",
    "dependence beyond correlation; nearest neighbours, bias of normal samples removed",
    departure="KL from dependence beyond correlation",
    cause="dependence beyond correlation",
)
# Slices, row lengths and the covariance:
SLICED_WASSERSTEIN = EffectRow(
    "sliced-wasserstein-2",
    "Sliced Wasserstein-2 distance",
    "standard deviations",
    "root mean square over {k} slices {scale}, null bias removed",
    squared=True,
    departure="The sliced Wasserstein-2 distance",
)
WORST_SLICE = EffectRow(
    "worst-slice",
    "Wasserstein-2 distance of the worst slice (number {worst})",
    "standard deviations",
    "largest of {k}; 95% of samples from the target stay below {usual:.2g}",
    squared=True,
)
LENGTH_DISPERSION = EffectRow(
    "length-dispersion",
    "Dispersion of squared row lengths",
    "times the normal's",
    "1 under the target; larger if tails are heavy in all columns at once",
    departure="The dispersion of squared row lengths, from a normal's,",
    departure_unit="of the normal's",
)
EFFECTIVE_RANK = EffectRow(
    "effective-rank",
    "Effective rank of the covariance",
    "of {d} directions",
    "exp(entropy of the eigenvalues), Roy & Vetterli (2007); bias of finite n removed",
)
PARTICIPATION_RATIO = EffectRow(
    "participation-ratio",
    "Participation ratio of the covariance",
    "of {d} directions",
    "(tr S)^2 / tr S^2, at most the effective rank; bias of finite n removed",
)
DETECTABLE_ROWS = EffectRow(
    "detectable-n",
    "Rows for {test} to reach 50% power",
    "rows",
    "power of {test} at level {alpha:g} on disjoint blocks of at most {most:,} rows, without the "
    "search over directions; each limit is exact and has this confidence by itself",
)
# Positive pairs of embeddings:
ALIGNMENT = EffectRow(
    "alignment",
    "Alignment of positive pairs (0 is best)",
    "squared distance",
    "mean |f(X) - f(X')|^2 of rows of length 1; Wang & Isola (2020)",
)
UNIFORMITY = EffectRow(
    "uniformity",
    "Uniformity ({expected:.3f} if uniform on the sphere)",
    "log potential",
    "log of the mean of exp(-2 |u - v|^2){sample}, of rows of length 1; Wang & Isola (2020)",
    least=-math.inf,
)

# Two samples:
SLICED_DIFFERENCE = replace(
    SLICED_WASSERSTEIN,
    unit="data units",
    note="root mean square over {k} slices; bias removed by permutation",
    departure="",
)
_PAIRWISE = "root of the squared distance; bias removed by permutation{kernel}"
ENERGY_DISTANCE = EffectRow(
    "energy-distance", "Energy distance", "data units", _PAIRWISE, squared=True
)
MEAN_DISCREPANCY = EffectRow(
    "mmd", "Maximum mean discrepancy", "", f"{_PAIRWISE}; at most sqrt 2", squared=True
)
CLASSIFIER_ACCURACY = EffectRow(
    "classifier-accuracy",
    "Balanced accuracy on held-out rows",
    "",
    "shrunk linear discriminant, cross-fitted over five folds; chance: 0.5",
    most=1.0,
)
MEAN_DIFFERENCE = EffectRow(
    "mean-difference",
    "Distance of the means",
    "sd",
    "length of the difference, in root mean squared pooled standard deviations of columns; "
    "bias of sampling removed",
    squared=True,
)
COVARIANCE_DIFFERENCE = EffectRow(
    "covariance-difference",
    "Distance of the covariances",
    "of the reference's",
    "Frobenius norm of the difference over that of the reference's covariance; bias of "
    "sampling removed",
    squared=True,
)
# Two samples up to a rotation:
LENGTH_DIFFERENCE = EffectRow(
    "length-difference",
    "Wasserstein-2 distance of row lengths",
    "data units",
    "distance of the lengths |x|; bias removed by permutation",
    squared=True,
)
SPECTRUM_DIFFERENCE = EffectRow(
    "spectrum-difference",
    "Distance of the spectra",
    "data units",
    "distance of the sorted standard deviations along principal axes: the smallest "
    "Wasserstein-2 distance, over rotations, of normals with these covariances",
    squared=True,
)
MEAN_LENGTHS = EffectRow(
    "mean-lengths", "Difference of the lengths of the means", "data units", least=-math.inf
)

# Parts of the divergence from N(0, I), which add up to it.
DIVERGENCE_PARTS = (KL_MEAN, KL_SCALE, KL_CORRELATION, KL_MARGINS, KL_DEPENDENCE)

# Classes of one sample:
VARIANCE_BETWEEN = EffectRow(
    "variance-between-classes",
    "Variance between the classes",
    "of the variance",
    "share of the variance that the means of the classes have, summed over columns {scale}; bias "
    "removed (epsilon squared)",
    most=1.0,
)
KL_CLASSES = EffectRow(
    "kl-classes",
    "KL of the classes from {law}",
    "nats",
    "mean, over rows, of the divergence of the normal fitted to their class",
)


def _class_part(name: str, source: str) -> EffectRow:
    return replace(
        KL_CLASSES,
        name=name,
        label=f"of this, {source}",
        note="bias of normal rows removed, cut off at 0",
        within=KL_CLASSES.name,
    )


KL_ALL_MEAN = _class_part("kl-classes-common", "from the mean of all rows")
KL_CLASS_MEANS = _class_part("kl-classes-between", "between classes (their means)")
KL_CLASS_WITHIN = _class_part("kl-classes-within", "within classes (their covariances)")
