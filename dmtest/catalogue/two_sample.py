"""Tests that two samples have the same distribution."""

from __future__ import annotations

from functools import partial

from dmtest.catalogue.spec import Spec
from dmtest.statistics.pools import classifier, two_sample

__all__ = ["ROWS"]

_ROW = partial(
    Spec, space="two-sample", targets=("reference",), needs="rows", reduction="none", cap=None
)

ROWS = (
    _ROW(
        name="mmd",
        family="pairs",
        statistic=two_sample.mmd,
        params={"bandwidth": None},
        features=two_sample.mmd_of_frequencies,
        cost="n^2 (d + B)",
        sees="location, scale and most joint shapes, where most rows differ",
        reference="Gretton et al. 2012",
    ),
    _ROW(
        name="energy",
        family="pairs",
        statistic=two_sample.energy,
        features=two_sample.energy_of_lines,
        cost="n^2 (d + B)",
        sees="location, scale and heavy tails in any dimension",
        reference="Szekely & Rizzo 2004",
    ),
    _ROW(
        name="sliced-wasserstein",
        family="slices",
        statistic=two_sample.sliced_wasserstein,
        reduction="mean",
        cost="k n (d + log n + B)",
        sees="location, scale and tails; its worst slice: few directions",
        reference="Bonneel et al. 2015",
    ),
    _ROW(
        name="classifier",
        family="search",
        statistic=classifier.classifier,
        cost="n d (d + B)",
        sees="means and variances of single columns or directions, whatever their scale",
        reference="Lopez-Paz & Oquab 2017",
    ),
)
