"""A report as a data frame or as an xarray data set; nothing is computed."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from dmtest.errors import InputError, MissingExtraError
from dmtest.results.figures import array
from dmtest.results.outcome import Outcome

if TYPE_CHECKING:
    import xarray as xr

    from dmtest.results.classes import ClassReports
    from dmtest.results.report import Report

BACKENDS = ("pandas", "polars")
FIRST = ("test", "statistic", "pvalue", "adjusted")
TEXTS = ("target", "family", "method", "reduction")
NUMBERS = ("statistic", "pvalue", "pvalue_error", "worst_statistic", "worst_pvalue", "pvalue_floor")
COUNTS = ("n", "d", "replicates", "slices", "worst_slice", "rows")


def frame(report: Report, backend: str) -> Any:
    """Return the outcomes as a data frame, one row per test.

    Parameters
    ----------
    report : Report
    backend : {"pandas", "polars"}
        Library of the data frame.

    Raises
    ------
    InputError
        If the backend is not one of these.
    ImportError
        If it is not installed.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend: must be one of {', '.join(BACKENDS)}; got {backend!r}")
    if report.classes is not None and not report.outcomes:
        return _frame_of_classes(report.classes, backend)
    names = list(dict.fromkeys([*FIRST, *(f.name for f in fields(Outcome))]))
    records = [
        o.to_dict() | {"adjusted": p} for o, p in zip(report.outcomes, report.adjusted, strict=True)
    ]
    columns = _encodable({name: [one[name] for one in records] for name in names})
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
    # Parameters differ between tests: a struct would have those of all tests in each row.
    columns["params"] = [repr(value) for value in columns["params"]]
    types = dict.fromkeys((*NUMBERS, "adjusted"), pl.Float64) | dict.fromkeys(COUNTS, pl.Int64)
    texts = dict.fromkeys(("test", *TEXTS, "params", "seed"), pl.String)
    columns["seed"] = [None if value is None else str(value) for value in columns["seed"]]
    return pl.DataFrame(columns, schema={name: (types | texts)[name] for name in names})


def _frame_of_classes(classes: ClassReports, backend: str) -> Any:
    """Return the outcomes of all classes below each other, with the class first."""
    frames = {name: frame(report, backend) for name, report in classes.items()}
    if backend == "pandas":
        import pandas as pd

        for name, one in frames.items():
            one.insert(0, "label", _escaped(name))
        return pd.concat(frames.values(), ignore_index=True)
    import polars as pl

    return pl.concat(
        [
            one.insert_column(0, pl.Series("label", [_escaped(name)] * len(one)))
            for name, one in frames.items()
        ]
    )


