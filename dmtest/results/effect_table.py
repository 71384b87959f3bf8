"""The table of effects: a row for everything whose size a report or a check can state.

A new effect is one row here and one function in :mod:`dmtest.effects` that returns its estimate.
Texts in braces are filled in by that function (:meth:`EffectRow.filled`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from dmtest.results.estimate import Estimate
from dmtest.results.outcome import Effect

__all__ = [
    "ALIGNMENT",
    "CLASSIFIER_ACCURACY",
    "COVARIANCE_DIFFERENCE",
    "DETECTABLE_ROWS",
    "DIVERGENCE_PARTS",
    "EFFECTIVE_RANK",
    "ENERGY_DISTANCE",
    "KL_CORRELATION",
    "KL_DEPENDENCE",
    "KL_FITTED",
    "KL_MARGINS",
    "KL_MEAN",
    "KL_SCALE",
    "LENGTH_DIFFERENCE",
    "LENGTH_DISPERSION",
    "MEAN_DIFFERENCE",
    "MEAN_DISCREPANCY",
    "MEAN_LENGTHS",
    "SLICED_DIFFERENCE",
    "SLICED_WASSERSTEIN",
    "SMOOTHED_KL",
    "SPECTRUM_DIFFERENCE",
    "UNIFORMITY",
    "WORST_SLICE",
    "EffectRow",
    "Estimates",
    "effects_of",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRow:
    """An effect, whatever its value.

    Attributes
    ----------
    name : str
        Stable name, the key in ``Report.effects``.
    label, unit, note : str
        As in `Effect`.
    squared : bool
        Whether estimates are of the square; a report shows the root.
    least, most : float
        What a report cuts the value and its limits off at.
    departure, departure_unit : str
        Label and unit in a check; no label: checks do not compare it. No unit: that of a report.
    within : str
        Name of the effect that this is a part of, in tables.
    cause : str
        What the part of the divergence comes from, in figures.
    """

    name: str
    label: str
    unit: str = ""
    note: str = ""
    squared: bool = False
    least: float = 0.0
    most: float = math.inf
    departure: str = ""
    departure_unit: str = ""
    within: str = ""
    cause: str = ""

    def filled(self, **words: Any) -> EffectRow:
        """Fill in what the texts have in braces."""
        texts = ("label", "unit", "note", "departure")
        return replace(self, **{name: getattr(self, name).format(**words) for name in texts})

    def shown(self, value: float) -> float:
        """Return an estimate or a limit as a report shows it: cut off, on the effect's scale."""
        if self.squared:
            return math.sqrt(max(value, 0.0))
        return min(self.most, max(self.least, value))

    def effect(self, estimate: Estimate, confidence: float = 0.95) -> Effect:
        """Return an estimate as the effect of a report, with its limits where it has an error."""
        value, limits = estimate.value, estimate.limits(confidence)
        shown = None if value is None else self.shown(value)
        if limits is None:
            return self.within_limits(shown, None, None, None, estimate.note)
        low, high = map(self.shown, limits)
        return self.within_limits(shown, low, high, confidence, estimate.note)

    def within_limits(
        self,
        value: float | None,
        low: float | None,
        high: float | None,
        confidence: float | None,
        note: str = "",
    ) -> Effect:
        """Return the effect of a value and limits that are on the effect's scale already."""
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


def effects_of(estimates: Estimates, confidence: float = 0.95) -> dict[str, Effect]:
    """Return estimates as the effects of a report, by name."""
    return {row.name: row.effect(one, confidence) for row, one in estimates.items()}


