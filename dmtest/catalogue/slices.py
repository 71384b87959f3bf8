"""Univariate tests of slices, for any target: a statistic for every direction."""

from __future__ import annotations

from dmtest.catalogue.spec import SliceTest
from dmtest.statistics.laws import quadratic, slice_laws
from dmtest.statistics.slices import charfun, edf, moments, regression, spacings
from dmtest.statistics.slices.scales import kolmogorov_scale, kuiper_scale

_SORT = "k n (d + log n)"
_ROYSTON = "Royston's formula is for the fitted statistic only"
_SIMULATED = "only simulated percentage points exist"

# Reports also test single directions and slices with it.
ANDERSON_DARLING = SliceTest(
    name="anderson-darling",
    statistic=edf.anderson_darling,
    published={
        "fitted": slice_laws.anderson_darling_fitted,
        "known": slice_laws.anderson_darling_known,
    },
    cost=_SORT,
    sees="shape, location and scale of slices, with weight on the tails",
    reference="Anderson & Darling 1954; Stephens 1974",
)

ROWS = (
    SliceTest(
        name="dagostino-pearson",
        statistic=moments.dagostino_pearson,
        published={"fitted": slice_laws.dagostino_pearson, "known": slice_laws.chi_squared_2},
        needs="moments",
        cost="k n d",
        sees="skewness and tail weight of slices",
        reference="D'Agostino & Pearson 1973",
    ),
    SliceTest(
        name="shapiro-wilk",
        statistic=regression.shapiro_wilk,
        published={"fitted": slice_laws.shapiro_wilk},
        unpublished={"known": _ROYSTON},
        mean_rows=5000,
        tail="lower",
        cap=None,
        cost=_SORT,
        sees="most shapes of slices, most of all in the tails",
        reference="Shapiro & Wilk 1965; Royston 1995",
    ),
    SliceTest(
        name="shapiro-francia",
        statistic=regression.shapiro_francia,
        published={"fitted": slice_laws.shapiro_francia},
        unpublished={"known": _ROYSTON},
        mean_rows=5000,
        tail="lower",
        cap=None,
        cost=_SORT,
        sees="heavy tails of slices",
        reference="Shapiro & Francia 1972; Royston 1993",
    ),
    ANDERSON_DARLING,
    SliceTest(
        name="cramer-von-mises",
        statistic=edf.cramer_von_mises,
        published={
            "fitted": slice_laws.cramer_von_mises_fitted,
            "known": quadratic.cramer_von_mises_known,
        },
        cost=_SORT,
        sees="departures in the middle of slices",
        reference="Cramer 1928; von Mises 1931; Stephens 1974",
    ),
    SliceTest(
        name="kolmogorov-smirnov",
        statistic=edf.kolmogorov_smirnov,
        published={
            "fitted": slice_laws.kolmogorov_smirnov_fitted,
            "known": slice_laws.kolmogorov_smirnov_known,
        },
        to_cap=kolmogorov_scale,
        cost=_SORT,
        sees="the largest gap between cdfs; Lilliefors' test when fitted",
        reference="Kolmogorov 1933; Lilliefors 1967",
    ),
    SliceTest(
        name="kuiper",
        statistic=edf.kuiper,
        published={"known": slice_laws.kuiper_known},
        unpublished={"fitted": "Stephens (1974) gives percentage points only"},
        to_cap=kuiper_scale,
        cost=_SORT,
        sees="spread and clusters of slices",
        reference="Kuiper 1960; Stephens 1970",
    ),
    SliceTest(
        name="watson",
        statistic=edf.watson,
        published={"fitted": slice_laws.watson_fitted, "known": slice_laws.watson_known},
        cost=_SORT,
        sees="spread and clusters of slices",
        reference="Watson 1961; Stephens 1970",
    ),
    SliceTest(
        name="jarque-bera",
        statistic=moments.jarque_bera,
        published={"fitted": slice_laws.chi_squared_2, "known": slice_laws.chi_squared_2},
        # The mean of its published p-values is .55 at 100 rows.
        mean_rows=0,
        needs="moments",
        cap=20_000,
        cost="k n d",
        sees="skewness and heavy tails of slices",
        reference="Jarque & Bera 1980",
    ),
    SliceTest(
        name="epps-pulley",
        statistic=charfun.epps_pulley,
        published={"fitted": quadratic.epps_pulley_fitted, "known": quadratic.epps_pulley_known},
        needs="values",
        cost="k n d",
        sees="most shapes of slices, most of all clusters and skewness",
        reference="Epps & Pulley 1983; Baringhaus & Henze 1988",
    ),
    SliceTest(
        name="vasicek",
        statistic=spacings.vasicek,
        unpublished={"fitted": _SIMULATED, "known": _SIMULATED},
        tail="lower",
        cap=None,
        params={"window": None},
        cost=_SORT,
        sees="light tails, repeated values and gaps in slices",
        reference="Vasicek 1976; Arizono & Ohta 1989",
    ),
)
