"""Tests of a normal law with any mean and covariance: statistics of whitened rows."""

from __future__ import annotations

from functools import partial

from dmtest.catalogue.spec import MeanLaw, RowTest
from dmtest.statistics.laws import joint_laws
from dmtest.statistics.rows import (
    directions,
    features,
    generating,
    marginal,
    pairs,
    skewness,
    weighted,
)

_ROW = partial(RowTest, space="residuals", invariances=("affine",))
# What leaves the correlations of columns as they are.
_COLUMNS = ("column-order", "column-reflections", "column-scales", "shift")
_PAIRS = partial(_ROW, family="pairs")
_SUMS = partial(_ROW, family="sums")
_SEARCH = partial(_ROW, family="search", work=lambda n, d: 2000.0 * n * (d + 8.0))

ROWS = (
    _PAIRS(
        name="henze-zirkler",
        statistic=pairs.henze_zirkler,
        params={"beta": None},
        published=joint_laws.henze_zirkler,
        # With 20 rows a column the mean of its p-values is within .015 of 1/2; at 100 rows it is
        # .47 for d = 8, .35 for d = 20 and .25 for d = 32.
        mean_law=MeanLaw(
            joint_laws.lognormal_of_varying, "lognormal approximation", rows_per_column=20
        ),
        features=features.henze_zirkler,
        # Beyond, its law is that of ever fewer nearest pairs, and it detects little.
        default_columns=32,
        cost="n^2 d",
        sees="most joint shapes in low dimension; little above d = 32",
        reference="Henze & Zirkler 1990",
    ),
    _PAIRS(
        name="bhep",
        statistic=pairs.bhep,
        params={"beta": 1.0},
        published=joint_laws.bhep,
        features=features.bhep,
        cost="n^2 d",
        sees="most joint shapes in low dimension; nothing above d = 10 unless beta shrinks",
        reference="Baringhaus & Henze 1988; Henze & Wagner 1997",
    ),
    _PAIRS(
        name="henze-wagner",
        statistic=pairs.bhep,
        params={"beta": 1.0},
        published=joint_laws.bhep,
        features=features.bhep,
        cost="n^2 d",
        sees="the same as bhep, whose statistic it has, with the lognormal p-value of MVN",
        reference="Henze & Wagner 1997",
    ),
    _PAIRS(
        name="mardia-skewness",
        statistic=skewness.mardia_skewness,
        published=joint_laws.mardia_skewness,
        null_mean=joint_laws.mardia_skewness_mean,
        null_scale=joint_laws.mardia_skewness_scale,
        cost="n^2 d",
        sees="skewness in any direction, in high dimension too; clusters of unequal weight",
        reference="Mardia 1970",
    ),
    _PAIRS(
        name="mardia-kurtosis",
        statistic=skewness.mardia_kurtosis,
        tail="two-sided",
        published=joint_laws.mardia_kurtosis,
        null_mean=joint_laws.mardia_kurtosis_mean,
        null_scale=joint_laws.mardia_kurtosis_scale,
        settles=True,
        work=lambda n, d: 4.0 * n * d,
        cost="n d",
        sees="tails of the row lengths, light and heavy",
        reference="Mardia 1970",
    ),
    _PAIRS(
        name="koziol-kurtosis",
        statistic=skewness.koziol_kurtosis,
        tail="two-sided",
        cost="n^2 d",
        sees="fourth moments in any direction, light and heavy",
        reference="Koziol 1989",
    ),
    _PAIRS(
        name="mori-rohatgi-szekely",
        statistic=skewness.mori_rohatgi_szekely,
        work=lambda n, d: 4.0 * n * d,
        cost="n d",
        sees="skewness that many directions share",
        reference="Mori, Rohatgi & Szekely 1993",
    ),
    _PAIRS(
        name="energy",
        statistic=pairs.energy_fitted,
        targets=("any-normal",),
        cost="n^2 d",
        sees="heavy tails and skewness in any dimension",
        reference="Szekely & Rizzo 2005",
    ),
    _PAIRS(
        name="henze-jimenez-gamero",
        statistic=weighted.henze_jimenez_gamero,
        params={"a": 5.0},
        cost="n^2 d",
        sees="heavy tails, most of all single far rows",
        reference="Henze & Jimenez-Gamero 2019",
    ),
    _PAIRS(
        name="henze-visagie",
        statistic=weighted.henze_visagie,
        params={"a": 5.0},
        limits={"a": (float("inf"),)},
        cost="n^2 d",
        sees="skewness and heavy tails",
        reference="Henze & Visagie 2020",
    ),
    _PAIRS(
        name="doerr-ebner-henze-t",
        statistic=weighted.doerr_ebner_henze_t,
        params={"a": 1.0},
        features=features.doerr_ebner_henze_t,
        cost="n^2 d",
        sees="heavy tails",
        reference="Doerr, Ebner & Henze 2021 (arXiv 1909.12624)",
    ),
    _PAIRS(
        name="doerr-ebner-henze-u",
        statistic=weighted.doerr_ebner_henze_u,
        params={"a": 0.5},
        features=features.doerr_ebner_henze_u,
        cost="n^2 d",
        sees="heavy tails and skewness",
        reference="Doerr, Ebner & Henze 2021 (arXiv 1911.10955)",
    ),
    _PAIRS(
        name="ebner-henze-strieder",
        statistic=weighted.ebner_henze_strieder,
        params={"a": 1.0},
        limits={"a": (0.0, float("inf"))},
        features=features.ebner_henze_strieder,
        cost="n^2 d",
        sees="most joint shapes in low dimension",
        reference="Ebner, Henze & Strieder 2020 (arXiv 2007.02596)",
    ),
    _PAIRS(
        name="manzotti-quiroz-1",
        statistic=skewness.manzotti_quiroz_1,
        cost="n^2 d",
        sees="uneven directions of rows at any length: few columns, clusters",
        reference="Manzotti & Quiroz 2001",
    ),
    _PAIRS(
        name="manzotti-quiroz-2",
        statistic=skewness.manzotti_quiroz_2,
        work=lambda n, d: 2.0 * n * d * d,
        cost="n d^2",
        sees="row lengths, and uneven directions of far rows",
        reference="Manzotti & Quiroz 2001",
    ),
    _PAIRS(
        name="henze-jimenez-gamero-meintanis",
        statistic=generating.henze_jimenez_gamero_meintanis,
        params={"a": 1.5},
        most=generating.MOST,
        work=lambda n, d: 3.0 * float(n) ** 4,
        cost="n^4, at most 200 rows",
        sees="skewness and heavy tails in small samples",
        reference="Henze, Jimenez-Gamero & Meintanis 2019",
    ),
    _SUMS(
        name="royston",
        statistic=marginal.royston,
        published=marginal.royston_law,
        coloured=True,
        invariances=_COLUMNS,
        most=5000,
        work=lambda n, d: 200.0 * n * d + 2.0 * n * d * d,
        cost="d n log n",
        sees="columns that are not normal, without decorrelation",
        reference="Royston 1983, 1992",
    ),
    _SUMS(
        name="doornik-hansen",
        statistic=marginal.doornik_hansen,
        published=marginal.doornik_hansen_law,
        invariances=_COLUMNS,
        work=lambda n, d: 100.0 * n * d + 2.0 * n * d * d,
        cost="n d^2",
        sees="skewness and kurtosis of columns",
        reference="Doornik & Hansen 2008",
    ),
    _SUMS(
        name="generalised-shapiro-wilk",
        statistic=marginal.generalised_shapiro_wilk,
        tail="lower",
        # The inverse root of the covariance turns with its eigenvectors.
        invariances=("column-order", "column-reflections", "scale", "shift"),
        work=lambda n, d: 200.0 * n * d + 2.0 * n * d * d,
        cost="d n log n + n d^2",
        sees="columns that are not normal after decorrelation",
        reference="Villasenor & Gonzalez-Estrada 2009",
    ),
    _SEARCH(
        name="malkovich-afifi-skewness",
        statistic=directions.malkovich_afifi_skewness,
        cost="1000 n d",
        sees="one skewed direction, wherever it points",
        reference="Malkovich & Afifi 1973",
    ),
    _SEARCH(
        name="malkovich-afifi-kurtosis",
        statistic=directions.malkovich_afifi_kurtosis,
        cost="1000 n d",
        sees="one heavy-tailed direction, wherever it points",
        reference="Malkovich & Afifi 1973",
    ),
    _SEARCH(
        name="cox-small",
        statistic=directions.cox_small,
        cost="1000 n d",
        sees="dependence of the rows on the square of one direction",
        reference="Cox & Small 1978",
    ),
    _SEARCH(
        name="pudelko",
        statistic=directions.pudelko,
        params={"r": 2.0},
        work=lambda n, d: 2000.0 * n * (d + 60.0),
        cost="1000 n d",
        sees="shape, not location, in the worst direction",
        reference="Pudelko 2005",
    ),
)
