"""A report as a data frame or a labelled data set: nothing here is computed anew."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.errors import InputError, MissingExtraError
from dmtest.render.figures import stored_figures
from dmtest.results.outcome import Outcome

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import NDArray

    from dmtest.results.report import Report

__all__ = ["BACKENDS", "dataset", "frame"]

BACKENDS = ("pandas", "polars")
FIRST = ("test", "statistic", "pvalue", "adjusted")
TEXTS = ("target", "family", "method", "reduction")
NUMBERS = ("statistic", "pvalue", "pvalue_error", "worst_statistic", "worst_pvalue")
COUNTS = ("n", "d", "replicates", "slices", "worst_slice")


def frame(report: Report, backend: str) -> Any:
    """Return the outcomes as a data frame, one row per test.

    Parameters
    ----------
    report : Report
        What to put into it.
    backend : {"pandas", "polars"}
        Whose data frame.

    Raises
    ------
    InputError
        When the backend is not one of these.
    ImportError
        When it is not installed.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend: must be one of {', '.join(BACKENDS)}; got {backend!r}")
    names = list(dict.fromkeys([*FIRST, *(f.name for f in fields(Outcome))]))
    records = [
        o.to_dict() | {"adjusted": p} for o, p in zip(report.outcomes, report.adjusted, strict=True)
    ]
    columns = {name: [one[name] for one in records] for name in names}
    try:
        if backend == "pandas":
            import pandas as pd

            return pd.DataFrame(columns)
        import polars as pl
    except ImportError:
        raise MissingExtraError(
            f"Report.to_frame needs {backend}, which is not installed: run `pip install "
            f"{backend}`, or use Report.to_dict()['outcomes']"
        ) from None
    # Parameters differ from test to test: a struct would give each those of all.
    columns["params"] = [repr(value) for value in columns["params"]]
    types = dict.fromkeys((*NUMBERS, "adjusted"), pl.Float64) | dict.fromkeys(COUNTS, pl.Int64)
    texts = dict.fromkeys(("test", *TEXTS, "params", "seed"), pl.String)
    columns["seed"] = [None if value is None else str(value) for value in columns["seed"]]
    return pl.DataFrame(columns, schema={name: (types | texts)[name] for name in names})


def dataset(report: Report) -> xr.Dataset:
    """Return outcomes, effects and the numbers behind the plots, each on its own dimension.

    Parameters
    ----------
    report : Report
        What to put into it.

    Raises
    ------
    ImportError
        When xarray is not installed.
    """
    try:
        import xarray as xr
    except ImportError:
        raise MissingExtraError(
            "Report.to_xarray needs xarray, which is not installed: run `pip install xarray`, "
            "or use Report.to_dict()"
        ) from None
    variables: dict[str, Any] = {}
    coordinates: dict[str, Any] = {}
    for part in (_tests, _effects, _slices, _spectrum, _profile, _power):
        found, where = part(report)
        variables |= found
        coordinates |= where
    plain = ("verdict", "pvalue", "pvalue_method", "alpha", "target", "n", "d")
    about = {name: getattr(report, name) for name in plain} | {"seed": str(report.seed)}
    return xr.Dataset(variables, coordinates, about)


Part = tuple[dict[str, Any], dict[str, Any]]


def _numbers(values: list[Any]) -> NDArray[np.float64]:
    """Return numbers as floats, NaN where there is None."""
    return np.array([math.nan if value is None else value for value in values], dtype=np.float64)


def _tests(report: Report) -> Part:
    outcomes = report.outcomes
    made: dict[str, Any] = {
        name: ("test", _numbers([getattr(o, name) for o in outcomes])) for name in NUMBERS
    }
    made["adjusted"] = ("test", _numbers(list(report.adjusted)))
    made["method"] = ("test", np.array([o.method for o in outcomes], dtype=np.str_))
    made["family"] = ("test", np.array([o.family for o in outcomes], dtype=np.str_))
    return made, {"test": np.array([o.test for o in outcomes], dtype=np.str_)}


def _effects(report: Report) -> Part:
    effects = list(report.effects.values())
    made: dict[str, Any] = {
        f"effect_{name}": ("effect", _numbers([getattr(e, name) for e in effects]))
        for name in ("value", "low", "high", "confidence")
    }
    made["effect_unit"] = ("effect", np.array([e.unit for e in effects], dtype=np.str_))
    return made, {"effect": np.array(list(report.effects), dtype=np.str_)}


def _slices(report: Report) -> Part:
    found = report.pictures.get("slices") or []
    if not found:
        return {}, {}
    made = {
        f"quantile_{name}": (
            ("slice", "quantile"),
            np.array([stored_figures.numbers(one[key]) for one in found]),
        )
        for name, key in zip(
            ("expected", "observed", "low", "high"), stored_figures.SLICE_NUMBERS, strict=True
        )
    }
    return made, {"slice": [int(one.get("slice", k)) for k, one in enumerate(found)]}


def _spectrum(report: Report) -> Part:
    if not report.pictures.get("spectrum"):
        return {}, {}
    found = stored_figures.spectrum(report)
    made = {
        f"eigenvalue_{name}": ("rank", stored_figures.numbers(found[name]))
        for name in stored_figures.SPECTRUM_NUMBERS
    }
    return made, {"rank": np.arange(1, len(found["observed"]) + 1)}


def _profile(report: Report) -> Part:
    if not report.pictures.get("profile"):
        return {}, {}
    points = stored_figures.profile(report)["points"]
    made = {
        f"kl_{name}": ("noise", _numbers([point[name] for point in points]))
        for name in ("low", "lower", "upper", "high")
    }
    return made, {"noise": _numbers([point["noise"] for point in points])}


def _power(report: Report) -> Part:
    if not report.pictures.get("detectability"):
        return {}, {}
    found = stored_figures.detectability(report)
    names = {"power": "rates", "power_low": "low", "power_high": "high"}
    names["mean_pvalue"] = "mean_pvalues"
    made = {name: ("rows", stored_figures.numbers(found[key])) for name, key in names.items()}
    return made, {"rows": np.array(found["sizes"])}
