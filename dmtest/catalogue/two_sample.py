"""Tests that two samples have one distribution, and that one follows a law that is drawn from."""

from __future__ import annotations

from dmtest.catalogue.spec import DrawTest, LinearForm, PoolTest
from dmtest.engines.labelled_slices import FREQUENCIES, SLICES
from dmtest.statistics.pools import classifier, drawn, two_sample

# Multiply-adds of a labelling for one value of a slice.
_STEP = 16.0


def _sorted_work(total: float, slices: int) -> float:
    """Multiply-adds of one labelling of sorted slices."""
    return total * slices * _STEP


ROWS = (
    PoolTest(
        name="mmd",
        family="pairs",
        statistic=two_sample.mmd,
        params={"bandwidth": None},
        # Its bandwidth is the median distance.
        invariances=("exchange", "rotation", "scale", "shift"),
        linear=LinearForm(
            two_sample.mmd_of_frequencies,
            f"{FREQUENCIES} random frequencies",
            lambda total, slices: 2.0 * total * FREQUENCIES,
        ),
        cost="n^2 (d + B)",
        sees="location, scale and most joint shapes, if most rows differ",
        reference="Gretton et al. 2012",
    ),
    PoolTest(
        name="energy",
        family="pairs",
        statistic=two_sample.energy,
        invariances=("exchange", "rotation", "shift"),
        linear=LinearForm(two_sample.energy_of_slices, f"{SLICES} random slices", _sorted_work),
        cost="n^2 (d + B)",
        sees="location, scale and heavy tails in any dimension",
        reference="Szekely & Rizzo 2004",
    ),
    PoolTest(
        name="sliced-wasserstein",
        family="slices",
        statistic=two_sample.sliced_wasserstein,
        invariances=("exchange", "reflection", "shift"),
        reduction="mean",
        work=_sorted_work,
        cost="k n (d + log n + B)",
        sees="location, scale and tails; by its worst slice, departures in few directions",
        reference="Bonneel et al. 2015",
    ),
    PoolTest(
        name="classifier",
        family="search",
        statistic=classifier.classifier,
        # A hash of its values puts a row into a fold.
        invariances=("exchange",),
        subset=lambda pool: len(classifier.chosen_rows(pool)),
        cost="n d (d + B)",
        sees="means and variances of single columns or directions, whatever their scale",
        reference="Lopez-Paz & Oquab 2017",
    ),
    DrawTest(
        name="mmd",
        family="sums",
        statistic=drawn.mmd,
        params={"bandwidth": None},
        invariances=("column-ranks",),
        cost="B n d",
        sees="most joint shapes in low dimension: clusters, holes, dependence beyond correlation",
        reference="Gretton et al. 2012",
    ),
    DrawTest(
        name="moments",
        family="sums",
        statistic=drawn.moments,
        invariances=("column-ranks", "column-order"),
        cost="B n d^2",
        sees="means, variances and correlations of columns, and row lengths",
        reference="Hotelling 1931",
    ),
)