def columns_of(records: list[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the values of records by name; None where a record lacks one."""
    names = list(dict.fromkeys(name for record in records for name in record))
    return {name: [record.get(name) for record in records] for name in names}


def table(columns: dict[str, list[Any]], backend: str) -> Any:
    """Return named columns as a data frame; in polars what is no number is text.

    Raises
    ------
    InputError
        If the backend is neither pandas nor polars.
    ImportError
        If it is not installed.
    """
    if backend not in BACKENDS:
        raise InputError(f"backend: must be one of {', '.join(BACKENDS)}; got {backend!r}")
    columns = _encodable(columns)
    try:
        if backend == "pandas":
            import pandas as pd

            return pd.DataFrame(columns)
        import polars as pl
    except ImportError:
        raise MissingExtraError(
            f"to_frame needs {backend}, which is not installed: run `pip install {backend}`, or "
            f"use to_dict()"
        ) from None
    return pl.DataFrame({name: _column(values) for name, values in columns.items()})


def _encodable(columns: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Return columns whose texts are valid Unicode, which libraries of data frames store."""
    return {
        _escaped(name): [_escaped(one) if isinstance(one, str) else one for one in values]
        for name, values in columns.items()
    }


def _escaped(text: str) -> str:
    """Escape unpaired surrogates, which names of files and JSON may have."""
    return text.encode("utf-8", errors="backslashreplace").decode()


def _column(values: list[Any]) -> list[Any]:
    """Return values of one type for polars: floats, whole numbers of 64 bits, or texts."""
    there = [value for value in values if value is not None]
    if all(isinstance(value, bool) for value in there):
        return values
    if all(isinstance(value, int | float) and abs(value) < 2**63 for value in there):
        whole = all(isinstance(value, int) for value in there)
        return [None if v is None else v if whole else float(v) for v in values]
    return [value if value is None else str(value) for value in values]


def dataset(report: Report) -> xr.Dataset:
    """Return outcomes, effects and the numbers behind the figures, each on its own dimension.

    Raises
    ------
    ImportError
        If xarray is not installed.
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
        of_part, axes = part(report)
        variables |= of_part
        coordinates |= axes
    plain = ("verdict", "pvalue", "pvalue_method", "alpha", "target", "n", "d")
    attributes = {name: getattr(report, name) for name in plain} | {"seed": str(report.seed)}
    return xr.Dataset(variables, coordinates, attributes)


Part = tuple[dict[str, Any], dict[str, Any]]


def _tests(report: Report) -> Part:
    outcomes = report.outcomes
    variables: dict[str, Any] = {
        name: ("test", array([getattr(o, name) for o in outcomes])) for name in NUMBERS
    }
    variables["adjusted"] = ("test", array(report.adjusted))
    variables["rows_used"] = ("test", array([o.rows for o in outcomes]))
    variables["method"] = ("test", np.array([o.method for o in outcomes], dtype=np.str_))
    variables["family"] = ("test", np.array([o.family for o in outcomes], dtype=np.str_))
    return variables, {"test": np.array([o.test for o in outcomes], dtype=np.str_)}


def _effects(report: Report) -> Part:
    effects = list(report.effects.values())
    variables: dict[str, Any] = {
        f"effect_{name}": ("effect", array([getattr(e, name) for e in effects]))
        for name in ("value", "low", "high", "confidence")
    }
    variables["effect_unit"] = ("effect", np.array([e.unit for e in effects], dtype=np.str_))
    return variables, {"effect": np.array(list(report.effects), dtype=np.str_)}


def _slices(report: Report) -> Part:
    figures = report.figures.slices
    if not figures:
        return {}, {}
    quantiles = {
        "expected": [one.theoretical for one in figures],
        "observed": [one.observed for one in figures],
        "low": [one.low for one in figures],
        "high": [one.high for one in figures],
    }
    variables = {
        f"quantile_{name}": (("slice", "quantile"), np.array([array(one) for one in values]))
        for name, values in quantiles.items()
    }
    return variables, {"slice": [one.slice for one in figures]}


def _spectrum(report: Report) -> Part:
    figure = report.figures.spectrum
    if figure is None:
        return {}, {}
    variables = {
        "eigenvalue_observed": ("rank", array(figure.observed)),
        "eigenvalue_low": ("rank", array(figure.low)),
        "eigenvalue_high": ("rank", array(figure.high)),
        "eigenvalue_reference": ("rank", array(figure.reference)),
    }
    return variables, {"rank": np.arange(1, len(figure.observed) + 1)}


def _profile(report: Report) -> Part:
    if report.figures.profile is None:
        return {}, {}
    points = report.figures.profile.points
    variables = {
        "kl_low": ("noise", array([point.low for point in points])),
        "kl_lower": ("noise", array([point.lower for point in points])),
        "kl_upper": ("noise", array([point.upper for point in points])),
        "kl_high": ("noise", array([point.high for point in points])),
    }
    return variables, {"noise": array([point.noise for point in points])}


def _power(report: Report) -> Part:
    figure = report.figures.detectability
    if figure is None:
        return {}, {}
    variables = {
        "power": ("rows", array(figure.rates)),
        "power_low": ("rows", array(figure.low)),
        "power_high": ("rows", array(figure.high)),
        "mean_pvalue": ("rows", array(figure.mean_pvalues)),
    }
    return variables, {"rows": np.array(figure.sizes)}
