"""Tests of the uniform on the sphere: statistics of rows of length 1."""

from __future__ import annotations

from functools import partial

from dmtest.catalogue.spec import RowTest
from dmtest.statistics.rows import sphere

_ROW = partial(RowTest, space="sphere", targets=("sphere",), invariances=("rotation",))
_PAIRS = partial(_ROW, family="pairs", work=lambda n, d: n * n * (d + 600.0), cost="n^2 d")

ROWS = (
    _ROW(
        name="rayleigh",
        family="sums",
        statistic=sphere.rayleigh,
        published=sphere.rayleigh_law,
        work=lambda n, d: 4.0 * n * d * d,
        cost="n d",
        sees="a mean direction",
        reference="Rayleigh 1919",
    ),
    _ROW(
        name="bingham",
        family="sums",
        statistic=sphere.bingham,
        published=sphere.bingham_law,
        invariances=("rotation", "row-signs"),
        work=lambda n, d: 4.0 * n * d * d,
        cost="n d^2",
        sees="axes and planes with too many or too few rows; low effective rank",
        reference="Bingham 1974",
    ),
    _PAIRS(
        name="ajne",
        statistic=sphere.ajne,
        sees="half-spheres with too many rows; nothing symmetric about the origin",
        reference="Ajne 1968; Prentice 1978",
    ),
    _PAIRS(
        name="gine-gn",
        statistic=sphere.gine_gn,
        invariances=("rotation", "row-signs"),
        sees="shapes symmetric about the origin",
        reference="Gine 1975",
    ),
    _PAIRS(
        name="gine-fn",
        statistic=sphere.gine_fn,
        sees="every shape, most of all a mean direction",
        reference="Gine 1975",
    ),
    _PAIRS(
        name="bakshaev",
        statistic=sphere.bakshaev,
        sees="every shape, most of all a mean direction",
        reference="Bakshaev 2010",
    ),
    _PAIRS(
        name="pcvm",
        statistic=sphere.pcvm,
        sees="every shape, most of all a mean direction",
        reference="Garcia-Portugues, Navarro-Esteban & Cuesta-Albertos 2023",
    ),
    _PAIRS(
        name="pad",
        statistic=sphere.pad,
        sees="every shape, clusters better than pcvm",
        reference="Garcia-Portugues, Navarro-Esteban & Cuesta-Albertos 2023",
    ),
    _PAIRS(
        name="cai-fan-jiang",
        statistic=sphere.cai_fan_jiang,
        tail="lower",
        params={"regime": 3.0},
        invariances=("rotation", "row-signs"),
        sees="rows near to each other or to their opposites",
        reference="Cai & Jiang 2012; Cai, Fan & Jiang 2013",
    ),
    _PAIRS(
        name="sobolev",
        statistic=sphere.sobolev,
        params={"degree": 3.0, "upto": None},
        sees="the spherical harmonics of one degree or of several",
        reference="Gine 1975; Prentice 1978",
    ),
)
