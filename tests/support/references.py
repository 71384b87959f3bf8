"""Values of other packages, in tests/references, and the rows of the catalogue that they are of.

A new test needs no line here: ``tests/references/<its name>.csv`` with columns dataset and
statistic is of the samples in univariate_data.csv.gz, with fitted parameters. What is in
values.csv is listed by the package and its own name of the statistic.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from scipy.special import ndtr

from dmtest.catalogue.spec import Spec

PATH = Path(__file__).parents[1] / "references"
FILES = PATH / "files"

# (package, its name of a statistic) -> slice test and whether parameters are fitted.
SLICES: dict[tuple[str, str], tuple[str, Literal["fitted", "known"]]] = {
    ("nortest", "ad.test"): ("anderson-darling", "fitted"),
    ("nortest", "cvm.test"): ("cramer-von-mises", "fitted"),
    ("nortest", "lillie.test"): ("kolmogorov-smirnov", "fitted"),
    ("nortest", "sf.test"): ("shapiro-francia", "fitted"),
    ("stats", "shapiro.test"): ("shapiro-wilk", "fitted"),
    ("tseries", "jarque.bera.test"): ("jarque-bera", "fitted"),
    ("moments", "jarque.test"): ("jarque-bera", "fitted"),
    ("goftest", "ad.test"): ("anderson-darling", "known"),
    ("goftest", "cvm.test"): ("cramer-von-mises", "known"),
    ("goftest", "ad.test_shifted"): ("anderson-darling", "known"),
    ("goftest", "cvm.test_shifted"): ("cramer-von-mises", "known"),
    ("stats", "ks.test asymptotic"): ("kolmogorov-smirnov", "known"),
    ("stats", "ks.test exact"): ("kolmogorov-smirnov", "known"),
    ("stats", "ks.test"): ("kolmogorov-smirnov", "known"),
    ("scipy", "normaltest"): ("dagostino-pearson", "fitted"),
    ("scipy", "jarque_bera"): ("jarque-bera", "fitted"),
    ("scipy", "anderson"): ("anderson-darling", "fitted"),
    ("scipy", "shapiro"): ("shapiro-wilk", "fitted"),
    ("scipy", "kstest"): ("kolmogorov-smirnov", "known"),
    ("scipy", "cramervonmises"): ("cramer-von-mises", "known"),
    ("statsmodels", "lilliefors"): ("kolmogorov-smirnov", "fitted"),
    ("statsmodels", "normal_ad"): ("anderson-darling", "fitted"),
    # With d = 1, beta = 1 and the 1/n standard deviation the same number.
    ("mnt_1d", "BHEP"): ("epps-pulley", "known"),
}
# mnt's name -> test of rows and its tuning parameter, of whitened rows.
MNT = {
    "HZ": ("henze-zirkler", ""),
    "BHEP": ("bhep", "beta"),
    "MSkew": ("mardia-skewness", ""),
    "MKurt": ("mardia-kurtosis", ""),
    "KKurt": ("koziol-kurtosis", ""),
    "MRSSkew": ("mori-rohatgi-szekely", ""),
    "MQ1": ("manzotti-quiroz-1", ""),
    "MQ2": ("manzotti-quiroz-2", ""),
    "DEHT": ("doerr-ebner-henze-t", "a"),
    "DEHU": ("doerr-ebner-henze-u", "a"),
    "EHS": ("ebner-henze-strieder", "a"),
    "HJG": ("henze-jimenez-gamero", "a"),
    "HV": ("henze-visagie", "a"),
    "HJM": ("henze-jimenez-gamero-meintanis", "a"),
}
# mnt's maxima over directions, which are lower bounds: it looks at fewer.
MAXIMA = {
    "MASkew": "malkovich-afifi-skewness",
    "MAKurt": "malkovich-afifi-kurtosis",
    "CS": "cox-small",
    "PU": "pudelko",
}
# sphunif's name -> test of the sphere and its parameters. Its PAD is 1.3e-5 off the closed form.
SPHUNIF: dict[tuple[str, str], tuple[str, dict[str, float]]] = {
    ("Ajne", ""): ("ajne", {}),
    ("Bakshaev", ""): ("bakshaev", {}),
    ("CJ12", ""): ("cai-fan-jiang", {}),
    ("Gine_Fn", ""): ("gine-fn", {}),
    ("Gine_Gn", ""): ("gine-gn", {}),
    ("PCvM", ""): ("pcvm", {}),
    ("Sobolev", "=c(0,0,1)"): ("sobolev", {}),
    ("Sobolev", "=c(0,1,0)"): ("sobolev", {"degree": 2.0}),
}
# Whose p-values are compared, too: (package, its name, how its parameters end) -> test. MVN's
# moments are on other scales than the papers': of them the p-value only.
PUBLISHED = {
    ("MVN_patched", "doornik_hansen", ""): "doornik-hansen-residuals",
    ("MVN", "mardia_skew", "TRUE"): "mardia-skewness-residuals",
    ("MVN", "mardia_kurt", "TRUE"): "mardia-kurtosis-residuals",
    ("MVN", "hw", "TRUE"): "henze-wagner-residuals",
    ("MVN", "hz", "TRUE"): "henze-zirkler-residuals",
    ("sphunif", "Rayleigh", ""): "rayleigh-sphere",
    ("sphunif", "Bingham", ""): "bingham-sphere",
}


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A value of a test for one sample, or two, by another program."""

    what: str  # where it is from
    x: np.ndarray
    y: np.ndarray | None = None
    value: float | None = None
    pvalue: float | None = None
    parameters: Literal["fitted", "known"] = "fitted"  # of slices
    params: dict[str, float] = field(default_factory=dict)
    rtol: float = 1e-8
    atol: float = 0.0
    least: bool = False  # only a lower bound


