"""Checks of arguments that several entry points share: every refusal names the cure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from dmtest.errors import InputError
from dmtest.registry import TESTS, Spec

__all__ = [
    "check_replicates",
    "checked_params",
    "hypothesis",
    "level",
    "names_of",
    "own_target",
    "positive",
    "whole",
]

FEWEST_REPLICATES = 19


def whole(name: str, value: Any, least: int, why: str = "") -> int:
    """Return a whole number that is at least `least`; `why` ends the refusal."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}: got {value!r}; give a whole number of at least {least}{why}.")
    return int(value)


def level(name: str, value: Any, example: float) -> float:
    """Return a number strictly between 0 and 1."""
    if not isinstance(value, float | np.floating) or not 0.0 < value < 1.0:
        raise InputError(
            f"{name}: got {value!r}; choose a number between 0 and 1, such as {example}."
        )
    return float(value)


def positive(name: str, value: Any) -> float:
    """Return a positive finite number."""
    good = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if not good or not 0.0 < float(value) < math.inf:
        raise InputError(f"{name}: got {value!r}; give a positive number.")
    return float(value)


def check_replicates(replicates: Any, alpha: float = 0.05) -> int:
    """Return a number of replicates that p-values as small as `alpha` can come from."""
    count = whole("replicates", replicates, FEWEST_REPLICATES, ", for a p-value as small as 0.05")
    if count + 1 < 1.0 / alpha:
        raise InputError(
            f"replicates: {count} cannot give a p-value as small as alpha = {alpha}; "
            f"take at least {math.ceil(1.0 / alpha) - 1}."
        )
    return count


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
