"""Univariate tests of slices, of any target: a statistic for every direction."""

from __future__ import annotations

from dmtest.catalogue.spec import Spec
from dmtest.statistics.slices import charfun, edf, moments, regression, spacings
from dmtest.statistics.slices.scales import kolmogorov_scale, kuiper_scale

__all__ = ["ROWS"]

_SORT = "k n (d + log n)"

ROWS = (
    Spec(
        name="dagostino-pearson",
        family="slices",
        statistic=moments.dagostino_pearson,
        needs="moments",
        cost="k n d",
        sees="skewness and tail weight of slices",
        reference="D'Agostino & Pearson 1973",
    ),
    Spec(
        name="shapiro-wilk",
        family="slices",
        statistic=regression.shapiro_wilk,
        tail="lower",
        cap=None,
        cost=_SORT,
        sees="most shapes of slices, tails above all",
        reference="Shapiro & Wilk 1965; Royston 1995",
    ),
    Spec(
        name="shapiro-francia",
        family="slices",
        statistic=regression.shapiro_francia,
        tail="lower",
        cap=None,
        cost=_SORT,
        sees="heavy tails of slices",
        reference="Shapiro & Francia 1972; Royston 1993",
    ),
    Spec(
        name="anderson-darling",
        family="slices",
        statistic=edf.anderson_darling,
        cost=_SORT,
        sees="shape, location and scale of slices, tails weighted up",
        reference="Anderson & Darling 1954; Stephens 1974",
    ),
    Spec(
        name="cramer-von-mises",
        family="slices",
        statistic=edf.cramer_von_mises,
        cost=_SORT,
        sees="the middle of slices",
        reference="Cramer 1928; von Mises 1931; Stephens 1974",
    ),
    Spec(
        name="kolmogorov-smirnov",
        family="slices",
        statistic=edf.kolmogorov_smirnov,
        to_cap=kolmogorov_scale,
        cost=_SORT,
        sees="the largest gap between cdfs; Lilliefors' test when fitted",
        reference="Kolmogorov 1933; Lilliefors 1967",
    ),
    Spec(
        name="kuiper",
        family="slices",
        statistic=edf.kuiper,
        to_cap=kuiper_scale,
        cost=_SORT,
        sees="spread and clusters of slices",
        reference="Kuiper 1960; Stephens 1970",
    ),
    Spec(
        name="watson",
        family="slices",
        statistic=edf.watson,
        cost=_SORT,
        sees="spread and clusters of slices",
        reference="Watson 1961; Stephens 1970",
    ),
    Spec(
        name="jarque-bera",
        family="slices",
        statistic=moments.jarque_bera,
        needs="moments",
        cap=20_000,
        cost="k n d",
        sees="skewness and heavy tails of slices",
        reference="Jarque & Bera 1980",
    ),
    Spec(
        name="epps-pulley",
        family="slices",
        statistic=charfun.epps_pulley,
        needs="values",
        cost="k n d",
        sees="most shapes of slices, clusters and skewness above all",
        reference="Epps & Pulley 1983; Baringhaus & Henze 1988",
    ),
    Spec(
        name="vasicek",
        family="slices",
        statistic=spacings.vasicek,
        tail="lower",
        cap=None,
        params={"window": None},
        cost=_SORT,
        sees="light tails, repeated values and gaps in slices",
        reference="Vasicek 1976; Arizono & Ohta 1989",
    ),
)
