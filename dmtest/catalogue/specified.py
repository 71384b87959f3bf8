"""Tests of N(0, I), fully specified: statistics of rows on normal scale."""

from __future__ import annotations

from functools import partial

from dmtest.catalogue.spec import CUBE, SPECIFIED, RowTest
from dmtest.statistics.rows import features, pairs, specified

_ROW = partial(RowTest, space="normal", targets=SPECIFIED, invariances=("rotation",))
_SUMS = partial(_ROW, family="sums", work=lambda n, d: 2.0 * n * d * d)
# In the cube there are tests of the rows as they are by these names.
_OWN = tuple(name for name in SPECIFIED if name not in CUBE)

ROWS = (
    _ROW(
        name="mmd",
        family="pairs",
        targets=_OWN,
        statistic=pairs.mmd,
        params={"beta": None},
        features=features.mmd,
        cost="n^2 d",
        sees="location, scale and most joint shapes",
        reference="Gretton et al. 2012",
    ),
    _ROW(
        name="energy",
        family="pairs",
        targets=_OWN,
        statistic=pairs.energy_known,
        null_mean=pairs.energy_known_mean,
        cost="n^2 d",
        sees="location, scale and heavy tails in any dimension",
        reference="Szekely & Rizzo 2005",
    ),
    _ROW(
        name="stein",
        family="pairs",
        statistic=pairs.stein,
        params={"length": None},
        cost="n^2 d",
        sees="location, scale and tails",
        reference="Liu, Lee & Jordan 2016; Gorham & Mackey 2017",
    ),
    _SUMS(
        name="mean",
        statistic=specified.mean,
        published=specified.mean_law,
        exact="chi-squared",
        cost="n d",
        sees="a mean that is not 0",
        reference="Hotelling 1931",
    ),
    _SUMS(
        name="covariance-lrt",
        statistic=specified.covariance_lrt,
        published=specified.covariance_lrt_law,
        invariances=("rotation", "shift"),
        cost="n d^2",
        sees="a covariance that is not I, for n > d",
        reference="Anderson 2003, 10.8",
    ),
    _SUMS(
        name="covariance-nagao",
        statistic=specified.covariance_nagao,
        published=specified.covariance_law,
        invariances=("rotation", "shift"),
        cost="n d^2",
        sees="a covariance that is not I",
        reference="Nagao 1973",
    ),
    _SUMS(
        name="covariance-ledoit-wolf",
        statistic=specified.covariance_ledoit_wolf,
        published=specified.covariance_law,
        null_mean=specified.covariance_ledoit_wolf_mean,
        null_scale=specified.covariance_ledoit_wolf_scale,
        invariances=("rotation", "shift"),
        settles=True,
        cost="n d^2",
        sees="a covariance that is not I, also for d > n",
        reference="Ledoit & Wolf 2002",
    ),
    _SUMS(
        name="radius",
        statistic=specified.radius,
        null_mean=specified.radius_mean,
        invariances=("row-rotations",),
        settles=True,
        work=lambda n, d: 4.0 * n * d + 500.0 * n,
        cost="n d + n log n",
        sees="row lengths: tails that all directions share, light and heavy; spheres",
        reference="Anderson & Darling 1954",
    ),
    _SUMS(
        name="direction",
        statistic=specified.direction,
        invariances=("rotation", "row-lengths"),
        cost="n d^2",
        sees="rows that crowd around a mean or a few axes; low effective rank",
        reference="Rayleigh 1919; Bingham 1974",
    ),
)