# One sample against its target. The divergence, in nats:
SMOOTHED_KL = EffectRow(
    name="smoothed-kl",
    label="KL after noise{noise}",
    unit="nats",
    note="middle of a two-sided bracket over {batches} batches of {batch} rows; limits hold for "
    "all noise levels of the profile together",
    departure="KL after noise{noise}",
)
_DEBIASED = "bias of finite n removed, cut off at 0"
KL_FITTED = EffectRow(
    name="kl-fitted-normal",
    label="KL of the fitted normal from N(0, I)",
    unit="nats",
    note=_DEBIASED,
)
KL_MEAN = EffectRow(
    name="kl-mean",
    label="of this, from the mean",
    unit="nats",
    note=_DEBIASED,
    departure="KL from the mean",
    within=KL_FITTED.name,
    cause="mean",
)
KL_SCALE = EffectRow(
    name="kl-scale",
    label="of this, from the variances",
    unit="nats",
    note=_DEBIASED,
    departure="KL from the variances",
    within=KL_FITTED.name,
    cause="variances",
)
KL_CORRELATION = EffectRow(
    name="kl-correlation",
    label="of this, from correlations",
    unit="nats",
    note=_DEBIASED,
    departure="KL from correlations",
    within=KL_FITTED.name,
    cause="correlations",
)
KL_MARGINS = EffectRow(
    name="kl-margins",
    label="Shape of the coordinates (sum of negentropies)",
    unit="nats",
    note="shape of the coordinates one by one; spacings, bias of normal samples removed",
    departure="KL from the shape of columns",
    cause="shapes of the coordinates",
)
KL_DEPENDENCE = EffectRow(
    name="kl-dependence",
    label="Dependence beyond correlation",
    unit="nats",
    note="dependence beyond correlation; nearest neighbours, bias of normal samples removed",
    departure="KL from dependence beyond correlation",
    cause="dependence beyond correlation",
)
# Slices, row lengths and the covariance:
SLICED_WASSERSTEIN = EffectRow(
    name="sliced-wasserstein-2",
    label="Sliced Wasserstein-2 distance",
    unit="standard deviations",
    note="root mean square over {k} slices {scale}, null bias removed",
    squared=True,
    departure="The squared sliced Wasserstein-2 distance",
    departure_unit="sd^2",
)
WORST_SLICE = EffectRow(
    name="worst-slice",
    label="Wasserstein-2 distance of the worst slice (number {worst})",
    unit="standard deviations",
    note="largest of {k}; 95 % of samples from the target stay below {usual:.2g}",
    squared=True,
)
LENGTH_DISPERSION = EffectRow(
    name="length-dispersion",
    label="Dispersion of squared row lengths",
    unit="times the normal's",
    note="1 under the target; above it tails are heavy in all coordinates at once",
    departure="The dispersion of squared row lengths, from a normal's,",
    departure_unit="of the normal's",
)
EFFECTIVE_RANK = EffectRow(
    name="effective-rank",
    label="Effective rank of the covariance",
    unit="of {d} directions",
    note="(tr S)^2 / tr S^2, descriptive",
)
DETECTABLE_ROWS = EffectRow(
    name="detectable-n",
    label="Rows at which {test} notices in half of the cases",
    unit="rows",
    note="power of {test} at level {alpha:g} on subsamples of {most} rows and fewer, {draws} of "
    "each size",
)
# Pairs of embeddings:
ALIGNMENT = EffectRow(
    name="alignment",
    label="Alignment of pairs (0 is best)",
    unit="squared distance",
    note="mean |f(X) - f(X')|^2 of rows of length 1; Wang & Isola (2020)",
)
UNIFORMITY = EffectRow(
    name="uniformity",
    label="Uniformity (uniform rows have {expected:.3f})",
    unit="log potential",
    note="log of the mean of exp(-2 |u - v|^2){sample}, of rows of length 1; Wang & Isola (2020)",
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
    name="energy-distance", label="Energy distance", unit="data units", note=_PAIRWISE, squared=True
)
MEAN_DISCREPANCY = EffectRow(
    name="mmd",
    label="Maximum mean discrepancy",
    unit="of at most 1.41",
    note=_PAIRWISE,
    squared=True,
)
CLASSIFIER_ACCURACY = EffectRow(
    name="classifier-accuracy",
    label="Held-out rows that a classifier tells right",
    unit="of all (0.5: none)",
    note="balanced accuracy of a shrunk linear discriminant, cross-fitted over five folds",
    most=1.0,
)
MEAN_DIFFERENCE = EffectRow(
    name="mean-difference",
    label="Distance of the means",
    unit="sd",
    note="length of the difference, in root mean squared pooled standard deviations of columns; "
    "what sampling adds is taken off",
    squared=True,
)
COVARIANCE_DIFFERENCE = EffectRow(
    name="covariance-difference",
    label="Distance of the covariances",
    unit="of the reference's",
    note="Frobenius norm of the difference over that of the reference's covariance; what sampling "
    "adds is taken off",
    squared=True,
)
# Two samples up to a rotation:
LENGTH_DIFFERENCE = EffectRow(
    name="length-difference",
    label="Wasserstein-2 distance of row lengths",
    unit="data units",
    note="of lengths |x|; bias removed by permutation",
    squared=True,
)
SPECTRUM_DIFFERENCE = EffectRow(
    name="spectrum-difference",
    label="Distance of the spectra",
    unit="data units",
    squared=True,
    note="of the sorted standard deviations along principal axes: the smallest Wasserstein-2 "
    "distance, over rotations, of normals with these covariances",
)
MEAN_LENGTHS = EffectRow(
    name="mean-lengths",
    label="Difference of the lengths of the means",
    unit="data units",
    least=-math.inf,
)

# Parts of the divergence from N(0, I), which add up to it.
DIVERGENCE_PARTS = (KL_MEAN, KL_SCALE, KL_CORRELATION, KL_MARGINS, KL_DEPENDENCE)
