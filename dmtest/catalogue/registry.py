"""Which tests there are, and the rows that names stand for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dmtest.catalogue import cube, fitted, slices, specified, sphere, two_sample, unlisted
from dmtest.catalogue.spec import ALL, OneSampleTest, PoolTest, RowTest, SliceTest, Spec
from dmtest.errors import InputError
from dmtest.results.targets import NAMED

TARGETS = (*ALL, *(target.name for target in NAMED if not target.normal_scale))
ROWS: tuple[Spec, ...] = (
    *slices.ROWS,
    *fitted.ROWS,
    *specified.ROWS,
    *cube.ROWS,
    *sphere.ROWS,
    *two_sample.ROWS,
)
# A name may have a row for each of several hypotheses: the first is its own.
TESTS: dict[str, Spec] = {}
for _row in ROWS:
    TESTS.setdefault(_row.name, _row)

# Chosen by the power study (docs/power.md). On slices: shape, tails, location and scale, and
# one number that a reader can picture.
_SLICES = ("anderson-darling", "dagostino-pearson", "epps-pulley", "kolmogorov-smirnov")
# Of whole rows: joint shape, skewness and kurtosis of all directions together, single columns.
_SHAPES = ("henze-zirkler", "mardia-skewness", "mardia-kurtosis", "generalised-shapiro-wilk")
# What a fitted mean and covariance take away: lengths, covariance, location.
_MOMENTS = ("radius", "covariance-ledoit-wolf", "energy")
# A mean direction, axes, and two that see the rest.
_SPHERE = ("rayleigh", "bingham", "bakshaev", "gine-gn")
# Four ways to look at two samples: pairs, slices, and a rule that does not see scales.
_TWO_SAMPLE = ("mmd", "energy", "sliced-wasserstein", "classifier")


def default_battery(target: str) -> tuple[str, ...]:
    """Name the tests that a report runs where none are asked for."""
    if target == "sphere":
        return _SPHERE
    if target == "reference":
        return _TWO_SAMPLE
    if target == "any-normal":
        return (*_SLICES, *_SHAPES)
    # Of the cube, the rows themselves have tests of their own by these names.
    moments = _MOMENTS if target != "uniform" else ("radius", "covariance-ledoit-wolf")
    return (*_SLICES, *_SHAPES, *moments)


def find(name: str, target: str) -> Spec | None:
    """Return the row of a name for a target."""
    return next((row for row in ROWS if row.name == name and target in row.targets), None)


def describe(names: Iterable[str], target: str) -> dict[str, dict[str, str]]:
    """Return what the tests of these names see, and their references, for a report to keep."""
    added = {row.name: row for row in unlisted.ROWS}
    rows = {name: find(name, target) or added.get(name) for name in names}
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
        # What only takes few rows is left to be asked for by name.
        every = [row.name for row in list_tests(target) if row.most is None]
        names = every if tests == "all" else [t.strip() for t in tests.split(",")]
    else:
        names = list(tests)
    if not names:
        raise InputError("tests: got no name; give at least one, or None for the default battery.")
    rows = []
    for name in names:
        if not isinstance(name, str) or name not in TESTS:
            raise InputError(f"tests: got {name!r}; known are {', '.join(TESTS)} (or 'all').")
        if names.count(name) > 1:
            raise InputError(f"tests: {name!r} is given {names.count(name)} times; give it once.")
        row = find(name, target)
        if row is None:
            known = [t for t in TARGETS if find(name, t) is not None]
            raise InputError(
                f"tests: {name!r} does not test target {target!r}; it tests {', '.join(known)}."
            )
        rows.append(row)
    return tuple(rows)


def one_sample_tests(tests: str | Iterable[str] | None, target: str) -> tuple[OneSampleTest, ...]:
    """Resolve names as :func:`as_tests` does, for a target that one sample may follow."""
    return tuple(row for row in as_tests(tests, target) if isinstance(row, SliceTest | RowTest))


def pool_tests(tests: str | Iterable[str] | None) -> tuple[PoolTest, ...]:
    """Resolve names as :func:`as_tests` does, for two samples."""
    return tuple(row for row in as_tests(tests, "reference") if isinstance(row, PoolTest))


def list_tests(target: str | None = None) -> list[Spec]:
    """Return the registered tests, or those of one target.

    Parameters
    ----------
    target : str, optional
        ``"normal"``, ``"any-normal"``, ``"uniform"``, ``"product"``, ``"sphere"`` or
        ``"reference"`` (two samples).
    """
    if target is not None and target not in TARGETS:
        raise InputError(f"target: got {target!r}; tests are listed for {', '.join(TARGETS)}.")
    return [row for row in ROWS if target is None or target in row.targets]


def hypothesis(name: str) -> str:
    """Name the registry's hypothesis of a target: parameters in brackets are left out."""
    return name.split("(")[0]


def names_of(tests: str | Iterable[str] | None) -> str | list[str] | None:
    """Return tests as they were asked for, an iterator as a list that can be read twice."""
    if tests is None or isinstance(tests, str):
        return tests
    if not isinstance(tests, Iterable):
        raise InputError(
            f"tests: got {type(tests).__name__}; give names, 'all', or None for the default."
        )
    return list(tests)


def own_target(names: str | Sequence[str] | None) -> str:
    """Return the target of the first test that is asked for."""
    names = names.split(",") if isinstance(names, str) else names
    first = str(names[0]).strip() if names else "all"
    return TESTS[first].targets[0] if first in TESTS else "any-normal"


def checked_params(
    specs: Sequence[Spec], params: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, dict[str, Any]]:
    """Return tuning parameters as plain numbers, by test; None stands for a default."""
    known = {spec.name: spec for spec in specs}
    chosen: dict[str, dict[str, Any]] = {}
    for name, values in _mapping("params", {} if params is None else params).items():
        if name not in known:
            raise InputError(f"params: {name!r} is not among the tests {', '.join(known)}.")
        chosen[name] = {
            parameter: _parameter(known[name], parameter, value)
            for parameter, value in _mapping(f"params[{name!r}]", values).items()
        }
    return chosen


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
