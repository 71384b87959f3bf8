"""Rows without a public name: statistics that reports calibrate or add to the tests."""

from __future__ import annotations

from dmtest.catalogue.spec import SliceTest, Spec
from dmtest.statistics.slices import wasserstein

# Its null serves an effect: the mean is the distance's bias, the spread a part of the interval.
SQUARED_WASSERSTEIN = SliceTest(
    name="squared-wasserstein",
    statistic=wasserstein.squared_wasserstein,
    cost="k n (d + log n)",
    sees="distance of slices from the target",
    reference="Bonneel et al. 2015",
)
# A search on one half of the rows, with a test on the other.
WORST_DIRECTION = Spec(
    name="worst-direction",
    family="search",
    space="lines",
    needs="rows",
    cost="1000 n d",
    sees="one direction that departs, wherever it points",
    reference="Anderson & Darling 1954",
)
# Single columns and principal axes, which a mean over slices dilutes.
AXES = Spec(
    name="axes",
    family="slices",
    space="lines",
    needs="rows",
    cost="d n (d + log n)",
    sees="one column, or one principal axis, that departs",
    reference="Anderson & Darling 1954; Stephens 1974",
)
# One value outside its support refutes a target.
SUPPORT = Spec(
    name="support",
    family="sums",
    space="normal",
    needs="values",
    targets=("uniform", "product"),
    cost="n d",
    sees="values outside the target's support",
    reference="",
)


def _rank_test(name: str, sees: str, reference: str) -> Spec:
    return Spec(
        name=name,
        family="sums",
        space="cube",
        needs="values",
        targets=("ranks",),
        cost="n d",
        sees=sees,
        reference=reference,
    )


# Exact tests of the counts of ranks, column by column: statistics/counts.py.
RANK_TESTS = (
    _rank_test("rank-mean", "bias: ranks too low or too high", "Hajek & Sidak 1967"),
    _rank_test("rank-spread", "U-shaped and hump-shaped ranks", "Hajek & Sidak 1967"),
    _rank_test(
        "rank-anderson-darling",
        "any departure of the cdf of ranks",
        "Choulakian, Lockhart & Stephens 1994",
    ),
    _rank_test("rank-chi-squared", "any departure of the histogram of ranks", "Pearson 1900"),
)

ROWS: tuple[Spec, ...] = (SQUARED_WASSERSTEIN, AXES, WORST_DIRECTION, SUPPORT, *RANK_TESTS)
