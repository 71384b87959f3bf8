"""Rows that cannot be asked for by name: what reports calibrate or add beside the tests."""

from __future__ import annotations

from dmtest.catalogue.spec import SliceTest, Spec
from dmtest.statistics.slices import wasserstein

# The null of an effect: its mean is the bias of the distance, its spread a part of the interval.
SQUARED_WASSERSTEIN = SliceTest(
    name="squared-wasserstein",
    statistic=wasserstein.squared_wasserstein,
    cost="k n (d + log n)",
    sees="distance of slices from the target",
    reference="Bonneel et al. 2015",
)
# A search on one half of the rows, tested on the other.
WORST_DIRECTION = Spec(
    name="worst-direction",
    family="search",
    space="lines",
    needs="rows",
    cost="1000 n d",
    sees="one direction that is off, wherever it points",
    reference="Anderson & Darling 1954",
)
# One value that the target never gives refutes it.
SUPPORT = Spec(
    name="support",
    family="sums",
    space="normal",
    needs="values",
    targets=("uniform", "product"),
    cost="n d",
    sees="values that the target never gives",
    reference="",
)

ROWS: tuple[Spec, ...] = (SQUARED_WASSERSTEIN, WORST_DIRECTION, SUPPORT)