def label(row: Spec) -> str:
    """Name a row of the catalogue: several spaces have a test of the same name."""
    return f"{row.name}-{row.space}"


@cache
def table(name: str) -> list[dict[str, str]]:
    """Read a table."""
    with (PATH / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@cache
def dataset(name: str) -> np.ndarray:
    """Read a data set of several columns."""
    return np.loadtxt(PATH / "data" / f"{name}.csv", delimiter=",", skiprows=1)


@cache
def univariate() -> dict[str, np.ndarray]:
    """Read the samples of univariate.csv."""
    with gzip.open(PATH / "univariate_data.csv.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    cells = (line.split(",") for line in lines)
    return {name: np.array(values, dtype=float) for name, *values in cells}


def column(name: str, head: str) -> np.ndarray:
    """Return one column of a data set."""
    return dataset(name)[:, list(table(f"data/{name}.csv")[0]).index(head)]


def references_of(row: Spec) -> list[Reference]:
    """Return what is recorded of a row."""
    found = recorded().get(label(row), [])
    if (PATH / f"{row.name}.csv").exists():
        for line in table(f"{row.name}.csv"):
            x, value = univariate()[line["dataset"]], float(line["statistic"])
            found = [*found, Reference(what=line["dataset"], x=x, value=value)]
    return found


@cache
def recorded() -> dict[str, list[Reference]]:
    """Return all values of univariate.csv, values.csv and two_sample.csv, by the label of a row."""
    found: dict[str, list[Reference]] = {}
    for line in (*table("univariate.csv"), *table("values.csv")):
        for test, reference in (*_of_slices(line), *_of_rows(line)):
            found.setdefault(test, []).append(reference)
    for line in table("two_sample.csv"):
        z, n = dataset(line["data"]), int(line["n"])
        reference = Reference(what=line["data"], x=z[:n], y=z[n:], value=float(line["statistic"]))
        found.setdefault("energy-two-sample", []).append(reference)
    return found


def _of_slices(line: dict[str, str]) -> Iterator[tuple[str, Reference]]:
    source = (line["source"], line["stat"])
    if source not in SLICES:
        return
    many = "column" in line
    y = column(line["dataset"], line["column"]) if many else univariate().get(line["dataset"])
    # Below 6 rows Shapiro-Wilk has other weights; dmtest takes 8 at least.
    if y is None or len(y) < 8:
        return
    test, parameters = SLICES[source]
    how, atol = line["params"] or line["stat"], 1e-12
    if parameters == "known":
        own = source[0] == "mnt_1d"
        y = (y - y.mean()) / y.std(ddof=0 if own else 1)
        if "shifted" in how or "1.3*" in how:
            y = 1.3 * y + 0.15
        # 1 - cdf has the references round: by a lot where the largest value is far out.
        atol = 0.0 if own else 2e-16 / ndtr(-np.abs(y).max())
    what = f"{source} {line['dataset']} {line.get('column', '')} {how}"
    value = float(line["statistic"])
    yield (
        f"{test}-lines",
        Reference(what=what, x=y, value=value, parameters=parameters, atol=atol),
    )


def _of_rows(line: dict[str, str]) -> Iterator[tuple[str, Reference]]:
    source, stat, tuning = line["source"], line["stat"], line["params"]
    if (source, stat) == ("mnt_1d", "HZ"):
        x = column(line["dataset"], line["column"])
        yield (
            "henze-zirkler-residuals",
            Reference(what=f"mnt {line['column']}", x=x, value=float(line["statistic"])),
        )
    if line.get("column") != "joint":
        return
    reference = Reference(
        what=f"{source} {stat} {tuning} {line['dataset']}",
        x=dataset(line["dataset"]),
        value=float(line["statistic"] or "nan"),
    )
    if source == "mnt_prewhitened" and stat in MNT:
        test, parameter = MNT[stat]
        number = tuning.partition("=")[2]
        params = {parameter: float(number)} if parameter and number else {}
        yield f"{test}-residuals", replace(reference, params=params)
    if source == "mnt" and stat in MAXIMA:
        yield f"{MAXIMA[stat]}-residuals", replace(reference, least=True)
    if (source, stat) == ("energy", "mvnorm.e"):
        yield "energy-residuals", reference
    if source == "pingouin":
        yield "henze-zirkler-residuals", reference
    for (name, end), (test, params) in SPHUNIF.items():
        if (source, stat) == ("sphunif", name) and tuning.endswith(end):
            yield f"{test}-sphere", replace(reference, params=params)
    for (package, name, end), test in PUBLISHED.items():
        if (source, stat) == (package, name) and tuning.endswith(end):
            moment = package == "MVN" and stat.startswith("mardia")
            value = None if moment else reference.value
            yield test, replace(reference, value=value, pvalue=float(line["p_value"]))
