"""Tests that a sample follows a law that can be drawn from."""

from __future__ import annotations

from dmtest.catalogue.spec import DrawTest
from dmtest.statistics.pools import drawn

ROWS = (
    DrawTest(
        name="mmd",
        family="sums",
        statistic=drawn.mmd,
        params={"bandwidth": None},
        cost="B n d",
        sees="most joint shapes in low dimension: clusters, holes, dependence beyond correlation",
        reference="Gretton et al. 2012",
    ),
    DrawTest(
        name="moments",
        family="sums",
        statistic=drawn.moments,
        cost="B n d^2",
        sees="means, variances and correlations of columns, and row lengths",
        reference="Hotelling 1931",
    ),
)
