"""Tests of the uniform on the unit cube: statistics of rows in the cube."""

from __future__ import annotations

from functools import partial

from dmtest.catalogue.spec import CUBE, RowTest
from dmtest.statistics.rows import cube

_ROW = partial(
    RowTest, space="cube", targets=CUBE, invariances=("column-order", "column-reflections")
)

ROWS = (
    _ROW(
        name="axis-kolmogorov-smirnov",
        family="sums",
        statistic=cube.axis_kolmogorov_smirnov,
        published=cube.axis_kolmogorov_smirnov_law,
        work=lambda n, d: 100.0 * n * d,
        cost="d n log n",
        sees="one column that is not uniform",
        reference="Kolmogorov 1933",
    ),
    _ROW(
        name="axis-anderson-darling",
        family="sums",
        statistic=cube.axis_anderson_darling,
        published=cube.axis_anderson_darling_law,
        work=lambda n, d: 150.0 * n * d,
        cost="d n log n",
        sees="one column that is not uniform, most of all at its ends",
        reference="Anderson & Darling 1954",
    ),
    _ROW(
        name="centred-discrepancy",
        family="pairs",
        statistic=cube.centred_discrepancy,
        work=lambda n, d: 40.0 * n * n * d,
        cost="n^2 d",
        sees="boxes around the centre with too many or too few rows, in low dimension",
        reference="Hickernell 1998",
    ),
    _ROW(
        name="mmd",
        family="pairs",
        statistic=cube.mmd,
        params={"beta": None},
        work=lambda n, d: n * n * (d + 16.0) + 2000.0 * n * d,
        cost="n^2 d",
        sees="margins and joint shapes",
        reference="Gretton et al. 2012",
    ),
    _ROW(
        name="energy",
        family="pairs",
        statistic=cube.energy,
        work=lambda n, d: n * n * (d + 16.0) + 2e5 * n * d,
        cost="n^2 d + 100 n d",
        sees="location and spread of the whole cloud",
        reference="Szekely & Rizzo 2005",
    ),
)
