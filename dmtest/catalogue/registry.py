"""All tests, and the look-up of their rows by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dmtest.catalogue import cube, fitted, slices, specified, sphere, two_sample, unlisted
from dmtest.catalogue.spec import (
    ALL,
    CUBE,
    DrawTest,
    OneSampleTest,
    PoolTest,
    RowTest,
    SliceTest,
    Spec,
)
from dmtest.errors import InputError, did_you_mean
from dmtest.results.shown import Records
from dmtest.results.targets import NAMED, SAID

TARGETS = (*ALL, *(t.name for t in NAMED if not t.normal_scale and not t.borrows))
BORROWED = {target.name: target.borrows for target in NAMED if target.borrows}
ROWS: tuple[Spec, ...] = (
    *slices.ROWS,
    *fitted.ROWS,
    *specified.ROWS,
    *cube.ROWS,
    *sphere.ROWS,
    *two_sample.ROWS,
)
# A name may have rows for several targets: the first row is its own.
TESTS: dict[str, Spec] = {}
for _row in ROWS:
    TESTS.setdefault(_row.name, _row)

# The power study (docs/power.md) selects them. Slices: shape, tails, location and scale, and the
# largest gap between cdfs, which is easy to picture.
_SLICES = ("anderson-darling", "dagostino-pearson", "epps-pulley", "kolmogorov-smirnov")
# Whole rows: joint shape, skewness and kurtosis of all directions together, single columns.
_SHAPES = ("henze-zirkler", "mardia-skewness", "mardia-kurtosis", "generalised-shapiro-wilk")
# Departures that a fitted mean and covariance remove: lengths, covariance, location.
_MOMENTS = ("radius", "covariance-ledoit-wolf", "energy")
# A mean direction, axes, and two tests that detect the rest.
_SPHERE = ("rayleigh", "bingham", "bakshaev", "gine-gn")
# Pairs, slices, and a classifier, which does not depend on the scales of columns.
_TWO_SAMPLE = ("mmd", "energy", "sliced-wasserstein", "classifier")

# What other packages and users call tests, in lower case.
CALLED: dict[str, tuple[str, ...]] = {
    "ad": ("anderson-darling",),
    "anderson": ("anderson-darling",),
    "cvm": ("cramer-von-mises",),
    "d'agostino": ("dagostino-pearson",),
    "dagostino": ("dagostino-pearson",),
    "dh": ("doornik-hansen",),
    "ep": ("epps-pulley",),
    "goftest": ("kolmogorov-smirnov", "anderson-darling"),
    "hz": ("henze-zirkler",),
    "jarquebera": ("jarque-bera",),
    "jb": ("jarque-bera",),
    "k2": ("dagostino-pearson",),
    "ks": ("kolmogorov-smirnov",),
    "kstest": ("kolmogorov-smirnov",),
    "kurtosis": ("mardia-kurtosis", "koziol-kurtosis"),
    "lilliefors": ("kolmogorov-smirnov",),
    "mardia": ("mardia-skewness", "mardia-kurtosis"),
    "multivariate-normality": ("henze-zirkler",),
    "mvn": ("henze-zirkler", "mardia-skewness", "mardia-kurtosis", "royston"),
    "normaltest": ("dagostino-pearson",),
    "omnibus": ("dagostino-pearson",),
    "shapiro": ("shapiro-wilk", "shapiro-francia"),
    "sigreg": ("epps-pulley",),
    "skewness": ("mardia-skewness", "malkovich-afifi-skewness"),
    "sw": ("shapiro-wilk",),
    "swd": ("sliced-wasserstein",),
    "wasserstein": ("sliced-wasserstein",),
}


def default_battery(target: str) -> tuple[str, ...]:
    """Return the names of the tests that a report runs by default."""
    if target == "sphere":
        return _SPHERE
    if target == "reference":
        return _TWO_SAMPLE
    if target == "sampled":
        return (*_SLICES, "mmd", "moments")
    if target == "any-normal":
        return (*_SLICES, *_SHAPES)
    # In the cube, energy is a test of the rows in the cube, not on normal scale.
    moments = _MOMENTS if target not in CUBE else ("radius", "covariance-ledoit-wolf")
    return (*_SLICES, *_SHAPES, *moments)


def find(name: str, target: str) -> Spec | None:
    """Return the row of a name for a target."""
    return next((row for row in ROWS if row.name == name and target in row.targets), None)


def describe(names: Iterable[str], target: str) -> dict[str, dict[str, str]]:
    """Return what the tests of these names detect, and their references, for a report."""
    unlisted_rows = {row.name: row for row in unlisted.ROWS}
    rows = {name: find(name, target) or unlisted_rows.get(name) for name in names}
    return {
        name: {"sees": row.sees, "reference": row.reference}
        for name, row in rows.items()
        if row is not None
    }


def as_tests(tests: str | Iterable[str] | None, target: str) -> tuple[Spec, ...]:
    """Resolve names to rows: one name, several, ``"all"``, or None for the default battery.

    Raises
    ------
    InputError
        If a name is unknown or given twice, or its test does not apply to `target`.
    """
    if tests is None:
        names = list(default_battery(target))
    elif isinstance(tests, str):
        # Tests limited to few rows run by name only.
        every = [row.name for row in list_tests(target) if row.most is None]
        names = every if tests == "all" else [t.strip() for t in tests.split(",")]
    else:
        names = list(tests)
    if not names:
        raise InputError("tests: got no name; give at least one, or None for the default battery.")
    rows = []
    for name in names:
        if not isinstance(name, str) or name not in TESTS:
            raise _unknown(name)
        if names.count(name) > 1:
            raise InputError(f"tests: {name!r} is given {names.count(name)} times; give it once.")
        row = find(name, target)
        if row is None:
            its = [t for t in TARGETS if find(name, t) is not None]
            raise InputError(
                f"tests: {name!r} does not test target {target!r}; it tests {', '.join(its)}."
            )
        rows.append(row)
    return tuple(rows)


def _unknown(name: object) -> InputError:
    near = did_you_mean(name, TESTS, CALLED)
    known = f"{near} 'dmtest tests' lists all." if near else ""
    known = known or f"known are {', '.join(TESTS)} (or 'all')."
    return InputError(f"tests: got {name!r}; {known}")


def as_name(name: str) -> str:
    """Return the name of a test, or refuse it with the names that were perhaps meant."""
    if name not in TESTS:
        raise InputError(str(_unknown(name)).replace("tests:", "test:", 1))
    return name


def one_sample_tests(tests: str | Iterable[str] | None, target: str) -> tuple[OneSampleTest, ...]:
    """Resolve names as :func:`as_tests` does, for a target that one sample may follow."""
    return tuple(row for row in as_tests(tests, target) if isinstance(row, SliceTest | RowTest))


def pool_tests(tests: str | Iterable[str] | None) -> tuple[PoolTest, ...]:
    """Resolve names as :func:`as_tests` does, for two samples."""
    return tuple(row for row in as_tests(tests, "reference") if isinstance(row, PoolTest))


def draw_tests(tests: str | Iterable[str] | None) -> tuple[SliceTest | DrawTest, ...]:
    """Resolve names as :func:`as_tests` does, for a law that can be drawn from."""
    return tuple(row for row in as_tests(tests, "sampled") if isinstance(row, SliceTest | DrawTest))


def list_tests(target: str | None = None) -> Records[Spec]:
    """Return the registered tests, or those of one target.

    Parameters
    ----------
    target : str, optional
        ``"normal"``, ``"any-normal"``, ``"uniform"``, ``"product"``, ``"rosenblatt"``,
        ``"sphere"``, ``"ranks"``, ``"sampled"`` or ``"reference"`` (two samples).
    """
    target = BORROWED.get(target, target) if isinstance(target, str) else target
    if target is not None and target not in TARGETS:
        near = did_you_mean(target, TARGETS, SAID)
        raise InputError(
            f"target: got {target!r}; {f'{near} ' if near else ''}"
            f"{'Tests' if near else 'tests'} are listed for {', '.join(TARGETS)}."
        )
    return Records(row for row in ROWS if target is None or target in row.targets)


def hypothesis(name: str) -> str:
    """Return the catalogue's name of a target: without parameters, or that of whose tests apply."""
    kind = name.split("(")[0]
    return BORROWED.get(kind, kind)


def names_of(tests: str | Iterable[str] | None) -> str | list[str] | None:
    """Return names as given; an iterator becomes a list, which can be read twice."""
    if tests is None or isinstance(tests, str):
        return tests
    if not isinstance(tests, Iterable):
        raise InputError(
            f"tests: got {type(tests).__name__}; give names, 'all', or None for the default."
        )
    return list(tests)


def own_target(names: str | Sequence[str] | None) -> str:
    """Return the own target of the first test."""
    names = names.split(",") if isinstance(names, str) else names
    first = str(names[0]).strip() if names else "all"
    return TESTS[first].targets[0] if first in TESTS else "any-normal"


def checked_params(
    specs: Sequence[Spec], params: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, dict[str, Any]]:
    """Return tuning parameters as plain numbers, by test; None stands for a default."""
    known = {spec.name: spec for spec in specs}
    tuning: dict[str, dict[str, Any]] = {}
    for name, values in _mapping("params", {} if params is None else params).items():
        if name not in known:
            raise InputError(f"params: {name!r} is not among the tests {', '.join(known)}.")
        tuning[name] = {
            parameter: _parameter(known[name], parameter, value)
            for parameter, value in _mapping(f"params[{name!r}]", values).items()
        }
    return tuning


def _mapping(name: str, value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise InputError(
            f"{name}: got {value!r}; pass a dict of parameters, such as {{'window': 5}}."
        )
    return value


def _parameter(spec: Spec, parameter: Any, value: Any) -> float | int | None:
    if parameter not in spec.params:
        takes = ", ".join(spec.params) or "none"
        raise InputError(f"params: {spec.name} has no {parameter!r}; its parameters: {takes}.")
    if value is None and spec.params[parameter] is None:
        return None
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InputError(f"params: {parameter} of {spec.name} must be a number; got {value!r}.")
    if value in spec.limits.get(parameter, ()):
        return value
    if not (math.isfinite(value) and value > 0):
        raise InputError(
            f"params: {parameter} of {spec.name} must be positive and finite; got {value!r}."
        )
    return value
